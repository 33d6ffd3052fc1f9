// SPDX-License-Identifier: Apache-2.0
//
// Who has which role over which domains (rows `B` of account 0). What counts is the directory; the
// account's own history gets a note besides, in a second commit.
#include "base/log.h"
#include "store/directory/directory_internal.h"
#include "store/directory/role.h"

#include "base/banned.h"

#define GRANT_EVERYWHERE 1
#define GRANT_DOMAINS    2
#define GRANT_DIRECTORY  2 // more than these: the directory gives it
#define WORDS_BYTES_MAX  1024
#define ARENA_BYTES      (1u << 20)

// ---- rows ---------------------------------------------------------------------------------------

static enum err grant_decode(struct span *value, struct arena *a, struct role_grant *out)
{
    struct role_grant g = {.rights = 0};
    uint64_t scope, count;

    if (!unpack_str(value, ROLE_NAME_BYTES_MAX, &g.role) || !role_name_is_good(g.role) ||
        !unpack_u64(value, GRANT_DIRECTORY + GRANT_DOMAINS, &scope) || scope < GRANT_EVERYWHERE ||
        !unpack_u64(value, ROLE_DOMAINS_MAX, &count)) {
        return ERR_CORRUPT;
    }
    g.by_directory = scope > GRANT_DIRECTORY;
    g.is_everywhere = scope - (g.by_directory ? GRANT_DIRECTORY : 0) == GRANT_EVERYWHERE;
    // No domains is never taken for all of them.
    if (g.is_everywhere != (count == 0)) {
        return ERR_CORRUPT;
    }
    struct span *domains = arena_zalloc(a, count + 1, sizeof(*domains));

    g.role = arena_dup(a, g.role);
    if (!domains || !g.role.p) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        struct span domain;

        if (!unpack_str(value, DOMAIN_BYTES_MAX, &domain) || domain.n == 0) {
            return ERR_CORRUPT;
        }
        domains[i] = arena_dup(a, domain);
        if (!domains[i].p) {
            return ERR_NOMEM;
        }
    }
    g.domains = domains;
    g.domain_count = count;
    if (!unpack_i64(value, &g.since)) {
        return ERR_CORRUPT;
    }
    *out = g;
    return ERR_OK;
}

enum err role_holder_decode(struct span key, struct span value, struct arena *a,
                            struct role_holder *out)
{
    struct role_holder h = {.count = 0};
    uint64_t count;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!key_read_u64(key, &h.account) || !unpack_u64(&value, ROLE_GRANTS_MAX, &count) ||
        count == 0) {
        return ERR_CORRUPT;
    }
    struct role_grant *grants = arena_zalloc(a, count, sizeof(*grants));

    for (size_t i = 0; grants && i < count && e == ERR_OK; i++) {
        e = grant_decode(&value, a, &grants[i]);
    }
    h.grants = grants;
    h.count = count;
    e = grants ? e : ERR_NOMEM;
    if (e == ERR_OK) {
        *out = h;
    }
    return e;
}

static enum err holder_put(struct edit *ed, account_id account, const struct role_grant *grants,
                           size_t count)
{
    struct key k = key_u64(KEY_ROLES_OF, account);
    size_t room = 32;

    if (count == 0) {
        return edit_delete(ed, &k);
    }
    for (size_t i = 0; i < count; i++) {
        room += ROLE_NAME_BYTES_MAX + 48 + grants[i].domain_count * (DOMAIN_BYTES_MAX + 3);
    }
    char *p = arena_alloc(&ed->view.arena, room);

    if (!p) {
        return ERR_NOMEM;
    }
    struct pack value = pack_record(p, room, SCHEMA_VERSION);

    pack_u64(&value, count);
    for (size_t i = 0; i < count; i++) {
        const struct role_grant *g = &grants[i];

        ASSERT(g->is_everywhere == (g->domain_count == 0));
        pack_str(&value, g->role);
        pack_u64(&value, (g->is_everywhere ? GRANT_EVERYWHERE : GRANT_DOMAINS) +
                             (g->by_directory ? GRANT_DIRECTORY : 0u));
        pack_u64(&value, g->domain_count);
        for (size_t j = 0; j < g->domain_count; j++) {
            pack_str(&value, g->domains[j]);
        }
        pack_i64(&value, g->since);
    }
    return edit_put(ed, &k, pack_span(&value));
}

// ---- reading ------------------------------------------------------------------------------------

