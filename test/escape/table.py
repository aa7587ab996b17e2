"""Every case, and what must come of it.

A case is cases/NAME.py. It is well when its run ends as `end` says, no line of its output begins with OPEN or BROKEN,
and (unless it is not to come so far) its last line is "over". `limits` are those that it runs with beside COMMON.
"""

import dataclasses

# In every way, so that what is slow or large stays quick and small.
COMMON = {"cpu": "2s", "memory": "128MB", "processes": "32", "file": "8MB", "open-files": "64", "idle": "4s"}

ROOT, USER, LIVE = "root", "user", "live"
WAYS = (ROOT, USER, LIVE)


@dataclasses.dataclass
class Case:
    name: str
    section: str
    wall: str  # what is meant to hold
    end: object = 0  # an exit status; "SIGNAL"; or the name of a limit; a set of these: any
    over: bool = True  # its last line is "over"
    ways: tuple = WAYS
    user_end: object = None  # where an ordinary user's host (without control groups) ends it otherwise
    arguments: dict = dataclasses.field(default_factory=dict)
    shows: str = ""  # a pattern that its output must match
    stop: bool = False  # Stop is pressed when it has said "held ready"
    typed: bytes = b""
    reaches: bool = False  # for others' files, processes or secrets: tried again with one wall left out
    check: str = ""  # a function of files.py, in the live way: what the server makes of what it left
    own_folder: bool = True
    twice: bool = False
    quiet: bool = False  # all output is thrown away
    open_without: dict = dataclasses.field(default_factory=dict)  # {wall: why nothing else is expected to hold}

    @property
    def label(self):
        return self.name + "".join(f" {value}" for value in self.arguments.values())


ONE_RUN = dict(end="cpu", over=False)

