# Shared memory and queues of the host.
from trying import *

libc.shmat.restype = ctypes.c_void_p


def attach(segment):
    if libc.shmat(ctypes.c_int(segment), None, 0) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "shmat")


held("attach a segment", lambda: attach(bait()["segment"]), {"EINVAL", "EIDRM", "EACCES"})
held("by its key", lambda: call("shmget", bait()["key"], 0, 0), {"ENOENT"})


def queue():
    if libc.mq_open(b"/" + bait()["queue"].encode(), os.O_RDWR) < 0:
        raise OSError(ctypes.get_errno(), "mq_open")


held("open a message queue", queue, {"ENOENT"})
works("its own segment", lambda: attach(call("shmget", 0, 4096, 0o1600)))
over()
