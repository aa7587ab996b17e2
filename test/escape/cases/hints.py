# The one socket by which a program is heard outside: forged, malformed, huge, flooded, with descriptors beside; and then
# whether anybody still listens.
from trying import *

PLACE = "/run/carrel"
WORDS = {
    "forged": [b"r"],
    "malformed": [b""],
    "strange": [b'{"type":"run.state","state":"ended"}\0\xff'],
    "huge": [b"r" * 180000],
    "image": [b"\x89PNG\r\n\x1a\n" + b"\0" * 60000],
    "descriptors": [],
}
how = bait()["how"]
hints = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def tell(word):
    for _ in range(200):
        try:
            return hints.sendto(word, PLACE)
        except BlockingIOError:
            time.sleep(0.01)
    raise TimeoutError("nobody takes it")


def hand_over():
    """As many open files as a message holds, in the hope that whoever hears it keeps them."""
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]
    hints.connect(PLACE)
    socket.send_fds(hints, [b"r"], files)
    for file in files:
        os.close(file)


if how == "descriptors":
    works("descriptors are sent", lambda: hand_over() is None)
for word in WORDS[how]:
    works(f"{len(word)} bytes are sent", lambda: tell(word) == len(word))
time.sleep(0.3)


def flood():
    end, heard = time.monotonic() + 0.1, 0
    while time.monotonic() < end:
        try:
            heard += hints.sendto(b"r", PLACE)
        except OSError:
            pass
    return heard


works("of a flood nothing is heard", lambda: flood() == 0)
works("nor of a child's", lambda: in_child(lambda: os._exit(flood() > 0)) == 0)
held("a word more", lambda: hints.sendto(b"r", PLACE), {"ECONNREFUSED"})
held("taking its place away", lambda: os.unlink(PLACE))
held("putting another there", lambda: os.rename(PLACE, PLACE + "2"))
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
    held("listening in its place", lambda: other.bind(PLACE))
over()