CASES = [
    # Resource exhaustion
    Case("fork-bomb", "resources", "group-processes", **ONE_RUN),
    Case("fork-bomb-stubborn", "resources", "group-processes", **ONE_RUN),
    Case("thread-bomb", "resources", "group-processes", shows="held threads after [0-9]+: can't start new thread"),
    Case("big-allocation", "resources", "RLIMIT_DATA"),
    # Without a control group the process's own limit makes it a MemoryError.
    Case("leak", "resources", "group-memory", end="memory", over=False, user_end={1, "memory"}),
    Case("children-memory", "resources", "group-memory", end={"memory", 0}, over=False, ways=(ROOT, LIVE)),
    Case("shared-memory", "resources", "group-memory", end={"memory", 0}, over=False, ways=(ROOT, LIVE)),
    Case("descriptors", "resources", "RLIMIT_NOFILE"),
    Case("busy-threads", "resources", "limits.cpu", **ONE_RUN),
    Case("sleep-forever", "resources", "limits.idle", end="idle", over=False),
    Case("disk-fill", "resources", "RLIMIT_FSIZE"),
    Case("sparse", "resources", "RLIMIT_FSIZE"),
    Case("deep-folders", "resources", "iterative walk", own_folder=False, ways=(ROOT, USER), over=False,
         shows="(held made|ENAMETOOLONG|OSError)"),
    Case("deep-folders", "resources", "iterative walk", ways=(LIVE,), check="deep_folders"),
    Case("many-files", "resources", "bounded listing", ways=(LIVE,), check="many_files", end={0, "workspace", "cpu"}, over=False),
    Case("flood", "resources", "back-pressure", end={"cpu", "output"}, over=False, quiet=True),
    Case("long-line", "resources", "back-pressure", quiet=True, over=False),
    Case("crash-storm", "resources", "RLIMIT_CORE"),
    Case("core-dump", "resources", "RLIMIT_CORE", end="SIGABRT", over=False),
    Case("scheduling", "resources", "seccomp, capabilities"),
    Case("raise-limits", "resources", "capabilities, seccomp"),
    # Processes, signals, stop
    Case("daemon", "processes", "pid-namespace"),
    Case("deaf", "processes", "pid-namespace", end="SIGKILL", over=False, stop=True),
    Case("stopped", "processes", "pid-namespace", end="SIGKILL", over=False, stop=True),
    Case("stop-storm", "processes", "pid-namespace", end="SIGKILL", over=False, stop=True),
    Case("kill-all", "processes", "pid-namespace"),
    *[Case("ends", "processes", "exit status from outside", end=how, over=False, arguments={"how": how}, shows=shows)
      for how, shows in ((0, ""), (1, ""), (77, ""), (255, ""), ("SIGTERM", ""), ("SIGSEGV", ""), ("SIGKILL", ""),
                         ("SIGHUP", ""))],
    Case("ends", "processes", "exit status from outside", end=1, over=False, arguments={"how": "text"}, shows="a last word"),
    Case("close-streams", "processes", "limits.cpu", **ONE_RUN),
    Case("never-reads", "processes", "bounded input", typed=b"x" * 1000 + b"\n"),
    Case("end-of-input", "processes", "terminal", ways=(ROOT, USER)),
    Case("end-of-input", "processes", "terminal", ways=(LIVE,), typed=b"\x04"),
    Case("disguise", "processes", "pid-namespace"),
    Case("clones", "processes", "seccomp"),
    Case("keeper", "processes", "seccomp, dumpable", reaches=True),
    Case("forged-end", "processes", "exit status from outside", end=42),
    # Kernel surface
    Case("mounts", "kernel", "seccomp, capabilities"),
    Case("nested", "kernel", "seccomp, Landlock", reaches=True),
    Case("devices", "kernel", "capabilities, Landlock", reaches=True),
    Case("kernel-settings", "kernel", "mount-namespace, user-namespace", reaches=True),
    Case("other-processes", "kernel", "pid-namespace", reaches=True),
    Case("process-list", "kernel", "pid-namespace"),
    Case("own-program", "kernel", "mount-namespace", reaches=True),
    Case("terminal", "kernel", "seccomp"),
    Case("keys", "kernel", "seccomp"),
    Case("rare-calls", "kernel", "seccomp"),
    Case("machine", "kernel", "seccomp, capabilities"),
    Case("shellcode", "kernel", "seccomp"),
    Case("own-binaries", "kernel", "no-new-privileges"),
    Case("setuid-programs", "kernel", "no-new-privileges, nosuid"),
    Case("own-filters", "kernel", "harmless"),
    Case("refused-flood", "kernel", "group-cpu, one answer a turn", end={0, "cpu"}, over=False),
    Case("shared-files", "kernel", "seccomp, mount-namespace"),
    # Network and IPC
    Case("internet", "network", "network-namespace"),
    Case("host-sockets", "network", "network-namespace", reaches=True),
    Case("families", "network", "seccomp"),
    Case("own-network", "network", "works"),
    Case("leave-traces", "network", "mount-namespace", twice=True),
    Case("inherited", "network", "close-on-exec", reaches=True),
    Case("environment", "network", "fixed environment", reaches=True),
    Case("host-memory", "network", "ipc-namespace", reaches=True),
    Case("host-files", "network", "mount-namespace", reaches=True),
    # Files that the server touches, and what arrives in a page
    Case("plant-links", "files", "openat2 BENEATH", ways=(LIVE,), check="links"),
    Case("plant-kinds", "files", "O_NONBLOCK, S_ISREG", ways=(LIVE,), check="kinds"),
    Case("plant-names", "files", "escaped names", ways=(LIVE,), check="names"),
    Case("swap", "files", "openat2 BENEATH", ways=(LIVE,), check="swap", end={0, "cpu"}, over=False),
    Case("plant-page", "files", "attachment, nosniff", ways=(LIVE,), check="page"),
    Case("plant-modules", "files", "safe path of the zygote", ways=(LIVE,), check="modules"),
    Case("plant-zips", "files", "safe path of the zygote", ways=(LIVE,), check="zips"),
    *[Case("hints", "protocol", "one word, from outside", arguments={"how": how})
      for how in ("forged", "malformed", "strange", "huge", "image", "descriptors")],
    Case("raw-bytes", "protocol", "binary frames", ways=(LIVE,), check="raw_bytes", over=False),
]
