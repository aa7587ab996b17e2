"""Control groups as systemd delegates them. Runs inside the guest (vm.py), once for each way of starting: as a system
service of root's, as one of an ordinary user's, and under a user's own service manager; and what is the same there with
version 1, where systemd mounts two controllers (cpu, cpuacct) as one hierarchy."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "system"))

from school import School, build_directory, environment, is_alive, descendants, wait_for  # noqa: E402

WAY = os.environ["CARREL_WAY"]
UNIT_GROUP = pathlib.Path("/sys/fs/cgroup") / os.environ["CARREL_GROUP"].lstrip("/")
# A user's service manager is given no more by Debian.
CONTROLLERS = {"memory", "pids"} if WAY == "user-manager" else {"memory", "pids", "cpu"}


second = pytest.mark.skipif(WAY == "version-1", reason="version 2's files")


def server_groups():
    return [path for path in UNIT_GROUP.glob("carrel.*") if path.is_dir()]


def run_groups():
    return [path for server in server_groups() for path in server.glob("run.*") if path.is_dir()]


def no_groups():
    """Nor in any other hierarchy of version 1."""
    return not server_groups() and not list(pathlib.Path("/sys/fs/cgroup").glob("*/system.slice/*/carrel.*"))


def sandbox(tmp_path, text, *options, timeout=120):
    script = tmp_path / "program.py"
    script.write_text(text)
    command = [str(build_directory() / "carrel"), "sandbox", *options, str(script)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment(), stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def school():
    school = School(settings=["--pool.size", "2", "--python.imports", "", "--limits.memory", "96MB", "--limits.processes", "20"])
    try:
        school.carrel("class", "add", "demo", "--data", school.data)
        school.add_person("ada")
        school.add_person("ben")
        school.start()
        yield school
        school.stop()
        assert no_groups()
    finally:
        school.remove()


@pytest.fixture
def ada(school):
    return entered(school, "ada")


def entered(school, name):
    person = school.person(name)
    for run in person.request("run.list")["runs"]:
        if run["owner"] == name:
            person.terminal(run["run"]).close()
    return person


@second
def test_this_is_version_2():
    assert (UNIT_GROUP / "cgroup.controllers").exists(), UNIT_GROUP
    assert CONTROLLERS <= set((UNIT_GROUP / "cgroup.controllers").read_text().split())


def test_sandbox_and_nothing_left(tmp_path):
    done = sandbox(tmp_path, "print(6 * 7)")
    assert (done.returncode, done.stdout.strip()) == (0, "42"), done
    assert no_groups()


def test_sandbox_memory(tmp_path):
    done = sandbox(tmp_path, "x = []\nwhile True: x.append(bytearray(1 << 20))", "--limit", "memory=64MB")
    assert done.returncode == 124 and "64 MB of memory" in done.stderr, done
    assert no_groups()


def test_sandbox_memory_of_a_child(tmp_path):
    """The kernel ends the run whole (memory.oom.group), though only a child grew."""
    text = "import os, time\nif os.fork() == 0:\n    x = []\n    while True: x.append(bytearray(1 << 20))\ntime.sleep(60)"
    done = sandbox(tmp_path, text, "--limit", "memory=64MB")
    assert done.returncode == 124 and "64 MB of memory" in done.stderr, done
    assert no_groups()


def test_sandbox_processes(tmp_path):
    text = "import os, time\nn = 0\nfor i in range(40):\n    try:\n        if os.fork() == 0: time.sleep(5); os._exit(0)\n    except OSError: n += 1\nprint('refused', n)"
    done = sandbox(tmp_path, text, "--limit", "processes=10")
    assert done.returncode == 0 and "refused 31" in done.stdout, done
    assert "10 processes and threads" in done.stdout
    assert no_groups()


def test_sandbox_processor_time(tmp_path):
    """cpu.stat counts all processes of the run, also those that a parent has not waited for."""
    text = "import os, time\nif os.fork() == 0:\n    while True: pass\ntime.sleep(60)"
    done = sandbox(tmp_path, text, "--limit", "cpu=1s")
    assert done.returncode == 124 and "1 second" in done.stderr, done


@second
def test_server_has_groups(school, ada):
    """The server's own processes stepped aside; a run has a group of its own, with limits and all controllers."""
    run = ada.run("print('on')\ninput()")
    run.expect("on")
    (server,) = server_groups()
    assert set((server / "cgroup.subtree_control").read_text().split()) >= CONTROLLERS
    assert not (UNIT_GROUP / "cgroup.procs").read_text().strip()
    limits = {(path / "pids.max").read_text().strip() for path in run_groups()}
    assert "21" in limits, limits
    assert str(96 << 20) in {(path / "memory.max").read_text().strip() for path in run_groups()}
    run.close()


