"""What the server counts, and tells whoever brings the token; and that being counted costs nobody but who makes it."""

import os
import pathlib
import re
import signal
import time

import pytest

from conftest import leave_nothing
from school import School, command_line, descendants, wait_for

TOKEN = "a-word-of-this-test-alone"

CALLS = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def call(*words):
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(word) for word in words])
    return errno.errorcode[ctypes.get_errno()] if result < 0 else result
MOUNT, MOVE_MOUNT, PROCESS_MRELEASE, SOCKET, CLONE, PTRACE = 165, 429, 448, 41, 56, 101
"""


@pytest.fixture(scope="module")
def watched():
    def enrol(school):
        school.carrel("class", "add", "demo", "--data", school.data)
        school.carrel("class", "add", "tight", "--data", school.data)
        school.carrel("class", "limit", "tight", "cpu=1s", "--data", school.data)
        for name in ("ada", "ben"):
            school.add_person(name)
        school.carrel("class", "enrol", "tight", "ada", "--data", school.data)
        school.settings = ["--config", str(school.directory / "carrel.conf")]
        (school.directory / "carrel.conf").write_text(f"metrics.token = {TOKEN}\nrepl.after = never\n")

    with School().open(enrol) as school:
        yield school


@pytest.fixture
def enter(watched):
    people = []

    def enter_as(name, class_slug="demo"):
        people.append(watched.person(name, class_slug))
        return people[-1]

    yield enter_as
    for person in people:
        leave_nothing(person)
        person.disconnect()


def ask(person, token=TOKEN):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return person.session.http("GET", "/metrics", headers=headers)


def metrics(person):
    """{name{labels}: number}, held to the format on the way."""
    answer = ask(person)
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
    numbers, kinds = {}, {}
    for line in answer.body.decode().splitlines():
        if line.startswith("#"):
            _, what, name, rest = line.split(" ", 3)
            assert what in ("HELP", "TYPE") and rest, line
            if what == "TYPE":
                assert name not in kinds and rest in ("counter", "gauge", "histogram"), line
                kinds[name] = rest
            continue
        found = re.fullmatch(r"(([a-z_]+)(\{\w+=\"[^\"\\]*\"(,\w+=\"[^\"\\]*\")*\})?) ([0-9.]+)", line)
        assert found, line
        family = re.sub("_(bucket|sum|count)$", "", found[2])
        assert found[2] in kinds or kinds.get(family) == "histogram", line
        assert found[1] not in numbers, line
        numbers[found[1]] = float(found[5])
    return numbers


def refused(numbers):
    return {key[len('carrel_refused_calls_total{call="'):-2]: int(value) for key, value in numbers.items() if key.startswith("carrel_refused_calls_total")}


def growth(before, after):
    return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}


def settled(person):
    """What parked programs did is counted too, a quarter of a second later at most."""
    last = None
    while (now := metrics(person)) and refused(now) != last:
        last = refused(now)
        time.sleep(0.6)
    return now


def test_nobody_reads_them_unless_it_is_said(school, join):
    """A server whose operator did not ask for it has no such address, with or without a token."""
    ada = join("ada")
    assert [ask(ada, token).status for token in (None, "", TOKEN)] == [404, 404, 404]


def test_only_who_brings_the_token_reads_them(watched, enter):
    ada = enter("ada")
    for token in (None, "", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper()):
        answer = ask(ada, token)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer", (token, answer)
        assert b"carrel_" not in answer.body
    assert ask(ada).status == 200


def test_the_token_is_seen_nowhere(watched):
    """What is on a command line, everybody on the machine reads."""
    for pid in [watched.process.pid, *descendants(watched.process.pid)]:
        assert not [word for word in command_line(pid) if TOKEN.encode() in word]
    for role in ("supervisor", "worker"):
        for pid in watched.processes(role):
            assert TOKEN.encode() not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    told = watched.carrel("config", *watched.settings).stdout
    assert TOKEN not in told and re.search(r"metrics\.token +\(secret\)", told)
    assert TOKEN not in watched.log


def test_a_short_token_stops_the_start(watched):
    done = watched.carrel("config", "--metrics.token", "short", check=False)
    assert done.returncode == 2 and "metrics.token" in done.stderr, done


def test_a_run_is_counted(watched, enter):
    ada = enter("ada")
    before = settled(ada)
    ada.run("print('hello')").wait_end()
    # What ended is told to pages before it is counted as ended by nobody: the next answer has it.
    grown = growth(before, metrics(ada))
    assert grown["carrel_runs_started_total"] == 1
    assert grown['carrel_runs_ended_total{reason="finished"}'] == 1
    assert grown["carrel_run_start_seconds_count"] == 1
    assert 0 < grown["carrel_run_start_seconds_sum"] < 30
    assert grown['carrel_requests_total{type="run.start",outcome="done"}'] == 1
    assert ada.refused("file.open", path=f"{ada.folder}/nothing") == "not-found"
    assert growth(before, metrics(ada))['carrel_requests_total{type="file.open",outcome="refused"}'] == 1


def test_an_ordinary_program_is_refused_next_to_nothing(watched, enter):
    """Of what a first program and numpy do, the filter refuses nothing; the C library asks for clone3 with each thread, and
    takes clone where there is none."""
    ada = enter("ada")
    before = refused(settled(ada))
    ada.run("print('hello')").wait_end()
    ada.run("import random, json, re, subprocess, tempfile, asyncio\nasyncio.run(asyncio.sleep(0))\nsubprocess.run(['true'])").wait_end()
    grown = growth(before, refused(settled(ada)))
    assert set(grown) <= {"clone3"}, grown
    before = refused(settled(ada))
    run = ada.run("import threading\nfor _ in range(7):\n  t = threading.Thread(target=print); t.start(); t.join()\n")
    run.wait_end()
    assert growth(before, refused(settled(ada))) == {"clone3": 7}


def test_each_refused_call_is_counted(watched, enter):
    """And is answered as it always was: EPERM for what a program may not do, ENOSYS for what it need not know."""
    ada = enter("ada")
    before = refused(settled(ada))
    run = ada.run(CALLS + """
