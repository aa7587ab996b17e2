/*
 * Which names and paths there are. Pure functions of their text: the kernel still resolves every path, and no rule here
 * is what keeps a guest inside; they keep nonsense out of the tree and say early, and the same everywhere, what is
 * wrong.
 */
#include "tree.h"

const char *const workspace_shared_folders[WORKSPACE_SHARED_FOLDERS] = { "Lecture Notes", "Assignments", "Tests" };

bool workspace_class_ok(const char *slug) {
        size_t size = strlen(slug);
        return size >= 1 && size <= WORKSPACE_CLASS_MAXIMUM &&
               strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

/* C0 and DEL are single bytes; C1 (U+0080 to U+009F) is C2 80 to C2 9F, in text that is valid UTF-8. */
static bool has_control(const uint8_t *name, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (name[i] < 0x20 || name[i] == 0x7F || (name[i] == 0xC2 && i + 1 < size && name[i + 1] < 0xA0))
                        return true;
        return false;
}

bool workspace_name_ok(const char *name, size_t size) {
        return size >= 1 && size < NAME_BYTES && name[0] != '.' && !memchr(name, '/', size) && utf8_valid(name, size) &&
               !has_control((const uint8_t *) name, size);
}

bool workspace_folder_ok(const char *folder) {
        size_t size = strlen(folder);
        return size <= WORKSPACE_FOLDER_MAXIMUM && workspace_name_ok(folder, size);
}

bool workspace_trash_id_ok(const char *id, size_t size) {
        static const char digits[] = "0123456789abcdef";
        return size == TRASH_ID_BYTES - 1 && strspn(id, digits) == 16 && id[16] == '-' && strspn(id + 17, digits) == 10;
}

static bool in_shared_folder(const char *path) {
        size_t size = strcspn(path, "/");
        for (size_t i = 0; i < WORKSPACE_SHARED_FOLDERS; i++)
                if (strlen(workspace_shared_folders[i]) == size && memcmp(workspace_shared_folders[i], path, size) == 0)
                        return true;
        return false;
}

static int check_names(enum tree_kind kind, const char *path, bool (*name_ok)(const char *name, size_t size)) {
        if (!*path)
                return 0;
        if (strlen(path) >= PATH_BYTES)
                return -EINVAL;
        for (const char *name = path;;) {
                size_t size = strcspn(name, "/");
                if (!name_ok(name, size))
                        return -EINVAL;
                if (!name[size])
                        break;
                name += size + 1;
        }
        return kind == TREE_SHARED && !in_shared_folder(path) ? -EPERM : 0;
}

int workspace_path_check(enum tree_kind kind, const char *path) {
        return check_names(kind, path, workspace_name_ok);
}

static bool name_or_temporary(const char *name, size_t size) {
        char copy[TEMPORARY_NAME_BYTES] = "";
        if (workspace_name_ok(name, size))
                return true;
        if (size >= sizeof copy)
                return false;
        memcpy(copy, name, size);
        return temporary_name_is(copy);
}

int tree_path_check(enum tree_kind kind, const char *path) {
        return check_names(kind, path, name_or_temporary);
}

bool workspace_temporary_beside(const char *path, char ret_path[PATH_BYTES]) {
        char name[TEMPORARY_NAME_BYTES];
        const char *slash = strrchr(path, '/');
        temporary_name(name);
        int size = snprintf(ret_path, PATH_BYTES, "%.*s%s", slash ? (int) (slash + 1 - path) : 0, path, name);
        return size < PATH_BYTES;
}
