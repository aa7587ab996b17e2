"""A folder downloaded as a zip."""

import io
import os
import socket
import time
import urllib.parse
import zipfile

from school import CLASS


def address(path):
    return f"/c/{CLASS}/files/{urllib.parse.quote(path)}?zip=1"


def fetch(person, path):
    answer = person.session.http("GET", address(path))
    assert answer.status == 200, (answer.status, answer.body[:200])
    return answer


def content(answer):
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def test_all_that_is_in_a_folder(ada):
    here = ada.folder
    for folder in ("week 1", "week 1/empty", "week 1/ü"):
        ada.request("folder.create", path=f"{here}/{folder}")
    noise = os.urandom(700_000)
    ada.upload(f"{here}/week 1/noise.bin", noise)
    ada.upload(f"{here}/week 1/ü/李雷 🐍.txt", b"hello " * 100_000)
    ada.save("week 1/none.py", "")
    answer = fetch(ada, f"{here}/week 1")
    assert answer.headers["Content-Type"] == "application/zip"
    assert "week%201.zip" in answer.headers["Content-Disposition"]
    assert content(answer) == {
        "week 1/empty/": b"",
        "week 1/ü/": b"",
        "week 1/ü/李雷 🐍.txt": b"hello " * 100_000,
        "week 1/noise.bin": noise,
        "week 1/none.py": b"",
    }
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    assert len(answer.body) < 720_000
    stamp = archive.getinfo("week 1/noise.bin").date_time
    assert abs(time.mktime((*stamp, 0, 0, 0)) - time.timezone - time.time()) < 3600


def test_ones_whole_folder_and_the_lecture_notes(ada, ben):
    ada.save("a.py", "a")
    assert content(fetch(ada, ada.folder)) == {"ada/a.py": b"a"}
    fetch(ada, "Lecture Notes")
    for path in (ben.folder, f"{ben.folder}/x"):
        assert ada.session.http("GET", address(path)).status == 403
    for path in (f"{ada.folder}/nothing", "Local", "", f"{ada.folder}/a.py", f"{ada.folder}/.carrel-trash"):
        assert ada.session.http("GET", address(path)).status in (403, 404)


def test_links_are_not_followed_and_told(ada):
    ada.run(
        "import os\nos.mkdir('d')\nos.symlink('/etc/passwd', 'd/passwd')\nos.symlink('.', 'd/loop')\nos.mkfifo('d/pipe')\n"
        "open('d/shut', 'w').write('x')\nos.chmod('d/shut', 0)\nopen('d/kept', 'w').write('kept')\nprint('made')"
    ).expect("made")
    files = content(fetch(ada, f"{ada.folder}/d"))
    told = files.pop("Left out of this zip.txt").decode()
    assert files == {"d/kept": b"kept"}
    assert "4 in all" in told and all(f"{name}\n" in told for name in ("passwd", "loop", "pipe", "shut"))


def test_too_many_files_are_refused_before_a_byte(ada):
    ada.run(
        "import os\nos.mkdir('many')\nos.chdir('many')\n"
        "for i in range(9999):\n    os.mkdir(f'{i // 100:03}') if i % 100 == 0 else None\n"
        "    open(f'{i // 100:03}/{i}', 'w').close()\nprint('made')"
    ).expect("made", timeout=120)
    answer = ada.session.http("GET", address(f"{ada.folder}/many"))
    assert answer.status == 413 and answer.json["code"] == "too-large"
    assert ada.refused("entry.copy", **{"from": f"{ada.folder}/many", "to": f"{ada.folder}/more"}) == "too-large"
    assert len(content(fetch(ada, f"{ada.folder}/many/005"))) == 100


def test_clients_that_go_away_leave_nothing(ada, school):
    """A pupil presses Download twenty times and closes the laptop."""
    ada.upload(f"{ada.folder}/noise.bin", os.urandom(5_000_000))
    host, port = school.address.split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(
                f"GET {address(ada.folder)} HTTP/1.1\r\nHost: {school.address}\r\n"
                f"Cookie: carrel_session={ada.session.cookie}\r\n\r\n".encode()
            )
            raw.recv(5000)
    deadline = time.monotonic() + 60
    while ada.session.http("GET", address(ada.folder)).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_files_that_change_meanwhile(ada):
    """A program writes and deletes while a zip is made: the zip can be read all the same."""
    ada.run(
        "import os, time\nos.mkdir('busy')\nfor i in range(100):\n    open(f'busy/{i}', 'w').write('x' * 20000)\n"
        "print('begin')\nend = time.time() + 3\nwhile time.time() < end:\n    for i in range(100):\n"
        "        open(f'busy/{i}', 'a').write('y' * 100) if i % 2 else os.path.exists(f'busy/{i}') and os.remove(f'busy/{i}')\n"
        "        time.sleep(0.001)\nprint('over')"
    ).expect("begin")
    for _ in range(5):
        files = content(fetch(ada, f"{ada.folder}/busy"))
        assert all(set(text) <= set(b"xy") for name, text in files.items() if not name.startswith("Left"))
