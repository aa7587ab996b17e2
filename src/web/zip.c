#include "zip.h"

#include <time.h>

enum {
        LOCAL_HEADER = 0x04034b50,
        DESCRIPTOR = 0x08074b50,
        DIRECTORY_HEADER = 0x02014b50,
        DIRECTORY_END = 0x06054b50,
        NEEDED = 20,               /* version 2.0: folders, deflate */
        MADE_BY = 3 << 8 | NEEDED, /* Unix: the upper half of the attributes is a mode */
        SIZES_FOLLOW = 1 << 3,
        NAMES_ARE_UTF8 = 1 << 11,
        DEFLATED = 8,
        TIME_EXTRA = 0x5455,
        TIME_EXTRA_BYTES = 9,
        LEVEL = 3, /* a class's files are small, its processors few */
        STEP = 16384,
};

/* Little-endian, into a buffer without limit. */

static void put(struct zip *zip, const void *bytes, size_t size) {
        uint8_t *room = buffer_room(&zip->out, size);
        memcpy(room, bytes, size);
        buffer_grown(&zip->out, size);
        zip->offset += size;
}

static void put16(struct zip *zip, unsigned number) {
        const uint8_t bytes[2] = { (uint8_t) number, (uint8_t) (number >> 8) };
        put(zip, bytes, sizeof bytes);
}

static void put32(struct zip *zip, uint32_t number) {
        put16(zip, number & 0xFFFF);
        put16(zip, number >> 16);
}

/* Two seconds' grain, from 1980 on. Local time, in an unknown place: UTC. */
static void put_old_time(struct zip *zip, uint32_t stamp) {
        time_t time = (time_t) stamp;
        struct tm tm = { 0 };
        gmtime_r(&time, &tm);
        bool early = tm.tm_year < 80;
        put16(zip, early ? 0 : (unsigned) (tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2));
        put16(zip, early ? 1 << 5 | 1 : (unsigned) ((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday));
}

static void put_time_extra(struct zip *zip, uint32_t stamp) {
        put16(zip, TIME_EXTRA);
        put16(zip, TIME_EXTRA_BYTES - 4);
        put(zip, "\x01", 1); /* of modification */
        put32(zip, stamp);
}

/* What the local header and the directory have in common. */
static void put_common(struct zip *zip, const struct zip_entry *entry, bool sizes, size_t name_size) {
        put16(zip, NEEDED);
        put16(zip, NAMES_ARE_UTF8 | (entry->folder ? 0 : SIZES_FOLLOW));
        put16(zip, entry->folder ? 0 : DEFLATED);
        put_old_time(zip, entry->stamp);
        put32(zip, sizes ? entry->sum : 0);
        put32(zip, sizes ? entry->compressed : 0);
        put32(zip, sizes ? entry->size : 0);
        put16(zip, (unsigned) (name_size + entry->folder));
        put16(zip, TIME_EXTRA_BYTES);
}

static void put_name(struct zip *zip, const struct zip_entry *entry, const char *name) {
        put(zip, name, strlen(name));
        if (entry->folder)
                put(zip, "/", 1);
}

static void begin(struct zip *zip, struct zip_entry *entry, const char *name, int64_t modified, bool folder) {
        int64_t seconds = modified / 1000;
        *entry = (struct zip_entry){ .offset = (uint32_t) zip->offset,
                                     .stamp = seconds < 0           ? 0
                                              : seconds > INT32_MAX ? INT32_MAX
                                                                    : (uint32_t) seconds,
                                     .there = true,
                                     .folder = folder };
        put32(zip, LOCAL_HEADER);
        put_common(zip, entry, false, strlen(name));
        put_name(zip, entry, name);
        put_time_extra(zip, entry->stamp);
}

void zip_add_folder(struct zip *zip, struct zip_entry *entry, const char *name, int64_t modified) {
        begin(zip, entry, name, modified, true);
}

int zip_begin_file(struct zip *zip, struct zip_entry *entry, const char *name, int64_t modified) {
        int result = zip->compressing
                             ? deflateReset(&zip->stream)
                             : deflateInit2(&zip->stream, LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
        if (result != Z_OK)
                return -ENOMEM;
        zip->compressing = true;
        begin(zip, entry, name, modified, false);
        return 0;
}

/* With room for what comes out, raw deflate cannot fail. */
static void compress_all(struct zip *zip, struct zip_entry *entry, int flush) {
        int result;
        do {
                zip->stream.next_out = buffer_room(&zip->out, STEP);
                zip->stream.avail_out = STEP;
                result = deflate(&zip->stream, flush);
                size_t size = STEP - zip->stream.avail_out;
                buffer_grown(&zip->out, size);
                zip->offset += size;
                entry->compressed += (uint32_t) size;
        } while (flush == Z_FINISH ? result == Z_OK || result == Z_BUF_ERROR : zip->stream.avail_out == 0);
}

void zip_write(struct zip *zip, struct zip_entry *entry, const void *bytes, size_t size) {
        entry->sum = (uint32_t) crc32_z(entry->sum, bytes, size);
        entry->size += (uint32_t) size;
        zip->stream.next_in = (void *) (uintptr_t) bytes;
        zip->stream.avail_in = (unsigned) size;
        compress_all(zip, entry, Z_NO_FLUSH);
}

void zip_end_file(struct zip *zip, struct zip_entry *entry) {
        zip->stream.avail_in = 0;
        compress_all(zip, entry, Z_FINISH);
        put32(zip, DESCRIPTOR);
        put32(zip, entry->sum);
        put32(zip, entry->compressed);
        put32(zip, entry->size);
}

void zip_list(struct zip *zip, const struct zip_entry *entry, const char *name) {
        put32(zip, DIRECTORY_HEADER);
        put16(zip, MADE_BY);
        put_common(zip, entry, true, strlen(name));
        put16(zip, 0); /* comment */
        put16(zip, 0); /* disk */
        put16(zip, 0); /* internal attributes */
        put32(zip, entry->folder ? UINT32_C(0040755) << 16 | 0x10 : UINT32_C(0100644) << 16);
        put32(zip, entry->offset);
        put_name(zip, entry, name);
        put_time_extra(zip, entry->stamp);
}

void zip_end(struct zip *zip, uint64_t directory_offset, size_t count) {
        uint64_t end = zip->offset;
        put32(zip, DIRECTORY_END);
        put32(zip, 0); /* this disk, and the directory's */
        put16(zip, (unsigned) count);
        put16(zip, (unsigned) count);
        put32(zip, (uint32_t) (end - directory_offset));
        put32(zip, (uint32_t) directory_offset);
        put16(zip, 0); /* comment */
}

void zip_finish(struct zip *zip) {
        if (zip->compressing)
                (void) deflateEnd(&zip->stream); /* an unfinished one says so */
        buffer_finish(&zip->out);
        *zip = (struct zip){ 0 };
}
