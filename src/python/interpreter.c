/*
 * The one file that speaks to Python: starts the interpreter in the zygote, and in a program runs the student's text
 * and then the prompt. What a student can see of it must be what `python3` shows: hence the text is run from C, so that
 * no frame of ours stands in a traceback.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "internal.h"
#include "../base/embed.h"
#include "../base/log.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

extern const struct embedded_file python_startup[];

/* Where Debian's Python looks for what the machine's administrator installed: after its own library, before the
 * distribution's packages, as a virtual environment's are found. */
#define TEXT_OF(number) #number
#define AS_TEXT(number) TEXT_OF(number)
const char interpreter_packages_place[] =
        "/usr/local/lib/python" AS_TEXT(PY_MAJOR_VERSION) "." AS_TEXT(PY_MINOR_VERSION) "/dist-packages";

static PyObject *startup; /* the namespace of startup.py */

enum repl_after { REPL_NEVER, REPL_ALWAYS, REPL_NOT_AFTER_ERRORS };

/* In the zygote */

static int from_status(PyStatus status, struct error *error) {
        if (!PyStatus_Exception(status))
                return 0;
        return error_say(error, EIO, "starting Python: %s", status.err_msg ? status.err_msg : "it ended");
}

static int initialize(struct error *error) {
        PyConfig config;
        PyConfig_InitPythonConfig(&config);
        /* Nothing that a person's folder or environment holds may steer the zygote; a program gets its own path at Run.
         */
        config.use_environment = 0;
        config.user_site_directory = 0;
        config.safe_path = 1;
        config.parse_argv = 0;
        config.write_bytecode = 0;
        config.install_signal_handlers = 1;
        int result = from_status(PyConfig_SetString(&config, &config.program_name, L"/usr/bin/python3"), error);
        if (result == 0)
                result = from_status(PyConfig_SetString(&config, &config.executable, L"/usr/bin/python3"), error);
        if (result == 0)
                result = from_status(Py_InitializeFromConfig(&config), error);
        PyConfig_Clear(&config);
        return result;
}

/* Takes the pending exception as text. */
static int python_error(struct error *error, const char *doing) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyObject *text = value ? PyObject_Str(value) : NULL;
        const char *words = text ? PyUnicode_AsUTF8(text) : NULL;
        int result = error_say(error, EIO, "%s: %s", doing, words ? words : "an unknown error");
        PyErr_Clear();
        Py_XDECREF(text);
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        return result;
}

static int channel_to_supervisor = -1;

/* tell(module, why): about to import a module, or (`why`) it could not be. */
static PyObject *tell(PyObject *self, PyObject *arguments) {
        (void) self;
        const char *name, *why;
        struct error error = { 0 };
        if (!PyArg_ParseTuple(arguments, "sz", &name, &why))
                return NULL;
        struct message_import message = { .failed = why != NULL };
        snprintf(message.module, sizeof message.module, "%s", name);
        snprintf(message.text, sizeof message.text, "%s", why ? why : "");
        if (message_send(channel_to_supervisor, MESSAGE_IMPORT, &message, NULL, 0, NULL, 0, &error) < 0) {
                log_failure(LOG_WARNING, "zygote.import", &error);
                _exit(1); /* the supervisor is gone, or no longer listens */
        }
        Py_RETURN_NONE;
}

static PyMethodDef tell_method = { "tell", tell, METH_VARARGS, NULL };

/* A finder's, asked first for every module: says in plain words what no program here can have. In C, so that no frame
 * of ours stands in the traceback. */
static PyObject *find_spec(PyObject *self, PyObject *arguments) {
        (void) self;
        PyObject *name = PyTuple_GET_SIZE(arguments) > 0 ? PyTuple_GET_ITEM(arguments, 0) : NULL; /* borrowed */
        if (!name || !PyUnicode_Check(name) ||
            (PyUnicode_CompareWithASCIIString(name, "tkinter") != 0 &&
             PyUnicode_CompareWithASCIIString(name, "_tkinter") != 0))
                Py_RETURN_NONE;
        PyObject *words = PyUnicode_FromFormat("%U opens windows, and there is no screen here to open them on", name);
        if (words)
                PyErr_SetImportErrorSubclass(PyExc_ModuleNotFoundError, words, name, NULL);
        Py_XDECREF(words);
        return NULL;
}

static PyMethodDef find_spec_method = { "find_spec", find_spec, METH_VARARGS, NULL };

/* Calls a function of startup.py; takes over the argument tuple. A new reference, or NULL with an exception. */
static PyObject *call_startup(const char *name, PyObject *arguments) {
        PyObject *function = PyDict_GetItemString(startup, name); /* borrowed */
        PyObject *result = function && arguments ? PyObject_CallObject(function, arguments) : NULL;
        Py_XDECREF(arguments);
        return result;
}

