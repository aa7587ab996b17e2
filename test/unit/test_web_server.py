#!/usr/bin/python3
"""Drives web_harness: a real web server over HTTP and WebSocket, as a page would and as one should not.

usage: test_web_server.py HARNESS"""
import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

try:
    import requests
    import websockets
except ImportError as missing:
    print(f"skipped: {missing} (Debian: python3-requests python3-websockets)")
    sys.exit(77)

HARNESS = sys.argv.pop(1) if len(sys.argv) > 1 else "web_harness"
PAGE = "<!doctype html><title>Carrel</title>"


class Harness:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="carrel-web-")
        os.chmod(self.folder.name, 0o755)
        data = Path(self.folder.name, "data")
        data.mkdir(mode=0o755)
        page = Path(self.folder.name, "page")
        (page / "assets").mkdir(parents=True)
        (page / "index.html").write_text(PAGE)
        (page / "index.html.br").write_bytes(b"brotli")
        (page / "assets" / "main-1234.js").write_text("let a = 1;")
        (page / "assets" / "main-1234.js.gz").write_bytes(b"gzip")
        self.log = open(Path(self.folder.name, "log"), "w+")
        self.process = subprocess.Popen(
            [HARNESS, str(data), str(page)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log
        )
        self.port = int(self.process.stdout.readline())
        self.web = int(self.process.stdout.readline())
        self.host = f"127.0.0.1:{self.port}"
        self.address = f"http://{self.host}"

    def log_text(self):
        self.log.flush()
        return Path(self.log.name).read_text()

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(20)
        self.process.stdout.close()
        self.log.close()
        return status


harness = None
sessions = {}


def setUpModule():
    global harness
    harness = Harness()


def tearDownModule():
    log = harness.log_text()
    status = harness.close()
    assert status == 0, f"the web server ended with {status}\n{harness_log(log)}"
    assert "own-message" not in log, log
    harness.folder.cleanup()


def harness_log(log):
    return log[-8000:]


def post(path, body, cookie=None, origin=True, **more):
    headers = {"Origin": harness.address} if origin is True else {"Origin": origin} if origin else {}
    cookies = {"carrel_session": cookie} if cookie else {}
    return requests.post(harness.address + path, json=body, headers=headers, cookies=cookies, timeout=10, **more)


def sign_in(name, fresh=False):
    if name in sessions and not fresh:
        return sessions[name]
    answer = post("/api/sign-in", {"name": name, "password": f"{name}'s password"})
    assert answer.status_code == 200, answer.text
    token = answer.cookies["carrel_session"]
    if not fresh:
        sessions[name] = token
    return token


def get(path, cookie=None, headers=None, **more):
    cookies = {"carrel_session": cookie} if cookie else {}
    return requests.get(harness.address + path, cookies=cookies, headers=headers, timeout=10, **more)


def put(path, data, cookie, origin=True):
    return requests.put(
        harness.address + path,
        data=data,
        headers={"Origin": harness.address} if origin else {},
        cookies={"carrel_session": cookie},
        timeout=30,
    )


class Page:
    """One WebSocket."""

    def __init__(self, socket):
        self.socket = socket
        self.next_id = 0
        self.events = []
        self.output = {}
        self.replies = {}
        self.reader = asyncio.ensure_future(self.read())

    async def read(self):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in self.socket:
                if isinstance(message, bytes):
                    kind, run, offset = struct.unpack(">BQQ", message[:17])
                    assert kind == 1
                    assert offset == len(self.output.get(run, b"")), "a hole in the output"
                    self.output[run] = self.output.get(run, b"") + message[17:]
                    continue
                message = json.loads(message)
                if message["type"] in ("reply", "error") and "id" in message:
                    self.replies[message["id"]] = message
                else:
                    self.events.append(message)

    async def until(self, condition, seconds=5):
        end = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"in vain; events {self.events}, replies {self.replies}, output {self.output}")
            await asyncio.sleep(0.002)
        return found

    async def ask(self, type, **fields):
        self.next_id += 1
        number = self.next_id
        await self.socket.send(json.dumps({"type": type, "id": number, **fields}, ensure_ascii=False))
        return await self.until(lambda: self.replies.pop(number, None))

    async def event(self, type, **fields):
        def find():
            for event in self.events:
                if event["type"] == type and all(event.get(key) == value for key, value in fields.items()):
                    self.events.remove(event)
                    return event

        return await self.until(find)

    async def type(self, run, text):
        await self.socket.send(struct.pack(">BQQ", 2, run, 0) + text)


