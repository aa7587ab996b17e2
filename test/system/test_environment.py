"""Python environments: a class has packages of its own, and what is broken in one harms nobody: the plain one serves."""

import os
import pathlib
import re
import shutil
import subprocess
import time
import zipfile

import pytest

from conftest import leave_nothing
from school import NOT_ROOT, School, descendants, wait_for

PYTHON = "/usr/bin/python3"
SLOW = 120  # seconds for what takes one, under sanitizers beside others
BROKEN = {
    "raises": ("raise ValueError('a slip')", "ValueError: a slip"),
    "exits": ("import os; os._exit(3)", "exit status 3"),
    "crashes": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
    "hangs": ("while True: pass", "not done within"),
    "eats": ("x = []\nwhile True: x.append(bytes([1]) * (1 << 20))", "of memory"),
}
# What a program sees of the packages of `greeting`.
WHICH = "import greeting, greeting.late\nprint('version', greeting.version, greeting.late.version)\n"


def make_wheel(folder, name, version, files):
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    folder.chmod(0o755)


def greeting(folder, version):
    files = {"greeting/__init__.py": f"version = {version}\n", "greeting/late.py": f"version = {version}\n"}
    make_wheel(folder, "greeting", f"{version}.0", files)
    return folder


class Environments:
    def __init__(self, school):
        self.school = school
        self.folder = school.directory / "sources"
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)

    def env(self, *words, check=True):
        settings = ["--environments.patience", "5s", "--environments.memory", "500MB"]
        return self.school.carrel("env", *words, "--data", self.school.data, *settings, check=check, timeout=SLOW)

    def set(self, class_slug, name, check=True):
        words = ["class", "set", class_slug, f"environment={name}", "--data", self.school.data]
        return self.school.carrel(*words, check=check)

    def wheels(self, version):
        return greeting(self.folder / f"greeting-{version}", version)

    def add_class(self, slug, environment):
        self.school.carrel("class", "add", slug, "--data", self.school.data)
        self.school.carrel("class", "enrol", slug, "ada", "--data", self.school.data)
        if environment:
            self.set(slug, environment)

    def logged(self, event, name, text=""):
        lines = [line for line in self.school.log.splitlines() if f" {event} " in line and f"environment={name} " in line + " "]
        return [line for line in lines if text in line]

    def wait_for_log(self, event, name, text="", count=1):
        wait_for(lambda: len(self.logged(event, name, text)) >= count, SLOW, f"{event} of {name} ({text})")


def enrol(school):
    environments = Environments(school)
    school.carrel("class", "add", "demo", "--data", school.data)
    school.add_person("ada", class_slug="demo")
    for version, name in ((1, "one"), (2, "two"), (3, "three")):
        environments.env("create", name, "--wheels", environments.wheels(version), "--preload", "greeting")
        environments.add_class(name, name)
    bad = environments.folder / "bad"
    make_wheel(bad, "bad", "1.0", {f"bad_{name}.py": text for name, (text, _) in BROKEN.items()})
    for name in BROKEN:
        done = environments.env("create", name, "--wheels", bad, "--preload", f"json,bad_{name}", "--force")
        assert f"importing bad_{name}" in done.stderr, done
        environments.add_class(name, name)


@pytest.fixture(scope="module")
def environments():
    settings = ["--environments.idle", "4s", "--environments.patience", "8s", "--environments.memory", "500MB"]
    with School(settings=[*settings, "--environments.running", "2"]).open(enrol) as school:
        yield Environments(school)


@pytest.fixture
def enter(environments):
    people = []

    def enter_class(slug):
        people.append(environments.school.person("ada", slug))
        return people[-1]

    yield enter_class
    for person in people:
        leave_nothing(person)
        person.disconnect()


def held_folders(school):
    supervisor = school.the_process("supervisor")
    links = []
    for fd in os.listdir(f"/proc/{supervisor}/fd"):
        try:
            links.append(os.readlink(f"/proc/{supervisor}/fd/{fd}"))
        except OSError:
            pass
    return [link for link in links if "/environments/" in link]


