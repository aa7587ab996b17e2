import sys
print(sys.getrecursionlimit())
sys.setrecursionlimit(10_000)
def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)
print(deep(9000))
class Odd:
    def __repr__(self):
        return repr(self)
try:
    repr(Odd())
except RecursionError as error:
    print(error)
