# One file larger than a file may be.
from trying import *

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def fill():
    with open("large", "wb", buffering=0) as file:
        for _ in range(64):
            if file.write(b"x" * (1 << 20)) < 1 << 20:
                raise OSError(errno.EFBIG, "short")


held("fill a file", fill, {"EFBIG", "ENOSPC", "EDQUOT"})
works("it is as large as it may be", lambda: os.path.getsize("large") <= 8 << 20)
os.unlink("large")
over()
