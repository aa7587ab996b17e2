print("ünïcödé 🐍 日本")
try:
    print("\ud800")
except UnicodeEncodeError as error:
    print(error)
open("text.txt", "wb").write(b"\xff\xfe\xfd")
print(open("text.txt").read())
