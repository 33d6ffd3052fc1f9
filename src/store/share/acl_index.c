// SPDX-License-Identifier: Apache-2.0
//
// Who shares with whom: written by the commits of the owners, read by whoever looks what there is.
// It only says where to look; what somebody may do is said by the lists.
#include <stdlib.h>

#include "store/share/share_internal.h"

#include "base/banned.h"

// ---- keys ---------------------------------------------------------------------------------------

enum { OF_ACCOUNT = 'u', OF_DOMAIN = 'd', OF_GROUP = 'g', MEMBERS_CHANGED = 'w' };

static struct key account_prefix(account_id reader)
{
    return key_u64((enum key_kind)OF_ACCOUNT, reader);
}

static struct key group_prefix(uint64_t group)
{
    return key_u64((enum key_kind)OF_GROUP, group);
}

static struct key domain_prefix(struct span domain)
{
    struct key k = key_text((enum key_kind)OF_DOMAIN, span_first(domain, DOMAIN_BYTES_MAX));

    k.p[k.n++] = '\0';
    return k;
}

static struct key with_owner(struct key k, account_id owner)
{
    put_be64(k.p + k.n, owner);
    k.n += 8;
    return k;
}

// ---- writing ------------------------------------------------------------------------------------

// The domain of the account's name, in the edit's arena.
static enum err domain_of(struct store *s, account_id account, struct arena *a, struct span *out)
{
    struct account found;
    enum err e = directory_account_by_id(s, account, a, &found);

    if (e == ERR_OK) {
        *out = span_skip(found.name, span_find_byte(found.name, '@') + 1);
    }
    return e;
}

static enum err rider_begin(struct edit *ed)
{
    if (ed->rider) {
        return ERR_OK;
    }
    enum err e = batch_create(SHARE_ACCOUNT, &ed->rider);

    if (e == ERR_OK) {
        batch_set_rider(ed->batch, ed->rider);
    }
    return e;
}

// ERR_NOT_FOUND: an account that is being made or removed, of which nobody finds anything.
static enum err key_of(struct view *v, struct acl_who who, struct key *out)
{
    struct key k = who.kind == ACL_GROUP ? group_prefix(who.id) : account_prefix(who.id);
    enum err e = ERR_OK;

    if (who.kind == ACL_ANYONE) {
        struct span domain;

        e = domain_of(v->store, v->account, &v->arena, &domain);
        k = e == ERR_OK ? domain_prefix(domain) : k;
    }
    *out = with_owner(k, v->account);
    return e;
}

static enum err ride(struct edit *ed, struct acl_who who, bool is_shared)
{
    static const char version = SCHEMA_VERSION;
    struct key k;
    enum err e = key_of(&ed->view, who, &k);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = rider_begin(ed);
    if (e != ERR_OK) {
        return e;
    }
    return is_shared ? batch_put(ed->rider, key_span(&k), span_of(&version, 1))
                     : batch_delete(ed->rider, key_span(&k));
}

enum err acl_edit_nudge(struct edit *ed)
{
    static const char key = MEMBERS_CHANGED, version = SCHEMA_VERSION;
    enum err e = rider_begin(ed);

    return e == ERR_OK ? batch_put(ed->rider, span_of(&key, 1), span_of(&version, 1)) : e;
}

enum err acl_is_found(struct view *v, const struct acl_who *who, bool *out)
{
    struct key k;
    struct span value;
    enum err e = key_of(v, *who, &k);

    e = e == ERR_OK ? snapshot_get(v->snapshot, SHARE_ACCOUNT, key_span(&k), &value) : e;
    *out = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err acl_edit_found(struct edit *ed, const struct acl_who *who)
{
    return ride(ed, *who, true);
}

struct gone {
    struct acl_who who;
    bool is_elsewhere;
};

static int compare_gone(const void *x, const void *y)
{
    const struct gone *a = x, *b = y;

    if (a->who.kind != b->who.kind) {
        return a->who.kind < b->who.kind ? -1 : 1;
    }
    return a->who.id < b->who.id ? -1 : a->who.id > b->who.id;
}

struct elsewhere {
    struct edit *ed;
    mailbox_id except;
    struct gone *gone;
    size_t n;
};

static enum err look_elsewhere(void *arg, struct span key, struct span value)
{
    struct elsewhere *l = arg;
    mailbox_id mailbox;
    struct acl acl;

