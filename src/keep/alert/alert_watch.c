// SPDX-License-Identifier: Apache-2.0
//
// Which accounts are looked at, and when.
#include "keep/alert/alert_watch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/alert/alert_watch_internal.h"
#include "store/directory.h"
#include "store/quota.h"

#include "base/banned.h"

#define PEOPLE_LAST     0xFFFFFFFF00000000ull // accounts of the engine above it are nobody's
#define SAVE_MS         60000
#define FORGET_MS       86400000ll
#define ACCOUNTS_A_PASS 512

// ---- noting -------------------------------------------------------------------------------------

bool alert_watch_note_locked(struct alert_watch *w, account_id account)
{
    size_t at = (size_t)(account * 0x9E3779B97F4A7C15ull >> 32) % NOTED_SLOTS;

    if (w->noted_n >= NOTED_SLOTS / 4 * 3) {
        w->is_overflown = true;
    } else {
        while (w->noted[at] && w->noted[at] != account) {
            at = (at + 1) % NOTED_SLOTS;
        }
        w->noted_n += w->noted[at] == 0;
        w->noted[at] = account;
    }
    bool wakes = !w->is_awake;

    w->is_awake = true;
    return wakes;
}

void alert_watch_note(void *arg, account_id account, modseq version)
{
    struct alert_watch *w = arg;

    (void)version;
    if (account == 0 || account > PEOPLE_LAST) {
        return;
    }
    lock_take(&w->lock);
    bool wakes = alert_watch_note_locked(w, account);

    lock_release(&w->lock);
    if (wakes) {
        w->wake(w->arg, ALERT_LOOK_MS);
    }
}

void alert_watch_due(struct alert_watch *w)
{
    lock_take(&w->lock);
    w->is_awake = true;
    lock_release(&w->lock);
    w->wake(w->arg, ALERT_LOOK_MS);
}

// ---- accounts looked at -------------------------------------------------------------------------

static struct span id_key(const account_id *id)
{
    return span_of(id, sizeof(*id));
}

void alert_watch_save(struct alert_watch *w)
{
    struct batch *b;
    size_t cursor = 0, n = 0;
    struct span key;
    void *one;
    enum err e = batch_create(ALERT_ACCOUNT, &b);

    if (e != ERR_OK) {
        return;
    }
    while (e == ERR_OK && map_next(&w->seen, &cursor, &key, &one)) {
        struct seen *s = one;

        if (s->is_unsaved) {
            e = alert_cursor_put(b, s->account, &s->cursor);
            n++;
        }
    }
    e = e == ERR_OK && n ? engine_commit(store_engine(w->o.store), b, ENGINE_ANY_VERSION) : e;
    batch_destroy(b);
    for (cursor = 0; e == ERR_OK && map_next(&w->seen, &cursor, &key, &one);) {
        ((struct seen *)one)->is_unsaved = false;
    }
    w->save_at_ms = clock_monotonic_ms() + SAVE_MS;
}

static void forget_seen(struct alert_watch *w)
{
    size_t cursor = 0;
    struct span key;
    void *one;

    while (map_next(&w->seen, &cursor, &key, &one)) {
        free(one);
    }
    map_finish(&w->seen);
    map_init(&w->seen);
}

// NULL: no memory. `*out_new`: nothing is known of it, not even by its row.
static struct seen *seen_of(struct alert_watch *w, account_id account, bool *out_read,
                            bool *out_new)
{
    struct seen *s = map_get(&w->seen, id_key(&account));

    *out_read = *out_new = false;
    if (s) {
        return s;
    }
    if (w->seen.n >= SEEN_MAX) { // what was counted is counted again from the log
        alert_watch_save(w);
        forget_seen(w);
    }
    s = calloc(1, sizeof(*s));
    if (!s || map_put(&w->seen, id_key(&account), s, NULL) != ERR_OK) {
        free(s);
        return NULL;
    }
    s->account = account;
    enum err e = alert_cursor_get(store_engine(w->o.store), account, &s->cursor);

    *out_read = e == ERR_OK;
    *out_new = e != ERR_OK;
    s->is_unsaved = *out_new;
    return s;
}

