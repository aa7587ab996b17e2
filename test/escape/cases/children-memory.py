# Several processes, each below the limit, together above it.
from trying import *

for _ in range(6):
    if os.fork() == 0:
        block = bytearray(b"x" * (48 << 20))
        time.sleep(3)
        os._exit(0)
ends = [os.wait()[1] for _ in range(6)]
say("OPEN memory of a tree: all lived" if not any(ends) else f"held memory of a tree: {ends}")
over()
