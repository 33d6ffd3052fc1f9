// SPDX-License-Identifier: Apache-2.0
#include "courier/filter/courier_filter.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "courier/filter/milter_client.h"
#include "courier/filter/rspamd_client.h"
#include "ipc/channel.h"
#include "net/worker_pool.h"

#include "base/banned.h"

#define JOBS_MAX          2000 // messages at a time
#define WAITING_MAX       2000 // without a thread
#define SEND_QUEUE_MAX    (1u << 20)
#define TEXTS_ARENA_BYTES (2u << 20) // the envelope of a message

struct courier_filter {
    struct courier_filter_options o;
    struct filter filters[FILTERS_MAX];
    size_t n;
    struct worker_pool *workers;
    atomic_bool is_stopping;
    // On the loop's thread:
    struct list jobs;
    unsigned job_count;
    size_t memory; // bytes of all messages
};

enum state {
    JOB_READING, // the message comes
    JOB_RUNNING, // a thread has it
    JOB_DONE,    // the result is sent; the gate closes
};

struct job {
    struct list link;
    struct courier_filter *all;
    struct channel *channel; // NULL: the gate has gone
    enum state state;
    bool has_begun;
    struct arena texts;
    struct buf bytes;
    size_t counted; // of all->memory
    struct filter_message message;
    struct filter_result result;
    struct worker_task work;
    struct loop_task done;
};

static void job_destroy(struct job *j)
{
    j->all->memory -= j->counted;
    j->all->job_count--;
    list_remove(&j->link);
    channel_close(j->channel);
    filter_result_finish(&j->result);
    buf_finish(&j->bytes);
    arena_finish(&j->texts);
    free(j);
}

// ---- the result ---------------------------------------------------------------------------------

static void send_result(struct job *j)
{
    const struct filter_result *r = &j->result;
    struct ipc_filter_result m = {.action = (uint8_t)r->action,
                                  .code = (uint16_t)r->code,
                                  .enhanced = span_from_str(r->enhanced),
                                  .text = span_from_str(r->text),
                                  .lines = buf_span(&r->lines),
                                  .has_subject = r->has_subject,
                                  .subject = buf_span(&r->subject),
                                  .words = buf_span(&r->words)};
    struct buf frame;

    j->state = JOB_DONE;
    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    if (j->channel && ipc_filter_result_encode(&m, 0, &frame) == ERR_OK) {
        (void)channel_send(j->channel, buf_span(&frame), NULL, 0); // without it we are away
    }
    buf_finish(&frame);
    j->all->memory -= j->counted;
    j->counted = 0;
    buf_release(&j->bytes);
}

static void send_away(struct job *j, const char *why)
{
    j->result.action = IPC_FILTER_AWAY;
    buf_clear(&j->result.words);
    buf_put_str(&j->result.words, why);
    send_result(j);
}

// ---- in a thread --------------------------------------------------------------------------------

static void ask_filters(struct job *j)
{
    struct courier_filter *c = j->all;
    struct filter_limits limits = {.until_ms = clock_monotonic_ms() + c->o.timeout_ms,
                                   .is_stopping = &c->is_stopping,
                                   .ask_connection = c->o.ask_connection,
                                   .arg = c->o.arg};

    for (size_t i = 0; i < c->n && j->result.action < IPC_FILTER_TEMPORARY; i++) {
        const struct filter *f = &c->filters[i];
        enum err e = f->kind == FILTER_MILTER
                         ? milter_client_run(f, &j->message, &limits, &j->result)
                         : rspamd_client_run(f, &j->message, &limits, &j->result);

        if (e != ERR_OK) {
            log_warn("a filter does not answer: %s", log_text(buf_span(&j->result.words)).s);
            j->result.action = IPC_FILTER_AWAY;
        }
    }
}

static void on_done(struct loop_task *t)
{
    struct job *j = LIST_ITEM(t, struct job, done);

    if (j->channel) {
        send_result(j);
    } else {
        job_destroy(j);
    }
}

static void on_work(struct worker_task *t)
{
    struct job *j = LIST_ITEM(t, struct job, work);

    ask_filters(j);
    j->done.run = on_done;
    loop_post(j->all->o.loop, &j->done);
}

// ---- on the loop: the message comes -------------------------------------------------------------

static bool keep_text(struct job *j, struct span text, struct span *out)
{
    *out = arena_dup(&j->texts, text);
    return out->p != NULL;
}

static enum err take_begin(struct job *j, struct span fields)
{
    struct filter_message *m = &j->message;
    struct ipc_filter_begin b;

    if (j->has_begun || ipc_filter_begin_decode(fields, &b) != ERR_OK) {
        return ERR_INVALID;
    }
    j->has_begun = true;
    m->remote_port = b.remote_port;
    return keep_text(j, b.server_name, &m->server_name) && keep_text(j, b.remote, &m->remote) &&
                   keep_text(j, b.helo, &m->helo) && keep_text(j, b.sender, &m->sender)
               ? ERR_OK
               : ERR_NOMEM;
}

static enum err take_rcpt(struct job *j, struct span fields)
{
    struct filter_message *m = &j->message;
    struct ipc_filter_rcpt r;

    if (!j->has_begun || m->recipient_count == FILTER_RCPTS_MAX ||
        ipc_filter_rcpt_decode(fields, &r) != ERR_OK) {
        return ERR_INVALID;
    }
    return keep_text(j, r.address, &m->recipients[m->recipient_count++]) ? ERR_OK : ERR_NOMEM;
}

