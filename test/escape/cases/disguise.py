# Takes other names, adopts orphans, wants to outlive its parent, and leaves a process behind.
from trying import *

libc.prctl(15, b"carrel-keeper")   # PR_SET_NAME
libc.prctl(36, 1)                  # PR_SET_CHILD_SUBREAPER
libc.prctl(1, 0)                   # PR_SET_PDEATHSIG
if os.fork() == 0:
    os.setsid()
    libc.prctl(15, b"carrel-web")
    libc.prctl(1, 0)
    if os.fork() == 0:
        time.sleep(3600)
    os._exit(0)
os.wait()
say("held begun")
over()
os._exit(0)
