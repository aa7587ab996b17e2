#!/usr/bin/env python3
"""What hostile and clumsy programs try, tried: every case of table.py in every way, then with one wall left out.

Each case runs through `carrel sandbox` as root, through it as an ordinary user, and in a live server as a student. In
every one, besides what the case is about: another student's program answers in time meanwhile, and nothing is left.
Prints a matrix and, last, "N passed, N failed". With names, those cases alone.
"""

import concurrent.futures
import ctypes
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system"), str(HERE.parent / "client")]
os.environ.setdefault("CARREL_BUILD", "build")
os.environ["CARREL_ESCAPE_SECRET"] = "-".join(["SECRET", "OF", "THE", "SERVER"])

import files  # noqa: E402
from carrel import Refused  # noqa: E402
from crashes import crash, reconnect_at_the_end  # noqa: E402
from left import groups_named, no_process_of  # noqa: E402
from school import School, build_directory, descendants, wait_for  # noqa: E402
from table import CASES, COMMON, LIVE, ROOT, USER, WAYS, Case  # noqa: E402

WORKERS = 2
PATIENCE = 40  # seconds that a case may take
CONTROL_LIMIT = 4.0  # seconds for another student's program; some 0.05 on a quiet machine
STOP_LIMIT = 2.0  # one second's grace, then a kill
OUTPUT_LIMIT = 64 << 20
BASE = 200000  # uid.base
ACCOUNT = 1000  # the number of `carrel sandbox`
# One a worker, and the server's own range: nobody else's processes have these numbers, so what is left is told apart.
USER_UIDS = [65520, 65521]
SERVER_BASE = 3000000
KNOCKED_OUT = ["seccomp", "landlock", "user-namespace", "pid-namespace", "network-namespace", "ipc-namespace"]
LIMIT_OF_REASON = {name + "-limit": name for name in ("cpu", "memory", "output", "file", "workspace")} | {"idle": "idle"}

libc = ctypes.CDLL(None, use_errno=True)


