"""What a client must not send, and what it gets for it: an error that names what is wrong, on a connection that lives."""

import asyncio
import errno

import pytest

from carrel import FRAME_HEAD, PROTOCOL, Connection, Loop, Refused

# what is sent, the code, and the field that the error names (None: any)
MALFORMED = [
    ("", "malformed", None),
    ("x", "malformed", None),
    ("{", "malformed", None),
    ("[]", "malformed", None),
    ("null", "malformed", None),
    ("{}", "malformed", None),
    ('{"type": "tree.list", "path": ""}', "malformed", "id"),
    ('{"type": "tree.list", "id": "1", "path": ""}', "malformed", "id"),
    ('{"type": "tree.list", "id": -1, "path": ""}', "malformed", "id"),
    ('{"type": "tree.list", "id": 1.5, "path": ""}', "malformed", "id"),
    ('{"type": "tree.list", "id": 1e400, "path": ""}', "malformed", None),
    ('{"type": "tree.list", "id": 9007199254740992, "path": ""}', "malformed", "id"),
    ('{"type": "tree.list", "id": 1}', "malformed", "path"),
    ('{"type": "tree.list", "id": 1, "path": null}', "malformed", "path"),
    ('{"type": "tree.list", "id": 1, "path": 5}', "malformed", "path"),
    ('{"type": "tree.list", "id": 1, "path": ["a"]}', "malformed", "path"),
    ('{"type": "tree.list", "id": 1, "path": "a//b"}', "invalid-name", "path"),
    ('{"type": "tree.list", "id": 1, "path": "../x"}', "invalid-name", "path"),
    ('{"type": "tree.list", "id": 1, "path": "a\\u0000b"}', "malformed", None),
    ('{"type": "tree.list", "id": 1, "path": "\\ud800"}', "malformed", None),
    ('{"type": "tree.list", "id": 1, "path": "%s"}' % ("x" * 1025), "malformed", "path"),
    ('{"type": "tree.list", "id": 1, "path": "", "colour": 1}', "malformed", "colour"),
    ('{"type": "tree.list", "id": 1, "path": "", "path": "a"}', "malformed", None),
    ('{"type": "no.such.thing", "id": 1}', "unknown-type", "type"),
    ('{"type": "hello", "id": 1}', "unknown-type", "type"),
    ('{"type": 5, "id": 1}', "malformed", "type"),
    ('{"id": 1}', "malformed", "type"),
    ('{"type": "file.save", "id": 1, "path": "Local/ada/x"}', "malformed", "text"),
    ('{"type": "file.save", "id": 1, "path": "Local/ada/x", "text": "", "overwrite": 1}', "malformed", "overwrite"),
    ('{"type": "run.start", "id": 1, "columns": 0, "rows": 24}', "malformed", "columns"),
    ('{"type": "run.start", "id": 1, "columns": 1001, "rows": 24}', "malformed", "columns"),
    ('{"type": "run.start", "id": 1, "columns": 80, "rows": "24"}', "malformed", "rows"),
    ('{"type": "run.start", "id": 1, "columns": 80, "rows": 24, "arguments": "x"}', "malformed", "arguments"),
    ('{"type": "run.start", "id": 1, "columns": 80, "rows": 24, "arguments": [1]}', "malformed", None),
    ('{"type": "run.stop", "id": 1, "run": 0}', "malformed", "run"),
    ('{"type": "run.stop", "id": 1, "run": 9007199254740991}', "not-found", None),
    ('{"type": "run.attach", "id": 1, "run": 9007199254740991, "from": 0}', "not-found", None),
    ('{"type": "run.attach", "id": 1, "run": 1, "from": -1}', "malformed", "from"),
    ("[" * 3000 + "]" * 3000, "malformed", None),
    ('{"a":' * 3000 + "1" + "}" * 3000, "malformed", None),
]


@pytest.mark.parametrize("text, code, field", MALFORMED)
def test_a_malformed_message(ada, text, code, field):
    """A client with a mistake in it is told where the mistake is, in words, and may go on."""
    had = len(ada.connection.events)
    Loop.call(ada.connection.send_text(text))
    ada.wait(lambda: len(ada.connection.events) > had, what=f"an answer to {text[:80]}")
    error = ada.connection.events[-1]
    assert (error["type"], error["code"]) == ("error", code), error
    assert len(error["message"]) > 5
    if field is not None:
        assert error.get("field") == field, error
    assert ada.request("tree.list", path="")["path"] == ""


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x02",
        b"\x02" + bytes(15),
        b"\x01" + bytes(16) + b"x",
        b"\x09" + bytes(16) + b"x",
        FRAME_HEAD.pack(2, 2**53 - 1, 0) + b"x",
        FRAME_HEAD.pack(2, 2**64 - 1, 2**64 - 1) + b"x",
        FRAME_HEAD.pack(2, 0, 0),
    ],
)
def test_a_malformed_binary_frame(ada, frame):
    Loop.call(ada.connection.socket.send(frame))
    assert ada.request("tree.list", path="")["path"] == ""


