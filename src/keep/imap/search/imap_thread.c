// SPDX-License-Identifier: Apache-2.0
//
// THREAD and UID THREAD (RFC 5256): ORDEREDSUBJECT, REFERENCES, and REFS of
// draft-ietf-morg-inthread. The threads of a whole mailbox are kept for all sessions, and right as
// long as it has the same messages.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "keep/imap/imap_limit.h"
#include "keep/imap/search/imap_search_internal.h"
#include "store/placement/sort_scan.h"

#include "base/banned.h"

#define STEP_US          10000
#define THREADED_AT_ONCE 5000
#define SUBJECT_BYTES    (16u << 10)
#define MESSAGE_BYTES    140 // of memory for each
#define KEPT_FROM        100 // messages
#define KEY_BYTES        19

struct thread_state {
    struct search_run search;
    struct threader threader;
    struct imap_order *order; // held
    const uint32_t *tokens;   // the answer
    size_t token_n, at;
    size_t range;  // of what was found
    uint32_t next; // UID to go on at
    struct buf subject;
    size_t reserved; // with imap_orders_begin
    enum { THREAD_SEARCHES, THREAD_LOADS, THREAD_THINKS, THREAD_WRITES } phase;
    bool is_head_written, after_number;
    char key[KEY_BYTES];
    struct imap_session *session;
};

static void thread_cleanup(void *state)
{
    struct thread_state *st = state;
    struct imap_orders *orders = st->session->server->orders;

    search_run_finish(&st->search);
    threader_finish(&st->threader);
    buf_finish(&st->subject);
    imap_orders_release(orders, st->order);
    imap_orders_end(orders, st->reserved);
}

static enum imap_step thread_begin(struct imap_session *s)
{
    static const enum thread_algorithm algorithms[] = {
        [IMAP_THREAD_ORDEREDSUBJECT] = THREAD_ORDEREDSUBJECT,
        [IMAP_THREAD_REFERENCES] = THREAD_REFERENCES,
        [IMAP_THREAD_REFS] = THREAD_REFS,
    };
    struct imap_thread *thread = &s->command.thread;
    struct thread_state *st = imap_state(s, sizeof(*st));

    if (!st) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    st->session = s;
    s->cleanup = thread_cleanup;
    threader_init(&st->threader, algorithms[thread->algorithm]);
    buf_init(&st->subject, SUBJECT_BYTES);
    st->key[0] = 'T';
    put_be64(st->key + 1, s->selected->account);
    put_be32(st->key + 9, s->selected->mailbox);
    put_be32(st->key + 13, s->selected->uid_validity);
    st->key[17] = (char)s->collation;
    st->key[18] = (char)thread->algorithm;
    if (s->options.messages_max && s->selected->map.exists > s->options.messages_max) {
        return imap_limit_refuse(s); // RFC 9738 section 3.3
    }
    return search_run_begin(s, &thread->search, true, &st->search);
}

// ---- threads that are kept ----------------------------------------------------------------------

static uint64_t mark_of(const struct thread_state *st)
{
    struct uid_set set = st->search.found.set;

    return set.count ? XXH3_64bits(set.ranges, set.count * sizeof(*set.ranges)) : 0;
}

static void use_order(struct thread_state *st, struct imap_order *order)
{
    st->order = order;
    st->tokens = order->numbers;
    st->token_n = order->n;
    st->phase = THREAD_WRITES;
}

static enum imap_step after_search(struct imap_session *s, struct thread_state *st)
{
    struct uid_set set = st->search.found.set;
    struct imap_order *order = imap_orders_get(s->server->orders, span_of(st->key, KEY_BYTES));

    if (order && order->mark == mark_of(st) && set.count) {
        use_order(st, order);
        return STEP_MORE;
    }
    imap_orders_release(s->server->orders, order);
    size_t bytes = (size_t)uid_set_size(set) * MESSAGE_BYTES;

    if (!imap_orders_begin(s->server->orders, bytes)) {
        return imap_answer_no(s, "UNAVAILABLE", "Too much is being sorted just now; try again");
    }
    st->reserved = bytes;
    st->next = set.count ? set.ranges[0].first : 0;
    st->phase = THREAD_LOADS;
    return STEP_MORE;
}

static enum err keep_order(struct imap_session *s, struct thread_state *st)
{
    struct threader *t = &st->threader;
    bool is_whole = uid_set_size(st->search.found.set) == s->selected->map.exists;

    if (!is_whole || t->n < KEPT_FROM) {
        st->tokens = t->tokens;
        st->token_n = t->token_n;
        st->phase = THREAD_WRITES;
        return ERR_OK;
    }
    uint32_t *tokens = t->tokens;
    size_t n = t->token_n;

    t->tokens = NULL;
    threader_finish(t);
    struct imap_order *order =
        imap_orders_put(s->server->orders, span_of(st->key, KEY_BYTES), mark_of(st), tokens, n);

    if (!order) {
        return ERR_NOMEM;
    }
    use_order(st, order);
    return ERR_OK;
}

// ---- loading ------------------------------------------------------------------------------------