@contextlib.asynccontextmanager
async def page_of(name, cookie=None, slug="py1"):
    socket = await websockets.connect(
        f"ws://{harness.host}/c/{slug}/socket",
        subprotocols=["carrel.1"],
        origin=harness.address,
        extra_headers={"Cookie": f"carrel_session={cookie or sign_in(name)}"},
        max_size=None,
        compression=None,
        close_timeout=1,
    )
    page = Page(socket)
    try:
        page.hello = await page.event("hello")
        yield page
    finally:
        page.reader.cancel()
        await socket.close()


class Http(unittest.TestCase):
    def test_health(self):
        answer = get("/healthz")
        self.assertEqual((answer.status_code, answer.text), (200, "ok"))

    def test_page_is_negotiated(self):
        plain = get("/", headers={"Accept-Encoding": "identity"})
        self.assertEqual(plain.text, PAGE)
        self.assertEqual(plain.headers["Cache-Control"], "no-cache")
        self.assertIn("script-src 'self'", plain.headers["Content-Security-Policy"])
        for name, value in {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Vary": "Accept-Encoding",
        }.items():
            self.assertEqual(plain.headers[name], value)
        brotli = get("/c/py1/anything", headers={"Accept-Encoding": "gzip, br"}, stream=True)
        self.assertEqual(brotli.headers["Content-Encoding"], "br")
        self.assertEqual(brotli.raw.read(), b"brotli")
        self.assertNotEqual(plain.headers["ETag"], brotli.headers["ETag"])
        again = get("/", headers={"Accept-Encoding": "identity", "If-None-Match": plain.headers["ETag"]})
        self.assertEqual((again.status_code, again.content), (304, b""))
        script = get("/assets/main-1234.js", headers={"Accept-Encoding": "br"})
        self.assertIn("immutable", script.headers["Cache-Control"])
        self.assertEqual(script.text, "let a = 1;")
        self.assertEqual(get("/assets/none.js").status_code, 404)
        self.assertEqual(get("/index.html.br").status_code, 404)
        self.assertEqual(requests.head(harness.address + "/").status_code, 200)

    def test_signing_in_and_out(self):
        wrong = post("/api/sign-in", {"name": "ada", "password": "wrong"})
        unknown = post("/api/sign-in", {"name": "nobody", "password": "wrong"})
        self.assertEqual((wrong.status_code, wrong.json()), (unknown.status_code, unknown.json()))
        self.assertEqual((wrong.status_code, wrong.json()["code"]), (401, "refused"))
        answer = post("/api/sign-in", {"name": "eve", "password": "eve's password"})
        self.assertIn("HttpOnly", answer.headers["Set-Cookie"])
        self.assertIn("SameSite=Lax", answer.headers["Set-Cookie"])
        self.assertEqual(answer.json()["classes"], [])
        token = answer.cookies["carrel_session"]
        self.assertEqual(get("/api/session", token).json(), answer.json())
        self.assertEqual(post("/api/sign-out", {}, token).status_code, 204)
        self.assertEqual(get("/api/session", token).status_code, 401)
        self.assertEqual(get("/api/session").status_code, 401)

    def test_foreign_origin_is_refused(self):
        body = {"name": "ada", "password": "ada's password"}
        for origin in (None, "http://evil.example", "null", f"http://{harness.host}.evil.example"):
            self.assertEqual(post("/api/sign-in", body, origin=origin).status_code, 403, origin)
        self.assertEqual(put("/c/py1/files/Local/ada/x.py", b"", sign_in("ada"), origin=False).status_code, 403)

    def test_malformed(self):
        for body in ([], {"name": 1, "password": "x"}, {"name": "ada"}):
            self.assertEqual(post("/api/sign-in", body).status_code, 400)
        headers = {"Origin": harness.address}
        answer = requests.post(harness.address + "/api/sign-in", data=b"{", headers=headers)
        self.assertEqual(answer.status_code, 400)
        answer = requests.post(harness.address + "/api/sign-in", data=b"x" * 100000, headers=headers)
        self.assertEqual(answer.status_code, 413)
        self.assertEqual(get("/api/sign-in").status_code, 405)
        self.assertEqual(requests.delete(harness.address + "/").status_code, 405)

    def test_password(self):
        token = sign_in("eve", fresh=True)
        change = lambda old, new: post("/api/password", {"old": old, "new": new}, token).status_code
        self.assertEqual(change("wrong", "long enough"), 403)
        self.assertEqual(change("eve's password", "short"), 400)
        self.assertEqual(change("eve's password", "eve's new password"), 204)
        self.assertEqual(change("eve's new password", "eve's password"), 204)
        self.assertEqual(get("/api/session", token).status_code, 200)

    def test_transfer(self):
        ada, bob, tina = sign_in("ada"), sign_in("bob"), sign_in("tina")
        content = os.urandom(3_000_000)
        path = "/c/py1/files/Local/ada/" + "%C3%BC%20%22x%22.bin"
        self.assertEqual(put(path, content, ada).status_code, 201)
        self.assertEqual(put(path, content, ada).status_code, 409)
        self.assertEqual(put(path + "?overwrite=1", content, ada).status_code, 201)
        answer = get(path, ada)
        self.assertEqual(answer.content, content)
        self.assertEqual(answer.headers["Content-Type"], "application/octet-stream")
        self.assertIn("sandbox", answer.headers["Content-Security-Policy"])
        self.assertEqual(
            answer.headers["Content-Disposition"],
            "attachment; filename=\"_ _x_.bin\"; filename*=UTF-8''%C3%BC%20%22x%22.bin",
        )
        self.assertEqual(get(path, tina).content, content)
        self.assertEqual(get(path, bob).status_code, 403)
        self.assertEqual(get(path).status_code, 401)
        self.assertEqual(get(path, sign_in("eve", fresh=True)).status_code, 403)
        self.assertEqual(put(path, b"", bob).status_code, 403)
        self.assertEqual(get("/c/py1/files/Local/ada/none", ada).status_code, 404)
        for bad in ("Local/ada/..%2f..%2fx", "Local/ada/%00", "Local/ada/%zz", "%2e%2e/x", "Local//x"):
            self.assertIn(get("/c/py1/files/" + bad, ada).status_code, (403, 404), bad)
        # "chunked", so that its length is not announced
        self.assertEqual(put("/c/py1/files/Local/ada/empty", iter([b"a", b"b"]), ada).status_code, 201)
        self.assertEqual(get("/c/py1/files/Local/ada/empty", ada).content, b"ab")
        with socket.create_connection(("127.0.0.1", harness.port)) as plain:
            head = f"PUT {path} HTTP/1.1\r\nHost: {harness.host}\r\nOrigin: {harness.address}\r\n"
            plain.sendall(f"{head}Cookie: carrel_session={ada}\r\nContent-Length: 104857601\r\n\r\n".encode())
            self.assertIn(b" 413 ", plain.recv(1000))

    def test_uploads_are_few_at_once(self):
        ada = sign_in("ada")
        connections = []
        for i in range(5):
            plain = socket.create_connection(("127.0.0.1", harness.port))
            head = f"PUT /c/py1/files/Local/ada/{i} HTTP/1.1\r\nHost: {harness.host}\r\nOrigin: {harness.address}\r\n"
            plain.sendall(f"{head}Cookie: carrel_session={ada}\r\nContent-Length: 10\r\n\r\n12345".encode())
            connections.append(plain)
            time.sleep(0.05)
        time.sleep(0.2)
        for plain in connections:
            plain.sendall(b"67890")
        answers = []
        for plain in connections:
            with contextlib.suppress(OSError):
                answers.append(plain.recv(1000).split()[1])
            plain.close()
        self.assertEqual(answers.count(b"201"), 2, answers)
        self.assertIn(b"503", answers)
        time.sleep(0.2)
        self.assertEqual(put("/c/py1/files/Local/ada/after", b"1", ada).status_code, 201)