def checked(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result


class Bait:
    """What a program is to reach for, laid out on the host, open to that program's user wherever owners can open it."""

    def __init__(self, uid, school, number):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="carrel-escape-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.secret, self.data, self.target = (self.folder / name for name in ("secret", "data", "target"))
        self.secret.write_bytes(files.SECRET + b"\n")
        self.data.write_bytes(files.SECRET + b", too\n")
        self.target.write_bytes(b"untouched\n")
        for path in (self.secret, self.data, self.target):
            os.chown(path, uid, uid)
        self.victim = subprocess.Popen(
            ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "sleep", "1000"]
        )
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.abstract = f"carrel-escape-{os.getpid()}-{number}"
        self.local = socket.socket(socket.AF_UNIX)
        self.local.bind("\0" + self.abstract)
        self.local.listen(1)
        self.key = 0x43000000 + os.getpid() * 16 + number
        self.segment = checked(libc.shmget(self.key, 4096, 0o1666), "shmget")
        self.queue = f"carrel-escape-{os.getpid()}-{number}"
        before = os.umask(0)
        self.queue_fd = checked(libc.mq_open(b"/" + self.queue.encode(), os.O_CREAT | os.O_RDWR, 0o666, None), "mq_open")
        os.umask(before)
        self.school = school

    def words(self):
        host, port = self.school.address.split(":")
        return {
            "victim": self.victim.pid, "secret": self.secret, "data": self.data, "target": self.target,
            "port": self.listener.getsockname()[1], "abstract": self.abstract, "segment": self.segment, "key": self.key,
            "queue": self.queue, "server": self.school.process.pid, "server_port": port,
        }

    def check(self):
        assert self.victim.poll() is None, "the victim is dead"
        state = pathlib.Path(f"/proc/{self.victim.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state == "S", f"the victim is in state {state}"
        assert self.secret.read_bytes() == files.SECRET + b"\n"
        assert self.target.read_bytes() == b"untouched\n"

    def remove(self):
        self.victim.kill()
        self.victim.wait()
        self.listener.close()
        self.local.close()
        libc.shmctl(self.segment, 0, None)
        libc.mq_unlink(b"/" + self.queue.encode())
        os.close(self.queue_fd)
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclasses.dataclass
class Outcome:
    end: object  # as Case.end
    output: bytes
    seconds: float
    stopped_in: float = 0.0
    why: str = ""


def text_of(case):
    words = (HERE / "trying.py").read_text()
    own = (HERE / "cases" / f"{case.name}.py").read_text()
    return words + "\n" + own.replace("from trying import *\n", "")


def sandbox_end(status, errors):
    limit = re.search(r"carrel: limit ([a-z]+)", errors)
    if status == 124 and limit:
        return limit[1]
    if status > 128:
        try:
            return signal.Signals(status - 128).name
        except ValueError:
            pass
    return status


class Sandboxes:
    """Runs cases through `carrel sandbox`."""

    def __init__(self, way, number, school):
        self.way = way
        self.uid = BASE + ACCOUNT if way == ROOT else USER_UIDS[number]
        self.bait = Bait(self.uid, school, number + (0 if way == ROOT else 8))

    def command(self, case, folder, program, without):
        command = []
        if self.way == USER:
            command += ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        command += [build_directory() / "carrel", "sandbox"]
        for name, value in COMMON.items():
            command += ["--limit", f"{name}={value}"]
        if case.own_folder:
            command += ["--workspace", folder]
        if without:
            command += ["--without", without]
        return [str(word) for word in [*command, program, *arguments_of(case, self.bait)]]

    def run(self, case, without=None):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="home-", dir=self.bait.folder))
        temporary = pathlib.Path(tempfile.mkdtemp(prefix="tmp-", dir=self.bait.folder))
        program = folder / "case.py"
        program.write_text(text_of(case))
        (folder / "another").write_text("another's\n")
        (folder / "another").chmod(0o600)
        for path in (folder, program, temporary):
            os.chown(path, self.uid, self.uid)
        if self.way == ROOT:
            os.chown(folder / "another", self.uid + 1, self.uid + 1)
        else:
            (folder / "another").unlink()
        try:
            outcome = self._run(case, self.command(case, folder, program, without), temporary)
            left = [path.name for path in temporary.iterdir()]
            assert not left, f"left in TMPDIR: {left}"
            return outcome
        finally:
            subprocess.run(["rm", "-rf", str(folder), str(temporary)], check=False)

    def _run(self, case, command, temporary):
        began = time.monotonic()
        environment = {**os.environ, "TMPDIR": str(temporary)}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE if case.typed else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment,
        )
        errors, output = bytearray(), bytearray()
        reader = threading.Thread(target=lambda: errors.extend(process.stderr.read()), daemon=True)
        reader.start()
        if case.typed:
            threading.Thread(target=feed, args=(process.stdin, case.typed), daemon=True).start()
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        stopped = 0.0
        try:
            while block := os.read(process.stdout.fileno(), 65536):
                if not case.quiet or len(output) < 65536:
                    output += block
                if case.stop and not stopped and b"held ready" in output:
                    time.sleep(0.5)
                    stopped = time.monotonic()
                    process.send_signal(signal.SIGTERM)
            status = process.wait()
        finally:
            timer.cancel()
            process.stdout.close()
        assert time.monotonic() - began < PATIENCE, f"it ran {PATIENCE} s; {bytes(errors[-300:])!r}"
        reader.join(5)
        self.check_nothing_left(process.pid)
        return Outcome(
            sandbox_end(status, errors.decode(errors="replace")), bytes(output), time.monotonic() - began,
            time.monotonic() - stopped if stopped else 0.0, errors.decode(errors="replace")[-300:],
        )

    def check_nothing_left(self, pid):
        if self.way == USER:
            no_process_of(self.uid, self.bait.victim.pid)
        else:
            # A control group that holds a process cannot be removed.
            wait_for(lambda: not groups_named(f"carrel.{pid}"), 3, "the end of its control groups")

    def close(self):
        self.bait.remove()


def feed(pipe, data):
    try:
        pipe.write(data)
        pipe.close()
    except OSError:
        pass


