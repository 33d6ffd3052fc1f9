// SPDX-License-Identifier: Apache-2.0
//
// Contexts: results of SEARCH and SORT that are kept up to date (RFC 5267 section 4.3). One keeps
// the command's text, parsed and compiled once more into memory of its own, and what it found: a
// set of UIDs, for SORT the order as well. Whether a message belongs to it can only change when the
// message comes, when its flags change, and when it goes; so nothing but what changed is looked at.
#include "keep/imap/imap_context.h"

#include <stdlib.h>

#include "base/clock.h"
#include "keep/imap/message/imap_fetch.h"
#include "keep/imap/metadata/imap_metadata.h"
#include "keep/imap/search/imap_context_list.h"
#include "keep/imap/search/imap_search_internal.h"
#include "store/placement/sort_scan.h"

#include "base/banned.h"

#define CONTEXTS_MAX         16           // of a session
#define CONTEXT_PARSED_BYTES (512u << 10) // of one: its command
#define SESSION_BYTES_MAX    (8u << 20)   // of a session's contexts together
#define SERVER_BYTES_MAX     (256u << 20) // of all sessions'
#define STEP_US              10000
#define CHANGES_A_STEP       2000
#define SORTED_A_STEP        64 // each is compared with some twenty others
#define RANGES_A_LINE        500
#define HEADER_BYTES         (1u << 20)
#define TEXT_BYTES           (16u << 10)

struct imap_context {
    struct imap_context *next;
    struct arena arena; // everything the command says
    struct imap_command command;
    struct search_program program;
    bool is_sorted;
    size_t reserved;           // bytes counted for it
    struct uid_range *members; // from malloc
    size_t member_n;
    struct context_list order; // of SORT

    modseq told; // changes up to here have been looked at ...
    uint32_t to; // ... and messages up to this UID
    // A look that did not end within one step: at `pass_uid`, of version `pass_goal`. 0: none.
    modseq pass_goal;
    uint32_t pass_uid;
};

struct imap_contexts {
    struct imap_context *first;
    size_t count, bytes;
    struct imap_server *server;
    // What came is fetched before it is told: whose it is, and which messages. In the command's
    // arena.
    struct imap_fetcher *fetcher;
    struct imap_context *fetching;
    struct uid_set came;
};

// ---- life ---------------------------------------------------------------------------------------

void context_end(struct imap_context *c)
{
    if (c) {
        arena_finish(&c->arena);
        context_list_finish(&c->order);
        free(c->members);
        free(c);
    }
}

// Takes one out of the session's, and ends it.
static void drop(struct imap_contexts *all, struct imap_context **at)
{
    struct imap_context *c = *at;

    if (all->fetching == c) {
        imap_fetcher_finish(all->fetcher);
        all->fetcher = NULL;
        all->fetching = NULL;
    }
    *at = c->next;
    all->count--;
    all->bytes -= c->reserved;
    atomic_fetch_sub(&all->server->context_bytes, c->reserved);
    context_end(c);
}

void imap_contexts_destroy(struct imap_contexts *all)
{
    while (all && all->first) {
        drop(all, &all->first);
    }
    free(all);
}

size_t imap_contexts_memory(const struct imap_contexts *all)
{
    size_t n = all ? sizeof(*all) : 0;

    for (const struct imap_context *c = all ? all->first : NULL; c; c = c->next) {
        n += sizeof(*c) + c->arena.used + c->member_n * sizeof(*c->members) +
             context_list_memory(&c->order);
    }
    return n;
}

// ---- beginning ----------------------------------------------------------------------------------

static void say_no_update(struct imap_session *s, struct span tag, const char *why)
{
    OUT(s, "* NO [NOUPDATE ");
    imap_write_string(s->out, tag, false);
    OUT(s, "] ");
    buf_put_str(s->out, why);
    OUT(s, "\r\n");
}

void context_refuse(struct imap_session *s)
{
    say_no_update(s, s->command.tag, "Changes of this result are not told");
}

