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
#include <sys/socket.h>
#include <sys/un.h>

extern const struct embedded_file python_startup[];

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

static PyObject *complain(PyObject *self, PyObject *arguments) {
        (void) self;
        const char *name, *why;
        if (!PyArg_ParseTuple(arguments, "ss", &name, &why))
                return NULL;
        log_event(LOG_WARNING, "zygote.import", "module", name, "error", why, NULL);
        Py_RETURN_NONE;
}

static PyMethodDef complain_method = { "complain", complain, METH_VARARGS, NULL };

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

int interpreter_start(const char *imports, struct error *error) {
        int result = initialize(error);
        if (result == 0)
                result = load_startup(error);
        if (result < 0)
                return result;
        /* readline and rlcompleter are what the prompt needs; the others so common that a first program should not wait
         * for them. */
        free_scoped char *all = format_string("readline,rlcompleter,random,math,time,threading,%s", imports);
        PyObject *function = PyCFunction_New(&complain_method, NULL);
        PyObject *done = call_startup("load", Py_BuildValue("(NN)", split_names(all), function));
        if (!done)
                return python_error(error, "importing the class's modules");
        Py_DECREF(done);
        return 0;
}

/* Around the fork */

void interpreter_before_fork(void) {
        PyOS_BeforeFork();
}

int interpreter_adopt(struct error *error) {
        PyOS_AfterFork_Child();
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

static void flush_streams(void) {
        static const char *const names[] = { "stdout", "stderr" };
        for (size_t i = 0; i < array_length(names); i++) {
                PyObject *stream = PySys_GetObject(names[i]); /* borrowed */
                PyObject *done = stream && stream != Py_None ? PyObject_CallMethod(stream, "flush", NULL) : NULL;
                Py_XDECREF(done);
                PyErr_Clear();
        }
        fflush(stdout);
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

/* builtins.compile rather than Py_CompileString: it takes bytes, and with them the encoding that the text may declare.
 */
static PyObject *compile_text(const char *source, size_t size, const char *path) {
        PyObject *compile = PyDict_GetItemString(PyEval_GetBuiltins(), "compile"); /* borrowed */
        PyObject *arguments = Py_BuildValue("(y#ssii)", source, (Py_ssize_t) size, path, "exec", 0, 1);
        PyObject *code = compile && arguments ? PyObject_CallObject(compile, arguments) : NULL;
        Py_XDECREF(arguments);
        return code;
}

static struct outcome run_text(PyObject *namespace, const char *source, size_t size, const char *path) {
        struct outcome outcome = { 0 };
        PyObject *code = compile_text(source, size, path);
        PyObject *result = code ? PyEval_EvalCode(code, namespace, namespace) : NULL;
        if (!result)
                outcome = take_exception();
        Py_XDECREF(result);
        Py_XDECREF(code);
        flush_streams();
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
        struct outcome outcome = { 0 };
        if (source)
                outcome = run_text(namespace, source, source_size, script);
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
