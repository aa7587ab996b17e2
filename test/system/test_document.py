"""Documents: what was acknowledged is kept, whoever types, and the file follows."""

import os
import signal
import time

import pytest

from carrel import Loop, Refused
from school import command_line, descendants

BOM = b"\xef\xbb\xbf"


@pytest.fixture
def name():
    """A file of one test: another one of that path would go on with the past of the first."""
    Editor.count += 1
    return f"a{Editor.count}.py"


def units(text):
    return len(text.encode("utf-16-le")) // 2


def replacing(before, start, end, insert):
    """The change set that puts `insert` in the place of characters [start, end): as CodeMirror writes it."""
    head, gone, tail = before[:start], before[start:end], before[end:]
    sections = [units(head)] if head else []
    sections.append([units(gone), *insert.split("\n")] if insert else [units(gone)])
    return sections + ([units(tail)] if tail else [])


class Editor:
    """One page with one document: its text as this page knows it."""

    count = 0

    def __init__(self, person, name, **fields):
        Editor.count += 1
        self.person, self.client = person, f"editor-{Editor.count}"
        self.path = name if "/" in name else f"{person.folder}/{name}"
        reply = person.request("document.open", path=self.path, **fields)
        self.opened = reply
        self.id, self.revision = reply["document"], reply["revision"]
        self.text = reply.get("text")
        self.seen = 0  # events looked at

    def push(self, *changes, revision=None):
        updates = [{"client": self.client, "changes": change} for change in changes]
        at = self.revision if revision is None else revision
        reply = self.person.request("document.push", document=self.id, revision=at, updates=updates)
        self.revision = reply["revision"]
        return reply

    def edit(self, start, end, insert):
        change = replacing(self.text, start, end, insert)
        self.text = self.text[:start] + insert + self.text[end:]
        return self.push(change)

    def append(self, insert):
        return self.edit(len(self.text), len(self.text), insert)

    def events(self, kind):
        return [
            event
            for event in self.person.connection.events
            if event["type"] == kind and event.get("document") == self.id
        ]

    def wait_disk(self, *states):
        """Until the last that was told of the file is one of these."""

        def told():
            events = self.events("document.state")
            state = events[-1]["state"] if events else self.opened["state"]
            return state["disk"] in states

        self.person.wait(told, what=f"the file's state to be {states}")

    def save(self):
        return self.person.request("document.save", document=self.id)["revision"]


def tell(person, type, **fields):
    Loop.call(person.connection.tell(type, **fields))


def on_disk(school, person, name):
    return (school.data / "files" / "demo" / person.folder / name).read_bytes()


def kill_web(school):
    for pid in descendants(school.process.pid):
        if command_line(pid)[1:3] == [b"role", b"web"]:
            os.kill(pid, signal.SIGKILL)
            return
    raise AssertionError("there is no web server")


def come_back(person):
    person.disconnect()
    end = time.monotonic() + 20
    while True:
        try:
            return person.connect()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_typing_is_kept_and_the_file_follows(school, ada, name):
    ada.save(name, "print(1)\n")
    editor = Editor(ada, name)
    assert (editor.text, editor.revision, editor.opened["writable"]) == ("print(1)\n", 0, True)
    assert editor.opened["state"] == {"disk": "saved", "revision": 0}
    editor.edit(6, 7, "'ä🐍'")
    assert editor.revision == 1
    editor.append("print(2)\n")
    editor.wait_disk("saved")
    assert on_disk(school, ada, name).decode() == "print('ä🐍')\nprint(2)\n" == editor.text


def test_two_pages_see_each_other(school, ada, teacher, name):
    ada.save(name, "x\n")
    one, other = Editor(ada, name), Editor(teacher, f"{ada.folder}/{name}")
    assert other.id == one.id
    one.edit(0, 1, "one")
    other.person.wait(lambda: other.events("document.updates"), what="the update")
    update = other.events("document.updates")[0]
    assert (update["revision"], update["updates"]) == (0, [{"client": one.client, "changes": [[1, "one"], 1]}])
    # The other page is late: it is told so, and nothing is changed by it.
    with pytest.raises(Refused) as refusal:
        other.push([[1, "other"], 1], revision=0)
    assert refusal.value.code == "conflict"
    other.push([3, [0, " two"], 1], revision=1)
    assert one.save() == 2
    assert on_disk(school, ada, name) == b"one two\n"


