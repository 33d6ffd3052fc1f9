// SPDX-License-Identifier: Apache-2.0
#include "store/route.h"

#include "store/belongings_internal.h"
#include "store/rules_internal.h"

#include "base/banned.h"

// "@" and a domain, as catch-alls are written, or an address.
#define ROUTE_NAME_BYTES_MAX ADDRESS_BYTES_MAX
#define ALIAS_VALUE_MAX      (ALIAS_TARGETS_MAX * (ADDRESS_BYTES_MAX + 2) + 16)

// ---- names --------------------------------------------------------------------------------------

static struct span domain_of(struct span address)
{
    return span_skip(address, span_find_byte(address, '@') + 1);
}

// Folds "@domain" by way of an address.
static enum err catch_all_fold(struct arena *a, struct span name, struct span *out)
{
    char *p = arena_alloc(a, name.n + 1);
    struct span folded;

    if (!p) {
        return ERR_NOMEM;
    }
    p[0] = 'x';
    memcpy(p + 1, name.p, name.n);
    enum err e = directory_name_check(a, span_of(p, name.n + 1), SPAN(""), &folded, NULL);

    if (e == ERR_OK) {
        *out = span_skip(folded, 1);
    }
    return e;
}

static enum err name_fold(struct arena *a, struct span name, struct span *out)
{
    if (name.n > 1 && name.n <= ROUTE_NAME_BYTES_MAX && name.p[0] == '@') {
        return catch_all_fold(a, name, out);
    }
    return directory_name_check(a, name, SPAN(""), out, NULL);
}

static enum err domain_fold(struct arena *a, struct span domain, struct span *out)
{
    char *p = arena_alloc(a, domain.n + 1);

    if (!p || domain.n > DOMAIN_BYTES_MAX) {
        return p ? ERR_INVALID : ERR_NOMEM;
    }
    p[0] = '@';
    memcpy(p + 1, domain.p, domain.n);
    enum err e = name_fold(a, span_of(p, domain.n + 1), out);

    if (e == ERR_OK) {
        *out = span_skip(*out, 1);
    }
    return e;
}

static enum err is_there(struct view *v, enum key_kind kind, struct span name, bool *out)
{
    struct key k = key_text(kind, name);
    struct span value;
    enum err e = view_get(v, &k, &value);

    *out = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err note_route(struct edit *ed, struct span name, struct span before, struct span after)
{
    struct change c = {.kind = CHANGE_ROUTE, .before = before};
    struct buf text;

    buf_init(&text, NAME_BYTES_MAX);
    buf_put(&text, name);
    buf_put_str(&text, after.n ? " -> " : " removed; it was ");
    buf_put(&text, after.n ? after : before);
    c.after = buf_span(&text);
    enum err e = text.failed ? ERR_LIMIT : change_put(ed, &c);

    buf_finish(&text);
    return e;
}

// ---- aliases ------------------------------------------------------------------------------------

struct alias {
    struct span address;
    struct span *targets;
    size_t count;
};

enum err route_alias_decode(struct span value, struct arena *a, struct span **out,
                            size_t *out_count)
{
    uint64_t count;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, ALIAS_TARGETS_MAX, &count)) {
        return ERR_CORRUPT;
    }
    struct span *targets = arena_zalloc(a, count ? count : 1, sizeof(*targets));

    if (!targets) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        struct span target;

        if (!unpack_str(&value, ADDRESS_BYTES_MAX, &target)) {
            return ERR_CORRUPT;
        }
        targets[i] = arena_dup(a, target);
        if (!targets[i].p) {
            return ERR_NOMEM;
        }
    }
    *out = targets;
    *out_count = count;
    return ERR_OK;
}

static enum err alias_encode(struct arena *a, const struct span *targets, size_t count,
                             struct span *out)
{
    size_t room = 16;

    for (size_t i = 0; i < count; i++) {
        room += targets[i].n + VARINT_BYTES_MAX;
    }
    char *p = arena_alloc(a, room);