def arguments_of(case, bait):
    return [f"{key}={value}" for key, value in (case.arguments or bait.words()).items()]


class Students:
    """Runs cases in the live server."""

    NAMES = ["ada", "ben"]

    def __init__(self, number, school):
        self.school = school
        self.person = school.person(self.NAMES[number])
        self.person.save("first.py", "")  # the folder is made when something is first put there
        self.folder = school.data / "files" / "demo" / self.person.folder
        self.uid = self.folder.stat().st_uid
        self.bait = Bait(self.uid, school, number + 4)

    def run(self, case, without=None):
        self.clean()
        another = self.folder / "another"
        another.write_text("another's\n")
        another.chmod(0o600)
        os.chown(another, self.uid + 7, self.uid + 7)
        began = time.monotonic()
        run = self.person.run(text_of(case), name="case.py", arguments=arguments_of(case, self.bait))
        stopped = 0.0
        try:
            if case.typed:
                run.type(case.typed.replace(b"\n", b"\r"))
            if case.stop:
                run.expect("held ready")
                time.sleep(0.5)
                stopped = time.monotonic()
                run.stop()
            if case.check == "swap":
                read_while_swapping(files.Scene(self.person, self.school, self.bait.words()), run)
            info = run.wait_end(timeout=PATIENCE)
            stopped_in = time.monotonic() - stopped if stopped else 0.0
            output = bytes(run.output).replace(b"\r\n", b"\n") if case.check != "raw_bytes" else bytes(run.output)
            no_process_of(self.uid, self.bait.victim.pid)
            if case.check:
                getattr(files, case.check)(files.Scene(self.person, self.school, self.bait.words(), output))
            end = LIMIT_OF_REASON.get(info["reason"])
            if end is None and info["reason"] == "killed":
                end = "SIGKILL"
            elif end is None:
                end = signal.Signals(info["signal"]).name if info.get("signal") else info.get("exit")
            return Outcome(end, output, time.monotonic() - began, stopped_in, info.get("explanation") or info["reason"])
        finally:
            run.close()
            self.clean()

    def clean(self):
        for path in self.folder.iterdir():
            subprocess.run(["rm", "-rf", str(path)], check=False)

    def close(self):
        self.person.disconnect()
        self.bait.remove()


def read_while_swapping(scene, run):
    run.expect("held ready")
    end, answers = time.monotonic() + 4, {}
    while time.monotonic() < end:
        for name in ("file.py", "link.py"):
            answer = scene.person.download(scene.here(name))
            assert files.SECRET not in answer.body, "the secret was read"
            answers[answer.status] = answers.get(answer.status, 0) + 1
            try:
                scene.person.save(name, "saved\n")
            except Refused:
                pass
    assert answers.get(200), answers
    with open(scene.bait["secret"], "rb") as secret:
        assert secret.read().startswith(files.SECRET), "the secret was written"


class Control:
    """Another student, whose small programs must go on answering."""

    def __init__(self, school):
        self.person = school.person("cleo")
        self.lock = threading.Lock()
        self.slowest = 0.0

    def run(self):
        with self.lock:
            began = time.monotonic()
            run = self.person.run("print('control', 6 * 7)", name="control.py")
            run.expect("control 42")
            run.wait_end()
            seconds = time.monotonic() - began
            run.close()
        self.slowest = max(self.slowest, seconds)
        assert seconds < CONTROL_LIMIT, f"another student's program took {seconds:.1f} s"


def judge(case, way, outcome, without=None):
    output = outcome.output.decode("utf-8", "replace")
    lines = [line.strip() for line in output.splitlines()]
    wrong = [line for line in lines if line.startswith(("OPEN", "BROKEN"))]
    ends = case.user_end if way == USER and case.user_end is not None else case.end
    ends = ends if isinstance(ends, set) else {ends}
    problems = list(wrong)
    if outcome.end not in ends and not without:
        problems.append(f"it ended with {outcome.end!r}, not {ends} ({outcome.why.strip()})")
    if case.over and "over" not in lines:
        problems.append(f"it did not come to its end: {outcome.end!r} {outcome.why.strip()} … {output[-300:]!r}")
    if case.shows and not re.search(case.shows, output):
        problems.append(f"{case.shows!r} does not stand in {output[-300:]!r}")
    if outcome.stopped_in > STOP_LIMIT:
        problems.append(f"Stop took {outcome.stopped_in:.1f} s")
    assert not problems, "\n".join(problems)


