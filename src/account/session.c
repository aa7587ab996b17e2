#include "internal.h"

#include "../base/log.h"

enum { TOKEN_BYTES = 32, DIGEST_BYTES = 32, SEEN_EVERY_MILLISECONDS = 5 * 60 * 1000 };

struct digest {
        char text[2 * DIGEST_BYTES + 1];
};

/* -ENOENT where no token looks like this. */
static int digest_of(const char *token, struct digest *ret_digest, struct error *error) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        size_t length = strnlen(token, sizeof(struct session_token));
        if (length != sizeof(struct session_token) - 1 || strspn(token, alphabet) != length)
                return error_say(error, ENOENT, "You are not signed in.");
        unsigned char hash[DIGEST_BYTES];
        crypto_generichash(hash, sizeof hash, (const unsigned char *) token, length, NULL, 0);
        hexadecimal(hash, sizeof hash, ret_digest->text);
        return 0;
}

static void make_token(struct session_token *ret_token) {
        unsigned char bytes[TOKEN_BYTES];
        random_bytes(bytes, sizeof bytes);
        sodium_bin2base64(ret_token->text, sizeof ret_token->text, bytes, sizeof bytes,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        sodium_memzero(bytes, sizeof bytes);
}

static int delete_expired(struct store *store, int64_t now, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "delete from session where seen <= $1 or created <= $2", &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, now - account_options.session_idle);
        statement_bind_integer(statement, 2, now - account_options.session_longest);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

static int delete_surplus(struct store *store, uint32_t id, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "delete from session where account = $1 and digest not in (select digest from session "
                              "where account = $1 order by created desc, seen desc, digest limit $2)",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, id);
        statement_bind_integer(statement, 2, ACCOUNT_SESSIONS_MAXIMUM);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

/* The condition closes the gap between checking a password and this: it may have been changed, or the account
 * disabled. */
static int insert(struct store *store, uint32_t id, const char *hash, const struct digest *digest, int64_t now,
                  struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "insert into session (digest, account, created, seen) select $1, id, $2, $2 "
                              "from account where id = $3 and password = $4 and enabled = 1",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 1, digest->text);
        statement_bind_integer(statement, 2, now);
        statement_bind_integer(statement, 3, id);
        statement_bind_text(statement, 4, hash);
        r = statement_run(statement, error);
        return r == 0 ? error_say(error, EACCES, "The name or the password is wrong.") : r < 0 ? r : 0;
}

int session_start(struct store *store, uint32_t id, const char *hash, struct session_token *ret_token,
                  struct error *error) {
        struct session_token token;
        struct digest digest;
        make_token(&token);
        int r = digest_of(token.text, &digest, error);
        if (r < 0)
                return r;
        int64_t now = wall_milliseconds();
        transaction_scoped transaction = { 0 };
        r = transaction_begin(store, &transaction, error);
        if (r >= 0)
                r = delete_expired(store, now, error);
        if (r >= 0)
                r = insert(store, id, hash, &digest, now, error);
        if (r >= 0)
                r = delete_surplus(store, id, error);
        if (r >= 0)
                r = transaction_commit(&transaction, error);
        if (r >= 0)
                *ret_token = token;
        return r;
}

int session_end_others(struct store *store, uint32_t id, const char *digest, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "delete from session where account = $1 and digest <> $2", &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, id);
        statement_bind_text(statement, 2, digest ? digest : "");
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

static int find(struct store *store, const struct digest *digest, int64_t now, struct person *ret_person,
                int64_t *ret_seen, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "select session.seen, " PERSON_COLUMNS " from session join account "
                              "on account.id = session.account where session.digest = $1 and account.enabled = 1 "
                              "and session.seen > $2 and session.created > $3",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 1, digest->text);
        statement_bind_integer(statement, 2, now - account_options.session_idle);
        statement_bind_integer(statement, 3, now - account_options.session_longest);
        r = statement_step(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "You are not signed in.");
        if (r < 0)
                return r;
        *ret_seen = statement_integer(statement, 0);
        return person_read(statement, 1, ret_person, error);
}

static int update_seen(struct store *store, const struct digest *digest, int64_t now, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "update session set seen = $1 where digest = $2", &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, now);
        statement_bind_text(statement, 2, digest->text);
        return statement_run(statement, error);
}

int account_session(struct store *store, const char *token, struct person *ret_person, struct error *error) {
        struct digest digest;
        struct person person;
        int64_t seen = 0, now = wall_milliseconds();
        int r = digest_of(token, &digest, error);
        if (r >= 0)
                r = find(store, &digest, now, &person, &seen, error);
        if (r < 0)
                return r;
        struct error late;
        /* On a full disk one stays signed in: how else would one delete something? */
        if (now - seen >= SEEN_EVERY_MILLISECONDS && update_seen(store, &digest, now, &late) < 0)
                log_failure(LOG_WARNING, "session.not-renewed", &late);
        *ret_person = person;
        return 0;
}

int account_sign_out(struct store *store, const char *token, struct error *error) {
        struct digest digest;
        if (digest_of(token, &digest, NULL) < 0)
                return 0;
        statement_scoped statement = NULL;
        int r = store_prepare(store, "delete from session where digest = $1", &statement, error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 1, digest.text);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

/* Whoever changes a password has a session, whose digest is needed to spare it. */
static int replace_password(struct store *store, uint32_t id, const char *old_hash, const char *new_hash,
                            const struct digest *digest, struct error *error) {
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(store, &transaction, error);
        if (r < 0)
                return r;
        r = password_replace(store, id, old_hash, new_hash, error);
        if (r == 0)
                return error_say(error, EACCES, "The password was changed meanwhile.");
        if (r >= 0)
                r = session_end_others(store, id, digest->text, error);
        if (r >= 0)
                r = transaction_commit(&transaction, error);
        return r;
}

int account_change_password(struct store *store, const char *token, const char *old_password, const char *new_password,
                            struct error *error) {
        static const struct throttle_rule change_rule = { "change", 30000, 10 };
        struct person person;
        struct digest digest;
        char old_hash[crypto_pwhash_STRBYTES], new_hash[crypto_pwhash_STRBYTES];
        int r = account_session(store, token, &person, error);
        if (r >= 0)
                r = digest_of(token, &digest, error);
        if (r >= 0)
                r = password_of(store, person.id, old_hash, error);
        if (r < 0)
                return r;
        struct throttle_key key = { &change_rule, person.folder, NULL };
        if (throttle_try(account_options.throttle, &key, 1, now_milliseconds()) > 0)
                return error_say(error, EAGAIN, "Too many tries. Wait half a minute.");
        if (!password_matches(old_hash, old_password))
                return error_say(error, EACCES, "The old password is wrong.");
        throttle_forget(account_options.throttle, &key);
        r = password_check(new_password, error);
        if (r >= 0)
                r = password_hash(new_password, new_hash, error);
        return r < 0 ? r : replace_password(store, person.id, old_hash, new_hash, &digest, error);
}
