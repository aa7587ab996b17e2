"""What a program sees of the machine that it runs on: as little as can be."""

import platform
import pwd
import socket

import pytest


def answer(person, program):
    """What a program prints between two marks."""
    run = person.run(f"print('<' + 'begin>')\n{program}\nprint('<' + 'end>')")
    run.expect("<begin>\r\n")
    return run.expect("<end>", timeout=30).replace("\r\n", "\n")


def test_places(ada):
    seen = answer(ada, "import os\nprint(__file__, os.getcwd(), os.path.expanduser('~'))")
    assert seen.split() == ["/home/ada/program.py", "/home/ada", "/home/ada"]


def test_the_environment_is_made_for_it(ada, school):
    seen = answer(ada, "import os\nfor k, v in sorted(os.environ.items()): print(k, '=', v)")
    names = {line.split(" ")[0] for line in seen.splitlines()}
    assert names <= {
        "HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TERM", "COLORTERM", "USER", "LOGNAME", "SHELL", "PWD", "TMPDIR",
        "MPLBACKEND", "MPLCONFIGDIR", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "COLUMNS", "LINES", "TZ",
        "PYTHONHASHSEED", "NUMEXPR_NUM_THREADS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "BROWSER", "EDITOR", "PAGER",
    }, names
    assert str(school.directory) not in seen and "carrel-test" not in seen


def test_it_is_nobody_special(ada):
    program = """
import os
print('uid', os.getuid(), os.geteuid(), os.getgid(), os.getgroups())
print(open('/proc/self/uid_map').read())
for line in open('/proc/self/status'):
    if line.startswith(('Cap', 'NoNewPrivs', 'Seccomp:')): print(line.strip())
"""
    seen = answer(ada, program)
    assert "uid 0" not in seen
    for line in seen.splitlines():
        if line.startswith("Cap"):
            assert int(line.split()[1], 16) == 0, line
    assert "NoNewPrivs:\t1" in seen and "Seccomp:\t2" in seen


def test_the_host_has_no_name(ada):
    seen = answer(ada, "import os, socket, getpass\nprint(socket.gethostname(), os.uname().nodename, getpass.getuser())")
    assert socket.gethostname() not in seen.split() or socket.gethostname() == "carrel"
    assert platform.node() not in seen.split() or platform.node() == "carrel"


def test_processes_of_others_do_not_exist(ada, ben, school):
    ben.run("print('here', flush=True)\ninput('secret word in the arguments')").expect("here")
    seen = answer(
        ada,
        "import os\nfor p in os.listdir('/proc'):\n    if p.isdigit():\n"
        "        try: print(p, open(f'/proc/{p}/cmdline').read().replace('\\0', ' '))\n"
        "        except OSError as e: print(p, e)",
    )
    assert len(seen.splitlines()) <= 4, seen
    assert str(school.data) not in seen and "serve" not in seen


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/root", "/var/tmp", "/home/ben", "/proc/1/root", "/proc/1/environ", "/sys/fs/cgroup", "/proc/kcore"]
)
def test_files_of_the_host(ada, path):
    program = f"""
import os
try:
    print('SEEN', sorted(os.listdir({path!r})) if os.path.isdir({path!r}) else open({path!r}).read(100))
except OSError as error:
    print('no', error.errno)
"""
    seen = answer(ada, program)
    assert seen.startswith("no ") or seen.strip() in ("SEEN []",), seen


def test_nothing_of_the_server_is_visible(ada, school):
    """No path and no account of the host is named in what a program can read of itself. (Not looked at is mountinfo, where
    the kernel tells every process what its mounts are made of.)"""
    program = """
for name in ('mounts', 'maps', 'cgroup', 'status', 'environ', 'cmdline', 'stat', 'limits'):
    try: print(name, open('/proc/self/' + name).read())
    except OSError as e: print(name, e)
import os
print(sorted(os.listdir('/')), sorted(os.listdir('/etc')))
print(open('/etc/passwd').read())
"""
    seen = answer(ada, program)
    assert str(school.directory) not in seen and "carrel-test" not in seen and "/var/tmp/" not in seen
    own = {entry.pw_name for entry in pwd.getpwall() if 1000 <= entry.pw_uid < 60000}
    assert not [name for name in own if f"\n{name}:" in seen]
    for name in ("ben", "turing", "zoe"):
        assert f"\n{name}:" not in seen


