"""A class of 60 presses Run in one moment: the median and the last first byte, against 60 bare python3 at once."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from common import CLASS, HELLO, PYTHON, SCIENTIFIC, Connection, Results, Session
from common import arguments, first_byte, password_of, percentile, quiet, serve

PUPILS = 60


async def join(school, name):
    session = Session(school.address)
    session.sign_in(name, password_of(name))
    return await Connection.open(session, CLASS)


async def one_run(connection, text, turn):
    """Seconds to the first byte, and proof that the output is the own one."""
    person = connection.hello["person"]
    path = f"Local/{person['folder']}/burst.py"
    mark = f"{person['name']} {turn}"
    await connection.request("file.save", path=path, text=text.replace("hi", mark), overwrite=True)

    async def press():
        started = time.perf_counter()
        run = await connection.start(path)
        await run.expect(mark + "\r\n", timeout=60)
        return run.first_byte_at - started, run

    async def check_and_close(run):
        shown = [line for line in run.text.splitlines() if line.startswith("pupil")]
        assert shown == [mark], f"{mark} was shown {shown}"
        await run.close()

    return press, check_and_close


async def burst(connections, text, turn):
    prepared = [await one_run(connection, text, turn) for connection in connections]
    await asyncio.sleep(1.0)
    done = await asyncio.gather(*(press() for press, _ in prepared))
    for (_, check_and_close), (_, run) in zip(prepared, done):
        await check_and_close(run)
    await asyncio.sleep(1.0)
    return [seconds for seconds, _ in done]


def rival_burst(text):
    with ThreadPoolExecutor(PUPILS) as pool:
        return list(pool.map(first_byte, [[PYTHON, "-c", text]] * PUPILS))


def median_and_last(bursts):
    """Of several bursts the middle one of each figure."""
    return percentile([percentile(b, 0.5) for b in bursts], 0.5), percentile([max(b) for b in bursts], 0.5)


async def measure(school, turns):
    connections = [await join(school, f"pupil-{number}") for number in range(PUPILS)]
    await burst(connections, HELLO, "warm")
    quiet()
    hello, scientific, bare = [], [], []
    for turn in range(turns):
        hello.append(await burst(connections, HELLO, turn))
        bare.append(rival_burst(HELLO))
        scientific.append(await burst(connections, SCIENTIFIC, f"s{turn}"))
    for connection in connections:
        await connection.close()
    return hello, scientific, bare


def main():
    options = arguments(__doc__)
    school = serve([f"pupil-{number}" for number in range(PUPILS)], options)
    try:
        hello, scientific, bare = asyncio.run(measure(school, 1 if options.quick else 7))
        school.stop()
    finally:
        school.remove()
    # One burst of the rival is enough: it takes as long as all the rest together.
    bare_imports = [rival_burst(SCIENTIFIC)]
    results = Results("burst")
    for what, ours, rival_name, rival, median_bar, last_bar in (
        ("hello", hello, "python3", bare, 60, 150),
        ("numpy+pandas+pyplot", scientific, "python3 imports", bare_imports, 150, 400),
    ):
        median, last = median_and_last(ours)
        rival_median, rival_last = median_and_last(rival)
        results.add(f"{PUPILS} x {what}, median", median, rival_name, rival_median, at_most=median_bar)
        results.add(f"{PUPILS} x {what}, last", last, rival_name, rival_last, at_most=last_bar)
    results.show(options.json)


if __name__ == "__main__":
    main()
