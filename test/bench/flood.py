"""A program that prints for ever: how much a fast page gets of it, what the server's memory does, how soon it is gone."""

import time

from common import CLASS, PYTHON, Results, arguments, percentile, pss, quiet, serve_many
from school import descendants, is_alive
from wire import Wire
import subprocess

FLOOD = "i = 0\nwhile True:\n    print(i)\n    i += 1\n"


def rate(wire, seconds):
    """Bytes a second that arrive."""
    begin, before = time.perf_counter(), wire.received
    while time.perf_counter() - begin < seconds:
        wire.poll()
        wire.events.clear()
    return (wire.received - before) / (time.perf_counter() - begin)


def rival_rate(seconds):
    """The same program in a bare pseudo-terminal, read by one process."""
    command = ["script", "-qfc", f"{PYTHON} -c '{FLOOD}'", "/dev/null"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as program:
        begin, size = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            size += len(program.stdout.read1(262144))
        program.kill()
    return size / (time.perf_counter() - begin)


def until_gone(wire, run, pids):
    """Seconds from run.close until the kernel has no process of it any more, during its flood."""
    begin = time.perf_counter()
    wire.tell("run.close", run=run)
    while any(is_alive(pid) for pid in pids):
        if time.perf_counter() - begin > 5:
            raise AssertionError("the program does not go")
    seconds = time.perf_counter() - begin
    wire.until("run.gone", lambda message: message["run"] == run)
    return seconds


def busiest(school):
    """The processes of the one run: those of the sandboxes that have used a second of processor time."""
    found = []
    for pid in descendants(school.process.pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                words = file.read().rpartition(")")[2].split()
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                name = file.read().strip()
        except OSError:
            continue
        if name == "python3" and int(words[11]) + int(words[12]) > 20:
            found.append(pid)
    return found


def measure(school, session, rounds):
    wire = Wire(session, CLASS)
    wire.keep_output = False
    path = wire.save("flood.py", FLOOD)
    server = [*school.processes("web"), *school.processes("supervisor")]
    rates, rivals, gone = [], [], []
    quiet()
    run = wire.start(path)
    rate(wire, 2)
    before = pss(server)
    rates.append(rate(wire, 10))
    after = pss(server)
    gone.append(until_gone(wire, run, busiest(school)))
    for _ in range(rounds):
        run = wire.start(path)
        rate(wire, 0.5)
        rates.append(rate(wire, 1))
        gone.append(until_gone(wire, run, busiest(school)))
        wire.acknowledged.clear()
        rivals.append(rival_rate(1))
    wire.close()
    return rates, rivals, gone, after - before


def main():
    options = arguments(__doc__)
    school, sessions = serve_many(1, options, "--limits.cpu=1h", "--limits.output=1000GB")
    try:
        rates, rivals, gone, growth = measure(school, sessions[0], 5 if options.quick else 20)
        school.stop()
    finally:
        school.remove()
    results = Results("flood")
    ours, bare = percentile(rates, 0.5) / 2**20, percentile(rivals, 0.5) / 2**20
    results.add_value("bytes to one page", ours, "MB/s", f"bare terminal: {bare:.1f} MB/s", ours / bare)
    results.add_value("the server's memory after 10 s more", growth / 2**20, "MB", at_most=1)
    results.add("run.close -> gone, p50", percentile(gone, 0.5))
    results.add("run.close -> gone, longest", max(gone), at_most=100)
    results.show(options.json)


if __name__ == "__main__":
    main()