// What a context may come to need: every second message a range of its own, pieces half full.
static size_t bytes_of(const struct imap_session *s, const struct imap_context *c)
{
    size_t each = sizeof(struct uid_range) / 2 + (c->is_sorted ? 2 * sizeof(uint32_t) : 0);

    return sizeof(*c) + c->arena.used + s->selected->map.exists * each;
}

// A session's first SEARCH is always kept up to date (RFC 5267 section 4.3.1).
static bool has_room(struct imap_session *s, const struct imap_context *c)
{
    const struct imap_contexts *all = s->selected->contexts;
    size_t bytes = bytes_of(s, c);

    if (all->count == CONTEXTS_MAX) {
        return false;
    }
    return (!all->count && !c->is_sorted) ||
           (all->bytes + bytes <= SESSION_BYTES_MAX &&
            atomic_load(&s->server->context_bytes) + bytes <= SERVER_BYTES_MAX);
}

static struct imap_search *search_of(struct imap_context *c)
{
    return c->is_sorted ? &c->command.sort.search : &c->command.search;
}

// The command once more, in memory that outlives it.
static enum err read_again(struct imap_session *s, struct imap_context *c)
{
    struct imap_parse_options options;
    struct imap_parse_error error;
    struct span text = arena_dup(&c->arena, s->text);

    imap_parse_options_of(s, &options);
    enum err e = text.p ? imap_parse(text, &c->arena, &options, &c->command, &error) : ERR_NOMEM;

    if (!e && filters_expand(s, &c->arena, search_of(c)) == STEP_DONE) {
        e = ERR_LIMIT; // somebody has just changed a filter
    }
    return e ? e : search_compile(s, &c->arena, search_of(c), &c->program);
}

// Changes with time alone (RFC 5032) are not noticed.
static bool depends_on_time(const struct imap_search *search)
{
    for (size_t i = 0; i < search->n; i++) {
        if (search->nodes[i].key == IMAP_SEARCH_OLDER ||
            search->nodes[i].key == IMAP_SEARCH_YOUNGER) {
            return true;
        }
    }
    return false;
}

static bool has_tag(const struct imap_contexts *all, struct span tag)
{
    for (const struct imap_context *c = all->first; c; c = c->next) {
        if (span_eq(c->command.tag, tag)) {
            return true;
        }
    }
    return false;
}

static struct imap_contexts *contexts_of(struct imap_session *s)
{
    struct imap_selected *sel = s->selected;

    if (!sel->contexts) {
        sel->contexts = calloc(1, sizeof(*sel->contexts));
        if (sel->contexts) {
            sel->contexts->server = s->server;
        }
    }
    return sel->contexts;
}

enum imap_step context_begin(struct imap_session *s, const struct imap_search *search,
                             struct imap_context **out)
{
    struct imap_contexts *all = s->selected->contexts;

    *out = NULL;
    if (!search->extended || !(search->returns & IMAP_SEARCH_RETURN_UPDATE)) {
        return STEP_MORE;
    }
    if (all && has_tag(all, s->command.tag)) {
        return imap_answer_bad(s, "The tag is that of a result that is kept up to date");
    }
    struct imap_context *c = depends_on_time(search) ? NULL : calloc(1, sizeof(*c));

    if (c) {
        arena_init(&c->arena, CONTEXT_PARSED_BYTES);
        context_list_init(&c->order);
        c->is_sorted = s->command.id == IMAP_SORT;
        c->told = s->selected->told;
        c->to = uid_map_last(&s->selected->map);
    }
    if (!c || !contexts_of(s) || read_again(s, c) || !has_room(s, c)) {
        context_end(c);
        context_refuse(s);
        return STEP_MORE;
    }
    *out = c;
    return STEP_MORE;
}

static enum err set_members(struct imap_context *c, struct uid_set set)
{
    struct uid_range *copy = malloc((set.count + 1) * sizeof(*copy));

    if (!copy) {
        return ERR_NOMEM;
    }
    if (set.count) {
        memcpy(copy, set.ranges, set.count * sizeof(*copy));
    }
    free(c->members);
    c->members = copy;
    c->member_n = set.count;
    return ERR_OK;
}