def test_each_class_has_its_own_packages(environments, enter):
    """Two classes with two versions of a package, in one server: each sees its own, and nothing of the other's. A class that
    names no environment sees neither. None of them has a zygote before somebody wants it."""
    assert not environments.logged("environment.started", "two")
    plain = enter("demo").run(WHICH)
    plain.expect("No module named 'greeting'")
    one, two = enter("one").run(WHICH), enter("two").run(WHICH)
    one.expect("version 1 1", timeout=SLOW)
    two.expect("version 2 2", timeout=SLOW)
    assert len(environments.logged("environment.started", "two")) == 1
    assert "[Carrel]" not in one.text + two.text + plain.text


def test_packages_lie_where_python_looks_and_cannot_be_changed(environments, enter):
    """After the library, before Debian's packages; the same for a Python that the program starts; read-only."""
    program = enter("one").run(
        "import greeting, subprocess, sys, os\n"
        "place = os.path.dirname(os.path.dirname(greeting.__file__))\n"
        "library, debian = sys.path.index(os.path.dirname(os.__file__)), sys.path.index('/usr/lib/python3/dist-packages')\n"
        "print('order', library < sys.path.index(place) < debian)\n"
        "print('holds', sorted(name for name in os.listdir(place) if '.' not in name))\n"
        "code = 'import greeting; print(\"child\", greeting.version)'\n"
        "subprocess.run([sys.executable, '-c', code])\n"
        "for path in (place + '/x.py', greeting.__file__):\n"
        "    try: open(path, 'a'); print('written')\n"
        "    except OSError as error: print('refused', error.errno in (13, 30))\n"
        "print('environments' in open('/proc/self/mountinfo').read())\n"
        "print('the end')\n"
    )
    program.expect("the end", timeout=SLOW)
    for line in ("order True", "holds ['greeting']", "child 1", "refused True"):
        assert line in program.text, program.text
    assert "written" not in program.text


def test_one_that_nobody_uses_is_ended_and_its_programs_go_on(environments, enter):
    """A program of an environment that is ended as idle runs on, and can still import what it has not yet."""
    program = enter("one").run("import greeting\ninput('ready? ')\nimport greeting.late\nprint('late', greeting.late.version)\n")
    program.expect("ready? ", timeout=SLOW)
    before = len(environments.logged("environment.ended", "one"))
    environments.wait_for_log("environment.ended", "one", count=before + 1)
    program.type("\r")
    program.expect("late 1")
    again = enter("one").run(WHICH)
    again.expect("version 1 1", timeout=SLOW)


def test_as_many_as_may_be_at_once(environments, enter):
    """Two at once are allowed. A third takes the place of the one that was used longest ago."""
    for name, version in (("one", 1), ("two", 2), ("three", 3)):
        enter(name).run(WHICH).expect(f"version {version} {version}", timeout=SLOW)
    wait_for(lambda: environments.logged("environment.ended", "one"), SLOW, "the end of the first")


@pytest.mark.parametrize("name", BROKEN)
def test_the_plain_one_serves_for_a_broken_one(environments, enter, name):
    """A module that raises, ends the process, crashes, hangs, or eats memory while it is imported: the log names it, the
    student's program runs all the same, and is told. The next one does not wait for the same again."""
    for _ in range(2):
        program = enter(name).run("print('served', 6 * 7)")
        program.expect("served 42", timeout=SLOW)
        assert f"environment '{name}'" in program.text and "plain one" in program.text
    broken = environments.logged("environment.broken", name)
    assert len(broken) == 1 and f"module=bad_{name} " in broken[0] and BROKEN[name][1] in broken[0], broken


def test_doctor_and_check_name_what_is_broken(environments):
    done = environments.school.carrel(
        "doctor", "--data", environments.school.data, "--environments.patience", "5s", "--environments.memory", "500MB",
        check=False, timeout=SLOW
    )
    for name, (_, why) in BROKEN.items():
        line = next(line for line in done.stdout.splitlines() if line.startswith(f"{name} "))
        assert f"importing bad_{name}" in line and why in line, line
    assert re.search(r"^one works: ready in \d+ ms", done.stdout, re.M), done.stdout
    assert environments.env("check", "one").stdout.startswith("one works")
    assert environments.env("check", "raises", check=False).returncode == 1


