/*
 * frames: WebSocket (RFC 6455) over one socket that libmicrohttpd gave us.
 *
 * libwslay takes incoming frames apart; outgoing ones, which are trivial from a server's side, are made here, so that
 * one system call sends a frame and nothing is copied unless the socket is full. What is queued is counted by kind,
 * each with a limit of its own: a client that does not take its events is closed, not waited for and not given a hole
 * in the stream.
 *
 * The socket belongs to libmicrohttpd: it is closed by giving it back (MHD_upgrade_action), once, in frames_destroy().
 * After on_closed nothing is called any more, and the owner destroys the frames, now or later.
 */
#pragma once

#include "../base/base.h"
#include "../base/loop.h"

#include <microhttpd.h>

enum frame_kind { FRAME_EVENT, FRAME_REPLY, FRAME_TERMINAL, FRAME_CONTROL, FRAME_KINDS };

struct frames;

struct frames_functions {
        void (*on_text)(void *context, const uint8_t *text, size_t size);
        void (*on_binary)(void *context, const uint8_t *bytes, size_t size);
        void (*on_closed)(void *context, const char *why);
};

struct frames_limits {
        size_t message;    /* bytes of a text message */
        size_t binary;     /* bytes of a binary message */
        size_t *receiving; /* the process's count of bytes that are arriving, see RECEIVING_MAXIMUM */
};

/* `early`: bytes that were read with the handshake. */
struct frames *frames_create(struct loop *loop, int fd, struct MHD_UpgradeResponseHandle *upgrade, const void *early,
                             size_t early_size, const struct frames_limits *limits,
                             const struct frames_functions *functions, void *context);
void frames_destroy(struct frames *frames); /* NULL is fine; safe inside its own callbacks */

/* One message of `head` followed by `body`. A client that takes too little is closed instead. */
void frames_send(struct frames *frames, enum frame_kind kind, const void *head, size_t head_size, const void *body,
                 size_t body_size);

/* Says good-bye: no message is read any more, what is queued is still sent, then the close frame; the peer has
 * CLOSING_MILLISECONDS for all of it. Harmless a second time. */
void frames_close(struct frames *frames, uint16_t code, const char *reason);

/* Reads nothing more until frames_resume(). */
void frames_pause(struct frames *frames);
void frames_resume(struct frames *frames);
bool frames_paused(const struct frames *frames);

/* Once a second or so: pings, finds the dead, ends what lingers. */
void frames_sweep(struct frames *frames, uint64_t now);

/* True once it is closing or closed. */
bool frames_ending(const struct frames *frames);
