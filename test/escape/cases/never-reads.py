# Reads nothing while much is typed.
from trying import *

say("held begun")
time.sleep(1.5)
over()
