# Memory that is nobody's own: files in memory file systems, memfd, shared mappings, System V segments.
from trying import *
import mmap

MOST = 400 << 20
block = b"x" * (1 << 20)


def fill(write_one):
    for count in range(MOST >> 20):
        write_one(count)
    return f"{MOST >> 20} MB"


def in_file(path):
    with open(path, "wb", buffering=0) as file:
        fill(lambda _: file.write(block))


def in_memfd():
    files = []

    def one(count):
        if count % 4 == 0:
            files.append(os.memfd_create("x"))
        os.write(files[-1], block)

    return fill(one)


def in_mapping():
    area = mmap.mmap(-1, MOST)
    return fill(lambda count: area.write(block))


def in_segments():
    libc.shmat.restype = ctypes.c_void_p

    def one(_):
        segment = call("shmget", 0, 1 << 20, 0o1600)
        at = libc.shmat(ctypes.c_int(segment), None, 0)
        if at == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "shmat")
        ctypes.memset(at, 1, 1 << 20)
        libc.shmdt(ctypes.c_void_p(at))

    return fill(one)


ways = {"tmp": lambda: in_file("/tmp/x"), "shm": lambda: in_file("/dev/shm/x"), "memfd": in_memfd, "mapping": in_mapping,
        "segments": in_segments}
for name, way in ways.items():
    def attempt():
        try:
            way()
        except OSError as error:
            say(f"refused {name}: {name_of(error)}")
            os._exit(3)
    status = in_child(attempt)
    say(f"OPEN {name}: filled" if status == 0 else f"held {name}: status {status}")
over()
