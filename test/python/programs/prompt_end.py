# interactive
# at: >>> 
# type: y = 5\n
# at: >>> 
# type: \x04
import atexit
atexit.register(lambda: print("at exit", y))
class Thing:
    def __del__(self):
        print("gone")
thing = Thing()
