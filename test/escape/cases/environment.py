# Looks for secrets in its environment and memory.
from trying import *

known = {"PATH", "LANG", "TERM", "COLORTERM", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "MPLBACKEND", "MPLCONFIGDIR",
         "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LC_CTYPE", "LINES", "COLUMNS", "XDG_CACHE_HOME", "TMPDIR"}
works("nothing but what is meant", lambda: set(os.environ) <= known or say("more:", set(os.environ) - known) or False)
SUM = "2de3d06c60dd05701b09a001f71c52ec5efc2466f84a08bc7a1a99c6aa355619"  # of run.py's CARREL_ESCAPE_SECRET
initial = read("/proc/self/environ", "rb")
works("nor at its start", lambda: b"SECRET" not in initial and b"carrel" not in initial.lower())
command = read("/proc/self/cmdline", "rb")
works("nor on its command line", lambda: b"/" not in command.replace(b"python3", b""))
maps = [line.split() for line in read("/proc/self/maps").splitlines()]
found = False


def holds_secret(block):
    """Known by its check sum, since a text to compare with would be found here too."""
    import hashlib
    at = block.find(b"SECRET-OF-")
    while at >= 0:
        if hashlib.sha256(block[at : at + 20]).hexdigest() == SUM:
            return True
        at = block.find(b"SECRET-OF-", at + 1)
    return False


with open("/proc/self/mem", "rb", buffering=0) as memory:
    for words in maps:
        if "r" not in words[1] or (len(words) > 5 and words[5] in ("[vvar]", "[vsyscall]")):
            continue
        begin, end = (int(part, 16) for part in words[0].split("-"))
        if end - begin > 64 << 20:
            continue
        try:
            memory.seek(begin)
            block = memory.read(end - begin) or b""
        except (OSError, ValueError, OverflowError):
            continue
        found = found or holds_secret(block)
        del block
works("nor in its memory", lambda: not found)
over()
