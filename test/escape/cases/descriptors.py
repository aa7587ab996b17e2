# Kernel memory by descriptors: files, sockets, pipes, epoll, timers, inotify.
from trying import *


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


for name, make in {
    "files": lambda: os.open("/dev/null", os.O_RDONLY),
    "sockets": lambda: socket.socket().detach(),
    "events": lambda: os.eventfd(0),
    "epoll": lambda: checked(libc.epoll_create1(0)),
    "timers": lambda: checked(libc.timerfd_create(1, 0)),
    "pipes": lambda: os.pipe()[0],
    "memory files": lambda: os.memfd_create("x"),
    "inotify": lambda: checked(libc.inotify_init1(0)),
}.items():
    def attempt():
        for count in range(100000):
            try:
                make()
            except OSError as error:
                say(f"held {name} after {count}: {name_of(error)}")
                return
        say(f"OPEN {name}: 100000")
    in_child(attempt)
over()
