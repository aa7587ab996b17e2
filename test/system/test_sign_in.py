"""Signing in and out, over HTTP."""

import json

import pytest
import websockets

from carrel import Connection, Loop, Person, Refused, Session
from school import CLASS, DISABLED, STUDENTS, TEACHER, password_of


def refusal(session, name, password):
    answer = session.http("POST", "/api/sign-in", {"name": name, "password": password})
    return answer.status, answer.json["code"], answer.json["message"]


def test_one_cannot_learn_who_exists(school):
    """Somebody tries names, to learn which accounts there are: every refusal reads the same."""
    session = Session(school.address)
    wrong_password = refusal(session, "hugo", "not the password")
    assert wrong_password[:2] == (401, "refused")
    assert refusal(session, "nobody-of-this-name", "not the password") == wrong_password
    assert refusal(session, DISABLED, password_of(DISABLED)) == wrong_password
    assert refusal(session, "", "") == wrong_password or refusal(session, "", "")[0] == 400


def test_the_cookie_cannot_be_read_or_sent_by_other_sites(school):
    """A script on a page, or another site's form, must not get hold of a session."""
    answer = Session(school.address).sign_in("ada", password_of("ada"))
    parts = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert "HttpOnly" in parts and "SameSite=Lax" in parts and "Path=/" in parts
    name, _, value = parts[0].partition("=")
    assert name == "carrel_session" and len(value) >= 32
    assert answer.json["person"]["name"] == "ada" and answer.json["person"]["role"] == "student"
    assert CLASS in [entry["slug"] for entry in answer.json["classes"]]


def test_a_change_from_another_site_is_refused(school):
    """A page elsewhere posts to the school's server with the visitor's cookie."""
    session = school.session("ada")
    for headers in ({"Origin": "http://elsewhere.example"}, {"Origin": "null"}, {}):
        assert session.http("POST", "/api/sign-out", headers=headers, origin=False).status == 403
        assert session.http("PUT", f"/c/{CLASS}/files/Local/ada/x", b"x", headers, origin=False).status == 403
    assert session.http("GET", "/api/session").status == 200


def test_a_socket_from_another_site_is_refused(school):
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        Loop.call(Connection.open(school.session("ada"), CLASS, origin="http://elsewhere.example"))
    assert refused.value.status_code == 403


def test_a_socket_needs_a_session_and_the_class(school):
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        Loop.call(Connection.open(Session(school.address), CLASS))
    assert refused.value.status_code == 401
    for slug in ("other", "no-such-class"):
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            Loop.call(Connection.open(school.session("ada"), slug))
        assert refused.value.status_code == 403


def test_signing_out_closes_the_sockets(school):
    """A pupil signs out at a shared computer; the page left open in another tab must not go on."""
    person = school.sign_in("hugo")
    other_tab = Loop.call(Connection.open(person.session, CLASS))
    assert person.session.sign_out().status == 204
    for connection in (person.connection, other_tab):
        assert Loop.call(connection.closed()) == 4401
    assert person.session.http("GET", "/api/session").status == 401


def test_a_session_survives_a_reload(school):
    answer = school.session("ada").http("GET", "/api/session")
    assert answer.status == 200 and answer.json["person"]["name"] == "ada"
    assert Session(school.address).http("GET", "/api/session").status == 401


def test_changing_the_password_ends_other_sessions(school):
    """Somebody saw the password over a shoulder; after the change, whoever signed in with it is out."""
    name = "gina"
    thief, owner = school.sign_in(name), school.sign_in(name)
    session = owner.session
    assert session.http("POST", "/api/password", {"old": "wrong", "new": "long enough"}).status == 403
    weak = session.http("POST", "/api/password", {"old": password_of(name), "new": "short"})
    assert (weak.status, weak.json["code"]) == (400, "weak")
    try:
        assert session.http("POST", "/api/password", {"old": password_of(name), "new": "long enough"}).status == 204
        assert Loop.call(thief.connection.closed()) == 4401
        assert session.http("GET", "/api/session").status == 200
        with pytest.raises(Refused):
            Session(school.address).sign_in(name, password_of(name))
        owner.request("tree.list", path=owner.folder)
    finally:
        school.carrel(
            "user", "passwd", name, "--password-stdin", "--data", school.data, input=password_of(name) + "\n"
        )
        owner.disconnect()


@pytest.mark.parametrize("name", ["José.Müller@schule.de", "李雷", "O'Brien"])
def test_names_as_people_have_them(school, join, name):
    """Names with accents, apostrophes, an @ or in Chinese: sign in, save, run, and see the file in the own folder."""
    person = join(name)
    assert person.hello["person"]["name"] == name
    run = person.run("print('Grüße', __file__)", name="übung 1.py")
    run.expect("Grüße /home/")
    run.wait_state("repl", "ended")
    assert person.read("übung 1.py").startswith("print(")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"name": 1, "password": 2}', b'{"name": "ada"}', b"\xff\xfe", b"[" * 5000, b"x" * 70000],
)
def test_a_malformed_sign_in(school, body):
    answer = Session(school.address).http("POST", "/api/sign-in", body)
    assert 400 <= answer.status < 500, answer
    assert set(answer.json) == {"code", "message"}


def test_a_name_typed_with_other_accents_is_the_same_name(school):
    """A Mac types an é as two characters, an account list has it as one."""
    import unicodedata

    name = "José.Müller@schule.de"
    session = Session(school.address)
    session.sign_in(unicodedata.normalize("NFD", name), password_of(name))
    assert session.person["name"] == name


def test_hello_tells_who_and_where(school, join):
    ada, teacher = join("ada"), join(TEACHER)
    assert ada.hello["protocol"] == "carrel.1"
    assert ada.hello["class"]["slug"] == CLASS
    assert ada.folder in [root["path"] for root in ada.hello["roots"]]
    assert teacher.hello["person"]["role"] == "teacher"
    assert json.dumps(ada.hello).count("password") == 0
    assert STUDENTS[1] not in json.dumps(ada.hello)


def test_too_many_tries_are_slowed_down(school):
    """A program tries passwords of one account. It is told to wait; the owner, elsewhere signed in, is not troubled."""
    session = Session(school.address)
    statuses = []
    for _ in range(40):
        answer = session.http("POST", "/api/sign-in", {"name": "zoe", "password": "a guess"})
        statuses.append(answer.status)
        if answer.status == 429:
            assert int(answer.headers["Retry-After"]) >= 1
            break
    assert statuses[-1] == 429, statuses
    assert school.session("ada").http("GET", "/api/session").status == 200
    Person(school.address, "ben", password_of("ben")).disconnect()
