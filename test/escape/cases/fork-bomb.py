# Forks without end, in every child too.
from trying import *

made = 0
while True:
    try:
        if os.fork() == 0:
            made = None
        elif made is not None:
            made += 1
    except OSError as error:
        if made is not None:
            say(f"held fork: {name_of(error)}" if made < 200 else f"OPEN fork: {made} made")
            made = None
