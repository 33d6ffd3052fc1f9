// SPDX-License-Identifier: Apache-2.0
//
// Roles: the built-in ones and those that administrators made (rows `e` of account 0).
#include "store/directory/role.h"

#include "store/directory/directory_internal.h"

#include "base/banned.h"

#define ROLE_BYTES_MAX (ROLE_WORDS_BYTES_MAX + 32)

// ---- rights -------------------------------------------------------------------------------------

static const char *const right_names[ROLE_RIGHTS] = {
    "see",     "passwords", "accounts", "addresses", "keys",      "rules",       "trace",
    "reports", "history",   "queue",    "server",    "read-mail", "change-mail", "roles",
};

const char *role_right_name(unsigned bit)
{
    return bit < ROLE_RIGHTS ? right_names[bit] : NULL;
}

uint32_t role_right_by_name(struct span name)
{
    for (unsigned i = 0; i < ROLE_RIGHTS; i++) {
        if (span_eq(name, span_from_str(right_names[i]))) {
            return 1u << i;
        }
    }
    return 0;
}

// ---- the built-in roles -------------------------------------------------------------------------

#define BUILTIN(name, words, rights)                                                               \
    {                                                                                              \
        {name, sizeof(name) - 1}, {words, sizeof(words) - 1}, rights, true                         \
    }

static const struct role builtin[] = {
    BUILTIN("owner", "may do everything", ROLE_RIGHTS_ALL),
    BUILTIN("domain-admin",
            "looks after domains: accounts, passwords, aliases, keys, the way of mail",
            RIGHT_SEE | RIGHT_PASSWORDS | RIGHT_ACCOUNTS | RIGHT_ADDRESSES | RIGHT_KEYS |
                RIGHT_TRACE | RIGHT_REPORTS),
    BUILTIN("help-desk", "resets passwords and blocks devices", RIGHT_SEE | RIGHT_PASSWORDS),
    BUILTIN("auditor", "reads histories, traces and reports, and no mail", ROLE_RIGHTS_LOOK),
};

const struct role *role_builtin(size_t i)
{
    return i < sizeof(builtin) / sizeof(builtin[0]) ? &builtin[i] : NULL;
}

static const struct role *find_builtin(struct span name)
{
    const struct role *r;

    for (size_t i = 0; (r = role_builtin(i)); i++) {
        if (span_eq(r->name, name)) {
            return r;
        }
    }
    return NULL;
}

bool role_name_is_good(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        char x = name.p[i];

        if (!(x >= 'a' && x <= 'z') && !(x >= '0' && x <= '9') && x != '-') {
            return false;
        }
    }
    return name.n > 0 && name.n <= ROLE_NAME_BYTES_MAX && name.p[0] != '-';
}

// ---- rows ---------------------------------------------------------------------------------------

enum err role_decode(struct span key, struct span value, struct role *out)
{
    struct role r = {.name = span_skip(key, 1)};
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u32(&value, &r.rights) || !unpack_str(&value, ROLE_WORDS_BYTES_MAX, &r.words) ||
        !role_name_is_good(r.name) || find_builtin(r.name)) {
        return ERR_CORRUPT;
    }
    r.rights &= ROLE_RIGHTS_ALL; // of a right that a newer release has, nothing is known here
    *out = r;
    return ERR_OK;
}

enum err role_get(struct view *v, struct span name, struct role *out)
{
    const struct role *r = find_builtin(name);
    struct span value;

    if (r) {
        *out = *r;
        return ERR_OK;
    }
    if (!role_name_is_good(name)) {
        return ERR_NOT_FOUND;
    }
    struct key k = key_text(KEY_ROLE, name);
    enum err e = view_get(v, &k, &value);

    e = e == ERR_OK ? role_decode(key_span(&k), value, out) : e;
    if (e == ERR_OK) {
        out->name = name;
    }
    return e;
}

enum err role_find(struct store *s, struct span name, struct arena *a, struct role *out)
{
    struct role r;
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = role_get(&v, name, &r);
    if (e == ERR_OK) {
        r.name = arena_dup(a, r.name);
        r.words = arena_dup(a, r.words);
        e = r.name.p && r.words.p ? ERR_OK : ERR_NOMEM;
    }
    view_end(&v);
    if (e == ERR_OK) {
        *out = r;
    }
    return e;
}

struct list_args {
    role_fn *fn;
    void *arg;
};

