// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the queue share: a queue on an engine in memory, and short calls.
#ifndef TESTS_UNIT_QUEUE_SUPPORT_H
#define TESTS_UNIT_QUEUE_SUPPORT_H

#include "../test.h"
#include "base/clock.h"
#include "engine/memory/memory.h"
#include "queue/queue.h"

#define NOW_S 1800000000 // the real clock of the tests
#define NOW   (NOW_S * 1000ll)
#define DAYS  86400000ll

struct bench {
    struct engine *engine;
    struct queue *queue;
    struct queue_options options;
};

static inline void bench_start(struct bench *b)
{
    clock_test_fix_real(NOW_S);
    assert_ok(engine_memory_open(&b->engine));
    queue_options_default(&b->options);
    assert_ok(queue_open(b->engine, &b->options, &b->queue));
}

static inline void bench_reopen(struct bench *b)
{
    queue_close(b->queue);
    assert_ok(queue_open(b->engine, &b->options, &b->queue));
}

static inline void bench_stop(struct bench *b)
{
    queue_close(b->queue);
    engine_close(b->engine);
    clock_test_fix_real(-1);
}

static inline struct queue_recipient to(const char *address, const char *destination)
{
    return (struct queue_recipient){.address = span_from_str(address),
                                    .destination = span_from_str(destination)};
}

static inline queue_id submit(struct bench *b, const char *sender, const struct queue_recipient *r,
                              size_t count)
{
    struct body_writer *w;
    struct queue_message m = {
        .expires_ms = NOW + 5 * DAYS, .body_bytes = 25, .sender = span_from_str(sender)};
    queue_id id;

    assert_ok(body_begin(b->engine, &w));
    assert_ok(body_write(w, SPAN("Subject: hello\r\n\r\nhello\r\n")));
    assert_ok(body_finish(w, SPAN(""), &m.body));
    assert_ok(queue_submit(b->queue, &m, r, count, &id));
    body_writer_destroy(w);
    return id;
}

static inline uint64_t bodies(struct bench *b)
{
    struct engine_status s;

    engine_status(b->engine, &s);
    return s.bodies;
}

#endif
