/*
 * account: people, their passwords, their sessions, and how often one may try.
 *
 * A person is an integer that never changes and is never given twice; everything that the system of files or another
 * table remembers is that number, or the folder's name, which is fixed when the account is made. The sign-in name may
 * be what schools use: "Ada Lovelace", "ada@school.example", "陳小明".
 *
 * Names. Stored in NFC as they were given. Two names are the same where their keys are: NFKC of the full case folding
 * (libunistring), without default-ignorable code points (zero-width joiners and their like), so that no two people
 * differ by what nobody can see. Refused: control characters, line and paragraph separators, direction overrides, '/',
 * blanks at either end, more than ACCOUNT_NAME_MAXIMUM bytes. At sign-in blanks at the ends are forgiven.
 *
 * Folders. From the key: letters, marks and digits of any script stay, and '.', '_', '-' between them; all else becomes
 * '-'. At most ACCOUNT_FOLDER_MAXIMUM bytes, cut between characters; "-2", "-3" … where it is taken.
 *
 * Passwords. Argon2id (libsodium), at the cost that the settings ask for; one hashed at another cost is hashed anew
 * when its owner signs in. An unknown name costs the same hash against a dummy, and is refused in the same words as a
 * wrong password and a disabled account.
 *
 * Sessions. The client holds 256 random bits, the database their BLAKE2b digest only. A session lives `session.idle`
 * after its last use (written down at most every five minutes, so that reading does not write) and never longer than
 * `session.longest`. It ends with a change of the password (but for the one that changed it) and with the account's
 * disabling; whoever keeps a connection open for a session asks account_session() again every half minute.
 *
 * Throttling. In memory, of fixed size (throttle.h), by three keys at once: the address (300 a minute: a school sits
 * behind one), the account at one address (10 tries, then one every 30 s), the account from everywhere (100 tries, then
 * one every 10 s). A throttled try is not verified, not even with the right password, for else throttling would not
 * limit guessing at all. So throttling could be used to lock somebody out; that is why the tight limit counts account
 * and address together: a stranger who hammers Ada's account locks out only his own address. What is left is a
 * neighbour behind the same address (she waits at most half a minute a try, and a session that exists is never
 * touched), or an attack from ten addresses at once, against which guessing must be slowed for everybody. A success
 * forgets the tries of its account at its address.
 *
 * All functions may be called by any thread after account_start().
 */
#pragma once

#include "../base/base.h"
#include "../base/settings.h"
#include "../store/store.h"

enum {
        ACCOUNT_NAME_MAXIMUM = 255,  /* bytes, without NUL */
        ACCOUNT_FOLDER_MAXIMUM = 64, /* bytes */
        ACCOUNT_ID_MAXIMUM = 60000,
        ACCOUNT_UID_FIRST = 1000,      /* inside number = this + id */
        ACCOUNT_SESSIONS_MAXIMUM = 50, /* an account; the oldest give way */
        PASSWORD_MINIMUM = 8,          /* characters */
        PASSWORD_MAXIMUM = 1024,       /* bytes */
};

enum role { ROLE_STUDENT, ROLE_TEACHER, ROLE_ADMINISTRATOR, ROLES };

struct person {
        uint32_t id;
        uint32_t uid; /* inside number, see docs/architecture.md */
        enum role role;
        bool enabled;
        char name[ACCOUNT_NAME_MAXIMUM + 1];
        char folder[80];
};

/* What the cookie holds: 43 characters of base64url. */
struct session_token {
        char text[44];
};

const char *role_name(enum role role);                            /* "student" … */
int role_parse(const char *text, enum role *ret_role) must_check; /* 0 or -EINVAL */

/* Once, before all else and before threads: takes the costs and the times from the settings. */
int account_start(const struct settings *settings, struct error *error) must_check;

/* A new account. -EINVAL: name or password will not do (the text says why); -EEXIST: the name is taken; -ENOSPC:
 * ACCOUNT_ID_MAXIMUM. Takes a password hash's time. */
int account_add(struct store *store, const char *name, enum role role, const char *password, struct person *ret_person,
                struct error *error) must_check;
/* -ENOENT: nobody has that name. */
int account_find(struct store *store, const char *name, struct person *ret_person, struct error *error) must_check;
/* By number. -ENOENT: nobody has it. */
int account_find_id(struct store *store, uint32_t id, struct person *ret_person, struct error *error) must_check;

/* Called for each person; a non-zero answer ends the listing and is its result. It runs with the store's lock held: it
 * should copy, and wait for nothing. */
typedef int person_function(void *context, const struct person *person);
/* By name. */
int account_list(struct store *store, person_function *function, void *context, struct error *error) must_check;

/* Ends all the person's sessions. -EINVAL: the password will not do. */
int account_set_password(struct store *store, uint32_t id, const char *password, struct error *error) must_check;
/* Disabling ends all the person's sessions. */
int account_set_enabled(struct store *store, uint32_t id, bool enabled, struct error *error) must_check;

/* `address` is the client's, as text ("192.0.2.7", "2001:db8::1"; of IPv6 the first 64 bits count). Takes a password
 * hash's time, in every case but -EAGAIN.
 * -EACCES: refused, with words for the person; -EAGAIN: too many tries, *ret_retry_after is set (seconds, at least 1;
 * this one is written on failure). */
int account_sign_in(struct store *store, const char *name, const char *password, const char *address,
                    struct session_token *ret_token, struct person *ret_person, unsigned *ret_retry_after,
                    struct error *error) must_check;

/* Whose session is it? Any text may come as a token. -ENOENT: nobody's (never was, over, or the account is
 * disabled). */
int account_session(struct store *store, const char *token, struct person *ret_person, struct error *error) must_check;

/* Ends the session; one that does not exist is over already. */
int account_sign_out(struct store *store, const char *token, struct error *error) must_check;

/* -ENOENT: no such session; -EACCES: `old_password` is wrong; -EINVAL: the new one will not do (the text says why);
 * -EAGAIN: too many wrong ones. All the person's other sessions end. */
int account_change_password(struct store *store, const char *token, const char *old_password, const char *new_password,
                            struct error *error) must_check;

/* A password for somebody who will be told it: three short words and four digits, at least 40 random bits. */
enum { ACCOUNT_GENERATED_BYTES = 48 };
void account_generate_password(char ret_password[ACCOUNT_GENERATED_BYTES]);

/* Fills a person from the columns `id, role, enabled, name, folder`, beginning at `column`; for rooms that join the
 * table account. */
#define PERSON_COLUMNS "account.id, account.role, account.enabled, account.name, account.folder"
enum { PERSON_COLUMN_COUNT = 5 };
int person_read(const struct statement *statement, int column, struct person *ret_person,
                struct error *error) must_check;
