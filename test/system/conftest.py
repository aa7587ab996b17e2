import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from school import School, STUDENTS, TEACHER  # noqa: E402
from carrel import Refused  # noqa: E402


@pytest.fixture(scope="session")
def school():
    """The server that all tests share."""
    with School().open(School.enrol_everybody) as school:
        yield school


@pytest.fixture
def join(school):
    """join(name): that person with a socket of their own. Afterwards their runs are closed and their folder is empty."""
    people = []

    def join_as(name, class_slug="demo"):
        person = school.person(name, class_slug)
        people.append(person)
        return person

    yield join_as
    for person in people:
        if person.connection is None or person.connection.close_code is not None:
            continue
        leave_nothing(person)
        person.disconnect()


def leave_nothing(person):
    me = person.hello["person"]["name"]
    for run in person.request("run.list")["runs"]:
        if run["owner"] == me:
            forget(person, run["run"])
    for entry in person.request("tree.list", path=person.folder)["entries"]:
        person.request("entry.delete", path=f"{person.folder}/{entry['name']}", forever=True)
    person.request("trash.delete", path=person.folder)


def forget(person, number):
    try:
        person.terminal(number).close()
    except Refused as refusal:
        assert refusal.code == "not-found", refusal


@pytest.fixture
def ada(join):
    return join(STUDENTS[0])


@pytest.fixture
def ben(join):
    return join(STUDENTS[1])


@pytest.fixture
def teacher(join):
    return join(TEACHER)
