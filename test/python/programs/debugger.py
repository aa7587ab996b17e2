# at: (Pdb) 
# type: p x\n
# at: (Pdb) 
# type: n\n
# at: (Pdb) 
# type: w\n
# at: (Pdb) 
# type: !x = 5\n
# at: (Pdb) 
# type: c\n
def work():
    x = 1
    breakpoint()
    x += 1
    return x

print(work())
