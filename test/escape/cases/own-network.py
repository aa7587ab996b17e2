# Talks to itself over the loopback, as an exercise does.
from trying import *

def talk(family, host):
    with socket.create_server((host, 0), family=family) as server:
        with socket.create_connection(server.getsockname()[:2]) as client:
            peer = server.accept()[0]
            with peer:
                client.sendall(b"hello")
                return peer.recv(5) == b"hello"


works("TCP", lambda: talk(socket.AF_INET, "127.0.0.1"))
works("by name", lambda: talk(socket.AF_INET, "localhost"))
ends = socket.socketpair()
works("a local socket", lambda: ends[0].send(b"x") == 1 and ends[1].recv(1) == b"x")
over()
