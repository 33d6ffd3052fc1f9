// SPDX-License-Identifier: Apache-2.0
//
// Notices: written from the queue's record and the message itself, delivered like any other mail
// with the null path as its sender.
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "delivery/notice.h"
#include "keep/outbound/outbound_internal.h"

#include "base/banned.h"

#define NOTICE_BYTES_MAX (1u << 20)

// The header block at the start of `text`, with its last line break.
static struct span header_of(struct span text)
{
    size_t crlf = span_find(text, SPAN("\r\n\r\n")), lf = span_find(text, SPAN("\n\n"));

    return crlf < lf ? span_first(text, crlf + 2) : span_first(text, lf + 1);
}

static enum err read_text(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    buf_put(out, span_first(span_skip(*(struct span *)arg, offset), n));
    return buf_result(out);
}

// What tells this notice: of which message, and what it says of whom.
static void put_once(struct buf *out, const struct queue_job *job)
{
    buf_printf(out, "notice %s", queue_id_text(job->message.id).s);
    for (size_t i = 0; i < job->count; i++) {
        buf_printf(out, " %u %d", job->recipients[i].number, (int)job->recipients[i].state);
    }
}

static enum err deliver(struct outbound *o, struct queue_job *job, struct span id, struct span text,
                        struct span once)
{
    struct delivery_recipient to = {.address = job->message.sender};
    struct delivery_envelope env = {.sender = SPAN(""),
                                    .flags = QUEUE_INTERNAL,
                                    .device = SPAN("Mailkeep"),
                                    .origin = SPAN(""),
                                    .allow_remote = true,
                                    .is_ours = true,
                                    .about = job->message.mail,
                                    .once = once,
                                    .recipients = &to,
                                    .count = 1};
    if (o->options.trail) {
        env.mail = job->told = trail_number(o->options.trail);
    }
    struct delivery_message m = {.prefix = SPAN(""),
                                 .read = read_text,
                                 .arg = &text,
                                 .bytes = text.n,
                                 .header = header_of(text)};
    enum err e = delivery_run(o->options.delivery, &env, &m);

    if (e == ERR_OK && to.answer.outcome != DELIVERY_ACCEPTED) {
        log_warn("the sender %s of message %s cannot be told what became of it: %s",
                 log_text(job->message.sender).s, queue_id_text(job->message.id).s, to.answer.text);
    } else if (e == ERR_OK) {
        log_info("the sender %s of message %s is told what became of it: %s",
                 log_text(job->message.sender).s, queue_id_text(job->message.id).s, log_text(id).s);
    }
    return e;
}

static enum err write_and_deliver(struct outbound *o, struct queue_job *job)
{
    char id[320];
    int n = snprintf(id, sizeof(id), "<notice.%016llx@%s>", (unsigned long long)random_u64(),
                     o->server);
    struct notice_facts f = {.server = o->options.server,
                             .message_id = span_of(id, (size_t)n),
                             .now_ms = clock_real_ms(),
                             .whole = SPAN("")};
    uint64_t bytes = job->message.prefix.n + job->message.body_bytes;
    struct buf start, text, once;

    buf_init(&once, QUEUE_JOB_RECIPIENTS_MAX * 24);
    buf_init(&start, QUEUE_PREFIX_BYTES_MAX + NOTICE_RETURNED_BYTES_MAX);
    buf_init(&text, NOTICE_BYTES_MAX);
    enum err e = outbound_read(o, &job->message, 0, NOTICE_RETURNED_BYTES_MAX, &start);

    if (e == ERR_OK && start.n < NOTICE_RETURNED_BYTES_MAX && start.n < bytes) {
        e = outbound_read(o, &job->message, start.n, NOTICE_RETURNED_BYTES_MAX - start.n, &start);
    }
    if (e == ERR_OK) {
        f.header = header_of(buf_span(&start));
        f.whole = start.n == bytes ? buf_span(&start) : SPAN("");
        e = notice_write(job, &f, &text);
    }
    put_once(&once, job);
    if (e == ERR_OK) {
        e = deliver(o, job, f.message_id, buf_span(&text),
                    once.failed ? SPAN("") : buf_span(&once));
    }
    buf_finish(&once);
    buf_finish(&start);
    buf_finish(&text);
    return e;
}

enum err outbound_notice(struct outbound *o)
{
    struct queue_job *job;
    enum err e = queue_notice_take(o->options.queue, &job);

    if (e != ERR_OK) {
        return e;
    }
    e = queue_notice_try(o->options.queue, job);
    if (e != ERR_OK) {
        return e == ERR_DENIED ? ERR_OK : e; // the next one, then
    }
    e = job->count ? write_and_deliver(o, job) : ERR_OK;
    enum err done = queue_notice_done(o->options.queue, job, e == ERR_OK);

    return e == ERR_OK ? done : e;
}
