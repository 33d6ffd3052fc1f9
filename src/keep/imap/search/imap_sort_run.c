// SPDX-License-Identifier: Apache-2.0
//
// Puts messages in order. The first criterion reads the keys of all of them, in the order of the
// mailbox and in steps of some milliseconds, each with a view of its own; a further one reads only
// those that are still equal to others.
#include <stdlib.h>

#include "base/clock.h"
#include "keep/imap/search/imap_search_internal.h"
#include "store/placement/sort_scan.h"

#include "base/banned.h"

#define STEP_US         10000
#define SORTED_AT_ONCE  20000
#define TEXT_BYTES      (16u << 10) // of one key, collated
#define TEXTS_BYTES_MAX (1u << 30)
#define MESSAGE_BYTES   (sizeof(struct sort_entry) + 40) // to be kept free for each

enum err sort_run_begin(struct imap_session *s, const struct imap_sort_criterion *criteria,
                        size_t n, struct uid_set uids, struct sort_run *run)
{
    size_t count = uid_set_size(uids);

    *run = (struct sort_run){.criteria = criteria, .n = n, .uids = uids};
    sorter_init(&run->sorter, TEXTS_BYTES_MAX);
    buf_init(&run->text, TEXT_BYTES);
    if (!imap_orders_begin(s->server->orders, count * MESSAGE_BYTES)) {
        return ERR_UNAVAILABLE;
    }
    run->reserved = count * MESSAGE_BYTES;
    run->goal = count;
    run->next = uids.count ? uids.ranges[0].first : 0;
    sorter_criterion(&run->sorter, criteria[0].reverse);
    return sorter_reserve(&run->sorter, count);
}

void sort_run_finish(struct imap_session *s, struct sort_run *run)
{
    sorter_finish(&run->sorter);
    buf_finish(&run->text);
    imap_orders_end(s->server->orders, run->reserved);
    run->reserved = 0;
}

// ---- loading keys -------------------------------------------------------------------------------

static struct span text_of(enum imap_sort_key key, const struct sort_keys *k)
{
    switch (key) {
    case IMAP_SORT_CC:
        return k->cc;
    case IMAP_SORT_DISPLAYFROM:
        return k->display_from;
    case IMAP_SORT_DISPLAYTO:
        return k->display_to;
    case IMAP_SORT_FROM:
        return k->from;
    case IMAP_SORT_TO:
        return k->to;
    default:
        return k->subject;
    }
}

enum err sort_value_of(enum collation collation, enum imap_sort_key key, struct sort_scan *keys,
                       const struct placement *p, struct buf *text, struct sort_value *out)
{
    struct sort_keys k;

    *out = (struct sort_value){.number = key == IMAP_SORT_SIZE ? p->bytes : p->internal_date};
    if (key == IMAP_SORT_ARRIVAL || key == IMAP_SORT_SIZE) {
        return ERR_OK;
    }
    enum err e = sort_scan_get(keys, p->message, &k);

    if (e == ERR_NOT_FOUND) { // damage: it sorts as if it said nothing
        k = (struct sort_keys){.sent = p->internal_date};
        e = ERR_OK;
    }
    if (e || key == IMAP_SORT_DATE) {
        out->number = e ? 0 : k.sent;
        return e;
    }
    out->is_text = true;
    buf_clear(text);
    collate(text, collation, text_of(key, &k));
    return ERR_OK;
}

static enum err load_key(struct imap_session *s, struct sort_run *run, struct sort_scan *keys,
                         const struct placement *p, struct sort_entry *entry)
{
    struct sort_value value;
    enum err e =
        sort_value_of(s->collation, run->criteria[run->at].key, keys, p, &run->text, &value);

    if (!e && value.is_text) {
        return sorter_set_text(&run->sorter, entry, buf_span(&run->text));
    }
    sorter_set_number(&run->sorter, entry, value.number);
    return e;
}

// The entry of a message: a new one for the first criterion, else the one it has; NULL: none that
// needs a key.
static struct sort_entry *entry_of(struct sort_run *run, uint32_t uid)
{
    struct sorter *sorter = &run->sorter;

    if (run->at == 0) {
        return sorter_add(sorter, uid);
    }
    while (run->entry < sorter->n && sorter->entries[run->entry].uid < uid) {
        run->entry++;
    }
    struct sort_entry *e = run->entry < sorter->n ? &sorter->entries[run->entry] : NULL;

