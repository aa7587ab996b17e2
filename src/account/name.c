#include "internal.h"

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

static const char *skip_character(const char *at, ucs4_t *ret_character) {
        return at + u8_strmbtouc(ret_character, (const uint8_t *) at);
}

static char *or_end(uint8_t *text) {
        if (!text)
                abort(); /* libunistring fails on valid UTF-8 for want of memory alone */
        return (char *) text;
}

/* libunistring's results count their bytes and have no NUL; here they get one. */
static char *normalise(const char *text) {
        size_t length;
        return or_end(u8_normalize(UNINORM_NFC, (const uint8_t *) text, strlen(text) + 1, NULL, &length));
}

static char *fold(const char *text) {
        size_t length;
        return or_end(u8_casefold((const uint8_t *) text, strlen(text) + 1, NULL, UNINORM_NFKC, NULL, &length));
}

static bool is_forbidden(ucs4_t character) {
        return character == '/' ||
               uc_is_general_category_withtable(character, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Zl |
                                                                   UC_CATEGORY_MASK_Zp | UC_CATEGORY_MASK_Co) ||
               uc_is_property_bidi_control(character) || uc_is_property_not_a_character(character);
}

static int check_characters(const char *name, struct error *error) {
        ucs4_t character = 0, first = 0;
        for (const char *at = name; *at;) {
                at = skip_character(at, &character);
                first = first ? first : character;
                if (is_forbidden(character))
                        return error_say(error, EINVAL, "A name cannot hold the character U+%04X.",
                                         (unsigned) character);
        }
        if (uc_is_property_white_space(first) || uc_is_property_white_space(character))
                return error_say(error, EINVAL, "A name cannot begin or end with a blank.");
        return 0;
}

int name_check(const char *name, char ret_name[ACCOUNT_NAME_MAXIMUM + 1], struct error *error) {
        if (strlen(name) > ACCOUNT_NAME_MAXIMUM)
                return error_say(error, EINVAL, "A name has at most %d bytes.", ACCOUNT_NAME_MAXIMUM);
        if (!utf8_valid(name, strlen(name)))
                return error_say(error, EINVAL, "The name is not valid UTF-8.");
        int r = check_characters(name, error);
        if (r < 0)
                return r;
        free_scoped char *normal = normalise(name), *key = name_key(name);
        if (!*key)
                return error_say(error, EINVAL, "A name needs at least one visible character.");
        if (strlen(normal) > ACCOUNT_NAME_MAXIMUM)
                return error_say(error, EINVAL, "A name has at most %d bytes.", ACCOUNT_NAME_MAXIMUM);
        strcpy(ret_name, normal);
        return 0;
}

static void drop_ignorable(char *text) {
        char *to = text;
        for (const char *from = text; *from;) {
                ucs4_t character;
                const char *next = skip_character(from, &character);
                size_t length = (size_t) (next - from);
                if (!uc_is_property_default_ignorable_code_point(character)) {
                        memmove(to, from, length);
                        to += length;
                }
                from = next;
        }
        *to = '\0';
}

/* NFKC has made plain spaces of all others, but for a few that it knows no better than we: Ogham's, and controls. */
static void trim_blanks(char *text) {
        size_t skip = strspn(text, " \t\r\n"), length = strlen(text + skip);
        memmove(text, text + skip, length + 1);
        while (length > 0 && strchr(" \t\r\n", text[length - 1]))
                text[--length] = '\0';
}

char *name_key(const char *name) {
        size_t length = strlen(name);
        /* A little more than a name may have, for blanks around it. */
        if (length > ACCOUNT_NAME_MAXIMUM + 32 || !utf8_valid(name, length))
                return duplicate_string("");
        free_scoped char *folded = fold(name);
        drop_ignorable(folded);
        /* Once more: what was dropped may have kept two characters from composing. */
        char *key = fold(folded);
        trim_blanks(key);
        return key;
}

static bool is_letter_or_digit(ucs4_t character) {
        return uc_is_general_category_withtable(character, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N);
}

static bool is_kept(ucs4_t character) {
        return character == '.' || character == '_' || is_letter_or_digit(character) ||
               uc_is_general_category_withtable(character, UC_CATEGORY_MASK_M);
}

/* Appends what is kept of `key` to at most `room` bytes; begins with a letter or digit. */
static size_t keep(const char *key, size_t room, char *folder) {
        size_t used = 0;
        for (const char *at = key; *at;) {
                ucs4_t character;
                const char *next = skip_character(at, &character);
                size_t length = (size_t) (next - at);
                if (used == 0 ? is_letter_or_digit(character) : is_kept(character)) {
                        if (used + length > room)
                                break;
                        memcpy(folder + used, at, length);
                        used += length;
                } else if (used > 0 && used < room && folder[used - 1] != '-')
                        folder[used++] = '-';
                at = next;
        }
        while (used > 0 && strchr(".-_", folder[used - 1]))
                used--;
        return used;
}

void folder_of_key(const char *key, unsigned number, char ret_folder[ACCOUNT_FOLDER_MAXIMUM + 1]) {
        char suffix[16] = "";
        if (number > 1)
                snprintf(suffix, sizeof suffix, "-%u", number);
        size_t used = keep(key, ACCOUNT_FOLDER_MAXIMUM - strlen(suffix), ret_folder);
        if (used == 0) {
                memcpy(ret_folder, "user", 4);
                used = 4;
        }
        strcpy(ret_folder + used, suffix);
}
