/*
 * cli: what a person types. `carrel COMMAND …`; one table of commands (main.c), one function a command.
 *
 * A command returns the process's exit status: 0 done, 1 failed (said on stderr, once, by itself), 2 wrong words on the
 * command line.
 */
#pragma once

#include "../base/base.h"
#include "../base/settings.h"
#include "../ipc/messages.h"

#include <limits.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* argv[0] is the command's own name. */
typedef int command_function(int argc, char **argv);

command_function command_serve;   /* serve.c: the monitor */
command_function command_sandbox; /* sandbox.c */
command_function command_doctor;  /* doctor.c */
command_function command_user;    /* user.c */
command_function command_class;   /* class.c */
command_function command_env;     /* env.c */
command_function command_config;  /* config.c */
command_function command_demo;    /* demo.c */
command_function command_role;    /* role.c: a child of the monitor, not for people */

/* paths.c: parts of this program, beside it or installed. */
int find_zygote(char path[static PATH_MAX], struct error *error) must_check;
int find_page(char path[static PATH_MAX], struct error *error) must_check;

/* How the web server is told metrics.token: a command line everybody on the machine may read, an environment nobody. */
#define METRICS_TOKEN_VARIABLE "CARREL_METRICS_TOKEN"

/* role.c */
struct run_limits limits_from_settings(const struct settings *settings);

/* "carrel: text" on stderr. */
void complain(const char *format, ...) printf_like(1, 2);
