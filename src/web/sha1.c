#include "sha1.h"

enum { BLOCK = 64, SHORT_MAXIMUM = 2 * BLOCK - 9 };

static uint32_t rotate(uint32_t word, unsigned by) {
        return word << by | word >> (32 - by);
}

static void mix(uint32_t state[static 5], const uint8_t block[static BLOCK]) {
        uint32_t w[80];
        for (size_t i = 0; i < 16; i++)
                w[i] = (uint32_t) block[4 * i] << 24 | (uint32_t) block[4 * i + 1] << 16 |
                       (uint32_t) block[4 * i + 2] << 8 | block[4 * i + 3];
        for (size_t i = 16; i < 80; i++)
                w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
        for (size_t i = 0; i < 80; i++) {
                uint32_t f = i < 20   ? (b & c) | (~b & d)
                             : i < 40 ? b ^ c ^ d
                             : i < 60 ? (b & c) | (b & d) | (c & d)
                                      : b ^ c ^ d;
                uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
                uint32_t next = rotate(a, 5) + f + e + k + w[i];
                e = d;
                d = c;
                c = rotate(b, 30);
                b = a;
                a = next;
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
}

void sha1_short(const void *bytes, size_t size, uint8_t digest[static SHA1_BYTES]) {
        if (size > SHORT_MAXIMUM)
                abort(); /* its one caller gives 60 */
        uint32_t state[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
        uint8_t message[2 * BLOCK] = { 0 };
        size_t blocks = size + 9 <= BLOCK ? 1 : 2;
        memcpy(message, bytes, size);
        message[size] = 0x80;
        for (size_t i = 0; i < 8; i++)
                message[blocks * BLOCK - 1 - i] = (uint8_t) ((uint64_t) size * 8 >> (8 * i));
        for (size_t i = 0; i < blocks; i++)
                mix(state, message + i * BLOCK);
        for (size_t i = 0; i < SHA1_BYTES; i++)
                digest[i] = (uint8_t) (state[i / 4] >> (24 - 8 * (i % 4)));
}
