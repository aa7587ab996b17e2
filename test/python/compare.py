"""Ordinary Python just works inside: CPython's own regression tests run within a sandbox's walls and beside it, by bare
python3 as the same kind of user; each test must end alike.

    compare.py [--quick] [--carrel FILE] [--keep DIR] [MODULE...]

What must differ stands in differences.toml with its reason. A test that differs and isn't listed there is a failure,
and so is an entry whose test no longer differs. The programs of programs/ are compared too: there every byte of the
terminal and the exit status must be the same.

Both sides have a terminal of 80 by 24, the same environment, and see themselves as user `student` in /home/student, the
bare side by a mount namespace of its own; hence root. Everything that a child prints stays in --keep DIR.
"""
import argparse
import collections
import concurrent.futures
import fcntl
import fnmatch
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import sys
import sysconfig
import tempfile
import termios
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = Path(sysconfig.get_path("stdlib"), "test")
PYTHON = "/usr/bin/python3"
INSIDE, OUTSIDE = "inside", "bare"
INSIDE_HOST_UID = 200000 + 1000     # uid.base and the account number of `carrel sandbox`
OUTSIDE_UID = 65533
PASSWD = f"""root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
student:x:{OUTSIDE_UID}:{OUTSIDE_UID}:student:/home/student:/bin/bash
"""
GROUP = f"root:x:0:\nnogroup:x:65534:\nstudent:x:{OUTSIDE_UID}:\n"
TOLD = 12                           # of a module's tests that differ
WALL_SECONDS = 420                  # a module's time, waiting included
LIMITS = {"cpu": "300s", "memory": "1GB", "processes": "256", "open-files": "1024", "file": "256MB"}
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": "truecolor",
    "HOME": "/home/student", "USER": "student", "LOGNAME": "student", "SHELL": "/bin/bash", "MPLBACKEND": "Agg",
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PWD": "/home/student",
}

# What a class meets; the rest is for the long run.
QUICK = """
    atexit bool builtin calendar cmd cmd_line cmd_line_script code collections contextlib copy csv ctypes curses
    dataclasses datetime decimal devpoll dict doctest enum eof epoll errno exceptions exception_group faulthandler fcntl
    file fileio fileinput fork1 format fractions fstring functools gc getpass glob grammar hashlib httpservers import
    importlib inspect int ioctl io ipaddress itertools json list locale math memoryview mmap openpty os pathlib pdb
    pickle platform poll popen posix posixpath pprint print pty pwd queue random re readline repl resource rlcompleter
    runpy sched secrets select selectors set shelve shutil signal site socket socketserver statistics stat string struct
    subprocess syntax sys sysconfig tempfile textwrap thread threading time timeit timeout trace traceback tracemalloc
    turtle types typing unicode unittest urllib2_localnet uuid wait3 wait4 warnings weakref xml_etree zipfile zoneinfo
""".split()

# Longest first, so that none of these is still running when all else is done.
SLOW = """
    test_multiprocessing_spawn test_multiprocessing_forkserver test_multiprocessing_fork test_concurrent_futures
    test_asyncio test_subprocess test_threading test_signal test_io test_regrtest test_ssl test_tools test_venv
    test_socket test_lib2to3 test_peg_generator test_distutils test_unparse test_pickle test_faulthandler
""".split()

# What neither side could do for a class.
LEFT_OUT = {
    "test_bigmem": "asks for gigabytes",
    "test_bigaddrspace": "asks for gigabytes",
    "test_largefile": "asks for gigabytes",
    "test_zipfile64": "asks for gigabytes",
    "test_gdb": "a debugger of another process: ptrace is a wall",
}


def find_modules():
    names = {path.stem for path in TESTS.glob("test_*.py")}
    names |= {path.parent.name for path in TESTS.glob("test_*/__init__.py")}
    return sorted(names - set(LEFT_OUT))


def put_in_order(modules):
    return [module for module in SLOW if module in modules] + [module for module in modules if module not in SLOW]


# One side of one comparison

class Ending:
    def __init__(self, status, output, late):
        self.status = status    # as a shell would say it
        self.output = output
        self.late = late


