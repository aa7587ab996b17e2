# Looks at, signals and limits processes of the host: one that has its own user's rights, and the server.
from trying import *
import resource

for what in ("victim", "server"):
    pid = bait()[what]
    for name in ("environ", "maps", "mem", "auxv"):
        held(f"{what}'s {name}", lambda: read(f"/proc/{pid}/{name}", "rb"))
    for name in ("root", "cwd", "fd/0", "exe"):
        held(f"{what}'s {name}", lambda: os.readlink(f"/proc/{pid}/{name}"))
    held(f"{what}'s memory, to write", lambda: open(f"/proc/{pid}/mem", "r+b"))
    held(f"signal {what}", lambda: os.kill(pid, signal.SIGUSR2))
    held(f"stop {what}", lambda: os.kill(pid, signal.SIGSTOP))
    held(f"signal {what} by pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGUSR2))
    held(f"compare with {what}", lambda: call("kcmp", pid, os.getpid(), 0, 0, 0))
    held(f"ptrace {what}", lambda: call("ptrace", 16, pid, 0, 0))
    held(f"read {what}'s memory", lambda: call("process_vm_readv", pid, IOV, 1, IOV, 1, 0))
    held(f"limit {what}", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0)))
    held(f"slow {what} down", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
    held(f"reschedule {what}", lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)))
over()
