"""Limits: each is met, said in plain words in the terminal, and harms nobody else. Most are set for a class, as `carrel
class limit` does."""

import os
import pathlib
import signal
import time

import pytest

from carrel import Refused
from conftest import leave_nothing
from school import School, wait_for

MEGABYTE = 1 << 20


LIMITS = {
    "demo": [],
    "output": ["output=200KB"],
    "small": ["processes=12", "file=1MB", "open-files=40", "cpu=1500ms"],
    "tight": ["memory=200MB"],
    "idle": ["idle=2s"],
    "quota": ["workspace=2MB", "workspace-files=40", "limits.file=64MB"],
}


def enrol(school):
    for slug, words in LIMITS.items():
        school.carrel("class", "add", slug, "--data", school.data)
        if words:
            school.carrel("class", "limit", slug, *words, "--data", school.data)
    school.add_person("ada", class_slug="demo")
    school.add_person("ben", class_slug="demo")
    school.add_person("turing", role="teacher", class_slug="demo")
    for slug in LIMITS:
        school.carrel("class", "enrol", slug, "ada", "ben", "turing", "--data", school.data)


@pytest.fixture(scope="module")
def strict():
    """A school whose classes have tight limits, and one (demo) that has the server's."""
    with School(settings=["--limits.runs", "2", "--limits.cpu-weight", "50"]).open(enrol) as school:
        yield school


@pytest.fixture
def enter(strict):
    """enter(class): Ada there. Afterwards her runs are closed and her folder is empty."""
    people = []

    def enter_class(slug, name="ada"):
        people.append(strict.person(name, slug))
        return people[-1]

    yield enter_class
    for person in people:
        leave_nothing(person)
        person.disconnect()


def lines_of_carrel(run):
    return [line for line in run.text.splitlines() if "[Carrel]" in line]


def test_class_limits_are_shown_and_go_back(strict):
    shown = strict.carrel("class", "limit", "small", "--data", strict.data).stdout
    line = {row.split(" ")[0]: row for row in shown.splitlines()}
    assert "12" in line["limits.processes"] and "this class's" in line["limits.processes"]
    assert "1GB" in line["limits.output"] and "the server's" in line["limits.output"]
    strict.carrel("class", "limit", "other-limits", "cpu=1s", "--data", strict.data, check=False)
    strict.carrel("class", "limit", "demo", "output=5MB", "--data", strict.data)
    assert "5MB" in strict.carrel("class", "limit", "demo", "--data", strict.data).stdout
    strict.carrel("class", "limit", "demo", "output=default", "--data", strict.data)
    assert "5MB" not in strict.carrel("class", "limit", "demo", "--data", strict.data).stdout
    done = strict.carrel("class", "limit", "demo", "memory=2KB", "--data", strict.data, check=False)
    assert done.returncode == 1 and "32MB" in done.stderr
    done = strict.carrel("class", "limit", "demo", "speed=2", "--data", strict.data, check=False)
    assert done.returncode == 1 and "speed" in done.stderr


def test_output(enter):
    """A program prints for ever to a page that reads it all; it is ended, and what it printed is there."""
    ada = enter("output")
    run = ada.run("while True:\n    print('x' * 99)")
    info = run.wait_end(timeout=30)
    assert info["reason"] == "output-limit" and "200 KB" in info["explanation"]
    assert 200 << 10 < run.next < 400 << 10
    assert info["explanation"] in run.text
    ada.run("print('next')").expect("next")


def test_output_below_the_limit(enter):
    ada = enter("output")
    run = ada.run("for i in range(1000):\n    print('x' * 99)")
    run.expect(">>> ")
    assert not lines_of_carrel(run)


def test_processor_time(enter):
    info = enter("small").run("while True: pass").wait_end(timeout=30)
    assert info["reason"] == "cpu-limit" and "1.5 seconds" in info["explanation"]


def test_processor_time_begins_anew_with_each_input(enter):
    ada = enter("small")
    run = ada.run("import time\nfor i in range(4):\n    end = time.process_time() + 0.7\n    while time.process_time() < end: pass\n    input('again? ')")
    for _ in range(4):
        run.expect("again? ")
        run.type("\r")
    run.expect(">>> ")


def test_processes(enter):
    """More children than there may be: Python's own error, a sentence from Carrel, once, and the program goes on."""
    ada = enter("small")
    run = ada.run(
        "import os, time\nrefused = 0\nfor i in range(40):\n    try:\n        if os.fork() == 0:\n            time.sleep(1)\n"
        "            os._exit(0)\n    except BlockingIOError as error:\n        refused += 1\nprint(refused, 'refused')"
    )
    assert int(run.expect(" refused").split()[-1]) >= 28
    ada.wait(lambda: "at once" in run.text, what="the sentence, before or after the program's own last line")
    run.wait_state("repl")
    time.sleep(1.5)
    run.type("print(7 * 6)\r")
    run.expect("42")
    lines = lines_of_carrel(run)
    assert len(lines) == 1 and "12 processes" in lines[0], lines


