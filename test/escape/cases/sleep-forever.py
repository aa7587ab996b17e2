# Waits for a line that nobody types.
from trying import *

say("held begun")
time.sleep(3600)
