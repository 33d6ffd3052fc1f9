// SPDX-License-Identifier: Apache-2.0
#include "store/directory/scim_token.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "base/clock.h"
#include "store/directory/directory_internal.h"

#include "base/banned.h"

#define VALUE_BYTES_MAX                                                                            \
    (64 + SCIM_TOKEN_DIGEST_BYTES + SCIM_TOKEN_DOMAINS_MAX * (DOMAIN_BYTES_MAX + 3))
#define KIND_BEARER 1

bool scim_token_name_is_valid(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!byte_is_alnum(name.p[i]) && (name.p[i] == '\0' || !strchr("-._", name.p[i]))) {
            return false;
        }
    }
    return name.n > 0 && name.n <= SCIM_TOKEN_NAME_MAX;
}

bool scim_token_has_domain(const struct scim_token *t, struct span domain)
{
    for (size_t i = 0; i < t->domain_count; i++) {
        if (span_eq(t->domains[i], domain)) {
            return true;
        }
    }
    return false;
}

// ---- rows ---------------------------------------------------------------------------------------

enum err scim_token_decode(struct span key, struct span value, struct span *domains,
                           struct scim_token *out)
{
    struct scim_token t = {.name = span_skip(key, 1), .domains = domains};
    uint64_t kind, count;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = scim_token_name_is_valid(t.name) && unpack_u64(&value, KIND_BEARER, &kind) &&
              kind == KIND_BEARER && unpack_i64(&value, &t.created) &&
              unpack_i64(&value, &t.used) &&
              unpack_str(&value, SCIM_TOKEN_DIGEST_BYTES, &t.digest) &&
              t.digest.n == SCIM_TOKEN_DIGEST_BYTES &&
              unpack_u64(&value, SCIM_TOKEN_DOMAINS_MAX, &count) && count > 0;

    for (size_t i = 0; ok && i < count; i++) {
        ok = unpack_str(&value, DOMAIN_BYTES_MAX, &domains[i]) && domains[i].n > 0;
    }
    if (!ok) {
        return ERR_CORRUPT;
    }
    t.domain_count = count;
    *out = t;
    return ERR_OK;
}

static enum err put(struct edit *ed, const struct scim_token *t)
{
    struct key k = key_text(KEY_SCIM_TOKEN, t->name);
    char *room = arena_alloc(&ed->view.arena, VALUE_BYTES_MAX);

    if (!room) {
        return ERR_NOMEM;
    }
    struct pack value = pack_record(room, VALUE_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&value, KIND_BEARER);
    pack_i64(&value, t->created);
    pack_i64(&value, t->used);
    pack_str(&value, t->digest);
    pack_u64(&value, t->domain_count);
    for (size_t i = 0; i < t->domain_count; i++) {
        pack_str(&value, t->domains[i]);
    }
    return edit_put(ed, &k, pack_span(&value));
}

// ---- looking ------------------------------------------------------------------------------------

struct list_args {
    scim_token_fn *fn;
    void *arg;
};

static enum err list_one(void *arg, struct span key, struct span value)
{
    struct span domains[SCIM_TOKEN_DOMAINS_MAX];
    const struct list_args *l = arg;
    struct scim_token t;
    enum err e = scim_token_decode(key, value, domains, &t);

    return e != ERR_OK ? e : l->fn(l->arg, &t) ? ERR_OK : ERR_EOF;
}

enum err scim_token_list(struct store *s, scim_token_fn *fn, void *arg)
{
    struct key all = key_plain(KEY_SCIM_TOKEN);
    struct list_args l = {fn, arg};
    return store_each(s, &all, list_one, &l);
}

struct find_args {
    struct span digest;
    struct arena *arena;
    struct scim_token *out;
    enum err result;
};

static enum err copy(const struct scim_token *t, struct arena *a, struct scim_token *out)
{
    struct span *domains = arena_zalloc(a, t->domain_count, sizeof(*domains));
    struct scim_token n = *t;
    bool ok = domains != NULL;

    n.name = arena_dup(a, t->name);
    n.digest = arena_dup(a, t->digest);
    for (size_t i = 0; ok && i < t->domain_count; i++) {
        domains[i] = arena_dup(a, t->domains[i]);
        ok = domains[i].p != NULL;
    }
    n.domains = domains;
    if (!ok || !n.name.p || !n.digest.p) {
        return ERR_NOMEM;
    }
    *out = n;
    return ERR_OK;
}

// All are looked at, so that time tells nothing.
static bool find_one(void *arg, const struct scim_token *t)
{
    struct find_args *f = arg;

    if (f->digest.n == t->digest.n && CRYPTO_memcmp(f->digest.p, t->digest.p, t->digest.n) == 0) {
        f->result = copy(t, f->arena, f->out);
    }
    return true;
}

enum err scim_token_find(struct store *s, struct span digest, struct arena *a,
                         struct scim_token *out)
{
    struct find_args f = {.digest = digest, .arena = a, .out = out, .result = ERR_NOT_FOUND};
    enum err e = scim_token_list(s, find_one, &f);

