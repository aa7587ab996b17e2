/*
 * What the workspace tests share: a data directory of its own, a tree in it, a real worker process (as uid
 * 201001 where the tests run as root), and requests that wait for their answer.
 *
 * While a test runs, its own effective uid is the tree owner's: what it does to files, it does as the owner's programs
 * would.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../src/workspace/workspace.h"

#include <dirent.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

struct outcome {
        bool done;
        int result;
        int fd;
        struct file_version version;
        char **names; /* ends with NULL */
        enum file_kind *kinds;
        size_t count;
        uint64_t left_out;
};

struct fixture {
        char directory[64];
        int data_fd, tree_fd;
        enum tree_kind kind;
        uid_t owner;
        pid_t worker;
        struct loop *loop;
        struct workspace *workspace;
        int gone; /* how often it was told */
        struct error why;
        struct outcome outcome;      /* of the last request */
        void (*before_worker)(void); /* in the worker's process, before it is confined */
};

/* cmocka's: *state is the fixture. The shared one has TREE_SHARED. */
int fixture_start(void **state);
int fixture_start_shared(void **state);
int fixture_end(void **state);

void start_worker(struct fixture *fixture);
void stop_worker(struct fixture *fixture);
void connect_workspace(struct fixture *fixture, int fd); /* to whatever plays the worker */
void be_owner(const struct fixture *fixture);
void be_oneself(void);

/* A new worker that first runs `before_worker` in its process; there, refuse_call() makes a system call fail from then
 * on, as it would on an older or a broken system (`argument_count` 0: whatever its arguments). */
void restart_with(struct fixture *fixture, void (*before_worker)(void));
void refuse_call(int call, int number, unsigned argument_count, struct scmp_arg_cmp comparison);

/* Each returns the result; the rest is in fixture->outcome until the next. */
int do_list(struct fixture *fixture, const char *path);
int do_open(struct fixture *fixture, const char *path);
int do_write(struct fixture *fixture, const char *path, const char *text, enum file_condition condition,
             const struct file_version *version);
int do_write_from(struct fixture *fixture, const char *path, int fd, uint64_t size);
int do_make_folder(struct fixture *fixture, const char *path);
int do_move(struct fixture *fixture, const char *from, const char *to);
int do_delete(struct fixture *fixture, const char *path);
workspace_function take_answer; /* context: the fixture */
void wait_for_answer(struct fixture *fixture);

/* Files as the owner's programs see them, relative to the tree. */
void put_file(struct fixture *fixture, const char *path, const char *text);
void assert_file(struct fixture *fixture, const char *path, const char *text);
void assert_text(int fd, const char *text);
bool is_there(struct fixture *fixture, const char *path);
size_t count_hidden(int folder_fd);
size_t count_descriptors(pid_t process);
