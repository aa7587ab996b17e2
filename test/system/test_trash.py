"""What was deleted, and comes back."""

from carrel import Refused

import pytest


def names(person, path):
    return [entry["name"] for entry in person.request("tree.list", path=path)["entries"]]


def items(person, path):
    return person.request("trash.list", path=path)["items"]


def test_a_folder_deleted_by_mistake(ada):
    """A pupil deletes the folder of the whole term, and undoes it."""
    here = ada.folder
    ada.request("folder.create", path=f"{here}/term")
    ada.save("term/a.py", "print(1)\n")
    trash = ada.request("entry.delete", path=f"{here}/term")["trash"]
    assert names(ada, here) == []
    (item,) = items(ada, here)
    assert item == {**item, "trash": trash, "path": f"{here}/term", "kind": "folder"} and item["deleted"] > 1.6e12
    assert ada.request("trash.list", path=here)["days"] == 30
    assert ada.request("trash.restore", path=here, trash=trash)["path"] == f"{here}/term"
    assert ada.read("term/a.py") == "print(1)\n"
    assert items(ada, here) == []
    assert ada.refused("trash.restore", path=here, trash=trash) == "not-found"


def test_its_name_is_taken_and_its_folder_gone(ada):
    here = ada.folder
    ada.request("folder.create", path=f"{here}/a")
    ada.save("a/b.py", "old")
    old = ada.request("entry.delete", path=f"{here}/a/b.py")["trash"]
    ada.save("a/b.py", "new")
    assert ada.refused("trash.restore", path=here, trash=old) == "exists"
    assert ada.read("a/b.py") == "new"
    ada.request("entry.delete", path=f"{here}/a")
    assert ada.request("trash.restore", path=here, trash=old)["path"] == f"{here}/a/b.py"
    assert ada.read("a/b.py") == "old"


def test_for_good(ada):
    here = ada.folder
    for name in ("a.py", "b.py", "c.py"):
        ada.save(name, "x")
    assert "trash" not in ada.request("entry.delete", path=f"{here}/a.py", forever=True)
    first = ada.request("entry.delete", path=f"{here}/b.py")["trash"]
    ada.request("entry.delete", path=f"{here}/c.py")
    ada.request("trash.delete", path=here, trash=first)
    assert [item["path"] for item in items(ada, here)] == [f"{here}/c.py"]
    ada.request("trash.delete", path=here)
    assert items(ada, here) == []


@pytest.mark.parametrize("name", ["", "..", "../../x", "0" * 27, "0000000000000000-000000000/", "é"])
def test_what_names_nothing(ada, name):
    assert ada.refused("trash.restore", path=ada.folder, trash=name) in ("invalid-name", "malformed")


def test_no_path_leads_into_it(ada):
    ada.save("a.py", "x")
    trash = ada.request("entry.delete", path=f"{ada.folder}/a.py")["trash"]
    for path in (f"{ada.folder}/.carrel-trash", f"{ada.folder}/.carrel-trash/{trash}/item"):
        for request in ("tree.list", "file.open", "entry.delete", "folder.create"):
            assert ada.refused(request, path=path) in ("invalid-name", "forbidden", "not-found")
        assert ada.download(path).status == 404


def test_a_teacher_deletes_from_the_lecture_notes(teacher, ada):
    teacher.request("file.save", path="Lecture Notes/wrong.md", text="wrong")
    trash = teacher.request("entry.delete", path="Lecture Notes/wrong.md")["trash"]
    assert ada.refused("trash.list", path="Lecture Notes") == "forbidden"
    assert ada.refused("trash.restore", path="Lecture Notes", trash=trash) == "forbidden"
    assert items(teacher, "Lecture Notes")[0]["path"] == "Lecture Notes/wrong.md"
    assert "Lecture Notes/wrong.md" not in [item["path"] for item in items(teacher, "Tests")]
    with pytest.raises(Refused):
        teacher.request("trash.list", path="Local")
    teacher.request("trash.restore", path="Lecture Notes", trash=trash)
    teacher.request("entry.delete", path="Lecture Notes/wrong.md", forever=True)


def test_a_program_throws_the_trash_away(ada):
    """It may: it is the pupil's own folder. Deleting works as before."""
    ada.save("a.py", "x")
    ada.request("entry.delete", path=f"{ada.folder}/a.py")
    ada.run("import shutil\nshutil.rmtree('.carrel-trash')\nopen('.carrel-trash', 'w').close()\nprint('thrown')").expect("thrown")
    assert ada.refused("trash.list", path=ada.folder) == "not-found"
    ada.save("b.py", "x")
    assert ada.refused("entry.delete", path=f"{ada.folder}/b.py") == "not-found"
    ada.request("entry.delete", path=f"{ada.folder}/b.py", forever=True)
    ada.run("import os\nos.unlink('.carrel-trash')\nprint('tidy')").expect("tidy")


def test_an_empty_trash_is_not_there(school, ada):
    """A program that lists its folder is not to show what nobody put there."""
    trash = school.data / "files" / "demo" / ada.folder / ".carrel-trash"
    ada.request("trash.delete", path=ada.folder)
    ada.save("a.py", "x")
    name = ada.request("entry.delete", path=f"{ada.folder}/a.py")["trash"]
    assert trash.is_dir()
    ada.request("trash.restore", path=ada.folder, trash=name)
    assert not trash.exists()
    ada.request("entry.delete", path=f"{ada.folder}/a.py")
    ada.request("trash.delete", path=ada.folder)
    assert not trash.exists()
