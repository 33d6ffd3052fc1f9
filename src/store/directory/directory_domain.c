// SPDX-License-Identifier: Apache-2.0
//
// Domains, in account 0.
#include "store/directory/directory_internal.h"
#include "store/directory/scim_token.h"

#include "base/banned.h"

enum err directory_domain_get(struct view *v, struct span domain, struct domain_record *out)
{
    struct key k = key_text(KEY_DOMAIN, domain);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e != ERR_OK ? e : domain_decode(value, out);
}

static enum err domain_put(struct edit *ed, struct span domain, const struct domain_record *d)
{
    struct key k = key_text(KEY_DOMAIN, domain);
    char room[DOMAIN_RECORD_BYTES_MAX];

    return edit_put(ed, &k, domain_encode(d, room));
}

// One more or one fewer account.
enum err directory_domain_count(struct edit *ed, struct span domain, bool up)
{
    struct domain_record d;
    enum err e = directory_domain_get(&ed->view, domain, &d);

    if (e == ERR_OK) {
        d.accounts = up ? d.accounts + 1 : d.accounts - (d.accounts > 0);
        e = domain_put(ed, domain, &d);
    }
    return e;
}

// The words of a change to the directory.
enum err directory_note(struct edit *ed, const char *what, struct span name)
{
    struct buf b;
    struct change c = {.kind = CHANGE_ACCOUNT};

    buf_init(&b, ADDRESS_BYTES_MAX + 128);
    buf_put_str(&b, what);
    buf_put(&b, name);
    c.after = buf_span(&b);
    enum err e = change_put(ed, &c);

    buf_finish(&b);
    return e;
}

struct domain_args {
    struct span domain;
};

static enum err domain_add_edit(struct edit *ed, void *arg)
{
    const struct domain_args *a = arg;
    struct domain_record d = {.created = edit_now_s(ed)};
    bool is_alias;
    enum err e = directory_domain_get(&ed->view, a->domain, &(struct domain_record){0});

    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = route_is_domain_alias(&ed->view, a->domain, &is_alias);
    if (e != ERR_OK || is_alias) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = domain_put(ed, a->domain, &d);
    return e != ERR_OK ? e : directory_note(ed, "domain added: ", a->domain);
}

static enum err domain_remove_edit(struct edit *ed, void *arg)
{
    const struct domain_args *a = arg;
    struct key k = key_text(KEY_DOMAIN, a->domain);
    struct domain_record d;
    bool used = false;
    enum err e = directory_domain_get(&ed->view, a->domain, &d);

    e = e == ERR_OK ? route_domain_used(&ed->view, a->domain, &used) : e;
    if (e == ERR_OK && (d.accounts || used)) {
        e = ERR_DENIED;
    }
    e = e != ERR_OK ? e : edit_delete(ed, &k);
    e = e != ERR_OK ? e : role_edit_domain_gone(ed, a->domain);
    e = e != ERR_OK ? e : scim_token_edit_domain_gone(ed, a->domain);
    e = e != ERR_OK ? e : factor_policy_edit_gone(ed, "@", a->domain);
    return e != ERR_OK ? e : directory_note(ed, "domain removed: ", a->domain);
}

static enum err domain_edit(struct store *s, const struct actor *by, struct span domain,
                            edit_fn *fn)
{
    struct arena arena;
    struct domain_args a;

    arena_init(&arena, 64 << 10);
    enum err e = directory_domain_fold(&arena, domain, &a.domain);

    e = e != ERR_OK ? e : store_edit(s, 0, by, fn, &a, NULL);
    arena_finish(&arena);
    return e;
}

enum err directory_domain_add(struct store *s, const struct actor *by, struct span domain)
{
    return domain_edit(s, by, domain, domain_add_edit);
}

enum err directory_domain_remove(struct store *s, const struct actor *by, struct span domain)
{
    return domain_edit(s, by, domain, domain_remove_edit);
}

struct domain_list_args {
    directory_domain_fn *fn;
    void *arg;
};

static enum err domain_list_one(void *arg, struct span key, struct span value)
{
    const struct domain_list_args *l = arg;
    struct domain_record d;
    enum err e = domain_decode(value, &d);

    if (e != ERR_OK) {
        return e;
    }
    return l->fn(l->arg, span_skip(key, 1), d.accounts) ? ERR_OK : ERR_EOF;
}

enum err directory_domain_list(struct store *s, directory_domain_fn *fn, void *arg)
{
    struct domain_list_args l = {.fn = fn, .arg = arg};
    struct key prefix = key_plain(KEY_DOMAIN);
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = view_each(&v, &prefix, domain_list_one, &l);
        view_end(&v);
    }
    return e;
}
