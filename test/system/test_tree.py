"""Folders and files over the socket."""

import pytest

from carrel import Refused

NOT_A_PATH = [
    "/etc/passwd",
    "{folder}/../ben/x.py",
    "{folder}/./x.py",
    "{folder}//x.py",
    "{folder}/x.py/",
    "../{folder}/x.py",
    "{folder}/a\0b",
    "Local/../../etc/passwd",
]
BAD_NAMES = ["a\nb", "a\rb", "a\tb", "\x1b[31mred", "x" * 256, "é" * 128, ".hidden", "a\x7fb", "\x85"]
GOOD_NAMES = [
    "plain.py",
    "with blank.py",
    "übung.py",
    "李雷.py",
    "🐍.py",
    "it's \"quoted\".py",
    "a&b?c=d#e%20f+g.py",
    "-rf",
    "back\\slash.py",
    "$(touch x).py",
    "a;b|c.py",
    "é" * 127,
    "x" * 255,
]


def names(person, path):
    return [entry["name"] for entry in person.request("tree.list", path=path)["entries"]]


def test_a_file_from_making_to_deleting(ada):
    """A pupil makes a file, changes it, renames it, copies it, moves it to a folder and deletes the folder."""
    here = ada.folder
    first = ada.request("file.save", path=f"{here}/a.py", text="print(1)\n")
    assert ada.request("file.open", path=f"{here}/a.py")["text"] == "print(1)\n"
    second = ada.request("file.save", path=f"{here}/a.py", text="print(2)\n", version=first["version"])
    assert second["version"] != first["version"]
    ada.request("entry.move", **{"from": f"{here}/a.py", "to": f"{here}/b.py"})
    ada.request("folder.create", path=f"{here}/week 1")
    ada.request("entry.copy", **{"from": f"{here}/b.py", "to": f"{here}/week 1/c.py"})
    ada.request("entry.move", **{"from": f"{here}/b.py", "to": f"{here}/week 1/b.py"})
    assert names(ada, here) == ["week 1"]
    assert names(ada, f"{here}/week 1") == ["b.py", "c.py"]
    assert ada.request("file.open", path=f"{here}/week 1/c.py")["text"] == "print(2)\n"
    ada.request("entry.delete", path=f"{here}/week 1")
    assert names(ada, here) == []


def test_a_listing(ada):
    here = ada.folder
    for name in ("b.py", "a.py", "C.py"):
        ada.save(name, "x = 1\n")
    ada.request("folder.create", path=f"{here}/z")
    listing = ada.request("tree.list", path=here)
    assert listing["complete"] is True and listing["path"] == here
    assert listing["entries"][0] == {**listing["entries"][0], "name": "z", "kind": "folder", "writable": True}
    assert sorted(names(ada, here)) == sorted(["z", "b.py", "a.py", "C.py"])
    file = [entry for entry in listing["entries"] if entry["name"] == "a.py"][0]
    assert (file["kind"], file["size"], file["writable"]) == ("file", 6, True)


def test_nothing_is_overwritten_unasked(ada):
    """Two tabs have one file open. The second to save learns that the file changed, and nobody's text is lost."""
    here = ada.folder
    old = ada.request("file.save", path=f"{here}/a.py", text="first")["version"]
    assert ada.refused("file.save", path=f"{here}/a.py", text="second") == "exists"
    ada.request("file.save", path=f"{here}/a.py", text="second", version=old)
    assert ada.refused("file.save", path=f"{here}/a.py", text="third", version=old) == "conflict"
    assert ada.read("a.py") == "second"
    ada.request("file.save", path=f"{here}/a.py", text="fourth", overwrite=True)
    assert ada.read("a.py") == "fourth"
    ada.save("b.py", "b")
    assert ada.refused("entry.move", **{"from": f"{here}/a.py", "to": f"{here}/b.py"}) == "exists"
    assert ada.refused("entry.copy", **{"from": f"{here}/a.py", "to": f"{here}/b.py"}) == "exists"
    assert ada.refused("folder.create", path=f"{here}/b.py") == "exists"
    assert ada.read("b.py") == "b"


def test_a_program_changes_an_open_file(ada):
    """A program writes the file that its author has open: the version shows it."""
    opened = ada.save("notes.txt", "mine")
    version = ada.request("file.open", path=opened)["version"]
    ada.run("open('notes.txt', 'w').write('the program was here')\nprint('written')").expect("written")
    assert ada.refused("file.save", path=opened, text="mine again", version=version) == "conflict"
    assert ada.read("notes.txt") == "the program was here"


@pytest.mark.parametrize("pattern", NOT_A_PATH)
def test_a_path_that_leads_out(ada, pattern):
    path = pattern.format(folder=ada.folder)
    for request in (
        {"type": "tree.list", "path": path},
        {"type": "file.open", "path": path},
        {"type": "file.save", "path": path, "text": "x", "overwrite": True},
        {"type": "folder.create", "path": path},
        {"type": "entry.delete", "path": path},
        {"type": "entry.move", "from": path, "to": f"{ada.folder}/x"},
        {"type": "entry.copy", "from": path, "to": f"{ada.folder}/x"},
        {"type": "run.start", "path": path, "columns": 80, "rows": 24},
    ):
        assert ada.refused(**request) in ("malformed", "invalid-name", "forbidden", "not-found"), request
    assert names(ada, ada.folder) == []


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_none(ada, name):
    """Names that would forge a line of a listing, hide, or not fit are refused in words, however they come."""
    path = f"{ada.folder}/{name}"
    assert ada.refused("file.save", path=path, text="x") in ("invalid-name", "malformed")
    assert ada.refused("folder.create", path=path) in ("invalid-name", "malformed")
    ada.save("good.py", "x")
    assert ada.refused("entry.move", **{"from": f"{ada.folder}/good.py", "to": path}) in ("invalid-name", "malformed")
    assert names(ada, ada.folder) == ["good.py"]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_as_people_give_them(ada, name):
    path = ada.save(name, "text of it")
    assert names(ada, ada.folder) == [name]
    assert ada.request("file.open", path=path)["text"] == "text of it"
    answer = ada.download(path)
    assert (answer.status, answer.body) == (200, b"text of it")
    assert "attachment" in answer.headers["Content-Disposition"]
    ada.request("entry.move", **{"from": path, "to": f"{ada.folder}/other"})
    ada.request("entry.move", **{"from": f"{ada.folder}/other", "to": path})
    ada.request("entry.delete", path=path)
    assert names(ada, ada.folder) == []


