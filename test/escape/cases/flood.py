# Prints without end.
from trying import *

line = "x" * 1000
while True:
    print(line)
