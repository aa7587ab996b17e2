"""A client of Carrel, written from docs/protocol.md alone: what a page does, in Python.

Asynchronous at heart (Connection, Run), for many clients at once; Person is the same for a test that does one thing
after another. Every message that arrives is held against the protocol's description, every output frame against the
offsets of those before it.
"""

import asyncio
import concurrent.futures
import dataclasses
import http.client
import json
import struct
import threading
import time
import urllib.parse

import websockets

from protocol import Protocol

PROTOCOL = Protocol()
FRAME_HEAD = struct.Struct(">BQQ")
ACKNOWLEDGE_EACH = PROTOCOL.limits["window"] // 8
PATIENCE = 20.0


class Refused(Exception):
    """An error message of the server's, or a request over HTTP that did not succeed."""

    def __init__(self, code, message, field=None):
        super().__init__(f"{code}: {message}" + (f" ({field})" if field else ""))
        self.code, self.message, self.field = code, message, field


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Session:
    """A person's cookie, and HTTP with it."""

    def __init__(self, address):
        self.address = address  # "host:port"
        self.cookie = None
        self.person = None
        self.classes = []

    def http(self, method, path, body=None, headers=None, origin=True):
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        all_headers = {}
        if origin:
            all_headers["Origin"] = f"http://{self.address}"
        if self.cookie:
            all_headers["Cookie"] = f"carrel_session={self.cookie}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            all_headers["Content-Type"] = "application/json"
        all_headers.update(headers or {})
        try:
            connection.request(method, path, body=body, headers=all_headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def sign_in(self, name, password):
        answer = self.http("POST", "/api/sign-in", {"name": name, "password": password})
        if answer.status != 200:
            raise Refused(answer.json["code"], answer.json["message"])
        self.cookie = cookie_value(answer.headers["Set-Cookie"])
        self.person, self.classes = answer.json["person"], answer.json["classes"]
        return answer

    def sign_out(self):
        return self.http("POST", "/api/sign-out")

    def download(self, class_slug, path):
        return self.http("GET", files_address(class_slug, path))

    def upload(self, class_slug, path, body, overwrite=False):
        return self.http("PUT", files_address(class_slug, path) + ("?overwrite=1" if overwrite else ""), body)


def cookie_value(header):
    name, _, rest = header.partition("=")
    assert name == "carrel_session", header
    return rest.partition(";")[0]


def files_address(class_slug, path):
    return f"/c/{class_slug}/files/" + "/".join(urllib.parse.quote(name, safe="") for name in path.split("/"))


class Run:
    """One run as one client sees it: its output, without a gap or an overlap, and its latest state."""

    def __init__(self, connection, number, start=0):
        self.connection = connection
        self.number = number
        self.start = start  # offset of the first byte in `output`
        self.output = bytearray()
        self.info = None
        self.states = []
        self.skipped = []
        self.acknowledging = True
        self.acknowledged = start
        self.first_byte_at = None
        self._cursor = 0  # where expect() goes on, an index into `output`

    @property
    def next(self):
        return self.start + len(self.output)

    @property
    def text(self):
        return self.output.decode("utf-8", "replace")

    @property
    def unread(self):
        return self.output[self._cursor :].decode("utf-8", "replace")

    @property
    def state(self):
        return self.info["state"] if self.info else None

    def take(self, offset, data):
        if offset != self.next:
            raise AssertionError(f"run {self.number}: a frame at {offset}, but {self.next} comes next")
        if self.first_byte_at is None and data:
            self.first_byte_at = time.perf_counter()
        self.output += data

    def skip(self, begin, end):
        if begin != self.next:
            raise AssertionError(f"run {self.number}: skipped from {begin}, but {self.next} comes next")
        self.skipped.append((begin, end))
        self.start, self.output, self._cursor = end, bytearray(), 0

    def take_info(self, info):
        if not self.states or self.states[-1] != info["state"]:
            self.states.append(info["state"])
        self.info = info

    async def acknowledge(self):
        self.acknowledged = self.next
        await self.connection.tell("run.acknowledge", run=self.number, offset=self.next)

    async def type(self, text):
        data = text.encode() if isinstance(text, str) else text
        await self.connection.send_binary(PROTOCOL.kinds["input"], self.number, data)

    async def expect(self, text, timeout=PATIENCE):
        """Waits until the text stands in the output after what was expected before; returns what came before it."""
        wanted = text.encode() if isinstance(text, str) else text

        def found():
            return self.output.find(wanted, self._cursor)

        await self.connection.until(lambda: found() >= 0, timeout, lambda: f"{text!r} in {self.unread!r} ({self.info})")
        at = found()
        before = self.output[self._cursor : at].decode("utf-8", "replace")
        self._cursor = at + len(wanted)
        return before

    async def wait_state(self, *states, timeout=PATIENCE):
        await self.connection.until(
            lambda: self.state in states, timeout, lambda: f"{states}, not {self.info}; output {self.unread[-2000:]!r}"
        )
        return self.info

    async def wait_end(self, timeout=PATIENCE):
        """Until it has ended and all its output is here."""
        info = await self.wait_state("ended", timeout=timeout)
        await self.connection.until(
            lambda: self.next >= self.info["next"], timeout, lambda: f"output up to {info['next']}, at {self.next}"
        )
        return self.info

    async def resize(self, columns, rows):
        await self.connection.request("run.resize", run=self.number, columns=columns, rows=rows)

    async def stop(self):
        await self.connection.request("run.stop", run=self.number)

    async def close(self):
        """Until it is gone: before that it still counts among those that an account may have open."""
        await self.connection.request("run.close", run=self.number)
        gone = self.connection.gone
        await self.connection.until(lambda: self.number in gone, PATIENCE, lambda: f"the end of run {self.number}")

    async def detach(self):
        await self.connection.request("run.detach", run=self.number)


class Connection:
    """One socket. A reader task takes what comes; what waits for something is woken at every message."""

    def __init__(self):
        self.hello = None
        self.runs = {}
        self.events = []  # all but hello, reply and run.state
        self.gone = set()
        self.failure = None
        self.close_code = None
        self._replies = {}
        self._last_id = 0
        self._news = asyncio.Event()

    @classmethod
    async def open(cls, session, class_slug, origin=None, subprotocol="carrel.1"):
        self = cls()
        headers = {"Cookie": f"carrel_session={session.cookie}"} if session.cookie else {}
        self.socket = await websockets.connect(
            f"ws://{session.address}/c/{class_slug}/socket",
            subprotocols=[subprotocol],
            origin=origin or f"http://{session.address}",
            extra_headers=headers,
            compression=None,
            ping_interval=None,
            max_size=PROTOCOL.limits["message"],
            max_queue=None,
        )
        self._reader = asyncio.ensure_future(self._read())
        await self.until(lambda: self.hello is not None, PATIENCE, lambda: "hello")
        return self

    async def close(self):
        await self.socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def closed(self):
        """Until the server has closed the socket."""
        await asyncio.gather(self._reader, return_exceptions=True)
        return self.close_code

    async def until(self, condition, timeout, what):
        """Returns when the condition holds. What breaks the protocol meanwhile fails whoever waits."""
        end = time.monotonic() + timeout
        while True:
            if self.failure:
                raise self.failure
            if condition():
                return
            if self.close_code is not None:
                raise AssertionError(f"the socket was closed with {self.close_code} while waiting for {what()}")
            self._news.clear()
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"waited {timeout} s in vain for {what()}")
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except asyncio.TimeoutError:
                pass

    async def request(self, type, timeout=PATIENCE, **fields):
        reply = asyncio.get_running_loop().create_future()
        self._last_id += 1
        identifier = self._last_id
        self._replies[identifier] = (type, reply)
        await self.socket.send(json.dumps({"type": type, "id": identifier, **fields}))
        await self.until(reply.done, timeout, lambda: f"the reply to {type} {str(fields)[:200]}")
        return reply.result()

    async def tell(self, type, **fields):
        """A request that has no answer."""
        await self.socket.send(json.dumps({"type": type, "id": 0, **fields}))

    async def send_text(self, text):
        await self.socket.send(text)

    async def send_binary(self, kind, run, data):
        for begin in range(0, len(data), PROTOCOL.limits["frame"]):
            part = data[begin : begin + PROTOCOL.limits["frame"]]
            await self.socket.send(FRAME_HEAD.pack(kind, run, 0) + part)

    async def start(self, path=None, columns=80, rows=24, **fields):
        if path is not None:
            fields["path"] = path
        reply = await self.request("run.start", columns=columns, rows=rows, **fields)
        run = self.run(reply["run"]["run"])
        if run.info is None:
            run.take_info(reply["run"])
        run.version = reply.get("version")
        return run

    async def attach(self, number, from_offset=0):
        """Output frames may follow the reply at once, so where they begin is set by whoever reads it (_take_reply)."""
        await self.request("run.attach", run=number, **{"from": from_offset})
        return self.runs[number]

    def run(self, number):
        if number not in self.runs:
            self.runs[number] = Run(self, number)
        return self.runs[number]

    async def _read(self):
        try:
            async for message in self.socket:
                if isinstance(message, bytes):
                    await self._take_binary(message)
                else:
                    self._take_text(json.loads(message))
                self._news.set()
        except websockets.ConnectionClosed:
            pass
        except Exception as error:  # told to whoever waits, in until()
            self.failure = error
        self.close_code = self.socket.close_code or 0
        self._news.set()

    async def _take_binary(self, message):
        kind, number, offset = FRAME_HEAD.unpack_from(message)
        data = message[FRAME_HEAD.size :]
        assert kind == PROTOCOL.kinds["output"], f"a binary frame of kind {kind}"
        assert 0 < len(data) <= PROTOCOL.limits["frame"], f"a binary frame of {len(data)} bytes"
        run = self.run(number)
        run.take(offset, data)
        assert run.next - run.acknowledged <= PROTOCOL.limits["window"], "more than a window ahead"
        if run.acknowledging and run.next - run.acknowledged >= ACKNOWLEDGE_EACH:
            await run.acknowledge()

    def _take_text(self, message):
        type_name = message.get("type")
        request_type, reply = None, None
        if type_name in ("reply", "error") and message.get("id") in self._replies:
            request_type, reply = self._replies.pop(message["id"])
        PROTOCOL.check_event(message, request_type)
        if self.hello is None:
            assert type_name == "hello", f"the first message was {message!r}"
        if type_name == "hello":
            self.hello = message
        elif reply is not None:
            self._take_reply(request_type, reply, message)
        else:
            self._take_event(type_name, message)

    def _take_reply(self, request_type, reply, message):
        if message["type"] == "error":
            if not reply.done():
                reply.set_exception(Refused(message["code"], message["message"], message.get("field")))
            return
        if request_type == "run.attach":
            self._begin_at(message["run"], message["from"])
        if not reply.done():
            reply.set_result(message)

    def _begin_at(self, info, offset):
        run = self.run(info["run"])
        if run.next != offset:
            run.start, run.output, run._cursor = offset, bytearray(), 0
        run.acknowledged = offset
        run.take_info(info)

    def _take_event(self, type_name, message):
        if type_name == "run.state":
            self.run(message["run"]["run"]).take_info(message["run"])
            return
        if type_name == "run.skipped":
            self.run(message["run"]).skip(message["from"], message["to"])
        if type_name == "run.gone":
            self.gone.add(message["run"])
        self.events.append(message)