static int load_startup(struct error *error) {
        startup = PyDict_New();
        PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */
        PyObject *code = Py_CompileString((const char *) python_startup[0].bytes, "<carrel>", Py_file_input);
        PyObject *result = NULL;
        if (startup && code && PyDict_SetItemString(startup, "__builtins__", builtins) == 0)
                result = PyEval_EvalCode(code, startup, startup);
        Py_XDECREF(code);
        if (!result)
                return python_error(error, "loading Carrel's own Python");
        Py_DECREF(result);
        return 0;
}

static PyObject *split_names(const char *names) {
        PyObject *list = PyList_New(0);
        free_scoped char *copy = duplicate_string(names);
        for (char *rest = copy, *name; list && (name = strsep(&rest, ", "));) {
                PyObject *text = *name ? PyUnicode_FromString(name) : NULL;
                if (text && PyList_Append(list, text) < 0)
                        Py_CLEAR(list);
                Py_XDECREF(text);
        }
        return list;
}

int interpreter_start(const char *imports, int channel, struct error *error) {
        channel_to_supervisor = channel;
        int result = initialize(error);
        if (result == 0)
                result = load_startup(error);
        if (result < 0)
                return result;
        /* So common that a first program should not wait for them. */
        free_scoped char *all = format_string("random,math,time,threading,%s", imports);
        PyObject *done =
                call_startup("load", Py_BuildValue("(NNN)", split_names(all), PyCFunction_New(&tell_method, NULL),
                                                   PyCFunction_New(&find_spec_method, NULL)));
        if (!done)
                return python_error(error, "importing the class's modules");
        Py_DECREF(done);
        return 0;
}

/* Around the fork */

void interpreter_before_fork(void) {
        PyOS_BeforeFork();
}

/* sys.flags, whose fields no Python code can set. */
static void set_flag(const char *name, PyObject *value) {
        PyObject *flags = PySys_GetObject("flags"); /* borrowed */
        PyObject *names = flags ? PyObject_GetAttrString(flags, "__match_args__") : NULL;
        for (Py_ssize_t i = 0; names && i < PyTuple_Size(names); i++)
                if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), name) == 0) {
                        PyObject *old = PyStructSequence_GetItem(flags, i);
                        Py_INCREF(value);
                        PyStructSequence_SetItem(flags, i, value);
                        Py_XDECREF(old);
                }
        PyErr_Clear();
        Py_XDECREF(names);
}

/* The zygote was deaf to environment, home and folder; its programs, and what they start, are as python3 is. */
static void open_to_surroundings(void) {
        Py_IgnoreEnvironmentFlag = 0;
        PyObject *zero = PyLong_FromLong(0);
        set_flag("ignore_environment", zero);
        set_flag("no_user_site", zero);
        set_flag("safe_path", Py_False);
        Py_XDECREF(zero);
}

int interpreter_adopt(struct error *error) {
        PyOS_AfterFork_Child();
        open_to_surroundings();
        PyObject *done = call_startup("adopt", PyTuple_New(0));
        if (!done)
                return python_error(error, "adopting the terminal");
        Py_DECREF(done);
        return 0;
}

/* In a program */

/* Tells the supervisor that the prompt is open. A hint: nothing hangs on it but what the page shows, and that Stop need
 * not wait. */
static void send_hint(char hint) {
        fd_scoped fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = WORLD_HINTS };
        if (fd >= 0 && sendto(fd, &hint, 1, MSG_NOSIGNAL, (const struct sockaddr *) &address, sizeof address) < 0)
                return;
}

/* Leaves a pending exception as it is. */
static void flush_streams(void) {
        static const char *const names[] = { "stderr", "stdout" };
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        for (size_t i = 0; i < array_length(names); i++) {
                PyObject *stream = PySys_GetObject(names[i]); /* borrowed */
                PyObject *done = stream && stream != Py_None ? PyObject_CallMethod(stream, "flush", NULL) : NULL;
                Py_XDECREF(done);
                PyErr_Clear();
        }
        fflush(stdout);
        PyErr_Restore(type, value, traceback);
}

/* How a text or a prompt ended. */
struct outcome {
        bool failed;      /* by an exception, shown already */
        bool interrupted; /* which was KeyboardInterrupt */
        int status;
};

/* What sys.exit(value) means: nothing is 0, a number is itself, all else is shown and is 1. */
static int exit_status(PyObject *value) {
        PyObject *code = value && PyObject_HasAttrString(value, "code") ? PyObject_GetAttrString(value, "code") : NULL;
        int status = 1;
        if (!code || code == Py_None)
                status = 0;
        else if (PyLong_Check(code))
                status = (int) PyLong_AsLong(code);
        else {
                PyObject *stream = PySys_GetObject("stderr"); /* borrowed */
                if (stream && PyFile_WriteObject(code, stream, Py_PRINT_RAW) == 0)
                        PySys_WriteStderr("\n");
        }
        PyErr_Clear();
        Py_XDECREF(code);
        return status & 0xFF;
}

static struct outcome take_exception(void) {
        if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
                PyObject *type, *value, *traceback;
                PyErr_Fetch(&type, &value, &traceback);
                PyErr_NormalizeException(&type, &value, &traceback);
                struct outcome outcome = { .status = exit_status(value) };
                Py_XDECREF(type);
                Py_XDECREF(value);
                Py_XDECREF(traceback);
                return outcome;
        }
        struct outcome outcome = { .failed = true,
                                   .interrupted = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt),
                                   .status = 1 };
        PyErr_Print();
        return outcome;
}

