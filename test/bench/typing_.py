"""From a key to the answer that it is on the disk, for 1,000 typists; memory, processor and database of it."""

import json
import os
import pathlib
import sqlite3
import subprocess

from common import CLASS, Results, arguments, pss, serve_many

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATE = 3  # edits a second
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """What the web server has used so far."""

    def __init__(self, school):
        self.school = school
        self.web = school.the_process("web")

    def seconds(self):
        words = pathlib.Path(f"/proc/{self.web}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS

    def memory(self):
        return pss([self.web])

    def database(self):
        """Pages that hold something; of the database and its log as one."""
        with sqlite3.connect(f"file:{self.school.data}/store/carrel.db?mode=ro", uri=True) as store:
            size, pages, free = (store.execute(f"pragma {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count"))
        return size * (pages - free)


def measure(way, count, seconds, options, below="/var/tmp"):
    school, sessions = serve_many(count, options, below=below)
    node = str(ROOT / "build" / "tools" / "bin" / "node")
    try:
        server = Server(school)
        memory = server.memory()
        given = {
            "address": school.address,
            "slug": CLASS,
            "way": way,
            "cookies": [session.cookie for session in sessions],
            "rate": RATE,
            "seconds": seconds,
        }
        command = [node, str(pathlib.Path(__file__).with_name("typists.mjs")), json.dumps(given)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as typists:
            assert typists.stdout.readline() == "ready\n", "the typists did not begin"
            used, stored = server.seconds(), server.database()
            typists.stdin.write("\n")
            typists.stdin.flush()
            answer = json.loads(typists.stdout.readline())
        answer["processor"] = (server.seconds() - used) / seconds / count
        answer["memory"] = (server.memory() - memory) / count
        answer["growth"] = (server.database() - stored) / seconds * 3600
        school.stop()
        return answer
    finally:
        school.remove()


def main():
    options = arguments(__doc__)
    count, seconds = (250, 6) if options.quick else (1000, 30)
    results = Results("typing")
    disk = measure("push", count, seconds, options)
    memory = measure("push", count, seconds, options, below="/dev/shm")
    whole = measure("put", count, seconds, options)
    rival = "whole file by PUT"
    results.add(f"{count} typists, an edit, median", disk["p50"], rival, whole["p50"])
    results.add(f"{count} typists, an edit, of 100 the slowest", disk["p99"], rival, whole["p99"], at_most=25)
    results.add("the same without a disk (tmpfs), median", memory["p50"], "on the disk", disk["p50"])
    results.add("the same without a disk, of 100 the slowest", memory["p99"], "on the disk", disk["p99"])
    for name, answer in (("edits", disk), ("edits without a disk", memory), (rival, whole)):
        results.add_value(f"{name}: acknowledged", answer["count"] / seconds, "a second")
        results.add_value(f"{name}: refused, or not within 10 s", answer["refused"] + answer["late"], "in all")
        results.add_value(f"{name}: web server's processor", 1000 * answer["processor"], "ms/s each")
    results.add_value("web server's memory", disk["memory"] / 1024, "KB each")
    results.add_value("the database grows, each", disk["growth"] / count / 2**20, "MB/h")
    results.add_value("the typists' own lateness, of 100 the worst", 1000 * disk["lag"], "ms")
    results.add_value("the typists' own processor", disk["cpu"], "cores")
    results.show(options.json)


if __name__ == "__main__":
    main()
