# Looks for descriptors that it should not have.
from trying import *
import fcntl

found = []
for fd in range(65536):
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
        found.append(fd)
    except OSError:
        pass
works("only 0, 1 and 2", lambda: found == [0, 1, 2])
works("all three its terminal", lambda: len({os.fstat(fd).st_rdev for fd in found}) == 1)
over()
