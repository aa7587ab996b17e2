"""What was acknowledged is kept, and no file is ever half-written: the web server and the whole tree are killed again
and again under typing, the disk fills up, another process holds the database. `--only` names parts."""

import argparse
import hashlib
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "system"))
os.environ.setdefault("CARREL_BUILD", "build")

from school import CLASS, STUDENTS, School, descendants, is_alive, wait_for  # noqa: E402
from carrel import Refused  # noqa: E402

TYPISTS = 8
LONG = 20_000  # characters; then a text begins anew
PATIENCE = 60


def digest(text):
    return hashlib.sha256(text.encode()).digest()


def units(text):
    return len(text.encode("utf-16-le")) // 2


class Trouble:
    """What went wrong, of all threads."""

    def __init__(self):
        self.lines = []

    def note(self, line):
        if len(self.lines) < 50:
            self.lines.append(line[:500])


class Typist(threading.Thread):
    """One page that types into its own file and knows every text that the file may ever hold."""

    def __init__(self, school, name, seed, trouble):
        super().__init__(daemon=True)
        self.school, self.name, self.trouble = school, name, trouble
        self.random = random.Random(seed)
        self.session = school.session(name)
        self.person = None
        self.over = threading.Event()
        self.acknowledged = self.pushed = self.refused = 0
        self.back = []  # when it had its text again, each time
        self.texts = {}  # revision: digest; of those that can still come
        self.ever = set()  # digests of all that the file may hold
        self.text, self.revision = "", 0
        self.file = None

    def begin(self):
        """The file as it is before anything else happens."""
        self.connect()
        self.path = self.person.save(f"typed-{self.name}.py", "")
        self.file = self.school.data / "files" / CLASS / self.path
        self.note(0, "")
        self.open()

    def connect(self):
        person = self.school.person(self.name)
        self.person = person

    def note(self, revision, text):
        self.texts[revision] = digest(text)
        self.ever.add(self.texts[revision])
        self.texts.pop(revision - 3, None)

    def open(self):
        reply = self.person.request("document.open", path=self.path)
        revision, text = reply["revision"], reply["text"]
        if revision < self.revision:
            self.trouble.note(f"{self.name}: LOST: {self.revision} was acknowledged, the newest is {revision}")
        elif self.texts.get(revision) != digest(text):
            self.trouble.note(f"{self.name}: LOST: revision {revision} is another text than was typed")
        self.document, self.revision, self.text = reply["document"], revision, text

    def come_back(self):
        while not self.over.is_set():
            try:
                self.connect()
                self.open()
                self.back.append(time.monotonic())
                return
            except Exception:  # whatever: the server is down, or dies again
                time.sleep(0.02)

    def change(self):
        """An edit, as (changes, the text after it)."""
        if len(self.text) > LONG:
            after = f"anew {self.pushed}\n"
            return [[units(self.text), *after.split("\n")]], after
        line = f"line {self.pushed} of {self.name} 🐍\n"
        at = self.random.choice([0, len(self.text)])
        head, tail = units(self.text[:at]), units(self.text[at:])
        changes = [*([head] if head else []), [0, *line.split("\n")], *([tail] if tail else [])]
        return changes, self.text[:at] + line + self.text[at:]

    def type_once(self):
        changes, after = self.change()
        self.pushed += 1
        self.note(self.revision + 1, after)
        updates = [{"client": self.name, "changes": changes}]
        reply = self.person.request("document.push", document=self.document, revision=self.revision, updates=updates)
        if reply["revision"] != self.revision + 1:
            self.trouble.note(f"{self.name}: revision {reply['revision']} after {self.revision}")
        self.revision, self.text = reply["revision"], after
        self.acknowledged += 1

    def run(self):
        while not self.over.wait(self.random.uniform(0, 0.03)):
            try:
                self.type_once()
            except Refused:
                self.refused += 1
                time.sleep(0.05)
            except Exception:  # the socket is gone
                self.come_back()

    def stop(self):
        self.over.set()
        self.join(PATIENCE)

    def finish(self):
        """Everything quiet: what the server has, and what the file holds."""
        self.connect()
        self.open()
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.person.request("document.save", document=self.document)
                break
            except Refused as refusal:
                if time.monotonic() > end:
                    self.trouble.note(f"{self.name}: the file cannot be written: {refusal}")
                    break
                time.sleep(0.2)
        if self.file.read_bytes() != self.text.encode():
            self.trouble.note(f"{self.name}: LOST: the file is not what was typed")
        self.person.disconnect()