    return e && e->uid == uid && e->is_tied ? e : NULL;
}

static enum err load_range(struct imap_session *s, struct sort_run *run, struct view *v,
                           struct sort_scan *keys, int64_t until_us)
{
    struct placement_scan *scan;
    struct placement p;
    unsigned looked = 0;
    enum err e = placement_scan_open(v, s->selected->mailbox, run->next,
                                     run->uids.ranges[run->range].last, 0, &scan);

    while (!e && !(e = placement_next(scan, &p))) {
        struct sort_entry *entry = entry_of(run, p.uid);

        run->next = p.uid + 1;
        run->loaded += run->at == 0;
        e = entry ? load_key(s, run, keys, &p, entry) : ERR_OK;
        if (!e && ++looked % 256 == 0 && clock_monotonic_us() > until_us) {
            e = ERR_AGAIN;
        }
    }
    placement_scan_close(scan);
    return e;
}

static enum err load_some(struct imap_session *s, struct sort_run *run, struct view *v,
                          int64_t until_us)
{
    struct sort_scan *keys;
    enum err e = sort_scan_open(v, &keys);

    if (e) {
        return e;
    }
    while (!e && run->range < run->uids.count) {
        e = load_range(s, run, v, keys, until_us);
        if (e == ERR_NOT_FOUND) {
            e = ERR_OK;
            if (++run->range < run->uids.count) {
                run->next = run->uids.ranges[run->range].first;
            }
            if (run->range < run->uids.count && clock_monotonic_us() > until_us) {
                e = ERR_AGAIN;
            }
        }
    }
    sort_scan_close(keys);
    return e;
}

static enum err load_step(struct imap_session *s, struct sort_run *run, int64_t until_us)
{
    struct view *v;
    enum err e = imap_view_open(s, s->selected->account, &v);

    if (!e) {
        e = load_some(s, run, v, until_us);
        view_close(v);
    }
    if (!e) {
        sorter_begin(&run->sorter);
        run->phase = SORT_SORTS;
    }
    return e;
}

// ---- sorting ------------------------------------------------------------------------------------

static bool sort_some(struct sort_run *run, int64_t until_us)
{
    while (!sorter_step(&run->sorter, SORTED_AT_ONCE)) {
        if (clock_monotonic_us() > until_us) {
            return false;
        }
    }
    return true;
}

// One criterion is done: the next, if any are equal in it.
static void next_criterion(struct sort_run *run)
{
    bool is_tied = sorter_rank(&run->sorter);

    if (!is_tied || run->at + 1 == run->n) {
        run->phase = SORT_IS_DONE;
        return;
    }
    run->at++;
    run->range = run->entry = 0;
    run->next = run->uids.ranges[0].first;
    sorter_begin_by_uid(&run->sorter);
    run->phase = SORT_TURNS_BACK;
}

enum err sort_run_step(struct imap_session *s, struct sort_run *run)
{
    int64_t until_us = clock_monotonic_us() + STEP_US;

    if (run->phase == SORT_LOADS) {
        enum err e = load_step(s, run, until_us);

        return e ? e : ERR_AGAIN;
    }
    if (run->phase != SORT_IS_DONE && !sort_some(run, until_us)) {
        return ERR_AGAIN;
    }
    if (run->phase == SORT_SORTS) {
        next_criterion(run);
    } else if (run->phase == SORT_TURNS_BACK) {
        sorter_end_by_uid(&run->sorter);
        sorter_criterion(&run->sorter, run->criteria[run->at].reverse);
        run->phase = SORT_LOADS;
    }
    return run->phase == SORT_IS_DONE ? ERR_OK : ERR_AGAIN;
}

// ---- picking ------------------------------------------------------------------------------------

enum err sort_pick(struct imap_order *order, struct uid_set set, uint32_t **out, size_t *out_n)
{
    size_t most = uid_set_size(set), n = 0;
    uint32_t *picked = malloc((order->n < most ? order->n : most) * sizeof(*picked) + 1);

    if (!picked) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < order->n; i++) {
        uint32_t uid = order->numbers[i];

        if (set.count == 1 ? uid >= set.ranges[0].first && uid <= set.ranges[0].last
                           : uid_set_has(set, uid)) {
            picked[n++] = uid;
        }
    }
    *out = picked;
    *out_n = n;
    return ERR_OK;
}
