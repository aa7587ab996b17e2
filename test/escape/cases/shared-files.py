# Leaves signs on files that all programs share.
from trying import *
import fcntl

shared = os.open("/usr/bin/env", os.O_RDONLY)
held("a lease", lambda: fcntl.fcntl(shared, fcntl.F_SETLEASE, fcntl.F_RDLCK), {"EPERM"})
held("a notice", lambda: fcntl.fcntl(os.open("/usr", os.O_RDONLY), fcntl.F_NOTIFY, 1), {"EPERM"})
held("an attribute", lambda: os.setxattr("/usr/bin/env", "user.x", b"1"))
held("a time", lambda: os.utime("/usr/bin/env"))
held("a link to it", lambda: os.link("/usr/bin/env", "env"))
works("a lock in its own folder", lambda: fcntl.flock(os.open("lock", os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX))
os.unlink("lock")
over()
