print("with a mark")
print(__doc__)
1/0
