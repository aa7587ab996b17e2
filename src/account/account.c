#include "internal.h"

#include <arpa/inet.h>

struct account_options account_options;

static const char *const role_names[ROLES] = {
        [ROLE_STUDENT] = "student",
        [ROLE_TEACHER] = "teacher",
        [ROLE_ADMINISTRATOR] = "administrator",
};

/* The header's essay says why these. */
static const struct throttle_rule address_rule = { "address", 200, 300 };
static const struct throttle_rule here_rule = { "here", 30000, 10 };
static const struct throttle_rule everywhere_rule = { "everywhere", 10000, 100 };

const char *role_name(enum role role) {
        return role_names[role];
}

int role_parse(const char *text, enum role *ret_role) {
        for (enum role role = 0; role < ROLES; role++)
                if (strcmp(text, role_names[role]) == 0) {
                        *ret_role = role;
                        return 0;
                }
        return -EINVAL;
}

int account_start(const struct settings *settings, struct error *error) {
        if (sodium_init() < 0)
                return error_say(error, EIO, "libsodium does not start");
        account_options.password_passes = settings->password_passes;
        account_options.password_memory = settings->password_memory;
        account_options.session_idle = (int64_t) settings->session_idle;
        account_options.session_longest = (int64_t) settings->session_longest;
        if (!account_options.throttle)
                account_options.throttle = throttle_create();
        char password[2 * 16 + 1];
        unsigned char secret[16];
        random_bytes(secret, sizeof secret);
        hexadecimal(secret, sizeof secret, password);
        return password_hash(password, account_options.dummy, error);
}

int person_read(const struct statement *statement, int column, struct person *ret_person, struct error *error) {
        struct person person = { .id = (uint32_t) statement_integer(statement, column) };
        person.uid = ACCOUNT_UID_FIRST + person.id;
        const char *role = statement_text(statement, column + 1);
        if (!role || role_parse(role, &person.role) < 0)
                return error_say(error, EBADMSG, "database: account %u has no role", person.id);
        person.enabled = statement_integer(statement, column + 2) != 0;
        int r = statement_copy_text(statement, column + 3, person.name, sizeof person.name, error);
        if (r >= 0)
                r = statement_copy_text(statement, column + 4, person.folder, sizeof person.folder, error);
        if (r >= 0)
                *ret_person = person;
        return r;
}

/* One person by a statement that is bound already; with `ret_hash` its sixth column too. -ENOENT without an error's
 * text. */
static int read_one(struct statement *statement, struct person *ret_person, char *ret_hash, struct error *error) {
        int r = statement_step(statement, error);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        r = person_read(statement, 0, ret_person, error);
        if (r >= 0 && ret_hash)
                r = statement_copy_text(statement, PERSON_COLUMN_COUNT, ret_hash, crypto_pwhash_STRBYTES, error);
        return r;
}

static int find_by_key(struct store *store, const char *key, struct person *ret_person, char *ret_hash,
                       struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select " PERSON_COLUMNS ", account.password from account where name_key = $1",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 1, key);
        return read_one(statement, ret_person, ret_hash, error);
}

int password_of(struct store *store, uint32_t id, char ret_hash[crypto_pwhash_STRBYTES], struct error *error) {
        statement_scoped statement = NULL;
        struct person person;
        int r = store_prepare(store, "select " PERSON_COLUMNS ", account.password from account where id = $1",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, id);
        r = read_one(statement, &person, ret_hash, error);
        return r == -ENOENT ? error_say(error, ENOENT, "There is no account %u.", id) : r;
}

int account_find(struct store *store, const char *name, struct person *ret_person, struct error *error) {
        free_scoped char *key = name_key(name);
        int r = find_by_key(store, key, ret_person, NULL, error);
        return r == -ENOENT ? error_say(error, ENOENT, "There is nobody named '%.80s'.", name) : r;
}

int account_find_id(struct store *store, uint32_t id, struct person *ret_person, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select " PERSON_COLUMNS " from account where id = $1", &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, id);
        r = read_one(statement, ret_person, NULL, error);
        return r == -ENOENT ? error_say(error, ENOENT, "There is no account %u.", id) : r;
}