class Sampler(threading.Thread):
    """Looks at the files all the time: each must be one of the texts that were typed, whole."""

    def __init__(self, typists, trouble):
        super().__init__(daemon=True)
        self.typists, self.trouble = typists, trouble
        self.over = threading.Event()
        self.samples = self.half = 0

    def run(self):
        while not self.over.wait(0.001):
            for typist in self.typists:
                self.look(typist)

    def look(self, typist):
        try:
            held = hashlib.sha256(typist.file.read_bytes()).digest()
        except FileNotFoundError:
            held = b"none"
        self.samples += 1
        if held not in typist.ever:
            self.half += 1
            self.trouble.note(f"{typist.name}: HALF: the file is none of the typed texts")

    def stop(self):
        self.over.set()
        self.join()


class Class:
    """A school, its typists, and what watches them."""

    def __init__(self, trouble, count=TYPISTS, below="/var/tmp"):
        self.trouble = trouble
        self.school = School(below=below)
        self.school.carrel("class", "add", CLASS, "--title", "Typing", "--data", self.school.data)
        for name in STUDENTS[:count]:
            self.school.add_person(name)
        self.school.start()
        self.typists = [Typist(self.school, name, i, trouble) for i, name in enumerate(STUDENTS[:count])]
        for typist in self.typists:
            typist.begin()
        self.sampler = Sampler(self.typists, trouble)

    def __enter__(self):
        for thread in (*self.typists, self.sampler):
            thread.start()
        return self

    def __exit__(self, kind, *_):
        try:
            for typist in self.typists:
                typist.stop()
            if kind is None:
                for typist in self.typists:
                    typist.finish()
                time.sleep(0.1)
            self.sampler.stop()
            if kind is None:
                self.school.stop()
        finally:
            self.school.remove()

    def all_back(self, since):
        """Until every page has its text again."""
        end = time.monotonic() + PATIENCE
        while not all(typist.back and typist.back[-1] > since for typist in self.typists):
            if time.monotonic() > end:
                self.trouble.note("pages did not come back")
                return None
            time.sleep(0.005)
        return max(typist.back[-1] for typist in self.typists)

    @property
    def acknowledged(self):
        return sum(typist.acknowledged for typist in self.typists)

    def summary(self):
        return (
            f"{self.acknowledged} edits acknowledged, {self.sampler.samples} looks at files, "
            f"{self.sampler.half} half-written"
        )


def kill_web(school):
    for pid in school.processes("web"):
        os.kill(pid, signal.SIGKILL)


def kill_tree(school):
    """All at once, the first parent first, so that nobody can end anybody in order."""
    below = descendants(school.process.pid)
    for pid in (school.process.pid, *below):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    school.process.wait()
    wait_for(lambda: not [pid for pid in below if is_alive(pid)], PATIENCE, "the end of every process")
    school.start()


