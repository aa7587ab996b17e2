# Computes without end, in several processes and threads.
from trying import *

say("held begun")
for _ in range(3):
    if os.fork() == 0:
        break


def spin():
    while True:
        pass


for _ in range(3):
    threading.Thread(target=spin).start()
