/*
 * Structured logging: one line an event, `time level process event key=value …`, to stderr (which systemd's journal
 * reads). A value with a space, a quote or a control character is quoted, so that no outside text can forge a line.
 * Never give it a password, a token, or what a student wrote.
 *
 * Thread-safe: each line is one write().
 */
#pragma once

#include "base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* `process` must outlive the program: a literal. */
void log_start(const char *process, enum log_level level);

/* `event` is dotted words ("run.started"). What follows are pairs: a key (a literal, without spaces) and a value, each
 * value by its helper; the list ends with NULL:
 *
 *     log_event(LOG_INFO, "run.started", "run", log_number(id), "account", folder, NULL);
 */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* Failed work, with its error. */
#define log_failure(level, event, error, ...) log_event(level, event, "error", (error)->text, ##__VA_ARGS__, NULL)

/* A decimal in one of a few rotating buffers a thread: good until eight more are made. */
const char *log_number(int64_t value);
