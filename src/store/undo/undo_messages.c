// SPDX-License-Identifier: Apache-2.0
//
// Undoing what was done to messages: where they are, flags and keywords.
#include <stdlib.h>

#include "store/undo/undo_internal.h"

#include "base/banned.h"

#define WHY_SINCE   "somebody else has changed it since"
#define WHY_FORGOT  "it was removed too long ago"
#define WHY_NO_BOX  "the mailbox is not there any more"
#define WHY_UNNAMED "the mailbox that had the keywords is not there any more"

struct track_list {
    struct undo_track **p;
    size_t n;
};

typedef bool track_fn(const struct undo_track *t);

static enum err collect(struct undo_plan *p, track_fn *wanted,
                        int (*order)(const void *, const void *), struct track_list *out)
{
    *out = (struct track_list){.p = malloc((p->track_count + 1) * sizeof(*out->p))};
    if (!out->p) {
        return ERR_NOMEM;
    }
    for (struct undo_track *t = p->tracks; t; t = t->next) {
        if (wanted(t)) {
            out->p[out->n++] = t;
        }
    }
    if (out->n > 1) {
        qsort(out->p, out->n, sizeof(*out->p), order);
    }
    return ERR_OK;
}

static int by_ways(const void *a, const void *b)
{
    const struct undo_track *x = *(struct undo_track *const *)a,
                            *y = *(struct undo_track *const *)b;

    if (x->target != y->target) {
        return x->target < y->target ? -1 : 1;
    }
    if (x->mailbox != y->mailbox) {
        return x->mailbox < y->mailbox ? -1 : 1;
    }
    if (x->uid != y->uid) {
        return x->uid < y->uid ? -1 : 1;
    }
    return x->message < y->message ? -1 : x->message > y->message;
}

// ---- places -------------------------------------------------------------------------------------

static bool is_to_remove(const struct undo_track *t)
{
    return t->place_is_theirs && !t->base_mailbox && t->uid && !t->is_touched;
}

static bool is_to_move(const struct undo_track *t)
{
    return t->place_is_theirs && t->base_mailbox && t->uid && t->target && t->target != t->mailbox;
}

static bool is_to_restore(const struct undo_track *t)
{
    return t->place_is_theirs && t->base_mailbox && !t->uid && t->target;
}

static bool is_homeless(const struct undo_track *t)
{
    return t->place_is_theirs && t->base_mailbox && !t->target;
}

// Where each is to go. In a trial a mailbox that would be made again counts as there.
static void set_targets(struct undo_plan *p, bool is_trial)
{
    for (struct undo_track *t = p->tracks; t; t = t->next) {
        const struct undo_box *b = NULL;

        t->target = 0;
        if (t->place_is_theirs && t->base_mailbox) {
            b = undo_box_now(p, t->base_mailbox);
        }
        if (b && (!b->is_dead || (is_trial && b->life_is_theirs && b->base_exists))) {
            t->target = b->id;
        }
    }
}

// As many from `i` on as go the same way, at most a commit's.
static size_t same_way(const struct track_list *l, size_t i)
{
    size_t n = 1;

    while (i + n < l->n && n < UNDO_AT_ONCE && l->p[i + n]->mailbox == l->p[i]->mailbox &&
           l->p[i + n]->target == l->p[i]->target) {
        n++;
    }
    return n;
}

static enum err uids_of(const struct track_list *l, size_t i, size_t n, struct arena *a,
                        struct uid_set *out)
{
    struct uid_builder b;

    uid_builder_init(&b, a);
    for (size_t k = i; k < i + n; k++) {
        uid_builder_add(&b, l->p[k]->uid, l->p[k]->uid);
    }
    return uid_builder_finish(&b, out);
}

static uint64_t count_of(const struct uid_set *set)
{
    uint64_t n = 0;

    for (size_t i = 0; i < set->count; i++) {
        n += (uint64_t)set->ranges[i].last - set->ranges[i].first + 1;
    }
    return n;
}