def test_threads_count_as_processes(enter):
    ada = enter("small")
    run = ada.run(
        "import threading, time\nfor i in range(40):\n    threading.Thread(target=time.sleep, args=(2,), daemon=True).start()"
    )
    run.expect("can't start new thread")
    ada.wait(lambda: "12 processes and threads" in run.text, what="Carrel's sentence")


def test_file_size(enter):
    """Python ignores the signal and gets an error that it can handle; a program that does not ignore it is ended."""
    ada = enter("small")
    run = ada.run("with open('big', 'wb') as file:\n    for i in range(100):\n        file.write(bytes(100000))")
    run.expect("File too large")
    run.expect(">>> ")
    run.type("exit()\r")
    run.wait_end()
    info = ada.run(
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\nfile = open('big', 'wb')\n"
        "for i in range(100):\n    file.write(bytes(100000))"
    ).wait_end()
    assert info["reason"] == "file-limit" and "1 MB" in info["explanation"]


def test_open_files(enter):
    run = enter("small").run("files = []\nwhile True:\n    files.append(open('/etc/passwd'))")
    run.expect("Too many open files")
    run.expect(">>> ")


def test_memory_of_several_processes(enter):
    """Each of two processes stays below the limit, both together do not: the whole program ends, whoever the kernel took."""
    run = enter("tight").run(
        "import os, time\nfor i in range(2):\n    if os.fork() == 0:\n        block = bytearray(150 << 20)\n"
        "        for at in range(0, len(block), 4096):\n            block[at] = 1\n        time.sleep(30)\n        os._exit(0)\n"
        "time.sleep(30)"
    )
    info = run.wait_end(timeout=20)
    assert info["reason"] == "memory-limit" and "200 MB" in info["explanation"]


def scarce(words):
    return School(settings=["--memory.reserve", "1048576GB", *words]).open(enrol)


def test_memory_is_scarce():
    """More is to be kept free than the machine has: what nobody uses gives way, the longest idle first, and a key keeps."""
    with scarce(["--memory.idle", "4s"]) as school:
        ada, ben = school.person("ada", "demo"), school.person("ben", "demo")
        idle, used = ada.start(), ben.start()
        idle.expect(">>> ")
        used.expect(">>> ")
        idle.expect("memory runs low", timeout=30)
        used.expect("Press a key", timeout=30)
        used.type("1 + 1\r")
        info = idle.wait_end(timeout=60)
        assert info["reason"] == "idle" and "memory ran low" in info["explanation"]
        assert used.info["state"] == "repl"
        used.close()
        for person in (ada, ben):
            person.disconnect()


def test_idle(enter):
    info = enter("idle").run("input('? ')").wait_end(timeout=20)
    assert info["reason"] == "idle" and "2 seconds" in info["explanation"]


def test_runs_at_once(enter):
    ada, ben = enter("demo"), enter("demo", "ben")
    first, second = ada.run("input()", name="a.py"), ada.run("input()", name="b.py")
    with pytest.raises(Refused) as refusal:
        ada.run("print(1)", name="c.py")
    assert refusal.value.code == "busy" and "2" in str(refusal.value)
    ben.run("print('mine')").expect("mine")
    first.close()
    ada.run("print('again')", name="c.py").expect("again")
    second.close()


# The quota


