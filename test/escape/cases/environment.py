# Looks for secrets in its environment and memory.
from trying import *

known = {"PATH", "LANG", "TERM", "COLORTERM", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "MPLBACKEND", "MPLCONFIGDIR",
         "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LC_CTYPE", "LINES", "COLUMNS", "XDG_CACHE_HOME", "TMPDIR"}
works("nothing but what is meant", lambda: set(os.environ) <= known or say("more:", set(os.environ) - known) or False)
initial = read("/proc/self/environ", "rb")
works("nor at its start", lambda: b"SECRET" not in initial and b"carrel" not in initial.lower())
command = read("/proc/self/cmdline", "rb")
works("nor on its command line", lambda: b"/" not in command.replace(b"python3", b""))
maps = [line.split() for line in read("/proc/self/maps").splitlines()]
needle = b"SECRET-OF-" + b"THE-SERVER"
found = False
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
        at = block.find(needle)
        found |= at >= 0
        del block
works("nor in its memory", lambda: not found)
over()
