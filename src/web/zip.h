/*
 * zip: the container of a .zip file, written front to back into a buffer.
 *
 * zlib compresses and sums; the container itself is five small records (PKWARE's APPNOTE), and nothing of it is ever
 * read here. That is less than what libarchive would bring into every process of ours (libxml2, ICU, OpenSSL,
 * libstdc++); minizip goes back to correct what it wrote and cannot stream. Each file's sizes and sum follow it
 * (general purpose bit 3), names are UTF-8 (bit 11), and times are told in UTC beside the old local ones. There is no
 * ZIP64: whoever writes stays below 65,535 entries and 4 GB, see WALK_BYTES_MAXIMUM.
 *
 * The buffer and the entries' records are the caller's. Any thread, one at a time.
 */
#pragma once

#include "../base/buffer.h"

#include <zlib.h>

struct zip {
        struct buffer out; /* what is to be sent */
        uint64_t offset;   /* how much has been put there in all */
        z_stream stream;
        bool compressing;
};

/* What the directory at the end will say. */
struct zip_entry {
        uint32_t offset, sum, compressed, size, stamp;
        bool there, folder;
};

void zip_finish(struct zip *zip);

/* `modified` in milliseconds since 1970. -ENOMEM. */
int zip_begin_file(struct zip *zip, struct zip_entry *entry, const char *name, int64_t modified) must_check;
void zip_write(struct zip *zip, struct zip_entry *entry, const void *bytes, size_t size);
void zip_end_file(struct zip *zip, struct zip_entry *entry);
void zip_add_folder(struct zip *zip, struct zip_entry *entry, const char *name, int64_t modified);

/* The directory: each entry that is `there` once more, with its name, then the end. */
void zip_list(struct zip *zip, const struct zip_entry *entry, const char *name);
void zip_end(struct zip *zip, uint64_t directory_offset, size_t count);
