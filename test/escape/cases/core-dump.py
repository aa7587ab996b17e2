# Aborts with a large image.
from trying import *

block = bytearray(b"x" * (32 << 20))
say("held begun")
os.abort()