def test_server_memory(ada):
    info = ada.run("x = []\nwhile True: x.append(bytearray(1 << 20))").wait_end(timeout=60)
    assert info["reason"] == "memory-limit" and "96 MB" in info["explanation"], info


def test_server_fork_bomb(ada):
    text = "import os\nprint('lit', flush=True)\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    run = ada.run(text)
    run.expect("lit")
    run.expect("20 processes and threads", timeout=60)
    assert max(int((path / "pids.current").read_text()) for path in run_groups()) <= 21
    run.close()


@second
@pytest.mark.skipif("cpu" not in CONTROLLERS, reason="this way gives no cpu controller")
def test_an_account_divides_its_share(school, ada):
    """Two computing programs have half a share each; when one waits for a line the other has all of it, and the one that
    waits ten times its half, so that a key is answered at once."""
    one, two = ada.run("while True: pass", name="one.py"), ada.run("input('quiet')\nwhile True: pass", name="two.py")
    two.expect("quiet")

    def weight(path):
        """None: nobody is in it, or it went while it was looked at, as those of earlier programs do."""
        try:
            return int((path / "cpu.weight").read_text()) if (path / "cgroup.procs").read_text() else None
        except OSError:
            return None

    def weights():
        return sorted(found for path in run_groups() if (found := weight(path)) is not None)

    wait_for(lambda: 100 in weights() and 500 in weights(), 30, "a whole share, and ten times a half")
    two.type("\r")
    wait_for(lambda: weights().count(50) == 2, 30, "two halves")
    one.close()
    wait_for(lambda: 50 not in weights(), 30, "one whole")
    two.close()


def test_groups_go_with_their_runs(school, ada):
    for i in range(3):
        ada.run(f"print('run', {i})").expect(f"run {i}")
    for run in ada.request("run.list")["runs"]:
        ada.terminal(run["run"]).close()
    wait_for_parked_alone()


def wait_for_parked_alone():
    """Until every group is that of a sandbox that waits for its program: a keeper and one process."""
    end = time.monotonic() + 30
    while not all(sorted(names_in(group))[:1] == ["carrel-keeper"] and len(names_in(group)) == 2 for group in run_groups()):
        assert time.monotonic() < end, {group.name: names_in(group) for group in run_groups()}
        time.sleep(0.1)


def names_in(group):
    return [name_of(pid) for pid in (group / "cgroup.procs").read_text().split()]


def test_a_supervisor_that_is_killed(school):
    ada = school.person("ada")
    ada.run("import os, time\nfor i in range(3): os.fork()\nprint('on')\ntime.sleep(900)").expect("on")
    before = school.the_process("supervisor")
    old = UNIT_GROUP / f"carrel.{before}"
    assert old.exists()
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: [pid for pid in school.processes("supervisor") if pid != before], 60, "a new supervisor")
    wait_for(lambda: not old.exists(), 60, "the end of the old one's groups")
    school.wait_until_it_listens()
    entered(school, "ada").run("print('again')").expect("again")


def test_a_server_that_is_killed_whole(tmp_path):
    """Every process of a server at once, by SIGKILL, as when memory is short: no program survives, and the next server
    removes the groups."""
    school = School(settings=["--pool.size", "1", "--python.imports", ""])
    try:
        school.carrel("class", "add", "demo", "--data", school.data)
        school.add_person("ada")
        school.start()
        school.person("ada").run("import os, time\nos.fork()\nprint('on')\ntime.sleep(900)").expect("on")
        old = UNIT_GROUP / f"carrel.{school.the_process('supervisor')}"
        processes = descendants(school.process.pid)
        keepers = [pid for pid in processes if name_of(pid) == "carrel-keeper"]
        assert keepers
        for role in ("web", "supervisor"):
            for pid in school.processes(role):
                os.kill(pid, signal.SIGSTOP)  # so that none tidies up when another is gone
        for pid in [school.process.pid, *school.processes("web"), *school.processes("supervisor")]:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not [pid for pid in processes if is_alive(pid)], 30, "the end of every process")
        assert old.exists()
        sandbox(tmp_path, "print(1)")
        assert not old.exists()
    finally:
        school.remove()


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_what_is_left_in_a_dead_servers_group_is_killed(tmp_path):
    """A process that nobody killed sits in a group of a server that is gone."""
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    group = UNIT_GROUP / f"carrel.{dead}" / "run.1"
    group.mkdir(parents=True)
    sleeper = subprocess.Popen(["sleep", "1000"])
    (group / "cgroup.procs").write_text(str(sleeper.pid))
    sandbox(tmp_path, "print(1)")
    assert sleeper.wait(timeout=20) == -signal.SIGKILL
    assert not group.parent.exists()