class Socket(unittest.IsolatedAsyncioTestCase):
    async def test_handshake_refusals(self):
        async def status(**more):
            options = {"origin": harness.address, "subprotocols": ["carrel.1"], "slug": "py1", "cookie": sign_in("ada")}
            options.update(more)
            slug, cookie = options.pop("slug"), options.pop("cookie")
            with self.assertRaises(websockets.InvalidStatusCode) as caught:
                headers = {"Cookie": f"carrel_session={cookie}"} if cookie else {}
                await websockets.connect(f"ws://{harness.host}/c/{slug}/socket", extra_headers=headers, **options)
            return caught.exception.status_code

        self.assertEqual(await status(cookie=None), 401)
        self.assertEqual(await status(cookie="x" * 43), 401)
        self.assertEqual(await status(origin="http://evil.example"), 403)
        self.assertEqual(await status(origin=None), 403)
        self.assertEqual(await status(slug="other"), 403)
        self.assertEqual(await status(slug="none"), 403)
        self.assertEqual(await status(subprotocols=None), 400)

    async def test_hello(self):
        async with page_of("ada") as page:
            self.assertEqual(page.hello["person"]["role"], "student")
            self.assertEqual(page.hello["class"], {"slug": "py1", "title": "Python 1"})
            self.assertEqual(
                [(root["path"], root["writable"]) for root in page.hello["roots"]],
                [("Local/ada", True), ("Lecture Notes", False), ("Assignments", False), ("Tests", False)],
            )
        async with page_of("tina") as page:
            self.assertEqual(
                [(root["path"], root["writable"]) for root in page.hello["roots"]],
                [("Local/tina", True), ("Local", False), ("Lecture Notes", True), ("Assignments", True), ("Tests", True)],
            )

    async def test_malformed_messages_leave_the_connection(self):
        async with page_of("ada") as page:
            for text, code, field in (
                ("{", "malformed", None),
                ("[]", "malformed", None),
                ('{"type": 1, "id": 1}', "malformed", "type"),
                ('{"type": "no.such", "id": 900}', "unknown-type", "type"),
                ('{"type": "tree.list", "id": 901}', "malformed", "path"),
                ('{"type": "tree.list", "id": 902, "path": "", "more": 1}', "malformed", "more"),
                ('{"type": "tree.list", "path": ""}', "malformed", "id"),
                ("[" * 100000, "malformed", None),
                ('{"type": "tree.list", "id": 903, "path": "../x"}', "invalid-name", "path"),
                ('{"type": "tree.list", "id": 904, "path": "Elsewhere"}', "not-found", "path"),
            ):
                await page.socket.send(text)

                def error():
                    for message in page.events:
                        if message["type"] == "error":
                            page.events.remove(message)
                            return message
                    for number in list(page.replies):
                        return page.replies.pop(number)

                answer = await page.until(error)
                self.assertEqual((answer["code"], answer.get("field")), (code, field), text[:80])
            await page.socket.send(b"\x01" + b"\0" * 16)
            self.assertEqual((await page.event("error"))["code"], "malformed")
            self.assertEqual((await page.ask("tree.list", path=""))["type"], "reply")

    async def test_files(self):
        async with page_of("ada") as ada, page_of("tina") as tina, page_of("bob") as bob:
            top = await ada.ask("tree.list", path="")
            self.assertEqual([entry["name"] for entry in top["entries"]], ["Local", "Lecture Notes", "Assignments", "Tests"])
            local = await ada.ask("tree.list", path="Local")
            self.assertEqual([entry["name"] for entry in local["entries"]], ["ada"])
            local = await tina.ask("tree.list", path="Local")
            self.assertEqual([entry["name"] for entry in local["entries"]], ["ada", "bob", "tina"])
            saved = await ada.ask("file.save", path="Local/ada/a.py", text="print('ü')\n")
            self.assertEqual(saved["type"], "reply", saved)
            await tina.event("tree.changed", path="Local/ada")
            opened = await tina.ask("file.open", path="Local/ada/a.py")
            self.assertEqual((opened["text"], opened["version"]), ("print('ü')\n", saved["version"]))
            again = await ada.ask("file.save", path="Local/ada/a.py", text="2")
            self.assertEqual(again["code"], "exists")
            again = await tina.ask("file.save", path="Local/ada/a.py", text="2", version=opened["version"])
            self.assertEqual(again["type"], "reply")
            again = await ada.ask("file.save", path="Local/ada/a.py", text="3", version=saved["version"])
            self.assertEqual(again["code"], "conflict")
            again = await ada.ask("file.save", path="Local/ada/a.py", text="3", version="nonsense")
            self.assertEqual((again["code"], again["field"]), ("malformed", "version"))
            again = await ada.ask("file.save", path="Local/ada/a.py", text="3", overwrite=True)
            self.assertEqual(again["type"], "reply")
            refused = await bob.ask("file.open", path="Local/ada/a.py")
            self.assertEqual(refused["code"], "forbidden")
            refused = await ada.ask("file.save", path="Lecture Notes/a.py", text="")
            self.assertEqual(refused["code"], "forbidden")
            refused = await tina.ask("file.open", path="Local/nobody/a.py")
            self.assertEqual(refused["code"], "not-found")
            self.assertFalse([event for event in bob.events if event["type"] == "tree.changed"])

    async def test_entries(self):
        async with page_of("tina") as tina, page_of("ada") as ada:
            made = await tina.ask("folder.create", path="Lecture Notes/week 1")
            self.assertEqual(made, {"type": "reply", "id": 1, "path": "Lecture Notes/week 1"})
            await ada.event("tree.changed", path="Lecture Notes")
            self.assertEqual((await tina.ask("folder.create", path="Lecture Notes"))["code"], "exists")
            await tina.ask("file.save", path="Lecture Notes/week 1/n.py", text="1")
            copied = await ada.ask("entry.copy", **{"from": "Lecture Notes/week 1/n.py", "to": "Local/ada/n.py"})
            self.assertEqual(copied["type"], "reply", copied)
            self.assertEqual((await ada.ask("file.open", path="Local/ada/n.py"))["text"], "1")
            refused = await ada.ask("entry.move", **{"from": "Lecture Notes/week 1/n.py", "to": "Local/ada/m.py"})
            self.assertEqual(refused["code"], "forbidden")
            moved = await tina.ask("entry.move", **{"from": "Local/ada/n.py", "to": "Assignments/n.py"})
            self.assertEqual(moved["type"], "reply", moved)
            self.assertEqual((await ada.ask("file.open", path="Local/ada/n.py"))["code"], "not-found")
            moved = await tina.ask("entry.move", **{"from": "Assignments/n.py", "to": "Assignments/o.py"})
            self.assertEqual(moved["type"], "reply", moved)
            again = await tina.ask("entry.copy", **{"from": "Assignments/o.py", "to": "Assignments/o.py"})
            self.assertEqual(again["code"], "exists")
            for path in ("Lecture Notes", "Local/tina", "Local", ""):
                self.assertEqual((await tina.ask("entry.delete", path=path))["code"], "forbidden", path)
            for path in ("Lecture Notes/week 1", "Assignments/o.py"):
                self.assertEqual((await tina.ask("entry.delete", path=path))["type"], "reply")

    async def test_large_texts(self):
        async with page_of("ada") as ada:
            text = "ü" * (1 << 20)
            saved = await ada.ask("file.save", path="Local/ada/large.txt", text=text)
            self.assertEqual(saved["type"], "reply", str(saved)[:300])
            opened = await ada.ask("file.open", path="Local/ada/large.txt")
            self.assertEqual(opened["text"], text)
            over = await ada.ask("file.save", path="Local/ada/over.txt", text=text + "x")
            self.assertEqual((over["code"], over["field"]), ("malformed", "text"))
            self.assertEqual(put("/c/py1/files/Local/ada/binary", b"\xff\xfe", sign_in("ada")).status_code, 201)
            self.assertEqual((await ada.ask("file.open", path="Local/ada/binary"))["code"], "not-text")
            self.assertEqual(put("/c/py1/files/Local/ada/long", b"a" * 2097153, sign_in("ada")).status_code, 201)
            self.assertEqual((await ada.ask("file.open", path="Local/ada/long"))["code"], "too-large")
            with self.assertRaises(websockets.ConnectionClosed) as caught:
                await ada.socket.send("x" * 4194305)
                await ada.socket.wait_closed()
                await ada.socket.send("x")
            self.assertEqual(ada.socket.close_code, 1009, caught.exception)

    async def test_runs(self):
        async with page_of("ada") as ada, page_of("tina") as tina, page_of("bob") as bob:
            started = await ada.ask("run.start", path="Local/ada/run.py", text="hello", columns=80, rows=24)
            self.assertEqual(started["type"], "reply", started)
            run = started["run"]["run"]
            self.assertEqual((started["run"]["title"], started["run"]["owner"]), ("run.py", "ada"))
            self.assertIn("version", started)
            await ada.until(lambda: ada.output.get(run) == b"hello")
            await ada.event("run.state")
            self.assertIn(run, [info["run"] for info in (await tina.ask("run.list"))["runs"]])
            self.assertNotIn(run, [info["run"] for info in (await bob.ask("run.list"))["runs"]])
            await ada.type(run, b"more")
            await ada.until(lambda: ada.output.get(run) == b"helloMORE")
            await ada.socket.send(json.dumps({"type": "run.acknowledge", "run": run, "offset": 9}))
            for type in ("run.attach", "run.stop", "run.close"):
                more = {"from": 0} if type == "run.attach" else {}
                self.assertEqual((await bob.ask(type, run=run, **more))["code"], "not-found")
            await bob.type(run, b"evil")
            attached = await tina.ask("run.attach", **{"run": run, "from": 9})
            self.assertEqual((attached["type"], attached["from"]), ("reply", 9))
            tina.output[run] = b"helloMORE"
            await ada.type(run, b"quit\n")
            await tina.until(lambda: tina.output.get(run) == b"helloMOREQUIT\n")
            ended = await ada.until(
                lambda: next((e for e in ada.events if e["type"] == "run.state" and e["run"]["state"] == "ended"), None)
            )
            self.assertEqual((ended["run"]["exit"], ended["run"]["reason"]), (0, "finished"))
            self.assertEqual((await ada.ask("run.resize", run=run, columns=100, rows=30))["type"], "reply")
            self.assertEqual((await ada.ask("run.close", run=run))["type"], "reply")
            await tina.event("run.gone", run=run)
            self.assertFalse([event for event in bob.events if event["type"].startswith("run.")])
            # A teacher runs in the student's name, a shared file in her own; and no file at all.
            started = await tina.ask("run.start", path="Local/ada/run.py", columns=80, rows=24)
            self.assertEqual(started["run"]["owner"], "ada")
            await tina.ask("file.save", path="Tests/t.py", text="t", overwrite=True)
            started = await tina.ask("run.start", path="Tests/t.py", columns=80, rows=24, arguments=["a", "ü"])
            self.assertEqual(started["run"]["owner"], "tina")
            started = await bob.ask("run.start", path="Tests/t.py", columns=80, rows=24)
            self.assertEqual(started["run"]["owner"], "bob")
            started = await bob.ask("run.start", columns=80, rows=24)
            self.assertNotIn("path", started["run"])
            self.assertEqual((await bob.ask("run.start", path="Local/ada/run.py", columns=80, rows=24))["code"], "forbidden")
            self.assertEqual(
                (await bob.ask("run.start", path="Tests/t.py", text="x", columns=80, rows=24))["code"], "forbidden"
            )
            self.assertEqual((await bob.ask("run.start", text="x", columns=80, rows=24))["field"], "path")

    async def test_latency(self):
        async with page_of("ada") as ada:
            run = (await ada.ask("run.start", columns=80, rows=24))["run"]["run"]
            times = []
            for i in range(200):
                before = time.perf_counter()
                await ada.socket.send(struct.pack(">BQQ", 2, run, 0) + b"x")
                while len(ada.output.get(run, b"")) <= i:
                    await asyncio.sleep(0)
                times.append(time.perf_counter() - before)
            times.sort()
            starts = []
            await ada.ask("file.save", path="Local/ada/speed.py", text="x", overwrite=True)
            for _ in range(100):
                before = time.perf_counter()
                ada.next_id += 1
                await ada.socket.send(
                    json.dumps({"type": "run.start", "id": ada.next_id, "path": "Local/ada/speed.py", "columns": 80, "rows": 24})
                )
                while ada.next_id not in ada.replies:
                    await asyncio.sleep(0)
                starts.append(time.perf_counter() - before)
                await ada.ask("run.close", run=ada.replies.pop(ada.next_id)["run"]["run"])
            starts.sort()
            print(f"\nkeystroke there and back: {times[100] * 1e3:.2f} ms (p99 {times[197] * 1e3:.2f}); "
                  f"run.start answered: {starts[50] * 1e3:.2f} ms (p99 {starts[98] * 1e3:.2f})", file=sys.stderr)
            self.assertLess(times[100], 0.02)

    async def test_flood_of_requests(self):
        async with page_of("bob") as bob:
            before = time.monotonic()
            answers = await asyncio.gather(*(bob.ask("tree.list", path="") for _ in range(600)))
            self.assertTrue(all(answer["type"] == "reply" for answer in answers))
            self.assertGreater(time.monotonic() - before, 0.5, "600 at once are more than the rate allows")

    async def test_sign_out_closes(self):
        token = sign_in("ada", fresh=True)
        async with page_of("ada", token) as page:
            post("/api/sign-out", {}, token)
            await asyncio.wait_for(page.socket.wait_closed(), 5)
            self.assertEqual(page.socket.close_code, 4401)

    async def test_too_many_sockets(self):
        async with contextlib.AsyncExitStack() as stack:
            with self.assertRaises(websockets.InvalidStatusCode) as caught:
                for _ in range(25):
                    await stack.enter_async_context(page_of("bob"))
            self.assertEqual(caught.exception.status_code, 503)

    async def test_hostile_frames(self):
        head = (
            f"GET /c/py1/socket HTTP/1.1\r\nHost: {harness.host}\r\nOrigin: {harness.address}\r\nUpgrade: websocket\r\n"
            "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: carrel.1\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: carrel_session={sign_in('ada')}\r\n\r\n"
        ).encode()
        masked = lambda first, payload: bytes([first, 0x80 | len(payload)]) + b"\0\0\0\0" + payload
        for name, frames, code in (
            ("unmasked", b"\x81\x02{}", 1002),
            ("reserved bit", masked(0xC1, b"{}"), 1002),
            ("not UTF-8", masked(0x81, b"\xff"), 1007),
            ("too long", b"\x81\xff" + struct.pack(">Q", 1 << 40) + b"\0\0\0\0{", 1009),
            ("long binary", b"\x82\xff" + struct.pack(">Q", 70000) + b"\0\0\0\0\2", 1009),
            ("many fragments", masked(0x01, b" ") + masked(0x00, b"") * 5000, 1009),
            ("close", masked(0x88, struct.pack(">H", 1000)), 1000),
        ):
            # With the handshake, so that what libmicrohttpd has read already is tried as well.
            with socket.create_connection(("127.0.0.1", harness.port)) as plain:
                plain.settimeout(5)
                plain.sendall(head)
                plain.sendall(frames)
                received = b""
                with contextlib.suppress(ConnectionResetError), self.subTest(name):
                    while part := plain.recv(65536):
                        received += part
                self.assertIn(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", received)
                self.assertIn(b"\x88", received, name)
                close = received[received.rindex(b"\x88", 0, -2):]
                self.assertEqual(struct.unpack(">H", close[2:4])[0], code, name)

    async def test_dead_worker_is_replaced(self):
        def workers():
            children = Path(f"/proc/{harness.process.pid}/task/{harness.process.pid}/children").read_text().split()
            return [int(child) for child in children if int(child) != harness.web]

        async with page_of("ada") as page:
            saved = await page.ask("file.save", path="Local/ada/w.py", text="1", overwrite=True)
            for _ in range(5):
                for worker in workers():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGKILL)
                opened = await page.ask("file.open", path="Local/ada/w.py")
                self.assertEqual(opened.get("version"), saved["version"], opened)

    async def test_one_who_does_not_read(self):
        """It is held back or closed; nobody else waits for it, and its memory is bounded."""
        text = "x" * 1_000_000
        async with page_of("ada") as ada, page_of("tina") as tina:
            await ada.ask("file.save", path="Local/ada/big.txt", text=text, overwrite=True)
            ada.reader.cancel()
            ada.socket.transport.pause_reading()
            for i in range(60):
                await ada.socket.send(json.dumps({"type": "file.open", "id": i + 100, "path": "Local/ada/big.txt"}))
            await asyncio.sleep(1)
            resident = int(Path(f"/proc/{harness.web}/statm").read_text().split()[1]) * 4096
            sanitizer = "libasan" in Path(f"/proc/{harness.web}/maps").read_text()  # which keeps what was freed
            self.assertLess(resident, (800 if sanitizer else 100) << 20)
            before = time.monotonic()
            for i in range(20):
                self.assertEqual((await tina.ask("tree.list", path="Local/tina"))["type"], "reply")
            self.assertLess(time.monotonic() - before, 2)

    async def test_abrupt_ends(self):
        for i in range(100):
            async with page_of("bob") as page:
                for path in ("Local/bob", "Lecture Notes", "Local/bob/none.py"):
                    await page.socket.send(json.dumps({"type": "tree.list", "id": 1, "path": path}))
                await page.socket.send(json.dumps({"type": "run.start", "id": 2, "columns": 80, "rows": 24}))
                page.socket.transport.abort()
        async with page_of("bob") as page:
            self.assertEqual((await page.ask("tree.list", path="Local/bob"))["type"], "reply")


