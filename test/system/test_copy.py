"""Folders copied and moved from one tree to another."""

import os

from carrel import files_address
from school import CLASS


def names(person, path):
    return [entry["name"] for entry in person.request("tree.list", path=path)["entries"]]


def copy(person, source, target):
    return person.request("entry.copy", **{"from": source, "to": target})


def refused(person, type, source, target):
    return person.refused(type, **{"from": source, "to": target})


def build(person, top, files):
    folders = {top} | {f"{top}/{os.path.dirname(name)}" for name in files if "/" in name}
    for folder in sorted(folders):
        person.request("folder.create", path=folder)
    for name, text in files.items():
        person.request("file.save", path=f"{top}/{name}", text=text)


FILES = {"a.py": "a", "ü/b.py": "b", "ü/李雷 🐍.py": "c"}


def test_a_folder_is_copied_with_all_that_is_in_it(ada):
    here = ada.folder
    build(ada, f"{here}/week", FILES)
    ada.request("folder.create", path=f"{here}/week/empty")
    reply = copy(ada, f"{here}/week", f"{here}/week copy")
    assert "skipped" not in reply
    assert names(ada, here) == ["week", "week copy"]
    assert names(ada, f"{here}/week copy") == ["empty", "ü", "a.py"]
    for name, text in FILES.items():
        assert ada.read(f"week copy/{name}") == text and ada.read(f"week/{name}") == text


def test_nothing_is_overwritten_and_nothing_half_done_stays(ada):
    here = ada.folder
    build(ada, f"{here}/week", FILES)
    ada.save("taken.py", "x")
    for name in ("taken.py", "week"):
        assert refused(ada, "entry.copy", f"{here}/week", f"{here}/{name}") in ("exists", "invalid-name")
    assert refused(ada, "entry.copy", f"{here}/week", f"{here}/week/inside") == "invalid-name"
    assert refused(ada, "entry.copy", f"{here}/week", f"{here}/no such folder/week") == "not-found"
    assert names(ada, here) == ["week", "taken.py"]
    ada.run("import os\nprint([n for n in os.listdir('.') if 'part' in n])").expect("[]")


def test_links_are_left_out_and_counted(ada):
    here = ada.folder
    ada.run(
        "import os\nos.mkdir('d')\nos.symlink('/etc', 'd/etc')\nos.symlink('../../ben', 'd/ben')\nos.mkfifo('d/pipe')\n"
        "open('d/shut', 'w').write('x')\nos.chmod('d/shut', 0)\nopen('d/kept', 'w').write('kept')\nprint('made')"
    ).expect("made")
    reply = copy(ada, f"{here}/d", f"{here}/e")
    assert reply["skipped"] == 4
    assert names(ada, f"{here}/e") == ["kept"]


def test_a_pupil_takes_the_lecture_notes_home(teacher, ada, ben):
    build(teacher, "Lecture Notes/week 1", FILES)
    try:
        copy(ada, "Lecture Notes/week 1", f"{ada.folder}/week 1")
        assert ada.read("week 1/ü/b.py") == "b"
        assert refused(ada, "entry.move", "Lecture Notes/week 1", f"{ada.folder}/mine") == "forbidden"
        assert refused(ben, "entry.copy", f"{ada.folder}/week 1", f"{ben.folder}/stolen") == "forbidden"
    finally:
        teacher.request("entry.delete", path="Lecture Notes/week 1", forever=True)
        teacher.request("trash.delete", path="Lecture Notes")


def test_a_teacher_moves_a_folder_to_the_lecture_notes(teacher, ada):
    here = ada.folder
    build(ada, f"{here}/best", FILES)
    teacher.request("entry.move", **{"from": f"{here}/best", "to": "Lecture Notes/best"})
    try:
        assert names(teacher, "Lecture Notes/best") == ["ü", "a.py"]
        assert names(ada, here) == []
        assert [item["path"] for item in ada.request("trash.list", path=here)["items"]] == [f"{here}/best"]
    finally:
        teacher.request("entry.delete", path="Lecture Notes/best", forever=True)


def test_no_page_names_the_hidden_folder(ada):
    hidden = f"{ada.folder}/.carrel-part-{'0' * 32}"
    assert ada.refused("folder.create", path=hidden) == "invalid-name"
    assert ada.refused("file.save", path=f"{hidden}/x", text="x") == "invalid-name"
    assert ada.refused("entry.delete", path=hidden, forever=True) == "invalid-name"
    assert ada.upload(hidden, b"x").status == 404
    assert ada.session.http("GET", files_address(CLASS, hidden)).status == 404
