# Makes namespaces and mounts.
from trying import *

for name, flag in {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "network": 0x40000000, "time": 0x80}.items():
    held(f"unshare {name}", lambda: call("unshare", flag), REFUSALS)
held("setns", lambda: call("setns", os.open("/proc/self/ns/mnt", os.O_RDONLY), 0), REFUSALS)
held("mount tmpfs", lambda: call("mount", text("x"), text("/tmp"), text("tmpfs"), 0, 0), REFUSALS)
held("remount /usr writable", lambda: call("mount", 0, text("/usr"), 0, 32 | 4096, 0), REFUSALS)
held("make / shared", lambda: call("mount", 0, text("/"), 0, 1 << 20, 0), REFUSALS)
held("umount /tmp", lambda: call("umount2", text("/tmp"), 2), REFUSALS)
held("umount /proc", lambda: call("umount2", text("/proc"), 2), REFUSALS)
held("pivot_root", lambda: call("pivot_root", text("."), text(".")), REFUSALS)
held("fsopen", lambda: call("fsopen", text("tmpfs"), 0), REFUSALS)
held("open_tree", lambda: call("open_tree", -100, text("/"), 1), REFUSALS)
held("move_mount", lambda: call("move_mount", -100, text("/tmp"), -100, text("/home"), 0), REFUSALS)
held("mount_setattr", lambda: call("mount_setattr", -100, text("/usr"), 0, HERE, 32), REFUSALS)
held("chroot", lambda: os.chroot("/tmp"), REFUSALS)
over()
