// SPDX-License-Identifier: Apache-2.0
//
// A milter and an rspamd for tests: one thread, one connection after the other, answers by script.
#ifndef TESTS_UNIT_GATE_FAKE_FILTER_H
#define TESTS_UNIT_GATE_FAKE_FILTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"

struct fake_filter {
    int listener;
    const char *path; // of a Unix socket; NULL: a port of loopback
    uint16_t port;
    pthread_t thread;
    struct buf heard; // all connections; read it when the thread has ended
    unsigned served;

    bool is_http;
    // http: the whole answer. milter: the packets after the end of the body; each begins with its
    // length in one byte (in place of four).
    const char *script;
    size_t script_n;
    // milter: what it wants in the negotiation, and a packet that answers 'R' in place of 'c'.
    uint32_t actions, steps;
    char rcpt_answer; // 0: 'c'
    bool is_mute;     // accepts, reads, says nothing
};

void fake_filter_open(struct fake_filter *f);
void fake_filter_close(struct fake_filter *f); // waits for the thread

#endif
