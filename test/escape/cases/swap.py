# Swaps a file for a link, again and again, while the server reads it.
from trying import *

write("file.py", "mine\n")
os.symlink(bait()["secret"], "link.py")
say("held ready")
end = time.monotonic() + 6
while time.monotonic() < end:
    call("renameat2", -100, text("file.py"), -100, text("link.py"), 2)
    keep.clear()
over()
