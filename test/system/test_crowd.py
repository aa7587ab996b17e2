"""Many at once."""

import asyncio

import websockets

from carrel import Connection, Loop
from school import STUDENTS

WRITER = """
import os, time
for i in range(50):
    with open('out.csv', 'a') as file:
        file.write(f'{NAME},{i},{os.getcwd()}\\n')
    time.sleep(0.002)
print('finished', NAME)
"""


def test_everybody_writes_a_file_of_the_same_name(school, join):
    """Ten pupils run, in the same second, a program that opens out.csv fifty times. Each finds the own fifty lines in the
    own folder, and nobody else's."""
    people = {name: join(name) for name in STUDENTS[:10]}

    async def run_one(name, person):
        text = f"NAME = {name!r}\n" + WRITER
        run = await person.connection.start(f"{person.folder}/write.py", text=text, overwrite=True)
        await run.expect(f"finished {name}", timeout=60)
        await run.wait_state("repl")

    async def run_all():
        await asyncio.gather(*(run_one(name, person) for name, person in people.items()))

    Loop.call(run_all())
    for name, person in people.items():
        home = "/home/" + person.folder.removeprefix("Local/")
        assert person.read("out.csv").splitlines() == [f"{name},{i},{home}" for i in range(50)]
        listing = person.request("tree.list", path=person.folder)["entries"]
        assert sorted(entry["name"] for entry in listing) == ["out.csv", "write.py"]


def test_a_busy_neighbour(join):
    """Nine pupils run endless loops; the tenth still gets an answer."""
    people = [join(name) for name in STUDENTS[:10]]
    for person in people[:9]:
        person.run("print('busy', flush=True)\nwhile True: pass").expect("busy")
    people[9].run("print('my turn')").expect("my turn", timeout=5)


def test_a_fork_bomb(ada, ben):
    """A program starts itself again and again; it hits its limit, the neighbour does not notice, and Stop takes all."""
    bomb = """
import os, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
print('lit', flush=True)
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    run = ada.run(bomb)
    run.expect("lit")
    ben.run("print(sum(range(1000)))").expect("499500")
    run.stop()
    run.wait_end(timeout=10)


def test_many_pages_of_one_person(ada):
    """Ten tabs are open; all are served, and each has the whole tree."""

    async def open_all():
        connections = await asyncio.gather(*(Connection.open(ada.session, ada.class_slug) for _ in range(10)))
        try:
            for connection in connections:
                await connection.request("tree.list", path=ada.folder)
        finally:
            await asyncio.gather(*(connection.close() for connection in connections))

    Loop.call(open_all())


def test_too_many_pages_of_one_person(ada, ben):
    """A page with a mistake in it opens sockets for ever: one account's are limited, others come in all the same."""

    async def open_many():
        connections = []
        try:
            for _ in range(200):
                connections.append(await Connection.open(ada.session, ada.class_slug))
        except websockets.InvalidStatusCode as refused:
            assert refused.status_code in (429, 503)
            second = await Connection.open(ben.session, ben.class_slug)
            await second.close()
        finally:
            await asyncio.gather(*(connection.close() for connection in connections))
        return len(connections)

    assert 10 <= Loop.call(open_many()) < 200