def close_code(person, action):
    connection = Loop.call(Connection.open(person.session, person.class_slug))

    async def act():
        try:
            await action(connection.socket)
        except ConnectionError:
            pass
        return await connection.closed()

    return Loop.call(act())


def test_frames_over_the_limits_close_the_socket(ada):
    async def long_text(socket):
        await socket.send('{"x": "' + "x" * PROTOCOL.limits["message"] + '"}')

    async def long_binary(socket):
        await socket.send(FRAME_HEAD.pack(2, 1, 0) + b"x" * (PROTOCOL.limits["frame"] + 1))

    assert close_code(ada, long_text) == 1009
    assert close_code(ada, long_binary) == 1009


def test_a_message_of_just_the_limit_is_read(ada):
    ada.request("file.save", path=f"{ada.folder}/x", text="x" * PROTOCOL.types["text"]["maximum"])
    assert ada.refused("file.save", path=f"{ada.folder}/y", text="x" * (PROTOCOL.types["text"]["maximum"] + 1))
    entries = ada.request("tree.list", path=ada.folder)["entries"]
    assert [(entry["name"], entry["size"]) for entry in entries] == [("x", PROTOCOL.types["text"]["maximum"])]


def test_broken_websocket_closes_the_socket(ada):
    async def unknown_opcode(socket):
        socket.transport.write(b"\x83\x80\0\0\0\0")

    async def unmasked(socket):
        socket.transport.write(b"\x81\x02{}")

    async def invalid_utf8(socket):
        socket.transport.write(b"\x81\x82\0\0\0\0\xff\xfe")

    assert close_code(ada, unknown_opcode) == 1002
    assert close_code(ada, unmasked) == 1002
    assert close_code(ada, invalid_utf8) == 1007


def test_the_subprotocol_is_answered(ada):
    assert ada.connection.socket.subprotocol == "carrel.1"


def test_ping_is_answered(ada):
    async def ping():
        await (await ada.connection.socket.ping(b"are you there"))

    Loop.call(ping(), timeout=5)


def test_answers_may_come_in_any_order_each_with_its_number(ada):
    async def ask_many():
        paths = ["", "Local", "Lecture Notes", "Assignments", "Tests", ada.folder] * 5
        replies = await asyncio.gather(*(ada.connection.request("tree.list", path=path) for path in paths))
        assert [reply["path"] for reply in replies] == paths

    Loop.call(ask_many())


def test_a_flood_of_requests_is_answered_each(ada):
    """A client with a loop too many in it: some requests are refused as "busy", none is forgotten."""

    async def ask_many():
        requests = (ada.connection.request("tree.list", path="") for _ in range(500))
        return await asyncio.gather(*requests, return_exceptions=True)

    answers = Loop.call(ask_many())
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert {answer.code for answer in refused} <= {"busy"}
    assert len([a for a in answers if isinstance(a, dict)]) + len(refused) == 500
    assert ada.request("tree.list", path="")["path"] == ""


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /api/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(2000)) + b"\r\n",
    ],
)
def test_hostile_http(school, request_text):
    """Not a browser at all: the server answers, hangs up or waits for more, and serves the next."""
    import socket

    host, port = school.address.split(":")
    with socket.create_connection((host, int(port)), timeout=2) as raw:
        try:
            raw.sendall(request_text)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass
        except (ConnectionError, TimeoutError):
            pass
        except OSError as error:
            assert error.errno == errno.ENOTCONN, error
    assert school.session("ada").http("GET", "/healthz").status == 200


def test_the_page_and_its_headers(school):
    """The page is there, may load nothing from elsewhere, and may not be framed."""
    answer = school.session("ada").http("GET", "/")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy or "default-src 'none'" in policy
    assert "unsafe-eval" not in policy and "frame-ancestors" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_is_sent_compressed(school):
    session = school.session("ada")
    plain = session.http("GET", "/")
    script = [word for word in plain.body.decode().split('"') if word.endswith(".js")][0]
    script = "/" + script.lstrip("./")
    small = session.http("GET", script, headers={"Accept-Encoding": "br, gzip"})
    large = session.http("GET", script)
    assert small.headers["Content-Encoding"] in ("br", "gzip") and len(small.body) < len(large.body)
    assert "immutable" in large.headers["Cache-Control"]
