"""What the measurements share: a server of their own, rivals, percentiles, the table of results."""

import argparse
import gc
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

os.environ.setdefault("CARREL_BUILD", "build")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from school import CLASS, School, password_of  # noqa: E402,F401
from carrel import Connection, Session  # noqa: E402,F401

PYTHON = "/usr/bin/python3"
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
    school = School(settings=[f"--{setting}" for setting in options.set])
    school.carrel("class", "add", CLASS, "--title", "Measured", "--data", school.data)
    for name in people:
        school.add_person(name)
    return school.start()


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
    """Rows of what was measured. A bar is what the design promises: "<= 2" in the row's unit, or ">= 5" times the rival."""

    def __init__(self, bench):
        self.bench = bench
        self.rows = []

    def add(self, what, seconds, rival_name=None, rival=None, at_most=None, at_least_ratio=None, at_most_times=None):
        value = seconds * 1000
        ratio = rival / seconds if rival else None
        bars, met = [], True
        if at_most is not None:
            bars.append(f"<= {at_most} ms")
            met = met and value <= at_most
        if at_least_ratio is not None:
            bars.append(f">= {at_least_ratio} times faster")
            met = met and ratio is not None and ratio >= at_least_ratio
        if at_most_times is not None:
            bars.append(f"<= {at_most_times} times as long")
            met = met and seconds <= at_most_times * rival
        self.rows.append(
            {
                "what": what,
                "value": round(value, 3),
                "unit": "ms",
                "rival": f"{rival_name}: {rival * 1000:.2f} ms" if rival else None,
                "ratio": round(ratio, 2) if ratio else None,
                "bar": ", ".join(bars) or None,
                "met": met if bars else None,
            }
        )

    def show(self, as_json):
        print(machine())
        for row in self.rows:
            verdict = {True: "met", False: "NOT MET", None: ""}[row["met"]]
            rival = f"{row['rival']} ({row['ratio']} x)" if row["rival"] else ""
            print(f"  {row['what']:<34} {row['value']:>9.2f} ms  {rival:<42} {row['bar'] or '':<30} {verdict}")
        if as_json:
            print(json.dumps({"bench": self.bench, "machine": machine(), "rows": self.rows}))
        sys.stdout.flush()
