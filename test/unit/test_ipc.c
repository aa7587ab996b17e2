/* ipc: messages over a socket pair, by a channel and bare; what does not fit the table ends the conversation. */
#include "../../src/ipc/ipc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

struct bench {
        struct loop *loop;
        struct channel *channel;
        int peer; /* the other end, bare */
        uint8_t storage[IPC_MESSAGE_MAXIMUM] __attribute__((aligned(16)));
        struct message received;
        size_t messages, closed;
        uint64_t last_run;
        int kept;
        struct error why;
        bool destroy_in_callback;
};

static void on_message(void *context, struct message *message) {
        struct bench *bench = context;
        bench->messages++;
        if (message->type == MESSAGE_RUN_INPUT) {
                const struct message_run *body = message->body;
                bench->last_run = body->run;
        }
        if (message->fd_count > 0)
                bench->kept = steal_fd(&message->fds[0]);
        if (bench->destroy_in_callback)
                channel_destroy(steal_pointer(&bench->channel));
        loop_stop(bench->loop);
}

static void on_close(void *context, const struct error *why) {
        struct bench *bench = context;
        bench->closed++;
        bench->why = *why;
        loop_stop(bench->loop);
}

static int set_up(void **state) {
        struct bench *bench = allocate(sizeof *bench);
        bench->kept = -1;
        *state = bench;
        int ends[2];
        if (loop_create(&bench->loop, NULL) < 0 || channel_pair(ends, NULL) < 0)
                return -1;
        bench->peer = ends[1];
        uint64_t receives = MESSAGE_BIT(MESSAGE_RUN_INPUT) | MESSAGE_BIT(MESSAGE_RUN_STOP);
        return channel_create(bench->loop, ends[0], receives, on_message, on_close, bench, &bench->channel, NULL);
}

static void stop(void *loop) {
        loop_stop(loop);
}

static void finish_turn(struct bench *bench) {
        struct timer *timer = loop_timer(bench->loop, stop, bench->loop);
        timer_set(timer, 1);
        assert_int_equal(loop_run(bench->loop, NULL), 0);
        timer_remove(timer);
}

static int tear_down(void **state) {
        struct bench *bench = *state;
        channel_destroy(bench->channel);
        finish_turn(bench);
        loop_destroy(bench->loop);
        close_fd(&bench->peer);
        close_fd(&bench->kept);
        free(bench);
        return 0;
}

static void run(struct bench *bench) {
        assert_int_equal(loop_run(bench->loop, NULL), 0);
}

static void a_message_arrives_whole(void **state) {
        struct bench *bench = *state;
        struct message_run body = { .run = 42 };
        int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(message_send(bench->peer, MESSAGE_RUN_INPUT, &body, "keys", 4, &file, 1, NULL), 0);
        close(file);
        run(bench);
        assert_int_equal(bench->last_run, 42);
        assert_true(fcntl(bench->kept, F_GETFD) & FD_CLOEXEC);
}

static void a_message_goes_the_other_way(void **state) {
        struct bench *bench = *state;
        struct message_run body = { .run = 7 };
        char payload[IPC_PAYLOAD_MAXIMUM];
        memset(payload, 'p', sizeof payload);
        channel_send(bench->channel, MESSAGE_RUN_STOP, &body, payload, sizeof payload, NULL, 0);
        struct message message;
        uint64_t all = ~UINT64_C(0);
        assert_int_equal(message_receive(bench->peer, all, bench->storage, &message, NULL), 1);
        assert_int_equal(message.type, MESSAGE_RUN_STOP);
        assert_int_equal(message.payload_size, sizeof payload);
        assert_memory_equal(message.payload, payload, sizeof payload);
        assert_int_equal(((const struct message_run *) message.body)->run, 7);
}

/* Raw bytes that no honest sibling sends, and what is said of each. */
static void send_raw(struct bench *bench, uint16_t type, uint16_t body_size, uint32_t payload_size, size_t more) {
        struct {
                uint16_t type, body_size;
                uint32_t payload_size;
                uint8_t rest[64];
        } raw = { type, body_size, payload_size, { 0 } };
        assert_true(send(bench->peer, &raw, 8 + more, 0) > 0);
        run(bench);
        assert_int_equal(bench->messages, 0);
        assert_int_equal(bench->closed, 1);
}

static void an_unknown_type_ends_it(void **state) {
        struct bench *bench = *state;
        send_raw(bench, MESSAGE_TYPES, 8, 0, 8);
        assert_non_null(strstr(bench->why.text, "unknown"));
}

static void a_type_without_permit_ends_it(void **state) {
        struct bench *bench = *state;
        send_raw(bench, MESSAGE_READY, sizeof(struct message_empty), 0, sizeof(struct message_empty));
        assert_non_null(strstr(bench->why.text, "MESSAGE_READY is not permitted"));
}

static void a_wrong_body_size_ends_it(void **state) {
        struct bench *bench = *state;
        send_raw(bench, MESSAGE_RUN_INPUT, 7, 0, 7);
        assert_non_null(strstr(bench->why.text, "wrong size"));
}

static void a_payload_that_is_not_there_ends_it(void **state) {
        struct bench *bench = *state;
        send_raw(bench, MESSAGE_RUN_INPUT, 8, 1000, 8);
}

static void a_payload_size_that_overflows_ends_it(void **state) {
        struct bench *bench = *state;
        send_raw(bench, MESSAGE_RUN_INPUT, 8, UINT32_MAX - 15, 8);
}

