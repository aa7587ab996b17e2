#include "internal.h"

#include "../base/embed.h"

extern const struct embedded_file account_words[];

enum { WORDS_MINIMUM = 512 }; /* three of them and four digits: 27 + 13.3 bits */

/* The word that begins at the `index`-th line; the number of lines where there is none. */
static size_t find_word(size_t index, const char **ret_word, size_t *ret_length) {
        const char *at = (const char *) account_words[0].bytes, *end = at + account_words[0].size;
        size_t count = 0;
        for (; at < end; count++) {
                const char *newline = memchr(at, '\n', (size_t) (end - at));
                size_t length = newline ? (size_t) (newline - at) : (size_t) (end - at);
                if (count == index) {
                        *ret_word = at;
                        *ret_length = length;
                        return count;
                }
                at += length + 1;
        }
        return count;
}

void account_generate_password(char ret_password[ACCOUNT_GENERATED_BYTES]) {
        const char *words[3] = { 0 };
        size_t lengths[3] = { 0 };
        size_t count = find_word(SIZE_MAX, &words[0], &lengths[0]);
        if (count < WORDS_MINIMUM)
                abort(); /* a mistake in words.txt would make passwords that can be guessed */
        for (size_t i = 0; i < array_length(words); i++)
                find_word(randombytes_uniform((uint32_t) count), &words[i], &lengths[i]);
        snprintf(ret_password, ACCOUNT_GENERATED_BYTES, "%.*s-%.*s-%.*s-%04u", (int) lengths[0], words[0],
                 (int) lengths[1], words[1], (int) lengths[2], words[2], randombytes_uniform(10000));
}
