/* What the files of this room share. */
#pragma once

#include "account.h"
#include "throttle.h"

#include <sodium.h>

/* Set by account_start(), then read only. */
struct account_options {
        unsigned long long password_passes;
        size_t password_memory;
        int64_t session_idle, session_longest; /* milliseconds */
        struct throttle *throttle;
        char dummy[crypto_pwhash_STRBYTES]; /* the hash of a password that nobody has */
};
extern struct account_options account_options;

/* name.c */

/* Checks a name for a new account and gives its NFC. -EINVAL with the reason. */
int name_check(const char *name, char ret_name[ACCOUNT_NAME_MAXIMUM + 1], struct error *error) must_check;
/* The text that two equal names share; the caller frees it. "" where no account can have such a name. */
char *name_key(const char *name);
/* The folder made of a key; from `number` 2 on with "-<number>". */
void folder_of_key(const char *key, unsigned number, char ret_folder[ACCOUNT_FOLDER_MAXIMUM + 1]);

/* password.c: all but the first take tens of milliseconds, so never with a statement open. */

/* -EINVAL with the reason where it will not do as a new one. */
int password_check(const char *password, struct error *error) must_check;
/* Of a password that was checked, now or (one that matched) once. */
int password_hash(const char *password, char ret_hash[crypto_pwhash_STRBYTES], struct error *error) must_check;
/* `hash` NULL: nobody's. Takes as long, and is false. */
bool password_matches(const char *hash, const char *password);
bool password_needs_rehash(const char *hash);

/* account.c: the stored hash. */
int password_of(struct store *store, uint32_t id, char ret_hash[crypto_pwhash_STRBYTES],
                struct error *error) must_check;
/* Puts another hash in the place of this one: 1, or 0 where it was changed meanwhile. */
int password_replace(struct store *store, uint32_t id, const char *old_hash, const char *new_hash,
                     struct error *error) must_check;

/* session.c */

/* Starts a session of an account that is enabled and has this hash still. -EACCES where not. */
int session_start(struct store *store, uint32_t id, const char *hash, struct session_token *ret_token,
                  struct error *error) must_check;
/* Ends all but the one with this digest (NULL: all). Inside the caller's transaction. */
int session_end_others(struct store *store, uint32_t id, const char *digest, struct error *error) must_check;