static void more_than_was_announced_ends_it(void **state) {
        struct bench *bench = *state;
        send_raw(bench, MESSAGE_RUN_INPUT, 8, 0, 9);
}

static void less_than_a_header_ends_it(void **state) {
        struct bench *bench = *state;
        assert_int_equal(send(bench->peer, "abc", 3, 0), 3);
        run(bench);
        assert_int_equal(bench->closed, 1);
        assert_non_null(strstr(bench->why.text, "shorter"));
}

static void a_message_too_long_ends_it(void **state) {
        struct bench *bench = *state;
        size_t size = IPC_MESSAGE_MAXIMUM + 1;
        uint8_t *bytes = allocate(size);
        assert_int_equal(send(bench->peer, bytes, size, 0), size);
        free(bytes);
        run(bench);
        assert_int_equal(bench->closed, 1);
}

/* Refused messages must not leave their descriptors behind. */
static void descriptors_of_a_refused_message_are_closed(void **state) {
        struct bench *bench = *state;
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        struct message_empty body = { 0 };
        assert_int_equal(message_send(bench->peer, MESSAGE_READY, &body, NULL, 0, &ends[1], 1, NULL), 0);
        close(ends[1]);
        run(bench);
        assert_int_equal(bench->closed, 1);
        char byte;
        assert_int_equal(read(ends[0], &byte, 1), 0);
        close(ends[0]);
}

static void the_end_of_the_other_is_told_once(void **state) {
        struct bench *bench = *state;
        struct message_run body = { .run = 1 };
        assert_int_equal(message_send(bench->peer, MESSAGE_RUN_INPUT, &body, NULL, 0, NULL, 0, NULL), 0);
        close_fd(&bench->peer);
        run(bench);
        assert_int_equal(bench->messages, 1);
        if (bench->closed == 0)
                run(bench);
        finish_turn(bench);
        assert_int_equal(bench->closed, 1);
        channel_send(bench->channel, MESSAGE_RUN_STOP, &body, NULL, 0, NULL, 0);
        assert_int_equal(channel_pending(bench->channel), 0);
}

static void a_channel_may_be_destroyed_in_its_callback(void **state) {
        struct bench *bench = *state;
        bench->destroy_in_callback = true;
        struct message_run body = { .run = 1 };
        for (int i = 0; i < 3; i++)
                assert_int_equal(message_send(bench->peer, MESSAGE_RUN_INPUT, &body, NULL, 0, NULL, 0, NULL), 0);
        run(bench);
        finish_turn(bench);
        assert_int_equal(bench->messages, 1);
        assert_int_equal(bench->closed, 0);
}

/* The other end reads late: what does not fit waits in order, descriptors with it. */
static void what_does_not_fit_waits_in_order(void **state) {
        struct bench *bench = *state;
        enum { COUNT = 500 };
        char payload[4096] = { 0 };
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (uint64_t i = 1; i <= COUNT; i++) {
                struct message_run body = { .run = i };
                channel_send(bench->channel, MESSAGE_RUN_STOP, &body, payload, sizeof payload, &null, i % 2);
        }
        close(null);
        assert_true(channel_pending(bench->channel) > 0);
        for (uint64_t i = 1; i <= COUNT; i++) {
                struct message message;
                if (channel_pending(bench->channel) > 0)
                        finish_turn(bench);
                assert_int_equal(message_receive(bench->peer, ~UINT64_C(0), bench->storage, &message, NULL), 1);
                assert_int_equal(((const struct message_run *) message.body)->run, i);
                assert_int_equal(message.fd_count, i % 2);
                message_close_fds(&message);
        }
        assert_int_equal(channel_pending(bench->channel), 0);
        assert_int_equal(bench->closed, 0);
}

/* The other end never reads: it is held dead before the memory is full. */
static void a_peer_that_takes_nothing_is_given_up(void **state) {
        struct bench *bench = *state;
        char payload[IPC_PAYLOAD_MAXIMUM] = { 0 };
        struct message_run body = { .run = 1 };
        for (int i = 0; i < 300 && bench->closed == 0; i++)
                channel_send(bench->channel, MESSAGE_RUN_STOP, &body, payload, sizeof payload, NULL, 0);
        assert_int_equal(bench->closed, 0);
        finish_turn(bench);
        assert_int_equal(bench->closed, 1);
        assert_int_equal(bench->why.number, ENOBUFS);
}

static void texts_end_within_their_arrays(void **state) {
        (void) state;
        struct message_answer answer = { 0 };
        assert_true(message_text_ok(answer.text));
        memset(answer.text, 'x', sizeof answer.text);
        assert_false(message_text_ok(answer.text));
}

#define bench_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                bench_test(a_message_arrives_whole),
                bench_test(a_message_goes_the_other_way),
                bench_test(an_unknown_type_ends_it),
                bench_test(a_type_without_permit_ends_it),
                bench_test(a_wrong_body_size_ends_it),
                bench_test(a_payload_that_is_not_there_ends_it),
                bench_test(a_payload_size_that_overflows_ends_it),
                bench_test(more_than_was_announced_ends_it),
                bench_test(less_than_a_header_ends_it),
                bench_test(a_message_too_long_ends_it),
                bench_test(descriptors_of_a_refused_message_are_closed),
                bench_test(the_end_of_the_other_is_told_once),
                bench_test(a_channel_may_be_destroyed_in_its_callback),
                bench_test(what_does_not_fit_waits_in_order),
                bench_test(a_peer_that_takes_nothing_is_given_up),
                cmocka_unit_test(texts_end_within_their_arrays),
        };
        return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
