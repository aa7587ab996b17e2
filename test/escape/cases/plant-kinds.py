# Plants what is no file: pipes, sockets.
from trying import *

os.mkfifo("pipe.py")
os.mkfifo("out.txt")
server = socket.socket(socket.AF_UNIX)
server.bind("socket.py")
over()
