"""A key pressed -> its echo at the page, in input() and at the prompt: alone, and beside 60 programs that print for ever."""

import multiprocessing
import time

from common import CLASS, Results, apart, arguments, percentile, quiet, serve_many
from wire import Wire

FLOODS = 60
PACE = 0.02
INPUT = "while True:\n    input()\n"
FLOOD = "while True:\n    print('what nobody can read', flush=False)\n"


def keys(wire, run, count):
    """Seconds of each key; a line is ended now and then, so that it does not grow without end."""
    seconds = []
    for number in range(count):
        key = "\r" if number % 40 == 39 else "a"
        begin, shown = time.perf_counter(), len(wire.output.get(run, b""))
        wire.type(run, key)
        while len(wire.output.get(run, b"")) == shown:
            wire.poll()
        seconds.append(time.perf_counter() - begin)
        wire.events.clear()
        time.sleep(PACE)
        while wire.poll_now():
            pass
    return seconds


class Floods:
    """As many people, each with a page that takes what comes, as fast as it comes."""

    def __init__(self, sessions):
        self.wires = [Wire(session, CLASS) for session in sessions]
        self.runs = []
        for wire in self.wires:
            wire.keep_output = False
            self.runs.append(wire.start(wire.save("flood.py", FLOOD)))
        self.taker = multiprocessing.get_context("fork").Process(target=self.take, daemon=True)
        self.taker.start()

    def take(self):
        """In a process of its own, that it may not hold up who measures. Each page takes a window in turn: 60 browsers
        do not share one machine's two cores with the server."""
        while True:
            for wire in self.wires:
                wire.poll_now()
                wire.events.clear()
                time.sleep(0.005)

    def end(self):
        self.taker.terminate()
        self.taker.join()
        for wire, run in zip(self.wires, self.runs):
            wire.tell("run.close", run=run)
            wire.close()


def measure(sessions, count):
    wire = Wire(sessions[0], CLASS)
    reading = wire.start(wire.save("input.py", INPUT))
    prompt = wire.start()
    wire.expect(prompt, ">>> ")
    quiet()
    times = {}
    keys(wire, reading, 20), keys(wire, prompt, 20)
    times["input(), alone"] = keys(wire, reading, count)
    times["prompt, alone"] = keys(wire, prompt, count)
    floods = Floods(sessions[1:])
    apart()
    time.sleep(2)
    times["input(), beside"] = keys(wire, reading, count)
    times["prompt, beside"] = keys(wire, prompt, count)
    floods.end()
    wire.close()
    return times


def main():
    options = arguments(__doc__)
    school, sessions = serve_many(FLOODS + 1, options)
    try:
        times = measure(sessions, 250 if options.quick else 1000)
        school.stop()
    finally:
        school.remove()
    results = Results("echo")
    for what, seconds in times.items():
        alone = times[what.partition(",")[0] + ", alone"]
        beside = what.endswith("beside")
        name = f"{what} {FLOODS} floods" if beside else what
        rival = ("alone", percentile(alone, 0.5)) if beside else (None, None)
        results.add(f"{name}, p50", percentile(seconds, 0.5), *rival)
        rival = ("alone", percentile(alone, 0.99)) if beside else (None, None)
        results.add(f"{name}, p99", percentile(seconds, 0.99), *rival, at_most=25 if beside else 5)
    results.show(options.json)


if __name__ == "__main__":
    main()
