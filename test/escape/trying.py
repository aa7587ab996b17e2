# The words that every case speaks; run.py puts this text before the case's own.
#
# A line a try:  "held WHAT: WHY" where it was refused, "OPEN WHAT: …" where it was not, "works WHAT" and "BROKEN WHAT: …"
# for what a program may do. A case is well when no line begins with OPEN or BROKEN and its last is "over".

import ctypes, errno, os, platform, signal, socket, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {  # x86_64, aarch64
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "clone": (56, 220), "clone3": (435, 435), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "move_mount": (429, 429), "open_tree": (428, 428), "mount_setattr": (442, 442),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "reboot": (169, 142),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "swapon": (167, 224), "swapoff": (168, 225), "quotactl": (179, 60), "acct": (163, 89),
    "nfsservctl": (180, 42), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "syslog": (103, 116), "sethostname": (170, 161), "setdomainname": (171, 162), "ioprio_set": (251, 30),
    "sched_setattr": (314, 274), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "vhangup": (153, 58), "seccomp": (317, 277),
    "landlock_create_ruleset": (444, 444), "landlock_restrict_self": (446, 446), "memfd_create": (319, 279),
    "personality": (135, 92), "getpid": (39, 172), "prlimit64": (302, 261), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "mincore": (27, 232), "renameat2": (316, 276), "process_madvise": (440, 440),
    "fallocate": (285, 47), "setpriority": (141, 140), "sched_setscheduler": (144, 119), "quotactl_fd": (443, 443),
    "shmget": (29, 194), "mknodat": (259, 33),
}
MACHINE = {"x86_64": 0, "aarch64": 1}[platform.machine()]
REFUSALS = {"EPERM", "EACCES", "ENOSYS"}


def name_of(error):
    number = getattr(error, "errno", None)
    return errno.errorcode.get(number, type(error).__name__) if number else f"{type(error).__name__} {error}"


def say(*words):
    # One write, so that processes do not share a line; and whatever the case did to sys.stdout.
    os.write(1, (" ".join(map(str, words)) + "\n").encode("utf-8", "surrogateescape"))


def held(what, attempt, by=None):
    """The attempt is refused: an OSError, and one of `by` where that is said."""
    try:
        saw = attempt()
    except (OSError, ValueError) as error:
        name = name_of(error)
        say("held" if by is None or name in by else "OPEN", f"{what}: {name}")
    else:
        say("OPEN", f"{what}: it succeeded, {str(saw)[:60]!r}")


def works(what, attempt):
    """A thing that a program may do."""
    try:
        saw = attempt()
    except Exception as error:
        say("BROKEN", f"{what}: {name_of(error)}")
    else:
        say("works" if saw is not False else "BROKEN", what)


def call(name, *arguments):
    number = NUMBERS[name][MACHINE]
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[a if isinstance(a, ctypes.c_void_p) else ctypes.c_long(a) for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


SPACE = ctypes.create_string_buffer(4096)
HERE = ctypes.addressof(SPACE)


# A struct iovec of eight bytes: of none, the kernel does not even ask whose they are.
VECTOR = (ctypes.c_size_t * 2)(HERE + 2048, 8)
IOV = ctypes.addressof(VECTOR)


def text(value):
    """The address of a C string."""
    keep.append(ctypes.create_string_buffer(value.encode()))
    return ctypes.addressof(keep[-1])


keep = []


def read(path, mode="r"):
    with open(path, mode) as file:
        return file.read()


def write(path, content=""):
    with open(path, "w") as file:
        file.write(content)


def in_child(attempt):
    """Runs it in a child; returns how that ended."""
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except BaseException as error:
            say("child", name_of(error))
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def connect(family, address, patience=3.0):
    with socket.socket(family) as client:
        client.settimeout(patience)
        client.connect(address)


def bait():
    """What run.py laid out on the host: its victim's pid, a port, a local socket, a file, shared memory, the server's pid
    and port."""
    words = dict(word.split("=", 1) for word in sys.argv[1:])
    return {key: int(value) if value.lstrip("-").isdigit() else value for key, value in words.items()}


def over():
    say("over")
