"""The terminal is a real one."""

import time

import pytest


def test_input_with_editing(ada):
    """The name is mistyped and corrected before Enter; the program gets the corrected one."""
    run = ada.run("name = input('name? ')\nprint('<' + name + '>')")
    run.expect("name? ")
    run.type("Adx\x7fa\r")
    run.expect("<Ada>")


def test_input_from_stdin_and_getpass(ada):
    run = ada.run("import sys, getpass\nprint(repr(sys.stdin.readline()))\nprint(len(getpass.getpass('secret: ')))")
    run.type("a line\r")
    run.expect("'a line\\n'")
    run.expect("secret: ")
    run.type("hidden word\r")
    run.expect("11")
    assert "hidden word" not in run.text


def test_interrupt(ada):
    """Ctrl-C ends a loop; the REPL comes and has the loop's variables."""
    run = ada.run("i = 0\nprint('go', flush=True)\nwhile True:\n    i += 1")
    run.expect("go")
    run.type("\x03")
    run.expect("KeyboardInterrupt")
    run.expect(">>> ")
    run.type("i >= 0\r")
    run.expect("True")


def test_interrupt_at_input_and_in_the_repl(ada):
    """Ctrl-C at a question and at the prompt, as a person presses it. (Between writing its prompt and waiting for a key Python
    itself, any python3, keeps an interrupt until the next key: no hand is that fast, a test is.)"""
    run = ada.run("try:\n    input('? ')\nexcept KeyboardInterrupt:\n    print('caught')")
    run.expect("? ")
    time.sleep(0.2)
    run.type("\x03")
    run.expect("caught")
    run.expect(">>> ")
    run.type("half a line")
    run.expect("half a line")
    time.sleep(0.2)
    run.type("\x03")
    run.expect(">>> ")
    run.type("5 * 5\r")
    run.expect("25")


def test_end_of_input(ada):
    """Ctrl-D: EOFError once, and the next input() works."""
    run = ada.run("try:\n    input('first ')\nexcept EOFError:\n    print('end')\nprint('<' + input('second ') + '>')")
    run.expect("first ")
    run.type("\x04")
    run.expect("end")
    run.expect("second ")
    run.type("more\r")
    run.expect("<more>")


def test_control_d_leaves_the_repl(ada):
    run = ada.start()
    run.expect(">>> ")
    run.type("\x04")
    info = run.wait_end()
    assert (info["reason"], info["exit"]) == ("finished", 0)


def test_colours_and_unicode_arrive_as_sent(ada):
    run = ada.run("print('\\x1b[31mrot\\x1b[0m', 'Grüße 李雷 🐍 e\\u0301')")
    run.expect("\x1b[31mrot\x1b[0m Grüße 李雷 🐍 e\u0301\r\n")


def test_unicode_typed(ada):
    run = ada.run("name = input('? ')\nprint(len(name), name)")
    run.expect("? ")
    for byte in "李雷🐍ü".encode():
        run.type(bytes([byte]))
    run.type("\r")
    run.expect("4 李雷🐍ü")


def test_a_character_erased_is_a_whole_character(ada):
    run = ada.run("name = input('? ')\nprint(ascii(name))")
    run.expect("? ")
    run.type("a李\x7fb\r")
    run.expect("'ab'")


def test_the_window_size(ada):
    """The window is made larger while a program runs; it sees the new size and is told by a signal."""
    program = """
import os, signal
print(os.get_terminal_size())
signal.signal(signal.SIGWINCH, lambda *_: print('changed', os.get_terminal_size()))
input()
"""
    run = ada.run(program, columns=71, rows=19)
    run.expect("columns=71, lines=19")
    run.wait_state("waiting")
    run.resize(133, 40)
    run.expect("changed os.terminal_size(columns=133, lines=40)")
    info = [info for info in ada.request("run.list")["runs"] if info["run"] == run.number][0]
    assert (info["columns"], info["rows"]) == (133, 40)


def test_carriage_returns(ada):
    """A progress bar writes over its own line."""
    run = ada.run("for i in range(3):\n    print(f'{i * 50} %', end='\\r', flush=True)\nprint('done ')")
    run.expect("0 %\r50 %\r100 %\rdone \r\n")


def test_it_is_a_terminal(ada):
    run = ada.run(
        "import sys, os\nprint(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty(), os.ttyname(0),"
        " os.environ.get('TERM'), sys.stdout.encoding)"
    )
    line = run.expect("\r\n")
    assert line.startswith("True True True /dev/pts/") and line.endswith("utf-8") and "xterm" in line


def test_a_long_paste(ada):
    """A page of numbers is pasted into a program that reads lines: every line arrives once and in order."""
    run = ada.run("total = 0\nwhile (line := input()):\n    total += int(line)\nprint('total', total)")
    run.wait_state("waiting")
    run.type("".join(f"{i}\r" for i in range(3000)) + "\r")
    run.expect(f"total {sum(range(3000))}", timeout=60)


def test_typing_ahead(ada):
    """Answers are typed before the questions are asked."""
    run = ada.run("import time\ntime.sleep(0.7)\nprint('<' + input('one ') + '>')\nprint('<' + input('two ') + '>')")
    run.type("first\rsecond\r")
    run.expect("<first>")
    run.expect("<second>")


def test_typing_at_a_program_that_never_reads(ada):
    """Somebody leans on the keyboard; the program sleeps. The server takes it, and Stop still works."""
    run = ada.run("import time\nprint('asleep', flush=True)\ntime.sleep(60)")
    run.expect("asleep")
    for _ in range(10):
        run.type("x" * 60000)
    run.stop()
    run.wait_state("repl", "ended", timeout=10)


@pytest.mark.parametrize("size", [1, 65536])
def test_input_of_any_size_in_one_frame(ada, size):
    run = ada.run("import sys, tty\ntty.setraw(0)\nprint('ready', flush=True)\nn = 0\n"
                  f"while n < {size}:\n    n += len(sys.stdin.buffer.read1(4096))\nprint('got', n)")
    run.expect("ready")
    run.type("y" * size)
    run.expect(f"got {size}", timeout=30)
