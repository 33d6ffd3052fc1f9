// SPDX-License-Identifier: Apache-2.0
#include "delivery/sign_keys.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "senderauth/dkim.h"
#include "store/secret.h"

#include "base/banned.h"

#define ARENA_BYTES_MAX (8u << 20)

struct looked_at {
    struct span domain, selector, record;
    bool is_retired;
};

struct collector {
    struct arena *arena;
    struct looked_at *all;
    size_t n, cap;
    enum err e;
};

// Something is to be done with it as soon as the DNS says so.
static bool waits(const struct signing_key *k)
{
    return k->state == SIGNING_PREPARED ||
           (k->state == SIGNING_RETIRED && clock_real_s() - k->changed >= SIGNING_RETIRED_S);
}

static bool count(void *arg, const struct signing_key *k)
{
    struct collector *c = arg;

    c->cap += waits(k);
    return true;
}

static bool collect(void *arg, const struct signing_key *k)
{
    struct collector *c = arg;

    if (!waits(k)) {
        return true;
    }
    struct looked_at p = {arena_dup(c->arena, k->domain), arena_dup(c->arena, k->selector),
                          arena_dup(c->arena, k->record), k->state == SIGNING_RETIRED};

    if (!p.domain.p || !p.selector.p || !p.record.p) {
        c->e = ERR_NOMEM;
        return false;
    }
    c->all[c->n++] = p;
    return c->n < c->cap; // one that came since waits for the next round
}

// With two records of one name others may read either.
static bool is_the_only_one(struct span records, struct span wanted)
{
    if (records.n < 2) {
        return false;
    }
    size_t n = get_le16(records.p);
    struct span text = span_skip(records, 2);

    return n == text.n && dkim_record_same_key(text, wanted);
}

static enum err ask_for(const struct looked_at *p, sign_keys_ask *ask, void *arg, struct arena *a,
                        struct span *out_records)
{
    struct buf name;

    *out_records = SPAN("");

    buf_init(&name, 1024);
    buf_printf(&name, "%.*s._domainkey.%.*s", SPAN_ARG(p->selector), SPAN_ARG(p->domain));
    enum err e = buf_result(&name);

    e = e == ERR_OK ? ask(arg, buf_span(&name), a, out_records) : e;
    buf_finish(&name);
    return e;
}

// ERR_NOT_FOUND: it was removed meanwhile.
static enum err activate(struct store *s, const struct looked_at *p)
{
    const struct actor by = {.kind = ACTOR_SYSTEM};
    enum err e = signing_key_set_state(s, &by, p->domain, p->selector, SIGNING_ACTIVE);

    if (e == ERR_OK) {
        log_info("the DNS shows the key %s of %s: it signs from now on", log_text(p->selector).s,
                 log_text(p->domain).s);
    }
    return e;
}

static enum err forget(struct store *s, const struct looked_at *p)
{
    const struct actor by = {.kind = ACTOR_SYSTEM};
    enum err e = signing_key_remove(s, &by, p->domain, p->selector);

    if (e == ERR_OK) {
        log_info("the retired key %s of %s is forgotten: the DNS does not show it any more",
                 log_text(p->selector).s, log_text(p->domain).s);
    }
    return e;
}

// ERR_NOT_FOUND, ERR_DENIED: somebody was quicker.
static enum err follow_one(struct store *s, const struct looked_at *p, sign_keys_ask *ask,
                           void *arg, struct arena *a, unsigned *activated)
{
    struct span records;
    enum err e = ask_for(p, ask, arg, a, &records);

    if (e != ERR_OK) {
        return ERR_OK; // the next time
    }
    if (p->is_retired) {
        return records.n == 0 ? forget(s, p) : ERR_OK;
    }
    e = is_the_only_one(records, p->record) ? activate(s, p) : ERR_NOT_FOUND;
    *activated += e == ERR_OK;
    return e;
}

enum err sign_keys_follow(struct store *s, sign_keys_ask *ask, void *arg, unsigned *out_activated)
{
    struct arena arena;
    unsigned activated = 0;

    arena_init(&arena, ARENA_BYTES_MAX);
    struct collector c = {.arena = &arena};
    enum err e = signing_key_list(s, SPAN(""), count, &c);

    if (e == ERR_OK && c.cap) {
        c.all = arena_zalloc(&arena, c.cap, sizeof(*c.all));
        e = c.all ? signing_key_list(s, SPAN(""), collect, &c) : ERR_NOMEM;
    }
    e = e == ERR_OK ? c.e : e;
    for (size_t i = 0; i < c.n && e == ERR_OK; i++) {
        e = follow_one(s, &c.all[i], ask, arg, &arena, &activated);
        e = e == ERR_NOT_FOUND || e == ERR_DENIED ? ERR_OK : e;
    }
    arena_finish(&arena);
    if (e == ERR_OK) {
        *out_activated = activated;
    }
    return e;
}
