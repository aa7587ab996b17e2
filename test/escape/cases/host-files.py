# Reads and writes files of the host that its user may read and write there.
from trying import *

there = bait()
for name in ("secret", "data"):
    path = there[name]
    held(f"read {name}", lambda: read(path))
    held(f"list {name}'s folder", lambda: os.listdir(os.path.dirname(path)))
    held(f"write {name}", lambda: write(path, "taken"))
    held(f"{name} by PID 1's root", lambda: read(f"/proc/1/root{path}"))
    held(f"{name} by the victim's root", lambda: read(f"/proc/{there['victim']}/root{path}"))
    held(f"{name} by the server's root", lambda: read(f"/proc/{there['server']}/root{path}"))
    os.symlink(path, "to-" + name)
    held(f"{name} by a link", lambda: read("to-" + name))
    held(f"a link to {name}", lambda: os.link(path, "hard"))
    os.unlink("to-" + name)
for path in ("/usr/x", "/x", "/etc/x", "/bin/x", "/root/x", "/proc/x"):
    held(f"make {path}", lambda: write(path))
if os.path.exists("another"):
    held("read another account's file", lambda: read("another"), {"EACCES"})
    held("open it up", lambda: os.chmod("another", 0o666), {"EPERM"})
over()
