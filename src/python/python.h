/*
 * python: the zygote, and the small world that a student's program wakes up in.
 *
 * carrel-python is a program of its own, because only it is linked with Python. It enters the zygote's walls, starts an
 * interpreter, imports what a class imports, and then does one thing: for each MESSAGE_PARK it forks a sandbox. A
 * sandbox is two processes. The keeper (keeper.c) is PID 1 inside: it makes the world, forks the program, and then can
 * only wait and tell how the program ended. The program (program.c) is the fork that has everything imported: parked,
 * it waits for MESSAGE_PROGRAM; then it drops all rights and runs the student's text, and after it the interpreter's
 * prompt, in the same process.
 *
 * The zygote holds no secret: every program is its copy. It never runs a student's text itself. It is killed and
 * replaced without harm to what it forked.
 *
 * This header is all that the supervisor knows of it: how to start it and what is said at first.
 */
#pragma once

/* carrel-python CHANNEL-DESCRIPTOR UID-BASE WITHOUT IMPORTS [PACKAGES-DESCRIPTOR]
 *
 * WITHOUT is sandbox_host.without, a number. PACKAGES is a detached mount of a folder of packages, which programs find
 * where Python looks for those of the machine's administrator.
 *
 * Over the channel (SOCK_SEQPACKET, before any struct message): the zygote sends ZYGOTE_WANTS_MAPS when it has unshared
 * its user namespace, the supervisor writes the id maps and answers ZYGOTE_HAS_MAPS. A MESSAGE_IMPORT comes before each
 * module that is imported, so that of a zygote that dies or hangs it is known over which; another where a module could
 * not be imported, which is passed over. MESSAGE_READY follows when it can park. */
enum { ZYGOTE_WANTS_MAPS = 'u', ZYGOTE_HAS_MAPS = 'm' };

/* Exit statuses of a program that never came to run its text; the reason stands in its terminal. */
enum { PROGRAM_NOT_STARTED = 125 };
