/* Where this program's own parts lie. */
#include "cli.h"

#include <limits.h>

/* Beside the program itself, as in a build folder; else where a package puts it. */
static int find_part(const char *beside, const char *installed, char path[static PATH_MAX], struct error *error) {
        char self[PATH_MAX];
        ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
        if (length < 0)
                return error_set(error, errno, "finding this program's own place");
        self[length] = '\0';
        char *slash = strrchr(self, '/');
        if (slash)
                *slash = '\0';
        if (snprintf(path, PATH_MAX, "%s/%s", self, beside) < PATH_MAX && access(path, R_OK) == 0)
                return 0;
        snprintf(path, PATH_MAX, "%s", installed);
        if (access(path, R_OK) < 0)
                return error_set(error, errno, "finding %s beside %s, or %s", beside, self, installed);
        return 0;
}

int find_zygote(char path[static PATH_MAX], struct error *error) {
        return find_part("carrel-python", "/usr/lib/carrel/carrel-python", path, error);
}

int find_page(char path[static PATH_MAX], struct error *error) {
        return find_part("../web/dist", "/usr/share/carrel/page", path, error);
}