print({call(MOUNT) for _ in range(25)}, {call(PROCESS_MRELEASE) for _ in range(3)}, {call(100000 + n) for n in range(9)},
      {call(MOVE_MOUNT, 0, 0, 0, 0, 4), call(MOVE_MOUNT, 0, 0, 0, 0, 4, 1)}, {call(SOCKET, 16, 3, 0), call(SOCKET, 40, 1, 0)},
      {call(SOCKET, 2, 3, 1)}, {call(CLONE, 0x10000000)}, {call(PTRACE)})
""")
    run.wait_end()
    run.expect("{'EPERM'} {'ENOSYS'} {'ENOSYS'} {'EPERM'} {'EAFNOSUPPORT'} {'ENOSYS'} {'EPERM'} {'EPERM'}")
    # What the server denies to its own processes as well, an older filter refuses, which counts nothing.
    assert growth(before, refused(metrics(ada))) == {
        "mount": 25, "process_mrelease": 3, "other": 9, "move_mount": 2, "socket": 3, "clone": 1,
    }  # fmt: skip


def test_calls_of_children_and_under_signals(watched, enter):
    """Whoever makes it: threads, children, children's children. And a signal in the midst makes none count twice: a call
    that was interrupted before the keeper had it was neither made nor refused."""
    ada = enter("ada")
    before = refused(settled(ada))
    run = ada.run(CALLS + """
