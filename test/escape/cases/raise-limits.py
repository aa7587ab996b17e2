# Raises its own limits, and touches others'.
from trying import *
import resource

for name in ("NOFILE", "NPROC", "CORE", "FSIZE", "DATA", "MEMLOCK", "MSGQUEUE", "RTPRIO", "NICE"):
    number = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(number)[1]
    if hard != resource.RLIM_INFINITY:
        held(f"raise {name}", lambda: resource.setrlimit(number, (hard + 1, hard + 1)))
held("limits of PID 1", lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0)), {"EPERM"})
held("priority of PID 1", lambda: os.setpriority(os.PRIO_PROCESS, 1, 19), {"EPERM"})
works("lower a limit", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
over()
