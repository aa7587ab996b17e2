/*
 * Files that travel inside the binary. embed.sh makes an assembler source of them: a table with this room's shape under
 * a symbol of its own, ended by an entry without a name. In a meson.build:
 *
 *     migrations = custom_target(input: […], output: 'migrations.S',
 *       command: [embed, 'store_migrations', meson.current_source_dir() / 'migrations', '@OUTPUT@', '@INPUT@'])
 */
#pragma once

#include "base.h"

struct embedded_file {
        const char *name; /* below the folder that embed.sh was given; NULL ends the table */
        const uint8_t *bytes;
        size_t size;
};
