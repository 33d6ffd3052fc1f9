// SPDX-License-Identifier: Apache-2.0
//
// SEARCH and UID SEARCH (RFC 9051 section 6.4.4) with ESEARCH (RFC 4731), SEARCHRES (RFC 5182),
// CONDSTORE (RFC 7162 section 3.1.5), WITHIN (RFC 5032), OBJECTID and SAVEDATE keys.
//
// A search goes through the mailbox in steps of some milliseconds, each with a view of its own, and
// is given up after a set time. Sequence numbers cannot change under it: nothing is told meanwhile.
#include "base/clock.h"
#include "keep/imap/imap_search_internal.h"
#include "keep/imap/imap_updates.h"

#include "base/banned.h"

#define STEP_US      10000
#define HEADER_BYTES (1u << 20)

struct search_state {
    struct search_program program;
    struct uid_set_builder found;
    struct uid_set within; // UIDs the answer can only lie in
    size_t range;          // of `within`
    uint32_t next;         // UID to go on at
    modseq changed_since;  // of a MODSEQ key that must hold
    modseq newest;         // MODSEQ of what was found: the highest, of MIN, of MAX
    modseq newest_min, newest_max;
    int64_t used_us;
    uint32_t returns;
    bool extended, is_done;
    struct buf header, scratch, folded;
    // Writing the answer:
    bool is_writing;
    size_t out_range;
    uint32_t out_uid;
    struct imap_seqset_writer writer;
};

static void search_cleanup(void *state)
{
    struct search_state *st = state;

    buf_finish(&st->header);
    buf_finish(&st->scratch);
    buf_finish(&st->folded);
}

// ---- beginning ----------------------------------------------------------------------------------

static enum err intersect(struct uid_set x, struct uid_set y, struct arena *a, struct uid_set *out)
{
    struct uid_set_builder b;
    enum err e = ERR_OK;
    size_t i = 0, k = 0;

    uid_set_builder_init(&b, a);
    while (!e && i < x.count && k < y.count) {
        uint32_t first =
            x.ranges[i].first > y.ranges[k].first ? x.ranges[i].first : y.ranges[k].first;
        uint32_t last = x.ranges[i].last < y.ranges[k].last ? x.ranges[i].last : y.ranges[k].last;

        if (first <= last) {
            e = uid_set_add(&b, first, last);
        }
        if (x.ranges[i].last < y.ranges[k].last) {
            i++;
        } else {
            k++;
        }
    }
    *out = b.set;
    return e;
}

// Sets and a MODSEQ that every match must fulfil say beforehand where to look.
static enum err narrow(struct imap_session *s, struct search_state *st)
{
    const struct search_program *p = &st->program;
    struct uid_set_builder all;
    enum err e;

    uid_set_builder_init(&all, &s->arena);
    e = uid_map_add_seqs(&s->selected->map, 1, UINT32_MAX, &all);
    st->within = all.set;
    if (p->nodes[0].negated) {
        return e;
    }
    for (size_t k = 1; !e && k < p->nodes[0].size; k += p->nodes[k].size) {
        const struct imap_search_node *node = &p->nodes[k];

        if (node->negated) {
            continue;
        }
        if (node->key == IMAP_SEARCH_SET || node->key == IMAP_SEARCH_UID) {
            e = intersect(st->within, p->keys[k].uids, &s->arena, &st->within);
        } else if (node->key == IMAP_SEARCH_MODSEQ && node->number > st->changed_since) {
            st->changed_since = node->number - 1;
        }
    }
    return e;
}

static enum imap_step refuse_charset(struct imap_session *s)
{
    return imap_answer_no(s, "BADCHARSET (UTF-8 US-ASCII ISO-8859-1)", "The charset is not known");
}

static enum imap_step search_begin(struct imap_session *s)
{
    const struct imap_search *search = &s->command.search;
    struct search_state *st = imap_state(s, sizeof(*st));

    if (!st) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    s->cleanup = search_cleanup;
    buf_init(&st->header, HEADER_BYTES);
    buf_init(&st->scratch, 4 * HEADER_BYTES);
    buf_init(&st->folded, 16 * HEADER_BYTES);
    st->extended = search->extended || imap_is_rev2(s);
    st->returns = search->extended ? search->returns : IMAP_SEARCH_RETURN_ALL;
    uid_set_builder_init(&st->found, &s->arena);
    if (search->uses_modseq) {
        imap_condstore_enable(s);
    }
    enum err e = search_compile(s, search, &st->program);

    if (e == ERR_UNSUPPORTED) {
        return refuse_charset(s);
    }
    e = e ? e : narrow(s, st);
    if (e) {
        return imap_answer_err(s, e);
    }
    st->next = st->within.count ? st->within.ranges[0].first : 0;
    return STEP_MORE;
}

