"""Interpreters that wait: memory and descriptors of 100, 1,000 and 2,000 open prompts, and what one run more then costs."""

import os
import time

from common import CLASS, HELLO, Results, arguments, available, percentile, pss, quiet, serve_many
from school import descendants
from wire import Wire

A_PAGE = 50  # of the 64 that a page may watch
PAGES_EACH = 15
AT_ONCE = 8  # started before the next are


class Prompts:
    """Opens prompts on as many pages and accounts as are needed."""

    def __init__(self, sessions):
        self.sessions = sessions
        self.pages = []
        self.count = 0

    def page(self):
        if self.count % A_PAGE == 0:
            self.pages.append(Wire(self.sessions[len(self.pages) // PAGES_EACH], CLASS))
        return self.pages[-1]

    def open(self, count):
        while self.count < count:
            page = self.page()
            runs = [page.start() for _ in range(min(AT_ONCE, count - self.count, A_PAGE - self.count % A_PAGE))]
            for run in runs:
                page.expect(run, ">>> ")
                page.output.pop(run)
            page.events.clear()
            self.count += len(runs)

    def close(self):
        for page in self.pages:
            page.close()


def one_more(wire, rounds):
    """The median start beside all that wait."""
    seconds = []
    path = wire.save("hello.py", HELLO)
    for _ in range(rounds):
        run, first = wire.press_run(path)
        wire.expect(run, ">>> ")
        wire.close_run(run)
        seconds.append(first)
        time.sleep(0.15)
    return percentile(seconds, 0.5)


class Weight:
    """Of everything that the server is, before and after."""

    def __init__(self, school):
        self.school = school
        time.sleep(2)
        self.pss, self.available = self.now()

    def now(self):
        pids = [self.school.process.pid, *descendants(self.school.process.pid)]
        return pss(pids), available()

    def of_each(self, count):
        now_pss, now_available = self.now()
        return (now_pss - self.pss) / count, (self.available - now_available) / count


def descriptors(school):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for role in ("supervisor", "web") for pid in school.processes(role))


def measure(school, sessions, sizes, results):
    wire = Wire(sessions[-1], CLASS)
    quiet()
    one_more(wire, 5)
    alone = one_more(wire, 20)
    results.add("one run more beside 0", alone)
    weight, prompts, before = Weight(school), Prompts(sessions[:-1]), descriptors(school)
    for size in sizes:
        prompts.open(size)
        time.sleep(8)  # each is looked at ever more rarely while nothing happens in it
        process_bytes, all_bytes = weight.of_each(size)
        bar = 4 if size == 1000 else None
        results.add_value(f"{size} prompts, memory of processes each", process_bytes / 2**20, "MB")
        results.add_value(f"{size} prompts, all that is taken each", all_bytes / 2**20, "MB", at_most=bar)
        results.add_value(f"{size} prompts, the server's descriptors", descriptors(school) - before, "in all")
        beside = one_more(wire, 20)
        results.add(f"one run more beside {size}", beside, "beside 0", alone, at_most=round(2000 * alone, 2))
    prompts.close()


def main():
    options = arguments(__doc__)
    sizes = [100, 400] if options.quick else [100, 1000, 2000]
    people = -(-sizes[-1] // (A_PAGE * PAGES_EACH)) + 1
    # The pool as small as it was before, so that what it holds is not counted as theirs.
    school, sessions = serve_many(people, options, "--limits.runs=1000", "--limits.idle=0s", "--pool.maximum=8")
    results = Results("idle")
    try:
        measure(school, sessions, sizes, results)
        school.stop()
    finally:
        school.remove()
    results.show(options.json)


if __name__ == "__main__":
    main()
