/* Signing in and out, whose session it is, the password. All of it asks the database, so all of it runs in the pool;
 * what hashes a password in the slow lane. */
#include "client.h"
#include "route.h"

#include "../base/log.h"

#include <sodium.h>

/* One question to the room of accounts. It has the secrets, and forgets them when it is freed. */
struct question {
        struct server *server;
        struct session_token token;
        char name[ACCOUNT_NAME_MAXIMUM * 4 + 1]; /* more than any that could be right */
        char password[PASSWORD_MAXIMUM + 2];
        char new_password[PASSWORD_MAXIMUM + 2];
        char address[64];
        int result;
        unsigned retry_after;
        struct person person;
        json_t *classes;
        struct error error;
};

static void question_free(void *state) {
        struct question *question = state;
        json_decref(question->classes);
        sodium_memzero(question, sizeof *question);
        free(question);
}

static struct question *question_create(struct exchange *exchange) {
        struct question *question = allocate(sizeof *question);
        question->server = exchange->server;
        exchange_address(exchange, question->address, sizeof question->address);
        exchange->state = question;
        exchange->free_state = question_free;
        return question;
}

static struct question *question_of(void *exchange) {
        return ((struct exchange *) exchange)->state;
}

/* A string of the body into an array; what is too long is cut one byte past what could be right, so that it is
 * refused as wrong and not as long. */
static bool take_string(const json_t *body, const char *name, char *text, size_t size) {
        const json_t *value = json_object_get(body, name);
        if (!json_is_string(value) || json_string_length(value) != strlen(json_string_value(value)))
                return false;
        snprintf(text, size, "%s", json_string_value(value));
        return true;
}

static json_t *parse_body(struct exchange *exchange) {
        json_t *body = buffer_size(&exchange->body)
                               ? json_loadb((const char *) buffer_front(&exchange->body), buffer_size(&exchange->body),
                                            JSON_REJECT_DUPLICATES, NULL)
                               : NULL;
        if (json_is_object(body))
                return body;
        json_decref(body);
        exchange_respond_error(exchange, 400, "malformed", "The request is not a JSON object.");
        return NULL;
}

static int add_class(void *context, const struct course *course) {
        json_array_append_new(context, json_pack("{s:s, s:s}", "slug", course->slug, "title", course->title));
        return 0;
}

static int list_classes(struct question *question) {
        question->classes = json_array();
        return course_list_for(question->server->store, &question->person, add_class, question->classes,
                               &question->error);
}

static json_t *session_answer(const struct question *question) {
        const struct person *person = &question->person;
        return json_pack("{s:{s:I, s:s, s:s}, s:O}", "person", "id", (json_int_t) person->id, "name", person->name,
                         "role", role_name(person->role), "classes", question->classes);
}

static void set_cookie(struct exchange *exchange, const char *token, uint64_t seconds) {
        char cookie[256];
        snprintf(cookie, sizeof cookie, "carrel_session=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%llu%s", token,
                 (unsigned long long) seconds, exchange_secure(exchange) ? "; Secure" : "");
        if (exchange->response)
                response_header(exchange->response, "Set-Cookie", cookie);
        sodium_memzero(cookie, sizeof cookie);
}

static void respond_throttled(struct exchange *exchange, unsigned seconds) {
        char text[16];
        snprintf(text, sizeof text, "%u", seconds ? seconds : 1);
        exchange_respond_error(exchange, 429, "busy", "Too many tries; wait a moment.");
        if (exchange->response)
                response_header(exchange->response, "Retry-After", text);
}

static void respond_failed(struct exchange *exchange, const struct question *question, const char *what) {
        log_failure(LOG_ERROR, "account.failed", &question->error, "what", what);
        exchange_respond_error(exchange, 500, "failed", "The server could not do this.");
}

static void respond_signed_out(struct exchange *exchange) {
        exchange_respond_error(exchange, 401, "refused", "Please sign in.");
}

/* Signing in */

static void sign_in_work(void *exchange) {
        struct question *question = question_of(exchange);
        question->result =
                account_sign_in(question->server->store, question->name, question->password, question->address,
                                &question->token, &question->person, &question->retry_after, &question->error);
        if (question->result == 0)
                question->result = list_classes(question);
}

