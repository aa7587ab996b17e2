# Plants links where the server will look: at a file, in a path, at a secret of the server's.
from trying import *

for name, target in {"passwd": "/etc/passwd", "root": "/", "up": "../..", "store": "/store", "loop": "loop",
                     "self": "/proc/self/root", "fd": "/proc/self/fd/0", "notes": "../Lecture Notes"}.items():
    os.symlink(target, name)
os.symlink(bait()["secret"], "secret")
os.symlink(bait()["target"], "written.py")
os.mkdir("sub")
os.symlink("/", "sub/deep")
over()
