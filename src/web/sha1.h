/* SHA-1 (FIPS 180-4), for the one thing that still asks for it: a WebSocket's handshake, where it protects nothing. */
#pragma once

#include "../base/base.h"

enum { SHA1_BYTES = 20 };
/* At most 119 bytes. */
void sha1_short(const void *bytes, size_t size, uint8_t digest[static SHA1_BYTES]);
