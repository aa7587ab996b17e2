# Rare ways to make a process.
from trying import *

FLAGS = {"NEWNS": 0x20000, "NEWCGROUP": 0x2000000, "NEWUTS": 0x4000000, "NEWIPC": 0x8000000, "NEWUSER": 0x10000000,
         "NEWPID": 0x20000000, "NEWNET": 0x40000000}


def clone(flags):
    if call("clone", flags | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


for name, flag in FLAGS.items():
    held(f"clone {name}", lambda: clone(flag), {"EPERM"})
held("clone NEWUSER with others", lambda: clone(FLAGS["NEWUSER"] | FLAGS["NEWPID"] | FLAGS["NEWNS"]), {"EPERM"})
held("clone3", lambda: call("clone3", HERE, 88), {"ENOSYS"})
works("clone PARENT", lambda: clone(0x8000))
works("vfork", lambda: __import__("subprocess").run(["/bin/true"]).returncode == 0)
over()