    if (!p) {
        return ERR_NOMEM;
    }
    struct pack k = pack_record(p, room, SCHEMA_VERSION);

    pack_u64(&k, count);
    for (size_t i = 0; i < count; i++) {
        pack_str(&k, targets[i]);
    }
    *out = pack_span(&k);
    return ERR_OK;
}

// The first targets in words, for the change log.
static struct span alias_words(struct arena *a, const struct span *targets, size_t count)
{
    struct buf b;

    buf_init(&b, NAME_BYTES_MAX / 2);
    for (size_t i = 0; i < count && !b.failed; i++) {
        size_t before = b.n;

        buf_put_str(&b, i ? ", " : "");
        buf_put(&b, targets[i]);
        if (b.failed) {
            b.n = before;
        }
    }
    struct span words = arena_dup(a, buf_span(&b));

    buf_finish(&b);
    return words.p ? words : SPAN("");
}

static enum err alias_get(struct view *v, struct span address, struct arena *a, struct span **out,
                          size_t *out_count)
{
    struct key k = key_text(KEY_ALIAS, address);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e == ERR_OK ? route_alias_decode(value, a, out, out_count) : e;
}

enum err route_edit_alias(struct edit *ed, struct span address, const struct span *targets,
                          size_t count)
{
    struct arena *arena = &ed->view.arena;
    struct key k = key_text(KEY_ALIAS, address);
    struct span *old = NULL, value, before, after;
    size_t old_count = 0;
    enum err e = alias_get(&ed->view, address, arena, &old, &old_count);

    if (e != ERR_OK && (e != ERR_NOT_FOUND || !count)) {
        return e;
    }
    before = alias_words(arena, old, old_count);
    after = alias_words(arena, targets, count);
    if (count == 0) {
        e = edit_delete(ed, &k);
    } else {
        e = alias_encode(arena, targets, count, &value);
        e = e == ERR_OK ? edit_put(ed, &k, value) : e;
    }
    e = e == ERR_OK ? group_edit_members(ed, address, old, old_count, targets, count) : e;
    return e == ERR_OK ? note_route(ed, address, before, after) : e;
}

static enum err alias_edit(struct edit *ed, void *arg)
{
    const struct alias *a = arg;
    bool ours, taken;
    enum err e = is_there(&ed->view, KEY_DOMAIN, domain_of(a->address), &ours);

    e = e == ERR_OK && !ours ? ERR_NOT_FOUND : e;
    e = e == ERR_OK ? is_there(&ed->view, KEY_ADDRESS, a->address, &taken) : e;
    e = e == ERR_OK && taken && a->count ? ERR_EXISTS : e;
    return e == ERR_OK ? route_edit_alias(ed, a->address, a->targets, a->count) : e;
}

enum err route_alias_set(struct store *s, const struct actor *by, struct span address,
                         const struct span *targets, size_t count)
{
    struct arena arena;
    struct alias a = {.count = count};

    if (count > ALIAS_TARGETS_MAX) {
        return ERR_LIMIT;
    }
    arena_init(&arena, 4 * ALIAS_VALUE_MAX);
    a.targets = arena_zalloc(&arena, count ? count : 1, sizeof(*a.targets));
    enum err e = a.targets ? name_fold(&arena, address, &a.address) : ERR_NOMEM;

    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = directory_name_check(&arena, targets[i], SPAN(""), &a.targets[i], NULL);
    }
    e = e == ERR_OK ? store_edit(s, 0, by, alias_edit, &a, NULL) : e;
    arena_finish(&arena);
    return e;
}

enum err route_alias_get(struct store *s, struct span address, struct arena *a, struct span **out,
                         size_t *out_count)
{
    struct span folded;
    struct view v;
    enum err e = name_fold(a, address, &folded);

    if (e != ERR_OK) {
        return e == ERR_INVALID ? ERR_NOT_FOUND : e;
    }
    e = view_begin(&v, s, 0);
    if (e == ERR_OK) {
        e = alias_get(&v, folded, a, out, out_count);
        view_end(&v);
    }
    return e;
}