def test_traceback_shows_the_own_path(ada, school):
    run = ada.run("def broken():\n    raise ValueError('no')\nbroken()")
    shown = run.expect("ValueError: no")
    assert shown.count('File "') == 2 and 'File "/home/ada/program.py"' in shown
    assert str(school.directory) not in shown


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/proc/sys/kernel/core_pattern', 'w')",
        "os.setuid(0)",
        "os.chroot('.')",
        "os.mknod('device', 0o600 | stat.S_IFBLK, os.makedev(8, 0))",
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
        "socket.create_connection(('192.0.2.1', 80), timeout=2)",
        "open('/usr/bin/new', 'w')",
        "open('/etc/new', 'w')",
        "os.kill(1, 9) or open('/proc/1/mem', 'rb').read(1)",
        "ctypes.CDLL(None, use_errno=True).mount(b'x', b'/tmp', b'tmpfs', 0, 0) and failed()",
        "ctypes.CDLL(None, use_errno=True).unshare(0x10000000) and failed()",
        "ctypes.CDLL(None, use_errno=True).ptrace(16, 1, 0, 0) and failed()",
        "socket.sethostname('other')",
        "os.nice(-5)",
    ],
)
def test_what_is_refused(ada, attempt):
    program = f"""
import ctypes, os, socket, stat
def failed(): raise OSError(ctypes.get_errno(), 'refused')
try:
    {attempt}
    print('SUCCEEDED')
except OSError as error:
    print('refused', error)
"""
    assert answer(ada, program).startswith("refused"), attempt


def test_it_cannot_reach_the_server(ada, school):
    port = school.address.split(":")[1]
    seen = answer(
        ada,
        f"import socket\ntry:\n    socket.create_connection(('127.0.0.1', {port}), timeout=2)\n    print('REACHED')\n"
        "except OSError as e:\n    print('no', e)",
    )
    assert seen.startswith("no")


def test_it_can_talk_to_itself(ada):
    seen = answer(
        ada,
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname()); peer, _ = server.accept()\n"
        "client.sendall(b'hello'); print(peer.recv(10))",
    )
    assert seen.startswith("b'hello'")


def test_nothing_is_inherited(ada):
    program = """
import os
for fd in range(3, 4096):
    try: print('open', fd, os.readlink(f'/proc/self/fd/{fd}'))
    except OSError: pass
"""
    seen = answer(ada, program)
    assert [line for line in seen.splitlines() if "/home/ada/program.py" not in line] == [], seen


def test_two_runs_share_no_private_place(ada):
    ada.run("open('/tmp/left', 'w').write('x'); open('/dev/shm/left', 'w').write('x'); print('left')").expect("left")
    seen = answer(ada, "import os\nprint(os.listdir('/tmp'), os.listdir('/dev/shm'))")
    assert "left" not in seen


def test_random_numbers_differ_between_runs(ada):
    """All runs are copies of one interpreter: each must have its own luck."""
    program = "import random, numpy, uuid, tempfile\nprint(random.random(), numpy.random.rand(), uuid.uuid4())"
    seen = [answer(ada, program).split() for _ in range(3)]
    for column in zip(*seen):
        assert len(set(column)) == 3, seen


def test_a_teacher_runs_as_the_pupil(ada, teacher):
    path = ada.save("who.py", "import os\nopen('made.txt', 'w')\nprint('uid', os.getuid(), os.stat('made.txt').st_uid)")
    mine = ada.start(path)
    mine.expect("uid ")
    own = mine.expect("\r\n")
    theirs = teacher.start(path)
    theirs.expect("uid ")
    assert theirs.expect("\r\n") == own
