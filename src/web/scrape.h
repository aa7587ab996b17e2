/*
 * scrape: GET /metrics, for a Prometheus that brings the token. Without one in the settings there is no such address.
 * What the supervisor has counted is asked of it while the exchange waits; where it does not answer, ours comes alone.
 */
#pragma once

#include "server.h"

/* The supervisor's part has come (MESSAGE_METRICS_TOLD). */
void scrape_answer(struct server *server, const void *text, size_t size);
/* Each second. */
void scrape_sweep(struct server *server);
