# Runs programs of its own, from memory and from its folder: all walls stay.
from trying import *
import shutil, subprocess

status = read("/proc/self/status")
wall_lines = [line for line in status.splitlines() if line.split(":")[0] in (
    "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Uid", "Gid", "Groups")]
shutil.copy("/bin/cat", "own-cat")
os.chmod("own-cat", 0o755)


def same(output):
    return all(line in output.splitlines() for line in wall_lines)


works("from its folder", lambda: same(subprocess.run(["./own-cat", "/proc/self/status"], capture_output=True, text=True).stdout))
fd = os.memfd_create("cat")
os.write(fd, read("/bin/cat", "rb"))
works("from memory", lambda: same(subprocess.run([f"/proc/self/fd/{fd}", "/proc/self/status"], capture_output=True, text=True, pass_fds=[fd]).stdout))
works("no capability", lambda: all(int(line.split()[1], 16) == 0 for line in wall_lines if line.startswith("Cap")))
script = "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000), ctypes.CDLL(None).ptrace(0, 0, 0, 0))"
works("a second interpreter is refused too", lambda: subprocess.run(["python3", "-c", script], capture_output=True, text=True).stdout.split() == ["-1", "-1"])
os.chmod("own-cat", 0o6755)
works("a set-id file of its own is as any other", lambda: same(
    subprocess.run(["./own-cat", "/proc/self/status"], capture_output=True, text=True).stdout))
os.unlink("own-cat")
over()
