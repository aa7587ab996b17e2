"""Started by an ordinary user, without a right of root's, the same things hold."""

import os
import time

import pytest

from conftest import leave_nothing
from school import NOT_ROOT, School, password_of


@pytest.fixture(scope="module")
def lesser():
    if os.getuid() != 0:
        pytest.skip("all tests run as an ordinary user already")
    with School(run_as=NOT_ROOT).open(School.enrol_everybody) as school:
        yield school


@pytest.fixture
def ada(lesser):
    person = lesser.person("ada")
    yield person
    leave_nothing(person)
    person.disconnect()


def test_run_input_and_repl(ada):
    run = ada.run("name = input('name? ')\nprint('hello', name)")
    run.expect("name? ")
    run.type("Ada\r")
    run.expect("hello Ada")
    run.expect(">>> ")
    run.type("len(name)\r")
    run.expect("3\r\n")


def test_scientific_packages(ada):
    ada.run("import numpy, pandas\nprint('sum', int(numpy.arange(4).sum()))").expect("sum 6")


def test_files(ada):
    path = ada.save("a.py", "x = 1\n")
    assert ada.upload(f"{ada.folder}/b.bin", b"\0\1").status == 201
    assert ada.download(path).body == b"x = 1\n"
    ada.request("entry.move", **{"from": path, "to": f"{ada.folder}/c.py"})
    ada.request("entry.delete", path=f"{ada.folder}/c.py")
    assert [entry["name"] for entry in ada.request("tree.list", path=ada.folder)["entries"]] == ["b.bin"]


def test_stop(ada):
    run = ada.run("import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on')\nwhile True: time.sleep(1)")
    run.expect("on")
    started = time.monotonic()
    run.stop()
    assert run.wait_end(timeout=5)["reason"] == "killed"
    assert time.monotonic() - started < 2.5


def test_walls(lesser, ada):
    ben = lesser.person("ben")
    ben.save("secret.txt", "of Ben")
    program = """
import os
print('uid', os.getuid() != 0, sorted(os.listdir('/home')))
for path in ('/home/ben/secret.txt', '/etc/shadow', '/root', '/var/tmp'):
    try: print('READ', open(path).read() if not os.path.isdir(path) else os.listdir(path) or 'nothing')
    except OSError as e: print('no', e.errno)
try: print('WROTE', open('/proc/sys/kernel/core_pattern', 'w'))
except OSError as e: print('no', e.errno)
print('end')
"""
    run = ada.run(program)
    seen = run.expect("end")
    assert "uid True" in seen and "ben" not in seen and "WROTE" not in seen
    assert [line for line in seen.splitlines() if line.startswith("READ") and "nothing" not in line] == []
    ben.disconnect()


def test_nothing_is_left(lesser, ada):
    ada.run("print('warm')").expect("warm")
    leave_nothing(ada)
    before = lesser.settled()
    for _ in range(20):
        run = ada.run("import os\nos.fork()\nprint('on', flush=True)\nwhile True: pass")
        run.expect("on")
        run.close()
    assert lesser.settled() == before


def test_passwords(lesser):
    lesser.sign_in("李雷").disconnect()
    assert password_of("李雷")
