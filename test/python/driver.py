"""Runs one module of CPython's regression tests, and writes how each of its tests ended.

The same file runs inside a sandbox and beside bare python3: driver.py RESULTS MODULE. Results are written as they come,
one JSON object a line, so that a program that is killed has told what it did until then.
"""
import errno
import json
import os
import sys

# Not: network and urlfetch (there is none), gui and audio (no such device), largefile and cpu (they test the machine).
RESOURCES = "all,-network,-urlfetch,-gui,-audio,-largefile,-cpu"


class Recorder:
    """Held apart from what tests replace: its own references, a descriptor a line, silent in forked children."""

    def __init__(self, path):
        self.path = path
        self.process = os.getpid()
        self.calls = os.getpid, os.open, os.write, os.close

    def record(self, test, outcome, why=""):
        getpid, open_, write, close = self.calls
        if getpid() != self.process:
            return
        line = json.dumps({"test": test, "outcome": outcome, "why": str(why)[-1500:]}) + "\n"
        descriptor = open_(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        write(descriptor, line.encode("ascii"))
        close(descriptor)


def watch_results(recorder):
    """Makes the test suite's own result class tell the recorder too."""
    import traceback
    from test.support.testresult import RegressionTestResult as Result

    def text(error):
        return "".join(traceback.format_exception(*error))

    def name(test):
        return str(test.id()) if callable(getattr(test, "id", None)) else str(test)

    def extend(method, outcome, describe):
        original = getattr(Result, method)

        def extended(self, test, *details):
            recorder.record(name(test), outcome, describe(*details))
            return original(self, test, *details)
        setattr(Result, method, extended)

    extend("addSuccess", "passed", lambda: "")
    extend("addSkip", "skipped", lambda reason: reason)
    extend("addFailure", "failed", text)
    extend("addError", "failed", text)
    extend("addExpectedFailure", "passed", lambda error: "")
    extend("addUnexpectedSuccess", "failed", lambda: "an unexpected success")

    original = Result.addSubTest

    def add_subtest(self, test, subtest, error):
        if error is not None:
            recorder.record(name(test), "failed", f"{subtest}\n{text(error)}")
        return original(self, test, subtest, error)
    Result.addSubTest = add_subtest


def level_ground():
    """Two things that are meant to differ, and would hide hundreds of tests."""
    from test.support import os_helper
    # Carrel keeps __pycache__ out of beginners' folders.
    sys.dont_write_bytecode = False

    # The system is mounted read-only: then what is to be removed need not even exist to be refused.
    def unlink(path):
        try:
            os.unlink(path)
        except OSError as error:
            if error.errno != errno.EROFS or os.path.lexists(path):
                raise
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
    os_helper._unlink = unlink


def main():
    results, module = sys.argv[1:3]
    level_ground()
    recorder = Recorder(os.path.abspath(results))
    watch_results(recorder)
    from test.libregrtest.main import Regrtest
    regrtest = Regrtest()
    sys.argv[1:] = ["-u", RESOURCES, module]
    try:
        regrtest.main()
    finally:
        for outcome, modules in (("passed", regrtest.good), ("failed", regrtest.bad),
                                 ("skipped", regrtest.skipped), ("skipped", regrtest.resource_denieds),
                                 ("passed", regrtest.environment_changed),
                                 ("no tests", regrtest.run_no_tests)):
            if modules:
                recorder.record("", outcome)


if __name__ == "__main__":
    main()