def reasons_of(outcome):
    """The errors that refused it, most frequent first."""
    counts = {}
    for name in re.findall(r"^held [^\r\n]*: (E[A-Z0-9]+)\s*$", outcome.output.decode("utf-8", "replace"), re.M):
        counts[name] = counts.get(name, 0) + 1
    return " ".join(f"{name}×{count}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1])[:4])


class Tally:
    def __init__(self):
        self.passed, self.failures = 0, []
        self.cells = {}
        self.lock = threading.Lock()

    def note(self, label, column, cell, failure=None):
        with self.lock:
            self.cells.setdefault(label, {})[column] = cell
            if failure:
                self.failures.append((label, column, failure))
                print(f"FAILED {label}, {column}: {failure[:1500]}", flush=True)
            else:
                self.passed += 1


def attempt(tally, label, column, function):
    """Runs a check that returns its cell of the matrix."""
    try:
        tally.note(label, column, function())
    except Exception as error:
        words = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
        tally.note(label, column, "FAILED", words or repr(error))


def run_case(case, way, runner, control, without=None):
    meanwhile = control_pool.submit(control.run) if control else None
    try:
        outcome = runner.run(case, without)
        judge(case, way, outcome, without)
        if case.twice:
            judge(case, way, runner.run(case, without), without)
        runner.bait.check()
    finally:
        if meanwhile:
            meanwhile.result(PATIENCE)
    end = outcome.end if outcome.end else ""
    return " ".join(str(word) for word in (f"{outcome.seconds:.1f}s", end, reasons_of(outcome)) if word)


control_pool = concurrent.futures.ThreadPoolExecutor(1)


def share_out(jobs, runners, work):
    """Each runner takes the next job, until there is none."""
    left, lock = list(jobs), threading.Lock()

    def take(runner):
        while True:
            with lock:
                if not left:
                    return
                job = left.pop(0)
            work(job, runner)

    with concurrent.futures.ThreadPoolExecutor(len(runners)) as pool:
        for future in [pool.submit(take, runner) for runner in runners]:
            future.result()


def try_way(way, chosen, school, control, tally):
    runners = [Students(n, school) if way == LIVE else Sandboxes(way, n, school) for n in range(WORKERS)]
    try:
        cases = [case for case in chosen if way in case.ways]
        share_out(cases, runners, lambda case, runner: attempt(
            tally, case.label, way, lambda: run_case(case, way, runner, control)))
    finally:
        for runner in runners:
            runner.close()


def knock_out(chosen, school, tally):
    """One wall is not there: what it alone held back is open now, and each of these must still be refused."""
    cases = [case for case in chosen if case.reaches]
    for way in (ROOT, USER):
        runners = [Sandboxes(way, n, school) for n in range(WORKERS)]
        jobs = [(case, wall) for case in cases for wall in KNOCKED_OUT if (way, wall) != (USER, "user-namespace")]

        def work(job, runner):
            case, wall = job
            attempt(tally, f"{case.name} ({way})", wall, lambda: run_case(case, way, runner, None, wall))

        try:
            share_out(jobs, runners, work)
        finally:
            for runner in runners:
                runner.close()


# Beside the cases


class WithoutMemoryGroup(School):
    """A server on a host that has no control group for memory."""

    HIDE = "umount -l /sys/fs/cgroup/memory 2>/dev/null || umount -l /sys/fs/cgroup; exec \"$@\""

    def _as_whom(self):
        return ["unshare", "--mount", "sh", "-c", self.HIDE, "sh"]


def refuses_below_the_bar():
    """Where a required wall is missing, programs are refused in words, and files are served."""
    school = WithoutMemoryGroup()
    try:
        school.enrol_everybody()
        school.start()
        ada = school.person("ada")
        ada.save("a.py", "print(1)\n")
        try:
            ada.start(f"{ada.folder}/a.py")
            raise AssertionError("a program was run without the wall")
        except Refused as refusal:
            assert refusal.code == "unavailable" and "group-memory" in refusal.message, refusal
        assert ada.read("a.py") == "print(1)\n"
        assert re.search("wall.missing.*wall=group-memory.*no program is run", school.log), school.log[-2000:]
        ada.disconnect()
        school.stop()
        school.settings += ["--walls.missing", "group-memory"]
        school._sessions.clear()
        school.start()
        ada = school.person("ada")
        run = ada.run("print('runs')")
        run.expect("runs")
        ada.disconnect()
        school.stop()
    finally:
        school.remove()
    return "refused, then accepted"


def doctor(way, hide=False, *settings):
    command = []
    folder = tempfile.mkdtemp(prefix="carrel-escape-", dir="/var/tmp")
    if way == USER:
        os.chown(folder, USER_UIDS[0], USER_UIDS[0])
        command += ["setpriv", f"--reuid={USER_UIDS[0]}", f"--regid={USER_UIDS[0]}", "--clear-groups"]
    if hide:
        command += ["unshare", "--mount", "sh", "-c", WithoutMemoryGroup.HIDE, "sh"]
    command += [str(build_directory() / "carrel"), "doctor", "--json", *settings]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "TMPDIR": folder})
    left = os.listdir(folder)
    shutil.rmtree(folder)
    assert not left, left
    told = json.loads(done.stdout)
    return done.returncode, told, {wall["wall"]: wall["state"] for wall in told["walls"]}


