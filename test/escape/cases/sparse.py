# Files that are large without having anything.
from trying import *

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
fd = os.open("sparse", os.O_RDWR | os.O_CREAT)
held("truncate to 8 TiB", lambda: os.ftruncate(fd, 8 << 40), {"EFBIG"})
held("fallocate 1 TiB", lambda: os.posix_fallocate(fd, 0, 1 << 40), {"EFBIG", "ENOSPC", "EDQUOT"})
held("write at 4 TiB", lambda: os.pwrite(fd, b"x", 4 << 40), {"EFBIG"})
held("truncate a memory file", lambda: os.ftruncate(os.memfd_create("x"), 8 << 40), {"EFBIG"})
os.unlink("sparse")
over()