// Looks up what the roles give now.
static enum err add_rights(struct view *v, const struct role_holder *h)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < h->count && e == ERR_OK; i++) {
        // Only the arena's owner writes there, and that is the caller of role_holder_decode.
        struct role_grant *g = (struct role_grant *)(uintptr_t)&h->grants[i];
        struct role r;

        e = role_get(v, g->role, &r);
        g->rights = e == ERR_OK ? r.rights : 0;
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    return e;
}

static enum err holder_read(struct view *v, account_id account, struct arena *a,
                            struct role_holder *out)
{
    struct key k = key_u64(KEY_ROLES_OF, account);
    struct span value;
    enum err e = view_get(v, &k, &value);

    if (e == ERR_NOT_FOUND) {
        *out = (struct role_holder){.account = account};
        return ERR_OK;
    }
    e = e == ERR_OK ? role_holder_decode(key_span(&k), value, a, out) : e;
    return e == ERR_OK ? add_rights(v, out) : e;
}

enum err role_holder_get(struct store *s, account_id account, struct arena *a,
                         struct role_holder *out)
{
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = holder_read(&v, account, a, out);
        view_end(&v);
    }
    return e;
}

struct list_args {
    struct view *view;
    role_holder_fn *fn;
    void *arg;
};

static enum err list_one(void *arg, struct span key, struct span value)
{
    const struct list_args *l = arg;
    struct role_holder h;
    struct arena a;
    bool go_on = true;

    arena_init(&a, ARENA_BYTES);
    enum err e = role_holder_decode(key, value, &a, &h);

    e = e == ERR_OK ? add_rights(l->view, &h) : e;
    if (e == ERR_OK) {
        go_on = l->fn(l->arg, &h);
    }
    arena_finish(&a);
    return e == ERR_OK && !go_on ? ERR_EOF : e;
}

enum err role_holder_list(struct store *s, role_holder_fn *fn, void *arg)
{
    struct key all = key_plain(KEY_ROLES_OF);
    struct list_args l = {.fn = fn, .arg = arg};
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        l.view = &v;
        e = view_each(&v, &all, list_one, &l);
        view_end(&v);
    }
    return e;
}

// ---- what it comes to ---------------------------------------------------------------------------

static bool names(const struct role_grant *g, struct span domain)
{
    for (size_t i = 0; i < g->domain_count; i++) {
        if (span_eq(g->domains[i], domain)) {
            return true;
        }
    }
    return false;
}

uint32_t role_rights_over(const struct role_holder *h, struct span domain)
{
    uint32_t rights = 0;

    for (size_t i = 0; i < h->count; i++) {
        const struct role_grant *g = &h->grants[i];

        rights |= g->is_everywhere || names(g, domain) ? g->rights : 0;
    }
    return rights;
}

uint32_t role_rights_everywhere(const struct role_holder *h)
{
    uint32_t rights = 0;

    for (size_t i = 0; i < h->count; i++) {
        rights |= h->grants[i].is_everywhere ? h->grants[i].rights : 0;
    }
    return rights;
}

uint32_t role_rights_anywhere(const struct role_holder *h)
{
    uint32_t rights = 0;

    for (size_t i = 0; i < h->count; i++) {
        rights |= h->grants[i].rights;
    }
    return rights;
}

bool role_covers(const struct role_holder *a, const struct role_holder *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct role_grant *g = &b->grants[i];

        if (g->is_everywhere && (g->rights & ~role_rights_everywhere(a))) {
            return false;
        }
        for (size_t j = 0; j < g->domain_count; j++) {
            if (g->rights & ~role_rights_over(a, g->domains[j])) {
                return false;
            }
        }
    }
    return true;
}

bool role_reaches(const struct role_holder *who, const struct role_holder *its, struct span domain)
{
    bool may_roles = role_rights_over(who, domain) & RIGHT_ROLES;

    return its->count == 0 || (role_covers(who, its) && (may_roles || !role_covers(its, who)));
}

// ---- changing -----------------------------------------------------------------------------------

struct change_args {
    account_id account;
    struct span role;
    const struct span *domains; // folded
    size_t count;               // 0: everywhere; in revoking: altogether
    const char *what;           // that was not found
    char words[WORDS_BYTES_MAX];
    size_t words_n;
};

// The first few domains, and how many more.
static void put_scope(struct buf *b, const struct change_args *a)
{
    for (size_t i = 0; i < a->count && i < 3; i++) {
        buf_printf(b, "%s%.*s", i ? ", " : " over ", SPAN_ARG(a->domains[i]));
    }
    if (a->count > 3) {
        buf_printf(b, " and %zu more", a->count - 3);
    }
}

