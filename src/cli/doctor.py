# What `carrel doctor` runs inside a sandbox: it attacks each wall and prints, a line an attempt, what came of it:
# {"wall": …, "tried": …, "held": …, "saw": …}. The wall held where the attempt was refused.

import ctypes, errno, json, os, platform, resource, signal, socket, sys, termios, time

libc = ctypes.CDLL(None, use_errno=True)

NUMBERS = {  # x86_64, aarch64
    "ptrace": (101, 117), "mount": (165, 40), "unshare": (272, 97), "setns": (308, 268), "clone": (56, 220),
    "keyctl": (250, 219), "add_key": (248, 217), "io_uring_setup": (425, 425), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "process_vm_readv": (310, 270),
    "open_by_handle_at": (304, 265), "fsopen": (430, 430), "kexec_load": (246, 104), "init_module": (175, 105),
}
CLONE_NEWUSER, PTRACE_TRACEME, TIOCSTI, PR_GET_NO_NEW_PRIVS = 0x10000000, 0, 0x5412, 39


def tell(wall, tried, held, saw):
    print(json.dumps({"wall": wall, "tried": tried, "held": bool(held), "saw": str(saw)}), flush=True)


def refused(wall, tried, attempt, by=None):
    """Held where the attempt raises an OSError (one of the names in `by`)."""
    try:
        saw = attempt()
    except OSError as error:
        name = errno.errorcode.get(error.errno, type(error).__name__)
        tell(wall, tried, by is None or name in by, name)
    else:
        tell(wall, tried, False, f"it succeeded ({saw!r})")


def system_call(name, *arguments):
    machines = {"x86_64": 0, "aarch64": 1}
    number = NUMBERS[name][machines[platform.machine()]]
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def connect(family, address):
    with socket.socket(family) as client:
        client.settimeout(3)
        client.connect(address)
        return "connected"


def talk_to_itself():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        with peer:
            client.sendall(b"x")
            return peer.recv(1) == b"x"


def attack_host(victim, port, abstract, secret, segment):
    host_ids = [int(line.split()[1]) for line in read("/proc/self/uid_map").splitlines()]
    tell("user-namespace", "which user of the host am I", 0 not in host_ids and os.getuid() != 0, host_ids)
    refused("user-namespace", "become root", lambda: os.setuid(0))
    refused("user-namespace", "write core_pattern", lambda: write("/proc/sys/kernel/core_pattern", "|/bin/sh"))
    refused("mount-namespace", "read a file of the host's", lambda: read(secret))
    refused("mount-namespace", "read it by /proc/1/root", lambda: read("/proc/1/root" + secret))
    refused("mount-namespace", "write into the root", lambda: write("/carrel-doctor", ""))
    refused("mount-namespace", "write into /usr", lambda: write("/usr/carrel-doctor", ""))
    refused("pid-namespace", "signal a process of the host's", lambda: os.kill(victim, 0), ["ESRCH"])
    seen = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    tell("pid-namespace", "list processes", seen in ([1, os.getpid()], [os.getpid()]), seen[:9])
    refused("network-namespace", "connect to the host's own port", lambda: connect(socket.AF_INET, ("127.0.0.1", port)))
    refused("network-namespace", "connect to the Internet", lambda: connect(socket.AF_INET, ("1.1.1.1", 53)),
            ["ENETUNREACH"])
    refused("network-namespace", "connect to a local socket", lambda: connect(socket.AF_UNIX, "\0" + abstract))
    try:
        tell("network-namespace", "talk to itself (is allowed)", talk_to_itself(), "works")
    except OSError as error:
        tell("network-namespace", "talk to itself (is allowed)", False, error)

    def attach():
        libc.shmat.restype = ctypes.c_void_p
        if libc.shmat(segment, None, 0) == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "shmat")

    refused("ipc-namespace", "attach the host's shared memory", attach)


