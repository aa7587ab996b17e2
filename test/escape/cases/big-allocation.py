# One absurd request for memory. The program may go on.
from trying import *

try:
    x = " " * 10**11
    say("OPEN memory: 100 GB")
except MemoryError:
    say("held memory: MemoryError")
over()
