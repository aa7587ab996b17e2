"""Stop, whatever the program does."""

import random
import time

import pytest

from conftest import leave_nothing

STUBBORN = {
    "ignores the interrupt": "signal.signal(signal.SIGINT, signal.SIG_IGN)\n",
    "catches everything": "",
    "blocks all signals": "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n",
    "left its session": "if os.fork():\n    os._exit(0)\nos.setsid()\n",
    "has children that ignore it": "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "for _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n        while True: time.sleep(1)\n",
}
# It says that it is on where an interrupt can no longer come between it and its try.
LOOP = """
said = False
while True:
    try:
        if not said:
            said = True
            print('<on>', flush=True)
        while True:
            time.sleep(0.05)
    except BaseException:
        pass
"""


def test_a_polite_stop_runs_finally(ada):
    """A program holds a file open; on Stop its finally: writes the last line."""
    program = """
import time
file = open('log.txt', 'w')
try:
    print('working', flush=True)
    while True: time.sleep(0.1)
finally:
    file.write('closed in order')
    file.close()
    print('finally ran', flush=True)
"""
    run = ada.run(program)
    run.expect("working")
    started = time.monotonic()
    run.stop()
    run.expect("finally ran")
    run.wait_state("repl", "ended")
    assert time.monotonic() - started < 1.0
    assert ada.read("log.txt") == "closed in order"


def test_stop_ends_the_prompt_too(ada):
    """Stop ends the whole run, its prompt included, as soon as the interrupt was enough; Ctrl-C is what keeps the prompt."""
    run = ada.run("count = 0\nprint('<on>', flush=True)\nwhile True: count += 1")
    run.expect("<on>")
    started = time.monotonic()
    run.stop()
    assert run.wait_end(timeout=5)["reason"] == "stopped"
    assert time.monotonic() - started < 1.0
    assert "KeyboardInterrupt" in run.text


def test_closed_after_stop(ada):
    """The program was stopped, and its terminal closed while it was ending: both are over, and there is room for another."""
    run = ada.run("print('<on>', flush=True)\nwhile True: pass")
    run.expect("<on>")
    run.stop()
    run.close()
    assert run.number not in [info["run"] for info in ada.request("run.list")["runs"]]


@pytest.mark.parametrize("how", STUBBORN)
def test_a_stubborn_program_is_killed(school, ada, how):
    """A program that will not stop is killed a second after Stop was pressed, with all that it started."""
    before = school.settled()
    run = ada.run("import os, signal, time\n" + STUBBORN[how] + LOOP)
    if how == "left its session":
        run.wait_end(timeout=5)
    else:
        run.expect("<on>")
        started = time.monotonic()
        run.stop()
        info = run.wait_end(timeout=5)
        assert 0.7 < time.monotonic() - started < 2.5
        assert info["reason"] == "killed"
    run.close()
    assert school.settled() == before


def test_stop_twice_and_while_ending(ada):
    """Stop is pressed again and again, also when nothing is left to stop."""
    run = ada.run("import os, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + LOOP)
    run.expect("<on>")
    for _ in range(5):
        run.stop()
    run.wait_end(timeout=5)
    run.stop()
    run.stop()
    assert run.states.count("ended") == 1


def test_stop_in_the_repl_and_at_input(ada):
    run = ada.run("input('? ')")
    run.expect("? ")
    run.stop()
    run.wait_state("repl", "ended", timeout=5)
    repl = ada.start()
    repl.expect(">>> ")
    repl.stop()
    repl.wait_end(timeout=5)


def test_stop_during_a_flood(ada):
    """The program floods the terminal: Stop is not queued behind the output."""
    run = ada.run("import sys\nwhile True:\n    sys.stdout.write('x' * 10000 + '\\n')")
    run.expect("xxx")
    started = time.monotonic()
    run.stop()
    run.wait_state("repl", "ended", timeout=5)
    assert time.monotonic() - started < 2.5


def test_stop_of_a_flood_that_nobody_takes(ada):
    run = ada.run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: print('x' * 1000)")
    run.expect("xxx")
    run.hold()
    time.sleep(0.5)
    run.stop()
    run.wait_state("ended", timeout=5)


def test_close_ends_at_once(ada):
    run = ada.run("import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + LOOP)
    run.expect("<on>")
    started = time.monotonic()
    run.close()
    ada.wait(lambda: run.number in ada.connection.gone or run.state == "ended", what="the end", timeout=5)
    assert time.monotonic() - started < 0.5
    assert run.number not in [r["run"] for r in ada.request("run.list")["runs"] if r["state"] != "ended"]


def test_stop_at_random_moments_leaves_nothing(school, ada):
    """Two hundred runs are stopped at any moment of their lives: nothing is left of them, and every run ended once."""
    dice = random.Random(8700)
    ada.run("print('warm')").expect("warm")
    leave_nothing(ada)
    before = school.settled()
    program = "import time\nfor i in range(1000000):\n    print(i)\n    if i % 50 == 0: time.sleep(0.001)"
    for turn in range(200):
        run = ada.run(program)
        time.sleep(dice.choice((0, 0.001, 0.004, 0.02)) * dice.random())
        if turn % 3 == 0:
            run.stop()
        if turn % 5 == 0:
            run.stop()
            time.sleep(dice.random() * 0.02)
        run.close()
        run._run.output.clear()
        ada.connection.runs.pop(run.number, None)
    assert school.settled() == before
    assert [r for r in ada.request("run.list")["runs"] if r["state"] != "ended"] == []
