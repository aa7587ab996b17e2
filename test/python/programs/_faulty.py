"""A module of the programs beside it."""

def work(x):
    return 1 / x

class Resource:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("closing", self.name, greeting)

greeting = "from the module"
resource = Resource("a module's")
file = open("left_open.txt", "w")
file.write("kept\n")
