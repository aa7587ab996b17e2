#include "assets.h"

#include "../base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

static const char page_policy[] =
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "manifest-src 'self'";

enum { ETAG_BYTES = 16, FOLDERS_DEEP = 8 };

struct variant {
        uint8_t *bytes; /* NULL: there is none */
        size_t size;
        char etag[2 * ETAG_BYTES + 3];
        struct MHD_Response *whole, *unchanged;
};

struct asset {
        char *path;
        struct variant variants[ENCODINGS];
};

struct assets {
        struct asset *items; /* by path */
        size_t count;
};

static const char *const suffixes[ENCODINGS] = { "", ".gz", ".br" };
static const char *const encoding_names[ENCODINGS] = { NULL, "gzip", "br" };

static const char *content_type(const char *path) {
        static const char *const types[][2] = {
                { ".html", "text/html; charset=utf-8" },
                { ".js", "text/javascript; charset=utf-8" },
                { ".css", "text/css; charset=utf-8" },
                { ".svg", "image/svg+xml" },
                { ".png", "image/png" },
                { ".ico", "image/x-icon" },
                { ".json", "application/json" },
                { ".webmanifest", "application/manifest+json" },
                { ".woff2", "font/woff2" },
                { ".wasm", "application/wasm" },
                { ".txt", "text/plain; charset=utf-8" },
        };
        const char *dot = strrchr(path, '.');
        for (size_t i = 0; dot && i < array_length(types); i++)
                if (strcmp(dot, types[i][0]) == 0)
                        return types[i][1];
        return "application/octet-stream";
}

/* Reading */

static int compare(const void *one, const void *other) {
        return strcmp(((const struct asset *) one)->path, ((const struct asset *) other)->path);
}

static struct asset *find(const struct assets *assets, const char *path) {
        const struct asset wanted = { .path = (char *) (uintptr_t) path };
        return assets->count ? bsearch(&wanted, assets->items, assets->count, sizeof wanted, compare) : NULL;
}

static int read_file(int folder, const char *name, struct variant *variant, struct error *error) {
        fd_scoped fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat status;
        if (fd < 0 || fstat(fd, &status) < 0)
                return error_set(error, errno, "opening the page's file '%s'", name);
        if (!S_ISREG(status.st_mode) || status.st_size > PAGE_FILE_BYTES)
                return error_say(error, EFBIG, "the page's '%s' is no ordinary file of reasonable size", name);
        free_scoped uint8_t *bytes = reallocate_array(NULL, (size_t) status.st_size + 1, 1);
        ssize_t size = read_fully(fd, bytes, (size_t) status.st_size);
        if (size < 0)
                return error_set(error, (int) -size, "reading the page's file '%s'", name);
        uint8_t digest[ETAG_BYTES];
        crypto_generichash(digest, sizeof digest, bytes, (size_t) size, NULL, 0);
        char digits[2 * ETAG_BYTES + 1];
        hexadecimal(digest, sizeof digest, digits);
        snprintf(variant->etag, sizeof variant->etag, "\"%s\"", digits);
        variant->bytes = steal_pointer(&bytes);
        variant->size = (size_t) size;
        return 0;
}

static int add_file(struct assets *assets, int folder, const char *name, const char *path, struct error *error) {
        if (assets->count == PAGE_FILES_MAXIMUM)
                return error_say(error, E2BIG, "the page has more than %d files", PAGE_FILES_MAXIMUM);
        assets->items = reallocate_array(assets->items, assets->count + 1, sizeof *assets->items);
        struct asset *asset = &assets->items[assets->count++];
        *asset = (struct asset){ .path = duplicate_string(path) };
        return read_file(folder, name, &asset->variants[ENCODING_NONE], error);
}

static int add_folder(struct assets *assets, int folder, const char *path, int depth, struct error *error);

static int add_entry(struct assets *assets, int folder, const char *name, const char *outer, int depth,
                     struct error *error) {
        struct stat status;
        if (name[0] == '.')
                return 0;
        if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(error, errno, "looking at the page's '%s'", name);
        free_scoped char *path = format_string("%s/%s", outer, name);
        if (S_ISREG(status.st_mode))
                return add_file(assets, folder, name, path, error);
        if (!S_ISDIR(status.st_mode) || depth == FOLDERS_DEEP)
                return 0;
        fd_scoped inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (inner < 0)
                return error_set(error, errno, "opening the page's folder '%s'", name);
        return add_folder(assets, inner, path, depth + 1, error);
}

static void close_folder(DIR **folder) {
        if (*folder)
                closedir(*folder);
}

static int add_folder(struct assets *assets, int folder, const char *path, int depth, struct error *error) {
        fd_scoped copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup(close_folder) DIR *entries = copy < 0 ? NULL : fdopendir(copy);
        if (!entries)
                return error_set(error, errno, "opening the page's folder '%s'", path);
        steal_fd(&copy);
        const struct dirent *entry;
        while ((entry = readdir(entries))) {
                int result = add_entry(assets, folder, entry->d_name, path, depth, error);
                if (result < 0)
                        return result;
        }
        return 0;
}