def test_cursors(ada, teacher, name):
    ada.save(name, "x = 1\n")
    one = Editor(ada, name)
    tell(ada, "document.cursor", document=one.id, revision=0, anchor=1, head=3)
    ada.request("run.list")  # behind the cursor
    other = Editor(teacher, f"{ada.folder}/{name}")
    assert [cursor["name"] for cursor in other.opened["cursors"]] == ["ada"]
    tell(teacher, "document.cursor", document=one.id, revision=0, anchor=2, head=2)
    ada.wait(lambda: one.events("document.cursors"), what="the teacher's cursor")
    told = one.events("document.cursors")[0]["cursor"]
    assert (told["name"], told["anchor"], told["head"]) == ("turing", 2, 2)
    teacher.request("document.close", document=other.id)
    ada.wait(lambda: one.events("document.left"), what="the teacher's leaving")
    assert one.events("document.left")[0]["session"] == told["session"]


def test_what_was_acknowledged_survives_a_kill(school, ada, name):
    """The web server dies in the moment after its answer: the file was not written yet, the journal was."""
    ada.save(name, "")
    editor = Editor(ada, name)
    for number in range(20):
        editor.append(f"line {number}\n")
    kill_web(school)
    come_back(ada)
    again = Editor(ada, name)
    assert (again.id, again.revision, again.text) == (editor.id, 20, editor.text)
    again.wait_disk("saved")
    assert on_disk(school, ada, name).decode() == editor.text


def test_a_file_that_was_behind_is_written_at_the_start(school, ada, name):
    """Nobody opens it again: a program, or the teacher's copy, must find what was typed all the same."""
    ada.save(name, "")
    editor = Editor(ada, name)
    editor.append("typed\n")
    kill_web(school)
    come_back(ada)
    end = time.monotonic() + 20
    while on_disk(school, ada, name) != b"typed\n":
        assert time.monotonic() < end
        time.sleep(0.05)


def test_coming_back_with_a_revision(school, ada, teacher, name):
    ada.save(name, "x\n")
    one, other = Editor(ada, name), Editor(teacher, f"{ada.folder}/{name}")
    one.edit(0, 1, "a")
    ada.disconnect()
    other.push([[1, "b"], 1], revision=1)
    other.push([1, [0, "c"], 1], revision=2)
    ada.connect()
    again = Editor(ada, name, document=one.id, revision=1)
    assert (again.revision, again.text) == (3, None)
    assert [update["changes"] for update in again.opened["updates"]] == [[[1, "b"], 1], [1, [0, "c"], 1]]
    # Of another document nothing can be had: the whole text.
    assert Editor(ada, name, document=one.id + 1, revision=1).text == "bc\n"


def test_a_program_writes_into_an_open_file(school, ada, name):
    ada.save(name, "one\ntwo\nthree\n")
    editor = Editor(ada, name)
    editor.edit(0, 3, "ONE")
    editor.save()
    run = ada.run(f"open({name!r}, 'a').write('four\\n')\n")
    run.expect(">>>")
    run.close()
    ada.request("document.save", document=editor.id)
    editor.edit(4, 7, "TWO")
    ada.wait(lambda: editor.events("document.updates"), what="the program's line")
    update = editor.events("document.updates")[0]["updates"][0]
    assert (update["client"], update["changes"]) == ("disk", [14, [0, "four", ""]])
    editor.wait_disk("saved")
    assert on_disk(school, ada, name) == b"ONE\nTWO\nthree\nfour\n"


def overwrite_below(school, ada, name, text):
    path = school.data / "files" / "demo" / ada.folder / name
    path.write_text(text)


@pytest.mark.parametrize("disk", [True, False])
def test_both_changed_the_same_line(school, ada, disk, name):
    ada.save(name, "x = 1\ny = 2\n")
    editor = Editor(ada, name)
    overwrite_below(school, ada, name, "x = 10\ny = 2\n")
    editor.edit(4, 5, "5")
    editor.wait_disk("conflict")
    assert on_disk(school, ada, name) == b"x = 10\ny = 2\n"
    assert ada.request("document.disk", document=editor.id)["text"] == "x = 10\ny = 2\n"
    # Typing goes on meanwhile.
    editor.append("z = 3\n")
    ada.request("document.resolve", document=editor.id, disk=disk)
    editor.wait_disk("saved")
    assert on_disk(school, ada, name) == (b"x = 10\ny = 2\n" if disk else b"x = 5\ny = 2\nz = 3\n")
    assert Editor(ada, name).text == on_disk(school, ada, name).decode()
    # What gave way is in the past.
    assert ada.request("history.text", path=editor.path, revision=2)["text"] == "x = 5\ny = 2\nz = 3\n"