static void unsee(struct alert_watch *w, account_id account)
{
    free(map_remove(&w->seen, id_key(&account)));
}

// ---- one account --------------------------------------------------------------------------------

void look_found(struct look *l, const struct alert *a)
{
    struct alert *to = &l->found[l->found_n];

    if (l->found_n == FOUND_MAX || l->w->o.rules.off & 1u << a->kind) {
        return;
    }
    *to = *a;
    to->account = l->account;
    struct span *texts[] = {&to->network, &to->client, &to->device, &to->by, &to->words};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = arena_dup(l->arena, span_first(*texts[i], ALERT_TEXT_BYTES_MAX));
        if (!texts[i]->p) {
            return;
        }
    }
    l->found_n++;
}

static void look_at_quota(struct look *l, struct view *v)
{
    struct quota q;
    struct alert_cursor *c = &l->seen->cursor;

    if (view_quota(v, &q) != ERR_OK) {
        return;
    }
    unsigned bytes = alert_quota_level(q.bytes, q.bytes_max, c->quota),
             messages = alert_quota_level(q.messages, q.messages_max, c->quota),
             now = bytes > messages ? bytes : messages;

    if (now > c->quota) {
        look_found(l, &(struct alert){.kind = ALERT_QUOTA,
                                      .trigger = view_modseq(v),
                                      .when_ms = clock_real_ms(),
                                      .count = now});
    }
    l->seen->is_unsaved |= now != c->quota;
    c->quota = now;
}

// Under one view: changes, then quota.
static enum err look_in_view(struct look *l, bool is_read, bool *out_more)
{
    struct view *v;
    enum err e = view_open(l->w->o.store, l->account, &v);

    if (e != ERR_OK) {
        return e;
    }
    modseq version = view_modseq(v);

    e = is_read ? look_back(l, v) : ERR_OK;
    e = e == ERR_OK ? look_at_changes(l, v, out_more) : e;
    if (e == ERR_OK && !*out_more) {
        look_at_quota(l, v);
        l->seen->is_unsaved |= l->seen->cursor.seen != version;
        l->seen->cursor.seen = version;
    }
    view_close(v);
    return e;
}

static enum err look_at(struct look *l, bool is_read, bool *out_more, bool *out_due)
{
    const struct alert_cursor before = l->seen->cursor;
    enum err e = look_in_view(l, is_read, out_more);

    if (e == ERR_OK) {
        const modseq seen = l->seen->cursor.seen;

        // By what was seen before; a row that changed meanwhile is looked at again, and known.
        l->seen->cursor.seen = before.seen;
        e = look_at_signins(l);
        l->seen->cursor.seen = seen;
    }
    e = e == ERR_OK ? look_at_downloads(l) : e;
    if (e == ERR_OK && l->rules_changed) {
        e = look_at_outward(l, false);
    }
    e = e == ERR_OK ? look_raise(l, out_due) : e;
    if (e != ERR_OK) {
        l->seen->cursor = before; // all of it once more
    }
    return e;
}

// True: it is to be looked at again.
static bool look_at_account(struct alert_watch *w, account_id account, bool *due)
{
    bool is_read, is_new, more = false;
    struct seen *s = seen_of(w, account, &is_read, &is_new);
    struct arena arena;

    if (!s) {
        return false;
    }
    arena_init(&arena, 16u << 20);
    struct look *l = arena_zalloc(&arena, 1, sizeof(*l));
    enum err e = ERR_NOMEM;

    if (l) {
        l->w = w;
        l->account = account;
        l->seen = s;
        l->arena = &arena;
        e = look_at(l, is_read, &more, due);
    }
    arena_finish(&arena);
    if (e == ERR_NOT_FOUND) { // it was removed, or is being made
        unsee(w, account);
        if (!is_new) {
            alert_forget(store_engine(w->o.store), account);
        }
    } else if (e != ERR_OK) {
        unsee(w, account); // what is counted may be half of it
        if (e != ERR_UNAVAILABLE) {
            log_warn("account %llu could not be looked at for alerts: %s",
                     (unsigned long long)account, err_name(e));
        }
    }
    return e == ERR_OK && more;
}

