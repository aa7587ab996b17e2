import os
print("before", end="")
os.abort()
