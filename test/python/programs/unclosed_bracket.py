print("one"
print("two")
