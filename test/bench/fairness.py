"""One account computes in 16 processes, or in three runs of 16; another presses Run on a short task: how much longer it takes."""

import asyncio
import time

from common import CLASS, Connection, Results, Session, arguments, password_of, percentile, quiet, serve

PACE = 0.2
HOG = """
import os
for i in range(15):
    if os.fork() == 0:
        break
os.write(1, b'.')
while True: pass
"""
# A tenth of a second's work, measured once and then always the same.
CALIBRATE = """
import time
count = 1000
while True:
    begin = time.process_time()
    for i in range(count): pass
    seconds = time.process_time() - begin
    if seconds > 0.1: break
    count *= 2
print('hi', int(count * 0.1 / seconds), flush=True)
"""
TASK = "for i in range({count}): pass\nprint('hi')"


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


class Hog:
    """Somebody whose runs compute without end."""

    def __init__(self, connection):
        self.pupil = Pupil(connection)
        self.runs = []

    async def begin(self, count):
        path = await self.pupil.save("hog.py", HOG)
        for _ in range(count):
            run = await self.pupil.connection.start(path)
            await run.expect("." * 16)
            self.runs.append(run)

    async def end(self):
        while self.runs:
            await self.runs.pop().close()


async def enter(school, name):
    session = Session(school.address)
    session.sign_in(name, password_of(name))
    return await Connection.open(session, CLASS)


async def calibrate(pupil):
    run = await pupil.connection.start(await pupil.save("calibrate.py", CALIBRATE))
    await run.expect("hi ")
    count = int(await run.expect("\r\n"))
    await run.close()
    return count


async def measure(school, rounds, tasks):
    """A round: the task on the idle machine, beside one run, beside three. Its medians, so that each is compared with what
    the machine could do in that very minute."""
    pupil, hog = Pupil(await enter(school, "ada")), Hog(await enter(school, "ben"))
    path = await pupil.save("task.py", TASK.format(count=await calibrate(pupil)))
    medians = {0: [], 1: [], 3: []}
    await pupil.press_run(path)
    quiet()
    for _ in range(rounds):
        for runs, values in medians.items():
            await hog.begin(runs)
            await asyncio.sleep(1.5)  # until the server has seen that all of them compute
            values.append(percentile([await pupil.press_run(path) for _ in range(tasks)], 0.5))
            await hog.end()
    await pupil.connection.close()
    await hog.pupil.connection.close()
    return medians


def main():
    options = arguments(__doc__)
    options.set += ["limits.cpu=1h"]
    school = serve(["ada", "ben"], options)
    try:
        medians = asyncio.run(measure(school, 3 if options.quick else 10, 7 if options.quick else 10))
        school.stop()
    finally:
        school.remove()
    results = Results("fairness")
    alone = percentile(medians[0], 0.5)
    for runs, what in ((1, "0.1 s of work, one run of 16 beside"), (3, "0.1 s of work, three runs of 16 beside")):
        longer = percentile([busy / idle for busy, idle in zip(medians[runs], medians[0])], 0.5)
        beside = percentile(medians[runs], 0.5)
        rival = f"{beside * 1000:.0f} ms, on the idle machine {alone * 1000:.0f} ms"
        results.add_value(what, longer, "times", rival, 1 / longer, at_most=2)
    results.show(options.json)


if __name__ == "__main__":
    main()
