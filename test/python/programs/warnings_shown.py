import warnings
warnings.warn("old", DeprecationWarning)
warnings.warn("look")
x = 5
print(x is 5)
"\d"
assert (x, "always true")
import imp
open("left_open.txt", "w")
