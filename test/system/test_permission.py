"""Who may see and change what."""

import pytest
import websockets

from carrel import Refused
from school import CLASS, STRANGER, password_of


def requests_on(path):
    here = {"columns": 80, "rows": 24}
    return [
        {"type": "tree.list", "path": path.rpartition("/")[0]},
        {"type": "file.open", "path": path},
        {"type": "file.save", "path": path, "text": "x", "overwrite": True},
        {"type": "file.save", "path": path + ".new", "text": "x"},
        {"type": "folder.create", "path": path + ".folder"},
        {"type": "entry.delete", "path": path},
        {"type": "entry.delete", "path": path, "forever": True},
        {"type": "trash.list", "path": path},
        {"type": "trash.restore", "path": path, "trash": "0000000000000000-0000000000"},
        {"type": "trash.delete", "path": path},
        {"type": "entry.move", "from": path, "to": path + ".moved"},
        {"type": "entry.copy", "from": path, "to": path + ".copy"},
        {"type": "run.start", "path": path, **here},
        {"type": "run.start", "path": path, "text": "print(1)", "overwrite": True, **here},
    ]


def test_a_pupil_cannot_reach_anothers_files(ada, ben):
    """Ben tries every request that takes a path on Ada's file, and to move it to himself."""
    secret = ada.save("secret.py", "print('mine')")
    for request in requests_on(secret):
        assert ben.refused(**request) in ("forbidden", "not-found"), request
    for request in ("entry.move", "entry.copy"):
        assert ben.refused(request, **{"from": secret, "to": f"{ben.folder}/stolen.py"}) in ("forbidden", "not-found")
        mine = ben.save("mine.py", "x")
        assert ben.refused(request, **{"from": mine, "to": f"{ada.folder}/planted.py"}) in ("forbidden", "not-found")
    assert ben.download(secret).status in (403, 404)
    assert ben.upload(secret, b"x", overwrite=True).status in (403, 404)
    assert ben.upload(f"{ada.folder}/planted", b"x").status in (403, 404)
    assert [e["name"] for e in ben.request("tree.list", path="Local")["entries"]] == ["ben"]
    assert ada.read("secret.py") == "print('mine')"
    assert [e["name"] for e in ada.request("tree.list", path=ada.folder)["entries"]] == ["secret.py"]


def test_a_pupil_cannot_reach_anothers_run(ada, ben):
    """Ben guesses the number of Ada's run: he can neither see, type into, size, stop nor close it."""
    run = ada.run("answer = input('name? ')\nprint('hello', answer)")
    run.expect("name? ")
    number = run.number
    for request in (
        {"type": "run.attach", "run": number, "from": 0},
        {"type": "run.resize", "run": number, "columns": 10, "rows": 10},
        {"type": "run.stop", "run": number},
        {"type": "run.close", "run": number},
    ):
        assert ben.refused(**request) in ("forbidden", "not-found"), request
    from carrel import Loop

    Loop.call(ben.connection.run(number).type("evil\r"))
    assert number not in [info["run"] for info in ben.request("run.list")["runs"]]
    run.type("Ada\r")
    run.expect("hello Ada")
    assert "evil" not in run.text
    assert ben.terminal(number).states == [] and ben.terminal(number).output == b""


def test_a_teacher_helps_a_pupil(ada, teacher):
    """The teacher opens Ada's file, corrects it, runs it as Ada, and Ada sees the run and the correction."""
    path = ada.save("task.py", "prnt('hi')")
    assert ada.folder in [f"Local/{e['name']}" for e in teacher.request("tree.list", path="Local")["entries"]]
    opened = teacher.request("file.open", path=path)
    assert opened["text"] == "prnt('hi')" and opened["writable"] is True
    teacher.request("file.save", path=path, text="import os\nprint('hi', os.getcwd())", version=opened["version"])
    run = teacher.start(path)
    run.expect("hi /home/ada")
    assert run.info["owner"] == "ada"
    ada.wait(lambda: run.number in ada.connection.runs, what="the teacher's run at Ada's page")
    seen = ada.attach(run.number)
    seen.expect("hi /home/ada")
    run.close()
    assert teacher.download(path).status == 200


