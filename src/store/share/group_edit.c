// SPDX-License-Identifier: Apache-2.0
//
// What changes who is a member: aliases that are set and removed, accounts that are removed or get
// another address. Each is in the commit of account 0 that it belongs to.
#include <stdlib.h>

#include "store/rules_internal.h"
#include "store/share/share_internal.h"

#include "base/banned.h"

#define ALIASES_AT_ONCE 100
#define ROWS_AT_ONCE    5000

// ---- rows ---------------------------------------------------------------------------------------

static enum err member_put(struct edit *ed, struct span address, struct span alias)
{
    struct key k = group_member_key(address, alias);
    char room[STR_BYTES_MAX];

    return edit_put(ed, &k, str_encode(address, room));
}

// Its number is given to nobody else: whoever it was named in gives nothing by it any more.
static enum err forget_group(struct edit *ed, struct span alias)
{
    struct key k = key_text(KEY_GROUP, alias);
    uint64_t id;
    enum err e = group_id_of(ed->view.snapshot, alias, &id);

    if (e != ERR_OK && e != ERR_CORRUPT && e != ERR_UNSUPPORTED) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    struct key back = key_u64(KEY_GROUP_ID, e == ERR_OK ? id : 0);

    e = edit_delete(ed, &k);
    return e == ERR_OK ? edit_delete(ed, &back) : e;
}

static bool is_catch_all(struct span alias)
{
    return alias.n && alias.p[0] == '@';
}

static int compare_texts(const void *x, const void *y)
{
    const struct span *a = x, *b = y;
    int order = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);

    return order ? order : a->n < b->n ? -1 : a->n > b->n;
}

static bool has(const struct span *sorted, size_t n, struct span wanted)
{
    return n && bsearch(&wanted, sorted, n, sizeof(*sorted), compare_texts);
}

static struct span *sorted_copy(struct arena *a, const struct span *texts, size_t n)
{
    struct span *copy = arena_zalloc(a, n + 1, sizeof(*copy));

    if (copy && n) {
        memcpy(copy, texts, n * sizeof(*copy));
        qsort(copy, n, sizeof(*copy), compare_texts);
    }
    return copy;
}

enum err group_edit_members(struct edit *ed, struct span alias, const struct span *before,
                            size_t before_n, const struct span *after, size_t after_n)
{
    struct span *were = sorted_copy(&ed->view.arena, before, before_n),
                *are = sorted_copy(&ed->view.arena, after, after_n);
    enum err e = were && are ? ERR_OK : ERR_NOMEM;

    if (is_catch_all(alias)) {
        return ERR_OK;
    }
    for (size_t i = 0; i < before_n && e == ERR_OK; i++) {
        struct key k = group_member_key(were[i], alias);

        e = has(are, after_n, were[i]) ? ERR_OK : edit_delete(ed, &k);
    }
    for (size_t i = 0; i < after_n && e == ERR_OK; i++) {
        e = has(were, before_n, are[i]) ? ERR_OK : member_put(ed, are[i], alias);
    }
    if (e == ERR_OK && !after_n) {
        e = forget_group(ed, alias);
    }
    return e == ERR_OK ? acl_edit_nudge(ed) : e;
}

enum err group_edit_names_changed(struct edit *ed)
{
    return acl_edit_nudge(ed);
}

// ---- members that go ----------------------------------------------------------------------------

struct leaving {
    struct edit *ed;
    struct span to;
    struct span *spellings; // of the address that goes; sorted
    size_t spelling_n;
    struct map seen;
    size_t done;
    bool is_more;
};

// What the alias stands for then.
static enum err without(struct leaving *l, const struct span *targets, size_t n, struct span **out,
                        size_t *out_n)
{
    struct span *left = arena_zalloc(&l->ed->view.arena, n + 1, sizeof(*left));
    bool is_to_there = !l->to.n;

    *out_n = 0;
    for (size_t i = 0; left && i < n; i++) {
        is_to_there = is_to_there || span_eq(targets[i], l->to);
    }
    for (size_t i = 0; left && i < n; i++) {
        if (!has(l->spellings, l->spelling_n, targets[i])) {
            left[(*out_n)++] = targets[i];
        } else if (!is_to_there) {
            left[(*out_n)++] = l->to;
            is_to_there = true;
        }
    }
    *out = left;
    return left ? ERR_OK : ERR_NOMEM;
}

static enum err leave_alias(struct leaving *l, struct span alias)
{
    struct key k = key_text(KEY_ALIAS, alias);
    struct span value, *targets, *left;
    uint64_t id;
    size_t n, left_n;
    enum err e = view_get(&l->ed->view, &k, &value);