def bare_command(folder, arguments):
    """python3 in a mount namespace where `folder` is /home/student, /tmp is new, and student is in /etc/passwd."""
    script = """
        set -e
        mount -t tmpfs none /mnt && mkdir /mnt/home /mnt/home/student
        cp "$2/.passwd" /mnt/passwd && cp "$2/.group" /mnt/group && rm "$2/.passwd" "$2/.group"
        mount --bind "$2" /mnt/home/student
        mount --bind /mnt/passwd /etc/passwd && mount --bind /mnt/group /etc/group
        mount --rbind /mnt/home /home
        mount -t tmpfs -o mode=1777,size=256m none /tmp && mount -t tmpfs -o mode=1777 none /var/tmp
        cd /home/student
        unset OLDPWD
        uid=$1 && shift 2
        exec setpriv --reuid $uid --regid $uid --clear-groups "$@"
    """
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(OUTSIDE_UID), str(folder),
            PYTHON, *arguments]


def inside_command(carrel, folder, arguments, options=()):
    limits = [word for name, value in LIMITS.items() for word in ("--limit", f"{name}={value}")]
    return [carrel, "sandbox", *limits, *options, "--workspace", str(folder), *arguments]


def run_in_terminal(command, environment, folder, typed=(), seconds=WALL_SECONDS):
    """Runs a command on a terminal of its own; `typed` is (what to wait for, what to type then)."""
    process, master = pty.fork()
    if process == 0:
        try:
            os.closerange(3, 4096)
            os.chdir(folder)
            modes = termios.tcgetattr(0)
            modes[0] |= termios.IUTF8 if hasattr(termios, "IUTF8") else 0x4000
            termios.tcsetattr(0, termios.TCSANOW, modes)
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
            os.execvpe(command[0], command, environment)
        finally:
            os._exit(127)
    output = bytearray()
    typed, seen = list(typed), 0
    deadline = time.monotonic() + seconds
    late = False
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            late = True
            break
        if not select.select([master], [], [], min(left, 1))[0]:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:     # nobody holds the terminal any more
            break
        if not data:
            break
        output += data
        while typed and (at := output.find(typed[0][0], seen)) >= 0:
            seen = at + len(typed[0][0])
            time.sleep(0.2)     # what prompts sets the terminal's modes after it
            os.write(master, typed.pop(0)[1])
    if late:
        end_group(process)
    os.close(master)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return Ending(128 - status if status < 0 else status, bytes(output), late)


def end_group(process):
    """The child of a pty.fork() leads a session; `carrel sandbox` ends its sandbox with itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process, number)
        except ProcessLookupError:
            return
        for _ in range(30):
            if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            time.sleep(0.1)


class Sides:
    """Runs the same thing on either side, each time in a new folder."""

    def __init__(self, carrel, keep):
        self.carrel = carrel
        self.keep = Path(keep)

    def run(self, side, label, files, arguments, options=(), **how):
        """Returns how it ended and the folder as the program left it; the caller removes that."""
        folder = Path(tempfile.mkdtemp(prefix=f"{side}-", dir=self.keep))
        owner = INSIDE_HOST_UID if side == INSIDE else OUTSIDE_UID
        for name, text in files.items():
            (folder / name).write_bytes(text)
        if side == OUTSIDE:
            (folder / ".passwd").write_text(PASSWD)
            (folder / ".group").write_text(GROUP)
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner, owner)
        if side == INSIDE:
            command = inside_command(self.carrel, folder, [str(folder / arguments[0]), *arguments[1:]], options)
        else:
            command = bare_command(folder, [*(["-i"] if "--interactive" in options else []),
                                            "/home/student/" + arguments[0], *arguments[1:]])
        ending = run_in_terminal(command, ENVIRONMENT, "/", **how)
        (self.keep / f"{label}.{side}.log").write_bytes(ending.output)
        return ending, folder


# The regression tests

RANK = {"passed": 0, "skipped": 1, "failed": 2}


def stable_name(test):
    return re.sub(r"0x[0-9a-fA-F]+", "0x…", test)


def read_results(folder, ending):
    """{test: (outcome, why)}; the module's own stands under ''."""
    results = {}
    try:
        lines = (folder / "results").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        test = stable_name(entry["test"])
        if test not in results or RANK.get(results[test][0], 3) < RANK.get(entry["outcome"], 3):
            results[test] = entry["outcome"], entry["why"]
    if "" not in results:
        what = "took too long" if ending.late else f"ended with status {ending.status}"
        results[""] = what, ending.output[-1500:].decode("utf-8", "replace")
    return results


