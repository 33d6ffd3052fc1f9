// SPDX-License-Identifier: Apache-2.0
//
// Checks that what finds the groups of a member says what the aliases say, and the numbers of
// groups. The aliases count: whoever is in one and not found as a member has fewer rights than they
// should, whoever is found and in none has more.
#include "store/belongings_internal.h"
#include "store/check/check_internal.h"
#include "store/rules_internal.h"

#include "base/banned.h"

#define TARGETS_ARENA_BYTES (4u << 20)

static enum err alias_read(struct check *c, struct span alias, struct arena *a, struct span **out,
                           size_t *out_n)
{
    struct key k = key_text(KEY_ALIAS, span_first(alias, ADDRESS_BYTES_MAX));
    struct span value;
    enum err e = view_get(c->v, &k, &value);

    return e == ERR_OK ? route_alias_decode(value, a, out, out_n) : e;
}

// Each address of an alias is found.
static enum err check_targets(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct span alias = span_skip(key, 1), *targets, there;
    char room[STR_BYTES_MAX];
    struct arena arena;
    size_t n = 0;

    if (alias.n && alias.p[0] == '@') {
        return ERR_OK;
    }
    arena_init(&arena, TARGETS_ARENA_BYTES);
    if (route_alias_decode(value, &arena, &targets, &n) != ERR_OK) {
        n = 0; // said already
    }
    enum err e = ERR_OK;

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct key k = group_member_key(targets[i], alias);

        if (view_get(c->v, &k, &there) == ERR_OK &&
            str_decode(there, ADDRESS_BYTES_MAX, &there) == ERR_OK && span_eq(there, targets[i])) {
            continue;
        }
        check_problem(c, true, "%.*s is not found as a member of %.*s", SPAN_ARG(targets[i]),
                      SPAN_ARG(alias));
        e = c->ed ? edit_put(c->ed, &k, str_encode(targets[i], room)) : ERR_OK;
    }
    arena_finish(&arena);
    return e;
}

// Who is found is in the alias. What the row of one who is says has been looked at already.
static enum err check_member(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct span alias = span_skip(key, 9), *targets;
    struct arena arena;
    bool is_there = false;
    size_t n = 0;

    (void)value;
    if (key.n == 1) { // says that all is written down
        return ERR_OK;
    }
    arena_init(&arena, TARGETS_ARENA_BYTES);
    if (key.n > 9 && alias.p[0] != '@') {
        (void)alias_read(c, alias, &arena, &targets, &n);
    }
    for (size_t i = 0; i < n && !is_there; i++) {
        struct key k = group_member_key(targets[i], alias);

        is_there = span_eq(key_span(&k), key);
    }
    arena_finish(&arena);
    if (is_there) {
        return ERR_OK;
    }
    check_problem(c, true, "somebody is found as a member of %.*s and is none", SPAN_ARG(alias));
    return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
}

// A group's number leads to it. Where it does not, the group is none any more: another number
// would be another group's.
static enum err check_number(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct span alias = span_skip(key, 1), there;
    struct key of_alias = key_text(KEY_ALIAS, span_first(alias, ADDRESS_BYTES_MAX));
    uint64_t id = 0;
    enum err e = account_id_decode(value, &id);
    struct key back = key_u64(KEY_GROUP_ID, id);
    bool is_alias = view_get(c->v, &of_alias, &there) == ERR_OK;

    if (e == ERR_OK && id && is_alias && view_get(c->v, &back, &there) == ERR_OK &&
        str_decode(there, ADDRESS_BYTES_MAX, &there) == ERR_OK && span_eq(there, alias)) {
        return ERR_OK;
    }
    check_problem(c, true, "the group %.*s has no number that leads to it", SPAN_ARG(alias));
    return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
}

static enum err check_number_back(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct span alias;
    uint64_t id, found;

    if (key_read_u64(key, &id) && id && id <= c->v->version &&
        str_decode(value, ADDRESS_BYTES_MAX, &alias) == ERR_OK &&
        group_id_of(c->v->snapshot, alias, &found) == ERR_OK && found == id) {
        return ERR_OK;
    }
    check_problem(c, true, "a number of a group is none's");
    return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
}

enum err check_groups(struct check *c)
{
    struct key aliases = key_plain(KEY_ALIAS), members = key_plain(KEY_MEMBER),
               numbers = key_plain(KEY_GROUP), back = key_plain(KEY_GROUP_ID);
    enum err e = view_each(c->v, &aliases, check_targets, c);

    e = e == ERR_OK ? view_each(c->v, &members, check_member, c) : e;
    e = e == ERR_OK ? view_each(c->v, &numbers, check_number, c) : e;
    return e == ERR_OK ? view_each(c->v, &back, check_number_back, c) : e;
}
