# at: name? 
# type: Ada\n
# at: age? 
# type: 36\n
# at: secret: 
# type: hidden\n
# at: lines:
# type: one\rtwo\n\x04
# at: again? 
# type: \x04
import sys, getpass
print("hello", input("name? "))
print(int(input("age? ")) + 1)
print(getpass.getpass("secret: "))
print("lines:")
print(sys.stdin.readlines())
try:
    input("again? ")
except EOFError as error:
    print(repr(error))
sys.stdout.write("partial")
