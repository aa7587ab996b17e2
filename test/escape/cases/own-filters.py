# Puts up walls of its own: harmless.
from trying import *


def strict():
    if libc.prctl(22, 1, 0, 0, 0) < 0:   # PR_SET_SECCOMP, strict
        raise OSError(ctypes.get_errno(), "prctl")
    libc.syscall(39)


say("strict:", in_child(strict))
held("a listener of its own", lambda: call("seccomp", 1, 8, HERE), REFUSALS)
works("landlock", lambda: call("landlock_create_ruleset", 0, 0, 1) >= 1)
over()
