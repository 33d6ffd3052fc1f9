// SPDX-License-Identifier: Apache-2.0
//
// What SEARCH and SORT found, told to the client: the plain answers of RFC 3501 and RFC 5256, or
// ESEARCH (RFC 4731, RFC 5267 section 3, RFC 9394), in batches; and what "$" stands for afterwards.
#include <stdlib.h>

#include "keep/imap/search/imap_search_internal.h"

#include "base/banned.h"

void found_init(struct imap_session *s, const struct imap_search *search, struct found *out)
{
    *out = (struct found){
        .search = search,
        .extended = search->extended,
        .returns = search->extended ? search->returns : IMAP_SEARCH_RETURN_ALL,
    };
    // IMAP4rev2 has no untagged SEARCH; SORT is no part of it and stays as it is.
    if (s->command.id == IMAP_SEARCH && imap_is_rev2(s)) {
        out->extended = true;
    }
}

static uint32_t number_of(struct imap_session *s, uint32_t uid)
{
    return s->command.uid ? uid : uid_map_seq(&s->selected->map, uid);
}

// ---- walking ------------------------------------------------------------------------------------

// Sets the cursor to results `from` to `to` (counted from 0, `to` is behind the last).
static void walk_from(struct found *f, size_t from, size_t to)
{
    f->at = from;
    f->to = to;
    f->range = 0;
    f->uid = 0;
    for (size_t left = from; !f->order && f->range < f->set.count; f->range++) {
        struct uid_range r = f->set.ranges[f->range];
        size_t here = (size_t)r.last - r.first + 1;

        if (left < here) {
            f->uid = r.first + (uint32_t)left;
            break;
        }
        left -= here;
    }
}

// The UID at the cursor, which moves on; the cursor must not be at its end.
static uint32_t walk_next(struct found *f)
{
    if (f->order) {
        return f->order[f->at++];
    }
    uint32_t uid = f->uid++;

    f->at++;
    if (uid == f->set.ranges[f->range].last && ++f->range < f->set.count) {
        f->uid = f->set.ranges[f->range].first;
    }
    return uid;
}

// Results of PARTIAL, cut to those there are.
static void partial_bounds(const struct found *f, size_t *out_from, size_t *out_to)
{
    struct imap_partial p = f->search->partial;
    size_t low = p.first < p.last ? p.first : p.last, high = p.first < p.last ? p.last : p.first;

    if (low > f->n) {
        *out_from = *out_to = 0;
        return;
    }
    high = high < f->n ? high : f->n;
    *out_from = p.from_end ? f->n - high : low - 1;
    *out_to = p.from_end ? f->n - low + 1 : high;
}

static uint32_t result_at(const struct found *f, size_t i)
{
    struct found copy = *f;

    if (f->order) {
        return f->order[i];
    }
    if (i == 0) {
        return f->set.ranges[0].first;
    }
    if (i == f->n - 1) {
        return f->set.ranges[f->set.count - 1].last;
    }
    walk_from(&copy, i, i + 1);
    return copy.uid;
}

// ---- "$" ----------------------------------------------------------------------------------------

