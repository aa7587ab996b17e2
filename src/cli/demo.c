/* carrel demo: a class to look at, with people, notes and starter programs (share/demo, which travels inside this
 * program). */
#include "subcommand.h"
#include "../base/embed.h"
#include "../workspace/workspace.h"

#include <fcntl.h>
#include <sys/stat.h>

extern const struct embedded_file demo_files[];

#define DEMO_CLASS "demo"

static const struct {
        const char *name;
        enum role role;
} people[] = {
        { "teacher", ROLE_TEACHER },
        { "ada", ROLE_STUDENT },
        { "grace", ROLE_STUDENT },
};
enum { PEOPLE = array_length(people) };

/* Where a folder of share/demo goes: NULL is a personal tree's own root. */
static const struct folder {
        const char *from;
        enum tree_kind tree;
        const char *to;
} folders[] = {
        { "starter/", TREE_PERSONAL, NULL },
        { "lecture-notes/", TREE_SHARED, "Lecture Notes" },
        { "assignments/", TREE_SHARED, "Assignments" },
};

struct demo {
        struct course course;
        struct person people[PEOPLE];
        char passwords[PEOPLE][ACCOUNT_GENERATED_BYTES];
};

static void print_usage(void) {
        puts("usage: carrel demo [--data DIR]\n\n"
             "Where the data directory has no class yet, makes the class '" DEMO_CLASS
             "' with a teacher, two students,\n"
             "lecture notes and starter programs, and prints their passwords once. Else does nothing.");
}

static int stop_at_first(void *context, const struct course *course) {
        (void) context, (void) course;
        return 1;
}

static int add_people(struct store *store, struct demo *demo, struct error *error) {
        int r = course_add(store, DEMO_CLASS, "Demonstration class", &demo->course, error);
        for (size_t i = 0; i < PEOPLE && r >= 0; i++) {
                account_generate_password(demo->passwords[i]);
                r = account_add(store, people[i].name, people[i].role, demo->passwords[i], &demo->people[i], error);
                if (r >= 0)
                        r = course_enrol(store, &demo->course, &demo->people[i], error);
        }
        return r;
}

/* A file that is there already stays: it is somebody's by now. */
static int write_file(int folder_fd, const char *name, const struct embedded_file *file, struct error *error) {
        fd_scoped fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0 && errno == EEXIST)
                return 0;
        if (fd < 0)
                return error_set(error, errno, "make the file %s", name);
        /* The umask may have taken bits, and other people's programs read the shared ones. */
        int r = fchmod(fd, 0644) < 0 ? -errno : write_fully(fd, file->bytes, file->size);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r >= 0)
                return 0;
        unlinkat(folder_fd, name, 0); /* half a file would stay half for ever; if this fails, what is told is why */
        return error_set(error, -r, "write the file %s", name);
}

static int fill_folder(int tree_fd, const struct folder *folder, struct error *error) {
        fd_scoped fd = openat(tree_fd, folder->to ? folder->to : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return error_set(error, errno, "open the folder %s", folder->to ? folder->to : "of a person");
        int r = 0;
        size_t prefix = strlen(folder->from);
        for (const struct embedded_file *file = demo_files; file->name && r >= 0; file++)
                if (strncmp(file->name, folder->from, prefix) == 0)
                        r = write_file(fd, file->name + prefix, file, error);
        if (r >= 0 && fsync(fd) < 0)
                r = error_set(error, errno, "flush a folder");
        return r;
}

/* With the tree's owner's rights: nothing that lies there can lead root astray, and what is made is theirs. */
static int fill_tree(int data_fd, const struct workspace_place *place, struct error *error) {
        rights_scoped rights = { 0 };
        fd_scoped tree = workspace_tree_open(data_fd, place, error);
        int r = tree < 0 ? tree : rights_take(place->owner, (gid_t) place->owner, &rights, error);
        for (size_t i = 0; i < array_length(folders) && r >= 0; i++)
                if (folders[i].tree == place->kind)
                        r = fill_folder(tree, &folders[i], error);
        return r;
}

static int write_files(const struct settings *settings, const struct demo *demo, struct error *error) {
        fd_scoped data = open(settings->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (data < 0)
                return error_set(error, errno, "open the data directory %s", settings->data);
        uid_t base = (uid_t) settings->uid_base;
        struct workspace_place place = { .class_slug = demo->course.slug,
                                         .kind = TREE_SHARED,
                                         .owner = workspace_host_uid(base, demo->course.uid) };
        int r = fill_tree(data, &place, error);
        for (size_t i = 0; i < PEOPLE && r >= 0; i++) {
                place.kind = TREE_PERSONAL;
                place.folder = demo->people[i].folder;
                place.owner = workspace_host_uid(base, demo->people[i].uid);
                r = fill_tree(data, &place, error);
        }
        return r;
}

/* The files first, then the commit: if it fails half-way, there is no class, and the next call begins again. */
static int make_demo(struct command_context *context, struct demo *demo, struct error *error) {
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(context->store, &transaction, error);
        if (r >= 0)
                r = add_people(context->store, demo, error);
        if (r < 0)
                return r;
        rights_return(&context->rights);
        r = write_files(&context->settings, demo, error);
        int back = store_rights_take(context->settings.data, &context->rights, r < 0 ? NULL : error);
        if (r >= 0)
                r = back;
        return r < 0 ? r : transaction_commit(&transaction, error);
}

static void print_demo(const struct settings *settings, const struct demo *demo) {
        printf("The demonstration class is ready.\n\n");
        for (size_t i = 0; i < PEOPLE; i++)
                printf("    %-8s  %s\n", people[i].name, demo->passwords[i]);
        printf("\nThese passwords are not shown again; `carrel user passwd NAME` sets a new one.\n"
               "Sign in at http://%s/ once `carrel serve` runs.\n",
               settings->listen);
}

static int run_demo(struct command_context *context, struct error *error) {
        struct demo demo;
        int r = context_open(context, DATABASE_MAKE, error);
        if (r >= 0)
                r = course_list(context->store, stop_at_first, NULL, error);
        if (r < 0)
                return r;
        if (r > 0) {
                printf("'%s' has a class already; nothing was done.\n", context->settings.data);
                return 0;
        }
        r = make_demo(context, &demo, error);
        if (r >= 0)
                print_demo(&context->settings, &demo);
        explicit_bzero(&demo, sizeof demo);
        return r;
}

int command_demo(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                        print_usage();
                        return EXIT_DONE;
                }
        cleanup(context_finish) struct command_context context = { 0 };
        struct error error;
        if (settings_load(&context.settings, &argc, argv, SETTINGS_STRICT, &error) < 0) {
                complain("%s", error.text);
                return EXIT_USAGE;
        }
        return run_demo(&context, &error) < 0 ? fail(&error) : EXIT_DONE;
}
