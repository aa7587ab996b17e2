# Asks the system's set-user-id programs for their rights.
from trying import *
import glob, stat, subprocess

found = []
for folder in ("/usr/bin", "/usr/sbin", "/usr/lib/*", "/usr/libexec"):
    for path in glob.glob(folder + "/*"):
        try:
            mode = os.stat(path).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & 0o6000:
            found.append(path)
say(len(found), "set-id programs")
options = [os.statvfs(path).f_flag & os.ST_NOSUID for path in ("/usr", "/tmp", os.getcwd(), "/dev/shm")]
works("set-id is switched off everywhere", lambda: all(options))
for path in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/passwd", "/usr/bin/newgrp"):
    if os.path.exists(path):
        done = subprocess.run([path, "--version"] if "mount" in path else [path, "-c", "id"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=3)
        works(f"{path} gives nothing", lambda: "uid=0" not in done.stdout)
held("setuid 0", lambda: os.setuid(0))
held("setgid 0", lambda: os.setgid(0))
held("setgroups", lambda: os.setgroups([0]))
over()
