// SPDX-License-Identifier: Apache-2.0
//
// What a list says: letters, rows, and whose rights are what.
#include "store/share/acl.h"

#include "store/share/share_internal.h"

#include "base/banned.h"

static const char letters[] = "lrswipkxtea";

#define VIRTUAL_CREATE (ACL_CREATE | ACL_DELETE_MAILBOX)
#define VIRTUAL_DELETE (ACL_DELETE_MESSAGE | ACL_EXPUNGE)

// ---- letters ------------------------------------------------------------------------------------

static uint32_t right_of(char letter)
{
    for (size_t i = 0; letters[i]; i++) {
        if (letters[i] == letter) {
            return 1u << i;
        }
    }
    return letter == 'c' ? VIRTUAL_CREATE : letter == 'd' ? VIRTUAL_DELETE : 0;
}

enum err acl_rights_parse(struct span text, uint32_t *out)
{
    uint32_t rights = 0;

    for (size_t i = 0; i < text.n; i++) {
        uint32_t right = right_of(text.p[i]);

        if (!right) {
            return ERR_INVALID;
        }
        rights |= right;
    }
    *out = rights;
    return ERR_OK;
}

struct span acl_rights_format(uint32_t rights, char *room)
{
    size_t n = 0;

    for (size_t i = 0; letters[i]; i++) {
        if (rights & 1u << i) {
            room[n++] = letters[i];
        }
    }
    if (rights & VIRTUAL_CREATE) {
        room[n++] = 'c';
    }
    if (rights & VIRTUAL_DELETE) {
        room[n++] = 'd';
    }
    return span_of(room, n);
}

// ---- rows ---------------------------------------------------------------------------------------

static bool entry_decode_one(struct span *value, struct acl_entry *out)
{
    uint64_t kind, id = 0, given, taken;

    if (!unpack_u64(value, ACL_GROUP, &kind) || kind < ACL_ACCOUNT ||
        (kind != ACL_ANYONE && !unpack_u64(value, UINT64_MAX, &id)) ||
        !unpack_u64(value, ACL_ALL, &given) || !unpack_u64(value, ACL_ALL, &taken)) {
        return false;
    }
    *out = (struct acl_entry){
        .who = {(enum acl_kind)kind, id}, .given = (uint32_t)given, .taken = (uint32_t)taken};
    return (kind != ACL_ANYONE) == (id != 0) && (given || taken);
}

enum err acl_decode(struct span value, struct arena *a, struct acl *out)
{
    struct acl acl = {0};
    uint64_t n;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, ACL_ENTRIES_MAX, &n) || n == 0) {
        return ERR_CORRUPT;
    }
    acl.entries = arena_zalloc(a, n, sizeof(*acl.entries));
    if (!acl.entries) {
        return ERR_NOMEM;
    }
    for (; acl.n < n; acl.n++) {
        if (!entry_decode_one(&value, &acl.entries[acl.n])) {
            return ERR_CORRUPT;
        }
    }
    *out = acl;
    return ERR_OK;
}

enum err acl_encode(const struct acl *acl, struct arena *a, struct span *out)
{
    size_t room = 16 + acl->n * 4 * VARINT_BYTES_MAX;
    char *p = arena_alloc(a, room);

    if (!p) {
        return ERR_NOMEM;
    }
    struct pack k = pack_record(p, room, SCHEMA_VERSION);

    pack_u64(&k, acl->n);
    for (size_t i = 0; i < acl->n; i++) {
        const struct acl_entry *entry = &acl->entries[i];

        pack_u64(&k, entry->who.kind);
        if (entry->who.kind != ACL_ANYONE) {
            pack_u64(&k, entry->who.id);
        }
        pack_u64(&k, entry->given);
        pack_u64(&k, entry->taken);
    }
    *out = pack_span(&k);
    return ERR_OK;
}

// ---- looking ------------------------------------------------------------------------------------

enum err view_acl(struct view *v, mailbox_id mailbox, struct arena *a, struct acl *out)
{
    struct key k = key_u32(KEY_ACL, mailbox);
    struct span value;
    enum err e = view_get(v, &k, &value);

    if (e == ERR_NOT_FOUND) {
        *out = (struct acl){0};
        return ERR_OK;
    }
    return e == ERR_OK ? acl_decode(value, a, out) : e;
}

// Is the reader meant by it? Sets `*out_unknown` when nobody can tell.
static bool is_meant(const struct acl_who *who, account_id reader, bool is_same_domain,
                     const struct acl_groups *groups, bool *out_unknown)
{
    bool is_meant;

    *out_unknown = false;
    switch (who->kind) {
    case ACL_ANYONE:
        return is_same_domain;
    case ACL_GROUP:
        is_meant = acl_groups_have(groups, who->id);
        *out_unknown = !is_meant && groups->is_cut;
        return is_meant;
    case ACL_ACCOUNT:
        break;
    }
    return who->id == reader;
}

uint32_t acl_rights(const struct acl *acl, account_id reader, bool is_same_domain,
                    const struct acl_groups *groups)
{
    uint32_t given = 0, taken = 0;

    for (size_t i = 0; i < acl->n; i++) {
        const struct acl_entry *entry = &acl->entries[i];
        bool is_unknown;

        if (is_meant(&entry->who, reader, is_same_domain, groups, &is_unknown)) {
            given |= entry->given;
            taken |= entry->taken;
        } else if (is_unknown) {
            taken |= entry->taken;
        }
    }
    return given & ~taken;
}

static bool names_groups(const struct acl *acl)
{
    for (size_t i = 0; i < acl->n; i++) {
        if (acl->entries[i].who.kind == ACL_GROUP) {
            return true;
        }
    }
    return false;
}

// Looked up once a view, and only for lists that name one: a view is one moment of all accounts.
static const struct acl_groups *groups_in(struct view *v, account_id reader)
{
    static const struct acl_groups unknown = {.is_cut = true};

    if (!v->groups || v->groups_reader != reader) {
        struct acl_groups *g = arena_zalloc(&v->arena, 1, sizeof(*g));

        if (!g || groups_of(v->snapshot, reader, &v->arena, g) != ERR_OK) {
            return &unknown;
        }
        v->groups = g;
        v->groups_reader = reader;
    }
    return v->groups;
}

uint32_t view_acl_rights(struct view *v, mailbox_id mailbox, account_id reader, bool is_same_domain)
{
    static const struct acl_groups none = {.n = 0};
    struct acl acl;

    if (view_acl(v, mailbox, &v->arena, &acl) != ERR_OK) {
        return 0;
    }
    return acl_rights(&acl, reader, is_same_domain,
                      names_groups(&acl) ? groups_in(v, reader) : &none);
}
