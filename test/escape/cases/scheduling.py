# Wants more of the processor than others.
from trying import *

held("nice -20", lambda: os.nice(-20), {"EPERM", "EACCES"})
held("setpriority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5), {"EPERM", "EACCES"})
held("SCHED_FIFO", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)), {"EPERM"})
held("SCHED_RR", lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)), {"EPERM"})
held("affinity", lambda: os.sched_setaffinity(0, {0}), {"EPERM"})
held("sched_setattr", lambda: call("sched_setattr", 0, HERE, 0), REFUSALS)
held("real-time disk", lambda: call("ioprio_set", 1, 0, 1 << 13), REFUSALS)
works("be nice", lambda: os.nice(1) >= 1)
over()