import os, signal, threading
heard = []
signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
answers = [call(MOUNT) for _ in range(3000)]
signal.setitimer(signal.ITIMER_REAL, 0)
threads = [threading.Thread(target=lambda: [call(MOUNT) for _ in range(100)]) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
for depth in range(5):
    if os.fork():
        os.wait()
        break
    [call(MOUNT) for _ in range(10)]
if depth == 0:
    print('refused', answers.count('EPERM'), 'interrupted', answers.count('EINTR'), 'heard', len(heard) > 0)
""")
    run.wait_end()
    run.expect("heard True")
    made, interrupted = map(int, re.search(rb"refused (\d+) interrupted (\d+)", bytes(run.output)).groups())
    assert made + interrupted == 3000 and made > 2000
    assert growth(before, refused(metrics(ada))) == {"mount": made + 8 * 100 + 5 * 10, "clone3": 8}


HOSTILE = CALLS + """
import os, signal, threading
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
for _ in range(3):
    os.fork()
print('at it', flush=True)
def hammer():
    while True:
        libc.syscall(MOUNT)
[threading.Thread(target=hammer, daemon=True).start() for _ in range(3)]
hammer()
"""


def test_a_flood_of_refused_calls_harms_nobody(watched, enter):
    """Thirty-two threads of eight processes do nothing else: others' programs answer, Stop ends it, all is counted."""
    ada, ben = enter("ada"), enter("ben")
    before = refused(settled(ada))
    run = ada.run(HOSTILE)
    run.expect("at it")
    slowest = 0.0
    for _ in range(10):
        began = time.monotonic()
        other = ben.run("print('control', 6 * 7)")
        other.expect("control 42")
        other.wait_end()
        slowest = max(slowest, time.monotonic() - began)
    began = time.monotonic()
    run.stop()
    info = run.wait_end()
    assert info["reason"] == "killed", info
    assert time.monotonic() - began < 5
    assert slowest < 10, slowest
    assert growth(before, refused(metrics(ada)))["mount"] > 10000


def keeper_of(school, marker):
    for pid in descendants(school.the_process("supervisor")):
        try:
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() != "carrel-keeper":
                continue
            child = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if child and marker in pathlib.Path(f"/proc/{child[0]}/comm").read_text():
                return pid
        except OSError:
            pass
    raise AssertionError("there is no such keeper")


def test_the_processor_time_is_the_programs_own(watched, enter):
    """What the keeper does for a program counts against that program's limit, and weighs as it does."""
    ada = enter("ada", "tight")
    run = ada.run(CALLS + "libc.prctl(15, b'marked')\nprint('ready', flush=True)\nwhile True: call(MOUNT)")
    run.expect("ready")
    keeper = keeper_of(watched, "marked")
    program = pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0]
    groups = [pathlib.Path(f"/proc/{pid}/cgroup").read_text() for pid in (keeper, program)]
    assert groups[0] == groups[1] and "run." in groups[0], groups
    assert run.wait_end(timeout=30)["reason"] == "cpu-limit"


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_keeper_that_does_not_answer(watched, enter, number):
    """Nobody answers any more: the program waits in a call, and can be ended all the same; of a keeper that is dead, it dies."""
    ada = enter("ada")
    run = ada.run(CALLS + """
libc.prctl(15, b'marked')
print('ready', flush=True)
input()
while True: call(MOUNT)
""")
    run.expect("ready")
    keeper = keeper_of(watched, "marked")
    os.kill(keeper, number)
    if number == signal.SIGSTOP:
        run.type(b"\r")
        time.sleep(0.3)
        run.stop()
    info = run.wait_end(timeout=20)
    assert info["reason"] == ("killed" if number == signal.SIGSTOP else "failed"), info
    wait_for(lambda: not pathlib.Path(f"/proc/{keeper}").exists(), 5, "the keeper's end")


def test_a_supervisor_that_does_not_answer(watched, enter):
    """Then the web server tells its own part, and that the other is missing."""
    ada = enter("ada")
    supervisor = watched.the_process("supervisor")
    os.kill(supervisor, signal.SIGSTOP)
    try:
        numbers = metrics(ada)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert numbers["carrel_supervisor_answers"] == 0 and "carrel_runs_started_total" not in numbers
    wait_for(lambda: metrics(ada)["carrel_supervisor_answers"] == 1, 10, "the supervisor's part")


def test_many_scrapes_at_once(watched, enter):
    """More than are answered at a time are told to come back; none is left waiting."""
    import concurrent.futures

    ada = enter("ada")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: ask(ada).status, range(60)))
    assert set(statuses) <= {200, 503} and 200 in statuses, statuses
    assert ask(ada).status == 200