struct alias_list {
    struct span domain;
    route_alias_fn *fn;
    void *arg;
};

static enum err alias_list_one(void *arg, struct span key, struct span value)
{
    const struct alias_list *l = arg;
    struct span address = span_skip(key, 1), *targets;
    struct arena arena;
    size_t count;
    bool go_on = true;

    if (l->domain.n && !span_eq(domain_of(address), l->domain)) {
        return ERR_OK;
    }
    arena_init(&arena, 2 * ALIAS_VALUE_MAX);
    enum err e = route_alias_decode(value, &arena, &targets, &count);

    if (e == ERR_OK) {
        go_on = l->fn(l->arg, address, targets, count);
    }
    arena_finish(&arena);
    return e == ERR_OK && !go_on ? ERR_EOF : e;
}

enum err route_alias_list(struct store *s, struct span domain, route_alias_fn *fn, void *arg)
{
    struct alias_list l = {.domain = domain, .fn = fn, .arg = arg};
    struct key prefix = key_plain(KEY_ALIAS);
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = view_each(&v, &prefix, alias_list_one, &l);
        view_end(&v);
    }
    return e;
}

// ---- other names of domains ---------------------------------------------------------------------

struct domain_alias {
    struct span domain, target;
};

static enum err domain_alias_edit(struct edit *ed, void *arg)
{
    const struct domain_alias *d = arg;
    struct key k = key_text(KEY_DOMAIN_ALIAS, d->domain);
    char room[STR_BYTES_MAX];
    struct span old = SPAN(""), value;
    bool is_domain, target_ours;
    enum err e = is_there(&ed->view, KEY_DOMAIN, d->domain, &is_domain);

    e = e == ERR_OK ? is_there(&ed->view, KEY_DOMAIN, d->target, &target_ours) : e;
    if (e == ERR_OK && d->target.n && (is_domain || !target_ours)) {
        e = is_domain ? ERR_EXISTS : ERR_NOT_FOUND;
    }
    if (e != ERR_OK) {
        return e;
    }
    e = view_get(&ed->view, &k, &value);
    e = e == ERR_OK ? str_decode(value, DOMAIN_BYTES_MAX, &old) : e;
    if (e != ERR_OK && (e != ERR_NOT_FOUND || d->target.n == 0)) {
        return e;
    }
    e = d->target.n ? edit_put(ed, &k, str_encode(d->target, room)) : edit_delete(ed, &k);
    e = e == ERR_OK ? group_edit_names_changed(ed) : e;
    return e == ERR_OK ? note_route(ed, d->domain, old, d->target) : e;
}

enum err route_domain_alias_set(struct store *s, const struct actor *by, struct span domain,
                                struct span target)
{
    struct arena arena;
    struct domain_alias d = {.target = SPAN("")};

    arena_init(&arena, 64 << 10);
    enum err e = domain_fold(&arena, domain, &d.domain);

    if (e == ERR_OK && target.n) {
        e = domain_fold(&arena, target, &d.target);
    }
    e = e == ERR_OK ? store_edit(s, 0, by, domain_alias_edit, &d, NULL) : e;
    arena_finish(&arena);
    return e;
}

struct domain_alias_list {
    route_domain_alias_fn *fn;
    void *arg;
};

static enum err domain_alias_list_one(void *arg, struct span key, struct span value)
{
    const struct domain_alias_list *l = arg;
    struct span target;
    enum err e = str_decode(value, DOMAIN_BYTES_MAX, &target);

    if (e != ERR_OK) {
        return e;
    }
    return l->fn(l->arg, span_skip(key, 1), target) ? ERR_OK : ERR_EOF;
}

enum err route_domain_alias_list(struct store *s, route_domain_alias_fn *fn, void *arg)
{
    struct domain_alias_list l = {.fn = fn, .arg = arg};
    struct key prefix = key_plain(KEY_DOMAIN_ALIAS);
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = view_each(&v, &prefix, domain_alias_list_one, &l);
        view_end(&v);
    }
    return e;
}