void context_keep(struct imap_session *s, struct imap_context **from, struct uid_set found,
                  const uint32_t *order, size_t n)
{
    struct imap_contexts *all = s->selected->contexts;
    struct imap_context *c = *from;

    *from = NULL;
    if (!c) {
        return;
    }
    enum err e = set_members(c, found);

    for (size_t i = 0; !e && c->is_sorted && i < n; i++) {
        e = context_list_insert(&c->order, i, order[i]);
    }
    if (e || s->limited_at) { // of a result that is cut short the rest would be missing
        context_end(c);
        context_refuse(s);
        return;
    }
    c->reserved = bytes_of(s, c);
    c->next = all->first;
    all->first = c;
    all->count++;
    all->bytes += c->reserved;
    atomic_fetch_add(&s->server->context_bytes, c->reserved);
}

// ---- writing ------------------------------------------------------------------------------------

static void write_head(struct imap_session *s, const struct imap_context *c, const char *what)
{
    OUT(s, "* ESEARCH (TAG ");
    imap_write_string(s->out, c->command.tag, false);
    buf_put_str(s->out, c->command.uid ? ") UID " : ") ");
    buf_put_str(s->out, what);
    OUT(s, " (");
}

static uint32_t number_of(const struct imap_session *s, const struct imap_context *c, uint32_t uid)
{
    return c->command.uid ? uid : uid_map_seq(&s->selected->map, uid);
}

// Of a result in the order of the mailbox: at position 0, wherever that is.
static void write_set(struct imap_session *s, const struct imap_context *c, const char *what,
                      struct uid_set set)
{
    struct imap_seqset_writer w;
    struct uid_cursor cursor = {0};

    for (size_t i = 0; i < set.count; i++) {
        struct uid_range r = set.ranges[i];

        if (i % RANGES_A_LINE == 0) {
            write_head(s, c, what);
            OUT(s, "0 ");
            imap_seqset_writer_init(&w, s->out);
        }
        // Neighbours in UIDs are neighbours in numbers: messages of the map have no gap in them.
        for (uint64_t uid = r.first; uid <= r.last; uid++) {
            uint32_t seq = uid_map_seq_at(&s->selected->map, &cursor, (uint32_t)uid);

            imap_seqset_writer_put(&w, c->command.uid ? (uint32_t)uid : seq);
        }
        if ((i + 1) % RANGES_A_LINE == 0 || i + 1 == set.count) {
            imap_seqset_writer_end(&w);
            OUT(s, ")\r\n");
        }
    }
}

// Pairs of positions and sets.
struct pairs {
    struct imap_session *s;
    const struct imap_context *c;
    const char *what;
    size_t n; // in the line now
};

static void pairs_put(struct pairs *p, size_t position, const uint32_t *uids, size_t n)
{
    struct imap_seqset_writer w;

    if (!p->n) {
        write_head(p->s, p->c, p->what);
    } else {
        OUT(p->s, " ");
    }
    buf_put_u64(p->s->out, position + 1);
    OUT(p->s, " ");
    imap_seqset_writer_init(&w, p->s->out);
    for (size_t i = 0; i < n; i++) {
        imap_seqset_writer_put(&w, number_of(p->s, p->c, uids[i]));
    }
    imap_seqset_writer_end(&w);
    if (++p->n == RANGES_A_LINE) {
        OUT(p->s, ")\r\n");
        p->n = 0;
    }
}

static void pairs_end(struct pairs *p)
{
    if (p->n) {
        OUT(p->s, ")\r\n");
    }
    p->n = 0;
}

static void put_run(void *arg, size_t position, const uint32_t *uids, size_t n)
{
    pairs_put(arg, position, uids, n);
}

// ---- taking out ---------------------------------------------------------------------------------

// Those in both; in the arena.
static enum err both(struct uid_set x, struct uid_set y, struct arena *a, struct uid_set *out)
{
    struct uid_set rest;
    enum err e = uid_set_without(x, y, a, &rest);

    return e ? e : uid_set_without(x, rest, a, out);
}

