import sys, atexit
atexit.register(print, "at exit", 1)
atexit.register(lambda: 1 / 0)
sys.exit([1, 2])