def run_module(sides, side, module):
    files = {"driver.py": (HERE / "driver.py").read_bytes()}
    ending, folder = sides.run(side, module, files, ["driver.py", "results", module])
    results = read_results(folder, ending)
    shutil.rmtree(folder)
    return results


def differing(inside, bare):
    """{test: (inside, bare)} of the tests that did not end alike. A failing test makes its module fail: of the two only
    the test is told, unless the module differs alone."""
    found = {}
    for test in inside.keys() | bare.keys():
        here, there = inside.get(test, ("absent", "")), bare.get(test, ("absent", ""))
        if here[0] != there[0]:
            found[test] = here, there
    unfinished = any(side[""][0] not in ("passed", "failed", "skipped", "no tests") for side in (inside, bare))
    if unfinished:      # what never ran is no news beside it
        found = {test: pair for test, pair in found.items() if "absent" not in (pair[0][0], pair[1][0])}
    elif len(found) > 1:
        found.pop("", None)
    return found


class Differences:
    """The maintained list."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.entries = tomllib.load(file).get("difference", [])
        for entry in self.entries:
            unknown = entry.keys() - {"module", "tests", "reason", "sometimes"}
            if unknown or not {"module", "reason"} <= entry.keys():
                raise SystemExit(f"compare: {path.name}: this entry is not understood: {entry}")
            entry.setdefault("tests", [""])

    def of(self, module):
        return [entry for entry in self.entries if entry["module"] == module]

    @staticmethod
    def covers(pattern, test):
        return test == pattern or (pattern != "" and fnmatch.fnmatchcase(test, "*" + pattern))


class Verdict:
    def __init__(self, module, found, inside, listed):
        self.module = module
        self.found = found
        self.count = len(inside) - 1
        self.reasons = collections.OrderedDict()
        self.unlisted = dict(found)
        self.stale = []
        for entry in listed:
            for pattern in entry["tests"]:
                hits = [test for test in found if Differences.covers(pattern, test)]
                if not hits and not entry.get("sometimes"):
                    self.stale.append(pattern or "the module")
                for test in hits:
                    self.unlisted.pop(test, None)
                    self.reasons.setdefault(entry["reason"], []).append(test)

    @property
    def good(self):
        return not self.unlisted and not self.stale


def compare_module(sides, module, listed, once):
    inside, bare = (run_module(sides, side, module) for side in (INSIDE, OUTSIDE))
    verdict = Verdict(module, differing(inside, bare), inside, listed)
    if not verdict.good and not once:
        # Once more, since many tests measure time: only what differs twice is a difference, and what differed once is
        # not stale.
        inside, bare = (run_module(sides, side, module) for side in (INSIDE, OUTSIDE))
        second = Verdict(module, differing(inside, bare), inside, listed)
        second.unlisted = {test: pair for test, pair in second.unlisted.items() if test in verdict.unlisted}
        second.stale = [test for test in second.stale if test in verdict.stale]
        verdict = second
    return verdict


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:150] if lines else ""


def tell(verdict, out):
    if not verdict.found and verdict.good:
        return
    for reason, tests in verdict.reasons.items():
        out(f"  {verdict.module:32} {len(tests):3} differ: {reason}")
    for test, (here, there) in sorted(verdict.unlisted.items())[:TOLD]:
        out(f"  {verdict.module:32} NOT LISTED {test or 'the module'}: {INSIDE} {here[0]}, {OUTSIDE} {there[0]}")
        for pair, side in ((here, INSIDE), (there, OUTSIDE)):
            if pair[1]:
                out(f"  {'':32}     {side}: {last_line(pair[1])}")
    if len(verdict.unlisted) > TOLD:
        out(f"  {verdict.module:32} and {len(verdict.unlisted) - TOLD} more")
    for test in verdict.stale:
        out(f"  {verdict.module:32} NO LONGER DIFFERS {test}")


# Whole programs

def unescape(text):
    return text.decode("unicode_escape").encode("latin-1")


def read_program(path):
    """The file, and what its first lines ask for: `# type: WHAT` after `# at: PROMPT`, `# interactive`, `# file: NAME
    TEXT`."""
    text = path.read_bytes()
    typed, prompt, options, files = [], b"", [], {path.name: text}
    for line in text.split(b"\n"):
        if not line.startswith(b"# "):
            break
        word, _, rest = line[2:].partition(b": ")
        if word == b"interactive":
            options.append("--interactive")
        elif word == b"at":
            prompt = unescape(rest)
        elif word == b"type":
            typed.append((prompt, unescape(rest)))
        elif word == b"file":
            name, _, line = rest.partition(b" ")
            files[name.decode()] = line + b"\n"
    return files, typed, options


def plain(output):
    """Without addresses, and without what Carrel says when a program has crashed."""
    output = re.sub(rb"\r\n\x1b\[1;33m\[Carrel\] [^\r\n]*\r\n\Z", b"", output)
    return re.sub(rb"0x[0-9a-f]{6,}|(?<=started )[0-9]+", b"0x...", output)


def compare_program(sides, path):
    files, typed, options = read_program(path)
    files |= {file.name: file.read_bytes() for file in path.parent.glob("_*.py")}   # what they import
    endings = []
    for side in (INSIDE, OUTSIDE):
        ending, folder = sides.run(side, path.stem, files, [path.name, "one", "two"], options, typed=typed, seconds=60)
        shutil.rmtree(folder)
        endings.append(ending)
    inside, bare = endings
    if inside.late or bare.late:
        return f"took too long: {INSIDE} {inside.late}, {OUTSIDE} {bare.late}"
    if inside.status != bare.status:
        return f"exit status {INSIDE} {inside.status}, {OUTSIDE} {bare.status}"
    texts = [plain(ending.output).split(b"\n") + [b"(end)"] for ending in endings]
    if texts[0] != texts[1]:
        for number, (here, there) in enumerate(zip(*texts)):
            if here != there:
                return f"line {number + 1}: {INSIDE} {here!r}, {OUTSIDE} {there!r}"
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="only what a class meets")
    parser.add_argument("--carrel", default="build/carrel")
    parser.add_argument("--keep", help="a folder for what each child printed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--once", action="store_true", help="do not try again what differs")
    parser.add_argument("--no-programs", action="store_true")
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("compare: only root can put the bare side into a home of its own")
    known = find_modules()
    if unknown := set(options.modules) - set(known):
        raise SystemExit(f"compare: there is no module {', '.join(sorted(unknown))} in {TESTS}")
    modules = options.modules or ([name for name in known if name.removeprefix("test_") in QUICK]
                                  if options.quick else known)
    keep = options.keep or tempfile.mkdtemp(prefix="carrel-python-")
    os.makedirs(keep, exist_ok=True)
    os.chmod(keep, 0o711)
    sides = Sides(os.path.abspath(options.carrel), keep)
    listed = Differences(HERE / "differences.toml")
    passed = failed = tests = 0

    def out(line):
        print(line, flush=True)

    programs = [] if options.no_programs or options.modules else sorted((HERE / "programs").glob("[a-z]*.py"))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for path, why in zip(programs, pool.map(lambda path: compare_program(sides, path), programs)):
            passed, failed = passed + (not why), failed + bool(why)
            if why:
                out(f"  {path.name:32} DIFFERS {why}")
        futures = [pool.submit(compare_module, sides, module, listed.of(module), options.once)
                   for module in put_in_order(modules)]
        for done in concurrent.futures.as_completed(futures):
            verdict = done.result()
            passed, failed, tests = passed + verdict.good, failed + (not verdict.good), tests + verdict.count
            tell(verdict, out)
    if not options.modules and not options.quick:
        for module in sorted({entry["module"] for entry in listed.entries} - set(modules)):
            failed += 1
            out(f"  {module:32} is listed in differences.toml, but there is no such module")
    for name, why in LEFT_OUT.items():
        out(f"  {name:32} left out: {why}")
    out(f"{len(programs)} programs, {len(modules)} modules of {tests} tests")
    out(f"{passed} passed, {failed} failed")
    if not options.keep:
        shutil.rmtree(keep)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
