#include "walk.h"
#include "workers.h"

static size_t walks;

static void step(struct walk *walk);

static void end(struct walk *walk, int result) {
        walk->result = result;
        walk->done(walk->context);
}

static int add(struct walk *walk, const struct workspace_entry *entry, uint32_t parent) {
        bool file = entry->kind == FILE_KIND_FILE;
        if (walk->count == WALK_ENTRIES_MAXIMUM || (file && entry->size > WALK_BYTES_MAXIMUM - walk->bytes))
                return -E2BIG;
        if (walk->count == walk->room) {
                walk->room = walk->room ? 2 * walk->room : 64;
                walk->entries = reallocate_array(walk->entries, walk->room, sizeof *walk->entries);
        }
        walk->bytes += file ? entry->size : 0;
        walk->entries[walk->count++] = (struct walk_entry){ .parent = parent,
                                                            .kind = entry->kind,
                                                            .size = entry->size,
                                                            .modified = entry->modified,
                                                            .name = duplicate_string(entry->name) };
        return 0;
}

/* The top's is WALK_TOP; then each folder in the order in which it was found. */
static uint32_t listed_now(const struct walk *walk) {
        return walk->next == 0 ? WALK_TOP : (uint32_t) (walk->next - 1);
}

static void on_listed(void *context, struct workspace_answer *answer) {
        struct walk *walk = context;
        worker_release(steal_pointer(&walk->worker), answer->result == -EPIPE);
        uint32_t parent = listed_now(walk);
        int result = answer->result;
        if (result < 0 && parent != WALK_TOP && result != -EPIPE) {
                walk->left_out++; /* shut, or gone since */
                result = 0;
        }
        walk->left_out += answer->entries_left_out;
        for (size_t i = 0; i < answer->entry_count && result == 0; i++)
                result = add(walk, &answer->entries[i], parent);
        walk->next++;
        if (result < 0)
                end(walk, result);
        else
                step(walk);
}

static void on_worker(void *context, struct worker *worker, int result) {
        struct walk *walk = context;
        char path[PATH_BYTES];
        uint32_t folder = listed_now(walk);
        snprintf(path, sizeof path, "%s", walk->path);
        if (result == 0) {
                walk->worker = worker;
                if (folder != WALK_TOP && !walk_path(walk, folder, walk->path, path))
                        result = -ENAMETOOLONG;
                else
                        result = workspace_list(worker_workspace(worker), path, false, on_listed, walk);
                if (result == 0)
                        return;
                worker_release(steal_pointer(&walk->worker), result == -EPIPE);
        }
        if (result == -ENAMETOOLONG) {
                walk->left_out++;
                walk->next++;
                step(walk);
        } else {
                end(walk, result);
        }
}

static void step(struct walk *walk) {
        while (walk->next > 0 && walk->next <= walk->count && walk->entries[walk->next - 1].kind != FILE_KIND_FOLDER)
                walk->next++;
        if (walk->next > walk->count)
                end(walk, 0);
        else
                workers_use(walk->server->workers, &walk->tree, on_worker, walk);
}

int walk_begin(struct walk *walk, struct server *server, const struct tree *tree, const char *path, loop_function *done,
               void *context) {
        if (walks == WALKS_AT_ONCE)
                return -EBUSY;
        walks++;
        *walk = (struct walk){ .server = server, .tree = *tree, .done = done, .context = context };
        snprintf(walk->path, sizeof walk->path, "%s", path);
        step(walk);
        return 0;
}

void walk_finish(struct walk *walk) {
        if (!walk->server)
                return;
        walks--;
        for (size_t i = 0; i < walk->count; i++)
                free(walk->entries[i].name);
        free(walk->entries);
        *walk = (struct walk){ 0 };
}

bool walk_path(const struct walk *walk, size_t entry, const char *base, char path[PATH_BYTES]) {
        size_t size = strlen(base), end;
        for (uint32_t i = (uint32_t) entry; i != WALK_TOP; i = walk->entries[i].parent)
                size += (size > 0) + strlen(walk->entries[i].name);
        if (size >= PATH_BYTES)
                return false;
        /* From its end to its beginning. */
        path[size] = '\0';
        end = size;
        for (uint32_t i = (uint32_t) entry; i != WALK_TOP; i = walk->entries[i].parent) {
                size_t name = strlen(walk->entries[i].name);
                end -= name;
                memcpy(path + end, walk->entries[i].name, name);
                if (end > 0)
                        path[--end] = '/';
        }
        memcpy(path, base, end);
        return true;
}
