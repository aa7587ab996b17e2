# Sixteen megabytes without a line's end.
from trying import *

for _ in range(16):
    sys.stdout.write("y" * (1 << 20))
sys.stdout.flush()
say("")
over()
