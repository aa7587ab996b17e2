# Closes its streams, puts other things there, and computes on.
from trying import *

say("held begun")
for fd in range(3):
    os.close(fd)
null = os.open("/dev/null", os.O_RDWR)
os.dup2(null, 1)
while True:
    pass
