# The small Python beside the zygote: compiled into carrel-python, run once before any fork.
# Its functions are called from interpreter.c; nothing of it is visible from a program.

def load(imports, complain):
    """In the zygote: imports what a class imports, so that no program waits for it."""
    import gc, importlib, sys
    sys.dont_write_bytecode = True      # no __pycache__ among a beginner's files
    for name in imports:
        before = set(sys.modules)
        try:
            importlib.import_module(name)
        except BaseException as error:  # a broken package must not keep the plain language from serving
            complain(name, f"{type(error).__name__}: {error}")
            for half in set(sys.modules) - before:
                del sys.modules[half]   # a program that imports it shall meet the error, not a torso
    gc.collect()
    gc.freeze()                         # the collector would write into every object, and so copy every page


def adopt():
    """In a parked program: standard streams on its terminal, fresh randomness."""
    import io, sys
    def stream(descriptor, mode, errors):
        raw = io.FileIO(descriptor, mode, closefd=False)
        buffered = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
        text = io.TextIOWrapper(buffered, "utf-8", errors, line_buffering=mode == "w", write_through=descriptor == 2)
        text.mode = mode
        return text
    for name, descriptor, mode, errors in (("stdin", 0, "r", "surrogateescape"), ("stdout", 1, "w", "surrogateescape"),
                                           ("stderr", 2, "w", "backslashreplace")):
        file = stream(descriptor, mode, errors)
        file.buffer.raw.name = f"<{name}>"
        setattr(sys, name, file)
        setattr(sys, f"__{name}__", file)
    # `random` reseeds itself after a fork, numpy's global generator does not.
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def enter(name, script, arguments):
    """At Run, all walls up: the person's own surroundings. Returns the namespace to run in."""
    import os, sys
    home = "/home/" + name
    os.environ.update(HOME=home, USER=name, LOGNAME=name, SHELL="/bin/bash")
    folder = os.path.dirname(script) if script else home
    os.chdir(folder)
    os.environ["PWD"] = folder
    sys.path.insert(0, folder if script else "")
    sys.argv[:] = [script or ""] + arguments
    main = sys.modules["__main__"]
    if script:
        main.__file__ = script
        main.__cached__ = None
    return main.__dict__


def prompt():
    """Before the interpreter's prompt: tab completes names, as `python3 -i` does."""
    import readline, rlcompleter
    readline.set_completer(rlcompleter.Completer().complete)
    readline.parse_and_bind("tab: complete")


def finish():
    """At the end: what Python's own end does that a program can see, without taking a hundred modules apart."""
    import atexit, gc, sys, threading
    threading._shutdown()
    atexit._run_exitfuncs()
    main = sys.modules["__main__"].__dict__
    for key in [key for key in main if not key.startswith("__")]:
        main[key] = None
    gc.collect()
    for file in (sys.stdout, sys.stderr):
        try:
            file.flush()
        except (OSError, ValueError, AttributeError):
            pass
