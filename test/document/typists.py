"""Nothing typed is lost: editors of the page's own library type into shared documents, over sockets, into a real server
that is killed again and again while a stranger appends to the files below. See typists.mjs for what must hold then."""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "system"))

from school import CLASS, STUDENTS, TEACHER, School  # noqa: E402

INITIAL = "# shared\n\ndef main():\n    print('🐍')\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=int(os.environ.get("CARREL_TYPING_EDITS", 8000)))
    parser.add_argument("--documents", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CARREL_TYPING_SEED", time.time())))
    parser.add_argument("--delay", type=int, default=40, help="milliseconds between two edits of one editor, at most")
    parser.add_argument("--kill", type=float, default=2, help="seconds between two kills, about")
    return parser.parse_args()


class Strangers(threading.Thread):
    """Who kills the server, and who writes into the files, until told to stop."""

    def __init__(self, school, files, options):
        super().__init__(daemon=True)
        self.school, self.files = school, files
        self.every = options.kill
        self.random = random.Random(options.seed)
        self.kills = self.appended = 0
        self.over = threading.Event()

    def run(self):
        next_kill = time.monotonic() + self.every
        while not self.over.wait(self.random.uniform(0.1, 0.8)):
            self.append(self.random.choice(self.files))
            if time.monotonic() > next_kill:
                self.kill()
                next_kill = time.monotonic() + self.random.uniform(0.3, 1.7) * self.every

    def kill(self):
        for pid in self.school.processes("web"):
            os.kill(pid, signal.SIGKILL)
            self.kills += 1

    def append(self, path):
        """A program's line. The file may be replaced while it is open here; then the line is in no file any more."""
        try:
            with open(path, "ab") as file:
                self.appended += 1
                file.write(f"\n# outside-{self.appended}\n".encode())
        except FileNotFoundError:
            pass

    def stop(self):
        self.over.set()
        self.join()


def documents_of(school, count):
    people = [TEACHER, *STUDENTS[:7]]
    documents, files = [], []
    owner = school.person(STUDENTS[0])
    for number in range(count):
        path = owner.save(f"shared-{number}.py", INITIAL)
        # The owner and the teacher may write into it: the same person on several pages is as good as several.
        cookies = [school.session(people[i % 2]).cookie for i in range(2 + (3 * number + 3) % 7)]
        files.append(school.data / "files" / CLASS / path)
        documents.append({"path": path, "file": str(files[-1]), "initial": INITIAL, "cookies": cookies})
    owner.disconnect()
    return documents, files


def type_and_check(school, options):
    documents, files = documents_of(school, options.documents)
    given = {
        "address": school.address,
        "slug": CLASS,
        "documents": documents,
        "edits": options.edits,
        "seed": options.seed,
        "delay": options.delay,
        "disconnect": 0.004,
        "away": 1500,
    }
    command = ["node", "--disable-warning=ExperimentalWarning", str(pathlib.Path(__file__).with_suffix(".mjs")), json.dumps(given)]
    strangers = Strangers(school, files, options)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as editors:
        try:
            assert editors.stdout.readline() == "typing\n", "the editors did not begin"
            strangers.start()
            assert editors.stdout.readline() == "settling\n", "the editors broke down"
            strangers.stop()
            time.sleep(0.5)
            editors.stdin.write("\n")
            editors.stdin.flush()
            result = json.loads(editors.stdout.readlines()[-1])
        finally:
            editors.kill()
    return {**result, "kills": strangers.kills, "appended": strangers.appended}


def main():
    options = arguments()
    started = time.monotonic()
    print(f"typing: seed {options.seed}, {options.edits} edits", flush=True)
    with School().open(School.enrol_everybody) as school:
        result = type_and_check(school, options)
    problems = result.pop("problems")
    if result["kills"] == 0 or result["outside"] == 0:
        problems.append("it was over before anybody killed the server or wrote into a file")
    for problem in problems:
        print(f"LOST: {problem}")
    print(f"typing: {json.dumps(result)}; {time.monotonic() - started:.0f} s")
    # Of every document: the editors' texts, the server's, the file, the model, the journal, and each edit once.
    print(f"{options.documents if not problems else 0} passed, {len(problems)} failed")
    sys.exit(len(problems) > 0)


if __name__ == "__main__":
    main()
