# file: bisect.py mine = True
"""A module of the program's own goes before the library's of the same name, even one that was imported ahead."""
import bisect
print(bisect.mine, bisect.__file__)