// "the role help-desk over example.org given to "; the account's own history says the same without
// the name.
static enum err note(struct edit *ed, struct change_args *a, bool is_given, struct span name)
{
    struct buf b = {.p = a->words, .cap = sizeof(a->words), .max = sizeof(a->words)};

    buf_printf(&b, "the role %.*s", SPAN_ARG(a->role));
    if (is_given && a->count == 0) {
        buf_put_str(&b, " over all domains");
    }
    put_scope(&b, a);
    buf_put_str(&b, is_given ? " given" : " taken away");
    a->words_n = b.n;
    if (b.failed) {
        return ERR_LIMIT;
    }
    struct change c = {.kind = CHANGE_ACCOUNT};
    struct buf whole;

    buf_init(&whole, 2 * WORDS_BYTES_MAX);
    buf_printf(&whole, "%.*s: %.*s", SPAN_ARG(name), SPAN_ARG(buf_span(&b)));
    c.after = buf_span(&whole);
    enum err e = whole.failed ? ERR_LIMIT : change_put(ed, &c);

    buf_finish(&whole);
    return e;
}

static enum err note_own(struct edit *ed, void *arg)
{
    const struct change_args *a = arg;
    struct change c = {.kind = CHANGE_ACCOUNT, .after = span_of(a->words, a->words_n)};

    return change_put(ed, &c);
}

static enum err missing(struct change_args *a, const char *what)
{
    a->what = what;
    return ERR_NOT_FOUND;
}

// Account, role and domains: all there? `*out_name` is the account's, in the view.
static enum err look_at_all(struct edit *ed, struct change_args *a, struct span *out_name)
{
    struct entry_record entry;
    struct role role;
    enum err e = directory_entry_get(&ed->view, a->account, &entry);

    if (e == ERR_NOT_FOUND || (e == ERR_OK && entry.state != ENTRY_THERE)) {
        return missing(a, "account");
    }
    e = e == ERR_OK ? role_get(&ed->view, a->role, &role) : e;
    if (e == ERR_NOT_FOUND) {
        return missing(a, "role");
    }
    for (size_t i = 0; i < a->count && e == ERR_OK; i++) {
        e = directory_domain_get(&ed->view, a->domains[i], &(struct domain_record){0});
        if (e == ERR_NOT_FOUND) {
            return missing(a, "domain");
        }
    }
    *out_name = entry.address;
    return e;
}

// The account's grants with room for one more; `*out_at` is the place of the role as it was given
// by hand, or the end.
static enum err load(struct edit *ed, const struct change_args *a, struct role_grant **out,
                     size_t *out_count, size_t *out_at)
{
    struct arena *arena = &ed->view.arena;
    struct role_holder h;
    enum err e = holder_read(&ed->view, a->account, arena, &h);

    if (e != ERR_OK) {
        return e;
    }
    struct role_grant *grants = arena_zalloc(arena, h.count + 1, sizeof(*grants));

    if (!grants) {
        return ERR_NOMEM;
    }
    *out_at = h.count;
    for (size_t i = 0; i < h.count; i++) {
        grants[i] = h.grants[i];
        *out_at = span_eq(grants[i].role, a->role) && !grants[i].by_directory ? i : *out_at;
    }
    *out = grants;
    *out_count = h.count;
    return ERR_OK;
}

// Adds the domains that are not among the grant's. ERR_EXISTS: all are.
static enum err add_domains(struct arena *arena, const struct change_args *a, struct role_grant *g)
{
    struct span *all = arena_zalloc(arena, g->domain_count + a->count, sizeof(*all));
    size_t n = 0;

    if (!all) {
        return ERR_NOMEM;
    }
    for (; n < g->domain_count; n++) {
        all[n] = g->domains[n];
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!names(&(struct role_grant){.domains = all, .domain_count = n}, a->domains[i])) {
            all[n++] = a->domains[i];
        }
    }
    if (n == g->domain_count) {
        return ERR_EXISTS;
    }
    g->domains = all;
    g->domain_count = n;
    return ERR_OK;
}

static enum err grant_edit(struct edit *ed, void *arg)
{
    struct change_args *a = arg;
    struct role_grant *grants;
    struct span name;
    size_t count, at, domains = 0;
    enum err e = look_at_all(ed, a, &name);

    e = e == ERR_OK ? load(ed, a, &grants, &count, &at) : e;
    if (e != ERR_OK) {
        return e;
    }
    struct role_grant *g = &grants[at];