class Loop:
    """The event loop of all Persons, in a thread of its own."""

    _loop = None

    @classmethod
    def call(cls, coroutine, timeout=120):
        if cls._loop is None:
            cls._loop = asyncio.new_event_loop()
            threading.Thread(target=cls._loop.run_forever, daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(coroutine, cls._loop)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise AssertionError(f"no answer within {timeout} s") from None


class Terminal:
    """A Run whose coroutines are called as functions."""

    def __init__(self, run):
        self._run = run

    def __getattr__(self, name):
        value = getattr(self._run, name)
        if not asyncio.iscoroutinefunction(value):
            return value
        return lambda *arguments, **fields: Loop.call(value(*arguments, **fields))

    def hold(self):
        """Acknowledges nothing more, as a page that cannot keep up."""
        self._run.acknowledging = False


class Person:
    """Somebody signed in, with one socket in one class, for tests that do one thing after another."""

    def __init__(self, address, name, password, class_slug="demo"):
        self.session = Session(address)
        self.session.sign_in(name, password)
        self.class_slug = class_slug
        self.connection = None
        self.connect()

    def connect(self):
        self.connection = Loop.call(Connection.open(self.session, self.class_slug))
        return self

    def disconnect(self):
        if self.connection:
            Loop.call(self.connection.close())
            self.connection = None

    @property
    def hello(self):
        return self.connection.hello

    @property
    def folder(self):
        return "Local/" + self.hello["person"]["folder"]

    def request(self, type, **fields):
        return Loop.call(self.connection.request(type, **fields))

    def refused(self, type, **fields):
        """The code with which a request is refused."""
        try:
            reply = self.request(type, **fields)
        except Refused as refusal:
            return refusal.code
        raise AssertionError(f"{type} {fields} was not refused: {reply}")

    def save(self, name, text, overwrite=True):
        path = f"{self.folder}/{name}"
        self.request("file.save", path=path, text=text, overwrite=overwrite)
        return path

    def read(self, name):
        return self.request("file.open", path=f"{self.folder}/{name}")["text"]

    def start(self, path=None, **fields):
        return Terminal(Loop.call(self.connection.start(path, **fields)))

    def run(self, text, name="program.py", **fields):
        """Runs exactly this text, as a page does when one presses Run."""
        return self.start(f"{self.folder}/{name}", text=text, overwrite=True, **fields)

    def attach(self, number, from_offset=0):
        return Terminal(Loop.call(self.connection.attach(number, from_offset)))

    def terminal(self, number):
        return Terminal(self.connection.run(number))

    def wait(self, condition, timeout=PATIENCE, what="something"):
        Loop.call(self.connection.until(condition, timeout, lambda: what))

    def download(self, path):
        return self.session.download(self.class_slug, path)

    def upload(self, path, body, overwrite=False):
        return self.session.upload(self.class_slug, path, body, overwrite)
