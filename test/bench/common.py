"""What the measurements share: a server of their own, rivals, percentiles, the table of results."""

import argparse
import gc
import hashlib
import json
import os
import pathlib
import platform
import resource
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time

os.environ.setdefault("CARREL_BUILD", "build")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from school import CLASS, School, password_of  # noqa: E402,F401
from carrel import Connection, Session  # noqa: E402,F401

PYTHON = "/usr/bin/python3"
DEFAULT_POOL = "--pool.maximum=300"  # as the settings have it; the tests' School holds it small
HELLO = 'print("hi")'
SCIENTIFIC = 'import numpy, pandas, matplotlib.pyplot\nprint("hi")'
BWRAP = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="the last line is one object for a program")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: an answer within 50 seconds")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server")
    return parser.parse_args()


def serve(people, options):
    school = School(settings=[DEFAULT_POOL, *(f"--{setting}" for setting in options.set)])
    school.carrel("class", "add", CLASS, "--title", "Measured", "--data", school.data)
    for name in people:
        school.add_person(name)
    return school.start()


def serve_many(count, options, *settings, below="/var/tmp"):
    """A server with `count` people, pupil-0 …, and a session of each. Written into the database before it starts, since
    a thousand passwords take a while."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    school = School(settings=[DEFAULT_POOL, *settings, *(f"--{setting}" for setting in options.set)], below=below)
    school.carrel("class", "add", CLASS, "--title", "Measured", "--data", school.data)
    school.add_person("model")
    now, sessions = int(time.time() * 1000), []
    with sqlite3.connect(school.data / "store" / "carrel.db") as store:
        (password,) = store.execute("select password from account where name = 'model'").fetchone()
        (klass,) = store.execute("select id from class").fetchone()
        for number in range(count):
            name, identifier = f"pupil-{number}", number + 10
            session = Session(school.address)
            session.cookie = secrets.token_urlsafe(32)
            digest = hashlib.blake2b(session.cookie.encode(), digest_size=32).hexdigest()
            row = (identifier, name, name, name, "student", password, 1, now)
            store.execute(f"insert into account values ({', '.join('?' * len(row))})", row)
            store.execute("insert into enrolment values (?, ?)", (klass, identifier))
            store.execute("insert into session values (?, ?, ?, ?)", (digest, identifier, now, now))
            sessions.append(session)
    return school.start(), sessions


def pss(pids):
    """Bytes of memory that these processes take, what several share counted once."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path("/proc", str(pid), "smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
    return total


def available():
    """Bytes that the kernel could still give: what went from it was taken by processes or by the kernel for them."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("/proc/meminfo tells no MemAvailable")


def apart():
    """Measures as if the page were another machine: it does not wait for a processor behind the programs it watches."""
    if os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, -10)


def quiet():
    """The client's own garbage collection must not be taken for the server's slowness."""
    gc.collect()
    gc.freeze()
    gc.disable()


def first_byte(command):
    """Seconds from starting a program to the first byte of its output."""
    read_end, write_end = os.pipe()
    started = time.perf_counter()
    pid = os.posix_spawnp(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, write_end, 1), (os.POSIX_SPAWN_CLOSE, read_end)]
    )
    os.close(write_end)
    byte = os.read(read_end, 1)
    seconds = time.perf_counter() - started
    while os.read(read_end, 4096):
        pass
    os.close(read_end)
    os.waitpid(pid, 0)
    assert byte, command
    return seconds


def has_bwrap():
    if not shutil.which("bwrap"):
        return False
    return subprocess.run([*BWRAP, "true"], capture_output=True, check=False).returncode == 0


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, {PYTHON} {platform.python_version()}"


class Results:
    """Rows of what was measured. A bar is what the design promises: in the row's unit, or times the rival."""

    def __init__(self, bench):
        self.bench = bench
        self.rows = []

    def add(self, what, seconds, rival_name=None, rival=None, at_most=None, at_least_ratio=None):
        """A time, shown in milliseconds, beside the rival's."""
        rival_text = f"{rival_name}: {rival * 1000:.2f} ms" if rival else None
        ratio = rival / seconds if rival else None
        self.add_value(what, seconds * 1000, "ms", rival_text, ratio, at_most, at_least_ratio=at_least_ratio)

    def add_value(self, what, value, unit, rival=None, ratio=None, at_most=None, at_least=None, at_least_ratio=None):
        bars, met = [], True
        if at_most is not None:
            bars.append(f"<= {at_most} {unit}")
            met = met and value <= at_most
        if at_least is not None:
            bars.append(f">= {at_least} {unit}")
            met = met and value >= at_least
        if at_least_ratio is not None:
            bars.append(f">= {at_least_ratio} times faster")
            met = met and ratio is not None and ratio >= at_least_ratio
        self.rows.append(
            {
                "what": what,
                "value": round(value, 3),
                "unit": unit,
                "rival": rival,
                "ratio": round(ratio, 2) if ratio else None,
                "bar": ", ".join(bars) or None,
                "met": met if bars else None,
            }
        )

    def show(self, as_json):
        print(f"{machine()}; load {os.getloadavg()[0]:.1f}")
        for row in self.rows:
            verdict = {True: "met", False: "NOT MET", None: ""}[row["met"]]
            rival = f"{row['rival']} ({row['ratio']} x)" if row["rival"] else ""
            value = f"{row['value']:>9.2f} {row['unit']:<8}"
            print(f"  {row['what']:<42} {value} {rival:<42} {row['bar'] or '':<30} {verdict}".rstrip())
        if as_json:
            print(json.dumps({"bench": self.bench, "machine": machine(), "rows": self.rows}))
        sys.stdout.flush()