// `gone` are members.
static enum err take_out(struct imap_session *s, struct imap_context *c, struct uid_set gone)
{
    struct uid_set members = {c->members, c->member_n}, left;
    enum err e = uid_set_without(members, gone, &s->tell_arena, &left);

    e = e ? e : set_members(c, left);
    if (e || !gone.count) {
        return e;
    }
    if (!c->is_sorted) {
        write_set(s, c, "REMOVEFROM", gone);
        return ERR_OK;
    }
    struct pairs pairs = {.s = s, .c = c, .what = "REMOVEFROM"};

    context_list_remove(&c->order, gone, put_run, &pairs);
    pairs_end(&pairs);
    return ERR_OK;
}

void imap_contexts_gone(struct imap_session *s, struct uid_set gone)
{
    struct imap_contexts *all = s->selected->contexts;

    for (struct imap_context **at = all ? &all->first : NULL; at && *at;) {
        struct imap_context *c = *at;
        struct uid_set mine;
        enum err e = both(gone, (struct uid_set){c->members, c->member_n}, &s->tell_arena, &mine);

        e = e || !mine.count ? e : take_out(s, c, mine);
        if (e) {
            say_no_update(s, c->command.tag, "Changes are not told any more");
            drop(all, at);
        } else {
            at = &c->next;
        }
    }
}

// ---- putting in ---------------------------------------------------------------------------------

// What something new is sorted by, and the means to compare it with those that are there.
struct sorting {
    struct imap_session *s;
    const struct imap_context *c;
    struct view *v;
    struct sort_scan *keys;
    uint32_t uid;
    struct {
        struct sort_value value;
        struct span text;
    } own[IMAP_SORT_KEYS_MAX];
    struct buf text;
};

static enum err find_placement(struct view *v, mailbox_id mailbox, uint32_t uid,
                               struct placement *out)
{
    struct placement_scan *scan;
    enum err e = placement_scan_open(v, mailbox, uid, uid, 0, &scan);

    if (!e) {
        e = placement_next(scan, out);
        placement_scan_close(scan); // of `out` only numbers are used
    }
    return e;
}

static enum err own_values(struct sorting *so, const struct placement *p)
{
    const struct imap_sort *sort = &so->c->command.sort;
    enum err e = ERR_OK;

    for (size_t i = 0; !e && i < sort->n; i++) {
        e = sort_value_of(so->c->program.collation, sort->criteria[i].key, so->keys, p, &so->text,
                          &so->own[i].value);
        so->own[i].text = e ? (struct span){0} : arena_dup(&so->s->tell_arena, buf_span(&so->text));
        e = e || so->own[i].text.p ? e : ERR_NOMEM;
    }
    return e;
}

// As order/sorter.h has it: the first eight bytes with zeros behind, then the rest.
static int compare_texts(struct span x, struct span y)
{
    char head_x[8] = {0}, head_y[8] = {0};

    memcpy(head_x, x.n ? x.p : "", x.n < 8 ? x.n : 8);
    memcpy(head_y, y.n ? y.p : "", y.n < 8 ? y.n : 8);
    int order = memcmp(head_x, head_y, 8);

    return order ? order : span_cmp(span_skip(x, 8), span_skip(y, 8));
}

static enum err compare_with(void *arg, uint32_t uid, int *out)
{
    struct sorting *so = arg;
    const struct imap_sort *sort = &so->c->command.sort;
    struct placement p;
    enum err e = find_placement(so->v, so->s->selected->mailbox, uid, &p);

    *out = 0;
    if (e) {
        return e == ERR_NOT_FOUND ? ERR_OK : e; // gone, and the client not told of it yet
    }
    for (size_t i = 0; !*out && i < sort->n; i++) {
        struct sort_value theirs, own = so->own[i].value;

        e = sort_value_of(so->c->program.collation, sort->criteria[i].key, so->keys, &p, &so->text,
                          &theirs);
        if (e) {
            return e;
        }
        *out = own.is_text ? compare_texts(buf_span(&so->text), so->own[i].text)
                           : (theirs.number > own.number) - (theirs.number < own.number);
        *out = sort->criteria[i].reverse ? -*out : *out;
    }
    *out = *out ? *out : uid < so->uid ? -1 : 1;
    return ERR_OK;
}