int account_list(struct store *store, person_function *function, void *context, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select " PERSON_COLUMNS " from account order by name_key", &statement, error);
        while (r >= 0 && (r = statement_step(statement, error)) > 0) {
                struct person person;
                r = person_read(statement, 0, &person, error);
                if (r >= 0)
                        r = function(context, &person);
                if (r != 0)
                        break;
        }
        return r;
}

static int next_id(struct store *store, uint32_t *ret_id, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select coalesce(max(id), 0) + 1 from account", &statement, error);
        if (r >= 0)
                r = statement_step(statement, error);
        if (r < 0)
                return r;
        int64_t id = statement_integer(statement, 0);
        if (id > ACCOUNT_ID_MAXIMUM)
                return error_say(error, ENOSPC, "There are %d accounts already, and no more can be.",
                                 ACCOUNT_ID_MAXIMUM);
        *ret_id = (uint32_t) id;
        return 0;
}

/* 1 where it is taken. */
static int folder_taken(struct store *store, const char *folder, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select 1 from account where folder = $1", &statement, error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 1, folder);
        return statement_step(statement, error);
}

static int choose_folder(struct store *store, const char *key, char ret_folder[ACCOUNT_FOLDER_MAXIMUM + 1],
                         struct error *error) {
        int r = 1;
        /* Ends: there are fewer accounts than numbers. */
        for (unsigned number = 1; r > 0; number++) {
                folder_of_key(key, number, ret_folder);
                r = folder_taken(store, ret_folder, error);
        }
        return r;
}

static int insert(struct store *store, const struct person *person, const char *key, const char *hash,
                  struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "insert into account (id, name, name_key, folder, role, password, created) "
                              "values ($1, $2, $3, $4, $5, $6, $7)",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, person->id);
        statement_bind_text(statement, 2, person->name);
        statement_bind_text(statement, 3, key);
        statement_bind_text(statement, 4, person->folder);
        statement_bind_text(statement, 5, role_name(person->role));
        statement_bind_text(statement, 6, hash);
        statement_bind_integer(statement, 7, wall_milliseconds());
        r = statement_run(statement, error);
        if (r == -EEXIST)
                return error_say(error, EEXIST, "There is somebody named '%.80s' already.", person->name);
        return r < 0 ? r : 0;
}

int account_add(struct store *store, const char *name, enum role role, const char *password, struct person *ret_person,
                struct error *error) {
        struct person person = { .role = role, .enabled = true };
        char hash[crypto_pwhash_STRBYTES];
        int r = name_check(name, person.name, error);
        if (r >= 0)
                r = password_check(password, error);
        if (r >= 0)
                r = password_hash(password, hash, error);
        if (r < 0)
                return r;
        free_scoped char *key = name_key(person.name);
        transaction_scoped transaction = { 0 };
        r = transaction_begin(store, &transaction, error);
        if (r >= 0)
                r = next_id(store, &person.id, error);
        if (r >= 0)
                r = choose_folder(store, key, person.folder, error);
        if (r >= 0)
                r = insert(store, &person, key, hash, error);
        if (r >= 0)
                r = transaction_commit(&transaction, error);
        if (r < 0)
                return r;
        person.uid = ACCOUNT_UID_FIRST + person.id;
        *ret_person = person;
        return 0;
}

/* Changes one account by a statement with the value as $1 and the id as $2, and ends its sessions where asked to. */
static int change(struct store *store, const char *sql, const char *text, int64_t number, uint32_t id,
                  bool end_sessions, struct error *error) {
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(store, &transaction, error);
        if (r < 0)
                return r;
        statement_scoped statement = NULL;
        r = store_prepare(store, sql, &statement, error);
        if (r < 0)
                return r;
        if (text)
                statement_bind_text(statement, 1, text);
        else
                statement_bind_integer(statement, 1, number);
        statement_bind_integer(statement, 2, id);
        r = statement_run(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "There is no account %u.", id);
        if (r > 0)
                r = end_sessions ? session_end_others(store, id, NULL, error) : 0;
        return r < 0 ? r : transaction_commit(&transaction, error);
}

