/* What the files of this room share. */
#pragma once

#include "../base/base.h"
#include "../ipc/ipc.h"
#include "../sandbox/sandbox.h"

/* interpreter.c: the only file that speaks to Python. */

extern const char interpreter_packages_place[]; /* where it looks for an environment's packages */

/* In the zygote: starts the interpreter and imports `imports` (names, separated by commas), telling of each over the
 * channel. */
int interpreter_start(const char *imports, int channel, struct error *error) must_check;
/* In the keeper, around the fork. */
void interpreter_before_fork(void);
/* In the program's process: after the fork, standard streams on the terminal, generators reseeded. */
int interpreter_adopt(struct error *error) must_check;
/* Parked: walks the ways that most programs go first, so that the pages they write to are its own before it is run. */
void interpreter_warm_up(void);
/* Runs the text, then the prompt if asked; never returns. `source` is NULL for a prompt alone. */
_Noreturn void interpreter_run(const struct message_program *program, const char *arguments, size_t arguments_size,
                               const char *source, size_t source_size);

/* keeper.c: the process just cloned into a sandbox's namespaces. */
_Noreturn void keeper_run(const struct sandbox_host *host, struct message *park);

/* shed.c: lets go of all memory but what a keeper's last loop needs. Python cannot be spoken to afterwards. */
void keeper_shed(void);

/* program.c: PID 2 of a sandbox. `keeper`: to which it hands its listener (struct program_walls), once. */
_Noreturn void program_run(const struct sandbox_host *host, int channel, int keeper, int terminal);
