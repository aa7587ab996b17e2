"""Beside the cases: what becomes of a program, and of who watches it, when something else ends at the wrong moment."""

import os
import re
import signal
import time

from carrel import Connection, Loop, Terminal
from left import groups_named, no_process_of, processes_of
from school import School, descendants, is_alive, wait_for

CRASH_BASE = 4000000  # uid.base of these servers


def reconnect_at_the_end(school, control):
    """A page goes and comes back within the very moments in which its program ends: it sees all output, and one end. So does
    a second tab, which stays."""
    finn = school.person("finn")
    tab = Loop.call(Connection.open(finn.session, finn.class_slug))
    late = 0
    for number in range(40):
        run = finn.run("for n in range(50): print(f'<{n}>')\nprint('the end')", name="end.py")
        second = Terminal(Loop.call(tab.attach(run.number, 0)))
        time.sleep(number * 0.001)
        seen, ended = bytes(run.output), run.state == "ended"
        late += not ended
        finn.disconnect()
        finn.connect()
        again = finn.attach(run.number, len(seen))
        wanted = b"".join(b"<%d>\r\n" % n for n in range(50)) + b"the end\r\n"
        for page, before in ((again, seen), (second, b"")):
            info = page.wait_end()
            assert before + bytes(page.output) == wanted, (before, bytes(page.output))
            assert info["reason"] == "finished" and info["exit"] == 0, info
            assert page.states.count("ended") == 1 and page.states[-1] == "ended", page.states
        again.close()
    Loop.call(tab.close())
    control.run()
    finn.disconnect()
    assert late > 3, "it never came in time"
    return f"{late} of 40 before the end"


# Daemons, one that is stopped, one that is deaf; all with a descriptor open and a thread or two.
SPREAD = """
import os, signal, threading, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
open('left', 'w').write('kept')
for how in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            threading.Thread(target=lambda: time.sleep(1000), daemon=True).start()
            if how == 1:
                os.kill(os.getpid(), signal.SIGSTOP)
            while True:
                time.sleep(0.01) if how else None
        os._exit(0)
print('ready', flush=True)
n = 0
while True:
    print(f'<{n}>', flush=True)
    n += 1
    time.sleep(0.01)
"""


def page_comes_back(person):
    """And stays: a web server that was started beside a supervisor just dying ends once more, and the page comes again."""

    def stays():
        try:
            person.connect()
        except Exception:  # not yet
            return False
        time.sleep(2)
        return person.connection.close_code is None

    wait_for(stays, 60, "the page to come back")


def cut_off(person):
    try:
        Loop.call(person.connection.closed())
    finally:
        person.connection = None


def crash(which):
    """One of the server's processes is killed while a student's program runs. What the student sees then, and that nothing
    is left on the host."""
    school = School(settings=[f"--uid.base={CRASH_BASE}", "--repl.after=never", "--limits.cpu=60s", "--pool.size=2", "--pool.maximum=2"])
    try:
        school.enrol_everybody()
        school.start()
        ada = school.person("ada")
        run = ada.run(SPREAD)
        run.expect("<3>")
        uid = (school.data / "files" / "demo" / ada.folder).stat().st_uid
        wait_for(lambda: len(processes_of(uid)) >= 4, 20, "all its processes")
        supervisor, below = school.the_process("supervisor"), descendants(school.process.pid)
        assert groups_named(f"carrel.{supervisor}")
        seen, web = bytes(run.output), school.the_process("web")
        if which == "monitor":
            school.process.kill()
            school.process.wait()
        else:
            os.kill(school.the_process(which), signal.SIGKILL)
        cut_off(ada)
        if which == "monitor":
            wait_for(lambda: not [pid for pid in below if is_alive(pid)], 10, "the end of every process")
            school.start()
        # The old web server ends with the supervisor, but not in the same moment; a page comes back as often as it must.
        wait_for(lambda: not is_alive(web), 10, "the end of the web server")
        page_comes_back(ada)
        mine = [one for one in ada.hello["runs"] if one["run"] == run.number]
        if which == "web":
            # The program has noticed nothing, and goes on where the page left it.
            assert mine and mine[0]["state"] in ("running", "waiting"), mine
            again = ada.attach(run.number, len(seen))
            again.expect("<")
            numbers = re.findall(rb"<(\d+)>", seen + bytes(again.output))
            assert [int(n) for n in numbers] == list(range(len(numbers))), numbers
            again.stop()
            assert again.wait_end()["reason"] == "killed"
        else:
            # It is gone with all its kin; the page is told of no such run, and the files are there.
            assert not mine, mine
            assert ada.refused("run.attach", run=run.number, **{"from": 0}) == "not-found"
            assert school.the_process("supervisor") != supervisor
            wait_for(lambda: not groups_named(f"carrel.{supervisor}"), 10, "the end of the dead one's control groups")
        no_process_of(uid, 0)
        assert ada.read("left") == "kept"
        after = ada.run("print('goes on')")
        after.expect("goes on")
        after.wait_end()
        ada.disconnect()
        school.stop()
    finally:
        school.remove()
    return "nothing left"
