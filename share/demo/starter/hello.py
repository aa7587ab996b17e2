name = input("What is your name? ")
print(f"Hello, {name}!")
print(f"Backwards you are {name[::-1].capitalize()}.")
