// SPDX-License-Identifier: Apache-2.0
//
// Goes through the mailbox in steps of some milliseconds, each with a view of its own, and gives up
// after a set time. Sequence numbers cannot change under it: nothing is told meanwhile.
#include "base/clock.h"
#include "keep/imap/imap_limit.h"
#include "keep/imap/imap_updates.h"
#include "keep/imap/metadata/imap_metadata.h"
#include "keep/imap/search/imap_search_internal.h"

#include "base/banned.h"

#define STEP_US      10000
#define HEADER_BYTES (1u << 20)

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

// Sets and a MODSEQ that every match must fulfil say beforehand where to look. `out_all`: nothing
// else is asked.
static enum err narrow(struct imap_session *s, struct search_run *run, bool *out_all)
{
    const struct search_program *p = &run->program;
    struct uid_set_builder all;
    enum err e;

    uid_set_builder_init(&all, &s->arena);
    e = uid_map_add_seqs(&s->selected->map, 1, UINT32_MAX, &all);
    run->within = all.set;
    *out_all = !p->nodes[0].negated;
    if (p->nodes[0].negated) {
        return e;
    }
    for (size_t k = 1; !e && k < p->nodes[0].size; k += p->nodes[k].size) {
        const struct imap_search_node *node = &p->nodes[k];
        bool is_set = search_is_set(node->key);

        if (node->negated) {
            *out_all = false;
            continue;
        }
        if (is_set) {
            e = intersect(run->within, p->keys[k].uids, &s->arena, &run->within);
        } else if (node->key == IMAP_SEARCH_MODSEQ && node->number > run->changed_since) {
            run->changed_since = node->number - 1;
        }
        *out_all = *out_all && (is_set || node->key == IMAP_SEARCH_ALL);
    }
    return e;
}

enum imap_step search_run_begin(struct imap_session *s, struct imap_search *search, bool by_sets,
                                struct search_run *run)
{
    bool all = false;

    *run = (struct search_run){.search = search};
    // ESEARCH says itself how many mailboxes are done.
    run->parts = s->command.id == IMAP_ESEARCH ? 0 : s->command.id == IMAP_SEARCH ? 1 : 2;
    buf_init(&run->header, HEADER_BYTES);
    buf_init(&run->scratch, 4 * HEADER_BYTES);
    buf_init(&run->folded, 16 * HEADER_BYTES);
    uid_set_builder_init(&run->found, &s->arena);
    if (filters_expand(s, &s->arena, search) == STEP_DONE) {
        return STEP_DONE;
    }
    if (search->uses_modseq) {
        imap_condstore_enable(s);
    }
    enum err e = search_compile(s, &s->arena, search, &run->program);

    if (e == ERR_UNSUPPORTED) {
        return imap_answer_no(s, "BADCHARSET (UTF-8 US-ASCII ISO-8859-1)",
                              "The charset is not known");
    }
    e = e ? e : narrow(s, run, &all);
    if (e) {
        return imap_answer_err(s, e);
    }
    if (s->command.id == IMAP_SEARCH) {
        e = imap_limit_cut(s, &run->within);
        if (e) {
            return imap_answer_err(s, e);
        }
    }
    run->goal = uid_set_size(run->within);
    run->next = run->within.count ? run->within.ranges[0].first : 0;
    if (by_sets && all) {
        run->found.set = run->within;
        run->is_done = true;
    }
    imap_progress(s, 0, run->goal * run->parts);
    return STEP_MORE;
}

void search_run_finish(struct search_run *run)
{
    buf_finish(&run->header);
    buf_finish(&run->scratch);
    buf_finish(&run->folded);
}

// ---- going through the mailbox ------------------------------------------------------------------

static enum err look_at(struct imap_session *s, struct search_run *run, struct view *v,
                        const struct placement *p)
{
    const struct imap_selected *sel = s->selected;
    struct search_message m = {
        .v = v,
        .placement = p,
        .is_recent = sel->recent.exists && uid_map_seq(&sel->recent, p->uid),
        .header = &run->header,
        .scratch = &run->scratch,
        .folded = &run->folded,
    };

    if (!search_matches(&run->program, &m)) {
        return ERR_OK;
    }
    run->newest = p->changed > run->newest ? p->changed : run->newest;
    return uid_set_add(&run->found, p->uid, p->uid);
}

static bool is_enough(const struct search_run *run)
{
    return run->only_first && run->found.set.count;
}

static enum err search_range(struct imap_session *s, struct search_run *run, struct view *v,
                             int64_t until_us)
{
    struct uid_range range = run->within.ranges[run->range];
    struct placement_scan *scan;
    struct placement p;
    unsigned looked = 0;
    enum err e = placement_scan_open(v, s->selected->mailbox, run->next, range.last,
                                     run->changed_since, &scan);

    if (e) {
        return e;
    }
    while (!(e = placement_next(scan, &p))) {
        e = look_at(s, run, v, &p);
        run->looked++;
        run->next = p.uid + 1;
        if (e || is_enough(run)) {
            break;
        }
        if ((run->program.has_text || ++looked % 256 == 0) && clock_monotonic_us() > until_us) {
            e = ERR_AGAIN;
            break;
        }
    }
    placement_scan_close(scan);
    return e;
}

static enum err search_some(struct imap_session *s, struct search_run *run, struct view *v)
{
    struct imap_keywords keywords;
    int64_t until_us = clock_monotonic_us() + STEP_US;
    enum err e = imap_keywords_of(v, s->selected->mailbox, &keywords);

    if (!e) {
        search_bind(&run->program, &keywords);
    }
    while (!e && run->range < run->within.count && !is_enough(run)) {
        e = search_range(s, run, v, until_us);
        if (e == ERR_NOT_FOUND) {
            e = ERR_OK;
            if (++run->range < run->within.count) {
                run->next = run->within.ranges[run->range].first;
            }
            if (clock_monotonic_us() > until_us) {
                e = ERR_AGAIN;
            }
        }
    }
    run->is_done = !e;
    return e == ERR_AGAIN ? ERR_OK : e;
}

enum imap_step search_run_step(struct imap_session *s, struct search_run *run)
{
    int64_t begun_us = clock_monotonic_us();
    struct view *v;
    enum err e = imap_view_open(s, s->selected->account, &v);

    if (!e) {
        e = search_some(s, run, v);
        view_close(v);
    }
    run->used_us += clock_monotonic_us() - begun_us;
    if (e) {
        return imap_answer_err(s, e);
    }
    if (!run->is_done && run->used_us > (int64_t)s->options.search_cpu_ms * 1000) {
        return imap_answer_no(s, "LIMIT", "The search took too long");
    }
    if (!run->is_done) {
        imap_progress(s, run->looked, run->goal * run->parts);
    }
    return STEP_MORE;
}
