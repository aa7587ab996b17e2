# Folders in folders, far longer than a path can be.
from trying import *

os.mkdir("deep")
os.chdir("deep")
for _ in range(3000):
    os.mkdir("d" * 40)
    os.chdir("d" * 40)
write("bottom", "x")
say("held made")
over()
