"""What a person types: carrel user, class, config, sandbox, doctor, version, help."""

import json
import os

import pytest

from school import CLASS, DISABLED, STUDENTS, TEACHER, School, password_of


@pytest.fixture
def scripts(school):
    """A folder for files that `carrel sandbox` runs."""
    folder = school.directory / "scripts"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)

    def write(text):
        path = folder / "script.py"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        return path

    return write


def test_version_and_help(school):
    assert school.carrel("version").stdout.startswith("carrel 0.")
    assert school.carrel("--version").stdout == school.carrel("version").stdout
    text = school.carrel("help").stdout
    for command in ("serve", "user", "class", "env", "config", "sandbox", "doctor", "demo"):
        assert f"  {command} " in text
        assert school.carrel("help", command).stdout, command
        assert school.carrel(command, "--help").stdout, command


@pytest.mark.parametrize("words", [[], ["no-such-command"], ["user", "no-such"], ["user"], ["serve", "--no-such-option"]])
def test_wrong_words(school, words):
    """Wrong words on the command line: the exit status is 2, and standard error says what would be right."""
    done = school.carrel(*words, check=False)
    assert done.returncode == 2 and done.stderr and not done.stdout, done


def test_people_are_listed(school):
    text = school.carrel("user", "list", "--data", school.data).stdout
    for name in [TEACHER, DISABLED, *STUDENTS]:
        assert name in text
    assert "disabled" in [line for line in text.splitlines() if DISABLED in line][0]
    assert "secret" not in text


def test_a_person_is_added_while_the_server_runs(school):
    school.add_person("new")
    school.sign_in("new").disconnect()
    words = ["user", "add", "new", "--role", "student", "--class", CLASS, "--password-stdin", "--data", school.data]
    again = school.carrel(*words, input="x" * 10, check=False)
    assert again.returncode == 1 and "new" in again.stderr


def test_a_password_is_changed(school):
    person = school.sign_in("eva")
    school.carrel("user", "passwd", "eva", "--password-stdin", "--data", school.data, input="another password\n")
    assert person.session.http("GET", "/api/session").status == 401
    school.carrel("user", "passwd", "eva", "--password-stdin", "--data", school.data, input=password_of("eva") + "\n")
    school.sign_in("eva").disconnect()


@pytest.mark.parametrize("password", ["", "short", "seven77"])
def test_a_weak_password_is_refused(school, password):
    done = school.carrel(
        "user", "add", "weak", "--role", "student", "--class", CLASS, "--password-stdin", "--data", school.data, input=password + "\n", check=False
    )
    assert done.returncode == 1 and done.stderr


@pytest.mark.parametrize("name", ["", " ada ", "a\nb", "../x", "a/b", "x" * 300, "ADA"])
def test_a_name_that_is_none_or_taken(school, name):
    done = school.carrel(
        "user", "add", name, "--role", "student", "--class", CLASS, "--password-stdin", "--data", school.data, input="long enough\n", check=False
    )
    assert done.returncode in (1, 2) and done.stderr


def test_settings_are_told_with_their_source(school, tmp_path):
    file = school.directory / "carrel.conf"
    file.write_text("# ours\nlimits.memory = 256MB\n")
    file.chmod(0o644)
    text = school.carrel("config", "--config", file, "--limits.cpu", "7s").stdout
    line = {name: [row for row in text.splitlines() if row.startswith(name)][0] for name in
            ("limits.memory", "limits.cpu", "limits.file")}
    assert "256MB" in line["limits.memory"] and "carrel.conf:2" in line["limits.memory"]
    assert "7s" in line["limits.cpu"] and "command line" in line["limits.cpu"]
    assert "default" in line["limits.file"]


@pytest.mark.parametrize(
    "content, place", [("no.such = 1\n", ":1"), ("\nlimits.cpu = soon\n", ":2"), ("limits.cpu\n", ":1"), ("pool.size = 5000\n", ":1")]
)
def test_a_wrong_setting_stops_the_start(school, content, place):
    """A slip in the configuration: the server does not start, and names file, line and what would be right."""
    file = school.directory / "wrong.conf"
    file.write_text(content)
    file.chmod(0o644)
    done = school.carrel("serve", "--config", file, "--data", school.data, check=False)
    assert done.returncode != 0 and f"wrong.conf{place}" in done.stderr


def test_an_address_that_is_taken(school):
    done = school.carrel("serve", "--listen", school.address, "--data", school.directory / "second", check=False)
    assert done.returncode == 1 and school.address in done.stderr


def test_one_data_directory_serves_one_server(school):
    done = school.carrel("serve", "--listen", "127.0.0.1:0", "--data", school.data, check=False, timeout=20)
    assert done.returncode == 1 and str(school.data) in done.stderr


def test_sandbox_prints_and_passes_its_arguments(school, scripts):
    done = school.carrel("sandbox", scripts("import sys\nprint('hello', sys.argv[1:])"), "a b", "--x")
    assert "hello ['a b', '--x']" in done.stdout


@pytest.mark.parametrize(
    "program, status",
    [
        ("pass", 0),
        ("import sys; sys.exit(7)", 7),
        ("raise ValueError", 1),
        ("import os; os._exit(200)", 200),
        ("import os; os.kill(os.getpid(), 9)", 128 + 9),
        ("import os; os.kill(os.getpid(), 11)", 128 + 11),
    ],
)
def test_sandbox_exits_as_its_program(school, scripts, program, status):
    assert school.carrel("sandbox", scripts(program), check=False).returncode == status


def test_sandbox_limits(school, scripts):
    done = school.carrel("sandbox", "--limit", "cpu=1s", scripts("while True: pass"), check=False)
    assert done.returncode == 124
    done = school.carrel("sandbox", "--limit", "memory=64MB", scripts("x = bytearray(300 << 20)"), check=False)
    assert done.returncode in (1, 124)


def test_sandbox_of_no_file(school):
    done = school.carrel("sandbox", school.directory / "nothing.py", check=False)
    assert done.returncode != 0 and "nothing.py" in done.stderr


def test_doctor_tells_each_wall(school):
    done = school.carrel("doctor", check=False)
    assert done.returncode in (0, 1)
    told = json.loads(school.carrel("doctor", "--json", check=False).stdout)
    assert "namespace" in done.stdout and told


def test_nothing_is_served_from_a_directory_of_another(school):
    """The data directory is somebody else's: said in words, not met halfway through the lesson."""
    if os.getuid() != 0:
        pytest.skip("needs root to make a directory of root's")
    theirs = School(run_as=65533)
    try:
        folder = theirs.directory / "roots"
        folder.mkdir()
        folder.chmod(0o700)
        done = theirs.carrel("serve", "--listen", "127.0.0.1:0", "--data", folder, check=False, timeout=20)
        assert done.returncode == 1 and "roots" in done.stderr
    finally:
        theirs.remove()


def test_demo_makes_a_class_once(school):
    """The first start makes a class to look at and tells its passwords once; they work, and a second call changes nothing."""
    other = School()
    try:
        told = other.carrel("demo", "--data", other.data).stdout
        assert told
        again = other.carrel("demo", "--data", other.data)
        assert not [line for line in told.splitlines() if "assword" in line and line in again.stdout]
    finally:
        other.remove()