// ---- all accounts -------------------------------------------------------------------------------

struct pass {
    account_id ids[ACCOUNTS_A_PASS];
    size_t n, skip;
};

static bool collect(void *arg, const struct account *a)
{
    struct pass *p = arg;

    if (p->skip) {
        p->skip--;
        return true;
    }
    p->ids[p->n++] = a->id;
    return p->n < ACCOUNTS_A_PASS;
}

// An account that was here before alerts were: nothing of its past is news.
static enum err begin_with(struct alert_watch *w, struct batch *b, account_id account)
{
    struct arena arena;
    struct seen seen = {.account = account};
    struct view *v;
    enum err e = view_open(w->o.store, account, &v);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    seen.cursor.seen = view_modseq(v);
    seen.cursor.since = clock_real_s();
    view_close(v);
    arena_init(&arena, 16u << 20);
    struct look *l = arena_zalloc(&arena, 1, sizeof(*l));

    if (l) {
        l->w = w;
        l->account = account;
        l->seen = &seen;
        l->arena = &arena;
        look_at_outward(l, true);
        e = alert_cursor_put(b, account, &seen.cursor);
    }
    arena_finish(&arena);
    return e;
}

static bool has_changed(struct alert_watch *w, account_id account, const struct alert_cursor *c)
{
    struct snapshot *s;
    uint64_t version = 0;

    if (snapshot_open(store_engine(w->o.store), &s) != ERR_OK) {
        return true;
    }
    enum err e = snapshot_version(s, account, &version);

    snapshot_close(s);
    return e != ERR_OK || version > c->seen;
}

static enum err pass_over(struct alert_watch *w, const struct pass *p, bool all_have_rows)
{
    struct alert_cursor c;
    struct batch *b;
    enum err e = batch_create(ALERT_ACCOUNT, &b);

    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < p->n && e == ERR_OK; i++) {
        enum err got = alert_cursor_get(store_engine(w->o.store), p->ids[i], &c);

        if (got == ERR_NOT_FOUND && !all_have_rows) {
            e = begin_with(w, b, p->ids[i]);
        } else if (got != ERR_OK || has_changed(w, p->ids[i], &c)) {
            lock_take(&w->lock);
            alert_watch_note_locked(w, p->ids[i]);
            lock_release(&w->lock);
        }
    }
    if (p->n < ACCOUNTS_A_PASS && e == ERR_OK && !all_have_rows) { // the last pass
        e = alert_mark_put(b);
    }
    e = e == ERR_OK ? engine_commit(store_engine(w->o.store), b, ENGINE_ANY_VERSION) : e;
    batch_destroy(b);
    return e;
}

// Notes every account that has changed since it was looked at. False: try again.
static bool note_all(struct alert_watch *w)
{
    struct pass p = {.n = ACCOUNTS_A_PASS};
    bool all_have_rows = false;
    enum err e = alert_mark_get(store_engine(w->o.store), &all_have_rows);

    for (size_t done = 0; p.n == ACCOUNTS_A_PASS && e == ERR_OK; done += p.n) {
        if (w->is_stopping(w->arg)) {
            return false;
        }
        p.n = 0;
        p.skip = done;
        e = directory_account_list(w->o.store, SPAN(""), collect, &p);
        e = e == ERR_OK ? pass_over(w, &p, all_have_rows) : e;
    }
    if (e != ERR_OK && e != ERR_UNAVAILABLE) {
        log_warn("accounts could not be looked at for alerts: %s", err_name(e));
    }
    return e == ERR_OK;
}

