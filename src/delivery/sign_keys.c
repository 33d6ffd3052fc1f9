// SPDX-License-Identifier: Apache-2.0
#include "delivery/sign_keys.h"

#include "base/bytes.h"
#include "base/log.h"
#include "senderauth/dkim.h"
#include "store/secret.h"

#include "base/banned.h"

#define ARENA_BYTES_MAX (8u << 20)

struct prepared {
    struct span domain, selector, record;
};

struct collector {
    struct arena *arena;
    struct prepared *all;
    size_t n, cap;
    enum err e;
};

static bool count(void *arg, const struct signing_key *k)
{
    struct collector *c = arg;

    c->cap += k->state == SIGNING_PREPARED;
    return true;
}

static bool collect(void *arg, const struct signing_key *k)
{
    struct collector *c = arg;

    if (k->state != SIGNING_PREPARED) {
        return true;
    }
    struct prepared p = {arena_dup(c->arena, k->domain), arena_dup(c->arena, k->selector),
                         arena_dup(c->arena, k->record)};

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

static bool is_shown(const struct prepared *p, sign_keys_ask *ask, void *arg, struct arena *a)
{
    struct span records = SPAN("");
    struct buf name;

    buf_init(&name, 1024);
    buf_printf(&name, "%.*s._domainkey.%.*s", SPAN_ARG(p->selector), SPAN_ARG(p->domain));
    enum err e = buf_result(&name);

    e = e == ERR_OK ? ask(arg, buf_span(&name), a, &records) : e;
    buf_finish(&name);
    return e == ERR_OK && is_the_only_one(records, p->record);
}

// ERR_NOT_FOUND: it was removed meanwhile.
static enum err activate(struct store *s, const struct prepared *p)
{
    const struct actor by = {.kind = ACTOR_SYSTEM};
    enum err e = signing_key_set_state(s, &by, p->domain, p->selector, SIGNING_ACTIVE);

    if (e == ERR_OK) {
        log_info("the DNS shows the key %s of %s: it signs from now on", log_text(p->selector).s,
                 log_text(p->domain).s);
    }
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
        if (is_shown(&c.all[i], ask, arg, &arena)) {
            e = activate(s, &c.all[i]);
            activated += e == ERR_OK;
            e = e == ERR_NOT_FOUND ? ERR_OK : e;
        }
    }
    arena_finish(&arena);
    if (e == ERR_OK) {
        *out_activated = activated;
    }
    return e;
}