    if (at < count && g->is_everywhere) {
        return ERR_EXISTS;
    }
    g->role = a->role;
    g->since = edit_now_s(ed);
    if (a->count == 0) {
        g->is_everywhere = true;
        g->domain_count = 0;
    } else {
        e = add_domains(&ed->view.arena, a, g);
    }
    count += at == count;
    for (size_t i = 0; i < count; i++) {
        domains += grants[i].domain_count;
    }
    if (e == ERR_OK && (count > ROLE_GRANTS_MAX || domains > ROLE_DOMAINS_MAX)) {
        e = ERR_LIMIT;
    }
    e = e == ERR_OK ? holder_put(ed, a->account, grants, count) : e;
    return e == ERR_OK ? note(ed, a, true, name) : e;
}

// Without the domains; ERR_NOT_FOUND when it has one of them not.
static enum err drop_domains(struct arena *arena, const struct span *gone, size_t gone_count,
                             struct role_grant *g)
{
    struct span *left = arena_zalloc(arena, g->domain_count + 1, sizeof(*left));
    const struct role_grant drop = {.domains = gone, .domain_count = gone_count};
    size_t n = 0;

    if (!left) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < gone_count; i++) {
        if (!names(g, gone[i])) {
            return ERR_NOT_FOUND;
        }
    }
    for (size_t i = 0; i < g->domain_count; i++) {
        if (!names(&drop, g->domains[i])) {
            left[n++] = g->domains[i];
        }
    }
    g->domains = left;
    g->domain_count = n;
    return ERR_OK;
}

static void remove_at(struct role_grant *grants, size_t *count, size_t at)
{
    for (size_t i = at; i + 1 < *count; i++) {
        grants[i] = grants[i + 1];
    }
    --*count;
}

static enum err revoke_edit(struct edit *ed, void *arg)
{
    struct change_args *a = arg;
    struct entry_record entry;
    struct role_grant *grants;
    size_t count, at;
    enum err e = directory_entry_get(&ed->view, a->account, &entry);

    e = e == ERR_OK ? load(ed, a, &grants, &count, &at) : e;
    if (e != ERR_OK || at == count) {
        return e == ERR_OK ? ERR_NOT_FOUND : e;
    }
    if (a->count > 0 && grants[at].is_everywhere) {
        return ERR_INVALID;
    }
    if (a->count > 0) {
        e = drop_domains(&ed->view.arena, a->domains, a->count, &grants[at]);
    }
    if (e != ERR_OK) {
        return e;
    }
    if (a->count == 0 || grants[at].domain_count == 0) {
        remove_at(grants, &count, at);
    }
    e = holder_put(ed, a->account, grants, count);
    return e == ERR_OK ? note(ed, a, false, entry.address) : e;
}

static enum err change(struct store *s, const struct actor *by, edit_fn *fn, struct change_args *a)
{
    struct arena arena;
    struct span *folded;
    const struct span *given = a->domains;
    enum err e = ERR_OK;

    if (a->count > ROLE_DOMAINS_MAX) {
        return ERR_LIMIT;
    }
    arena_init(&arena, ARENA_BYTES);
    folded = arena_zalloc(&arena, a->count + 1, sizeof(*folded));
    e = folded ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < a->count && e == ERR_OK; i++) {
        e = directory_domain_fold(&arena, given[i], &folded[i]);
        e = e == ERR_INVALID ? missing(a, "domain") : e;
    }
    a->domains = folded;
    e = e == ERR_OK ? store_edit(s, 0, by, fn, a, NULL) : e;
    e = e == ERR_OK ? store_edit(s, a->account, by, note_own, a, NULL) : e;
    arena_finish(&arena);
    return e;
}

enum err role_grant(struct store *s, const struct actor *by, account_id account, struct span role,
                    const struct span *domains, size_t count, const char **out_what)
{
    struct change_args a = {.account = account, .role = role, .domains = domains, .count = count};
    enum err e = change(s, by, grant_edit, &a);

    if (e == ERR_NOT_FOUND && out_what) {
        *out_what = a.what ? a.what : "account";
    }
    return e;
}

enum err role_revoke(struct store *s, const struct actor *by, account_id account, struct span role,
                     const struct span *domains, size_t count)
{
    struct change_args a = {.account = account, .role = role, .domains = domains, .count = count};

    return change(s, by, revoke_edit, &a);
}

// ---- what groups in a directory give ------------------------------------------------------------