// The domain under its own name, in the arena. ERR_NOT_FOUND: not ours.
static enum err own_domain(struct view *v, struct span domain, struct arena *a, struct span *out)
{
    struct span folded, value, target;
    bool ours = false;
    enum err e = domain_fold(a, domain, &folded);

    if (e != ERR_OK) {
        return e == ERR_INVALID ? ERR_NOT_FOUND : e;
    }
    e = is_there(v, KEY_DOMAIN, folded, &ours);
    if (e == ERR_OK && ours) {
        *out = folded;
        return ERR_OK;
    }
    struct key k = key_text(KEY_DOMAIN_ALIAS, folded);

    e = e == ERR_OK ? view_get(v, &k, &value) : e;
    e = e == ERR_OK ? str_decode(value, DOMAIN_BYTES_MAX, &target) : e;
    if (e == ERR_OK) {
        *out = arena_dup(a, target);
    }
    return e == ERR_OK && !out->p ? ERR_NOMEM : e;
}

enum err route_domain_is_ours(struct store *s, struct span domain, struct arena *a, bool *out_ours,
                              struct span *out)
{
    struct view v;
    struct span own;
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = own_domain(&v, domain, a, &own);
    view_end(&v);
    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        *out_ours = e == ERR_OK;
        if (out && e == ERR_OK) {
            *out = own;
        }
        return ERR_OK;
    }
    return e;
}

// ---- lookup -------------------------------------------------------------------------------------

static uint64_t room_left(uint64_t used, uint64_t max)
{
    return max == UINT64_MAX ? UINT64_MAX : used < max ? max - used : 0;
}

// The account's state and quota, in the view's snapshot.
static enum err route_account(struct view *v, account_id id, struct route *out)
{
    struct key header_key = key_plain(KEY_HEADER), account_key = key_plain(KEY_ACCOUNT);
    struct account_record a;
    struct header h;
    struct span value;
    enum err e = snapshot_get(v->snapshot, id, key_span(&account_key), &value);

    e = e == ERR_OK ? account_decode(value, &a) : e;
    e = e == ERR_OK ? snapshot_get(v->snapshot, id, key_span(&header_key), &value) : e;
    e = e == ERR_OK ? header_decode(value, &h) : e;
    if (e != ERR_OK) {
        return e;
    }
    out->kind =
        a.state == ACCOUNT_ACTIVE || a.suspension.takes_mail ? ROUTE_ACCOUNT : ROUTE_SUSPENDED;
    out->account = id;
    out->bytes_left = room_left(h.bytes, h.bytes_max);
    out->messages_left = room_left(h.messages, h.messages_max);
    return ERR_OK;
}

// An account or an alias of exactly this name. ERR_NOT_FOUND.
static enum err lookup_name(struct view *v, struct span name, struct arena *a, struct route *out)
{
    struct key k = key_text(KEY_ADDRESS, name);
    struct span value, *targets;
    account_id id;
    enum err e = view_get(v, &k, &value);

    e = e == ERR_OK ? account_id_decode(value, &id) : e;
    e = e == ERR_OK ? route_account(v, id, out) : e;
    if (e == ERR_NOT_FOUND) {
        e = alias_get(v, name, a, &targets, &out->target_count);
        if (e == ERR_OK) {
            out->kind = ROUTE_ALIAS;
            out->targets = targets;
        }
    }
    if (e == ERR_OK) {
        out->address = arena_dup(a, name);
    }
    return e == ERR_OK && !out->address.p ? ERR_NOMEM : e;
}

static enum err join(struct arena *a, struct span local, struct span domain, struct span *out)
{
    char *p = arena_alloc(a, local.n + 1 + domain.n);

    if (!p) {
        return ERR_NOMEM;
    }
    memcpy(p, local.p, local.n);
    p[local.n] = '@';
    memcpy(p + local.n + 1, domain.p, domain.n);
    *out = span_of(p, local.n + 1 + domain.n);
    return ERR_OK;
}

