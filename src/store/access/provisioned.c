// SPDX-License-Identifier: Apache-2.0
#include "store/access/provisioned.h"

#include "base/utf8.h"
#include "store/store_internal.h"

#include "base/banned.h"

#define VALUE_BYTES_MAX                                                                            \
    (64 + 3 * (PROVISIONED_TEXT_MAX + 3) + PROVISIONED_ALIASES_MAX * (ADDRESS_BYTES_MAX + 3))
#define FLAG_DELETED 1

bool provisioned_text_is_valid(struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (byte_is_ctl(text.p[i])) {
            return false;
        }
    }
    return text.n <= PROVISIONED_TEXT_MAX && utf8_is_valid(text);
}

static bool is_valid(const struct provisioned *p)
{
    return provisioned_text_is_valid(p->external_id) && provisioned_text_is_valid(p->given) &&
           provisioned_text_is_valid(p->family);
}

enum err provisioned_decode(struct span value, struct span *aliases, struct provisioned *out)
{
    struct provisioned p = {.aliases = aliases};
    uint64_t flags, count;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = unpack_u64(&value, FLAG_DELETED, &flags) && unpack_i64(&value, &p.changed) &&
              unpack_str(&value, PROVISIONED_TEXT_MAX, &p.external_id) &&
              unpack_str(&value, PROVISIONED_TEXT_MAX, &p.given) &&
              unpack_str(&value, PROVISIONED_TEXT_MAX, &p.family) &&
              unpack_u64(&value, PROVISIONED_ALIASES_MAX, &count);

    for (size_t i = 0; ok && i < count; i++) {
        ok = unpack_str(&value, ADDRESS_BYTES_MAX, &aliases[i]) &&
             span_find_byte(aliases[i], '@') < aliases[i].n;
    }
    if (!ok || !is_valid(&p)) {
        return ERR_CORRUPT;
    }
    p.is_deleted = flags & FLAG_DELETED;
    p.alias_count = count;
    *out = p;
    return ERR_OK;
}

static enum err copy(const struct provisioned *p, struct arena *a, struct provisioned *out)
{
    struct span *aliases = arena_zalloc(a, p->alias_count + 1, sizeof(*aliases));
    struct provisioned n = *p;
    bool ok = aliases != NULL;

    n.external_id = arena_dup(a, p->external_id);
    n.given = arena_dup(a, p->given);
    n.family = arena_dup(a, p->family);
    for (size_t i = 0; ok && i < p->alias_count; i++) {
        aliases[i] = arena_dup(a, p->aliases[i]);
        ok = aliases[i].p != NULL;
    }
    n.aliases = aliases;
    if (!ok || !n.external_id.p || !n.given.p || !n.family.p) {
        return ERR_NOMEM;
    }
    *out = n;
    return ERR_OK;
}

enum err provisioned_get(struct store *s, account_id account, struct arena *a,
                         struct provisioned *out)
{
    struct span aliases[PROVISIONED_ALIASES_MAX], value;
    struct key k = key_plain(KEY_PROVISIONED);
    struct provisioned p = {.alias_count = 0};
    struct view v;
    enum err e = account ? view_begin(&v, s, account) : ERR_NOT_FOUND;

    if (e != ERR_OK) {
        return e;
    }
    e = view_get(&v, &k, &value);
    if (e == ERR_OK) {
        e = provisioned_decode(value, aliases, &p);
        e = e == ERR_OK ? copy(&p, a, out) : e;
    } else if (e == ERR_NOT_FOUND) {
        *out = (struct provisioned){.external_id = SPAN(""), .given = SPAN(""), .family = SPAN("")};
        e = ERR_OK;
    }
    view_end(&v);
    return e;
}

static enum err set_edit(struct edit *ed, void *arg)
{
    const struct provisioned *p = arg;
    struct key k = key_plain(KEY_PROVISIONED);
    struct change c = {.kind = CHANGE_ACCOUNT,
                       .after = p->is_deleted ? SPAN("deleted by the identity provider")
                                              : SPAN("what the identity provider says of it")};
    char *room = arena_alloc(&ed->view.arena, VALUE_BYTES_MAX);

    if (!room) {
        return ERR_NOMEM;
    }
    struct pack value = pack_record(room, VALUE_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&value, p->is_deleted ? FLAG_DELETED : 0);
    pack_i64(&value, edit_now_s(ed));
    pack_str(&value, p->external_id);
    pack_str(&value, p->given);
    pack_str(&value, p->family);
    pack_u64(&value, p->alias_count);
    for (size_t i = 0; i < p->alias_count; i++) {
        pack_str(&value, p->aliases[i]);
    }
    enum err e = edit_put(ed, &k, pack_span(&value));

    return e == ERR_OK ? change_put(ed, &c) : e;
}

enum err provisioned_set(struct store *s, account_id account, const struct actor *by,
                         const struct provisioned *p)
{
    struct provisioned copy_of = *p;

    if (account == 0) {
        return ERR_NOT_FOUND;
    }
    if (p->alias_count > PROVISIONED_ALIASES_MAX) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < p->alias_count; i++) {
        if (p->aliases[i].n > ADDRESS_BYTES_MAX) {
            return ERR_LIMIT;
        }
    }
    return is_valid(p) ? store_edit(s, account, by, set_edit, &copy_of, NULL) : ERR_INVALID;
}
