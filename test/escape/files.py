"""What the live server makes of files that a program has left: called after the case, as the student. Each gets a Scene
and says what is wrong by an assertion."""

import dataclasses
import time

from carrel import Refused

SECRET = b"SECRET-OF-THE-HOST"


@dataclasses.dataclass
class Scene:
    person: object
    school: object
    bait: dict
    output: bytes = b""

    def here(self, name=""):
        return self.person.folder + ("/" + name if name else "")

    def entries(self, path=""):
        return {entry["name"]: entry for entry in self.person.request("tree.list", path=self.here(path))["entries"]}

    def nothing_comes_of(self, name):
        """Neither by socket nor by HTTP is anything read from it, and both answer at once."""
        began = time.monotonic()
        code = self.person.refused("file.open", path=self.here(name))
        answer = self.person.download(self.here(name))
        assert answer.status >= 400, (name, answer.status, answer.body[:80])
        assert SECRET not in answer.body, name
        assert time.monotonic() - began < 3, f"{name} took {time.monotonic() - began:.1f} s"
        return code


def links(scene):
    found = scene.entries()
    for name in ("passwd", "root", "up", "store", "loop", "self", "fd", "secret", "notes", "written.py"):
        assert found[name]["kind"] == "link", found[name]
        scene.nothing_comes_of(name)
    for path in ("root/etc/passwd", "sub/deep/etc/passwd", "up/store/carrel.db", "self/etc/passwd", "notes/x.py"):
        scene.nothing_comes_of(path)
    for path in ("root", "sub/deep", "up"):
        refused(scene, "tree.list", path=scene.here(path))
        refused(scene, "folder.create", path=scene.here(path + "/made"))
        refused(scene, "file.save", path=scene.here(path + "/made.py"), text="x", overwrite=True)
        refused(scene, "entry.delete", path=scene.here(path + "/tmp"))
    # Over a link nothing is written through it: refused, or the link itself gives way.
    try:
        scene.person.save("written.py", "x = 1\n")
    except Refused:
        pass
    with open(scene.bait["target"], "rb") as target:
        assert target.read() == b"untouched\n"
    upload = scene.person.upload(scene.here("secret"), b"taken", overwrite=True)
    with open(scene.bait["secret"], "rb") as secret:
        assert secret.read().startswith(SECRET), upload.status
    scene.person.request("entry.delete", path=scene.here("root"))
    scene.person.request("entry.delete", path=scene.here("sub"))
    refused(scene, "run.start", path=scene.here("passwd"), columns=80, rows=24)


def refused(scene, type, **fields):
    try:
        scene.person.request(type, **fields)
    except Refused:
        return
    raise AssertionError(f"{type} {fields} was done")


def kinds(scene):
    for name in ("pipe.py", "out.txt", "socket.py"):
        assert scene.entries()[name]["kind"] == "other", name
        scene.nothing_comes_of(name)
        refused(scene, "run.start", path=scene.here(name), columns=80, rows=24)
    scene.person.request("entry.delete", path=scene.here("pipe.py"))


def names(scene):
    listed = scene.person.request("tree.list", path=scene.here())
    for entry in listed["entries"]:
        answer = scene.person.download(scene.here(entry["name"]))
        assert answer.status < 500, (entry, answer.status)
        for header, value in answer.headers.items():
            assert "\n" not in value and "\r" not in value, (header, value)
        if answer.status == 200:
            assert answer.headers["Content-Disposition"].startswith("attachment;"), (entry, dict(answer.headers))


def swap(scene):
    """Runs beside the case: see run.py."""


def page(scene):
    for name in ("x.html", "x.svg", "x.xml", "x.js", "x.pdf"):
        headers = scene.person.download(scene.here(name)).headers
        assert headers["X-Content-Type-Options"] == "nosniff", name
        inline = headers.get("Content-Disposition", "inline").startswith("inline")
        policy = headers.get("Content-Security-Policy", "")
        assert not inline or "sandbox" in policy, (name, dict(headers))
        assert not headers["Content-Type"].startswith(("text/html", "image/svg", "text/xml", "application/xml")) or (
            not inline
        ), (name, dict(headers))


def modules(scene):
    scene.person.run("print('clean')", name="after.py").wait_end()
    run = scene.person.run("import os, sys\nprint('clean', os.getcwd())", name="after.py")
    run.wait_end()
    assert "clean" in run.text and "PLANTED" not in run.text, run.text


def zips(scene):
    """Neither the next program, nor a prompt, nor the server takes anything from them."""
    for text in ("import json, random, sys\nprint('clean', sys.flags.inspect)", "import os\nprint('clean', os.getcwd())"):
        run = scene.person.run(text, name="after.py")
        run.wait_end()
        assert "clean" in run.text and "PLANTED" not in run.text, run.text
        run.close()
    prompt = scene.person.start()
    prompt.expect(">>> ")
    prompt.type("import json; print('clean', json.dumps(1))\r")
    prompt.expect("clean 1")
    assert "PLANTED" not in prompt.text, prompt.text
    prompt.close()
    # An archive is no text: it is neither shown nor run as one.
    for name in ("x.zip", "after.pyz", "lib.py", "bomb.zip"):
        assert scene.person.refused("file.open", path=scene.here(name)) in ("not-text", "too-large"), name
        headers = scene.person.download(scene.here(name)).headers
        assert headers["Content-Disposition"].startswith("attachment;"), (name, dict(headers))
    run = scene.person.start(scene.here("lib.py"))
    run.wait_end()
    assert "PLANTED" not in run.text, run.text
    run.close()
    assert not {"slipped.py", "bomb"} & set(scene.entries())


def deep_folders(scene):
    refused(scene, "file.open", path=scene.here("deep/" + "/".join(["d" * 40] * 50) + "/bottom"))
    began = time.monotonic()
    scene.person.request("entry.delete", path=scene.here("deep"))
    assert "deep" not in scene.entries(), "it is still there"
    assert time.monotonic() - began < 10


def many_files(scene):
    began = time.monotonic()
    listed = scene.person.request("tree.list", path=scene.here("many"))
    assert time.monotonic() - began < 3, f"{time.monotonic() - began:.1f} s"
    assert len(listed["entries"]) <= 10000, len(listed["entries"])
    scene.person.request("entry.delete", path=scene.here("many"))


def raw_bytes(scene):
    blocks = [
        b"\x1b]52;c;c2VjcmV0\x07", b"\x1b]0;title\x07", b"\x1b]8;;http://x/\x07y\x1b]8;;\x07", b"\x1b[6n\x1b[21t\x1b[c",
        b"\xff\xfe\xc0\xaf", b"\xed\xa0\x80", b"\x00\x00", bytes(range(128, 160)), b"\xe2\x82", b"\xf4\x90\x80\x80",
        b'{"type":"run.gone","run":1}\n', bytes(range(256)) * 40,
    ]
    assert b"BEGIN" + b"".join(blocks) + b"END" in scene.output, scene.output[:200]