def attack_kernel():
    # An ordinary file system lets anybody make this one device node; only Landlock has a rule against it.
    refused("landlock", "make a device node", lambda: os.mknod("carrel-doctor", 0o20600, 0), ["EACCES"])
    space = ctypes.create_string_buffer(256)
    here = ctypes.addressof(space)
    for name, *arguments in (
        ("ptrace", PTRACE_TRACEME, 0, 0, 0), ("process_vm_readv", os.getpid(), 0, 0, 0, 0, 0),
        ("unshare", CLONE_NEWUSER), ("clone", CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0), ("setns", 0, 0),
        ("mount", 0, here, 0, 0, 0), ("fsopen", here, 0), ("keyctl", 0, -3, 0), ("add_key", here, here, here, 1, -3),
        ("io_uring_setup", 1, here), ("bpf", 0, here, 1), ("perf_event_open", here, 0, -1, -1, 0), ("userfaultfd", 0),
        ("open_by_handle_at", 0, here, 0), ("kexec_load", 0, 0, 0, 0), ("init_module", here, 0, here),
    ):
        def attempt():
            if system_call(name, *arguments) == 0 and name == "clone":
                os._exit(0)
        refused("seccomp", name, attempt, ["EPERM", "ENOSYS"])

    def push_back():
        import fcntl
        fcntl.ioctl(0, TIOCSTI, b"x")

    refused("seccomp", "type into the terminal (TIOCSTI)", push_back, ["EPERM"])
    for family in ("AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"):
        refused("seccomp", family, lambda: socket.socket(getattr(socket, family), socket.SOCK_RAW),
                ["EPERM", "ENOSYS", "EAFNOSUPPORT"])


def attack_process():
    if os.path.exists("another"):
        refused("own-uid", "read another account's file", lambda: read("another"), ["EACCES"])
    tell("no-new-privileges", "ask the kernel", libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "")
    sets = [line.split() for line in read("/proc/self/status").splitlines() if line.startswith("Cap")]
    tell("capabilities", "count them", all(int(value, 16) == 0 for _, value in sets), sets)
    for name in ("RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_CORE"):
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]

        def raise_limit():
            try:
                resource.setrlimit(number, (hard + 1, hard + 1))
            except ValueError:
                raise PermissionError(errno.EPERM, "refused") from None

        refused("resource-limits", f"raise {name}", raise_limit)
    folder = os.open("/proc/self/fd", os.O_RDONLY)
    open_ones = sorted(int(name) for name in os.listdir(folder) if int(name) != folder)
    os.close(folder)
    held = [fd for fd in open_ones if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}")]
    tell("descriptors", "list them", not held and all(os.isatty(fd) for fd in (0, 1, 2)), open_ones)
    tell("environment", "look for the server's", "CARREL_DOCTOR_SECRET" not in os.environ, sorted(os.environ))


def attack():
    victim, port, segment = (int(word) for word in sys.argv[2:5])
    abstract, secret = sys.argv[5:7]
    attack_host(victim, port, abstract, secret, segment)
    attack_kernel()
    attack_process()


def fill_memory():
    """Four processes, each below the limit, together above it."""
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            hold = bytearray(24 << 20)
            for at in range(0, len(hold), 4096):
                hold[at] = 1
            time.sleep(2)
            os._exit(0)
        children.append(child)
    ends = [os.waitpid(child, 0)[1] for child in children]
    tell("group-memory", "4 processes of 24 MB under a limit of 64 MB", any(ends), f"{sum(map(bool, ends))} were ended")


def fill_processes():
    """Forks until it is refused, and far beyond the limit if it is not."""
    count = 0
    for _ in range(64):
        try:
            if os.fork() == 0:
                time.sleep(20)
                os._exit(0)
        except OSError:
            break
        count += 1
    tell("group-processes", "fork 64 times under a limit of 12", count <= 12, f"{count} were made")


def fill_time():
    while True:
        pass


{"attack": attack, "memory": fill_memory, "processes": fill_processes, "time": fill_time}[sys.argv[1]]()