/* The text as a file, since Python reads one otherwise than a string: the encoding that it may declare, and its errors.
 */
static FILE *open_text(const char *source, size_t size) {
        fd_scoped fd = memfd_create("program", MFD_CLOEXEC);
        if (fd < 0 || write_fully(fd, source, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return NULL;
        FILE *file = fdopen(fd, "rb");
        if (file)
                (void) steal_fd(&fd);
        return file;
}

static struct outcome run_text(PyObject *namespace, const char *source, size_t size, const char *path) {
        struct outcome outcome = { 0 };
        PyCompilerFlags flags = { .cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION };
        FILE *file = open_text(source, size);
        PyObject *result = file ? PyRun_FileExFlags(file, path, Py_file_input, namespace, namespace, true, &flags)
                                : PyErr_SetFromErrno(PyExc_OSError);
        flush_streams();
        if (!result)
                outcome = take_exception();
        Py_XDECREF(result);
        return outcome;
}

/* The prompt. exit() does not come back from it: Python ends the process. */
static void run_prompt(void) {
        PyObject *done = call_startup("prompt", PyTuple_New(0));
        if (!done)
                PyErr_Print();
        Py_XDECREF(done);
        send_hint(HINT_REPL);
        PyCompilerFlags flags = { .cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION };
        (void) PyRun_InteractiveLoopFlags(stdin, "<stdin>", &flags);
        flush_streams();
}

/* Where no prompt can follow. */
static void forget_readline(void) {
        PyObject *done = call_startup("forget_readline", PyTuple_New(0));
        if (!done)
                PyErr_Print();
        Py_XDECREF(done);
        PyOS_ReadlineFunctionPointer = NULL;
        PyOS_InputHook = NULL;
        PyOS_setsig(SIGWINCH, SIG_DFL);
}

static void ask_to_inspect(void) {
        PyObject *one = PyLong_FromLong(1);
        set_flag("inspect", one);
        set_flag("interactive", one);
        Py_XDECREF(one);
}

static _Noreturn void leave(struct outcome outcome) {
        PyObject *done = call_startup("finish", PyTuple_New(0));
        if (!done)
                PyErr_Print();
        Py_XDECREF(done);
        flush_streams();
        if (outcome.interrupted) {
                /* As python3 does: whoever waits for us shall see that it was the interrupt. */
                signal(SIGINT, SIG_DFL);
                raise(SIGINT);
        }
        _exit(outcome.status);
}

/* A page that the zygote and a program share is copied when the program first writes to it, 5 µs each, and Python
 * writes wherever it looks (reference counts). A hundred such pages lie between Run and the first line that is printed;
 * here they are copied ahead of Run. */
void interpreter_warm_up(void) {
        static const char text[] = "print(end='', flush=True)\n";
        PyObject *namespace = call_startup("warm_up", PyTuple_New(0));
        if (namespace)
                (void) run_text(namespace, text, sizeof text - 1, "/home/warm-up");
        else
                PyErr_Print();
        Py_XDECREF(namespace);
}

static PyObject *argument_list(const char *arguments, size_t size, uint16_t count) {
        PyObject *list = PyList_New(0);
        const char *end = arguments + size;
        for (uint16_t i = 0; i < count && list && arguments < end; i++) {
                size_t length = strnlen(arguments, (size_t) (end - arguments));
                PyObject *text = PyUnicode_DecodeUTF8(arguments, (Py_ssize_t) length, "surrogateescape");
                if (!text || PyList_Append(list, text) < 0)
                        Py_CLEAR(list);
                Py_XDECREF(text);
                arguments += length + 1;
        }
        return list;
}

void interpreter_run(const struct message_program *program, const char *arguments, size_t arguments_size,
                     const char *source, size_t source_size) {
        char script[PATH_BYTES + 8] = "";
        if (source)
                snprintf(script, sizeof script, "/home/%s", program->path);
        PyObject *list = argument_list(arguments, arguments_size, program->argument_count);
        PyObject *namespace =
                call_startup("enter", Py_BuildValue("(szN)", program->folder, source ? script : NULL, list));
        if (!namespace) {
                PyErr_Print();
                _exit(1);
        }
        /* As `python3 -i`, and as python3 without it. */
        if (source && program->repl_after == REPL_NEVER)
                forget_readline();
        else
                ask_to_inspect();
        struct outcome outcome = { 0 };
        if (source)
                outcome = run_text(namespace, source, source_size, script);
        Py_DECREF(namespace);
        bool prompt = !source || program->repl_after == REPL_ALWAYS ||
                      (program->repl_after == REPL_NOT_AFTER_ERRORS && !outcome.failed);
        if (prompt) {
                if (!source)
                        PySys_WriteStderr("Python %s\n", PY_VERSION);
                run_prompt();
                outcome = (struct outcome){ 0 };
        }
        leave(outcome);
}