// A subject's hash stands for it: 0 is the empty one.
static uint64_t subject_of(struct imap_session *s, struct thread_state *st, struct span subject)
{
    buf_clear(&st->subject);
    collate(&st->subject, s->collation, subject);
    uint64_t hash = st->subject.n ? XXH3_64bits(st->subject.p, st->subject.n) : 0;

    return st->subject.n && !hash ? 1 : hash;
}

static enum err load_message(struct imap_session *s, struct thread_state *st,
                             struct sort_scan *keys, const struct placement *p)
{
    struct sort_keys k;
    enum err e = sort_scan_get(keys, p->message, &k);

    if (e == ERR_NOT_FOUND) { // damage: it is alone
        k = (struct sort_keys){.sent = p->internal_date};
        e = ERR_OK;
    }
    if (e) {
        return e;
    }
    struct thread_message m = {
        .id = k.id,
        .has_id = k.has_id,
        .subject = subject_of(s, st, k.subject),
        .date = k.sent,
        .uid = p->uid,
        .is_reply = k.is_reply,
    };

    return threader_add(&st->threader, &m, k.references);
}

static enum err load_range(struct imap_session *s, struct thread_state *st, struct view *v,
                           struct sort_scan *keys, int64_t until_us)
{
    struct placement_scan *scan;
    struct placement p;
    enum err e = placement_scan_open(v, s->selected->mailbox, st->next,
                                     st->search.found.set.ranges[st->range].last, 0, &scan);

    while (!e && !(e = placement_next(scan, &p))) {
        st->next = p.uid + 1;
        e = load_message(s, st, keys, &p);
        if (!e && st->threader.n % 256 == 0 && clock_monotonic_us() > until_us) {
            e = ERR_AGAIN;
        }
    }
    placement_scan_close(scan);
    return e;
}

static enum err load_some(struct imap_session *s, struct thread_state *st, struct view *v)
{
    int64_t until_us = clock_monotonic_us() + STEP_US;
    struct uid_set set = st->search.found.set;
    struct sort_scan *keys;
    enum err e = sort_scan_open(v, &keys);

    if (e) {
        return e;
    }
    while (!e && st->range < set.count) {
        e = load_range(s, st, v, keys, until_us);
        if (e == ERR_NOT_FOUND) {
            e = ERR_OK;
            st->next = ++st->range < set.count ? set.ranges[st->range].first : 0;
            if (st->range < set.count && clock_monotonic_us() > until_us) {
                e = ERR_AGAIN;
            }
        }
    }
    sort_scan_close(keys);
    return e;
}

static enum err load_step(struct imap_session *s, struct thread_state *st)
{
    struct view *v;
    enum err e = imap_view_open(s, s->selected->account, &v);

    if (!e) {
        e = load_some(s, st, v);
        view_close(v);
    }
    st->phase = e ? st->phase : THREAD_THINKS;
    return e;
}

static enum err think_step(struct imap_session *s, struct thread_state *st)
{
    int64_t until_us = clock_monotonic_us() + STEP_US;
    enum err e;

    do {
        e = threader_step(&st->threader, THREADED_AT_ONCE);
    } while (e == ERR_AGAIN && clock_monotonic_us() < until_us);
    return e ? e : keep_order(s, st);
}

// ---- writing ------------------------------------------------------------------------------------

static enum imap_step thread_write(struct imap_session *s, struct thread_state *st)
{
    if (!st->is_head_written) {
        buf_put_str(s->out, st->token_n ? "* THREAD " : "* THREAD");
        st->is_head_written = true;
    }
    for (; st->at < st->token_n; st->at++) {
        uint32_t token = st->tokens[st->at];
        bool is_number = token != THREAD_OPEN && token != THREAD_CLOSE;

        if (imap_batch_is_full(s)) {
            return STEP_MORE;
        }
        if (st->after_number && token != THREAD_CLOSE) {
            buf_put_byte(s->out, ' ');
        }
        if (is_number) {
            buf_put_u64(s->out, s->command.uid ? token : uid_map_seq(&s->selected->map, token));
        } else {
            buf_put_byte(s->out, token == THREAD_OPEN ? '(' : ')');
        }
        st->after_number = is_number;
    }
    OUT(s, "\r\n");
    return imap_answer_ok(s, "THREAD completed");
}

// The search and the reading count the same; the threading itself is quick.
static void tell_progress(struct imap_session *s, const struct thread_state *st)
{
    uint64_t part = st->search.goal, goal = 2 * part, done = part + st->threader.n;

    imap_progress(s, done < goal ? done : goal - 1, goal);
}

enum imap_step imap_run_thread(struct imap_session *s)
{
    struct thread_state *st = s->state;
    enum err e = ERR_OK;

    if (!st) {
        return thread_begin(s);
    }
    switch (st->phase) {
    case THREAD_SEARCHES:
        return st->search.is_done ? after_search(s, st) : search_run_step(s, &st->search);
    case THREAD_LOADS:
        e = load_step(s, st);
        break;
    case THREAD_THINKS:
        e = think_step(s, st);
        break;
    case THREAD_WRITES:
        return thread_write(s, st);
    }
    if (e && e != ERR_AGAIN) {
        return imap_answer_err(s, e);
    }
    if (st->phase != THREAD_WRITES) {
        tell_progress(s, st);
    }
    return STEP_MORE;
}
