# Crashes again and again: the kernel would like to log each, and to write a core.
from trying import *


def crash():
    ctypes.string_at(0)


ends = {in_child(crash) & 0x7F for _ in range(40)}
works("each ends by its signal", lambda: ends == {signal.SIGSEGV})
works("no core is left", lambda: not [name for name in os.listdir(".") if "core" in name])
over()