static enum err put_one(struct sorting *so, struct imap_context *c, struct pairs *pairs)
{
    struct placement p;
    size_t at = 0;
    enum err e = find_placement(so->v, so->s->selected->mailbox, so->uid, &p);

    e = e ? e : own_values(so, &p);
    e = e ? e : context_list_find(&c->order, compare_with, so, &at);
    e = e ? e : context_list_insert(&c->order, at, so->uid);
    if (!e) {
        pairs_put(pairs, at, &so->uid, 1);
    }
    return e;
}

static enum err put_in_order(struct imap_session *s, struct imap_context *c, struct view *v,
                             struct uid_set came)
{
    struct pairs pairs = {.s = s, .c = c, .what = "ADDTO"};
    struct sorting so = {.s = s, .c = c, .v = v};
    enum err e = sort_scan_open(v, &so.keys);

    if (e) {
        return e;
    }
    buf_init(&so.text, TEXT_BYTES);
    for (size_t i = 0; !e && i < came.count; i++) {
        for (uint64_t uid = came.ranges[i].first; !e && uid <= came.ranges[i].last; uid++) {
            so.uid = (uint32_t)uid;
            e = put_one(&so, c, &pairs);
        }
    }
    pairs_end(&pairs);
    buf_finish(&so.text);
    sort_scan_close(so.keys);
    return e;
}

static enum err put_in(struct imap_session *s, struct imap_context *c, struct view *v,
                       struct uid_set came)
{
    struct uid_set members = {c->members, c->member_n}, all;
    enum err e = uid_set_union(members, came, &s->tell_arena, &all);

    e = e ? e : set_members(c, all);
    if (e || !came.count) {
        return e;
    }
    if (c->is_sorted) {
        return put_in_order(s, c, v, came);
    }
    write_set(s, c, "ADDTO", came);
    return ERR_OK;
}

// ---- fetching what came -------------------------------------------------------------------------

bool imap_contexts_are_inside(const struct imap_selected *sel)
{
    return sel && sel->contexts && sel->contexts->fetcher;
}

// Before they are told of (RFC 5465 section 7). \Seen stays as it is.
static enum err fetch_begin(struct imap_session *s, struct imap_context *c, struct uid_set came)
{
    struct imap_contexts *all = s->selected->contexts;
    struct imap_fetch_request r = {.items = search_of(c)->items, .n = search_of(c)->item_n};
    enum err e = uid_map_known(&s->selected->map, came, &s->arena, &r.uids);
    struct imap_fetcher *f = e ? NULL : imap_fetcher_create(s, &r);

    if (!f) {
        return e ? e : ERR_NOMEM;
    }
    f->sets_seen = false;
    all->fetcher = f;
    all->fetching = c;
    all->came = r.uids;
    return ERR_OK;
}

// Those that have gone meanwhile are never told of.
static enum err still_there(struct imap_session *s, struct view *v, struct uid_set came,
                            struct uid_set *out)
{
    struct uid_set_builder b;
    struct placement p;
    enum err e = ERR_OK;

    uid_set_builder_init(&b, &s->tell_arena);
    for (size_t i = 0; !e && i < came.count; i++) {
        for (uint64_t uid = came.ranges[i].first; !e && uid <= came.ranges[i].last; uid++) {
            e = find_placement(v, s->selected->mailbox, (uint32_t)uid, &p);
            e = e ? e : uid_set_add(&b, (uint32_t)uid, (uint32_t)uid);
            e = e == ERR_NOT_FOUND ? ERR_OK : e;
        }
    }
    *out = b.set;
    return e;
}

static enum err fetch_end(struct imap_session *s, struct imap_context *c, struct uid_set came)
{
    struct uid_set there;
    struct view *v;
    enum err e = imap_view_open(s, s->selected->account, &v);

