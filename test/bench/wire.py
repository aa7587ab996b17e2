"""A WebSocket client as thin as Python allows, so that a measurement is of the server and not of its client.

Blocking sockets, no event loop, frames taken apart by hand. It trusts the server: whether what arrives is right is what
test/system asks, with test/client/carrel.py."""

import json
import os
import select
import socket
import struct
import time

OUTPUT_HEAD = struct.Struct(">BQQ")
OUTPUT, INPUT = 1, 2
ACKNOWLEDGE_EACH = 64 << 10


def frame(opcode, payload):
    """Masked, as a client's must be, with a mask of zeros: the text stays as it is."""
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, 0x80 | size]) + bytes(4) + payload
    if size < 65536:
        return bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2, "big") + bytes(4) + payload
    return bytes([0x80 | opcode, 0x80 | 127]) + size.to_bytes(8, "big") + bytes(4) + payload


class Wire:
    def __init__(self, session, class_slug):
        host, _, port = session.address.partition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(60)
        self.socket.sendall(
            f"GET /c/{class_slug}/socket HTTP/1.1\r\nHost: {session.address}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: carrel.1\r\nOrigin: http://{session.address}\r\n"
            f"Cookie: carrel_session={session.cookie}\r\n\r\n".encode()
        )
        self.pending = bytearray()
        while b"\r\n\r\n" not in self.pending:
            self._read()
        head, _, rest = bytes(self.pending).partition(b"\r\n\r\n")
        assert b" 101 " in head.split(b"\r\n")[0], head
        self.pending = bytearray(rest)
        self.last_id = 0
        self.events = []  # what came while something else was waited for
        self.output = {}  # run: all its bytes
        self.acknowledged = {}
        self.keep_output = True
        self.received = 0
        self.hello = self.until("hello")
        self.folder = "Local/" + self.hello["person"]["folder"]

    def close(self):
        self.socket.close()

    def _read(self):
        more = self.socket.recv(262144)
        assert more, "the server has closed the socket"
        self.pending += more

    def _frames(self):
        """Takes whole frames out of what has come: (opcode, payload)."""
        pending, at = self.pending, 0
        while len(pending) - at >= 2:
            size, begin = pending[at + 1], at + 2
            if size == 126:
                size, begin = int.from_bytes(pending[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, begin = int.from_bytes(pending[at + 2 : at + 10], "big"), at + 10
            if len(pending) < begin + size:
                break
            opcode = pending[at] & 15
            at = begin + size
            yield opcode, bytes(pending[begin:at])
        del pending[:at]

    def poll(self, wait=True):
        """What has come: ("output", run, bytes) or ("message", object)."""
        frames = list(self._frames())
        if not frames and (wait or select.select([self.socket], [], [], 0)[0]):
            self._read()
            frames = list(self._frames())
        news = []
        for opcode, payload in frames:
            if opcode == 2:
                _, run, offset = OUTPUT_HEAD.unpack_from(payload)
                data = payload[OUTPUT_HEAD.size :]
                self._take(run, offset, data)
                news.append(("output", run, data))
            elif opcode == 1:
                news.append(("message", json.loads(payload), None))
            elif opcode == 9:
                self.socket.sendall(frame(10, payload))
            elif opcode == 8:
                raise AssertionError(f"the server says good-bye: {payload}")
        return news

    def poll_now(self):
        """The same of what is there already."""
        return self.poll(wait=False)

    def _take(self, run, offset, data):
        self.received += len(data)
        end = offset + len(data)
        if self.keep_output:
            self.output.setdefault(run, bytearray()).extend(data)
        if end - self.acknowledged.get(run, 0) >= ACKNOWLEDGE_EACH:
            self.acknowledged[run] = end
            self.tell("run.acknowledge", run=run, offset=end)

    def tell(self, type, **fields):
        self.socket.sendall(frame(1, json.dumps({"type": type, "id": 0, **fields}).encode()))

    def type(self, run, text):
        self.socket.sendall(frame(2, OUTPUT_HEAD.pack(INPUT, run, 0) + text.encode()))

    def request_frame(self, type, **fields):
        self.last_id += 1
        return self.last_id, frame(1, json.dumps({"type": type, "id": self.last_id, **fields}).encode())

    def reply(self, identifier):
        """The answer to one request; what comes beside it is kept in `events`."""
        answer = None
        while answer is None:
            for news in self.poll():
                kind, message, _ = news
                if kind == "message" and message.get("id") == identifier and message["type"] in ("reply", "error"):
                    answer = message
                else:
                    self.events.append(news)
        assert answer["type"] == "reply", answer
        return answer

    def request(self, type, **fields):
        identifier, request = self.request_frame(type, **fields)
        self.socket.sendall(request)
        return self.reply(identifier)

    def until(self, type, condition=lambda message: True):
        """The first message of this type that fits, among those that came and those that come."""
        while True:
            while self.events:
                kind, message, _ = self.events.pop(0)
                if kind == "message" and message["type"] == type and condition(message):
                    return message
            self.events += self.poll()

    def save(self, name, text):
        path = f"{self.folder}/{name}"
        self.request("file.save", path=path, text=text, overwrite=True)
        return path

    def start(self, path=None, **fields):
        if path:
            fields["path"] = path
        return self.request("run.start", columns=80, rows=24, **fields)["run"]["run"]

    def expect(self, run, text):
        """Until the run has printed this."""
        while text.encode() not in self.output.get(run, b""):
            self.events += self.poll()

    def press_run(self, path, **fields):
        """(run, seconds until the first byte of its output)."""
        identifier, request = self.request_frame("run.start", path=path, columns=80, rows=24, **fields)
        started = time.perf_counter()
        self.socket.sendall(request)
        while True:
            news = self.poll()
            now = time.perf_counter()
            self.events += news
            for kind, what, _ in news:
                if kind == "output":
                    return what, now - started
                assert what["type"] != "error", what

    def close_run(self, run):
        self.tell_close(run)
        self.until("run.gone", lambda message: message["run"] == run)
        self.output.pop(run, None)

    def tell_close(self, run):
        self.request("run.close", run=run)


def first_bytes(wires, requests):
    """Sends to all in one moment; seconds until the first output byte of each, in the order of the wires."""
    poller = select.epoll()
    at = {}
    for wire in wires:
        poller.register(wire.socket.fileno(), select.EPOLLIN)
        at[wire.socket.fileno()] = wire
    seconds = {}
    started = time.perf_counter()
    for wire, request in zip(wires, requests):
        wire.socket.sendall(request)
    while len(seconds) < len(wires):
        ready = poller.poll(60)
        assert ready, f"{len(wires) - len(seconds)} programs show nothing"
        for number, _ in ready:
            wire = at[number]
            news = wire.poll()
            now = time.perf_counter()
            wire.events += news
            for kind, message, _ in news:
                if kind == "output" and number not in seconds:
                    seconds[number] = now - started
                elif kind == "message" and message["type"] == "error":
                    raise AssertionError(f"refused: {message}")
    poller.close()
    return [seconds[wire.socket.fileno()] for wire in wires]
