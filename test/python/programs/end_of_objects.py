import atexit, weakref, tempfile, os
name = "a global"
class Thing:
    def __init__(self, label):
        self.label = label
    def __del__(self):
        print("gone", self.label, name, os.getcwd())
thing = Thing("first")
_private = Thing("private")
cycle = Thing("cycle")
cycle.me = cycle
weakref.finalize(cycle, print, "finalized")
folder = tempfile.TemporaryDirectory()
def generate():
    try:
        yield 1
    finally:
        print("generator closed")
generator = generate()
next(generator)
atexit.register(print, "at exit")
print("end", end="")