// ---- going through the mailbox ------------------------------------------------------------------

static enum err found_one(struct search_state *st, const struct placement *p)
{
    st->newest_min = st->found.set.count ? st->newest_min : p->changed;
    st->newest_max = p->changed;
    st->newest = p->changed > st->newest ? p->changed : st->newest;
    return uid_set_add(&st->found, p->uid, p->uid);
}

static enum err look_at(struct imap_session *s, struct search_state *st, struct view *v,
                        const struct placement *p)
{
    const struct imap_selected *sel = s->selected;
    struct search_message m = {
        .v = v,
        .placement = p,
        .is_recent = sel->recent.exists && uid_map_seq(&sel->recent, p->uid),
        .header = &st->header,
        .scratch = &st->scratch,
        .folded = &st->folded,
    };

    return search_matches(&st->program, &m) ? found_one(st, p) : ERR_OK;
}

// Only the first match is wanted, and there is one.
static bool is_enough(const struct search_state *st)
{
    return st->found.set.count &&
           (st->returns & ~IMAP_SEARCH_RETURN_SAVE) == IMAP_SEARCH_RETURN_MIN;
}

static enum err search_range(struct imap_session *s, struct search_state *st, struct view *v,
                             int64_t until_us)
{
    struct uid_range range = st->within.ranges[st->range];
    struct placement_scan *scan;
    struct placement p;
    unsigned looked = 0;
    enum err e = placement_scan_open(v, s->selected->mailbox, st->next, range.last,
                                     st->changed_since, &scan);

    if (e) {
        return e;
    }
    while (!(e = placement_next(scan, &p))) {
        e = look_at(s, st, v, &p);
        st->next = p.uid + 1;
        if (e || is_enough(st)) {
            break;
        }
        if ((st->program.has_text || ++looked % 256 == 0) && clock_monotonic_us() > until_us) {
            e = ERR_AGAIN;
            break;
        }
    }
    placement_scan_close(scan);
    return e;
}

static enum err search_step(struct imap_session *s, struct search_state *st, struct view *v)
{
    struct imap_keywords keywords;
    int64_t until_us = clock_monotonic_us() + STEP_US;
    enum err e = imap_keywords_of(v, s->selected->mailbox, &keywords);

    if (!e) {
        search_bind(&st->program, &keywords);
    }
    while (!e && st->range < st->within.count && !is_enough(st)) {
        e = search_range(s, st, v, until_us);
        if (e == ERR_NOT_FOUND) {
            e = ERR_OK;
            if (++st->range < st->within.count) {
                st->next = st->within.ranges[st->range].first;
            }
            if (clock_monotonic_us() > until_us) {
                e = ERR_AGAIN;
            }
        }
    }
    st->is_done = !e;
    return e == ERR_AGAIN ? ERR_OK : e;
}

// ---- the answer ---------------------------------------------------------------------------------

static uint32_t edge(struct imap_session *s, struct uid_set set, bool last)
{
    uint32_t uid = last ? set.ranges[set.count - 1].last : set.ranges[0].first;

    return s->command.uid ? uid : uid_map_seq(&s->selected->map, uid);
}

static void put_number(struct imap_session *s, const char *name, uint64_t n)
{
    buf_put_str(s->out, name);
    buf_put_u64(s->out, n);
}

// MODSEQ of the answer: of MIN's and MAX's message when only those are told, else the highest.
static modseq newest_told(const struct search_state *st)
{
    switch (st->returns & ~IMAP_SEARCH_RETURN_SAVE) {
    case IMAP_SEARCH_RETURN_MIN:
        return st->newest_min;
    case IMAP_SEARCH_RETURN_MAX:
        return st->newest_max;
    case IMAP_SEARCH_RETURN_MIN | IMAP_SEARCH_RETURN_MAX:
        return st->newest_min > st->newest_max ? st->newest_min : st->newest_max;
    default:
        return st->newest;
    }
}

static void write_head(struct imap_session *s, struct search_state *st)
{
    struct uid_set found = st->found.set;

    if (!st->extended) {
        OUT(s, "* SEARCH");
        return;
    }
    OUT(s, "* ESEARCH (TAG ");
    imap_write_string(s->out, s->command.tag, false);
    buf_put_str(s->out, s->command.uid ? ") UID" : ")");
    if (found.count && st->returns & IMAP_SEARCH_RETURN_MIN) {
        put_number(s, " MIN ", edge(s, found, false));
    }
    if (found.count && st->returns & IMAP_SEARCH_RETURN_MAX) {
        put_number(s, " MAX ", edge(s, found, true));
    }
    if (st->returns & IMAP_SEARCH_RETURN_COUNT) {
        put_number(s, " COUNT ", uid_set_size(found));
    }
    if (s->command.search.uses_modseq && found.count) {
        put_number(s, " MODSEQ ", newest_told(st));
    }
    if (found.count && st->returns & IMAP_SEARCH_RETURN_ALL) {
        OUT(s, " ALL ");
    }
}