static enum err list_one(void *arg, struct span key, struct span value)
{
    const struct list_args *l = arg;
    struct role r;
    enum err e = role_decode(key, value, &r);

    return e != ERR_OK ? e : l->fn(l->arg, &r) ? ERR_OK : ERR_EOF;
}

enum err role_list(struct store *s, role_fn *fn, void *arg)
{
    struct list_args l = {fn, arg};
    struct key all = key_plain(KEY_ROLE);
    const struct role *r;

    for (size_t i = 0; (r = role_builtin(i)); i++) {
        if (!fn(arg, r)) {
            return ERR_OK;
        }
    }
    return store_each(s, &all, list_one, &l);
}

// ---- changing -----------------------------------------------------------------------------------

// "role night-shift made: see, passwords".
static enum err note_role(struct edit *ed, const struct role *r, const char *what)
{
    struct change c = {.kind = CHANGE_ACCOUNT};
    struct buf b;

    buf_init(&b, 1024);
    buf_printf(&b, "role %.*s %s", SPAN_ARG(r->name), what);
    for (unsigned i = 0, n = 0; i < ROLE_RIGHTS; i++) {
        if (r->rights & (1u << i)) {
            buf_printf(&b, "%s%s", n++ ? ", " : ": ", right_names[i]);
        }
    }
    c.after = buf_span(&b);
    enum err e = b.failed ? ERR_LIMIT : change_put(ed, &c);

    buf_finish(&b);
    return e;
}

static enum err add_edit(struct edit *ed, void *arg)
{
    const struct role *r = arg;
    struct key k = key_text(KEY_ROLE, r->name), all = key_plain(KEY_ROLE);
    char room[ROLE_BYTES_MAX];
    struct role there;
    size_t n = 0;
    enum err e = role_get(&ed->view, r->name, &there);

    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = view_count(&ed->view, &all, &n);
    e = e == ERR_OK && n >= ROLE_SETS_MAX ? ERR_LIMIT : e;
    if (e != ERR_OK) {
        return e;
    }
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);

    pack_u64(&p, r->rights);
    pack_str(&p, r->words);
    e = edit_put(ed, &k, pack_span(&p));
    return e == ERR_OK ? note_role(ed, r, "made") : e;
}

enum err role_add(struct store *s, const struct actor *by, const struct role *role)
{
    struct role r = *role;

    if (r.words.n > ROLE_WORDS_BYTES_MAX) {
        return ERR_LIMIT;
    }
    if (!role_name_is_good(r.name) || r.rights == 0 || (r.rights & ~ROLE_RIGHTS_ALL)) {
        return ERR_INVALID;
    }
    return find_builtin(r.name) ? ERR_EXISTS : store_edit(s, 0, by, add_edit, &r, NULL);
}

struct used {
    struct span role;
    struct arena arena;
};

static enum err used_one(void *arg, struct span key, struct span value)
{
    struct used *u = arg;
    struct role_holder h;

    arena_reset(&u->arena);
    enum err e = role_holder_decode(key, value, &u->arena, &h);

    for (size_t i = 0; e == ERR_OK && i < h.count; i++) {
        e = span_eq(h.grants[i].role, u->role) ? ERR_DENIED : ERR_OK;
    }
    return e;
}

static enum err remove_edit(struct edit *ed, void *arg)
{
    const struct span *name = arg;
    struct key k = key_text(KEY_ROLE, *name), holders = key_plain(KEY_ROLES_OF);
    struct used u = {.role = *name};
    struct role r;
    enum err e = role_get(&ed->view, *name, &r);

    if (e != ERR_OK) {
        return e;
    }
    arena_init(&u.arena, 1u << 20);
    e = view_each(&ed->view, &holders, used_one, &u);
    arena_finish(&u.arena);
    e = e == ERR_OK ? edit_delete(ed, &k) : e;
    e = e == ERR_OK ? factor_policy_edit_gone(ed, "", *name) : e;
    return e == ERR_OK ? note_role(ed, &(struct role){.name = *name}, "removed") : e;
}

enum err role_remove(struct store *s, const struct actor *by, struct span name)
{
    if (find_builtin(name)) {
        return ERR_INVALID;
    }
    return role_name_is_good(name) ? store_edit(s, 0, by, remove_edit, &name, NULL) : ERR_NOT_FOUND;
}
