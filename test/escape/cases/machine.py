# Changes the machine.
from trying import *

for name, *arguments in (
    ("reboot", 0xFEE1DEAD, 672274793, 0x1234567, 0), ("kexec_load", 0, 0, 0, 0), ("kexec_file_load", 0, 0, 0, HERE, 0),
    ("init_module", HERE, 0, HERE), ("finit_module", 0, HERE, 0), ("delete_module", text("x"), 0),
    ("swapon", text("/x"), 0), ("swapoff", text("/x")), ("quotactl", 0, 0, 0, HERE), ("acct", 0), ("nfsservctl", 0, 0, 0),
    ("settimeofday", HERE, 0), ("clock_settime", 0, HERE), ("adjtimex", HERE), ("syslog", 3, HERE, 64),
    ("sethostname", text("x"), 1), ("setdomainname", text("x"), 1), ("quotactl_fd", 0, 0, 0, 0),
):
    held(name, lambda: call(name, *arguments), REFUSALS)
over()