static void write_tail(struct imap_session *s, struct search_state *st)
{
    if (!st->extended && s->command.search.uses_modseq && st->found.set.count) {
        put_number(s, " (MODSEQ ", st->newest);
        OUT(s, ")");
    }
    OUT(s, "\r\n");
}

static void write_id(struct imap_session *s, struct search_state *st, uint32_t uid)
{
    uint32_t id = s->command.uid ? uid : uid_map_seq(&s->selected->map, uid);

    if (st->extended) {
        imap_seqset_writer_put(&st->writer, id);
    } else {
        put_number(s, " ", id);
    }
}

// All that was found, as far as the batch goes; false when there is more.
static bool write_ids(struct imap_session *s, struct search_state *st)
{
    struct uid_set found = st->found.set;

    while (st->out_range < found.count) {
        struct uid_range r = found.ranges[st->out_range];

        for (; st->out_uid <= r.last; st->out_uid++) {
            if (imap_batch_is_full(s)) {
                return false;
            }
            write_id(s, st, st->out_uid);
        }
        if (++st->out_range < found.count) {
            st->out_uid = found.ranges[st->out_range].first;
        }
    }
    return true;
}

// RFC 5182 section 2.1: of MIN and MAX without ALL or COUNT only those messages are saved.
static enum err save_result(struct imap_session *s, struct search_state *st)
{
    struct uid_set set = st->found.set;
    uint32_t told = st->returns & ~IMAP_SEARCH_RETURN_SAVE;
    struct uid_set_builder b;

    if (set.count && told && !(told & (IMAP_SEARCH_RETURN_ALL | IMAP_SEARCH_RETURN_COUNT))) {
        uint32_t first = set.ranges[0].first, last = set.ranges[set.count - 1].last;
        enum err e = ERR_OK;

        uid_set_builder_init(&b, &s->arena);
        if (told & IMAP_SEARCH_RETURN_MIN) {
            e = uid_set_add(&b, first, first);
        }
        if (!e && told & IMAP_SEARCH_RETURN_MAX) {
            e = uid_set_add(&b, last, last);
        }
        if (e) {
            return e;
        }
        set = b.set;
    }
    return imap_selected_save(s->selected, set);
}

static enum imap_step write_answer(struct imap_session *s, struct search_state *st)
{
    bool lists = !st->extended || st->returns & IMAP_SEARCH_RETURN_ALL;

    if (st->extended && st->returns == IMAP_SEARCH_RETURN_SAVE) {
        return imap_answer_ok(s, "SEARCH completed");
    }
    if (!st->is_writing) {
        st->is_writing = true;
        write_head(s, st);
        imap_seqset_writer_init(&st->writer, s->out);
        st->out_uid = st->found.set.count ? st->found.set.ranges[0].first : 0;
    }
    st->writer.out = s->out;
    if (lists && !write_ids(s, st)) {
        return STEP_MORE;
    }
    if (st->extended) {
        imap_seqset_writer_end(&st->writer);
    }
    write_tail(s, st);
    return imap_answer_ok(s, "SEARCH completed");
}

// ---- the command --------------------------------------------------------------------------------

static enum imap_step search_failed(struct imap_session *s, const struct search_state *st,
                                    enum imap_step answered)
{
    if (st && st->returns & IMAP_SEARCH_RETURN_SAVE) {
        imap_selected_save(s->selected, (struct uid_set){0});
    }
    return answered;
}

static enum imap_step search_go_on(struct imap_session *s, struct search_state *st)
{
    int64_t begun_us = clock_monotonic_us();
    struct view *v;
    enum err e = view_open(s->server->store, s->selected->account, &v);

    if (!e) {
        e = search_step(s, st, v);
        view_close(v);
    }
    st->used_us += clock_monotonic_us() - begun_us;
    if (!e && st->is_done && st->returns & IMAP_SEARCH_RETURN_SAVE) {
        e = save_result(s, st);
    }
    if (e) {
        return search_failed(s, st, imap_answer_err(s, e));
    }
    if (!st->is_done && st->used_us > (int64_t)s->options.search_cpu_ms * 1000) {
        return search_failed(s, st, imap_answer_no(s, "LIMIT", "The search took too long"));
    }
    return STEP_MORE;
}

enum imap_step imap_run_search(struct imap_session *s)
{
    struct search_state *st = s->state;

    if (!st) {
        enum imap_step step = search_begin(s);

        return step == STEP_DONE ? search_failed(s, s->state, step) : step;
    }
    return st->is_done ? write_answer(s, st) : search_go_on(s, st);
}
