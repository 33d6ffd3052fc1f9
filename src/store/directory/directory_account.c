// SPDX-License-Identifier: Apache-2.0
//
// Looking accounts up.
#include "store/directory/directory_internal.h"

#include "base/banned.h"

enum err directory_entry_get(struct view *v, account_id id, struct entry_record *out)
{
    struct key k = key_u64(KEY_ACCOUNT_ID, id);
    struct span value;
    enum err e = snapshot_get(v->snapshot, 0, key_span(&k), &value);

    return e != ERR_OK ? e : entry_decode(value, out);
}

// Everything about an account, in the snapshot of a view of account 0.
static enum err account_read(struct view *v, account_id id, struct account *out)
{
    struct key header_key = key_plain(KEY_HEADER), account_key = key_plain(KEY_ACCOUNT);
    struct entry_record entry;
    struct account_record a;
    struct header h;
    struct span value;
    enum err e = directory_entry_get(v, id, &entry);

    if (e == ERR_OK && entry.state != ENTRY_THERE) {
        e = ERR_NOT_FOUND;
    }
    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_get(v->snapshot, id, key_span(&account_key), &value);
    e = e != ERR_OK ? e : account_decode(value, &a);
    e = e != ERR_OK ? e : snapshot_get(v->snapshot, id, key_span(&header_key), &value);
    e = e != ERR_OK ? e : header_decode(value, &h);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    }
    *out = (struct account){.id = id,
                            .name = entry.address,
                            .display_name = a.display_name,
                            .password_hash = a.password_hash,
                            .state = a.state,
                            .suspension = a.suspension,
                            .created = a.created,
                            .quota_bytes_max = h.bytes_max,
                            .quota_messages_max = h.messages_max};
    return ERR_OK;
}

static enum err account_copy(struct arena *a, struct account *out)
{
    out->name = arena_dup(a, out->name);
    out->display_name = arena_dup(a, out->display_name);
    out->password_hash = arena_dup(a, out->password_hash);
    return out->name.p && out->display_name.p && out->password_hash.p ? ERR_OK : ERR_NOMEM;
}

enum err directory_name_to_id(struct view *v, struct span name, account_id *out)
{
    struct key k = key_text(KEY_ADDRESS, name);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e != ERR_OK ? e : account_id_decode(value, out);
}

enum err directory_account_by_name(struct store *s, struct span name, struct arena *a,
                                   struct account *out)
{
    struct view v;
    struct span folded;
    struct account found;
    account_id id;
    enum err e = directory_name_check(a, name, SPAN(""), &folded, NULL);

    if (e != ERR_OK) {
        return e == ERR_INVALID ? ERR_NOT_FOUND : e;
    }
    e = view_begin(&v, s, 0);
    if (e != ERR_OK) {
        return e;
    }
    e = directory_name_to_id(&v, folded, &id);
    e = e != ERR_OK ? e : account_read(&v, id, &found);
    e = e != ERR_OK ? e : account_copy(a, &found);
    view_end(&v);
    if (e == ERR_OK) {
        *out = found;
    }
    return e;
}

enum err directory_id_by_name(struct store *s, struct span name, account_id *out)
{
    struct arena arena;
    struct span folded;
    struct view v;
    enum err e;

    arena_init(&arena, 64 << 10);
    e = directory_name_check(&arena, name, SPAN(""), &folded, NULL);
    e = e == ERR_INVALID ? ERR_NOT_FOUND : e;
    e = e != ERR_OK ? e : view_begin(&v, s, 0);
    if (e == ERR_OK) {
        e = directory_name_to_id(&v, folded, out);
        view_end(&v);
    }
    arena_finish(&arena);
    return e;
}

enum err directory_account_by_id(struct store *s, account_id id, struct arena *a,
                                 struct account *out)
{
    struct view v;
    struct account found;
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = account_read(&v, id, &found);
    e = e != ERR_OK ? e : account_copy(a, &found);
    view_end(&v);
    if (e == ERR_OK) {
        *out = found;
    }
    return e;
}

struct account_list_args {
    struct view *view;
    struct span domain;
    directory_account_fn *fn;
    void *arg;
};

static enum err account_list_one(void *arg, struct span key, struct span value)
{
    const struct account_list_args *l = arg;
    struct account account;
    account_id id;

    if (l->domain.n && !span_eq(directory_name_domain(span_skip(key, 1)), l->domain)) {
        return ERR_OK;
    }
    enum err e = account_id_decode(value, &id);

    e = e != ERR_OK ? e : account_read(l->view, id, &account);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e; // being made
    }
    return l->fn(l->arg, &account) ? ERR_OK : ERR_EOF;
}

enum err directory_account_list(struct store *s, struct span domain, directory_account_fn *fn,
                                void *arg)
{
    struct view v;
    struct account_list_args l = {.view = &v, .fn = fn, .arg = arg};
    struct key prefix = key_plain(KEY_ADDRESS);
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    if (domain.n) {
        e = directory_domain_fold(&v.arena, domain, &l.domain);
        e = e == ERR_INVALID ? ERR_NOT_FOUND : e;
    }
    e = e != ERR_OK ? e : view_each(&v, &prefix, account_list_one, &l);
    view_end(&v);
    return e;
}
