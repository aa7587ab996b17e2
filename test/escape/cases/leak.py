# Takes memory in small steps.
from trying import *

say("held begun")
kept = []
while True:
    kept.append(bytearray(b"x" * (1 << 20)))
