"""Running programs: what comes, when, and what follows."""

import time

import pytest

from carrel import Connection, Loop


def test_output_comes_as_it_is_printed(ada):
    """A program prints, works, and prints again: the first line is there before the second is made."""
    run = ada.run("import time\nprint('one')\ntime.sleep(1.5)\nprint('two')")
    run.expect("one\r\n")
    before = time.monotonic()
    assert "two" not in run.text
    run.expect("two\r\n")
    assert time.monotonic() - before > 1.0


def test_part_of_a_line_comes_too(ada):
    run = ada.run("import time\nfor i in range(3):\n    print(i, end=' ', flush=True)\n    time.sleep(0.4)\ninput()")
    run.expect("0 ")
    assert "2 " not in run.text
    run.expect("2 ")


def test_exactly_the_shown_text_runs(ada):
    """Run is pressed while the newest letters are not saved yet: what the page shows is saved and run."""
    path = f"{ada.folder}/a.py"
    version = ada.request("file.save", path=path, text="print('old')")["version"]
    run = ada.start(path, text="print('new')", version=version)
    run.expect("new")
    assert run.version and run.version != version
    assert ada.read("a.py") == "print('new')"
    assert ada.refused("run.start", path=path, text="print('x')", version=version, columns=80, rows=24) == "conflict"
    assert ada.refused("run.start", path=path, text="print('x')", columns=80, rows=24) == "exists"
    assert ada.read("a.py") == "print('new')"
    assert "old" not in run.text


def test_a_program_gets_its_arguments_and_its_place(ada):
    run = ada.run("import sys\nprint(sys.argv, __name__, __file__)", arguments=["a b", "ü", "", "--x"])
    assert "['/home/ada/program.py', 'a b', 'ü', '', '--x'] __main__" in run.expect("\r\n")


def test_a_module_beside_the_program(ada):
    """The program imports a file of the same folder, then that file is changed: the next run sees the change."""
    ada.save("helper.py", "value = 1")
    first = ada.run("import helper\nprint('value', helper.value)")
    first.expect("value 1")
    first.close()
    ada.save("helper.py", "value = 22")
    ada.run("import helper\nprint('value', helper.value)").expect("value 22")


def test_states_are_told(ada):
    run = ada.run("print('ready')\nname = input('name? ')\nprint(name)")
    run.expect("name? ")
    run.wait_state("waiting")
    run.type("Ada\r")
    run.wait_state("repl")
    run.type("exit()\r")
    info = run.wait_end()
    order = [state for state in ("starting", "running", "waiting", "repl", "ended") if state in run.states]
    assert [s for i, s in enumerate(run.states) if s not in run.states[:i]] == order, run.states
    assert (info["reason"], info["exit"]) == ("finished", 0)
    assert info["ended"] >= info["started"]


def test_the_repl_after_the_end_has_the_variables(ada):
    """The program is over; its author asks what is in its variables."""
    run = ada.run("numbers = [1, 2, 3]\ndef double(x):\n    return 2 * x\nprint('done')")
    run.expect("done")
    run.expect(">>> ")
    run.wait_state("repl")
    run.type("double(sum(numbers))\r")
    run.expect("12\r\n")
    run.expect(">>> ")


def test_the_repl_after_an_exception(ada):
    """The program breaks: the traceback names the line, and the REPL has all that was there when it broke."""
    run = ada.run("total = 41\nprint('before')\nprint(total / 0)\n")
    before = run.expect("ZeroDivisionError: division by zero")
    assert before.index("before") < before.index("Traceback") < before.index("line 3")
    assert "print(total / 0)" in before
    run.expect(">>> ")
    run.type("total + 1\r")
    run.expect("42\r\n")
    lines = [line for line in before.splitlines() if "File " in line]
    assert len(lines) == 1 and "program.py" in lines[0], "only the author's own file is in the traceback"


