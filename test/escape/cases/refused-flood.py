# Hundreds of thousands of refused calls, by threads and processes: each is answered by the sandbox's keeper, which must
# see the end of its program all the same.
from trying import *


def hammer(count):
    for _ in range(count):
        libc.syscall(ctypes.c_long(NUMBERS["mount"][MACHINE]))
        if ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            os._exit(1)
    os._exit(0)


def hammer_for_ever():
    while True:
        libc.syscall(ctypes.c_long(NUMBERS["mount"][MACHINE]))


children = []
for _ in range(4):
    children.append(os.fork())
    if children[-1] == 0:
        hammer(10000)
works("each is refused", lambda: [os.waitpid(child, 0)[1] for child in children] == [0] * 4)
for _ in range(6):  # these are left behind, in the midst of it
    if os.fork() == 0:
        os.setsid()
        threading.Thread(target=hammer_for_ever, daemon=True).start()
        hammer_for_ever()
time.sleep(0.2)
over()
