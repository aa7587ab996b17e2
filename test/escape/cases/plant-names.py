# Plants names that somebody might misread.
from trying import *

names = [b"new\nline", b"carriage\rreturn", b"\x1b]0;title\x07", "rtl\u202etxt.py".encode(), b"x" * 255, b"not\xffutf8",
         b"-rf", b"CON", b"%2e%2e", b"trailing ", b" leading", b"..hidden", b"a;b&c|d", b'quote"\'', b"<script>", b"\x01",
         "e\u0301".encode(), b"semi; filename=x.html"]
for name in names:
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
held("a slash", lambda: os.open(b"a/b", os.O_CREAT))
over()
