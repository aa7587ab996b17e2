/*
 * supervisor: the web server's end of the channel to it, and the runs that it told of. It tells of all when it
 * connects, of each change, and when it forgets one; nothing else changes the table here.
 *
 * The hot way is here: run.start's descriptor goes on in the turn in which it came, output goes from the channel's
 * message to the client's socket without a copy of ours, input the other way.
 */
#pragma once

#include "client.h"

struct supervisor;

/* Takes the descriptor over. `on_told` once, when all runs are known. */
int supervisor_create(struct server *server, int fd, loop_function *on_told, struct supervisor **ret_supervisor,
                      struct error *error) must_check;
void supervisor_destroy(struct supervisor *supervisor); /* NULL is fine */
/* Tells how many pages are open in which Python environment: so many sandboxes will be kept ready. */
void supervisor_expect(struct supervisor *supervisor);
struct channel *supervisor_channel(struct supervisor *supervisor);

/* May the client do this with the run? No, where there is none. */
bool supervisor_permitted(const struct supervisor *supervisor, const struct client *client, enum action action,
                          uint64_t number);
bool supervisor_knows(const struct supervisor *supervisor, uint64_t run);
/* The runs that one may see, as the protocol's list. */
json_t *supervisor_list(const struct supervisor *supervisor, const struct client *client);
/* One as a run-info; NULL where there is none. */
json_t *supervisor_run_info(const struct supervisor *supervisor, uint64_t number);

void supervisor_input(struct supervisor *supervisor, uint64_t run, const uint8_t *bytes, size_t size);
void supervisor_forget_client(struct supervisor *supervisor, struct client *client);

/* Sends it with a tag of its own; runs_started() or runs_attached() of the request is called with the answer. */
void supervisor_start(struct supervisor *supervisor, struct request *request, struct message_run_start *start,
                      const void *arguments, size_t size, int source_fd);
void supervisor_attach(struct supervisor *supervisor, struct request *request, uint64_t offset);
void supervisor_send(struct supervisor *supervisor, uint16_t type, const void *body);

/* Answers, in runs.c. */
void runs_started(struct request *request, const struct message_run_started *started);
void runs_attached(struct request *request, uint64_t from);
/* The run-info of a message. `name`: its owner's. */
const char *runs_reason_name(int reason); /* of enum run_reason, as the protocol has it */
json_t *runs_info(const struct message_run_state *state, const char *name);
