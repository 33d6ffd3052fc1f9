// SPDX-License-Identifier: Apache-2.0
#include "talk_driver.h"

#include "base/log.h"
#include "engine/memory/memory.h"
#include "store/directory.h"

#define INPUT_MAX   (1u << 20) // as keep's connections have it
#define OUTPUT_SOFT (64u << 10)
#define OUTPUT_MAX  (8u << 20)

static const struct actor admin = {.kind = ACTOR_ADMIN};

void talk_world_open(struct talk_world *w)
{
    struct store_options options;
    const struct mailbox *inbox;
    struct view *v;

    store_options_default(&options);
    ASSERT(!engine_memory_open(&w->engine));
    ASSERT(!store_open(w->engine, &options, &w->store));
    ASSERT(!directory_domain_add(w->store, &admin, SPAN("x.example")));
    ASSERT(
        !directory_account_add(w->store, &admin, SPAN("u@x.example"), SPAN(""), true, &w->account));
    ASSERT(!view_open(w->store, w->account, &v));
    ASSERT(!view_mailbox_by_name(v, SPAN("INBOX"), &inbox));
    w->inbox = inbox->id;
    view_close(v);
}

void talk_world_close(struct talk_world *w)
{
    store_close(w->store);
    engine_close(w->engine);
}

void talk_add(struct talk_world *w, struct span message)
{
    struct append_item item = {.internal_date = 1600000000};
    struct append_result result;

    ASSERT(!incoming_begin(w->store, &item.message));
    ASSERT(!incoming_write(item.message, message));
    ASSERT(!incoming_finish(item.message));
    ASSERT(!store_append(w->store, w->account, &admin, w->inbox, &item, 1, &result));
    incoming_destroy(item.message);
}

uint32_t talk_exists(struct talk_world *w, const char *mailbox)
{
    const struct mailbox *m;
    struct view *v;
    uint32_t n = UINT32_MAX;

    ASSERT(!view_open(w->store, w->account, &v));
    if (!view_mailbox_by_name(v, span_from_str(mailbox), &m)) {
        n = m->exists;
    }
    view_close(v);
    return n;
}

void talk_expunge(struct talk_world *w, uint32_t uid)
{
    struct uid_range range = {uid, uid};
    struct uid_set uids = {&range, 1}, gone;
    struct arena a;
    modseq version;

    arena_init(&a, 1u << 20);
    ASSERT(!placement_expunge(w->store, w->account, &admin, w->inbox, &uids, true, &a, &gone,
                              &version));
    arena_finish(&a);
}

// ---- session_io ---------------------------------------------------------------------------------

static enum err io_read(void *arg)
{
    struct talk *t = arg;

    if (t->shown == t->in.n) {
        return t->is_gone ? ERR_EOF : ERR_AGAIN;
    }
    if (t->shown >= INPUT_MAX) {
        return ERR_LIMIT;
    }
    // In pieces, as a network does.
    size_t piece = 1 + (t->in.n - t->shown) / 2;

    t->shown += piece > 4096 ? 4096 : piece;
    return ERR_OK;
}

static struct span io_input(void *arg)
{
    struct talk *t = arg;

    return span_of(t->in.p, t->shown);
}

static void io_consume(void *arg, size_t n)
{
    struct talk *t = arg;

    ASSERT(n <= t->shown);
    buf_consume(&t->in, n);
    t->shown -= n;
}

static struct buf *io_output(void *arg)
{
    struct talk *t = arg;

    return &t->out;
}

static void take_output(struct talk *t)
{
    t->out_most = t->out.n > t->out_most ? t->out.n : t->out_most;
    if (!t->is_stuck) {
        buf_put(&t->heard, buf_span(&t->out));
        buf_clear(&t->out);
    }
}

static bool io_output_full(void *arg)
{
    struct talk *t = arg;

    if (t->out.n >= OUTPUT_SOFT) {
        take_output(t);
    }
    return t->out.n >= OUTPUT_SOFT;
}

static void io_wake(void *arg)
{
    (void)arg;
}

static const struct session_io io = {
    io_read, io_input, io_consume, io_output, io_output_full, io_wake, NULL, NULL,
};

// ---- the client ---------------------------------------------------------------------------------

void talk_open(struct talk *t, struct talk_world *w, const struct session_protocol *p, void *server)
{
    struct session_start start = {
        .account = w->account, .user = SPAN("u@x.example"), .remote = SPAN("::1")};

    *t = (struct talk){.protocol = p};
    buf_init(&t->in, 1u << 28);
    buf_init(&t->out, OUTPUT_MAX);
    buf_init(&t->heard, 1u << 30);
    ASSERT(!p->create(server, &start, &io, t, &t->session));
    talk_run(t);
}

void talk_close(struct talk *t)
{
    t->protocol->destroy(t->session);
    buf_finish(&t->in);
    buf_finish(&t->out);
    buf_finish(&t->heard);
}

void talk_run(struct talk *t)
{
    while (!t->wait.closed) {
        t->protocol->run(t->session, t->stop, &t->wait);
        take_output(t);
        if (t->wait.input || t->out.n >= OUTPUT_SOFT) {
            break;
        }
    }
}

const char *talk_say(struct talk *t, struct span bytes)
{
    buf_clear(&t->heard);
    buf_put(&t->in, bytes);
    talk_run(t);
    return talk_heard(t);
}

const char *talk_heard(struct talk *t)
{
    buf_put_byte(&t->heard, '\0');
    t->heard.n--;
    return t->heard.p;
}
