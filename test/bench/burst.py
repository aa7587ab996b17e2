"""A class of 60, 150 or 300 presses Run in one moment: the median and the last first byte, against 60 bare python3."""

import time
from concurrent.futures import ThreadPoolExecutor

from common import CLASS, PYTHON, Results
from common import arguments, first_byte, percentile, quiet, serve_many
from wire import Wire, first_bytes

PUPILS = 60
LINES = 5
# Each writes a file of one name and prints what it reads back from it: so nobody's file or output is at another's.
PROGRAM = """{imports}
import time
print("{mark} 0", flush=True)
open("mark.txt", "w").write("{mark}")
for number in range(1, 5):
    time.sleep(0.2)
    print(open("mark.txt").read(), number, flush=True)
"""
IMPORTS = {"hello": "", "numpy+pandas+pyplot": "import numpy, pandas, matplotlib.pyplot"}


class Class:
    """Pupils, each with a page open."""

    def __init__(self, sessions):
        self.wires = [Wire(session, CLASS) for session in sessions]
        self.programs = {}
        for kind, imports in IMPORTS.items():
            for number, wire in enumerate(self.wires):
                text = PROGRAM.format(imports=imports, mark=f"pupil-{number}")
                self.programs[kind, number] = wire.save(f"{len(kind)}.py", text)

    def burst(self, kind, count):
        """Seconds to each first byte of `count` pupils."""
        wires = self.wires[:count]
        for wire in self.wires:
            while wire.poll_now():  # those who only look on answer pings
                pass
        for wire in wires:
            wire.events.clear()
            wire.output.clear()
        requests = [
            wire.request_frame("run.start", path=self.programs[kind, number], columns=80, rows=24)[1]
            for number, wire in enumerate(wires)
        ]
        seconds = first_bytes(wires, requests)
        for number, wire in enumerate(wires):
            self.check(wire, f"pupil-{number}")
        time.sleep(1.5)  # the pool is refilled meanwhile
        return seconds

    @staticmethod
    def check(wire, mark):
        (run,) = wire.output
        wire.expect(run, ">>> ")
        shown = wire.output[run].decode().split("\r\n")[:LINES]
        assert shown == [f"{mark} {number}" for number in range(LINES)], f"{mark} was shown {shown}"
        wire.close_run(run)

    def close(self):
        for wire in self.wires:
            wire.close()


def rival_burst(text):
    with ThreadPoolExecutor(PUPILS) as pool:
        return list(pool.map(first_byte, [[PYTHON, "-c", text]] * PUPILS))


def median_and_last(bursts):
    """Of several bursts the middle one of each figure."""
    return percentile([percentile(b, 0.5) for b in bursts], 0.5), percentile([max(b) for b in bursts], 0.5)


def measure(sessions, turns, sizes):
    pupils = Class(sessions)
    time.sleep(6 if len(sessions) > PUPILS else 2)  # a page is open for each: as many are parked
    quiet()
    ours, bare = {}, []
    for turn in range(turns):
        for kind in IMPORTS:
            ours.setdefault((kind, PUPILS), []).append(pupils.burst(kind, PUPILS))
        bare.append(rival_burst('print("hi")'))
        time.sleep(0.5)
    for size in sizes:
        for _ in range(max(1, turns // 2)):
            time.sleep(size / 60)
            ours.setdefault(("hello", size), []).append(pupils.burst("hello", size))
    pupils.close()
    return ours, bare


BARS = {("hello", PUPILS): (60, 150), ("numpy+pandas+pyplot", PUPILS): (150, 400)}


def main():
    options = arguments(__doc__)
    sizes = [150] if options.quick else [150, 300]
    school, sessions = serve_many(max(sizes), options)
    try:
        ours, bare = measure(sessions, 2 if options.quick else 7, sizes)
        school.stop()
    finally:
        school.remove()
    # One burst of this rival is enough: it takes as long as all the rest together.
    rivals = {"hello": ("python3", bare), "numpy+pandas+pyplot": ("python3 imports", [])}
    if not options.quick:
        rivals["numpy+pandas+pyplot"][1].append(rival_burst(IMPORTS["numpy+pandas+pyplot"] + '\nprint("hi")'))
    results = Results("burst")
    for (kind, size), bursts in ours.items():
        name, rival_bursts = rivals[kind]
        rival_median, rival_last = median_and_last(rival_bursts) if rival_bursts and size == PUPILS else (None, None)
        median, last = median_and_last(bursts)
        median_bar, last_bar = BARS.get((kind, size), (None, None))
        results.add(f"{size} x {kind}, median", median, name, rival_median, at_most=median_bar)
        results.add(f"{size} x {kind}, last", last, name, rival_last, at_most=last_bar)
    results.show(options.json)


if __name__ == "__main__":
    main()
