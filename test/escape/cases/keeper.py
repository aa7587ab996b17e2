# Reaches for PID 1 of its own sandbox, which tells the server how the program ended.
from trying import *

PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
held("ptrace attach", lambda: call("ptrace", PTRACE_ATTACH, 1, 0, 0))
held("ptrace seize", lambda: call("ptrace", PTRACE_SEIZE, 1, 0, 0))
held("its memory", lambda: open("/proc/1/mem", "r+b"))
held("its environment", lambda: read("/proc/1/environ", "rb"))
held("its maps", lambda: read("/proc/1/maps"))
held("its root", lambda: os.listdir("/proc/1/root"))
held("its folder", lambda: os.readlink("/proc/1/cwd"))
held("its program", lambda: os.readlink("/proc/1/exe"))
held("its descriptors", lambda: os.listdir("/proc/1/fd"))
held("read its memory", lambda: call("process_vm_readv", 1, IOV, 1, IOV, 1, 0))
held("write its memory", lambda: call("process_vm_writev", 1, IOV, 1, IOV, 1, 0))


def take_descriptor():
    return call("pidfd_getfd", os.pidfd_open(1), 0, 0)


held("take a descriptor", take_descriptor)
held("compare", lambda: call("kcmp", 1, os.getpid(), 0, 0, 0))
held("its oom score", lambda: write("/proc/1/oom_score_adj", "1000"))
over()
