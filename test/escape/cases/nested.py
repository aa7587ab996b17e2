# Makes namespaces of its own, where it would have every right, and reaches from there for the host's files and processes.
from trying import *

there = bait()
uid = os.getuid()
made = in_child(lambda: call("unshare", 0x10000000 | 0x20000))
say("namespaces of its own:", "made" if made == 0 else "refused")


def inside():
    try:
        call("unshare", 0x10000000 | 0x20000 | 0x20000000 | 0x40000000)
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"0 {uid} 1")
        write("/proc/self/gid_map", f"0 {uid} 1")
    except OSError:
        pass
    held("mount a new /proc", lambda: call("mount", text("proc"), text("/tmp"), text("proc"), 0, 0))
    held("mount memory over /tmp", lambda: call("mount", text("x"), text("/tmp"), text("tmpfs"), 0, 0))
    held("mount a disk", lambda: call("mount", text("/dev/vda"), text("/tmp"), text("ext4"), 0, 0))
    held("bind the root of PID 1", lambda: call("mount", text("/proc/1/root"), text("/tmp"), 0, 4096, 0))
    held("make /usr writable", lambda: call("mount", 0, text("/usr"), 0, 32 | 4096, 0))
    held("write into /usr", lambda: write("/usr/x"))
    held("take /proc away", lambda: call("umount2", text("/proc"), 2))
    held("join PID 1's mounts", lambda: call("setns", os.open("/proc/1/ns/mnt", os.O_RDONLY), 0))
    held("read the secret", lambda: read(there["secret"]))
    held("read the data", lambda: read(there["data"]))
    held("signal the victim", lambda: os.kill(there["victim"], signal.SIGUSR2))
    held("signal the server", lambda: os.kill(there["server"], signal.SIGUSR2))
    held("reach the host's port", lambda: connect(socket.AF_INET, ("127.0.0.1", there["port"])))
    held("a handle to a file outside", lambda: call("open_by_handle_at", os.open("/", os.O_RDONLY), HERE, 0))
    if os.path.exists("another"):
        held("read another account's file", lambda: read("another"))
        held("own another account's file", lambda: os.chown("another", 0, 0))


in_child(inside)
over()
