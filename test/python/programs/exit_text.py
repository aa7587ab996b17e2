import sys
print("out", end="")
sys.exit("words")
