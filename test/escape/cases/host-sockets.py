# Connects to what listens on the host: a port, the server itself, a local socket.
from trying import *

there = bait()
held("a port of the host", lambda: connect(socket.AF_INET, ("127.0.0.1", there["port"])))
held("the server", lambda: connect(socket.AF_INET, ("127.0.0.1", there["server_port"])))
held("a local socket of the host", lambda: connect(socket.AF_UNIX, "\0" + there["abstract"]))
names = read("/proc/net/unix") if os.path.exists("/proc/net/unix") else ""
works("no name of the host's sockets", lambda: there["abstract"] not in names)
over()