def test_a_broken_one_is_tried_again_when_it_was_changed(environments, enter):
    name = "raises"
    enter(name).run("print('served')").expect("served", timeout=SLOW)
    good = environments.folder / "good"
    make_wheel(good, "bad", "2.0", {"bad_raises.py": "fine = True\n"})
    environments.env("add", name, "--wheels", good)
    program = enter(name).run("import bad_raises\nprint('fine', bad_raises.fine)")
    program.expect("fine True", timeout=SLOW)
    assert "[Carrel]" not in program.text


def test_a_change_reaches_the_next_program_and_no_live_one(environments, enter):
    """An operator puts a new version in during a lesson: who runs goes on with the old one, whole; who starts gets the new.
    What was replaced is deleted when nobody uses it."""
    person = enter("two")
    live = person.run("import greeting\ninput('ready? ')\nimport greeting.late\nprint('live', greeting.version, greeting.late.version)\n")
    live.expect("ready? ", timeout=SLOW)
    environments.env("add", "two", "--wheels", environments.wheels(5))
    told = "import importlib.metadata as metadata\nprint('told', metadata.version('greeting'))\n"
    enter("two").run(WHICH + told).expect("version 5 5", timeout=SLOW)
    enter("two").run(told).expect("told 5.0", timeout=SLOW)
    live.type("\r")
    live.expect("live 2 2")
    leave_nothing(person)
    wait_for(lambda: not [link for link in held_folders(environments.school) if ".old-" in link], SLOW, "the old one unused")
    environments.env("add", "two", "--preload", "json")
    left = [entry for entry in os.listdir(environments.school.data / "environments") if entry.startswith((".old", ".new"))]
    wait_for(lambda: not held_folders(environments.school), SLOW, "all of them unused")
    environments.env("add", "two", "--preload", "csv")
    left = [entry for entry in os.listdir(environments.school.data / "environments") if entry.startswith((".old", ".new"))]
    assert not left


def test_from_a_virtual_environment(environments, enter):
    """Its packages are copied: what becomes of it later, and what a link in it leads to, is not the class's."""
    venv = environments.folder / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", venv], check=True)
    packages = next(venv.glob("lib/python3*/site-packages"))
    (packages / "planted.py").write_text("value = 'from a venv'\n")
    (packages / "secret.txt").symlink_to("/etc/shadow")
    done = environments.env("create", "venv", "--from-venv", venv, "--preload", "planted")
    assert "1 links" in done.stderr
    (packages / "planted.py").write_text("raise ValueError\n")
    made = environments.school.data / "environments" / "venv" / "packages"
    assert not os.path.lexists(made / "secret.txt")
    environments.add_class("venv", "venv")
    enter("venv").run("import planted\nprint(planted.value)").expect("from a venv", timeout=SLOW)
    configuration = venv / "pyvenv.cfg"
    configuration.write_text(re.sub(r"version = 3\.\d+", "version = 3.2", configuration.read_text()))
    done = environments.env("create", "older", "--from-venv", venv, check=False)
    assert done.returncode == 1 and "Python 3.2" in done.stderr


def test_it_is_made_whole_or_not_at_all(environments):
    """A wheel that is none, a module that does not work, a name that is none: nothing is left of it."""
    before = sorted(os.listdir(environments.school.data / "environments"))
    torn = environments.folder / "torn"
    greeting(torn, 1)
    (torn / "torn-1.0-py3-none-any.whl").write_bytes(b"PK\3\4 and no more")
    for words in (["torn", "--wheels", torn], ["lacking", "--preload", "no_such_module"], ["wheels", "--wheels", torn / "no"],
                  ["venv2", "--from-venv", torn]):
        done = environments.env("create", *words, check=False)
        assert done.returncode == 1 and done.stderr, done
    for name in ("", "../x", "A", "a b", "x" * 40, "plain", "-a"):
        assert environments.env("create", "--", name, check=False).returncode == 2
    done = environments.env("create", "one", check=False)
    assert done.returncode == 1 and "already" in done.stderr
    after = sorted(os.listdir(environments.school.data / "environments"))
    assert [name for name in after if not name.startswith(".old")] == [name for name in before if not name.startswith(".old")]


