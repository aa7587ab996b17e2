#include "supervisor.h"
#include "documents.h"
#include "measure.h"
#include "request.h"
#include "scrape.h"
#include "table.h"

#include "../base/log.h"

struct run {
        struct message_run_state state;
        struct place owner; /* the personal tree of whose rights it has: what permission is asked about */
};

/* run.attach that waits for its answer. */
struct attaching {
        TAILQ_ENTRY(attaching) link;
        uint64_t run, viewer;
        struct request *request;
};

enum { AUDIENCES = 80 }; /* environments that classes name, and some that they named a moment ago */

struct audience {
        char environment[ENVIRONMENT_BYTES];
        uint64_t pages, told;
};

struct supervisor {
        struct server *server;
        struct channel *channel;
        struct table *runs;
        struct table *starting;            /* by tag: requests */
        TAILQ_HEAD(, attaching) attaching; /* in the order of asking, which is that of the answers */
        uint64_t last_tag;
        struct audience audiences[AUDIENCES];
        size_t audience_count;
        loop_function *on_told;
};

static void on_message(void *context, struct message *message);
static void on_close(void *context, const struct error *why);

static const uint64_t receives =
        MESSAGE_BIT(MESSAGE_RUN_STARTED) | MESSAGE_BIT(MESSAGE_RUN_ATTACHED) | MESSAGE_BIT(MESSAGE_RUN_OUTPUT) |
        MESSAGE_BIT(MESSAGE_RUN_SKIPPED) | MESSAGE_BIT(MESSAGE_RUN_STATE) | MESSAGE_BIT(MESSAGE_RUN_GONE) |
        MESSAGE_BIT(MESSAGE_RUNS_TOLD) | MESSAGE_BIT(MESSAGE_RUN_MEASURE) | MESSAGE_BIT(MESSAGE_METRICS_TOLD);

int supervisor_create(struct server *server, int fd, loop_function *on_told, struct supervisor **ret_supervisor,
                      struct error *error) {
        struct supervisor *supervisor = allocate(sizeof *supervisor);
        supervisor->server = server;
        supervisor->on_told = on_told;
        supervisor->runs = table_create();
        supervisor->starting = table_create();
        TAILQ_INIT(&supervisor->attaching);
        int result = channel_create(server->loop, fd, receives, on_message, on_close, supervisor, &supervisor->channel,
                                    error);
        if (result < 0) {
                supervisor_destroy(supervisor);
                return result;
        }
        *ret_supervisor = supervisor;
        return 0;
}

static struct audience *audience_of(struct supervisor *supervisor, const char *environment) {
        for (size_t i = 0; i < supervisor->audience_count; i++)
                if (strcmp(supervisor->audiences[i].environment, environment) == 0)
                        return &supervisor->audiences[i];
        if (supervisor->audience_count == AUDIENCES)
                return NULL; /* without a sandbox made ahead of need, then */
        struct audience *audience = &supervisor->audiences[supervisor->audience_count++];
        *audience = (struct audience){ 0 };
        snprintf(audience->environment, sizeof audience->environment, "%s", environment);
        return audience;
}

static void count_pages(struct supervisor *supervisor) {
        const struct classroom *classroom;
        const struct client *client;
        for (size_t i = 0; i < supervisor->audience_count; i++)
                supervisor->audiences[i].pages = 0;
        LIST_FOREACH(classroom, &supervisor->server->classrooms, link) {
                struct audience *audience = audience_of(supervisor, classroom->roster->course.environment);
                LIST_FOREACH(client, &classroom->clients, of_class)
                if (audience)
                        audience->pages++;
        }
}

void supervisor_expect(struct supervisor *supervisor) {
        count_pages(supervisor);
        for (size_t i = supervisor->audience_count; i-- > 0;) {
                struct audience *audience = &supervisor->audiences[i];
                if (audience->told != audience->pages) {
                        struct message_audience message = { .pages = audience->pages };
                        memcpy(message.environment, audience->environment, sizeof message.environment);
                        channel_send(supervisor->channel, MESSAGE_AUDIENCE, &message, NULL, 0, NULL, 0);
                }
                audience->told = audience->pages;
                if (audience->pages == 0) /* the last takes its place: it was looked at already */
                        *audience = supervisor->audiences[--supervisor->audience_count];
        }
}

void supervisor_destroy(struct supervisor *supervisor) {
        if (!supervisor)
                return;
        channel_destroy(supervisor->channel);
        struct attaching *attaching, *next;
        for (attaching = TAILQ_FIRST(&supervisor->attaching); attaching; attaching = next) {
                next = TAILQ_NEXT(attaching, link);
                free(attaching);
        }
        size_t position = 0;
        struct run *run;
        while ((run = table_next(supervisor->runs, &position)))
                free(run);
        table_destroy(supervisor->runs);
        table_destroy(supervisor->starting);
        free(supervisor);
}

