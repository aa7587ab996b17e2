"""Run pressed -> first byte of output at a WebSocket client, at a human pace, against bare python3 and bwrap."""

import asyncio
import time

from common import BWRAP, CLASS, HELLO, PYTHON, SCIENTIFIC, Connection, Results, Session
from common import arguments, first_byte, has_bwrap, password_of, percentile, quiet, serve

PACE = 0.2


class Pupil:
    """Presses Run and waits for the first letter."""

    def __init__(self, connection):
        self.connection = connection
        self.folder = "Local/" + connection.hello["person"]["folder"]

    async def save(self, name, text):
        path = f"{self.folder}/{name}"
        await self.connection.request("file.save", path=path, text=text, overwrite=True)
        return path

    async def press_run(self, path, **fields):
        """Seconds to the first byte; the terminal is closed and the pace kept before it returns."""
        started = time.perf_counter()
        run = await self.connection.start(path, **fields)
        await run.expect("hi")
        seconds = run.first_byte_at - started
        await run.close()
        await asyncio.sleep(max(0, PACE - (time.perf_counter() - started)))
        return seconds


async def measure(school, rounds):
    session = Session(school.address)
    session.sign_in("ada", password_of("ada"))
    pupil = Pupil(await Connection.open(session, CLASS))
    hello, scientific = await pupil.save("hello.py", HELLO), await pupil.save("scientific.py", SCIENTIFIC)
    rivals = {"python3": [PYTHON, "-c", HELLO]}
    if has_bwrap():
        rivals["bwrap python3"] = [*BWRAP, PYTHON, "-c", HELLO]
    times = {name: [] for name in ("hello", "scientific", "saved", "python3 imports", *rivals)}
    for _ in range(5):
        await pupil.press_run(hello)
        await pupil.press_run(scientific)
    first_byte([PYTHON, "-c", SCIENTIFIC])
    quiet()
    for turn in range(rounds):
        times["hello"].append(await pupil.press_run(hello))
        for name, command in rivals.items():
            times[name].append(first_byte(command))
        await asyncio.sleep(0.05)
        times["scientific"].append(await pupil.press_run(scientific))
        if turn % 8 == 0:
            times["python3 imports"].append(first_byte([PYTHON, "-c", SCIENTIFIC]))
            await asyncio.sleep(0.05)
        if turn % 4 == 0:
            times["saved"].append(await pupil.press_run(hello, text=HELLO, overwrite=True))
    await pupil.connection.close()
    return times


def main():
    options = arguments(__doc__)
    school = serve(["ada"], options)
    try:
        times = asyncio.run(measure(school, 50 if options.quick else 300))
        school.stop()
    finally:
        school.remove()
    p50 = {name: percentile(values, 0.5) for name, values in times.items() if values}
    p99 = {name: percentile(values, 0.99) for name, values in times.items() if values}
    results = Results("start")
    bare = ("python3", p50["python3"])
    imports = ("python3 imports", p50["python3 imports"])
    results.add("hello, p50", p50["hello"], *bare, at_most=2, at_least_ratio=5)
    results.add("hello, p99", p99["hello"], "python3", p99["python3"], at_most=10)
    if "bwrap python3" in p50:
        results.add("hello, p50, against bwrap", p50["hello"], "bwrap python3", p50["bwrap python3"])
    results.add("hello saved on the way, p50", p50["saved"], *bare)
    results.add("numpy+pandas+pyplot, p50", p50["scientific"], *imports, at_most=3, at_least_ratio=100)
    results.add("numpy+pandas+pyplot, p99", p99["scientific"], "python3 imports", p99["python3 imports"])
    results.show(options.json)


if __name__ == "__main__":
    main()
