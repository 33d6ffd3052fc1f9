// SPDX-License-Identifier: Apache-2.0
#include "store/directory/factor_policy.h"

#include "store/directory/role.h"
#include "store/rules_internal.h"

#include "base/banned.h"

#define REQUIRED 1
#define ROOM     32

static bool is_domain(struct span what)
{
    return what.n > 1 && what.n <= DOMAIN_BYTES_MAX + 1 && what.p[0] == '@';
}

enum err factor_policy_decode(struct span key, struct span value, struct span *out_what)
{
    struct span what = span_skip(key, 1);
    uint64_t required;
    int64_t since;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, REQUIRED, &required) || required != REQUIRED ||
        !unpack_i64(&value, &since) || !(is_domain(what) || role_name_is_good(what))) {
        return ERR_CORRUPT;
    }
    *out_what = what;
    return ERR_OK;
}

// A row that cannot be read is no reason to let anybody in.
static enum err find(struct view *v, struct span what, bool *out)
{
    struct key k = key_text(KEY_FACTOR_POLICY, what);
    struct span value, name;
    enum err e = view_get(v, &k, &value);

    *out = false;
    if (e == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    e = e == ERR_OK ? factor_policy_decode(key_span(&k), value, &name) : e;
    *out = e == ERR_OK;
    return e;
}

enum err factor_policy_get(struct store *s, struct span what, bool *out)
{
    struct view v;

    if (!is_domain(what) && !role_name_is_good(what)) {
        return ERR_NOT_FOUND;
    }
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = find(&v, what, out);
        view_end(&v);
    }
    return e;
}

static enum err find_of(struct view *v, account_id account, struct span name, bool *out)
{
    struct key k = key_u64(KEY_ROLES_OF, account);
    struct role_holder h;
    struct span value;
    enum err e = ERR_OK;
    size_t at = span_find_byte(name, '@');

    if (at < name.n) {
        e = find(v, span_skip(name, at), out);
    }
    if (e != ERR_OK || *out) {
        return e;
    }
    e = view_get(v, &k, &value);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = role_holder_decode(key_span(&k), value, &v->arena, &h);
    for (size_t i = 0; e == ERR_OK && !*out && i < h.count; i++) {
        e = find(v, h.grants[i].role, out);
    }
    return e;
}

enum err factor_policy_of(struct store *s, account_id account, struct span name, bool *out)
{
    struct view v;
    bool is_required = false;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = find_of(&v, account, name, &is_required);
        view_end(&v);
    }
    if (e == ERR_OK) {
        *out = is_required;
    }
    return e;
}

// ---- changing -----------------------------------------------------------------------------------

struct set_args {
    struct span what;
    bool is_required;
};

static enum err check_there(struct view *v, struct span what)
{
    struct role r;
    struct span value;

    if (!is_domain(what)) {
        return role_get(v, what, &r);
    }
    struct key k = key_text(KEY_DOMAIN, span_skip(what, 1));

    return view_get(v, &k, &value);
}

static enum err note(struct edit *ed, const struct set_args *a)
{
    struct change c = {.kind = CHANGE_ACCOUNT};
    struct buf text;

    buf_init(&text, NAME_BYTES_MAX);
    buf_printf(&text, "second factor %s for %s%.*s", a->is_required ? "required" : "optional",
               is_domain(a->what) ? "" : "the role ", SPAN_ARG(a->what));
    c.after = buf_span(&text);
    enum err e = text.failed ? ERR_NOMEM : change_put(ed, &c);

    buf_finish(&text);
    return e;
}

static enum err set_edit(struct edit *ed, void *arg)
{
    const struct set_args *a = arg;
    struct key k = key_text(KEY_FACTOR_POLICY, a->what);
    char room[ROOM];
    bool is_there = false;
    enum err e = check_there(&ed->view, a->what);

    e = e == ERR_OK ? find(&ed->view, a->what, &is_there) : e;
    if (e == ERR_CORRUPT) { // it is being said anew
        is_there = !a->is_required;
        e = ERR_OK;
    }
    if (e != ERR_OK || is_there == a->is_required) {
        return e;
    }
    if (a->is_required) {
        struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);

        pack_u64(&p, REQUIRED);
        pack_i64(&p, edit_now_s(ed));
        e = edit_put(ed, &k, pack_span(&p));
    } else {
        e = edit_delete(ed, &k);
    }
    return e == ERR_OK ? note(ed, a) : e;
}

enum err factor_policy_set(struct store *s, const struct actor *by, struct span what,
                           bool is_required)
{
    struct set_args a = {what, is_required};

    if (!is_domain(what) && !role_name_is_good(what)) {
        return ERR_NOT_FOUND;
    }
    return store_edit(s, 0, by, set_edit, &a, NULL);
}

enum err factor_policy_edit_gone(struct edit *ed, const char *before, struct span name)
{
    char room[DOMAIN_BYTES_MAX + 2];
    struct buf what = {.p = room, .cap = sizeof(room), .max = sizeof(room)};
    struct span value;

    buf_put_str(&what, before);
    buf_put(&what, span_first(name, DOMAIN_BYTES_MAX));
    struct key k = key_text(KEY_FACTOR_POLICY, buf_span(&what));
    enum err e = view_get(&ed->view, &k, &value);

    return e == ERR_OK ? edit_delete(ed, &k) : e == ERR_NOT_FOUND ? ERR_OK : e;
}