def test_a_file_that_is_deleted_below(school, ada, name):
    ada.save(name, "x = 1\n")
    editor = Editor(ada, name)
    (school.data / "files" / "demo" / ada.folder / name).unlink()
    editor.append("y = 2\n")
    editor.wait_disk("deleted")
    ada.request("document.resolve", document=editor.id, disk=False)
    editor.wait_disk("saved")
    assert on_disk(school, ada, name) == b"x = 1\ny = 2\n"


@pytest.mark.parametrize(
    "before, shown, after",
    [
        (b"a\r\nb\r\n", "a\nb\n", b"a\r\nb\r\nc"),
        (b"a\r\nb\n", "a\r\nb\n", b"a\r\nb\nc"),
        (BOM + b"a\n", "a\n", BOM + b"a\nc"),
        (b"a\n\x00b", "a\n\x00b", b"a\n\x00bc"),
        (b"", "", b"c"),
    ],
)
def test_what_was_not_edited_stays_as_it_was(school, ada, before, shown, after, name):
    ada.upload(f"{ada.folder}/{name}", before, overwrite=True)
    editor = Editor(ada, name)
    assert editor.text == shown
    editor.append("c")
    editor.save()
    assert on_disk(school, ada, name) == after


def test_permission_bits_stay(school, ada, name):
    ada.save(name, "")
    path = school.data / "files" / "demo" / ada.folder / name
    path.chmod(0o751)
    editor = Editor(ada, name)
    editor.append("x")
    editor.save()
    assert path.stat().st_mode & 0o777 == 0o751


def test_what_is_no_text(ada):
    ada.upload(f"{ada.folder}/latin", b"\xe4", overwrite=True)
    ada.upload(f"{ada.folder}/long", b"x" * (2 << 20) + b"y", overwrite=True)
    assert ada.refused("document.open", path=f"{ada.folder}/latin") == "not-text"
    assert ada.refused("document.open", path=f"{ada.folder}/long") == "too-large"
    assert ada.refused("document.open", path=f"{ada.folder}/gone") == "not-found"
    assert ada.refused("document.open", path=ada.folder) == "not-text"
    ada.request("folder.create", path=f"{ada.folder}/folder")
    assert ada.refused("document.open", path=f"{ada.folder}/folder") == "not-text"


@pytest.mark.parametrize(
    "changes",
    [[4], [[1]], [5, [0, "x"], 2], [[-1]], [True], ["x"], [[6, "a\nb"]], [[6, 1]], [[]], [1.5], [6, [1]], [[7]]],
)
def test_changes_that_are_none(school, ada, changes, name):
    ada.save(name, "x = 1\n")
    editor = Editor(ada, name)
    with pytest.raises(Refused) as refusal:
        editor.push(changes)
    assert refusal.value.code == "malformed"
    editor.append("y")
    assert editor.revision == 1


def test_a_pair_is_not_parted(ada, name):
    ada.save(name, "🐍\n")
    editor = Editor(ada, name)
    with pytest.raises(Refused):
        editor.push([1, [1], 1])
    assert Editor(ada, name).text == "🐍\n"


def test_all_of_a_push_or_none(ada, name):
    ada.save(name, "x\n")
    editor = Editor(ada, name)
    with pytest.raises(Refused):
        editor.push([[0, "a"], 2], [[0, "b"], 99])
    assert Editor(ada, name).text == "x\n"
    editor.push([[0, "a"], 2], [[0, "b"], 3])
    assert (editor.revision, Editor(ada, name).text) == (2, "bax\n")


def test_who_may(ada, ben, teacher, name):
    teacher.request("file.save", path=f"Lecture Notes/{name}", text="x\n", overwrite=True)
    ada.save(name, "x\n")
    reader = Editor(ada, f"Lecture Notes/{name}")
    assert reader.opened["writable"] is False
    with pytest.raises(Refused) as refusal:
        reader.append("y")
    assert refusal.value.code == "not-found"
    assert ben.refused("document.open", path=f"{ada.folder}/{name}") == "forbidden"
    assert ben.refused("history.list", path=f"{ada.folder}/{name}") == "forbidden"
    # A number alone opens nothing.
    editor = Editor(ada, name)
    for request in ("save", "close", "disk"):
        assert ben.refused(f"document.{request}", document=editor.id) == "not-found"
    assert ben.refused("document.push", document=editor.id, revision=0, updates=[]) == "not-found"
    # A student reads along while the teacher types.
    writer = Editor(teacher, f"Lecture Notes/{name}")
    writer.append("y\n")
    ada.wait(lambda: reader.events("document.updates"), what="the teacher's line")