class Idle(unittest.IsolatedAsyncioTestCase):
    async def test_memory_and_descriptors(self):
        """What an idle page costs, and that nothing is left of those that went."""

        def memory():
            text = Path(f"/proc/{harness.web}/smaps_rollup").read_text()
            return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private"))

        async def many(count):
            async with contextlib.AsyncExitStack() as stack:
                before = memory()
                for i in range(count):
                    await stack.enter_async_context(page_of(("ada", "bob", "tina")[i % 3]))
                return (memory() - before) / count

        first = await many(57)
        await asyncio.sleep(0.5)
        descriptors = len(os.listdir(f"/proc/{harness.web}/fd"))
        each = await many(57)
        for _ in range(5):
            await many(57)
        await asyncio.sleep(1)
        self.assertLessEqual(len(os.listdir(f"/proc/{harness.web}/fd")), descriptors + 1)
        self.assertIn("web.serving", harness.log_text())
        print(f"\n57 idle pages: {first:.1f} KB each; the second time {each:.1f}", file=sys.stderr)


class Stop(unittest.IsolatedAsyncioTestCase):
    async def test_stop_says_good_bye(self):
        other = Harness()
        global harness
        mine, harness = harness, other
        try:
            token = sign_in("ada", fresh=True)
            async with page_of("ada", token) as page:
                os.kill(other.web, signal.SIGTERM)
                await asyncio.wait_for(page.socket.wait_closed(), 5)
                self.assertEqual(page.socket.close_code, 1001)
            self.assertEqual(other.process.wait(10), 0, other.log_text())
            other.close()
        finally:
            harness = mine


if __name__ == "__main__":
    unittest.main(verbosity=1)