def test_saving_past_the_quota_is_refused(enter):
    """Half a folder's room is used; a text that is larger than the other half is refused, the old one stays; deleting helps."""
    ada = enter("quota")
    ada.save("a.txt", "a" * MEGABYTE)
    with pytest.raises(Refused) as refusal:
        ada.save("b.txt", "b" * (MEGABYTE + MEGABYTE // 4))
    assert refusal.value.code == "quota" and "1 MB of at most 2 MB" in str(refusal.value)
    assert len(ada.read("a.txt")) == MEGABYTE
    ada.save("a.txt", "short")
    ada.save("b.txt", "b" * (MEGABYTE + MEGABYTE // 4))
    ada.request("entry.delete", path=f"{ada.folder}/b.txt")
    ada.save("c.txt", "c" * (MEGABYTE + MEGABYTE // 4))


def test_uploading_and_copying_past_the_quota_are_refused(enter):
    ada = enter("quota")
    status, _, body = as_triple(ada.upload(f"{ada.folder}/big.bin", bytes(3 * MEGABYTE)))
    assert status == 507 and b"quota" in body and b"2 MB" in body
    status, _, _ = as_triple(ada.upload(f"{ada.folder}/half.bin", bytes(MEGABYTE + MEGABYTE // 2)))
    assert status == 201
    copy = {"from": f"{ada.folder}/half.bin", "to": f"{ada.folder}/other.bin"}
    assert ada.refused("entry.copy", **copy) == "quota"
    names = [entry["name"] for entry in ada.request("tree.list", path=ada.folder)["entries"]]
    assert names == ["half.bin"]


def as_triple(answer):
    return answer.status, answer.headers, answer.body


def test_too_many_files(enter):
    ada = enter("quota")
    for i in range(20):
        ada.save(f"{i}.txt", "x")
        ada.request("folder.create", path=f"{ada.folder}/folder {i}")
    assert ada.refused("file.save", path=f"{ada.folder}/more.txt", text="x") == "quota"
    assert ada.refused("folder.create", path=f"{ada.folder}/more") == "quota"
    with pytest.raises(Refused) as refusal:
        ada.request("file.save", path=f"{ada.folder}/more.txt", text="x")
    assert "40 files and folders of at most 40" in str(refusal.value)
    ada.save("0.txt", "y")
    ada.request("entry.move", **{"from": f"{ada.folder}/1.txt", "to": f"{ada.folder}/moved.txt"})
    ada.request("entry.delete", path=f"{ada.folder}/folder 0")
    ada.save("more.txt", "x")


def test_a_program_that_fills_its_folder_is_ended(enter):
    """A program writes file after file. It is told, then ended; afterwards the folder can be emptied and used."""
    ada = enter("quota")
    run = ada.run("import time\ni = 0\nwhile True:\n    i += 1\n    open(f'{i % 30}.dat', 'wb').write(bytes(300000))\n    end = time.time() + 0.01\n    while time.time() < end: pass")
    info = run.wait_end(timeout=30)
    assert info["reason"] == "workspace-limit" and "2 MB is the most" in info["explanation"], info
    assert info["explanation"] in run.text
    assert ada.refused("file.save", path=f"{ada.folder}/new.txt", text="x") == "quota"
    for entry in ada.request("tree.list", path=ada.folder)["entries"]:
        if entry["name"].endswith(".dat"):
            ada.request("entry.delete", path=f"{ada.folder}/{entry['name']}")
    ada.save("new.txt", "x")


def test_a_program_in_a_full_folder_may_tidy_up(enter):
    """The folder is too full already when the program starts: it is told so, and not ended."""
    ada = enter("quota")
    run = ada.run("for i in range(30):\n    open(f'{i}.dat', 'wb').write(bytes(100000))")
    run.expect(">>> ")
    run.close()
    path = f"{ada.folder}/program.py"
    run = ada.run(
        "import glob, os, time\nend = time.time() + 5\nwhile time.time() < end: pass\nfor name in glob.glob('*.dat'):\n    os.remove(name)\nprint('tidy')"
    )
    run.expect("tidy", timeout=30)
    assert [line for line in lines_of_carrel(run) if "2 MB is the most" in line]
    assert ada.request("file.open", path=path)


def test_a_file_that_only_looks_large_counts_as_what_it_takes(enter):
    ada = enter("quota")
    ada.run("open('hole', 'wb').truncate(50 << 20)\nprint('made')").expect("made")
    ada.save("a.txt", "a" * MEGABYTE)


def test_a_deep_tree_is_measured(enter):
    """Folders in folders, deeper than a path may be long, with the large file at the very end."""
    ada = enter("quota")
    run = ada.run(
        "import os\nos.mkdir('deep'); os.chdir('deep')\nfor i in range(30):\n    os.mkdir('d' * 100); os.chdir('d' * 100)\n"
        "open('large', 'wb').write(bytes(1900000))\nprint('dug')"
    )
    run.expect("dug")
    time.sleep(3.5)  # the worker remembers for a moment what it measured last
    assert ada.refused("file.save", path=f"{ada.folder}/b.txt", text="b" * MEGABYTE) == "quota"
    ada.request("entry.delete", path=f"{ada.folder}/deep")
    ada.save("b.txt", "b" * MEGABYTE)


def test_shared_folders_have_no_quota(enter):
    teacher = enter("quota", "turing")
    path = "Lecture Notes/large.bin"
    answer = teacher.upload(path, bytes(3 * MEGABYTE))
    assert answer.status == 201, answer
    teacher.request("entry.delete", path=path)


# What remains of a server that was killed


def test_a_killed_supervisor_leaves_nothing(strict):
    """The supervisor dies with programs running; the next one removes its control groups, and the programs are gone."""
    ada = strict.person("ada", "demo")
    ada.run("import os, time\nfor i in range(5):\n    os.fork()\nprint('on')\ntime.sleep(600)").expect("on")
    before = strict.the_process("supervisor")
    groups = [path for path in pathlib.Path("/sys/fs/cgroup").glob(f"**/carrel.{before}/")]
    if not groups:
        pytest.skip("this machine gives no control groups")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: [p for p in strict.processes("supervisor") if p != before], 15, "a new supervisor")
    wait_for(lambda: not [path for path in groups if path.exists()], 10, "the end of the groups")
    strict.wait_until_it_listens()
