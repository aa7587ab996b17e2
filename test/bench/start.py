"""Run pressed -> first byte at a WebSocket client, at a human pace, against bare python3, bwrap and a Jupyter kernel."""

import time

from common import BWRAP, CLASS, HELLO, PYTHON, SCIENTIFIC, Results
from common import arguments, first_byte, has_bwrap, percentile, quiet, serve_many
from kernel import Kernels, has_kernels
from wire import Wire

PACE = 0.2


class Pupil:
    """Presses Run and waits for the first letter."""

    def __init__(self, wire):
        self.wire = wire

    def press_run(self, path, **fields):
        """Seconds to the first byte; the terminal is closed and the pace kept before it returns."""
        started = time.perf_counter()
        run, seconds = self.wire.press_run(path, **fields)
        self.wire.expect(run, "hi")
        self.wire.expect(run, ">>> ")
        self.wire.close_run(run)
        time.sleep(max(0, PACE - (time.perf_counter() - started)))
        return seconds


def rivals_of_hello():
    rivals = {"python3": [PYTHON, "-c", HELLO]}
    if has_bwrap():
        rivals["bwrap python3"] = [*BWRAP, PYTHON, "-c", HELLO]
    return rivals


def measure(session, rounds):
    pupil = Pupil(Wire(session, CLASS))
    hello, scientific = pupil.wire.save("hello.py", HELLO), pupil.wire.save("scientific.py", SCIENTIFIC)
    rivals, kernels = rivals_of_hello(), Kernels() if has_kernels() else None
    times = {name: [] for name in ("hello", "scientific", "saved", "python3 imports", "kernel", *rivals)}
    for _ in range(8):
        pupil.press_run(hello)
        pupil.press_run(scientific)
    first_byte([PYTHON, "-c", SCIENTIFIC])
    quiet()
    for turn in range(rounds):
        times["hello"].append(pupil.press_run(hello))
        for name, command in rivals.items():
            times[name].append(first_byte(command))
        time.sleep(0.05)
        times["scientific"].append(pupil.press_run(scientific))
        if turn % 8 == 0:
            times["python3 imports"].append(first_byte([PYTHON, "-c", SCIENTIFIC]))
            time.sleep(0.05)
        if turn % 4 == 0:
            times["saved"].append(pupil.press_run(hello, text=HELLO, overwrite=True))
        if kernels and turn % 20 == 0:
            times["kernel"].append(kernels.first_output(HELLO))
            time.sleep(0.2)
    pupil.wire.close()
    return times


def report(times, options):
    p50 = {name: percentile(values, 0.5) for name, values in times.items() if values}
    p99 = {name: percentile(values, 0.99) for name, values in times.items() if values}
    results = Results("start")
    bare = ("python3", p50["python3"])
    imports = ("python3 imports", p50["python3 imports"])
    results.add("hello, p50", p50["hello"], *bare, at_most=2, at_least_ratio=5)
    results.add("hello, p99", p99["hello"], "python3", p99["python3"], at_most=10)
    if "bwrap python3" in p50:
        results.add("hello, p50, against bwrap", p50["hello"], "bwrap python3", p50["bwrap python3"])
    if "kernel" in p50:
        results.add("hello, p50, against a kernel", p50["hello"], "Jupyter", p50["kernel"], at_least_ratio=100)
    results.add("hello saved on the way, p50", p50["saved"], *bare)
    results.add("numpy+pandas+pyplot, p50", p50["scientific"], *imports, at_most=3, at_least_ratio=100)
    results.add("numpy+pandas+pyplot, p99", p99["scientific"], "python3 imports", p99["python3 imports"])
    results.show(options.json)


def main():
    options = arguments(__doc__)
    school, sessions = serve_many(1, options)
    try:
        times = measure(sessions[0], 40 if options.quick else 300)
        school.stop()
    finally:
        school.remove()
    report(times, options)


if __name__ == "__main__":
    main()
