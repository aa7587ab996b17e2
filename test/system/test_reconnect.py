"""The page goes and comes back; the web server dies; the program goes on."""

import os
import re
import signal
import time

from carrel import Connection, Loop, Refused
from school import wait_for

COUNT_ALOUD = """
import time
for i in range(100000):
    print(f'<{i}>', flush=True)
    time.sleep(0.005)
"""


def numbers(text):
    return [int(number) for number in re.findall(r"<(\d+)>\r\n", text)]


def test_a_reload_misses_and_doubles_nothing(ada):
    """The page is reloaded ten times while a program counts; it asks for what it has not seen."""
    run = ada.run(COUNT_ALOUD)
    run.expect("<0>")
    seen = bytearray(run.output)
    for _ in range(10):
        at = len(seen)
        ada.disconnect()
        time.sleep(0.1)
        ada.connect()
        again = ada.attach(run.number, at)
        assert again.start == at
        again.expect(">\r\n")
        time.sleep(0.1)
        seen += again.output
    counted = numbers(seen.decode())
    assert counted == list(range(len(counted))) and len(counted) > 100


def test_attaching_from_the_middle_and_beyond(ada):
    run = ada.run("print('0123456789')\ninput()")
    run.expect("9\r\n")
    run.wait_state("waiting")

    async def look():
        second = await Connection.open(ada.session, ada.class_slug)
        middle = await second.attach(run.number, 5)
        await middle.expect("56789")
        assert middle.start == 5 and middle.output.startswith(b"56789")
        await second.close()
        third = await Connection.open(ada.session, ada.class_slug)
        try:
            beyond = await third.attach(run.number, 10**9)
            assert beyond.start <= 10**9
        except Refused as refusal:
            assert refusal.code == "malformed"
        await third.close()

    Loop.call(look())


def test_scrollback_of_an_ended_run(ada):
    """The page comes back after the program has ended: what it printed is still there."""
    run = ada.run("print('the last words')")
    run.expect(">>> ")
    run.type("exit()\r")
    run.wait_end()
    ada.disconnect()
    ada.connect()
    assert [r["state"] for r in ada.hello["runs"] if r["run"] == run.number] == ["ended"]
    ada.attach(run.number).expect("the last words")


def test_detach(ada):
    run = ada.run(COUNT_ALOUD)
    run.expect("<0>")
    run.detach()
    time.sleep(0.1)
    at = run.next
    time.sleep(0.3)
    assert run.next == at
    again = ada.attach(run.number, at)
    again.expect(">\r\n")


def test_the_web_server_is_killed_again_and_again(school, ada):
    """The web server dies twenty times while a program counts aloud. The program does not notice, the page comes back by
    itself, and no number is missing."""
    run = ada.run(COUNT_ALOUD)
    run.expect("<0>")
    seen = bytearray()
    number, owner = run.number, school.the_process("supervisor")
    for _ in range(20):
        seen += run.output
        os.kill(school.the_process("web"), signal.SIGKILL)
        Loop.call(ada.connection.closed())
        reconnect(ada)
        run = ada.attach(number, len(seen))
        run.expect(">\r\n")
    seen += run.output
    counted = numbers(seen.decode())
    assert counted == list(range(len(counted))) and len(counted) > 100
    assert school.the_process("supervisor") == owner
    run.stop()
    run.wait_state("repl", "ended")


def reconnect(person, patience=10):
    """As a page does: again and again until it listens."""
    end = time.monotonic() + patience
    while True:
        try:
            person.connect()
            return
        except OSError as error:
            assert time.monotonic() < end, f"the server does not come back: {error}"
            time.sleep(0.02)
        except Exception as error:  # a handshake cut off by the next death
            assert time.monotonic() < end, f"the server does not come back: {error!r}"
            time.sleep(0.02)


def test_input_while_the_web_server_dies(school, ada):
    """A program asks; the web server dies; the answer given after coming back arrives."""
    run = ada.run("print('answer:', input('? '))")
    run.expect("? ")
    os.kill(school.the_process("web"), signal.SIGKILL)
    Loop.call(ada.connection.closed())
    reconnect(ada)
    again = ada.attach(run.number)
    again.expect("? ")
    again.type("still here\r")
    again.expect("answer: still here")
    wait_for(lambda: len(school.processes("web")) == 1, 10, "one web server")
