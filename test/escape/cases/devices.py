# Makes and opens devices.
from trying import *

for name, device in {"memory": (1, 1), "disk": (8, 0), "virtual disk": (254, 0), "loop": (7, 0)}.items():
    held(f"make {name} (character)", lambda: os.mknod("device", 0o20666, os.makedev(*device)))
    held(f"make {name} (block)", lambda: os.mknod("device", 0o60666, os.makedev(*device)))
for path in ("/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/vsock",
             "/dev/tty0", "/dev/console"):
    held(f"open {path}", lambda: os.open(path, os.O_RDONLY))
works("only these devices", lambda: set(os.listdir("/dev")) <= {
    "null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "ptmx", "pts", "shm"})
held("change /dev/null", lambda: os.chmod("/dev/null", 0o777))
held("remove /dev/null", lambda: os.unlink("/dev/null"))
over()