static void sign_in_done(void *context) {
        struct exchange *exchange = context;
        struct question *question = question_of(exchange);
        if (question->result == 0) {
                log_event(LOG_INFO, "account.signed-in", "account", log_number(question->person.id), "address",
                          question->address, NULL);
                exchange_respond_json(exchange, 200, session_answer(question));
                set_cookie(exchange, question->token.text, exchange->server->options->settings->session_longest / 1000);
        } else if (question->result == -EACCES) {
                log_event(LOG_INFO, "account.refused", "address", question->address, NULL);
                exchange_respond_error(exchange, 401, "refused", "The name or the password is wrong.");
        } else if (question->result == -EAGAIN) {
                log_event(LOG_WARNING, "account.throttled", "address", question->address, NULL);
                respond_throttled(exchange, question->retry_after);
        } else {
                respond_failed(exchange, question, "sign in");
        }
        exchange_resume(exchange);
}

void account_sign_in_complete(struct exchange *exchange) {
        json_t *body = parse_body(exchange);
        if (!body)
                return;
        struct question *question = question_create(exchange);
        bool ok = take_string(body, "name", question->name, sizeof question->name) &&
                  take_string(body, "password", question->password, sizeof question->password);
        json_decref(body);
        if (ok)
                exchange_work(exchange, POOL_SLOW, sign_in_work, sign_in_done);
        else
                exchange_respond_error(exchange, 400, "malformed", "'name' and 'password' must be strings.");
}

/* Whose session */

static void session_work(void *exchange) {
        struct question *question = question_of(exchange);
        question->result =
                account_session(question->server->store, question->token.text, &question->person, &question->error);
        if (question->result == 0)
                question->result = list_classes(question);
}

static void session_done(void *context) {
        struct exchange *exchange = context;
        struct question *question = question_of(exchange);
        if (question->result == 0)
                exchange_respond_json(exchange, 200, session_answer(question));
        else if (question->result == -ENOENT)
                respond_signed_out(exchange);
        else
                respond_failed(exchange, question, "session");
        exchange_resume(exchange);
}

void account_session_complete(struct exchange *exchange) {
        struct question *question = question_create(exchange);
        if (exchange_token(exchange, &question->token))
                exchange_work(exchange, POOL_QUICK, session_work, session_done);
        else
                respond_signed_out(exchange);
}

/* Signing out */

static void sign_out_work(void *exchange) {
        struct question *question = question_of(exchange);
        question->result = account_sign_out(question->server->store, question->token.text, &question->error);
}

static void sign_out_done(void *context) {
        struct exchange *exchange = context;
        struct question *question = question_of(exchange);
        if (question->result == 0) {
                exchange_respond_empty(exchange, 204);
                set_cookie(exchange, "", 0);
                clients_sign_out(exchange->server, question->token.text);
        } else {
                respond_failed(exchange, question, "sign out");
        }
        exchange_resume(exchange);
}

void account_sign_out_complete(struct exchange *exchange) {
        struct question *question = question_create(exchange);
        if (exchange_token(exchange, &question->token))
                exchange_work(exchange, POOL_QUICK, sign_out_work, sign_out_done);
        else
                exchange_respond_empty(exchange, 204); /* it is over already */
}

/* The password */

static void password_work(void *exchange) {
        struct question *question = question_of(exchange);
        struct store *store = question->server->store;
        question->result = account_session(store, question->token.text, &question->person, &question->error);
        if (question->result == 0)
                question->result = account_change_password(store, question->token.text, question->password,
                                                           question->new_password, &question->error);
}

static void password_done(void *context) {
        struct exchange *exchange = context;
        struct question *question = question_of(exchange);
        switch (-question->result) {
        case 0:
                log_event(LOG_INFO, "account.password-changed", "account", log_number(question->person.id), NULL);
                clients_recheck(exchange->server, question->person.id);
                exchange_respond_empty(exchange, 204);
                break;
        case ENOENT:
                respond_signed_out(exchange);
                break;
        case EACCES:
                exchange_respond_error(exchange, 403, "refused", "The old password is wrong.");
                break;
        case EINVAL:
                exchange_respond_error(exchange, 400, "weak", question->error.text);
                break;
        case EAGAIN:
                respond_throttled(exchange, 30);
                break;
        default:
                respond_failed(exchange, question, "password");
        }
        exchange_resume(exchange);
}

void account_password_complete(struct exchange *exchange) {
        json_t *body = parse_body(exchange);
        if (!body)
                return;
        struct question *question = question_create(exchange);
        bool ok = take_string(body, "old", question->password, sizeof question->password) &&
                  take_string(body, "new", question->new_password, sizeof question->new_password);
        json_decref(body);
        if (!ok)
                exchange_respond_error(exchange, 400, "malformed", "'old' and 'new' must be strings.");
        else if (exchange_token(exchange, &question->token))
                exchange_work(exchange, POOL_SLOW, password_work, password_done);
        else
                respond_signed_out(exchange);
}