    e = e == ERR_OK ? route_alias_decode(value, &l->ed->view.arena, &targets, &n) : e;
    e = e == ERR_OK ? without(l, targets, n, &left, &left_n) : e;
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND || e == ERR_CORRUPT ? ERR_OK : e; // the check's
    }
    if (!left_n) { // mail for it goes nowhere, and not to a catch-all
        e = group_id_of(l->ed->view.snapshot, alias, &id);
        if (e == ERR_NOT_FOUND) {
            return ERR_OK;
        }
        l->done++;
        e = forget_group(l->ed, alias);
        return e == ERR_OK ? group_note(l->ed, "no group any more: ", alias) : e;
    }
    l->done++;
    return route_edit_alias(l->ed, alias, left, left_n);
}

static enum err leave_one(void *arg, struct span alias)
{
    struct leaving *l = arg;

    if (map_get(&l->seen, alias)) {
        return ERR_OK;
    }
    if (l->done == ALIASES_AT_ONCE) {
        l->is_more = true;
        return ERR_EOF;
    }
    struct span copy = arena_dup(&l->ed->view.arena, alias);
    enum err e = copy.p ? map_put(&l->seen, copy, l, NULL) : ERR_NOMEM;

    return e == ERR_OK ? leave_alias(l, copy) : e;
}

enum err group_edit_leave(struct edit *ed, struct span address, struct span to, bool *out_more)
{
    struct leaving l = {.ed = ed, .to = to};
    struct group_names names;
    enum err e = group_names_read(ed->view.snapshot, &ed->view.arena, &names);

    e = e == ERR_OK ? group_spellings(&names, address, &ed->view.arena, &l.spellings, &l.spelling_n)
                    : e;
    if (e != ERR_OK) {
        return e;
    }
    qsort(l.spellings, l.spelling_n, sizeof(*l.spellings), compare_texts);
    map_init(&l.seen);
    for (size_t i = 0; i < l.spelling_n && e == ERR_OK; i++) {
        e = group_each_alias(ed->view.snapshot, l.spellings[i], leave_one, &l);
    }
    map_finish(&l.seen);
    *out_more = l.is_more;
    e = e == ERR_EOF ? ERR_OK : e;
    // Who loses groups by another address looks again, whatever named it.
    return e == ERR_OK ? acl_edit_nudge(ed) : e;
}

// ---- stores of before there were any ------------------------------------------------------------

static enum err mark_complete(struct edit *ed)
{
    struct key k = key_plain(KEY_MEMBER);
    static const char version = SCHEMA_VERSION;

    return edit_put(ed, &k, span_of(&version, 1));
}

enum err group_edit_begin(struct edit *ed)
{
    return mark_complete(ed);
}

struct resuming {
    struct edit *ed;
    // The aliases up to which all is done, and will be when the edit is committed.
    char last[ADDRESS_BYTES_MAX], next[ADDRESS_BYTES_MAX];
    size_t last_n, next_n, rows;
    bool is_done;
};

static enum err resume_alias(struct resuming *r, struct span alias, struct span value)
{
    struct span *targets;
    size_t n;
    enum err e = is_catch_all(alias) ? ERR_NOT_FOUND
                                     : route_alias_decode(value, &r->ed->view.arena, &targets, &n);

    if (e != ERR_OK) { // a damaged one is the check's
        return e == ERR_NOMEM ? e : ERR_OK;
    }
    r->rows += n;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = member_put(r->ed, targets[i], alias);
    }
    return e;
}

static enum err resume_edit(struct edit *ed, void *arg)
{
    struct resuming *r = arg;
    struct key from = key_text(KEY_ALIAS, span_of(r->last, r->last_n)), all = key_plain(KEY_ALIAS),
               to = key_after(&all);
    struct span key, value;
    struct scan *scan;
    enum err e = scan_open(ed->view.snapshot, 0, key_span(&from), key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    r->ed = ed;
    r->rows = 0;
    while (r->rows < ROWS_AT_ONCE && (e = scan_next(scan, &key, &value)) == ERR_OK) {
        struct span alias = span_first(span_skip(key, 1), ADDRESS_BYTES_MAX);

        e = resume_alias(r, alias, value);
        if (e != ERR_OK) {
            break;
        }
        memcpy(r->next, alias.p, alias.n); // once more the next time, which does no harm
        r->next_n = alias.n;
    }
    scan_close(scan);
    r->is_done = e == ERR_NOT_FOUND;
    e = r->is_done ? mark_complete(ed) : e;
    return e == ERR_OK ? group_note(ed, "noted who is in which alias", SPAN("")) : e;
}

enum err group_resume(struct store *s)
{
    static const struct actor by = {.kind = ACTOR_SYSTEM};
    struct key k = key_plain(KEY_MEMBER);
    struct resuming r = {.is_done = false};
    struct span value;
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = view_get(&v, &k, &value);
    view_end(&v);
    if (e != ERR_NOT_FOUND) {
        return e;
    }
    do {
        e = store_edit(s, 0, &by, resume_edit, &r, NULL);
        memcpy(r.last, r.next, r.next_n);
        r.last_n = r.next_n;
    } while (e == ERR_OK && !r.is_done);
    return e;
}
