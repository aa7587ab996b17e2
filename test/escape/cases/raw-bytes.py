# Prints what terminals and pages might stumble over: it must arrive byte for byte.
from trying import *
import tty

tty.setraw(0)
blocks = [b"\x1b]52;c;c2VjcmV0\x07", b"\x1b]0;title\x07", b"\x1b]8;;http://x/\x07y\x1b]8;;\x07", b"\x1b[6n\x1b[21t\x1b[c",
          b"\xff\xfe\xc0\xaf", b"\xed\xa0\x80", b"\x00\x00", bytes(range(128, 160)), b"\xe2\x82", b"\xf4\x90\x80\x80",
          b'{"type":"run.gone","run":1}\n', bytes(range(256)) * 40]
os.write(1, b"BEGIN" + b"".join(blocks) + b"END")