// ---- a turn -------------------------------------------------------------------------------------

// While alerts are off everything is looked at all the same, so that what happened then is no news
// when they are on again.
static void take_settings(struct alert_watch *w)
{
    lock_take(&w->lock);
    w->o = w->set;
    lock_release(&w->lock);
    if (!w->o.is_on) {
        w->o.rules.off = UINT32_MAX;
    }
}

// Takes what was noted; NULL: nothing, or no memory, and then it stays.
static account_id *take_noted(struct alert_watch *w, bool *out_all)
{
    account_id *fresh = calloc(NOTED_SLOTS, sizeof(account_id)), *old = NULL;

    *out_all = false;
    lock_take(&w->lock);
    w->is_awake = false;
    if (fresh && w->noted_n) {
        old = w->noted;
        w->noted = fresh;
        w->noted_n = 0;
        fresh = NULL;
    }
    if (w->is_overflown) {
        *out_all = true;
        w->is_overflown = false;
    }
    lock_release(&w->lock);
    free(fresh);
    return old;
}

static void note_again(struct alert_watch *w, account_id account)
{
    lock_take(&w->lock);
    bool wakes = alert_watch_note_locked(w, account);

    lock_release(&w->lock);
    if (wakes) {
        w->wake(w->arg, ALERT_LOOK_MS);
    }
}

static void forget_old(struct alert_watch *w)
{
    if (clock_monotonic_ms() >= w->forget_at_ms) {
        w->forget_at_ms = clock_monotonic_ms() + FORGET_MS;
        alert_rows_forget(store_engine(w->o.store), clock_real_ms() - w->o.keep_ms);
    }
}

void alert_watch_turn(struct alert_watch *w)
{
    bool all, due = false;
    account_id *noted;

    take_settings(w);
    if (!w->was_started) {
        w->was_started = note_all(w);
    }
    noted = take_noted(w, &all);
    for (size_t i = 0; noted && i < NOTED_SLOTS && !w->is_stopping(w->arg); i++) {
        if (noted[i] && look_at_account(w, noted[i], &due)) {
            note_again(w, noted[i]);
        }
    }
    free(noted);
    if (all) {
        w->was_started = false; // and so at all of them with the next turn
        alert_watch_due(w);
    }
    alert_tell(w);
    alert_hook_turn(w);
    if (clock_monotonic_ms() >= w->save_at_ms) {
        alert_watch_save(w);
    }
    forget_old(w);
}

// ---- life ---------------------------------------------------------------------------------------

enum err alert_watch_create(const struct alert_watch_options *o, struct alert_watch **out)
{
    struct alert_watch *w = calloc(1, sizeof(*w));

    if (!w) {
        return ERR_NOMEM;
    }
    w->noted = calloc(NOTED_SLOTS, sizeof(account_id));
    if (!w->noted) {
        free(w);
        return ERR_NOMEM;
    }
    w->o = w->set = *o;
    w->wake = o->wake;
    w->is_stopping = o->is_stopping;
    w->arg = o->arg;
    w->hook.send = o->hook_send;
    w->hook.arg = o->hook_arg;
    w->hook.key = o->hook_key;
    lock_init(&w->lock, LOCK_LEAF);
    map_init(&w->seen);
    map_init(&w->readers);
    w->save_at_ms = clock_monotonic_ms() + SAVE_MS;
    *out = w;
    return ERR_OK;
}

void alert_watch_destroy(struct alert_watch *w)
{
    if (w) {
        forget_seen(w);
        map_finish(&w->seen);
        alert_readers_finish(w);
        lock_finish(&w->lock);
        free(w->noted);
        free(w);
    }
}

void alert_watch_set(struct alert_watch *w, const struct alert_watch_options *o)
{
    lock_take(&w->lock);
    struct alert_watch_options set = w->set;

    set.rules = o->rules;
    set.is_on = o->is_on;
    set.keep_ms = o->keep_ms;
    w->set = set;
    lock_release(&w->lock);
}