def test_run_runs_what_is_shown(school, ada, name):
    ada.save(name, "")
    module = name.removesuffix(".py") + "_neighbour"
    ada.save(f"{module}.py", "word = 'old'\n")
    editor, neighbour = Editor(ada, name), Editor(ada, f"{module}.py")
    neighbour.edit(8, 11, "new")
    editor.append(f"import {module}; print({module}.word, open({name!r}).read() == open(__file__).read())\n")
    at = editor.revision
    editor.edit(0, len(editor.text), "print('later')\n")
    run = ada.start(editor.path, document=editor.id, revision=at)
    assert "new True" in run.expect(">>>")
    run.close()
    assert ada.refused("run.start", path=editor.path, document=editor.id, revision=99, columns=80, rows=24) == "conflict"
    marks = ada.request("history.list", path=editor.path)["marks"]
    assert [(mark["revision"], mark["name"]) for mark in marks] == [(at, "ada")]


def test_run_runs_nobody_elses_update(ada, teacher, name):
    """Push and run are sent in one breath. Another's update makes the revision that was expected: it is not run."""
    ada.save(name, "print('first')\n")
    editor, other = Editor(ada, name), Editor(teacher, f"{ada.folder}/{name}")
    other.edit(7, 12, "other")
    fields = {"path": editor.path, "document": editor.id, "revision": 1, "columns": 80, "rows": 24}
    assert ada.refused("run.start", client=editor.client, **fields) == "conflict"
    run = ada.start(editor.path, document=editor.id, revision=1, client=other.client)
    run.expect("other")
    run.close()


def test_a_moved_file_keeps_its_page_and_its_past(school, ada, name):
    ada.request("folder.create", path=f"{ada.folder}/old")
    ada.save(f"old/{name}", "1")
    editor = Editor(ada, f"{ada.folder}/old/{name}")
    editor.append("2")
    ada.request("entry.move", **{"from": f"{ada.folder}/old", "to": f"{ada.folder}/new"})
    ada.wait(lambda: editor.events("document.moved"), what="the new path")
    assert editor.events("document.moved")[0]["path"] == f"{ada.folder}/new/{name}"
    editor.append("3")
    editor.save()
    assert on_disk(school, ada, f"new/{name}") == b"123"
    assert not (school.data / "files" / "demo" / ada.folder / "old").exists()
    assert ada.request("history.list", path=f"{ada.folder}/new/{name}")["last"] == 2
    kill_web(school)
    come_back(ada)
    assert Editor(ada, f"{ada.folder}/new/{name}").id == editor.id


def test_the_past(ada, name):
    ada.save(name, "")
    editor = Editor(ada, name)
    for word in ("one ", "two ", "three "):
        editor.append(word)
    editor.edit(0, 4, "")
    past = ada.request("history.list", path=editor.path)
    assert (past["first"], past["last"]) == (0, 4)
    assert sum(span["inserted"] for span in past["spans"]) == 14
    assert sum(span["deleted"] for span in past["spans"]) == 4
    assert {span["name"] for span in past["spans"]} == {"ada"}
    texts = [ada.request("history.text", path=editor.path, revision=revision)["text"] for revision in range(5)]
    assert texts == ["", "one ", "one two ", "one two three ", "two three "]
    steps = ada.request("history.updates", path=editor.path, **{"from": 1})
    assert [step["changes"] for step in steps["steps"]] == [[4, [0, "two "]], [8, [0, "three "]], [[4], 10]]
    assert steps["revision"] == 4
    assert ada.refused("history.text", path=editor.path, revision=5) == "not-found"
    # A file that is gone has its past still.
    ada.request("entry.delete", path=editor.path)
    assert ada.request("history.text", path=editor.path, revision=3)["text"] == "one two three "


def test_a_stopped_server_has_written(school, ada, name):
    ada.save(name, "")
    editor = Editor(ada, name)
    editor.append("last words")
    school.stop()
    assert on_disk(school, ada, name) == b"last words"
    school.start()
    come_back(ada)


def test_a_program_writes_into_a_file_that_is_only_looked_at(ada, teacher, name):
    """Nothing is saved, run or listed: the page follows all the same."""
    ada.request("folder.create", path=f"{ada.folder}/{name}-folder")
    ada.save(f"{name}-folder/log.txt", "one\n")
    reader = Editor(teacher, f"{ada.folder}/{name}-folder/log.txt")
    run = ada.start()
    run.expect(">>> ")
    run.type(f"open({name + '-folder/log.txt'!r}, 'a').write('two\\n')\r")
    teacher.wait(lambda: reader.events("document.updates"), what="the program's line")
    assert reader.events("document.updates")[0]["updates"][0]["changes"] == [4, [0, "two", ""]]
    run.close()
