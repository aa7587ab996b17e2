# Signals of the terminal's, again and again, to itself and its group.
from trying import *

for number in (signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
say("held ready")
while True:
    for number in (signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN, signal.SIGHUP):
        os.kill(0, number)
