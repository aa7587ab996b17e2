# Sees only its own processes.
from trying import *

mine = {1, os.getpid()}
seen = {int(name) for name in os.listdir("/proc") if name.isdigit()}
works("only itself and PID 1", lambda: seen <= mine)
for name in ("kcore", "kallsyms", "kmsg", "modules", "sched_debug", "timer_list", "key-users", "keys", "stat", "loadavg", "meminfo", "cmdline"):
    held(f"/proc/{name}", lambda: read(f"/proc/{name}", "rb"))
over()
