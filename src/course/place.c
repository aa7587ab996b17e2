#include "place.h"

const char *const shared_folders[] = { "Lecture Notes", "Assignments", "Tests", NULL };

static int check_name(const char *name, size_t length, struct error *error) {
        if (length == 0)
                return error_say(error, EINVAL, "A name in a path cannot be empty.");
        if (length >= NAME_BYTES)
                return error_say(error, EINVAL, "A name has at most %d bytes.", NAME_BYTES - 1);
        if ((length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.'))
                return error_say(error, EINVAL, "'.' and '..' are no names.");
        if (strncmp(name, ".carrel-", strlen(".carrel-")) == 0)
                return error_say(error, EINVAL, "Names that begin with '.carrel-' are the server's own.");
        for (size_t i = 0; i < length; i++)
                if ((unsigned char) name[i] < 0x20 || name[i] == 0x7f)
                        return error_say(error, EINVAL, "A name cannot hold control characters.");
        return 0;
}

static int check_path(const char *path, struct error *error) {
        size_t length = strnlen(path, PATH_BYTES);
        if (length >= PATH_BYTES)
                return error_say(error, EINVAL, "A path has at most %d bytes.", PATH_BYTES - 1);
        if (!utf8_valid(path, length))
                return error_say(error, EINVAL, "A path is UTF-8 text.");
        for (const char *at = path; length > 0;) {
                size_t name = strcspn(at, "/");
                int r = check_name(at, name, error);
                if (r < 0)
                        return r;
                if (!at[name])
                        break;
                at += name + 1;
        }
        return 0;
}

static bool is_shared(const char *name, size_t length) {
        for (size_t i = 0; shared_folders[i]; i++)
                if (strlen(shared_folders[i]) == length && memcmp(shared_folders[i], name, length) == 0)
                        return true;
        return false;
}

/* "ada/work/x.py": what follows "Local/". */
static void split_personal(const char *rest, struct place *ret_place) {
        size_t length = strcspn(rest, "/");
        *ret_place = (struct place){ .kind = PLACE_TREE, .tree = TREE_PERSONAL };
        memcpy(ret_place->owner_folder, rest, length);
        if (rest[length])
                strcpy(ret_place->path, rest + length + 1);
}

int place_parse(const char *path, struct place *ret_place, struct error *error) {
        int r = check_path(path, error);
        if (r < 0)
                return r;
        size_t first = strcspn(path, "/");
        if (!*path)
                *ret_place = (struct place){ .kind = PLACE_TOP };
        else if (strcmp(path, "Local") == 0)
                *ret_place = (struct place){ .kind = PLACE_LOCAL };
        else if (strncmp(path, "Local/", strlen("Local/")) == 0)
                split_personal(path + strlen("Local/"), ret_place);
        else if (is_shared(path, first)) {
                *ret_place = (struct place){ .kind = PLACE_TREE, .tree = TREE_SHARED };
                strcpy(ret_place->path, path);
        } else
                return error_say(error, ENOENT, "There is no '%.*s' here.", (int) first, path);
        return 0;
}

void place_personal(const char *folder, struct place *ret_place) {
        *ret_place = (struct place){ .kind = PLACE_TREE, .tree = TREE_PERSONAL };
        snprintf(ret_place->owner_folder, sizeof ret_place->owner_folder, "%s", folder);
}

bool place_path(const struct place *place, const char *path, char ret_path[PATH_BYTES]) {
        int size = place->tree == TREE_SHARED ? snprintf(ret_path, PATH_BYTES, "%s", path)
                                              : snprintf(ret_path, PATH_BYTES, "Local/%s%s%s", place->owner_folder,
                                                         *path ? "/" : "", path);
        return size >= 0 && size < PATH_BYTES;
}

bool place_is_fixed(const struct place *place) {
        if (place->kind != PLACE_TREE)
                return true;
        return place->tree == TREE_PERSONAL ? !*place->path : !strchr(place->path, '/');
}