def test_prior_output_stays_in_order(ada):
    run = ada.run("import sys\nfor i in range(300):\n    print('line', i, file=(sys.stdout, sys.stderr)[i % 2])\n")
    run.expect(">>> ")
    found = [int(line.split()[1]) for line in run.text.splitlines() if line.startswith("line ")]
    assert found == list(range(300))


def test_a_syntax_error(ada):
    run = ada.run("x = 1\nprint('hi'\n")
    shown = run.expect("SyntaxError")
    assert "line 2" in shown and "program.py" in shown


def test_repl_takes_blocks_and_ends_by_exit(ada):
    run = ada.start()
    run.expect(">>> ")
    run.type("for i in range(3):\r")
    run.expect("... ")
    run.type("    print('row', i)\r")
    run.expect("... ")
    run.type("\r")
    for i in range(3):
        run.expect(f"row {i}\r\n")
    run.expect(">>> ")
    run.type("exit(3)\r")
    info = run.wait_end()
    assert (info["reason"], info["exit"]) == ("finished", 3)


def test_repl_completes_names(ada):
    """Tab after a part of a name, in the REPL after a program: the program's own variables are offered."""
    run = ada.run("remarkable_number = 1234\nword = 'text'")
    run.expect(">>> ")
    run.type("remarkable_\t")
    run.expect("remarkable_number")
    run.type("\r")
    run.expect("1234\r\n")
    run.expect(">>> ")
    run.type("word.upp\t")
    run.expect("upper(")


def test_repl_remembers_lines(ada):
    run = ada.start()
    run.expect(">>> ")
    run.type("20 + 3\r")
    run.expect("\r\n23\r\n")
    run.expect(">>> ")
    run.type("\x1b[A\r")
    run.expect("23\r\n")
    run.expect(">>> ")


def test_the_repl_alone_is_in_the_own_folder(ada):
    ada.save("there.txt", "x")
    run = ada.start()
    run.expect(">>> ")
    run.type("import os; print(os.getcwd(), os.listdir())\r")
    run.expect("/home/ada ['there.txt']")
    assert "path" not in run.info


def test_two_programs_at_once(ada):
    """Two files are open; both run; each terminal shows its own."""
    first = ada.run("for i in range(3):\n    print('first', input())", name="first.py")
    second = ada.run("for i in range(3):\n    print('second', input())", name="second.py")
    for text in "abc":
        first.type(text + "\r")
        second.type(text.upper() + "\r")
        first.expect(f"first {text}\r\n")
        second.expect(f"second {text.upper()}\r\n")
    assert "second" not in first.text and "first" not in second.text


def test_no_more_programs_than_allowed(ada):
    """The fourth program of one account is refused in words; when one has ended there is room again."""
    runs = [ada.run("input()", name=f"{i}.py") for i in range(3)]
    assert ada.refused("run.start", columns=80, rows=24) == "busy"
    runs[0].close()
    ada.start().expect(">>> ")


def test_scientific_packages(ada):
    run = ada.run("import numpy, pandas\nprint(pandas.DataFrame({'a': numpy.arange(3)}).sum().to_dict())")
    run.expect("{'a': 3}")


def test_files_are_written_where_the_program_is(ada):
    ada.request("folder.create", path=f"{ada.folder}/week 1")
    run = ada.run("open('out.txt', 'w').write('here')\nprint('written')", name="week 1/task.py")
    run.expect("written")
    run.wait_state("repl")
    assert ada.read("week 1/out.txt") == "here"


def test_a_relative_file_is_found(ada):
    """The data lies beside the program: open('data.csv') must find it, also in a folder of folders."""
    ada.request("folder.create", path=f"{ada.folder}/week 1")
    ada.save("week 1/data.csv", "a,b\n1,2\n")
    ada.run("print(open('data.csv').read())", name="week 1/task.py").expect("1,2")


def test_threads_and_processes_of_a_program(ada):
    program = """
import subprocess, sys, threading, multiprocessing
thread = threading.Thread(target=lambda: print('thread')); thread.start(); thread.join()
print(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout)
with multiprocessing.get_context('fork').Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
"""
    run = ada.run(program)
    run.expect("thread")
    run.expect("42")
    run.expect("[1, 2]")


