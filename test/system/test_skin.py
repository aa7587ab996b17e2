"""What each process of a running server has in its hands: its descriptors, its capabilities, its filters. A descriptor
too many is a way around every wall: the supervisor's channel to the monitor was once inherited by all sandboxes, and
the folder of the page stayed open in the confined web server."""

import os
import pathlib
import re
import time

import pytest

from school import NOT_ROOT, School, descendants, read_link

KEPT_BY_BOTH = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "SETGID": 6, "SETUID": 7, "SYS_ADMIN": 21}
MONITOR = {**KEPT_BY_BOTH, "KILL": 5, "SETPCAP": 8}

LOOP = [r"anon_inode:\[(eventpoll|eventfd|signalfd)\]"]
STREAMS = ["/dev/null", "{log}"]
TERMINAL = r"/dev/pts/\d+"
CHANNEL = r"socket:\[\d+\]"

# All that may be open, beside what is counted below.
MAY_HAVE = {
    "monitor": [*STREAMS, *LOOP, CHANNEL, "{data}", "{data}/lock"],
    "supervisor": [*STREAMS, *LOOP, CHANNEL, "{data}", r"/sys/fs/cgroup/.*", r"anon_inode:\[pidfd\]", "/dev/pts/ptmx"],
    "web": [*STREAMS, *LOOP, CHANNEL, r"/store/carrel\.db(-wal|-shm)?"],
    "worker": [*STREAMS, CHANNEL, "{data}/files/.*"],
    "zygote": [*STREAMS, CHANNEL],
    "keeper": [CHANNEL, "anon_inode:seccomp notify"],
    "parked": [TERMINAL, CHANNEL, r"anon_inode:\[?landlock-ruleset\]?"],
    "program": [TERMINAL],
}
HOW_MANY = {"worker": 5, "zygote": 4, "keeper": 2, "program": 3}


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def descriptors_of(pid):
    return {int(fd): read_link(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}


def bits(names):
    return sum(1 << bit for bit in names.values())


def processes_of(school):
    """Every process of the server by what it is."""
    found = {}
    names = {"carrel-run": "supervisor", "carrel-web": "web", "carrel-worker": "worker", "carrel-zygote": "zygote"}
    names["carrel-keeper"] = "keeper"
    for pid in [school.process.pid, *descendants(school.process.pid)]:
        try:
            kind = "monitor" if pid == school.process.pid else names.get(name_of(pid))
            if kind is None and name_of(pid) == "python3":
                # One that has dropped everything runs a text; one that is parked still holds what it needs for that.
                kind = "program" if int(status_of(pid)["CapPrm"], 16) == 0 else "parked"
            if kind:
                found.setdefault(kind, []).append(pid)
        except OSError:
            continue
    return found


@pytest.fixture(scope="module", params=["as root", "as an ordinary user"])
def server(request):
    if os.getuid() != 0:
        pytest.skip("only root can look at all descriptors")
    whom = None if request.param == "as root" else NOT_ROOT
    with School(run_as=whom).open(School.enrol_everybody) as school:
        person = school.person("ada")
        run = person.run("input('on? ')")
        run.expect("on? ")
        end = time.monotonic() + 30
        while not processes_of(school).get("parked") and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(0.5)  # what is being parked has time to settle
        yield school
        run.close()
        person.disconnect()


def test_descriptors(server):
    wrong, seen = [], processes_of(server)
    assert set(MAY_HAVE) <= set(seen)
    for kind, pids in seen.items():
        patterns = [p.format(data=re.escape(str(server.data)), log=re.escape(str(server.log_path))) for p in MAY_HAVE[kind]]
        for pid in pids:
            try:
                open_now = descriptors_of(pid)
            except OSError:
                continue  # it has ended meanwhile
            for fd, link in open_now.items():
                if link and not any(re.fullmatch(pattern, link) for pattern in patterns):
                    wrong.append(f"{kind} {pid}: {fd} is {link}")
            if kind in HOW_MANY and len(open_now) != HOW_MANY[kind]:
                wrong.append(f"{kind} {pid} has {len(open_now)} descriptors, not {HOW_MANY[kind]}: {open_now}")
    assert wrong == []


def test_rights(server):
    seen = processes_of(server)
    root = server.run_as is None
    expected = {
        "monitor": bits(MONITOR) if root else 0,
        "supervisor": bits(KEPT_BY_BOTH),  # as an ordinary user's: in a user namespace of its own
        "web": 0,
        "worker": 0,
        "keeper": 0,
        "program": 0,
    }
    for kind, capabilities in expected.items():
        for pid in seen[kind]:
            status = status_of(pid)
            assert int(status["CapPrm"], 16) == capabilities, (kind, status["CapPrm"])
            assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0, kind
            assert status["NoNewPrivs"] == "1", kind
            assert status["Seccomp"] == "2", kind
    for kind in ("web", "supervisor", "keeper", "program"):
        bound = int(status_of(seen[kind][0])["CapBnd"], 16)
        assert bound == expected[kind], (kind, hex(bound))


def test_network(server):
    """Neither can reach out: their network namespaces are not the host's."""
    seen = processes_of(server)
    for kind in ("web", "supervisor", "zygote", "program"):
        assert os.readlink(f"/proc/{seen[kind][0]}/ns/net") != os.readlink("/proc/self/ns/net"), kind


def test_web_root(server):
    """The web server sees its store and nothing else."""
    mounts = pathlib.Path(f"/proc/{processes_of(server)['web'][0]}/mountinfo").read_text().splitlines()
    assert sorted(line.split()[4] for line in mounts) == ["/", "/store"]
