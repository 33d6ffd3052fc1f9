// SPDX-License-Identifier: Apache-2.0
//
// Whose mailboxes a session watches: the user's own account, and those of whoever shares something
// that was asked for. Only who shares is watched, whatever names were given: of an account that
// shares nothing with the user nothing is looked at.
#include <stdlib.h>

#include "keep/imap/notify/imap_notify_internal.h"
#include "store/directory.h"
#include "store/share/group.h"

#include "base/banned.h"

static void on_change(void *arg, account_id account, modseq version)
{
    (void)account;
    (void)version;
    imap_session_changed(arg);
}

// ---- what is seen -------------------------------------------------------------------------------

static int by_id(const void *x, const void *y)
{
    const struct notify_seen *a = x, *b = y;

    return a->id < b->id ? -1 : a->id > b->id;
}

enum err notify_look(struct imap_session *s, const struct notify_account *a, struct view *v,
                     struct notify_seen_all *out)
{
    const struct mailbox *const *mailboxes;
    size_t n;

    *out = (struct notify_seen_all){0};
    arena_init(&out->arena, NOTIFY_SEEN_BYTES);
    enum err e = view_mailboxes(v, &mailboxes, &n);

    if (!e && n) {
        out->items = arena_zalloc(&out->arena, n, sizeof(*out->items));
        e = out->items ? ERR_OK : ERR_NOMEM;
    }
    for (size_t i = 0; !e && i < n; i++) {
        uint32_t rights = view_acl_rights(v, mailboxes[i]->id, s->account, a->is_same_domain);

        if (!(rights & ACL_LOOKUP)) {
            continue;
        }
        struct span name = imap_place_name(s, a->id, a->address, mailboxes[i]->name);
        struct span copy = name.p ? arena_dup(&out->arena, name) : name;

        e = copy.p ? ERR_OK : ERR_NOMEM;
        out->items[out->n++] =
            (struct notify_seen){mailboxes[i]->id, copy, (rights & ACL_READ) != 0};
    }
    if (e) {
        arena_finish(&out->arena);
        *out = (struct notify_seen_all){0};
        return e;
    }
    if (out->n) {
        qsort(out->items, out->n, sizeof(*out->items), by_id);
    }
    return ERR_OK;
}

// ---- accounts -----------------------------------------------------------------------------------

static void account_finish(struct notify_account *a)
{
    store_watch_remove(a->watch);
    arena_finish(&a->seen.arena);
    *a = (struct notify_account){0};
}

// Watched before it is looked at, so that no change falls between. `told` is that of the view.
static enum err account_add(struct imap_session *s, struct imap_notify *n, account_id id,
                            struct span address, bool is_same_domain)
{
    struct notify_account *more = realloc(n->accounts, (n->account_n + 1) * sizeof(*more));
    struct notify_account *a = more ? &more[n->account_n] : NULL;
    struct view *v;

    if (!a) {
        return ERR_NOMEM;
    }
    n->accounts = more;
    *a = (struct notify_account){.id = id, .is_same_domain = is_same_domain};
    a->address = arena_dup(&n->arena, address);
    enum err e = a->address.p || !address.n ? ERR_OK : ERR_NOMEM;

    e = e ? e : store_watch_add(s->server->store, id, on_change, s, &a->watch);
    e = e ? e : imap_view_open(s, id, &v);
    if (e) {
        account_finish(a);
        return e;
    }
    a->told = view_modseq(v);
    view_close(v);
    n->account_n++;
    return ERR_OK;
}

enum err notify_accounts_begin(struct imap_session *s, struct imap_notify *n)
{
    enum err e = account_add(s, n, s->account, span_from_str(s->user), true);

    if (!e && n->asks_server) {
        e = account_add(s, n, 0, SPAN(""), false);
    }
    if (!e && n->asks_others && !session_is_reader(&s->device)) {
        e = acl_owners_watch(s->server->store, on_change, s, &n->owners_watch);
    }
    return e;
}

void notify_accounts_finish(struct imap_notify *n)
{
    for (size_t i = 0; i < n->account_n; i++) {
        account_finish(&n->accounts[i]);
    }
    free(n->accounts);
    n->accounts = NULL;
    n->account_n = 0;
    store_watch_remove(n->owners_watch);
    n->owners_watch = NULL;
}

// ---- who comes and who goes ---------------------------------------------------------------------

static struct span domain_of(struct span address)
{
    return span_skip(address, span_find_byte(address, '@') + 1);
}