def test_what_is_not_text(ada):
    ada.upload(f"{ada.folder}/picture.png", b"\x89PNG\r\n\x1a\n\xff\xfe")
    assert ada.refused("file.open", path=f"{ada.folder}/picture.png") == "not-text"
    ada.upload(f"{ada.folder}/big.txt", b"x" * (2097152 + 1))
    assert ada.refused("file.open", path=f"{ada.folder}/big.txt") == "too-large"
    ada.upload(f"{ada.folder}/fits.txt", b"\n" * 1000000)
    assert len(ada.read("fits.txt")) == 1000000


def test_links_and_pipes_are_listed_not_followed(ada):
    """A program leaves a link to another's files, a link out, a pipe; neither opening nor deleting goes through them."""
    program = """
import os
os.symlink('/etc/passwd', 'passwd.txt')
os.symlink('/', 'root')
os.symlink('..', 'up')
os.symlink('good.txt', 'near.txt')
os.mkfifo('pipe.txt')
open('good.txt', 'w').write('good')
print('made')
"""
    run = ada.run(program)
    run.expect("made")
    run.close()
    entries = {e["name"]: e["kind"] for e in ada.request("tree.list", path=ada.folder)["entries"]}
    assert entries["passwd.txt"] == entries["root"] == entries["up"] == entries["near.txt"] == "link"
    assert entries["pipe.txt"] == "other"
    for name in ("passwd.txt", "pipe.txt", "root/etc/passwd", "up/ben/x", "near.txt"):
        path = f"{ada.folder}/{name}"
        with pytest.raises(Refused):
            ada.request("file.open", path=path)
        assert ada.download(path).status in (403, 404, 409), name
        if "/" in name:
            with pytest.raises(Refused):
                ada.request("file.save", path=path, text="x", overwrite=True)
    for name in ("root", "up"):
        with pytest.raises(Refused):
            ada.request("tree.list", path=f"{ada.folder}/{name}")
        ada.request("entry.delete", path=f"{ada.folder}/{name}")
    assert ada.read("good.txt") == "good"


def test_the_fixed_folders_stay(ada, teacher):
    for path in ("", "Local", "Lecture Notes", "Assignments", "Tests", "Local/ada"):
        for person in (ada, teacher):
            assert person.refused("entry.delete", path=path) in ("forbidden", "invalid-name", "not-empty"), path
            assert person.refused("entry.move", **{"from": path, "to": f"{person.folder}/x"}) in (
                "forbidden",
                "invalid-name",
            ), path
    for path in ("x.py", "Local/x.py", "New folder"):
        assert ada.refused("file.save", path=path, text="x") in ("forbidden", "invalid-name", "not-found"), path


def test_a_folder_into_itself(ada):
    ada.request("folder.create", path=f"{ada.folder}/a")
    assert ada.refused("entry.move", **{"from": f"{ada.folder}/a", "to": f"{ada.folder}/a/b"}) in (
        "invalid-name",
        "forbidden",
        "conflict",
        "malformed",
    )
    assert names(ada, ada.folder) == ["a"]


def test_what_is_not_there(ada):
    missing = f"{ada.folder}/nothing.py"
    assert ada.refused("file.open", path=missing) == "not-found"
    assert ada.refused("entry.delete", path=missing) == "not-found"
    assert ada.refused("entry.move", **{"from": missing, "to": f"{ada.folder}/x"}) == "not-found"
    assert ada.refused("entry.copy", **{"from": missing, "to": f"{ada.folder}/x"}) == "not-found"
    assert ada.refused("tree.list", path=missing) == "not-found"
    assert ada.refused("file.save", path=f"{ada.folder}/no folder/x.py", text="x") == "not-found"
    assert ada.refused("run.start", path=missing, columns=80, rows=24) == "not-found"


def test_a_deep_tree_is_deleted_whole(ada):
    """A program makes folders in folders, deeper than a path may be long. Delete takes them all the same."""
    program = """
import os
os.mkdir('deep'); os.chdir('deep')
for _ in range(1500):
    os.mkdir('folder'); os.chdir('folder')
open('last', 'w').close()
print('done')
"""
    run = ada.run(program)
    run.expect("done")
    run.close()
    ada.request("entry.delete", path=f"{ada.folder}/deep")
    assert names(ada, ada.folder) == ["program.py"]


def test_a_second_page_learns_of_a_change(school, ada):
    """The tree in one tab shows what was done in the other."""
    from carrel import Connection, Loop

    second = Loop.call(Connection.open(ada.session, ada.class_slug))
    Loop.call(second.request("tree.list", path=ada.folder))
    ada.save("new.py", "x")
    Loop.call(
        second.until(
            lambda: any(e["type"] == "tree.changed" and e["path"] == ada.folder for e in second.events),
            5,
            lambda: "tree.changed",
        )
    )
    Loop.call(second.close())