def kills(what, kill, count, trouble):
    backs = []
    with Class(trouble) as group:
        for _ in range(count):
            time.sleep(group.typists[0].random.uniform(0.02, 0.5))
            died = time.monotonic()
            kill(group.school)
            group.school.wait_until_it_listens()
            listens = time.monotonic()
            last = group.all_back(died)
            if last is None:
                break
            backs.append(max(0, last - listens))
    backs.sort()
    if backs:
        print(f"{what}: {len(backs)} kills; {group.summary()}; all pages back after it listened: "
              f"median {backs[len(backs) // 2]:.2f} s, at most {backs[-1]:.2f} s")  # fmt: skip
        if backs[len(backs) // 2] > 1:
            trouble.note(f"{what}: the pages came back {backs[len(backs) // 2]:.2f} s after the server listened")


def test_web(trouble, count):
    kills("web server", kill_web, count, trouble)


def test_tree(trouble, count):
    kills("whole tree", kill_tree, max(1, count // 4), trouble)


# The disk is full

def fill(folder, leave):
    """Takes all but `leave` bytes."""
    path = pathlib.Path(folder, "filler")
    with open(path, "wb", buffering=0) as filler:
        room = os.statvfs(folder)
        size = room.f_bavail * room.f_bsize - leave
        os.posix_fallocate(filler.fileno(), 0, max(size, 1))
    return path


def try_to_type(typist, trouble, told):
    """An edit of some size, and a save. Whatever is refused must be said in words, and change nothing."""
    for step in (typist.type_once, lambda: typist.person.request("document.save", document=typist.document)):
        try:
            step()
        except Refused as refusal:
            told.add(refusal.code)
            typist.refused += 1
            if refusal.code not in ("quota", "unavailable") or len(str(refusal)) < 20:
                trouble.note(f"disk full: refused with “{refusal}”")


def type_until_it_works(typist, trouble):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            typist.type_once()
            typist.person.request("document.save", document=typist.document)
            return
        except Refused as refusal:
            if time.monotonic() > end:
                trouble.note(f"disk full: room was made, and still: {refusal}")
                return
            time.sleep(0.1)


def disk_states(typist):
    return {event["state"]["disk"] for event in typist.person.connection.events if event["type"] == "document.state"}


def on_full_disk(folder, trouble, steps):
    school = School(below=folder)
    told, states = set(), set()
    try:
        school.carrel("class", "add", CLASS, "--title", "Typing", "--data", school.data)
        school.add_person(STUDENTS[0])
        school.start()
        web = school.the_process("web")
        typist = Typist(school, STUDENTS[0], 1, trouble)
        typist.begin()
        for step in range(steps):
            filler = fill(folder, step * 4096)
            for _ in range(4):
                try_to_type(typist, trouble, told)
            filler.unlink()
            type_until_it_works(typist, trouble)
            if typist.file.read_bytes() != typist.text.encode():
                trouble.note(f"disk full: LOST with {step} pages left: the file is not what was typed")
        states = disk_states(typist)
        if school.processes("web") != [web]:
            trouble.note("disk full: the web server is another one now")
        typist.finish()
        school.stop()
    finally:
        school.remove()
    if not told or "failed" not in states:
        trouble.note(f"disk full: nothing was refused ({told}) or no page was told of its file ({states})")
    print(f"disk full: {steps} amounts of room left; {typist.acknowledged} edits acknowledged, {typist.refused} refused "
          f"({', '.join(sorted(told))})")  # fmt: skip


def test_full(trouble, count):
    folder = tempfile.mkdtemp(prefix="carrel-full-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", folder], check=True)
    try:
        on_full_disk(folder, trouble, min(count, 64))
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)


# Another process has the database

def test_locked(trouble, count):
    held = 0
    with Class(trouble) as group:
        for _ in range(max(1, count // 50)):
            time.sleep(0.5)
            other = sqlite3.connect(group.school.data / "store" / "carrel.db", isolation_level=None, timeout=20)
            other.execute("begin exclusive")
            before = group.acknowledged
            time.sleep(7)  # longer than a statement waits
            # What was on its way when the lock was taken may still be answered.
            if group.acknowledged > before + TYPISTS:
                trouble.note(f"locked: {group.acknowledged - before} edits were acknowledged, and nobody could write")
            other.execute("rollback")
            other.close()
            held += 1
            end = time.monotonic() + PATIENCE
            after = group.acknowledged
            while group.acknowledged < after + 5 * TYPISTS and time.monotonic() < end:
                time.sleep(0.05)
            if group.acknowledged < after + 5 * TYPISTS:
                trouble.note("locked: it does not go on")
    refused = sum(typist.refused for typist in group.typists)
    print(f"locked: {held} times 7 s; {group.summary()}, {refused} refused")


TESTS = {"web": test_web, "tree": test_tree, "full": test_full, "locked": test_locked}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=TESTS, default=list(TESTS))
    options = parser.parse_args()
    failed = 0
    for name in options.only:
        trouble = Trouble()
        try:
            TESTS[name](trouble, options.kills)
        except Exception as error:
            trouble.note(f"{name}: {type(error).__name__}: {str(error)[-400:]}")
        failed += bool(trouble.lines)
        for line in trouble.lines:
            print(f"FAILED: {line}")
        sys.stdout.flush()
    print(f"{len(options.only) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