static size_t find_separator(struct span local, struct span separators)
{
    for (size_t i = 1; i < local.n; i++) { // nobody's name starts with it
        if (span_find_byte(separators, local.p[i]) < separators.n) {
            return i;
        }
    }
    return local.n;
}

// The name as it stands, then without its detail. ERR_NOT_FOUND.
static enum err lookup_with_detail(struct view *v, struct span name, struct span separators,
                                   struct arena *a, struct route *out)
{
    struct span local = span_first(name, span_find_byte(name, '@')), plain;
    size_t cut = find_separator(local, separators);
    enum err e = lookup_name(v, name, a, out);

    if (e != ERR_NOT_FOUND || cut == local.n) {
        return e;
    }
    e = join(a, span_first(local, cut), domain_of(name), &plain);
    e = e == ERR_OK ? lookup_name(v, plain, a, out) : e;
    if (e == ERR_OK) {
        out->detail = span_skip(local, cut + 1);
    }
    return e;
}

static enum err lookup_in_domain(struct view *v, struct span local, struct span domain,
                                 struct span separators, struct arena *a, struct route *out)
{
    struct span name, folded;
    enum err e = join(a, local, domain, &name);

    e = e == ERR_OK ? directory_name_check(a, name, SPAN(""), &folded, NULL) : e;
    e = e == ERR_OK ? lookup_with_detail(v, folded, separators, a, out) : e;
    if (e == ERR_NOT_FOUND || e == ERR_INVALID) { // what is no address can only be caught
        e = join(a, SPAN(""), domain, &name);
        e = e == ERR_OK ? lookup_name(v, name, a, out) : e;
        out->is_catch_all = e == ERR_OK;
    }
    return e;
}

enum err route_lookup(struct store *s, struct span address, struct span separators, struct arena *a,
                      struct route *out)
{
    struct route r = {.kind = ROUTE_UNKNOWN, .detail = SPAN("")};
    size_t at = address.n;
    struct span domain;
    struct view v;

    while (at > 0 && address.p[at - 1] != '@') {
        at--;
    }
    if (at == 0) {
        return ERR_INVALID;
    }
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = own_domain(&v, span_skip(address, at), a, &domain);
    if (e == ERR_OK) {
        e = lookup_in_domain(&v, span_first(address, at - 1), domain, separators, a, &r);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    } else if (e == ERR_NOT_FOUND) {
        r.kind = ROUTE_REMOTE;
        e = ERR_OK;
    }
    view_end(&v);
    if (e == ERR_OK) {
        *out = r;
    }
    return e;
}

// ---- for the directory --------------------------------------------------------------------------

enum err route_name_taken(struct view *v, struct span address, bool *out)
{
    return is_there(v, KEY_ALIAS, address, out);
}

struct domain_use {
    struct span domain;
    bool is_used;
};

static enum err use_by_alias(void *arg, struct span key, struct span value)
{
    struct domain_use *u = arg;

    (void)value;
    u->is_used = span_eq(domain_of(key), u->domain);
    return u->is_used ? ERR_EOF : ERR_OK;
}

static enum err use_by_name(void *arg, struct span key, struct span value)
{
    struct domain_use *u = arg;
    struct span target;
    enum err e = str_decode(value, DOMAIN_BYTES_MAX, &target);

    (void)key;
    u->is_used = e == ERR_OK && span_eq(target, u->domain);
    return u->is_used ? ERR_EOF : e;
}

enum err route_domain_used(struct view *v, struct span domain, bool *out)
{
    struct domain_use u = {.domain = domain};
    struct key aliases = key_plain(KEY_ALIAS), names = key_plain(KEY_DOMAIN_ALIAS);
    enum err e = view_each(v, &aliases, use_by_alias, &u);

    if (e == ERR_OK && !u.is_used) {
        e = view_each(v, &names, use_by_name, &u);
    }
    *out = u.is_used;
    return e;
}

enum err route_is_domain_alias(struct view *v, struct span domain, bool *out)
{
    return is_there(v, KEY_DOMAIN_ALIAS, domain, out);
}
