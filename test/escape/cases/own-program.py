# Overwrites the program that runs it, and looks for ways out in /proc/self.
from trying import *

held("write /proc/self/exe", lambda: open("/proc/self/exe", "r+b"))
held("write the interpreter", lambda: open(os.path.realpath("/usr/bin/python3"), "r+b"))
held("replace the interpreter", lambda: os.rename("/usr/bin/python3", "/usr/bin/python4"))
held("read carrel itself", lambda: open("/usr/lib/carrel/carrel-python", "rb"))
held("the folder above the root", lambda: read("/../../../etc/shadow"))
for name in ("root", "cwd"):
    works(f"/proc/self/{name} stays inside", lambda: not os.path.exists(f"/proc/self/{name}/etc/shadow"))
folders = [fd for fd in range(64) if os.path.isdir(f"/proc/self/fd/{fd}")]
works("no folder among the descriptors", lambda: folders == [])
works("/etc is Carrel's own", lambda: not os.path.exists("/etc/shadow"))
over()
