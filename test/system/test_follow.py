"""The tree follows what programs do, by itself."""

import os
import signal
import time

import pytest


def changes(person, path):
    return [event for event in person.connection.events if event["type"] == "tree.changed" and event["path"] == path]


def wait_for_change(person, path, seen=0):
    person.wait(lambda: len(changes(person, path)) > seen, what=f"a change of {path}")


def test_a_program_makes_a_file(ada, ben, teacher):
    """It appears in the tree of its owner, and of the teacher who looks, without anybody pressing anything."""
    here = ada.folder
    ada.request("tree.list", path=here)
    teacher.request("tree.list", path=here)
    run = ada.run("input('ready')\nopen('made.txt', 'w').write('x')\nprint('done')")
    run.expect("ready")
    time.sleep(1.5)  # what saving and starting the program did is told by now
    seen = [len(changes(person, here)) for person in (ada, teacher)]
    run.type("\n")
    run.expect("done")
    wait_for_change(ada, here, seen[0])
    wait_for_change(teacher, here, seen[1])
    assert changes(ben, here) == []


def test_a_folder_below_follows_too(ada):
    here = ada.folder
    ada.request("folder.create", path=f"{here}/week 1")
    ada.request("tree.list", path=f"{here}/week 1")
    ada.run("open('week 1/a.txt', 'w').close()\nprint('done')").expect("done")
    wait_for_change(ada, f"{here}/week 1")


def test_ones_own_change_is_told_once(ada):
    here = ada.folder
    ada.request("tree.list", path=here)
    time.sleep(1)
    before = len(changes(ada, here))
    ada.save("a.py", "x")
    ada.save("a.py", "y")
    time.sleep(2)
    assert len(changes(ada, here)) == before + 2


def test_a_thousand_files_are_no_flood(ada):
    here = ada.folder
    ada.request("folder.create", path=f"{here}/many")
    ada.request("tree.list", path=f"{here}/many")
    begun = time.monotonic()
    ada.run("for i in range(1000):\n    open(f'many/{i}', 'w').write('x')\nprint('done')").expect("done")
    wait_for_change(ada, f"{here}/many")
    time.sleep(2)
    assert len(changes(ada, f"{here}/many")) <= 3 + 2 * (time.monotonic() - begun)


def test_a_worker_that_dies(ada, school):
    """The pages are told to list again, and then the tree follows as before."""
    here = ada.folder
    ada.request("tree.list", path=here)
    for pid in school.processes("worker"):
        os.kill(pid, signal.SIGKILL)
    ada.wait(lambda: any(event.get("below") for event in changes(ada, here)), what="the call to list again")
    ada.request("tree.list", path=here)
    seen = len(changes(ada, here))
    ada.run("open('b.txt', 'w').close()\nprint('done')").expect("done")
    wait_for_change(ada, here, seen)
