/*
 * measure: how full a tree is. Asked by the supervisor while a program computes (it may follow no path in a tree; a
 * worker may), and told to people whose saving was refused for it.
 */
#pragma once

#include "server.h"

#include "../workspace/workspace.h"

/* Answers MESSAGE_RUN_MEASURE with MESSAGE_RUN_USAGE. */
void measure_begin(struct server *server, const struct message_run_measure *question);

/* "Your folder would hold more than 1 GB: …" for an answer that is over_quota. */
enum { QUOTA_SENTENCE_BYTES = 256 };
void quota_sentence(const struct file_usage *usage, const struct file_usage *quota,
                    char text[static QUOTA_SENTENCE_BYTES]);