    return e == ERR_OK ? f.result : e;
}

// ---- changing -----------------------------------------------------------------------------------

struct add_args {
    const struct scim_token *token;
    struct span *out_domain;
};

static enum err note(struct edit *ed, struct span name, const char *what)
{
    char words[40];

    snprintf(words, sizeof(words), "provisioning token %s: ", what);
    return directory_note(ed, words, name);
}

static enum err add_edit(struct edit *ed, void *arg)
{
    const struct add_args *a = arg;
    struct scim_token t = *a->token;
    struct key all = key_plain(KEY_SCIM_TOKEN), k = key_text(KEY_SCIM_TOKEN, t.name);
    struct span value;
    size_t count = 0;
    enum err e = view_get(&ed->view, &k, &value);

    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = view_count(&ed->view, &all, &count);
    e = e == ERR_OK && count >= SCIM_TOKENS_MAX ? ERR_LIMIT : e;
    for (size_t i = 0; i < t.domain_count && e == ERR_OK; i++) {
        e = directory_domain_get(&ed->view, t.domains[i], &(struct domain_record){0});
        if (e == ERR_NOT_FOUND && a->out_domain) {
            *a->out_domain = t.domains[i];
        }
    }
    t.created = edit_now_s(ed);
    t.used = 0;
    e = e == ERR_OK ? put(ed, &t) : e;
    return e == ERR_OK ? note(ed, t.name, "added") : e;
}

enum err scim_token_add(struct store *s, const struct actor *by, const struct scim_token *t,
                        struct span *out_domain)
{
    struct add_args a = {t, out_domain};

    if (!scim_token_name_is_valid(t->name) || t->digest.n != SCIM_TOKEN_DIGEST_BYTES ||
        t->domain_count == 0) {
        return ERR_INVALID;
    }
    return t->domain_count > SCIM_TOKEN_DOMAINS_MAX ? ERR_LIMIT
                                                    : store_edit(s, 0, by, add_edit, &a, NULL);
}

static enum err remove_edit(struct edit *ed, void *arg)
{
    const struct span *name = arg;
    struct key k = key_text(KEY_SCIM_TOKEN, *name);
    struct span value;
    enum err e = view_get(&ed->view, &k, &value);

    e = e == ERR_OK ? edit_delete(ed, &k) : e;
    return e == ERR_OK ? note(ed, *name, "removed") : e;
}

enum err scim_token_remove(struct store *s, const struct actor *by, struct span name)
{
    return scim_token_name_is_valid(name) ? store_edit(s, 0, by, remove_edit, &name, NULL)
                                          : ERR_NOT_FOUND;
}

// On condition that it is still the same token. No record in the change log.
static enum err used_edit(struct edit *ed, void *arg)
{
    const struct scim_token *t = arg;
    struct key k = key_text(KEY_SCIM_TOKEN, t->name);
    struct span domains[SCIM_TOKEN_DOMAINS_MAX], value;
    struct scim_token now;
    enum err e = view_get(&ed->view, &k, &value);

    e = e == ERR_OK ? scim_token_decode(key_span(&k), value, domains, &now) : e;
    if (e != ERR_OK || !span_eq(now.digest, t->digest)) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    now.used = edit_now_s(ed);
    ed->is_changed = true; // without a record in the change log
    return put(ed, &now);
}

enum err scim_token_used(struct store *s, const struct scim_token *t)
{
    struct actor by = {.kind = ACTOR_SYSTEM};
    struct scim_token copy = *t;
    int64_t past = clock_real_s() - t->used;

    return past >= 0 && past < SCIM_TOKEN_USED_EVERY_S
               ? ERR_OK
               : store_edit(s, 0, &by, used_edit, &copy, NULL);
}

struct domain_gone {
    struct edit *ed;
    struct span domain;
};

static enum err domain_gone_one(void *arg, struct span key, struct span value)
{
    const struct domain_gone *d = arg;
    struct span domains[SCIM_TOKEN_DOMAINS_MAX];
    struct scim_token t;
    size_t n = 0;
    enum err e = scim_token_decode(key, value, domains, &t);

    if (e != ERR_OK || !scim_token_has_domain(&t, d->domain)) {
        return e;
    }
    for (size_t i = 0; i < t.domain_count; i++) {
        if (!span_eq(domains[i], d->domain)) {
            domains[n++] = domains[i];
        }
    }
    t.domain_count = n;
    if (n > 0) {
        return put(d->ed, &t);
    }
    struct key k = key_text(KEY_SCIM_TOKEN, t.name);

    return edit_delete(d->ed, &k);
}

enum err scim_token_edit_domain_gone(struct edit *ed, struct span domain)
{
    struct domain_gone d = {ed, domain};
    struct key all = key_plain(KEY_SCIM_TOKEN);

    return view_each(&ed->view, &all, domain_gone_one, &d);
}
