// SPDX-License-Identifier: Apache-2.0
//
// SORT and UID SORT (RFC 5256) with DISPLAYFROM and DISPLAYTO (RFC 5957), ESORT (RFC 5267 section
// 3), PARTIAL (RFC 9394) and MODSEQ (RFC 7162 section 3.1.5).
//
// What must be sorted of a mailbox is nearly always all of it, or a part that is asked for again
// and again in other words. So when a good part is wanted, the whole is sorted, kept for all
// sessions (imap_orders.h), and the part picked out of it.
#include <stdlib.h>

#include "base/bytes.h"
#include "keep/imap/search/imap_search_internal.h"

#include "base/banned.h"

// Fewer than one in so many of the mailbox are sorted by themselves.
#define WHOLE_FROM 8
#define KEPT_FROM  100 // messages: what is smaller is sorted as quickly as it is found
#define KEY_BYTES  (21 + IMAP_SORT_KEYS_MAX)

struct sort_state {
    struct search_run search;
    struct sort_run sort;
    struct found found;
    struct imap_order *order;     // held
    uint32_t *picked;             // from malloc
    struct imap_context *context; // to be kept up to date
    bool is_sorting, is_whole, is_told;
    char key[KEY_BYTES];
    size_t key_n;
    struct imap_session *session;
};

static void sort_cleanup(void *state)
{
    struct sort_state *st = state;

    search_run_finish(&st->search);
    if (st->is_sorting) {
        sort_run_finish(st->session, &st->sort);
    }
    imap_orders_release(st->session->server->orders, st->order);
    free(st->picked);
    context_end(st->context);
}

// ---- orders that are kept -----------------------------------------------------------------------

static void make_key(struct imap_session *s, struct sort_state *st)
{
    const struct imap_sort *sort = &s->command.sort;
    char *p = st->key;

    *p++ = 'S';
    put_be64(p, s->selected->account);
    put_be32(p + 8, s->selected->mailbox);
    put_be32(p + 12, s->selected->uid_validity);
    p += 16;
    *p++ = (char)s->collation;
    for (size_t i = 0; i < sort->n; i++) {
        *p++ = (char)((int)sort->criteria[i].key * 2 + sort->criteria[i].reverse);
    }
    st->key_n = (size_t)(p - st->key);
}

static struct span key_of(const struct sort_state *st)
{
    return span_of(st->key, st->key_n);
}

static uint32_t last_of(struct uid_set set)
{
    return set.count ? set.ranges[set.count - 1].last : 0;
}

// An order is right for all messages up to its mark.
static bool find_order(struct imap_session *s, struct sort_state *st)
{
    struct imap_order *order = imap_orders_get(s->server->orders, key_of(st));

    if (order && order->mark >= last_of(st->search.found.set)) {
        st->order = order;
        return true;
    }
    imap_orders_release(s->server->orders, order);
    return false;
}

// ---- steps --------------------------------------------------------------------------------------

static enum err begin_sorting(struct imap_session *s, struct sort_state *st)
{
    const struct imap_sort *sort = &s->command.sort;
    const struct uid_map *map = &s->selected->map;
    struct uid_set uids = st->search.found.set;
    uint64_t wanted = uid_set_size(uids);
    enum err e = ERR_OK;

    st->is_whole = map->exists >= KEPT_FROM && wanted * WHOLE_FROM >= map->exists;
    if (st->is_whole) {
        struct uid_set_builder b;

        uid_set_builder_init(&b, &s->arena);
        e = uid_map_add_seqs(map, 1, UINT32_MAX, &b);
        uids = b.set;
    }
    st->is_sorting = !e;
    return e ? e : sort_run_begin(s, sort->criteria, sort->n, uids, &st->sort);
}

// The sorted entries as UIDs alone.
static enum err take_numbers(struct imap_session *s, struct sort_state *st)
{
    const struct sorter *sorter = &st->sort.sorter;
    uint32_t *numbers = malloc(sorter->n * sizeof(*numbers) + 1);

    if (!numbers) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < sorter->n; i++) {
        numbers[i] = sorter->entries[i].uid;
    }
    size_t n = sorter->n;
    uint32_t mark = last_of(st->sort.uids);

    sort_run_finish(s, &st->sort);
    st->is_sorting = false;
    if (!st->is_whole) {
        st->picked = numbers;
        st->found.n = n;
        return ERR_OK;
    }
    st->order = imap_orders_put(s->server->orders, key_of(st), mark, numbers, n);
    return st->order ? ERR_OK : ERR_NOMEM;
}

static enum err pick(struct sort_state *st)
{
    return st->order ? sort_pick(st->order, st->search.found.set, &st->picked, &st->found.n)
                     : ERR_OK;
}

static enum err sort_step(struct imap_session *s, struct sort_state *st)
{
    if (!st->is_sorting && !find_order(s, st)) {
        enum err e = begin_sorting(s, st);

        return e ? e : ERR_AGAIN;
    }
    if (st->is_sorting) {
        enum err e = sort_run_step(s, &st->sort);

        e = e ? e : take_numbers(s, st);
        if (e) {
            return e;
        }
    }
    return pick(st);
}

// The search and the sorting count the same: each message is gone through twice.
static void tell_progress(struct imap_session *s, const struct sort_state *st)
{
    const struct sort_run *run = &st->sort;
    uint64_t part = st->search.goal, goal = 2 * part;
    uint64_t done = part + (run->goal ? part * run->loaded / run->goal : 0);

    imap_progress(s, done < goal ? done : goal - 1, goal);
}

static enum imap_step sort_begin(struct imap_session *s)
{
    struct imap_search *search = &s->command.sort.search;
    struct sort_state *st = imap_state(s, sizeof(*st));

    if (!st) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    st->session = s;
    s->cleanup = sort_cleanup;
    found_init(s, search, &st->found);
    make_key(s, st);
    if (context_begin(s, search, &st->context) == STEP_DONE) {
        return STEP_DONE;
    }
    return search_run_begin(s, search, !search->uses_modseq, &st->search);
}

static enum imap_step sort_go_on(struct imap_session *s, struct sort_state *st)
{
    if (!st->search.is_done) {
        return search_run_step(s, &st->search);
    }
    if (st->is_told) {
        return found_write(s, &st->found);
    }
    enum err e = sort_step(s, st);

    if (e == ERR_AGAIN) {
        tell_progress(s, st);
        return STEP_MORE;
    }
    if (e == ERR_UNAVAILABLE) {
        return imap_answer_no(s, "UNAVAILABLE", "Too much is being sorted just now; try again");
    }
    if (!e) {
        st->found.word = "SORT";
        st->found.order = st->picked;
        st->found.newest = st->search.newest;
        st->is_told = true;
        context_keep(s, &st->context, st->search.found.set, st->picked, st->found.n);
        e = found_save(s, &st->found);
    }
    return e ? imap_answer_err(s, e) : STEP_MORE;
}

enum imap_step imap_run_sort(struct imap_session *s)
{
    struct sort_state *st = s->state;
    enum imap_step step = st ? sort_go_on(s, st) : sort_begin(s);

    return step == STEP_DONE && s->result.condition != IMAP_OK
               ? found_failed(s, &s->command.sort.search, step)
               : step;
}
