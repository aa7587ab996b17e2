# Writes what steers the whole machine.
from trying import *

for path in ("sys/kernel/core_pattern", "sys/kernel/modprobe", "sys/fs/binfmt_misc/register", "sys/net/ipv4/ip_forward",
             "sys/vm/overcommit_memory", "sys/kernel/hostname", "sysrq-trigger", "sys/user/max_user_namespaces"):
    held(path, lambda: write(f"/proc/{path}", "1"))
for path in ("/sys/kernel/uevent_helper", "/sys/power/state", "/sys/fs/cgroup/cgroup.procs"):
    held(path, lambda: write(path, "1"))
works("/sys is not there", lambda: not os.path.exists("/sys/kernel"))
held("uid map", lambda: write("/proc/self/uid_map", "0 0 1"))
held("no oom kill", lambda: write("/proc/self/oom_score_adj", "-1000"))
works("the first to go when memory is short", lambda: read("/proc/self/oom_score_adj") == "1000\n")
over()