int account_set_password(struct store *store, uint32_t id, const char *password, struct error *error) {
        char hash[crypto_pwhash_STRBYTES];
        int r = password_check(password, error);
        if (r >= 0)
                r = password_hash(password, hash, error);
        return r < 0 ? r : change(store, "update account set password = $1 where id = $2", hash, 0, id, true, error);
}

int account_set_enabled(struct store *store, uint32_t id, bool enabled, struct error *error) {
        return change(store, "update account set enabled = $1 where id = $2", NULL, enabled, id, !enabled, error);
}

/* What counts as one address. Of IPv6 a household or a host gets a whole /64; IPv4 comes as itself in either form. */
static void address_key(const char *address, char ret_key[INET6_ADDRSTRLEN]) {
        static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
        uint8_t bytes[16];
        snprintf(ret_key, INET6_ADDRSTRLEN, "%s", address);
        if (inet_pton(AF_INET6, address, bytes) != 1)
                return;
        if (memcmp(bytes, mapped, sizeof mapped) == 0) {
                inet_ntop(AF_INET, bytes + 12, ret_key, INET6_ADDRSTRLEN);
                return;
        }
        memset(bytes + 8, 0, 8);
        inet_ntop(AF_INET6, bytes, ret_key, INET6_ADDRSTRLEN);
}

int password_replace(struct store *store, uint32_t id, const char *old_hash, const char *new_hash,
                     struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "update account set password = $1 where id = $2 and password = $3", &statement,
                              error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 1, new_hash);
        statement_bind_integer(statement, 2, id);
        statement_bind_text(statement, 3, old_hash);
        return statement_run(statement, error);
}

/* Stores the right password at today's cost. A failure is told, although the old hash would do: the next step writes
 * as well. On success `hash` is the new one. */
static int rehash(struct store *store, uint32_t id, const char *password, char hash[crypto_pwhash_STRBYTES],
                  struct error *error) {
        char stronger[crypto_pwhash_STRBYTES];
        int r = password_hash(password, stronger, error);
        if (r >= 0)
                r = password_replace(store, id, hash, stronger, error);
        if (r > 0) /* 0: it was changed meanwhile, and the session will not start */
                memcpy(hash, stronger, sizeof stronger);
        return r < 0 ? r : 0;
}

static int check_and_start(struct store *store, const char *key, const char *password, struct session_token *ret_token,
                           struct person *ret_person, struct error *error) {
        struct person person = { 0 };
        char hash[crypto_pwhash_STRBYTES];
        int r = find_by_key(store, key, &person, hash, error);
        if (r < 0 && r != -ENOENT)
                return r;
        bool matches = password_matches(r < 0 ? NULL : hash, password);
        if (!matches || !person.enabled)
                return error_say(error, EACCES, "The name or the password is wrong.");
        r = password_needs_rehash(hash) ? rehash(store, person.id, password, hash, error) : 0;
        if (r >= 0)
                r = session_start(store, person.id, hash, ret_token, error);
        if (r >= 0)
                *ret_person = person;
        return r;
}

int account_sign_in(struct store *store, const char *name, const char *password, const char *address,
                    struct session_token *ret_token, struct person *ret_person, unsigned *ret_retry_after,
                    struct error *error) {
        char from[INET6_ADDRSTRLEN];
        address_key(address, from);
        free_scoped char *key = name_key(name);
        const struct throttle_key keys[] = {
                { &address_rule, from, NULL },
                { &here_rule, key, from },
                { &everywhere_rule, key, NULL },
        };
        uint64_t wait = throttle_try(account_options.throttle, keys, array_length(keys), now_milliseconds());
        if (wait > 0) {
                *ret_retry_after = (unsigned) ((wait + 999) / 1000);
                return error_say(error, EAGAIN, "Too many tries. Wait %u seconds.", *ret_retry_after);
        }
        int r = check_and_start(store, key, password, ret_token, ret_person, error);
        if (r >= 0) {
                throttle_forget(account_options.throttle, &keys[1]);
                throttle_give_back(account_options.throttle, &keys[2]);
        }
        return r;
}
