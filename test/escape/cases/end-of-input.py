# Meets the end of its input.
from trying import *

for _ in range(2):
    try:
        input()
        say("BROKEN input: a line")
    except EOFError:
        say("works EOFError")
        break
over()