    if (e) {
        return e;
    }
    arena_init(&s->tell_arena, IMAP_COMMAND_BYTES);
    e = still_there(s, v, came, &there);
    e = e ? e : put_in(s, c, v, there);
    view_close(v);
    arena_finish(&s->tell_arena);
    return e;
}

enum imap_step imap_contexts_fetch(struct imap_session *s)
{
    struct imap_contexts *all = s->selected->contexts;
    struct imap_result result = s->result; // of the command that has run
    enum imap_step step = imap_fetcher_step(s, all->fetcher);
    struct imap_context **at = &all->first;

    s->result = result;
    if (step != STEP_DONE) {
        return step;
    }
    while (*at != all->fetching) {
        at = &(*at)->next;
    }
    imap_fetcher_finish(all->fetcher);
    all->fetcher = NULL;
    all->fetching = NULL;
    if (!s->selected->is_gone && fetch_end(s, *at, all->came)) {
        say_no_update(s, (*at)->command.tag, "Changes are not told any more");
        drop(all, at);
    }
    return STEP_MORE;
}

// ---- looking at what changed --------------------------------------------------------------------

struct look {
    struct uid_set_builder came, gone;
    unsigned changes, most;
    int64_t until_us;
    struct buf header, scratch, folded;
};

static enum err look_at(struct imap_session *s, struct imap_context *c, struct view *v,
                        const struct placement *p, struct look *l)
{
    const struct imap_selected *sel = s->selected;
    struct search_message m = {
        .v = v,
        .placement = p,
        .is_recent = sel->recent.exists && uid_map_seq(&sel->recent, p->uid),
        .header = &l->header,
        .scratch = &l->scratch,
        .folded = &l->folded,
    };

    if (!uid_map_seq(&sel->map, p->uid)) {
        return ERR_OK;
    }
    bool was = uid_set_has((struct uid_set){c->members, c->member_n}, p->uid);
    bool is = search_matches(&c->program, &m);

    if (was == is) {
        return ERR_OK;
    }
    l->changes++;
    return uid_set_add(is ? &l->came : &l->gone, p->uid, p->uid);
}

// From the cursor to `last`. ERR_AGAIN: the step is over.
static enum err look_through(struct imap_session *s, struct imap_context *c, struct view *v,
                             uint32_t last, modseq since, struct look *l)
{
    struct placement_scan *scan;
    struct placement p;
    unsigned looked = 0;

    if (c->pass_uid >= last) {
        return ERR_OK;
    }
    enum err e = placement_scan_open(v, s->selected->mailbox, c->pass_uid + 1, last, since, &scan);

    if (e) {
        return e;
    }
    while (!(e = placement_next(scan, &p))) {
        e = look_at(s, c, v, &p, l);
        c->pass_uid = p.uid;
        if (!e && (l->changes >= l->most || ((c->program.has_text || ++looked % 64 == 0) &&
                                             clock_monotonic_us() > l->until_us))) {
            e = ERR_AGAIN;
        }
        if (e) {
            break;
        }
    }
    placement_scan_close(scan);
    if (e == ERR_NOT_FOUND) {
        c->pass_uid = last;
        e = ERR_OK;
    }
    return e;
}

static enum err look_for_changes(struct imap_session *s, struct imap_context *c, struct view *v,
                                 struct look *l)
{
    struct imap_keywords keywords;
    uint32_t last = uid_map_last(&s->selected->map);
    enum err e = imap_keywords_of(v, s->selected->mailbox, &keywords);

    if (!c->pass_goal) {
        c->pass_goal = view_modseq(v);
        c->pass_uid = 0;
    }
    if (!e) {
        search_bind(&c->program, &keywords);
        e = look_through(s, c, v, c->to < last ? c->to : last, c->told, l);
    }
    e = e ? e : look_through(s, c, v, last, 0, l);
    if (!e) {
        c->told = c->pass_goal;
        c->to = last > c->to ? last : c->to;
        c->pass_goal = 0;
    }
    return e;
}

