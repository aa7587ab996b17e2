# Leaves a daemon behind: forks twice, in a session of its own, and ends.
from trying import *

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3):
            os.close(fd)
        time.sleep(3600)
    os._exit(0)
os.wait()
say("held begun")
over()
os._exit(0)