def test_classes_and_environments_that_are_there(environments, enter):
    """A class can name only what there is, and what a class names cannot be deleted."""
    done = environments.set("demo", "no-such", check=False)
    assert done.returncode == 1 and "one" in done.stderr and "plain" in done.stderr
    environments.env("create", "short", "--preload", "json")
    environments.set("demo", "short")
    assert "environment = short" in environments.school.carrel("class", "list", "demo", "--data", environments.school.data).stdout
    done = environments.env("delete", "short", check=False)
    assert done.returncode == 1 and "demo" in done.stderr
    assert "classes: demo" in environments.env("list").stdout
    environments.set("demo", "plain")
    environments.env("delete", "short")
    assert "short" not in environments.env("list").stdout


def test_all_share_what_may_be_kept_ready(environments, enter):
    """Eight sandboxes may be kept ready. With three environments awake they are eight still, of all together."""
    for name in ("one", "two"):
        enter(name).run(WHICH).expect(">>> ", timeout=SLOW)

    def ready():
        keepers = 0
        for pid in descendants(environments.school.process.pid):
            try:
                keepers += pathlib.Path(f"/proc/{pid}/comm").read_text() == "carrel-keeper\n"
            except OSError:
                pass
        return keepers - 2  # those that run

    wait_for(lambda: ready() >= 6, SLOW, "a pool")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert ready() <= 8
        time.sleep(0.1)


def test_a_successor_that_hangs_is_given_up():
    """A zygote is replaced now and then. A successor that hangs over a module is named and given up, and people work on with
    the old one; when the module is well again, one takes over."""
    wheels = []

    def enrol_one(school):
        environments = Environments(school)
        wheels.append(environments.folder / "wheels")
        text = "import os\nif os.path.exists(__file__ + '.hang'):\n    while True: pass\n"
        make_wheel(wheels[0], "fickle", "1.0", {"fickle.py": text})
        school.carrel("class", "add", "demo", "--data", school.data)
        school.add_person("ada", class_slug="demo")
        environments.env("create", "fickle", "--wheels", wheels[0], "--preload", "json,fickle")
        environments.set("demo", "fickle")

    def run_until(condition):
        end = time.monotonic() + SLOW
        while not condition():
            assert time.monotonic() < end, school.log[-3000:]
            program = person.run("import fickle\nprint('works')")
            program.expect("works", timeout=SLOW)
            assert "[Carrel]" not in program.text
            program.close()

    with School(settings=["--pool.generation=10", "--environments.patience=6s"]).open(enrol_one) as school:
        environments, person = Environments(school), school.person("ada", "demo")
        person.run("import fickle\nprint('works')").expect("works", timeout=SLOW)
        mark = school.data / "environments" / "fickle" / "packages" / "fickle.py.hang"
        mark.touch()
        run_until(lambda: environments.logged("zygote.lost", "fickle", "module=fickle"))
        assert "not done within" in environments.logged("zygote.lost", "fickle")[0]
        mark.unlink()
        run_until(lambda: environments.logged("zygote.replaced", "fickle"))
        assert not environments.logged("environment.broken", "fickle")
        leave_nothing(person)
        person.disconnect()


def test_one_that_is_gone(environments, enter):
    """Somebody deletes the folder by hand, though a class names it."""
    environments.env("create", "gone", "--preload", "json")
    environments.add_class("gone", "gone")
    shutil.rmtree(environments.school.data / "environments" / "gone")
    program = enter("gone").run("print('served', 6 * 7)")
    program.expect("served 42", timeout=SLOW)
    assert "environment 'gone'" in program.text
    assert "there is no Python environment 'gone'" in environments.school.log


def test_started_by_an_ordinary_user():
    """The same where an ordinary user serves, whose environments are that user's."""

    def enrol_one(school):
        environments = Environments(school)
        for folder in (environments.folder, greeting(environments.folder / "wheels", 4)):
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOT_ROOT, NOT_ROOT)
        school.carrel("class", "add", "demo", "--data", school.data)
        school.add_person("ada", class_slug="demo")
        environments.env("create", "four", "--wheels", environments.folder / "wheels", "--preload", "greeting")
        environments.set("demo", "four")

    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with School(run_as=NOT_ROOT).open(enrol_one) as school:
        person = school.person("ada", "demo")
        person.run(WHICH).expect("version 4 4", timeout=SLOW)
        assert pathlib.Path(school.data, "environments", "four").stat().st_uid == NOT_ROOT
        leave_nothing(person)
        person.disconnect()