static enum err context_step(struct imap_session *s, struct imap_context *c, struct view *v,
                             int64_t until_us, bool *out_more)
{
    struct look l = {.until_us = until_us, .most = c->is_sorted ? SORTED_A_STEP : CHANGES_A_STEP};
    struct uid_range new = {c->to < UINT32_MAX ? c->to + 1 : c->to, UINT32_MAX};
    struct uid_set fresh = {0}, others;

    uid_set_builder_init(&l.came, &s->tell_arena);
    uid_set_builder_init(&l.gone, &s->tell_arena);
    buf_init(&l.header, HEADER_BYTES);
    buf_init(&l.scratch, 4 * HEADER_BYTES);
    buf_init(&l.folded, 16 * HEADER_BYTES);
    enum err e = look_for_changes(s, c, v, &l);

    *out_more = e == ERR_AGAIN;
    e = e == ERR_AGAIN ? ERR_OK : e;
    e = e ? e : take_out(s, c, l.gone.set);
    others = l.came.set;
    if (!e && search_of(c)->item_n) {
        e = both(l.came.set, (struct uid_set){&new, 1}, &s->tell_arena, &fresh);
        e = e ? e : uid_set_without(l.came.set, fresh, &s->tell_arena, &others);
    }
    e = e ? e : put_in(s, c, v, others);
    if (!e && fresh.count) {
        e = fetch_begin(s, c, fresh);
        *out_more = true;
    }
    buf_finish(&l.header);
    buf_finish(&l.scratch);
    buf_finish(&l.folded);
    return e;
}

static bool is_told(const struct imap_selected *sel, const struct imap_context *c, modseq version)
{
    return !c->pass_goal && c->told >= version && c->to >= uid_map_last(&sel->map);
}

bool imap_contexts_are_told(const struct imap_selected *sel, modseq version)
{
    for (const struct imap_context *c = sel->contexts ? sel->contexts->first : NULL; c;
         c = c->next) {
        if (!is_told(sel, c, version)) {
            return false;
        }
    }
    return true;
}

void imap_contexts_pass(struct imap_selected *sel, modseq version)
{
    for (struct imap_context *c = sel->contexts ? sel->contexts->first : NULL; c; c = c->next) {
        c->told = c->told > version ? c->told : version;
    }
}

void imap_contexts_step(struct imap_session *s, struct view *v, bool *out_more)
{
    struct imap_contexts *all = s->selected->contexts;
    int64_t until_us = clock_monotonic_us() + STEP_US;

    *out_more = false;
    for (struct imap_context **at = all ? &all->first : NULL; at && *at && !*out_more;) {
        struct imap_context *c = *at;
        enum err e = is_told(s->selected, c, view_modseq(v))
                         ? ERR_OK
                         : context_step(s, c, v, until_us, out_more);

        if (e) {
            say_no_update(s, c->command.tag, "Changes are not told any more");
            drop(all, at);
        } else {
            at = &c->next;
        }
    }
}

// ---- ending -------------------------------------------------------------------------------------

void imap_contexts_end_numbers(struct imap_session *s)
{
    struct imap_contexts *all = s->selected ? s->selected->contexts : NULL;

    for (struct imap_context **at = all ? &all->first : NULL; at && *at;) {
        if ((*at)->command.uid) {
            at = &(*at)->next;
        } else {
            say_no_update(s, (*at)->command.tag, "It is in message numbers");
            drop(all, at);
        }
    }
}

// CANCELUPDATE (RFC 5267 section 4.3.5). A tag that is not known has nothing to be cancelled.
enum imap_step imap_run_cancelupdate(struct imap_session *s)
{
    const struct imap_words *words = &s->command.words;
    struct imap_contexts *all = s->selected->contexts;

    for (struct imap_context **at = all ? &all->first : NULL; at && *at;) {
        bool is_named = false;

        for (size_t i = 0; i < words->n; i++) {
            is_named = is_named || span_eq(words->words[i], (*at)->command.tag);
        }
        if (is_named) {
            drop(all, at);
        } else {
            at = &(*at)->next;
        }
    }
    return imap_answer_ok(s, "CANCELUPDATE completed");
}
