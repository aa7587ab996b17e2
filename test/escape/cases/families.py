# Kinds of sockets that no program needs.
from trying import *

for name, family, kind, protocol in (
    ("netlink", 16, socket.SOCK_RAW, 0), ("packet", 17, socket.SOCK_RAW, 0), ("vsock", 40, socket.SOCK_STREAM, 0),
    ("alg", 38, socket.SOCK_SEQPACKET, 0), ("xdp", 44, socket.SOCK_RAW, 0), ("bluetooth", 31, socket.SOCK_RAW, 0),
    ("can", 29, socket.SOCK_RAW, 1), ("key", 15, socket.SOCK_RAW, 2), ("rds", 21, socket.SOCK_SEQPACKET, 0),
    ("raw", socket.AF_INET, socket.SOCK_RAW, 1), ("ping", socket.AF_INET, socket.SOCK_DGRAM, 1),
    ("sctp", socket.AF_INET, socket.SOCK_STREAM, 132), ("dccp", socket.AF_INET, 6, 33),
    ("multipath", socket.AF_INET, socket.SOCK_STREAM, 262),
):
    held(name, lambda: socket.socket(family, kind, protocol).close(),
         {"EPERM", "ENOSYS", "EAFNOSUPPORT", "EACCES", "EPROTONOSUPPORT"})
over()