def doctor_finds_all():
    for way in (ROOT, USER):
        status, told, states = doctor(way)
        wanted = {"stands"} if way == ROOT else {"stands", "weaker"}
        assert status == 0 and told["ok"] and set(states.values()) <= wanted, told
    return "all stand"


def doctor_misses_one():
    status, told, states = doctor(ROOT, True)
    assert status == 1 and states["group-memory"] == "missing" and states["seccomp"] == "stands", told
    status, told, states = doctor(ROOT, True, "--walls.missing=group-memory")
    assert status == 0 and told["ok"], told
    return "named"


def leaves_out_by_name():
    """A wall that cannot be left out is told, with why."""
    for wall, words in {"mount-namespace": "root is made of", "own-uid": "one user's number", "group-memory": "raised",
                        "x": "no wall"}.items():
        done = subprocess.run(
            [str(build_directory() / "carrel"), "sandbox", "--without", wall, "/dev/null"], capture_output=True, text=True
        )
        assert done.returncode == 2 and words in done.stderr, done.stderr
    return "told"


def storm(school, control):
    """One student presses Run as fast as it goes."""
    eva = school.person("eva")
    started, refused = [], 0
    for number in range(60):
        try:
            started.append(eva.run("import time\ntime.sleep(30)", name="storm.py"))
        except Refused as refusal:
            assert refusal.code == "busy", refusal
            refused += 1
    control.run()
    assert len(started) == 3 and refused == 57, (len(started), refused)
    for run in started:
        run.close()
    eva.disconnect()
    return f"{refused} refused"


def noisy(school, control):
    """Several students compute without end; another's program still answers."""
    people = [school.person(name) for name in ("dan", "eva", "finn", "gina", "hugo")]
    runs = [person.run("while True: pass", name="noise.py") for person in people]
    time.sleep(0.3)
    for _ in range(3):
        control.run()
    for run in runs:
        run.close()
    for person in people:
        person.disconnect()
    return f"slowest {control.slowest:.2f}s"


def memory_of(school):
    total = 0
    for role in ("web", "supervisor"):
        status = pathlib.Path(f"/proc/{school.the_process(role)}/status").read_text()
        total += int(re.search(r"VmRSS:\s+(\d+)", status)[1])
    return total // 1024


def zygote_descriptors(school):
    for pid in descendants(school.process.pid):
        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "carrel-zygote":
            return len(os.listdir(f"/proc/{pid}/fd"))
    raise AssertionError("there is no zygote")