static enum err remove_some(struct undo_work *w, struct undo_plan *p, const struct track_list *l,
                            size_t i, size_t n)
{
    struct uid_set uids, gone;
    struct arena arena;
    modseq version;
    enum err e;

    arena_init(&arena, 4u << 20);
    e = uids_of(l, i, n, &arena, &uids);
    gone = uids;
    if (e == ERR_OK && !w->is_trial) {
        e = placement_expunge(w->store, w->account, w->by, l->p[i]->mailbox, &uids, true, &arena,
                              &gone, &version);
    }
    if (e == ERR_OK) {
        undo_say(w, UNDO_REMOVED, undo_box_name(p, l->p[i]->mailbox), SPAN(""), count_of(&gone));
    }
    arena_finish(&arena);
    return e == ERR_NOT_FOUND ? ERR_OK : e; // the mailbox went this moment
}

static enum err move_some(struct undo_work *w, struct undo_plan *p, const struct track_list *l,
                          size_t i, size_t n)
{
    mailbox_id from = l->p[i]->mailbox, to = l->p[i]->target;
    struct copy_result moved;
    struct uid_set uids;
    struct arena arena;
    bool missing;
    enum err e;

    arena_init(&arena, 4u << 20);
    e = uids_of(l, i, n, &arena, &uids);
    moved.to = uids;
    if (e == ERR_OK && !w->is_trial) {
        e = placement_copy(w->store, w->account, w->by, from, uids, to, true, &arena, &moved,
                           &missing);
    }
    if (e == ERR_OK) {
        undo_say(w, UNDO_MOVED, undo_box_name(p, to), undo_box_name(p, from), count_of(&moved.to));
    }
    arena_finish(&arena);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err restore_some(struct undo_work *w, struct undo_plan *p, const struct track_list *l,
                             size_t i, size_t n)
{
    struct undo_item *items = calloc(n, sizeof(*items));
    uint64_t missing = 0;
    enum err e = items ? ERR_OK : ERR_NOMEM;

    for (size_t k = 0; k < n && e == ERR_OK; k++) {
        const struct undo_track *t = l->p[i + k];
        bool deleted = t->their_flags & FLAG_DELETED ? t->base_flags & FLAG_DELETED
                                                     : t->gone_flags & FLAG_DELETED;

        items[k] = (struct undo_item){.message = t->message,
                                      .from = t->mailbox,
                                      .flags = (uint16_t)((t->gone_flags & 31 & ~FLAG_DELETED) |
                                                          (deleted ? FLAG_DELETED : 0)),
                                      .has_keywords = t->gone_keywords != NULL,
                                      .keywords = t->gone_keywords,
                                      .keyword_count = t->gone_keyword_count};
    }
    if (e == ERR_OK && !w->is_trial) {
        e = undo_restore(w->store, w->account, w->by, l->p[i]->target, items, n);
    }
    for (size_t k = 0; k < n && e == ERR_OK; k++) {
        missing += items[k].is_missing;
    }
    if (e == ERR_OK && n > missing) {
        undo_say(w, UNDO_BROUGHT, undo_box_name(p, l->p[i]->target), SPAN(""), n - missing);
    }
    free(items);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

typedef enum err some_fn(struct undo_work *w, struct undo_plan *p, const struct track_list *l,
                         size_t i, size_t n);

static enum err in_commits(struct undo_work *w, struct undo_plan *p, track_fn *wanted, some_fn *fn)
{
    struct track_list l;
    enum err e = collect(p, wanted, by_ways, &l);

    for (size_t i = 0, n; i < l.n && e == ERR_OK && !w->out->is_stopped; i += n) {
        n = same_way(&l, i);
        e = fn(w, p, &l, i, n);
    }
    free(l.p);
    return e;
}

enum err undo_places_back(struct undo_work *w, struct undo_plan *p)
{
    set_targets(p, w->is_trial);
    // What they put there goes first: it makes room for what comes back.
    enum err e = in_commits(w, p, is_to_remove, remove_some);

    e = e == ERR_OK ? in_commits(w, p, is_to_move, move_some) : e;
    return e == ERR_OK ? in_commits(w, p, is_to_restore, restore_some) : e;
}

// ---- flags --------------------------------------------------------------------------------------

// One flag or keyword given to, or taken from, messages of one mailbox.
struct flag_job {
    struct flag_job *next;
    mailbox_id mailbox;
    uint16_t flag;
    struct span keyword; // empty: a flag
    bool on;
    struct uid_builder uids;
};

static bool has_flags(const struct undo_track *t)
{
    if (!t->uid || (t->place_is_theirs && !t->base_mailbox)) {
        return false;
    }
    for (const struct undo_keyword *k = t->keywords; k; k = k->next) {
        if (k->is_theirs) {
            return true;
        }
    }
    return t->their_flags != 0;
}

static int by_place(const void *a, const void *b)
{
    const struct undo_track *x = *(struct undo_track *const *)a,
                            *y = *(struct undo_track *const *)b;

    if (x->mailbox != y->mailbox) {
        return x->mailbox < y->mailbox ? -1 : 1;
    }
    return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static enum err job_add(struct undo_plan *p, struct flag_job **jobs, const struct undo_track *t,
                        uint16_t flag, struct span keyword, bool on)
{
    struct flag_job *j = *jobs;

    while (j && !(j->mailbox == t->mailbox && j->flag == flag && j->on == on &&
                  span_eq(j->keyword, keyword))) {
        j = j->next;
    }
    if (!j) {
        j = arena_zalloc(&p->arena, 1, sizeof(*j));
        if (!j) {
            return ERR_LIMIT;
        }
        *j = (struct flag_job){
            .next = *jobs, .mailbox = t->mailbox, .flag = flag, .keyword = keyword, .on = on};
        uid_builder_init(&j->uids, &p->arena);
        *jobs = j;
    }
    uid_builder_add(&j->uids, t->uid, t->uid);
    return j->uids.failed ? ERR_LIMIT : ERR_OK;
}

static bool placement_has(struct undo_plan *p, const struct undo_track *t,
                          const struct placement *at, struct span keyword)
{
    const struct span *names;
    size_t count;

    if (view_keywords(p->view, t->mailbox, &names, &count) != ERR_OK) {
        return false;
    }
    for (size_t n = 0; n < count; n++) {
        if (!span_eq(names[n], keyword)) {
            continue;
        }
        if (n < 64) {
            return at->keywords >> n & 1;
        }
        for (unsigned i = 0; i < at->more_keyword_count; i++) {
            if (at->more_keywords[i] == n) {
                return true;
            }
        }
    }
    return false;
}

static enum err jobs_of(struct undo_plan *p, struct flag_job **jobs, const struct undo_track *t,
                        const struct placement *at)
{
    enum err e = ERR_OK;

    for (uint16_t flag = 1; flag <= FLAG_DRAFT && e == ERR_OK; flag = (uint16_t)(flag << 1)) {
        if (t->their_flags & flag && (at->flags ^ t->base_flags) & flag) {
            e = job_add(p, jobs, t, flag, SPAN(""), t->base_flags & flag);
        }
    }
    for (const struct undo_keyword *k = t->keywords; k && e == ERR_OK; k = k->next) {
        if (k->is_theirs && placement_has(p, t, at, k->name) != k->base) {
            e = job_add(p, jobs, t, 0, k->name, k->base);
        }
    }
    return e;
}

// The tracks of one mailbox from `*i` on beside what the mailbox has.
static enum err jobs_in(struct undo_plan *p, const struct track_list *l, size_t *i,
                        struct flag_job **jobs)
{
    mailbox_id mailbox = l->p[*i]->mailbox;
    struct placement_scan *scan;
    struct placement at = {.uid = 0};
    enum err e = placement_scan_open(p->view, mailbox, l->p[*i]->uid, UINT32_MAX, 0, &scan);

    for (; *i < l->n && l->p[*i]->mailbox == mailbox; ++*i) {
        while (e == ERR_OK && at.uid < l->p[*i]->uid) {
            e = placement_next(scan, &at);
        }
        if (e == ERR_OK && at.uid == l->p[*i]->uid) {
            e = jobs_of(p, jobs, l->p[*i], &at);
        }
    }
    placement_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// UIDs from `*at` on, so many of them; false: that was all.
static bool slice(const struct uid_set *set, size_t *range, uint32_t *skip, struct uid_range *room,
                  struct uid_set *out)
{
    uint64_t left = UNDO_AT_ONCE;

    *out = (struct uid_set){.ranges = room};
    while (*range < set->count && left && out->count < UNDO_AT_ONCE) {
        const struct uid_range *r = &set->ranges[*range];
        uint32_t first = r->first + *skip;
        uint64_t n = (uint64_t)r->last - first + 1, take = n < left ? n : left;

        room[out->count++] = (struct uid_range){first, (uint32_t)(first + take - 1)};
        left -= take;
        *skip = take < n ? *skip + (uint32_t)take : 0;
        *range += take == n;
    }
    return out->count > 0;
}

// What somebody changes between the plan and this stays theirs: `*known` is the newest change that
// is the plan's or ours.
static enum err job_run(struct undo_work *w, struct undo_plan *p, const struct flag_job *j,
                        modseq *known)
{
    struct uid_range *room = malloc(UNDO_AT_ONCE * sizeof(*room));
    struct flag_request r = {.mailbox = j->mailbox,
                             .how = j->on ? FLAGS_ADD : FLAGS_REMOVE,
                             .flags = j->flag,
                             .keywords = &j->keyword,
                             .keyword_count = j->keyword.n > 0};
    uint64_t done = 0;
    size_t range = 0;
    uint32_t skip = 0;
    enum err e = room ? ERR_OK : ERR_NOMEM;

    while (e == ERR_OK && slice(&j->uids.set, &range, &skip, room, &r.uids)) {
        struct flag_result out = {.version = 0};
        struct arena arena;

        done += count_of(&r.uids);
        if (w->is_trial) {
            continue;
        }
        arena_init(&arena, 4u << 20);
        r.unchanged_since = *known;
        e = placement_flags(w->store, w->account, w->by, &r, &arena, &out);
        if (e == ERR_OK) {
            done -= count_of(&out.modified);
            *known = out.changed && out.version == *known + 1 ? out.version : *known;
        }
        arena_finish(&arena);
        e = e == ERR_NOT_FOUND || e == ERR_LIMIT ? ERR_OK : e;
    }
    free(room);
    if (e == ERR_OK && done) {
        undo_say(w, UNDO_FLAGS, undo_box_name(p, j->mailbox), SPAN(""), done);
    }
    return e;
}

enum err undo_flags_back(struct undo_work *w, struct undo_plan *p)
{
    struct flag_job *jobs = NULL;
    modseq known = view_modseq(p->view);
    struct track_list l;
    enum err e = collect(p, has_flags, by_place, &l);

    for (size_t i = 0; i < l.n && e == ERR_OK;) {
        e = jobs_in(p, &l, &i, &jobs);
    }
    free(l.p);
    for (const struct flag_job *j = jobs; j && e == ERR_OK && !w->out->is_stopped; j = j->next) {
        e = job_run(w, p, j, &known);
    }
    return e;
}

// ---- what stays ---------------------------------------------------------------------------------

static bool is_left_place(const struct undo_track *t)
{
    return t->place_is_left || (t->place_is_theirs && !t->base_mailbox && t->uid && t->is_touched);
}

static bool is_left_flags(const struct undo_track *t)
{
    if (!t->uid) {
        return false;
    }
    for (const struct undo_keyword *k = t->keywords; k; k = k->next) {
        if (k->is_left) {
            return true;
        }
    }
    return t->left_flags != 0;
}

// Counted by the mailbox where they are.
static void say_left(struct undo_work *w, struct undo_plan *p, track_fn *which, enum undo_kind kind,
                     const char *why)
{
    struct track_list l;

    if (collect(p, which, by_place, &l) != ERR_OK) {
        return;
    }
    for (size_t i = 0, n; i < l.n; i += n) {
        n = 1;
        while (i + n < l.n && l.p[i + n]->mailbox == l.p[i]->mailbox) {
            n++;
        }
        undo_say_left(w, kind, undo_box_name(p, l.p[i]->mailbox), SPAN(""), n, why);
    }
    free(l.p);
}

void undo_messages_left(struct undo_work *w, struct undo_plan *p)
{
    set_targets(p, w->is_trial);
    say_left(w, p, is_left_place, UNDO_MOVED, WHY_SINCE);
    say_left(w, p, is_left_flags, UNDO_FLAGS, WHY_SINCE);
    say_left(w, p, is_homeless, UNDO_BROUGHT, WHY_NO_BOX);
    if (!w->is_trial) {
        say_left(w, p, is_to_restore, UNDO_BROUGHT, WHY_FORGOT);
    }
    if (p->unknown_keywords) {
        undo_say_left(w, UNDO_FLAGS, SPAN(""), SPAN(""), p->unknown_keywords, WHY_UNNAMED);
    }
}
