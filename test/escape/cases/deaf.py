# Deaf to every signal: only a kill ends it.
from trying import *

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
say("held ready")
while True:
    time.sleep(10)
