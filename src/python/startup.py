# The small Python beside the zygote: compiled into carrel-python, run once before any fork.
# Its functions are called from interpreter.c; nothing of it is visible from a program.

ahead = set()       # modules that load() brought in, beyond what python3 itself starts with
known = set()       # all modules at the fork
main = None         # the program's __main__
readline = rlcompleter = None


def load(imports, tell, find_spec):
    """In the zygote: imports what a class imports, so that no program waits for it."""
    global readline, rlcompleter
    import gc, importlib.machinery, sys
    sys.dont_write_bytecode = True      # no __pycache__ among a beginner's files
    start = set(sys.modules)
    import readline, rlcompleter
    for name in imports:
        before = set(sys.modules)
        tell(name, None)
        try:
            importlib.import_module(name)
        except BaseException as error:  # a broken package must not keep the plain language from serving
            tell(name, f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode())
            for half in set(sys.modules) - before:
                del sys.modules[half]   # a program that imports it shall meet the error, not a torso
    sys.meta_path.insert(0, type("WithoutScreen", (), {"__module__": "carrel", "find_spec": staticmethod(find_spec)}))
    known.update(sys.modules)
    ahead.update(known - start)
    gc.collect()
    gc.freeze()                         # the collector would write into every object, and so copy every page


def adopt():
    """In a parked program: standard streams on its terminal, fresh randomness."""
    import io, os, sys, threading
    for name, descriptor, mode, errors in (("stdin", 0, "r", "surrogateescape"), ("stdout", 1, "w", "surrogateescape"),
                                           ("stderr", 2, "w", "backslashreplace")):
        binary = open(descriptor, mode + "b", closefd=False)
        binary.raw.name = f"<{name}>"
        file = io.TextIOWrapper(binary, "utf-8", errors, newline="\n", line_buffering=True)
        file.mode = mode
        setattr(sys, name, file)
        setattr(sys, f"__{name}__", file)
    threading.main_thread()._set_native_id()    # the fork gave it another
    # `random` reseeds itself after a fork, numpy's global generator does not.
    if "numpy" in sys.modules:
        # By its state: seed() would look for randomness in so many places that a page in ten is copied for it.
        numpy, words = sys.modules["numpy"], 624
        numpy.random.set_state(("MT19937", numpy.frombuffer(os.urandom(4 * words), "uint32"), words))


def enter(name, script, arguments):
    """At Run, all walls up: the person's own surroundings. Returns the namespace to run in."""
    global main
    import os, site, sys
    home = "/home/" + name
    os.environ.update(HOME=home, USER=name, LOGNAME=name, SHELL="/bin/bash")
    folder = os.path.dirname(script) if script else home
    os.chdir(folder)
    os.environ["PWD"] = folder
    sys.path.insert(0, folder if script else "")
    sys.argv[:] = [script or ""] + arguments
    sys.orig_argv[:] = [sys.executable] + ([script] if script else []) + arguments
    site.ENABLE_USER_SITE, site.USER_BASE, site.USER_SITE = True, None, None
    site.addusersitepackages(None)
    let_own_modules_win(folder)
    # A new one, which the collector sees (it was told to leave alone what the zygote made).
    main = type(sys)("__main__")
    main.__annotations__, main.__builtins__ = {}, sys.modules["builtins"]
    main.__loader__ = sys.modules["__main__"].__loader__
    sys.modules["__main__"] = main
    if script:
        main.__file__ = script
        main.__cached__ = None
        main.__loader__ = sys.modules["importlib.machinery"].SourceFileLoader("__main__", script)
    return main.__dict__


def let_own_modules_win(folder):
    """A program's own calendar.py goes before a library's that happens to have been imported ahead."""
    import os, sys
    try:
        names = {entry.removesuffix(".py") for entry in os.listdir(folder)} & ahead
    except OSError:
        return
    for name in names:
        if os.path.exists(f"{folder}/{name}.py") or os.path.exists(f"{folder}/{name}/__init__.py"):
            for module in [module for module in sys.modules if module == name or module.startswith(name + ".")]:
                del sys.modules[module]


def warm_up():
    """Parked: what enter() and prompt() will do, undone again. Returns a namespace for a text that shows nothing."""
    import sys
    enter("", "/home/warm-up", ["one"])
    prompt()
    del sys.path[0]
    return {"__name__": "__main__", "__builtins__": __builtins__}


def forget_readline():
    """Where no prompt follows: python3 imports it for a prompt only, and input() reads differently with it."""
    import sys
    for name in {"readline", "rlcompleter"} & ahead:
        sys.modules.pop(name, None)


def prompt():
    """Before the interpreter's prompt: tab completes names, as `python3 -i` does."""
    for name in ("__file__", "__cached__"):
        main.__dict__.pop(name, None)
    readline.set_completer(rlcompleter.Completer(main.__dict__).complete)
    readline.parse_and_bind("tab: complete")


def finish():
    """At the end: what Python's own end does that a program can see, without taking a hundred modules apart: those that
    came after the fork are let go of, as Python does it (finalize_modules() in its pylifecycle.c)."""
    global main
    import atexit, builtins, gc, sys, threading, weakref
    threading._shutdown()
    atexit._run_exitfuncs()
    flush()
    builtins._ = None
    for name in ("last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            setattr(sys, name, None)
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    names = [name for name, module in sys.modules.items()
             if module is main or (name not in known and isinstance(module, type(sys)))]
    rest = [weakref.ref(sys.modules.pop(name)) for name in names]
    main = None
    readline.set_completer(None)        # it holds the namespace
    gc.collect()
    for reference in reversed(rest):
        if (module := reference()) is not None:
            clear(module.__dict__)
    gc.collect()
    flush()


def clear(namespace):
    """In two turns, as ever: names with one underscore first."""
    for key in list(namespace):
        if key[:1] == "_" != key[1:2]:
            namespace[key] = None
    for key in list(namespace):
        if key != "__builtins__":
            namespace[key] = None


def flush():
    import sys
    for file in (sys.stdout, sys.stderr):
        try:
            file.flush()
        except (OSError, ValueError, AttributeError):
            pass