def test_atexit_and_finally_run(ada):
    run = ada.run("import atexit\natexit.register(print, 'goodbye')\nprint('hello')")
    run.expect(">>> ")
    run.type("exit()\r")
    run.expect("goodbye")
    run.wait_end()


@pytest.mark.parametrize(
    "statement, exit_status, signal",
    [("import os; os._exit(7)", 7, None), ("import os; os.kill(os.getpid(), 11)", None, 11)],
)
def test_how_it_ended_is_told(ada, statement, exit_status, signal):
    """An interpreter that dies is told as what it was, not as a program that ended."""
    info = ada.run(f"print('x', flush=True)\n{statement}").wait_end()
    assert info["state"] == "ended" and info["reason"] == "finished"
    if exit_status is not None:
        assert info["exit"] == exit_status
    if signal is not None:
        assert info["signal"] == signal and info["explanation"]


def test_sys_exit_in_a_program_leaves_no_half_dead_run(ada):
    run = ada.run("import sys\nprint('a')\nsys.exit(5)")
    run.wait_state("repl", "ended")


def test_processor_time_is_limited_waiting_is_not(school, ada):
    """A loop without an end is ended with a sentence that says which limit; it is the class's 30 s unless set."""
    info = ada.run("while True: pass").wait_end(timeout=300)
    assert info["reason"] == "cpu-limit" and "30" in info["explanation"]


def test_memory_is_limited(ada):
    """A list that grows for ever: only this program ends, or gets a MemoryError, and is told why."""
    ben_run = ada.run("x = []\nprint('grows')\nwhile True:\n    x.append(bytearray(1 << 20))", name="leak.py")
    ben_run.expect("grows")
    ben_run.wait_state("repl", "ended", timeout=60)
    if ben_run.state == "ended":
        assert ben_run.info["reason"] == "memory-limit" and ben_run.info["explanation"]
    else:
        assert "MemoryError" in ben_run.text


def test_a_flood_is_held_back(school, ada, ben):
    """A program prints for ever to a page that cannot keep up. It waits in print(); others do not notice."""
    run = ada.run("while True: print('x' * 1000)")
    run.expect("xxx")
    run.hold()
    time.sleep(1.0)
    at = run.next
    time.sleep(0.5)
    assert run.next == at, "the server sends more than a window"
    start = time.monotonic()
    ben.run("print('unharmed')").expect("unharmed")
    assert time.monotonic() - start < 2.0
    Loop.call(run._run.acknowledge())
    ada.wait(lambda: run.next > at, what="more after an acknowledgement")
    run.close()


def test_a_program_that_nobody_watches_goes_on(ada):
    """The page is closed while a program prints much: the program is not held up, and its last megabyte is kept."""
    program = "for i in range(40000):\n    print('line', i, 'x' * 90)\nopen('done.txt', 'w').write('yes')\n"
    run = ada.run(program)
    number = run.number
    ada.disconnect()
    time.sleep(3)
    ada.connect()
    again = ada.attach(number)
    again.expect("line 39999 ", timeout=30)
    again.wait_state("repl", timeout=30)
    assert ada.read("done.txt") == "yes"
    assert 500_000 < len(again.output) <= 1_100_000


def test_a_second_socket_sees_the_same(ada):
    run = ada.run("print(input('? '))")
    run.expect("? ")

    async def look():
        second = await Connection.open(ada.session, ada.class_slug)
        assert run.number in [info["run"] for info in second.hello["runs"]]
        seen = await second.attach(run.number)
        await seen.expect("? ")
        await seen.type("typed elsewhere\r")
        await seen.expect("typed elsewhere\r\ntyped elsewhere\r\n")
        await second.close()

    Loop.call(look())
    run.expect("typed elsewhere\r\ntyped elsewhere\r\n")