struct directory_args {
    account_id account;
    const struct role_grant *wanted;
    size_t count;
    bool is_changed;
    char words[WORDS_BYTES_MAX];
    size_t words_n;
};

static bool is_same(const struct role_grant *a, const struct role_grant *b)
{
    bool same = span_eq(a->role, b->role) && a->is_everywhere == b->is_everywhere &&
                a->domain_count == b->domain_count;

    for (size_t i = 0; same && i < a->domain_count; i++) {
        same = names(b, a->domains[i]);
    }
    return same;
}

static const struct role_grant *find(const struct role_grant *grants, size_t count,
                                     struct span role)
{
    for (size_t i = 0; i < count; i++) {
        if (grants[i].by_directory && span_eq(grants[i].role, role)) {
            return &grants[i];
        }
    }
    return NULL;
}

// "; the directory granted the role help-desk over example.org".
static void put_words(struct buf *b, const char *verb, const struct role_grant *g)
{
    const struct change_args scope = {.domains = g->domains, .count = g->domain_count};

    buf_printf(b, "%sthe directory %s the role %.*s", b->n ? "; " : "", verb, SPAN_ARG(g->role));
    if (g->is_everywhere) {
        buf_put_str(b, " over all domains");
    }
    put_scope(b, &scope);
}

// As much of what is wanted as is here; `out->domain_count` 0 and not everywhere: nothing.
static enum err here_of(struct edit *ed, const struct role_grant *wanted, struct role_grant *out)
{
    struct arena *arena = &ed->view.arena;
    struct span *domains = arena_zalloc(arena, wanted->domain_count + 1, sizeof(*domains));
    struct role role;
    enum err e = domains ? role_get(&ed->view, wanted->role, &role) : ERR_NOMEM;

    *out = (struct role_grant){.role = wanted->role, .domains = domains, .by_directory = true};
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    out->is_everywhere = wanted->is_everywhere;
    for (size_t i = 0; !wanted->is_everywhere && i < wanted->domain_count && e == ERR_OK; i++) {
        struct span domain;

        e = directory_domain_fold(arena, wanted->domains[i], &domain);
        e = e == ERR_OK ? directory_domain_get(&ed->view, domain, &(struct domain_record){0}) : e;
        if (e == ERR_OK && !names(out, domain)) {
            domains[out->domain_count++] = domain;
        }
        e = e == ERR_NOT_FOUND || e == ERR_INVALID ? ERR_OK : e;
    }
    return e;
}

// Those given by hand, and then those of the directory, told as they differ from what there was.
static enum err merge(struct edit *ed, struct directory_args *a, const struct role_holder *now,
                      struct role_grant *all, size_t *out_count, struct buf *words)
{
    size_t n = 0;
    enum err e = ERR_OK;

    for (size_t i = 0; i < now->count; i++) {
        if (!now->grants[i].by_directory) {
            all[n++] = now->grants[i];
        }
    }
    for (size_t i = 0; i < a->count && e == ERR_OK; i++) {
        struct role_grant g;

        e = here_of(ed, &a->wanted[i], &g);
        if (e != ERR_OK || (!g.is_everywhere && g.domain_count == 0) || find(all, n, g.role)) {
            continue;
        }
        const struct role_grant *was = find(now->grants, now->count, g.role);

        g.since = was ? was->since : edit_now_s(ed);
        if (!was || !is_same(was, &g)) {
            g.since = edit_now_s(ed);
            put_words(words, "granted", &g);
            a->is_changed = true;
        }
        all[n++] = g;
    }
    for (size_t i = 0; i < now->count; i++) {
        if (now->grants[i].by_directory && !find(all, n, now->grants[i].role)) {
            put_words(words, "took away", &now->grants[i]);
            a->is_changed = true;
        }
    }
    *out_count = n;
    return e;
}

static enum err note_directory(struct edit *ed, struct directory_args *a, struct span name,
                               const struct buf *words)
{
    struct change c = {.kind = CHANGE_ACCOUNT};
    struct buf whole;

    a->words_n = words->n;
    buf_init(&whole, 2 * WORDS_BYTES_MAX);
    buf_printf(&whole, "%.*s: %.*s", SPAN_ARG(name), SPAN_ARG(buf_span(words)));
    c.after = buf_span(&whole);
    enum err e = whole.failed ? ERR_LIMIT : change_put(ed, &c);

    buf_finish(&whole);
    return e;
}