    if (!key_read_u32(key, &mailbox) || mailbox == l->except ||
        acl_decode(value, &l->ed->view.arena, &acl) != ERR_OK) {
        return ERR_OK;
    }
    for (size_t i = 0; i < acl.n; i++) {
        struct gone wanted = {.who = acl.entries[i].who};
        struct gone *found = bsearch(&wanted, l->gone, l->n, sizeof(*l->gone), compare_gone);

        if (found) {
            found->is_elsewhere = true;
        }
    }
    return ERR_OK;
}

static bool is_in(const struct acl *acl, struct acl_who who)
{
    for (size_t i = 0; i < acl->n; i++) {
        if (acl->entries[i].who.kind == who.kind && acl->entries[i].who.id == who.id) {
            return true;
        }
    }
    return false;
}

enum err acl_edit_index(struct edit *ed, mailbox_id mailbox, const struct acl *before,
                        const struct acl *after)
{
    struct elsewhere l = {.ed = ed, .except = mailbox};
    struct key prefix = key_plain(KEY_ACL);
    enum err e = ERR_OK;

    for (size_t i = 0; i < after->n && e == ERR_OK; i++) {
        e = is_in(before, after->entries[i].who) ? ERR_OK : ride(ed, after->entries[i].who, true);
    }
    l.gone = arena_zalloc(&ed->view.arena, before->n + 1, sizeof(*l.gone));
    if (e != ERR_OK || !l.gone) {
        return e != ERR_OK ? e : ERR_NOMEM;
    }
    for (size_t i = 0; i < before->n; i++) {
        if (!is_in(after, before->entries[i].who)) {
            l.gone[l.n++].who = before->entries[i].who;
        }
    }
    if (!l.n) {
        return ERR_OK;
    }
    qsort(l.gone, l.n, sizeof(*l.gone), compare_gone);
    e = view_each(&ed->view, &prefix, look_elsewhere, &l);
    for (size_t i = 0; i < l.n && e == ERR_OK; i++) {
        e = l.gone[i].is_elsewhere ? ERR_OK : ride(ed, l.gone[i].who, false);
    }
    return e;
}

// ---- writing it anew ----------------------------------------------------------------------------

static enum err index_one(void *arg, struct span key, struct span value)
{
    struct edit *ed = arg;
    struct acl acl;
    enum err e = ERR_OK;

    (void)key;
    if (acl_decode(value, &ed->view.arena, &acl) != ERR_OK) {
        return ERR_OK;
    }
    for (size_t i = 0; i < acl.n && e == ERR_OK; i++) {
        e = ride(ed, acl.entries[i].who, true);
    }
    return e;
}

// Rows that say what is not so any more are harmless and stay, but for another domain's.
static enum err reindex_edit(struct edit *ed, void *arg)
{
    struct key prefix = key_plain(KEY_ACL);
    enum err e = view_each(&ed->view, &prefix, index_one, ed);

    (void)arg;
    // A rider needs a commit to ride with.
    struct change c = {.kind = CHANGE_ACL, .after = SPAN("noted anew who this is shared with")};

    return e == ERR_OK && ed->rider ? change_put(ed, &c) : e;
}

enum err acl_reindex(struct store *s, account_id account)
{
    static const struct actor by = {.kind = ACTOR_SYSTEM};

    return account ? store_edit(s, account, &by, reindex_edit, NULL, NULL) : ERR_NOT_FOUND;
}

// ---- looking ------------------------------------------------------------------------------------

struct owners {
    struct arena *a;
    account_id *p, reader;
    size_t n, cap;
};

static enum err owners_add(struct owners *o, account_id owner)
{
    if (owner == o->reader) {
        return ERR_OK;
    }
    if (o->n == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 16;
        account_id *p = arena_alloc(o->a, cap * sizeof(*p));

        if (!p) {
            return ERR_NOMEM;
        }
        if (o->n) {
            memcpy(p, o->p, o->n * sizeof(*p));
        }
        o->p = p;
        o->cap = cap;
    }
    o->p[o->n++] = owner;
    return ERR_OK;
}

static enum err owners_read(struct snapshot *snapshot, const struct key *prefix, struct owners *o)
{
    struct key end = key_after(prefix);
    struct span key, value;
    struct scan *scan;
    enum err e = scan_open(snapshot, SHARE_ACCOUNT, key_span(prefix), key_span(&end), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = key.n == prefix->n + 8 ? owners_add(o, get_be64(key.p + prefix->n)) : ERR_OK;
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static int compare_ids(const void *x, const void *y)
{
    const account_id *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

enum err acl_owners(struct store *s, account_id reader, struct span domain, struct arena *a,
                    account_id **out, size_t *out_count)
{
    struct key of_account = account_prefix(reader), of_domain = domain_prefix(domain);
    struct owners o = {.a = a, .reader = reader};
    struct acl_groups groups = {0};
    struct snapshot *snapshot;
    size_t n = 0;
    enum err e = snapshot_open(s->engine, &snapshot);

    if (e != ERR_OK) {
        return e;
    }
    e = owners_read(snapshot, &of_account, &o);
    e = e == ERR_OK ? owners_read(snapshot, &of_domain, &o) : e;
    e = e == ERR_OK ? groups_of(snapshot, reader, a, &groups) : e;
    for (size_t i = 0; i < groups.n && e == ERR_OK; i++) {
        struct key of_group = group_prefix(groups.ids[i]);

        e = owners_read(snapshot, &of_group, &o);
    }
    snapshot_close(snapshot);
    if (e != ERR_OK) {
        return e;
    }
    if (o.n) {
        qsort(o.p, o.n, sizeof(*o.p), compare_ids);
    }
    for (size_t i = 0; i < o.n; i++) {
        if (!n || o.p[n - 1] != o.p[i]) {
            o.p[n++] = o.p[i];
        }
    }
    *out = o.p;
    *out_count = n;
    return ERR_OK;
}

enum err acl_owners_watch(struct store *s, store_watch_fn *fn, void *arg, struct store_watch **out)
{
    return store_watch_add(s, SHARE_ACCOUNT, fn, arg, out);
}
