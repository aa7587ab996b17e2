# Reaches for the Internet.
from trying import *

began = time.monotonic()
held("an address", lambda: connect(socket.AF_INET, ("1.1.1.1", 443)), {"ENETUNREACH"})
held("an address, version 6", lambda: connect(socket.AF_INET6, ("2606:4700:4700::1111", 443)))
held("metadata", lambda: connect(socket.AF_INET, ("169.254.169.254", 80)), {"ENETUNREACH"})


def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("8.8.8.8", 53))


held("a datagram", datagram, {"ENETUNREACH"})
held("a name", lambda: socket.getaddrinfo("example.com", 80))
works("told at once", lambda: time.monotonic() - began < 2)
over()