struct channel *supervisor_channel(struct supervisor *supervisor) {
        return supervisor->channel;
}

/* Looking */

bool supervisor_permitted(const struct supervisor *supervisor, const struct client *client, enum action action,
                          uint64_t number) {
        const struct run *run = table_find(supervisor->runs, number);
        return run && strcmp(run->state.class_slug, client->classroom->slug) == 0 &&
               client_permitted(client, action, &run->owner);
}

bool supervisor_knows(const struct supervisor *supervisor, uint64_t run) {
        return table_find(supervisor->runs, run) != NULL;
}

/* Of those in the class, else of those who are here (an administrator is in no roster). */
static const char *owner_name(const struct supervisor *supervisor, const struct message_run_state *state) {
        const struct classroom *classroom = classroom_find(supervisor->server, state->class_slug);
        if (!classroom)
                return state->folder;
        const struct person *person = roster_find(classroom->roster, state->folder);
        if (person)
                return person->name;
        const struct client *client;
        LIST_FOREACH(client, &classroom->clients, of_class)
        if (client->person.id == state->account)
                return client->person.name;
        return state->folder;
}

static json_t *info_of(const struct supervisor *supervisor, const struct run *run) {
        return runs_info(&run->state, owner_name(supervisor, &run->state));
}

json_t *supervisor_run_info(const struct supervisor *supervisor, uint64_t number) {
        const struct run *run = table_find(supervisor->runs, number);
        return run ? info_of(supervisor, run) : NULL;
}

json_t *supervisor_list(const struct supervisor *supervisor, const struct client *client) {
        json_t *list = json_array();
        size_t position = 0;
        const struct run *run;
        while ((run = table_next(supervisor->runs, &position)))
                if (supervisor_permitted(supervisor, client, ACTION_WATCH, run->state.run))
                        json_array_append_new(list, info_of(supervisor, run));
        return list;
}

/* Asking */

void supervisor_send(struct supervisor *supervisor, uint16_t type, const void *body) {
        channel_send(supervisor->channel, type, body, NULL, 0, NULL, 0);
}

void supervisor_input(struct supervisor *supervisor, uint64_t run, const uint8_t *bytes, size_t size) {
        struct message_run body = { .run = run };
        channel_send(supervisor->channel, MESSAGE_RUN_INPUT, &body, bytes, size, NULL, 0);
}

void supervisor_start(struct supervisor *supervisor, struct request *request, struct message_run_start *start,
                      const void *arguments, size_t size, int source_fd) {
        start->tag = ++supervisor->last_tag;
        table_put(supervisor->starting, start->tag, request);
        channel_send(supervisor->channel, MESSAGE_RUN_START, start, arguments, size, &source_fd, source_fd >= 0);
}

void supervisor_attach(struct supervisor *supervisor, struct request *request, uint64_t offset) {
        struct attaching *attaching = allocate(sizeof *attaching);
        attaching->run = request->run;
        attaching->viewer = request->client_number;
        attaching->request = request;
        TAILQ_INSERT_TAIL(&supervisor->attaching, attaching, link);
        struct message_run_attach body = { .run = request->run, .viewer = request->client_number, .offset = offset };
        supervisor_send(supervisor, MESSAGE_RUN_ATTACH, &body);
}

void supervisor_forget_client(struct supervisor *supervisor, struct client *client) {
        struct message_run_attach all = { .run = 0, .viewer = client->number };
        supervisor_send(supervisor, MESSAGE_RUN_DETACH, &all);
}

/* Hearing */

static void tell_class(struct supervisor *supervisor, const struct run *run, json_t *event) {
        struct classroom *classroom = classroom_find(supervisor->server, run->state.class_slug);
        if (classroom)
                classroom_tell(classroom, ACTION_WATCH, &run->owner, event);
        else
                json_decref(event);
}

static void on_state(struct supervisor *supervisor, const struct message_run_state *state) {
        if (!state->run || state->state >= RUN_STATES || state->reason >= RUN_REASONS ||
            !message_text_ok(state->class_slug) || !message_text_ok(state->folder) || !message_text_ok(state->path) ||
            !message_text_ok(state->explanation)) {
                log_event(LOG_ERROR, "supervisor.nonsense", "message", "run state", NULL);
                return;
        }
        struct run *run = table_find(supervisor->runs, state->run);
        if (!run) {
                run = allocate(sizeof *run);
                table_put(supervisor->runs, state->run, run);
        }
        if (state->state == RUN_ENDED && run->state.state != RUN_ENDED)
                documents_run_ended(supervisor->server->documents, state);
        run->state = *state;
        place_personal(state->folder, &run->owner);
        if (classroom_find(supervisor->server, state->class_slug))
                tell_class(supervisor, run,
                           json_pack("{s:s, s:o}", "type", "run.state", "run", info_of(supervisor, run)));
}