/* "/x.js.br" is not a file of its own but how "/x.js" can be sent. Both stay findable; the copy is the page's size. */
static void adopt_variants(struct assets *assets) {
        for (size_t i = 0; i < assets->count; i++)
                for (enum encoding encoding = ENCODING_GZIP; encoding < ENCODINGS; encoding++) {
                        free_scoped char *path = format_string("%s%s", assets->items[i].path, suffixes[encoding]);
                        struct asset *other = find(assets, path);
                        if (!other || !other->variants[ENCODING_NONE].bytes)
                                continue;
                        assets->items[i].variants[encoding] = other->variants[ENCODING_NONE];
                        other->variants[ENCODING_NONE] = (struct variant){ 0 };
                }
}

/* Answering */

static void add_headers(struct MHD_Response *response, const struct asset *asset, enum encoding encoding) {
        response_secure(response);
        response_header(response, "Content-Security-Policy", page_policy);
        response_header(response, "ETag", asset->variants[encoding].etag);
        response_header(response, "Vary", "Accept-Encoding");
        bool immutable = strncmp(asset->path, "/assets/", strlen("/assets/")) == 0;
        response_header(response, "Cache-Control", immutable ? "public, max-age=31536000, immutable" : "no-cache");
        response_header(response, "Content-Type", content_type(asset->path));
        if (encoding_names[encoding])
                response_header(response, "Content-Encoding", encoding_names[encoding]);
}

static int prepare(struct asset *asset, struct error *error) {
        for (enum encoding encoding = ENCODING_NONE; encoding < ENCODINGS; encoding++) {
                struct variant *variant = &asset->variants[encoding];
                if (!variant->bytes)
                        continue;
                variant->whole = MHD_create_response_from_buffer(variant->size, variant->bytes, MHD_RESPMEM_PERSISTENT);
                variant->unchanged = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
                if (!variant->whole || !variant->unchanged)
                        return error_say(error, ENOMEM, "preparing the page's '%s'", asset->path);
                add_headers(variant->whole, asset, encoding);
                add_headers(variant->unchanged, asset, encoding);
        }
        return 0;
}

int assets_load(int folder, struct assets **ret_assets, struct error *error) {
        struct assets *assets = allocate(sizeof *assets);
        int result = folder < 0 ? 0 : add_folder(assets, folder, "", 0, error);
        if (result == 0 && assets->count > 0) {
                qsort(assets->items, assets->count, sizeof *assets->items, compare);
                adopt_variants(assets);
        }
        for (size_t i = 0; result == 0 && i < assets->count; i++)
                result = prepare(&assets->items[i], error);
        if (result < 0) {
                assets_destroy(assets);
                return result;
        }
        log_event(LOG_INFO, "page.loaded", "files", log_number((int64_t) assets->count), NULL);
        *ret_assets = assets;
        return 0;
}

static void variant_finish(struct variant *variant) {
        if (variant->whole)
                MHD_destroy_response(variant->whole);
        if (variant->unchanged)
                MHD_destroy_response(variant->unchanged);
        free(variant->bytes);
}

void assets_destroy(struct assets *assets) {
        if (!assets)
                return;
        for (size_t i = 0; i < assets->count; i++) {
                free(assets->items[i].path);
                for (size_t encoding = 0; encoding < ENCODINGS; encoding++)
                        variant_finish(&assets->items[i].variants[encoding]);
        }
        free(assets->items);
        free(assets);
}

static void respond_shared(struct exchange *exchange, unsigned status, struct MHD_Response *response) {
        exchange->status = status;
        exchange->shared = response;
}

void assets_respond(const struct assets *assets, struct exchange *exchange, const char *path) {
        const struct asset *asset = find(assets, path);
        if (!asset || !asset->variants[ENCODING_NONE].bytes) {
                exchange_respond_error(exchange, 404, "not-found", "There is nothing at this address.");
                return;
        }
        const bool available[ENCODINGS] = {
                [ENCODING_GZIP] = asset->variants[ENCODING_GZIP].bytes != NULL,
                [ENCODING_BROTLI] = asset->variants[ENCODING_BROTLI].bytes != NULL,
        };
        enum encoding encoding = encoding_choose(exchange_header(exchange, "Accept-Encoding"), available);
        const struct variant *variant = &asset->variants[encoding];
        if (etag_matches(exchange_header(exchange, "If-None-Match"), variant->etag))
                respond_shared(exchange, MHD_HTTP_NOT_MODIFIED, variant->unchanged);
        else
                respond_shared(exchange, MHD_HTTP_OK, variant->whole);
}
