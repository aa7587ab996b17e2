"""A Carrel of the tests' own: a data directory, a class with its people, the server, and what one can count of it."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "client"))

from carrel import Person, Session  # noqa: E402

CLASS = "demo"
TEACHER = "turing"
STUDENTS = ["ada", "ben", "cleo", "dan", "eva", "finn", "gina", "hugo", "José.Müller@schule.de", "李雷", "O'Brien"]
STRANGER = "zoe"  # of another class
DISABLED = "ivan"
NOT_ROOT = 65533


def build_directory():
    return ROOT / os.environ.get("CARREL_BUILD", "build-asan")


def environment():
    sanitizers = {
        # What was freed is kept for a while, but not so long that no test could see what a process needs.
        # Python itself leaves memory to the end of the process, and a sandbox has no right to look for leaks.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:handle_segv=0:allocator_may_return_null=1:quarantine_size_mb=16",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    return {**os.environ, **sanitizers}


def password_of(name):
    return f"secret of {name}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descendants(pid):
    """Every process below one, by reading /proc once."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = pathlib.Path("/proc", entry, "stat").read_text(errors="replace")
        except OSError:
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(entry))
    found, left = [], [pid]
    while left:
        for child in children.get(left.pop(), []):
            found.append(child)
            left.append(child)
    return found


def command_line(pid):
    try:
        return pathlib.Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


class School:
    def __init__(self, run_as=None, settings=(), below="/var/tmp"):
        self.run_as = run_as
        self.settings = list(settings)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="carrel-test-", dir=below))
        self.directory.chmod(0o755)
        self.data = self.directory / "data"
        self.log_path = self.directory / "log"
        if run_as is not None:
            os.chown(self.directory, run_as, run_as)
        self.address = f"127.0.0.1:{free_port()}"
        self.process = None
        self._sessions = {}

    # What is typed

    def _as_whom(self):
        if self.run_as is None:
            return []
        return ["setpriv", f"--reuid={self.run_as}", f"--regid={self.run_as}", "--clear-groups"]

    def carrel(self, *arguments, input="", check=True, timeout=60):
        command = [*self._as_whom(), str(build_directory() / "carrel"), *map(str, arguments)]
        done = subprocess.run(
            command, input=input, capture_output=True, text=True, timeout=timeout, env=environment(), cwd=self.directory
        )
        if check:
            assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def add_person(self, name, role="student", class_slug=CLASS):
        options = ["--role", role, "--class", class_slug, "--password-stdin", "--data", self.data]
        self.carrel("user", "add", name, *options, input=password_of(name) + "\n")

    def enrol_everybody(self):
        for slug, title in ((CLASS, "Demonstration"), ("other", "Another class")):
            self.carrel("class", "add", slug, "--title", title, "--data", self.data)
        self.add_person(TEACHER, role="teacher")
        for name in [*STUDENTS, DISABLED]:
            self.add_person(name)
        self.add_person(STRANGER, class_slug="other")
        self.carrel("user", "disable", DISABLED, "--data", self.data)

    @contextlib.contextmanager
    def open(self, enrol):
        """Enrols its people by `enrol(school)` and serves. The end is a test too: the server must stop in order and its log
        must be clean."""
        try:
            enrol(self)
            self.start()
            yield self
            self.stop()
        finally:
            self.remove()

    # The server

    def start(self):
        command = [
            *self._as_whom(),
            str(build_directory() / "carrel"),
            "serve",
            "--listen",
            self.address,
            "--data",
            str(self.data),
            # A pool of one size, so that what is counted before and after a test does not depend on the tests before it.
            "--pool.maximum",
            "8",
            *self.settings,
        ]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), cwd=self.directory
            )
        self.wait_until_it_listens()
        return self

    def wait_until_it_listens(self, timeout=60):
        end = time.monotonic() + timeout
        while True:
            try:
                with urllib.request.urlopen(f"http://{self.address}/healthz", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}\n{self.log[-5000:]}"
            assert time.monotonic() < end, f"the server does not listen\n{self.log[-5000:]}"
            time.sleep(0.02)

    def stop(self):
        """Stops it as an operator does, and holds it to a clean end."""
        below = descendants(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the server does not stop\n{self.log[-5000:]}") from None
        assert status == 0, f"the server ended with {status}\n{self.log[-5000:]}"
        assert "ERROR: AddressSanitizer" not in self.log, self.log[-20000:]
        assert "runtime error:" not in self.log, re.findall(".*runtime error:.*", self.log)
        wait_for(lambda: not [pid for pid in below if is_alive(pid)], 5, "the end of every process")

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    # Its people

    def session(self, name):
        """Signed in once a name: a test that needs a fresh session signs in by itself."""
        if name not in self._sessions:
            session = Session(self.address)
            session.sign_in(name, password_of(name))
            self._sessions[name] = session
        return self._sessions[name]

    def person(self, name, class_slug=CLASS):
        person = Person.__new__(Person)
        person.session, person.class_slug, person.connection = self.session(name), class_slug, None
        return person.connect()

    def sign_in(self, name, class_slug=CLASS):
        return Person(self.address, name, password_of(name), class_slug)

    # Its processes

    def processes(self, role):
        """Of one of its roles: web, supervisor, worker …"""
        found = []
        for pid in descendants(self.process.pid):
            words = command_line(pid)
            if len(words) > 2 and words[1] == b"role" and words[2] == role.encode():
                found.append(pid)
        return found

    def the_process(self, role):
        wait_for(lambda: len(self.processes(role)) == 1, 10, f"one process of the role {role}")
        return self.processes(role)[0]

    def settled(self, patience=20):
        """The count when nothing changes any more: the pool of sandboxes is full again, what ended is gone."""
        end, same, last = time.monotonic() + patience, 0, None
        while same < 4:
            assert time.monotonic() < end, f"it does not settle: {last}"
            now = self.count()
            same, last = same + 1 if now == last else 0, now
            time.sleep(0.15)
        return last

    def count(self):
        """All that a run could leave behind."""
        supervisor = self.the_process("supervisor")
        descriptors = os.listdir(f"/proc/{supervisor}/fd")
        links = [read_link(f"/proc/{supervisor}/fd/{fd}") for fd in descriptors]
        return {
            "processes": len(descendants(self.process.pid)),
            "mounts": len(pathlib.Path(f"/proc/{supervisor}/mountinfo").read_text().splitlines()),
            "mounts of the host": len(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()),
            "control groups": groups_below(f"carrel.{supervisor}"),
            "terminals": len([link for link in links if link.endswith("ptmx")]),
            "descriptors": len(descriptors),
        }


def groups_below(name):
    """How many control groups lie in those of this name. Others come and go meanwhile: os.walk() passes over them."""
    return sum(f"/{name}" in folder for folder, _, _ in os.walk("/sys/fs/cgroup"))


def read_link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def is_alive(pid):
    try:
        return pathlib.Path("/proc", str(pid), "stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, timeout, what):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        time.sleep(0.05)
