// SPDX-License-Identifier: Apache-2.0
//
// Who is a member of which group, looked up from the member: what names an address is found by the
// address, so that it costs as much as there are groups of theirs.
#include "store/share/group.h"

#include <stdlib.h>
#include <xxhash.h>

#include "store/share/share_internal.h"

#include "base/banned.h"

// ---- rows of account 0 --------------------------------------------------------------------------

struct key group_member_key(struct span address, struct span alias)
{
    uint64_t hash = XXH3_64bits(address.n ? address.p : "", address.n);
    struct key k = key_u64(KEY_MEMBER, hash);

    alias = span_first(alias, ADDRESS_BYTES_MAX);
    memcpy(k.p + k.n, alias.p, alias.n);
    k.n += alias.n;
    return k;
}

enum err group_id_of(struct snapshot *snapshot, struct span alias, uint64_t *out)
{
    struct key k = key_text(KEY_GROUP, alias);
    struct span value;
    enum err e = snapshot_get(snapshot, 0, key_span(&k), &value);

    return e == ERR_OK ? account_id_decode(value, out) : e;
}

enum err group_each_alias(struct snapshot *snapshot, struct span address, group_alias_fn *fn,
                          void *arg)
{
    struct key from = group_member_key(address, SPAN("")), to = key_after(&from);
    struct span key, value, named;
    struct scan *scan;
    enum err e = scan_open(snapshot, 0, key_span(&from), key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = str_decode(value, ADDRESS_BYTES_MAX, &named);
        // Another address may have the same hash.
        if (e == ERR_OK && span_eq(named, address)) {
            e = fn(arg, span_skip(key, from.n));
        }
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// ---- other names of domains ---------------------------------------------------------------------

static enum err names_add(struct group_names *names, struct arena *a, struct span domain,
                          struct span target)
{
    if (names->n == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 8;
        struct span *domains = arena_zalloc(a, cap, sizeof(*domains)),
                    *targets = arena_zalloc(a, cap, sizeof(*targets));

        if (!domains || !targets) {
            return ERR_NOMEM;
        }
        if (names->n) {
            memcpy(domains, names->domains, names->n * sizeof(*domains));
            memcpy(targets, names->targets, names->n * sizeof(*targets));
        }
        names->domains = domains;
        names->targets = targets;
        names->cap = cap;
    }
    domain = arena_dup(a, domain);
    target = arena_dup(a, target);
    if (!domain.p || !target.p) {
        return ERR_NOMEM;
    }
    names->domains[names->n] = domain;
    names->targets[names->n++] = target;
    return ERR_OK;
}

enum err group_names_read(struct snapshot *snapshot, struct arena *a, struct group_names *out)
{
    struct key from = key_plain(KEY_DOMAIN_ALIAS), to = key_after(&from);
    struct group_names names = {.n = 0};
    struct span key, value, target;
    struct scan *scan;
    enum err e = scan_open(snapshot, 0, key_span(&from), key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = str_decode(value, DOMAIN_BYTES_MAX, &target);
        e = e == ERR_OK ? names_add(&names, a, span_skip(key, 1), target) : e;
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    *out = names;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err group_spellings(const struct group_names *names, struct span address, struct arena *a,
                         struct span **out, size_t *out_n)
{
    size_t at = span_find_byte(address, '@') + 1, n = 1;
    struct span domain = span_skip(address, at), local = span_first(address, at);
    struct span *all = arena_zalloc(a, names->n + 1, sizeof(*all));

    if (!all) {
        return ERR_NOMEM;
    }
    all[0] = address;
    for (size_t i = 0; i < names->n; i++) {
        struct span other = names->domains[i];

        if (!span_eq(names->targets[i], domain) || local.n + other.n > ADDRESS_BYTES_MAX) {
            continue;
        }
        char *p = arena_alloc(a, local.n + other.n);

        if (!p) {
            return ERR_NOMEM;
        }
        memcpy(p, local.p, local.n);
        memcpy(p + local.n, other.p, other.n);
        all[n++] = span_of(p, local.n + other.n);
    }
    *out = all;
    *out_n = n;
    return ERR_OK;
}

// ---- from a member to its groups ----------------------------------------------------------------

struct walk {
    struct snapshot *snapshot;
    struct arena *a;
    struct group_names names;
    struct map seen;
    struct {
        struct span address;
        unsigned depth;
    } todo[GROUP_ALIASES_MAX + 1];
    size_t n;
    unsigned depth; // of what is found now
    bool is_cut;
};

static enum err found(void *arg, struct span alias)
{
    struct walk *w = arg;

    if (map_get(&w->seen, alias)) {
        return ERR_OK;
    }
    if (w->n > GROUP_ALIASES_MAX || w->depth > GROUP_DEPTH_MAX) {
        w->is_cut = true;
        return ERR_OK;
    }
    struct span copy = arena_dup(w->a, alias);

    w->todo[w->n].address = copy;
    w->todo[w->n++].depth = w->depth;
    return copy.p ? map_put(&w->seen, copy, w, NULL) : ERR_NOMEM;
}

static enum err look_from(struct walk *w, struct span address)
{
    struct span *spellings;
    size_t n;
    enum err e = group_spellings(&w->names, address, w->a, &spellings, &n);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = group_each_alias(w->snapshot, spellings[i], found, w);
    }
    return e;
}

static int compare_ids(const void *x, const void *y)
{
    const uint64_t *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

// Aliases that are no groups lead on to others, too.
static enum err ids_of(struct walk *w, struct acl_groups *out)
{
    uint64_t *ids = arena_zalloc(w->a, w->n + 1, sizeof(*ids));
    size_t n = 0;
    enum err e = ids ? ERR_OK : ERR_NOMEM;

    for (size_t i = 1; i < w->n && e == ERR_OK; i++) {
        e = group_id_of(w->snapshot, w->todo[i].address, &ids[n]);
        n += e == ERR_OK;
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    if (e == ERR_OK) {
        qsort(ids, n, sizeof(*ids), compare_ids);
        *out = (struct acl_groups){.ids = ids, .n = n, .is_cut = w->is_cut};
    }
    return e;
}

// Not of all aliases in a store of an older program that could not be written yet.
static enum err are_written_down(struct snapshot *snapshot, bool *out)
{
    struct key k = key_plain(KEY_MEMBER);
    struct span value;
    enum err e = snapshot_get(snapshot, 0, key_span(&k), &value);

    *out = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err address_of(struct snapshot *snapshot, account_id account, struct span *out)
{
    struct key k = key_u64(KEY_ACCOUNT_ID, account);
    struct entry_record entry;
    struct span value;
    enum err e = snapshot_get(snapshot, 0, key_span(&k), &value);

    e = e == ERR_OK ? entry_decode(value, &entry) : e;
    if (e == ERR_OK && entry.state == ENTRY_REMOVING) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        *out = entry.address;
    }
    return e;
}

enum err groups_of(struct snapshot *snapshot, account_id account, struct arena *a,
                   struct acl_groups *out)
{
    struct walk *w = arena_zalloc(a, 1, sizeof(*w));
    bool is_complete = false;
    enum err e = w ? are_written_down(snapshot, &is_complete) : ERR_NOMEM;

    if (e != ERR_OK) {
        return e;
    }
    w->snapshot = snapshot;
    w->a = a;
    w->is_cut = !is_complete;
    map_init(&w->seen);
    e = address_of(snapshot, account, &w->todo[0].address);
    if (e == ERR_NOT_FOUND) { // being removed
        *out = (struct acl_groups){.n = 0};
        return ERR_OK;
    }
    w->n = 1;
    e = e == ERR_OK ? group_names_read(snapshot, a, &w->names) : e;
    for (size_t i = 0; i < w->n && e == ERR_OK; i++) {
        w->depth = w->todo[i].depth + 1;
        e = look_from(w, w->todo[i].address);
    }
    e = e == ERR_OK ? ids_of(w, out) : e;
    map_finish(&w->seen);
    return e;
}

bool acl_groups_have(const struct acl_groups *g, uint64_t id)
{
    return g->n && bsearch(&id, g->ids, g->n, sizeof(*g->ids), compare_ids);
}

enum err groups_mark(struct store *s, account_id account, uint64_t *out)
{
    struct acl_groups g = {.n = 0};
    struct snapshot *snapshot;
    struct arena arena;
    enum err e = snapshot_open(s->engine, &snapshot);

    if (e != ERR_OK) {
        return e;
    }
    arena_init(&arena, VIEW_ARENA_BYTES_MAX);
    e = groups_of(snapshot, account, &arena, &g);
    if (e == ERR_OK) {
        *out = XXH3_64bits(g.n ? (const void *)g.ids : "", g.n * sizeof(*g.ids)) + g.is_cut;
    }
    arena_finish(&arena);
    snapshot_close(snapshot);
    return e;
}

// ---- whom an identifier means -------------------------------------------------------------------

static enum err who_at(struct view *v, struct span address, struct acl_who *out)
{
    struct key account = key_text(KEY_ADDRESS, address), alias = key_text(KEY_ALIAS, address);
    struct acl_who who = {.kind = ACL_ACCOUNT};
    struct span value;
    enum err e = view_get(v, &account, &value);

    e = e == ERR_OK ? account_id_decode(value, &who.id) : e;
    if (e == ERR_NOT_FOUND) {
        who.kind = ACL_GROUP;
        e = view_get(v, &alias, &value);
        if (e == ERR_OK && group_id_of(v->snapshot, address, &who.id) != ERR_OK) {
            who.id = 0;
        }
    }
    *out = who;
    return e;
}

enum err group_note(struct edit *ed, const char *what, struct span alias)
{
    struct change c = {.kind = CHANGE_ACCOUNT};
    struct buf text;

    buf_init(&text, NAME_BYTES_MAX);
    buf_put_str(&text, what);
    buf_put(&text, alias);
    c.after = buf_span(&text);
    enum err e = text.failed ? ERR_NOMEM : change_put(ed, &c);

    buf_finish(&text);
    return e;
}

struct naming {
    struct span alias;
    struct acl_who who;
};

// The number is that of the commit, which is never given twice.
static enum err name_group(struct edit *ed, void *arg)
{
    struct naming *n = arg;
    struct key k = key_text(KEY_GROUP, n->alias), back = key_u64(KEY_GROUP_ID, ed->modseq);
    char room[ACCOUNT_ID_BYTES], text[STR_BYTES_MAX];
    enum err e = who_at(&ed->view, n->alias, &n->who);

    if (e != ERR_OK || n->who.id) {
        return e;
    }
    n->who.id = ed->modseq;
    e = edit_put(ed, &k, account_id_encode(ed->modseq, room));
    e = e == ERR_OK ? edit_put(ed, &back, str_encode(n->alias, text)) : e;
    return e == ERR_OK ? group_note(ed, "named in a list of rights: ", n->alias) : e;
}

enum err acl_who_find(struct store *s, const struct actor *by, struct span address,
                      struct acl_who *out)
{
    struct naming n = {.alias = address};
    struct view v;
    enum err e = address.n > ADDRESS_BYTES_MAX ? ERR_NOT_FOUND : view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = who_at(&v, address, &n.who);
    view_end(&v);
    if (e == ERR_OK && !n.who.id && by) {
        e = store_edit(s, 0, by, name_group, &n, NULL);
    }
    if (e == ERR_OK) {
        *out = n.who;
    }
    return e;
}

static enum err group_address(struct store *s, uint64_t id, struct arena *a, struct span *out)
{
    struct key k = key_u64(KEY_GROUP_ID, id);
    struct span value;
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = view_get(&v, &k, &value);
    e = e == ERR_OK ? str_decode(value, ADDRESS_BYTES_MAX, &value) : e;
    if (e == ERR_OK) {
        *out = arena_dup(a, value);
        e = out->p ? ERR_OK : ERR_NOMEM;
    }
    view_end(&v);
    return e;
}

enum err acl_who_name(struct store *s, const struct acl_who *who, struct arena *a, struct span *out)
{
    struct account account = {.name = SPAN("anyone")};
    enum err e = ERR_OK;

    switch (who->kind) {
    case ACL_GROUP:
        return group_address(s, who->id, a, out);
    case ACL_ACCOUNT:
        e = directory_account_by_id(s, who->id, a, &account);
        break;
    case ACL_ANYONE:
        break;
    }
    if (e == ERR_OK) {
        *out = account.name;
    }
    return e;
}