static void send_taken(struct job *j)
{
    struct ipc_filter_taken m = {.bytes = j->bytes.n};
    struct buf frame;

    buf_init(&frame, 64);
    if (ipc_filter_taken_encode(&m, 0, &frame) == ERR_OK) {
        (void)channel_send(j->channel, buf_span(&frame), NULL, 0);
    }
    buf_finish(&frame);
}

static enum err take_data(struct job *j, struct span fields)
{
    struct courier_filter *c = j->all;
    struct ipc_filter_data d;

    if (!j->has_begun || ipc_filter_data_decode(fields, &d) != ERR_OK) {
        return ERR_INVALID;
    }
    if (c->memory + d.bytes.n > c->o.memory_max) {
        send_away(j, "too many messages wait for filters (filter_memory)");
        return ERR_OK;
    }
    buf_put(&j->bytes, d.bytes);
    if (j->bytes.failed) {
        send_away(j, "no memory for a message, or it is too large");
        return ERR_OK;
    }
    j->counted += d.bytes.n;
    c->memory += d.bytes.n;
    send_taken(j);
    return ERR_OK;
}

static enum err take_end(struct job *j, struct span fields)
{
    struct ipc_filter_end end;

    if (!j->has_begun || ipc_filter_end_decode(fields, &end) != ERR_OK) {
        return ERR_INVALID;
    }
    j->message.bytes = buf_span(&j->bytes);
    j->work.run = on_work;
    j->state = JOB_RUNNING;
    if (worker_pool_submit(j->all->workers, &j->work) != ERR_OK) {
        send_away(j, "too many messages wait for filters (filter_threads)");
    }
    return ERR_OK;
}

static enum err take_frame(struct job *j, const struct ipc_frame *frame)
{
    if (j->state == JOB_DONE) {
        return ERR_OK; // told already; the gate may not know yet
    }
    if (j->state != JOB_READING) {
        return ERR_INVALID;
    }
    switch (frame->type) {
    case IPC_FILTER_BEGIN:
        return take_begin(j, frame->fields);
    case IPC_FILTER_RCPT:
        return take_rcpt(j, frame->fields);
    case IPC_FILTER_DATA:
        return take_data(j, frame->fields);
    case IPC_FILTER_END:
        return take_end(j, frame->fields);
    default:
        return ERR_INVALID;
    }
}

static enum err on_message(struct channel *ch, void *arg, const struct ipc_frame *frame, int *fds)
{
    struct job *j = arg;

    (void)ch;
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]);
    }
    return frame->fds ? ERR_INVALID : take_frame(j, frame);
}

static void on_ended(struct channel *ch, void *arg, enum err e)
{
    struct job *j = arg;

    if (e == ERR_INVALID) {
        log_error("the gate said something about a message for filters that makes no sense");
    }
    if (j->state == JOB_RUNNING) {
        channel_close(ch);
        j->channel = NULL; // its thread ends it
    } else {
        job_destroy(j);
    }
}

void courier_filter_take(struct courier_filter *c, int fd)
{
    static const struct channel_handler handler = {.message = on_message, .ended = on_ended};
    struct job *j = c->job_count < JOBS_MAX ? calloc(1, sizeof(*j)) : NULL;

    if (!j) {
        close(fd);
        return;
    }
    j->all = c;
    arena_init(&j->texts, TEXTS_ARENA_BYTES);
    buf_init(&j->bytes, c->o.message_max + 65536); // the last piece may go beyond
    filter_result_init(&j->result);
    list_append(&c->jobs, &j->link);
    c->job_count++;
    if (channel_open(c->o.loop, fd, SEND_QUEUE_MAX, &handler, j, &j->channel) != ERR_OK) {
        close(fd);
        job_destroy(j);
    }
}

// ---- start and end ------------------------------------------------------------------------------

enum err courier_filter_create(const struct courier_filter_options *o, struct courier_filter **out)
{
    struct courier_filter *c = calloc(1, sizeof(*c));
    enum err e = ERR_OK;

    if (!c) {
        return ERR_NOMEM;
    }
    c->o = *o;
    c->o.filters = NULL;
    list_init(&c->jobs);
    for (; c->n < o->filter_count && c->n < FILTERS_MAX && e == ERR_OK; c->n++) {
        e = filter_parse(o->filters[c->n], &c->filters[c->n]);
        c->filters[c->n].place = (uint8_t)c->n;
        if (e != ERR_OK) {
            log_error("filters: %s is none of `milter ADDRESS:PORT`, `milter unix:/PATH`, `rspamd "
                      "http://ADDRESS:PORT`",
                      log_text(o->filters[c->n]).s);
        }
    }
    e = e == ERR_OK ? worker_pool_create("courier-filter", o->threads, WAITING_MAX, &c->workers)
                    : e;
    if (e != ERR_OK) {
        courier_filter_destroy(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

void courier_filter_stop(struct courier_filter *c)
{
    atomic_store(&c->is_stopping, true);
}

void courier_filter_destroy(struct courier_filter *c)
{
    if (!c) {
        return;
    }
    courier_filter_stop(c);
    worker_pool_destroy(c->workers);
    while (!list_is_empty(&c->jobs)) {
        job_destroy(LIST_ITEM(c->jobs.next, struct job, link));
    }
    free(c);
}