def test_a_teacher_sees_a_pupils_terminal_and_types(ada, teacher):
    run = ada.run("print('question:', input('? '))")
    run.expect("? ")
    teacher.wait(lambda: run.number in teacher.connection.runs, what="Ada's run at the teacher's page")
    seen = teacher.attach(run.number)
    seen.expect("? ")
    seen.type("from the teacher\r")
    run.expect("question: from the teacher")


def test_lecture_notes_are_read_by_all_written_by_teachers(ada, teacher):
    """The teacher publishes a file; pupils read, copy and run it, and cannot change it by any way."""
    notes = "Lecture Notes/lesson 1.py"
    teacher.request("file.save", path=notes, text="print('lesson', __file__)", overwrite=True)
    try:
        opened = ada.request("file.open", path=notes)
        assert opened["text"].startswith("print") and opened["writable"] is False
        entries = ada.request("tree.list", path="Lecture Notes")["entries"]
        assert [e["writable"] for e in entries if e["name"] == "lesson 1.py"] == [False]
        here = {"columns": 80, "rows": 24}
        for request in requests_on(notes):
            if request["type"] in ("tree.list", "file.open") or request == {"type": "run.start", "path": notes, **here}:
                continue
            assert ada.refused(**request) == "forbidden", request
        assert ada.upload(notes, b"x", overwrite=True).status == 403
        ada.request("entry.copy", **{"from": notes, "to": f"{ada.folder}/lesson 1.py"})
        assert ada.read("lesson 1.py").startswith("print")
        run = ada.start(notes)
        run.expect("lesson /home/Lecture Notes/lesson 1.py")
        assert run.info["owner"] == "ada"
        program = "try:\n    open('/home/Lecture Notes/x', 'w')\nexcept OSError as e:\n    print('refused', e.errno)"
        ada.run(program).expect("refused ")
        assert teacher.request("file.open", path=notes)["writable"] is True
    finally:
        teacher.request("entry.delete", path=notes)


def test_the_other_shared_folders(ada, teacher):
    for folder in ("Assignments", "Tests"):
        assert ada.refused("file.save", path=f"{folder}/x.py", text="x") == "forbidden"
        teacher.request("file.save", path=f"{folder}/x.py", text="x = 1", overwrite=True)
        teacher.request("entry.delete", path=f"{folder}/x.py")


def test_another_class_is_another_world(school, ada, join):
    """Zoe is in another class of the same school."""
    zoe = join(STRANGER, "other")
    path = ada.save("mine.py", "x")
    for request in requests_on(path):
        assert zoe.refused(**request) in ("forbidden", "not-found"), request
    assert zoe.session.download(CLASS, path).status in (403, 404)
    assert zoe.session.upload(CLASS, f"{ada.folder}/planted", b"x").status in (403, 404)
    with pytest.raises(websockets.InvalidStatusCode):
        school.person(STRANGER, CLASS)


def test_a_program_reaches_no_other_folder(ada, ben):
    """Ada's program looks for Ben's files where they are: they are not there."""
    ben.save("secret.txt", "of Ben")
    program = """
import os
print(sorted(os.listdir('/home')))
for path in ('/home/ben/secret.txt', '../ben/secret.txt', '/home/../home/ben/secret.txt'):
    try:
        print('READ', open(path).read())
    except OSError as error:
        print('no', type(error).__name__)
print('end')
"""
    run = ada.run(program)
    listing = run.expect("end")
    assert "READ" not in listing and "ben" not in listing.splitlines()[0]


def test_a_disabled_account_is_out_at_once(school, join):
    """A pupil leaves the school while signed in."""
    person = school.sign_in("finn")
    school.carrel("user", "disable", "finn", "--data", school.data)
    try:
        assert person.session.http("GET", "/api/session").status == 401
        with pytest.raises(Refused):
            person.session.sign_in("finn", password_of("finn"))
    finally:
        school.carrel("user", "enable", "finn", "--data", school.data)
        if person.connection.close_code is None:
            person.disconnect()