def count(school):
    try:
        counted = {**school.count(), "of the zygote": zygote_descriptors(school)}
        own = school.the_process("supervisor")
        counted["control groups"] = sum(len(list(path.glob("run.*"))) for path in groups_named(f"carrel.{own}"))
    except FileNotFoundError:  # something went while it was looked at
        return None
    # A worker is kept a while for whoever may come back, and others' sandboxes and mounts come and go on this machine.
    counted["processes"] -= len(school.processes("worker"))
    counted.pop("mounts of the host")
    return counted


def nothing_is_left(school, before, memory):
    wait_for(lambda: count(school) == before, 15, f"the server to be as before: {before}, now {count(school)}")
    grown = memory_of(school) - memory
    assert grown < 64, f"the server's memory grew by {grown} MB"
    return f"+{grown} MB"


def print_matrix(title, tally, columns, rows, last=None):
    print(f"\n{title}\n")
    width = max([len(row) for row in rows] + [4])
    widths = {column: max([len(column)] + [len(tally.cells.get(row, {}).get(column, "")) for row in rows]) for column in columns}
    widths = {column: min(size, 46) for column, size in widths.items()}
    print("  ".join([" " * width] + [column.ljust(widths[column]) for column in columns]).rstrip())
    for row in rows:
        cells = [tally.cells.get(row, {}).get(column, "–")[: widths[column]].ljust(widths[column]) for column in columns]
        print("  ".join([row.ljust(width), *cells, last(row) if last else ""]).rstrip())


def main(names):
    if os.getuid() != 0:
        print("test/escape wants root, to be root and ordinary users in turn\n0 passed, 1 failed")
        return 1
    chosen = [case for case in CASES if not names or case.name in names]
    began = time.monotonic()
    tally = Tally()
    settings = [f"--limits.{name}={value}" for name, value in COMMON.items()]
    school = School(settings=[*settings, "--limits.output=64MB", f"--uid.base={SERVER_BASE}", "--repl.after=never", "--pool.size=4", "--pool.maximum=4"])
    try:
        school.enrol_everybody()
        school.start()
        control = Control(school)
        for _ in range(3):
            control.run()
        time.sleep(2)
        wait_for(lambda: count(school) is not None, 5, "quiet")
        before, memory = count(school), memory_of(school)
        for way in WAYS:
            try_way(way, chosen, school, control, tally)
        for label, function in (("run-storm", storm), ("noisy-neighbours", noisy), ("reconnect-at-the-end", reconnect_at_the_end)):
            if not names or label in names:
                attempt(tally, label, LIVE, lambda: function(school, control))
        attempt(tally, "nothing is left", LIVE, lambda: nothing_is_left(school, before, memory))
        knock_out(chosen, school, tally)
        for which in ("web", "supervisor", "monitor"):
            if not names or "crash" in names:
                attempt(tally, f"{which} killed", LIVE, lambda: crash(which))
        if not names:
            attempt(tally, "below the bar", LIVE, refuses_below_the_bar)
            attempt(tally, "doctor", ROOT, doctor_finds_all)
            attempt(tally, "doctor, one missing", ROOT, doctor_misses_one)
            attempt(tally, "--without", ROOT, leaves_out_by_name)
        control.person.disconnect()
        attempt(tally, "the server's end", LIVE, lambda: school.stop() or "in order")
    finally:
        school.remove()
    walls = {case.label: case.wall for case in chosen}
    rows = list(dict.fromkeys([case.label for case in chosen] + [row for row in tally.cells if "(" not in row]))
    print_matrix("Cases: seconds, end, what refused", tally, WAYS, rows, lambda row: walls.get(row, ""))
    rows = [row for row in tally.cells if "(" in row]
    print_matrix("One wall left out: what refused then", tally, KNOCKED_OUT, rows)
    print(f"\nslowest control run {control.slowest:.2f} s; {time.monotonic() - began:.0f} s in all")
    for label, column, failure in tally.failures:
        print(f"\nFAILED {label}, {column}:\n{failure[:3000]}")
    print(f"\n{tally.passed} passed, {len(tally.failures)} failed")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