static struct request *take_request(struct supervisor *supervisor, struct attaching *attaching) {
        struct request *request = attaching->request;
        TAILQ_REMOVE(&supervisor->attaching, attaching, link);
        free(attaching);
        return request;
}

static void on_gone(struct supervisor *supervisor, uint64_t number) {
        struct attaching *attaching, *next;
        for (attaching = TAILQ_FIRST(&supervisor->attaching); attaching; attaching = next) {
                next = TAILQ_NEXT(attaching, link);
                if (attaching->run == number)
                        request_fail(take_request(supervisor, attaching), "not-found", "run",
                                     "There is no such run any more.");
        }
        struct run *run = table_take(supervisor->runs, number);
        if (!run)
                return;
        tell_class(supervisor, run, json_pack("{s:s, s:I}", "type", "run.gone", "run", (json_int_t) number));
        free(run);
}

static void put_number(uint8_t *bytes, uint64_t number) {
        for (size_t i = 0; i < 8; i++)
                bytes[i] = (uint8_t) (number >> (56 - 8 * i));
}

static void on_output(struct supervisor *supervisor, const struct message_run_attach *output, const void *bytes,
                      size_t size) {
        struct client *client = client_find(supervisor->server, output->viewer);
        if (!client)
                return; /* it has just gone; the supervisor is being told */
        uint8_t head[FRAME_HEAD_BYTES] = { protocol_binary_kind(supervisor->server->protocol, "output") };
        put_number(head + 1, output->run);
        put_number(head + 9, output->offset);
        frames_send(client->frames, FRAME_TERMINAL, head, sizeof head, bytes, size);
}

static void on_skipped(struct supervisor *supervisor, const struct message_run_skipped *skipped) {
        struct client *client = client_find(supervisor->server, skipped->viewer);
        if (!client)
                return;
        client_send(client, FRAME_EVENT,
                    json_pack("{s:s, s:I, s:I, s:I}", "type", "run.skipped", "run", (json_int_t) skipped->run, "from",
                              (json_int_t) skipped->from, "to", (json_int_t) skipped->to),
                    NULL);
}

static void on_started(struct supervisor *supervisor, const struct message_run_started *started) {
        struct message_run_started answer = *started;
        answer.text[sizeof answer.text - 1] = '\0';
        struct request *request = table_take(supervisor->starting, started->tag);
        if (request)
                runs_started(request, &answer);
}

static void on_attached(struct supervisor *supervisor, const struct message_run_attach *attached) {
        struct attaching *attaching;
        TAILQ_FOREACH(attaching, &supervisor->attaching, link)
        if (attaching->run == attached->run && attaching->viewer == attached->viewer)
                break;
        if (attaching)
                runs_attached(take_request(supervisor, attaching), attached->offset);
}

static void on_message(void *context, struct message *message) {
        struct supervisor *supervisor = context;
        switch (message->type) {
        case MESSAGE_RUN_OUTPUT:
                on_output(supervisor, message->body, message->payload, message->payload_size);
                break;
        case MESSAGE_RUN_STARTED:
                on_started(supervisor, message->body);
                break;
        case MESSAGE_RUN_STATE:
                on_state(supervisor, message->body);
                break;
        case MESSAGE_RUN_ATTACHED:
                on_attached(supervisor, message->body);
                break;
        case MESSAGE_RUN_SKIPPED:
                on_skipped(supervisor, message->body);
                break;
        case MESSAGE_RUN_GONE:
                on_gone(supervisor, ((const struct message_run *) message->body)->run);
                break;
        case MESSAGE_RUN_MEASURE:
                measure_begin(supervisor->server, message->body);
                break;
        case MESSAGE_METRICS_TOLD:
                scrape_answer(supervisor->server, message->payload, message->payload_size);
                break;
        case MESSAGE_RUNS_TOLD:
                supervisor->on_told(supervisor->server);
                break;
        default:
                break; /* the channel lets nothing else through */
        }
}

/* The monitor starts it anew, and us with it; what our clients see is a connection that comes back. */
static void on_close(void *context, const struct error *why) {
        struct supervisor *supervisor = context;
        struct error error = *why;
        error_prefix(&error, "the run supervisor");
        server_fail(supervisor->server, &error);
}
