#include "internal.h"

#include <uninorm.h>
#include <unistr.h>

/* The same characters must give the same bytes on every keyboard: some send é as one code point, some as two. The
 * result is wiped and freed by wipe_text(). */
static char *normalised(const char *password) {
        size_t length;
        char *text =
                (char *) u8_normalize(UNINORM_NFC, (const uint8_t *) password, strlen(password) + 1, NULL, &length);
        if (!text)
                abort(); /* it was valid UTF-8, so memory is what lacks */
        return text;
}

static void wipe_text(char **text) {
        if (*text)
                sodium_memzero(*text, strlen(*text));
        free(*text);
}

static bool is_usable(const char *password) {
        size_t length = strlen(password);
        return length <= PASSWORD_MAXIMUM && utf8_valid(password, length);
}

int password_check(const char *password, struct error *error) {
        if (!is_usable(password))
                return error_say(error, EINVAL, "A password is text of at most %d bytes.", PASSWORD_MAXIMUM);
        cleanup(wipe_text) char *text = normalised(password);
        if (u8_mbsnlen((const uint8_t *) text, strlen(text)) < PASSWORD_MINIMUM)
                return error_say(error, EINVAL, "A password needs at least %d characters.", PASSWORD_MINIMUM);
        return 0;
}

int password_hash(const char *password, char ret_hash[crypto_pwhash_STRBYTES], struct error *error) {
        cleanup(wipe_text) char *text = normalised(password);
        if (crypto_pwhash_str_alg(ret_hash, text, strlen(text), account_options.password_passes,
                                  account_options.password_memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
                return error_say(error, ENOMEM, "hashing a password: not enough memory for password.memory");
        return 0;
}

bool password_matches(const char *hash, const char *password) {
        cleanup(wipe_text) char *text = normalised(is_usable(password) ? password : "");
        bool same = crypto_pwhash_str_verify(hash ? hash : account_options.dummy, text, strlen(text)) == 0;
        return same && hash;
}

bool password_needs_rehash(const char *hash) {
        return crypto_pwhash_str_needs_rehash(hash, account_options.password_passes, account_options.password_memory) !=
               0;
}