static enum err directory_edit(struct edit *ed, void *arg)
{
    struct directory_args *a = arg;
    struct buf words = {.p = a->words, .cap = sizeof(a->words), .max = sizeof(a->words)};
    struct entry_record entry;
    struct role_holder now;
    size_t n = 0, domains = 0;
    enum err e = directory_entry_get(&ed->view, a->account, &entry);

    a->is_changed = false;
    a->words_n = 0;
    e = e == ERR_OK && entry.state != ENTRY_THERE ? ERR_NOT_FOUND : e;
    e = e == ERR_OK ? holder_read(&ed->view, a->account, &ed->view.arena, &now) : e;
    if (e != ERR_OK) {
        return e;
    }
    struct role_grant *all = arena_zalloc(&ed->view.arena, now.count + a->count + 1, sizeof(*all));

    e = all ? merge(ed, a, &now, all, &n, &words) : ERR_NOMEM;
    if (e != ERR_OK || !a->is_changed) {
        return e;
    }
    for (size_t i = 0; i < n; i++) {
        domains += all[i].domain_count;
    }
    if (n > ROLE_GRANTS_MAX || domains > ROLE_DOMAINS_MAX) {
        return ERR_LIMIT;
    }
    if (words.failed) { // very many at once; who has what is told by `role show`
        buf_clear(&words);
        buf_put_str(&words, "the directory granted and took away many roles");
    }
    e = holder_put(ed, a->account, all, n);
    return e == ERR_OK ? note_directory(ed, a, entry.address, &words) : e;
}

static enum err note_own_directory(struct edit *ed, void *arg)
{
    const struct directory_args *a = arg;
    struct change c = {.kind = CHANGE_ACCOUNT, .after = span_of(a->words, a->words_n)};

    return change_put(ed, &c);
}

enum err role_directory_set(struct store *s, const struct actor *by, account_id account,
                            const struct role_grant *grants, size_t count, bool *out_changed)
{
    struct directory_args a = {.account = account, .wanted = grants, .count = count};
    enum err e = account ? store_edit(s, 0, by, directory_edit, &a, NULL) : ERR_NOT_FOUND;

    *out_changed = e == ERR_OK && a.is_changed;
    return *out_changed ? store_edit(s, account, by, note_own_directory, &a, NULL) : e;
}

bool role_directory_loses(const struct role_holder *h, const struct role_grant *grants,
                          size_t count)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct role_grant *was = &h->grants[i], *g = NULL;

        for (size_t k = 0; was->by_directory && k < count && !g; k++) {
            g = span_eq(grants[k].role, was->role) ? &grants[k] : NULL;
        }
        if (was->by_directory && (!g || (was->is_everywhere && !g->is_everywhere))) {
            return true;
        }
        for (size_t k = 0; was->by_directory && !g->is_everywhere && k < was->domain_count; k++) {
            if (!names(g, was->domains[k])) {
                return true;
            }
        }
    }
    return false;
}

// ---- what goes with others ----------------------------------------------------------------------

enum err role_edit_account_gone(struct edit *ed, account_id account)
{
    struct key k = key_u64(KEY_ROLES_OF, account);
    struct span value;
    enum err e = view_get(&ed->view, &k, &value);

    return e == ERR_OK ? edit_delete(ed, &k) : e == ERR_NOT_FOUND ? ERR_OK : e;
}

struct domain_gone {
    struct edit *ed;
    struct span domain;
};

static enum err domain_gone_one(void *arg, struct span key, struct span value)
{
    const struct domain_gone *d = arg;
    struct arena *arena = &d->ed->view.arena;
    struct role_holder h;
    enum err e = role_holder_decode(key, value, arena, &h);
    struct role_grant *grants = e == ERR_OK ? arena_zalloc(arena, h.count, sizeof(*grants)) : NULL;
    size_t count = 0;
    bool any = false;

    if (e != ERR_OK || !grants) {
        return e == ERR_OK ? ERR_NOMEM : e;
    }
    for (size_t i = 0; i < h.count && e == ERR_OK; i++) {
        struct role_grant g = h.grants[i];

        if (names(&g, d->domain)) {
            any = true;
            e = drop_domains(arena, &d->domain, 1, &g);
        }
        if (g.is_everywhere || g.domain_count > 0) {
            grants[count++] = g;
        }
    }
    return e == ERR_OK && any ? holder_put(d->ed, h.account, grants, count) : e;
}

enum err role_edit_domain_gone(struct edit *ed, struct span domain)
{
    struct domain_gone d = {ed, domain};
    struct key all = key_plain(KEY_ROLES_OF);

    return view_each(&ed->view, &all, domain_gone_one, &d);
}