static bool has_owner(const account_id *owners, size_t n, account_id id)
{
    size_t low = 0;

    while (low < n) {
        size_t mid = low + (n - low) / 2;

        if (owners[mid] == id) {
            return true;
        }
        if (owners[mid] < id) {
            low = mid + 1;
        } else {
            n = mid;
        }
    }
    return false;
}

static const struct notify_account *find(const struct imap_notify *n, account_id id)
{
    for (size_t i = 0; i < n->account_n; i++) {
        if (n->accounts[i].id == id) {
            return &n->accounts[i];
        }
    }
    return NULL;
}

// Who shares nothing any more: all that was seen is gone.
static void drop(struct imap_session *s, struct imap_notify *n, struct view *own,
                 const account_id *owners, size_t owner_n)
{
    static const struct notify_seen_all nothing = {.n = 0};
    size_t kept = 1;

    for (size_t i = 1; i < n->account_n; i++) {
        struct notify_account *a = &n->accounts[i];

        if (!a->id || has_owner(owners, owner_n, a->id)) {
            n->accounts[kept++] = *a;
            continue;
        }
        notify_difference(s, n, a, NULL, own, &a->seen, &nothing);
        account_finish(a);
    }
    n->account_n = kept;
}

static enum err come_in(struct imap_session *s, struct imap_notify *n, struct view *own,
                        account_id id, bool is_first)
{
    struct account owner;
    struct view *v = NULL;
    enum err e = directory_account_by_id(s->server->store, id, &s->arena, &owner);

    if (e) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    struct span prefix = imap_place_name(s, id, owner.name, SPAN(""));

    if (!prefix.p) {
        return ERR_NOMEM;
    }
    if (!notify_reaches(n, own, span_first(prefix, prefix.n - 1))) {
        return ERR_OK;
    }
    if (n->account_n > NOTIFY_ACCOUNTS_MAX) {
        return ERR_LIMIT;
    }
    e = account_add(s, n, id, owner.name,
                    span_eq_nocase(domain_of(owner.name), domain_of(span_from_str(s->user))));
    if (e) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    struct notify_account *a = &n->accounts[n->account_n - 1];
    struct notify_seen_all nothing = {.n = 0};

    e = imap_view_open(s, id, &v);
    e = e ? e : notify_look(s, a, v, &a->seen);
    if (!e && !is_first) {
        notify_difference(s, n, a, v, own, &nothing, &a->seen);
    }
    if (!e) {
        a->told = view_modseq(v);
    }
    view_close(v);
    return e;
}

// The user is a member of other groups than before: nothing in the owners' logs says so.
static enum err look_again(struct imap_session *s, struct imap_notify *n, struct view *own)
{
    enum err e = ERR_OK;

    for (size_t i = 1; i < n->account_n && !e; i++) {
        struct notify_account *a = &n->accounts[i];
        struct notify_seen_all now;
        struct view *v;

        if (!a->id) {
            continue;
        }
        e = imap_view_open(s, a->id, &v);
        if (e) { // it goes, and is dropped when it has gone
            e = e == ERR_NOT_FOUND ? ERR_OK : e;
            continue;
        }
        e = notify_look(s, a, v, &now);
        if (!e) {
            notify_difference(s, n, a, v, own, &a->seen, &now);
            arena_finish(&a->seen.arena);
            a->seen = now;
        }
        view_close(v);
    }
    return e;
}

enum err notify_accounts_refresh(struct imap_session *s, struct imap_notify *n, bool is_first)
{
    account_id *owners;
    size_t owner_n;
    struct view *own;

    if (!n->owners_watch) {
        return ERR_OK;
    }
    uint64_t groups = n->groups_told;

    n->owners_told = store_watch_version(n->owners_watch);
    enum err e = groups_mark(s->server->store, s->account, &groups);

    e = e ? e
          : acl_owners(s->server->store, s->account, domain_of(span_from_str(s->user)), &s->arena,
                       &owners, &owner_n);

    e = e ? e : imap_view_open(s, s->account, &own);
    if (e) {
        return e;
    }
    drop(s, n, own, owners, owner_n);
    if (groups != n->groups_told) {
        e = look_again(s, n, own);
        n->groups_told = e ? n->groups_told : groups;
    }
    for (size_t i = 0; i < owner_n && !e; i++) {
        e = find(n, owners[i]) ? ERR_OK : come_in(s, n, own, owners[i], is_first);
    }
    view_close(own);
    return e;
}
