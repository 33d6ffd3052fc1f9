// SPDX-License-Identifier: Apache-2.0
//
// From what was found to rows: not twice, not more than anybody wants to read, and in one commit
// with how far was looked.
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/alert/alert_watch_internal.h"
#include "store/directory.h"

#include "base/banned.h"

#define DAY_MS 86400000ll

struct past {
    const struct look *look;
    size_t rows, due;
    struct alert oldest[FOUND_MAX]; // that may go, without texts
    size_t oldest_n;
    int64_t last_ms[ALERT_KINDS];    // told
    unsigned told[ALERT_KINDS];      // in the last 24 hours
    uint64_t held_back[ALERT_KINDS]; // since the last that was told
    bool is_known[FOUND_MAX];
};

// How much the kinds about a sign-in say; 0: it is about something else.
static unsigned rank(enum alert_kind kind)
{
    return kind == ALERT_NEW_NETWORK   ? 1
           : kind == ALERT_NEW_COUNTRY ? 2
           : kind == ALERT_TRAVEL      ? 3
           : kind == ALERT_GUESSED     ? 4
                                       : 0;
}

// A sign-in that goes on is one piece of news, though later nothing but its network is new in it.
static bool is_less_news(const struct alert *found, const struct alert *had)
{
    return rank(found->kind) && rank(found->kind) <= rank(had->kind) &&
           found->when_ms - had->when_ms < DAY_MS && span_eq(found->network, had->network);
}

static bool is_same_news(const struct alert *found, const struct alert *had)
{
    if (is_less_news(found, had)) {
        return true;
    }
    if (found->kind != had->kind) {
        return false;
    }
    if (found->kind == ALERT_NEW_NETWORK || found->kind == ALERT_NEW_COUNTRY ||
        (found->kind == ALERT_DOWNLOAD && !found->by.n)) {
        return found->salt == had->salt; // it is told of once
    }
    if (found->kind == ALERT_GUESSED || found->kind == ALERT_TRAVEL ||
        found->kind == ALERT_DOWNLOAD) {
        return found->salt == had->salt && found->when_ms - had->when_ms < DAY_MS;
    }
    return found->trigger == had->trigger && found->salt == had->salt;
}

static bool look_at_past(void *arg, const struct alert_row *row)
{
    struct past *p = arg;
    const struct alert *a = &row->is;
    const struct look *l = p->look;
    bool is_due = row->state & (ALERT_LETTER_DUE | ALERT_HOOK_DUE);

    p->rows++;
    if (!is_due && p->oldest_n < FOUND_MAX) {
        p->oldest[p->oldest_n++] = (struct alert){
            .account = a->account, .trigger = a->trigger, .kind = a->kind, .salt = a->salt};
    }
    for (size_t i = 0; i < l->found_n; i++) {
        p->is_known[i] |= is_same_news(&l->found[i], a);
    }
    if (row->state & (ALERT_HELD_BACK | ALERT_MUTED)) {
        p->held_back[a->kind] += (row->state & ALERT_HELD_BACK) != 0;
        return true;
    }
    p->held_back[a->kind] = 0;
    p->last_ms[a->kind] = a->when_ms;
    p->told[a->kind] += clock_real_ms() - a->when_ms < DAY_MS;
    return true;
}

static bool is_repeated(const struct look *l, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (is_same_news(&l->found[i], &l->found[j])) {
            return true;
        }
    }
    return false;
}

static unsigned state_of(const struct look *l, const struct past *p, const struct alert *a,
                         const struct alert_mute *m)
{
    bool is_muted = m->kinds & 1u << a->kind && (m->until == 0 || m->until > clock_real_s());

    if (is_muted) {
        return ALERT_MUTED;
    }
    if (!alert_may_be_told(&l->w->o.rules, a->kind, a->when_ms, p->last_ms[a->kind],
                           p->told[a->kind])) {
        return ALERT_HELD_BACK;
    }
    return ALERT_LETTER_DUE | (l->w->hook.send ? (unsigned)ALERT_HOOK_DUE : 0);
}

// Adds what is new to the batch; marks in `is_known` what is not.
static enum err put_found(struct look *l, struct past *p, struct batch *b, bool *out_due)
{
    struct alert_mute mute;
    size_t gone = 0;
    enum err e = alert_mute_get(store_engine(l->w->o.store), l->account, &mute);

    for (size_t i = 0; i < l->found_n && e == ERR_OK; i++) {
        struct alert_row row = {.is = l->found[i]};

        if (p->is_known[i] || is_repeated(l, i)) {
            p->is_known[i] = true;
            continue;
        }
        row.state = state_of(l, p, &row.is, &mute);
        if (row.state & ALERT_LETTER_DUE) {
            row.is.not_told = p->held_back[row.is.kind];
            p->last_ms[row.is.kind] = row.is.when_ms;
            p->told[row.is.kind]++;
            p->held_back[row.is.kind] = 0;
            *out_due = true;
        }
        e = alert_row_put(b, &row);
        if (++p->rows > ALERTS_MAX && gone < p->oldest_n && e == ERR_OK) {
            e = alert_row_delete(b, &p->oldest[gone++]);
        }
    }
    return e;
}

static void log_found(const struct look *l, const struct past *p)
{
    struct account account = {.name = SPAN("")};

    directory_account_by_id(l->w->o.store, l->account, l->arena, &account);
    for (size_t i = 0; i < l->found_n; i++) {
        const struct alert *a = &l->found[i];

        if (!p->is_known[i]) {
            log_warn("alert kind=%s account=%s id=%llu-%llu-%u-%u network=\"%s\" count=%llu "
                     "by=\"%s\" words=\"%s\"",
                     alert_kind_name(a->kind), log_text(account.name).s,
                     (unsigned long long)a->account, (unsigned long long)a->trigger,
                     (unsigned)a->kind, a->salt, log_text(a->network).s,
                     (unsigned long long)a->count, log_text(a->by).s, log_text(a->words).s);
        }
    }
}

static enum err raise(struct look *l, struct past *p, bool *out_due)
{
    struct engine *engine = store_engine(l->w->o.store);
    struct batch *b;
    enum err e = alert_rows_each(engine, l->account, look_at_past, p);

    e = e == ERR_OK ? batch_create(ALERT_ACCOUNT, &b) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = put_found(l, p, b, out_due);
    e = e == ERR_OK ? alert_cursor_put(b, l->account, &l->seen->cursor) : e;
    e = e == ERR_OK ? engine_commit(engine, b, ENGINE_ANY_VERSION) : e;
    batch_destroy(b);
    if (e == ERR_OK) {
        l->seen->is_unsaved = false;
        log_found(l, p);
    }
    return e;
}

enum err look_raise(struct look *l, bool *out_due)
{
    if (l->found_n == 0) {
        return ERR_OK;
    }
    struct past *p = arena_zalloc(l->arena, 1, sizeof(*p));

    if (!p) {
        return ERR_NOMEM;
    }
    p->look = l;
    return raise(l, p, out_due);
}