static int by_uid(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static enum err save_uids(struct imap_session *s, uint32_t *uids, size_t n)
{
    struct uid_set_builder b;
    enum err e = ERR_OK;

    uid_set_builder_init(&b, &s->arena);
    if (n) {
        qsort(uids, n, sizeof(*uids), by_uid);
    }
    for (size_t i = 0; !e && i < n; i++) {
        e = i && uids[i] == uids[i - 1] ? ERR_OK : uid_set_add(&b, uids[i], uids[i]);
    }
    return e ? e : imap_selected_save(s->selected, b.set);
}

// RFC 5182 section 2.1 and RFC 9394 section 3.2: with ALL, COUNT or nothing shown everything is
// saved, else what MIN, MAX and PARTIAL show.
enum err found_save(struct imap_session *s, const struct found *f)
{
    struct found walk = *f;
    uint32_t shown = f->returns & FOUND_SHOWN;
    size_t from = 0, to = f->n, n = 0;
    bool all = !shown || shown & (IMAP_SEARCH_RETURN_ALL | IMAP_SEARCH_RETURN_COUNT);

    if (!(f->returns & IMAP_SEARCH_RETURN_SAVE)) {
        return ERR_OK;
    }
    if (all && !f->order) {
        return imap_selected_save(s->selected, f->set);
    }
    if (!all) {
        from = to = 0;
        if (shown & IMAP_SEARCH_RETURN_PARTIAL) {
            partial_bounds(f, &from, &to);
        }
    }
    uint32_t *uids = malloc((to - from + 2) * sizeof(*uids));

    if (!uids) {
        return ERR_NOMEM;
    }
    if (from < to) {
        walk_from(&walk, from, to);
        while (walk.at < walk.to) {
            uids[n++] = walk_next(&walk);
        }
    }
    if (f->n && shown & IMAP_SEARCH_RETURN_MIN) {
        uids[n++] = result_at(f, 0);
    }
    if (f->n && shown & IMAP_SEARCH_RETURN_MAX) {
        uids[n++] = result_at(f, f->n - 1);
    }
    enum err e = save_uids(s, uids, n);

    free(uids);
    return e;
}

enum imap_step found_failed(struct imap_session *s, const struct imap_search *search,
                            enum imap_step answered)
{
    if (search->extended && search->returns & IMAP_SEARCH_RETURN_SAVE) {
        imap_selected_save(s->selected, (struct uid_set){0});
    }
    return answered;
}

// ---- writing ------------------------------------------------------------------------------------

static void put_number(struct imap_session *s, const char *name, uint64_t n)
{
    buf_put_str(s->out, name);
    buf_put_u64(s->out, n);
}

static modseq modseq_of(struct imap_session *s, uint32_t uid)
{
    struct placement_scan *scan;
    struct placement p = {.changed = 1};
    struct view *v;

    if (imap_view_open(s, s->selected->account, &v)) {
        return 1;
    }
    if (!placement_scan_open(v, s->selected->mailbox, uid, uid, 0, &scan)) {
        if (placement_next(scan, &p)) {
            p.changed = 1; // gone meanwhile
        }
        placement_scan_close(scan);
    }
    view_close(v);
    return p.changed;
}

// MODSEQ of the answer: of MIN's and MAX's message when only those are told, else the highest
// (RFC 7162 section 3.1.5).
static modseq newest_told(struct imap_session *s, const struct found *f)
{
    uint32_t shown = f->returns & FOUND_SHOWN;
    modseq least = 0, most = 0;

    if (!shown || shown & ~(uint32_t)(IMAP_SEARCH_RETURN_MIN | IMAP_SEARCH_RETURN_MAX)) {
        return f->newest;
    }
    if (shown & IMAP_SEARCH_RETURN_MIN) {
        least = modseq_of(s, result_at(f, 0));
    }
    if (shown & IMAP_SEARCH_RETURN_MAX) {
        most = modseq_of(s, result_at(f, f->n - 1));
    }
    return least > most ? least : most;
}

static void write_partial_head(struct imap_session *s, const struct found *f)
{
    const struct imap_partial *p = &f->search->partial;

    put_number(s, p->from_end ? " PARTIAL (-" : " PARTIAL (", p->first);
    put_number(s, p->from_end ? ":-" : ":", p->last);
    OUT(s, " ");
}

static void write_extended_head(struct imap_session *s, struct found *f)
{
    OUT(s, "* ESEARCH (TAG ");
    imap_write_string(s->out, s->command.tag, false);
    if (f->mailbox.n) {
        OUT(s, " MAILBOX ");
        imap_name_out(s, f->mailbox);
        put_number(s, " UIDVALIDITY ", f->uid_validity);
    }
    buf_put_str(s->out, s->command.uid ? ") UID" : ")");
    if (f->n && f->returns & IMAP_SEARCH_RETURN_MIN) {
        put_number(s, " MIN ", number_of(s, result_at(f, 0)));
    }
    if (f->n && f->returns & IMAP_SEARCH_RETURN_MAX) {
        put_number(s, " MAX ", number_of(s, result_at(f, f->n - 1)));
    }
    if (f->returns & IMAP_SEARCH_RETURN_COUNT) {
        put_number(s, " COUNT ", f->n);
    }
    if (f->search->uses_modseq && f->n) {
        put_number(s, " MODSEQ ", newest_told(s, f));
    }
    if (f->returns & IMAP_SEARCH_RETURN_PARTIAL) {
        write_partial_head(s, f);
    } else if (f->n && f->returns & IMAP_SEARCH_RETURN_ALL) {
        OUT(s, " ALL ");
    }
}

static void write_begin(struct imap_session *s, struct found *f)
{
    size_t from = 0, to = f->n;

    f->is_writing = true;
    if (f->extended) {
        write_extended_head(s, f);
        if (f->returns & IMAP_SEARCH_RETURN_PARTIAL) {
            partial_bounds(f, &from, &to);
        } else if (!(f->returns & IMAP_SEARCH_RETURN_ALL)) {
            to = 0;
        }
    } else {
        OUT(s, "* ");
        buf_put_str(s->out, f->word);
    }
    walk_from(f, from, to);
}

static void flush_run(struct imap_session *s, struct found *f)
{
    if (!f->first) {
        return;
    }
    put_number(s, f->any ? "," : "", f->first);
    if (f->last > f->first) {
        put_number(s, ":", f->last);
    }
    f->any = true;
    f->first = 0;
}

// Numbers in their order; only those that follow each other rising become a range (RFC 5267 3.2).
static void write_result(struct imap_session *s, struct found *f, uint32_t number)
{
    if (!f->extended) {
        put_number(s, " ", number);
    } else if (f->first && number == f->last + 1) {
        f->last = number;
    } else {
        flush_run(s, f);
        f->first = f->last = number;
    }
}

static void write_end(struct imap_session *s, struct found *f)
{
    if (f->extended) {
        flush_run(s, f);
        if (f->returns & IMAP_SEARCH_RETURN_PARTIAL) {
            buf_put_str(s->out, f->any ? ")" : "NIL)");
        }
    } else if (f->search->uses_modseq && f->n) {
        put_number(s, " (MODSEQ ", f->newest);
        OUT(s, ")");
    }
    OUT(s, "\r\n");
}

enum imap_step found_write(struct imap_session *s, struct found *f)
{
    if (!(f->extended && f->returns == IMAP_SEARCH_RETURN_SAVE)) {
        if (!f->is_writing) {
            write_begin(s, f);
        }
        while (f->at < f->to) {
            if (imap_batch_is_full(s)) {
                return STEP_MORE;
            }
            write_result(s, f, number_of(s, walk_next(f)));
        }
        write_end(s, f);
    }
    return imap_answer_ok(s, s->command.id == IMAP_SORT ? "SORT completed" : "SEARCH completed");
}
