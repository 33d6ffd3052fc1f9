// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include "base/log.h"
#include "store/schema_internal.h"

#include "base/banned.h"

// ---- keys ---------------------------------------------------------------------------------------

struct key key_plain(enum key_kind kind)
{
    struct key k;

    k.p[0] = (char)kind;
    k.n = 1;
    return k;
}

struct key key_u32(enum key_kind kind, uint32_t n)
{
    struct key k;

    k.p[0] = (char)kind;
    put_be32(k.p + 1, n);
    k.n = 5;
    return k;
}

struct key key_u64(enum key_kind kind, uint64_t n)
{
    struct key k;

    k.p[0] = (char)kind;
    put_be64(k.p + 1, n);
    k.n = 9;
    return k;
}

struct key key_text(enum key_kind kind, struct span text)
{
    struct key k;

    ASSERT(text.n <= 255);
    k.p[0] = (char)kind;
    memcpy(k.p + 1, text.p, text.n);
    k.n = 1 + text.n;
    return k;
}

struct key key_name(enum key_kind kind, struct span name)
{
    if (name.n <= 255) {
        return key_text(kind, name);
    }
    struct key k;
    unsigned n = 0;

    k.p[0] = (char)kind;
    k.p[1] = '\xff'; // no UTF-8 name starts so
    int ok = EVP_Digest(name.p, name.n, (unsigned char *)k.p + 2, &n, EVP_sha256(), NULL);

    ASSERT(ok == 1 && n == 32);
    k.n = 2 + n;
    return k;
}

struct key key_chunk(mailbox_id mailbox, uint32_t uid)
{
    struct key k = key_u32(KEY_CHUNK, mailbox);

    put_be32(k.p + 5, uid);
    k.n = 9;
    return k;
}

struct key key_expunged(int64_t when, message_id message)
{
    struct key k = key_u64(KEY_EXPUNGED, (uint64_t)when + (1ull << 63));

    put_be64(k.p + 9, message);
    k.n = 17;
    return k;
}

struct key key_change(modseq number, uint16_t part)
{
    struct key k = key_u64(KEY_CHANGE, number);

    put_be16(k.p + 9, part);
    k.n = 11;
    return k;
}

struct key key_past(modseq number, uint16_t n)
{
    struct key k = key_u64(KEY_RULES_PAST, number);

    put_be16(k.p + 9, n);
    k.n = 11;
    return k;
}

struct key key_after(const struct key *k)
{
    struct key after = *k;

    while (after.n && (unsigned char)after.p[after.n - 1] == 0xff) {
        after.n--;
    }
    ASSERT(after.n);
    after.p[after.n - 1] = (char)((unsigned char)after.p[after.n - 1] + 1);
    return after;
}

bool key_read_u32(struct span key, uint32_t *out)
{
    if (key.n != 5) {
        return false;
    }
    *out = get_be32(key.p + 1);
    return true;
}

bool key_read_u64(struct span key, uint64_t *out)
{
    if (key.n != 9) {
        return false;
    }
    *out = get_be64(key.p + 1);
    return true;
}

bool key_read_chunk(struct span key, mailbox_id *out_mailbox, uint32_t *out_uid)
{
    if (key.n != 9) {
        return false;
    }
    *out_mailbox = get_be32(key.p + 1);
    *out_uid = get_be32(key.p + 5);
    return true;
}

bool key_read_expunged(struct span key, int64_t *out_when, message_id *out_message)
{
    if (key.n != 17) {
        return false;
    }
    *out_when = (int64_t)(get_be64(key.p + 1) - (1ull << 63));
    *out_message = get_be64(key.p + 9);
    return true;
}

bool key_read_change(struct span key, modseq *out_number, uint16_t *out_part)
{
    if (key.n != 11) {
        return false;
    }
    *out_number = get_be64(key.p + 1);
    *out_part = get_be16(key.p + 9);
    return true;
}

bool key_read_past(struct span key, modseq *out_number)
{
    uint16_t n;

    return key_read_change(key, out_number, &n);
}

// ---- header -------------------------------------------------------------------------------------

// "None" is the largest number in memory and 0 on disk, so that it is one byte.
struct span header_encode(const struct header *h, char *room)
{
    struct pack k = pack_record(room, HEADER_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, h->bytes);
    pack_u64(&k, h->messages);
    pack_u64(&k, h->bytes_max + 1);
    pack_u64(&k, h->messages_max + 1);
    pack_u64(&k, h->next_mailbox);
    pack_u64(&k, h->next_message);
    pack_u64(&k, h->uid_validity_max);
    pack_u64(&k, h->known_since);
    pack_u64(&k, h->mailboxes);
    pack_u64(&k, h->expunged);
    pack_u64(&k, h->expunged_bytes);
    pack_u64(&k, h->next_account);
    pack_u64(&k, h->accounts);
    pack_u64(&k, h->next_device);
    pack_u64(&k, h->metadata);
    pack_u64(&k, h->metadata_bytes);
    return pack_span(&k);
}

enum err header_decode(struct span value, struct header *out)
{
    struct header h = {0};
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    bool ok =
        unpack_u64(&value, UINT64_MAX, &h.bytes) && unpack_u64(&value, UINT64_MAX, &h.messages) &&
        unpack_u64(&value, UINT64_MAX, &h.bytes_max) &&
        unpack_u64(&value, UINT64_MAX, &h.messages_max) && unpack_u32(&value, &h.next_mailbox) &&
        unpack_u64(&value, UINT64_MAX, &h.next_message) &&
        unpack_u32(&value, &h.uid_validity_max) && unpack_u64(&value, UINT64_MAX, &h.known_since) &&
        unpack_u32(&value, &h.mailboxes) && unpack_u64(&value, UINT64_MAX, &h.expunged) &&
        unpack_u64(&value, UINT64_MAX, &h.expunged_bytes) &&
        unpack_u64(&value, UINT64_MAX, &h.next_account) &&
        unpack_u64(&value, UINT64_MAX, &h.accounts);

    // Records from before there were devices end here, and those from before metadata behind them.
    if (!ok || (value.n && !unpack_u32(&value, &h.next_device)) ||
        (value.n && (!unpack_u64(&value, UINT64_MAX, &h.metadata) ||
                     !unpack_u64(&value, UINT64_MAX, &h.metadata_bytes)))) {
        return ERR_CORRUPT;
    }
    h.next_device = h.next_device ? h.next_device : 1;
    h.bytes_max--;
    h.messages_max--;
    *out = h;
    return ERR_OK;
}

// ---- account, mailbox ---------------------------------------------------------------------------

enum { SUSPENDED_TAKES_MAIL = 1, SUSPENDED_TEAM = 2 };

struct span account_encode(const struct account_record *a, char *room)
{
    struct pack k = pack_record(room, ACCOUNT_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, a->state);
    pack_i64(&k, a->created);
    pack_str(&k, a->display_name);
    pack_str(&k, a->password_hash);
    if (a->suspension.takes_mail || a->suspension.remove_at) {
        pack_u64(&k, (a->suspension.takes_mail ? SUSPENDED_TAKES_MAIL : 0) |
                         (a->suspension.is_team ? SUSPENDED_TEAM : 0));
        pack_i64(&k, a->suspension.remove_at);
    }
    return pack_span(&k);
}

enum err account_decode(struct span value, struct account_record *out)
{
    struct account_record a = {.state = ACCOUNT_ACTIVE};
    uint64_t state, how = 0;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, ACCOUNT_REMOVED, &state) || !unpack_i64(&value, &a.created) ||
        !unpack_str(&value, DISPLAY_NAME_BYTES_MAX, &a.display_name) ||
        !unpack_str(&value, HASH_BYTES_MAX, &a.password_hash)) {
        return ERR_CORRUPT;
    }
    if (value.n > 0 && (!unpack_u64(&value, SUSPENDED_TAKES_MAIL | SUSPENDED_TEAM, &how) ||
                        !unpack_i64(&value, &a.suspension.remove_at) || how == SUSPENDED_TEAM)) {
        return ERR_CORRUPT;
    }
    a.suspension.takes_mail = how & SUSPENDED_TAKES_MAIL;
    a.suspension.is_team = how & SUSPENDED_TEAM;
    a.state = (enum account_state)state;
    *out = a;
    return ERR_OK;
}

enum { MAILBOX_SUBSCRIBED = 1, MAILBOX_NO_SELECT = 2 };

struct span mailbox_encode(const struct mailbox_record *m, char *room)
{
    struct pack k = pack_record(room, MAILBOX_BYTES_MAX, SCHEMA_VERSION);
    const struct mailbox *b = &m->is;

    pack_u64(&k, b->uid_validity);
    pack_u64(&k, b->uid_next);
    pack_u64(&k, b->highest_modseq);
    pack_u64(&k, m->gone_modseq);
    pack_u64(&k, b->exists);
    pack_u64(&k, b->unseen);
    pack_u64(&k, b->deleted);
    pack_u64(&k, b->bytes);
    pack_u64(&k, b->special_use);
    pack_u64(&k, (b->is_subscribed ? MAILBOX_SUBSCRIBED : 0) |
                     (b->is_no_select ? MAILBOX_NO_SELECT : 0));
    pack_u64(&k, m->tail);
    pack_u64(&k, m->created_modseq);
    pack_str(&k, b->name);
    if (b->seen_since) {
        pack_u64(&k, b->seen_since);
    }
    return pack_span(&k);
}

enum err mailbox_decode(mailbox_id id, struct span value, struct mailbox_record *out)
{
    struct mailbox_record m;
    struct mailbox *b = &m.is;
    uint64_t use, state;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = unpack_u32(&value, &b->uid_validity) && unpack_u32(&value, &b->uid_next) &&
              unpack_u64(&value, UINT64_MAX, &b->highest_modseq) &&
              unpack_u64(&value, UINT64_MAX, &m.gone_modseq) && unpack_u32(&value, &b->exists) &&
              unpack_u32(&value, &b->unseen) && unpack_u32(&value, &b->deleted) &&
              unpack_u64(&value, UINT64_MAX, &b->bytes) && unpack_u64(&value, UINT8_MAX, &use) &&
              unpack_u64(&value, UINT8_MAX, &state) && unpack_u32(&value, &m.tail) &&
              unpack_u64(&value, UINT64_MAX, &m.created_modseq) &&
              unpack_str(&value, NAME_BYTES_MAX, &b->name);

    b->seen_since = 0;
    if (!ok || (value.n && !unpack_u64(&value, UINT64_MAX, &b->seen_since))) {
        return ERR_CORRUPT;
    }
    b->id = id;
    b->special_use = (uint8_t)use;
    b->is_subscribed = state & MAILBOX_SUBSCRIBED;
    b->is_no_select = state & MAILBOX_NO_SELECT;
    *out = m;
    return ERR_OK;
}

// ---- message, thread ----------------------------------------------------------------------------

struct span message_encode(const struct message_record *m, char *room)
{
    struct pack k = pack_record(room, MESSAGE_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, m->body);
    pack_u64(&k, m->thread);
    pack_u64(&k, m->bytes);
    pack_i64(&k, m->sent);
    pack_u64(&k, m->placements);
    pack_u64(&k, m->thread_key_count);
    for (uint32_t i = 0; i < m->thread_key_count; i++) {
        char le[8];

        put_le64(le, m->thread_keys[i]);
        pack_bytes(&k, le, sizeof(le));
    }
    if (m->placements == 0) {
        pack_i64(&k, m->expunged_at);
        pack_u64(&k, m->from);
        pack_str(&k, m->from_name);
        pack_u64(&k, m->flags);
        pack_i64(&k, m->internal_date);
        pack_i64(&k, m->zone_minutes);
        pack_u64(&k, m->keyword_count);
        for (size_t i = 0; i < m->keyword_count; i++) {
            pack_str(&k, m->keywords[i]);
        }
    }
    if (m->sort_keys.n) {
        pack_str(&k, m->sort_keys);
    }
    return pack_span(&k);
}

static bool expunged_decode(struct span *value, struct message_record *m)
{
    uint64_t flags, keywords;
    int64_t zone;
    bool ok = unpack_i64(value, &m->expunged_at) && unpack_u32(value, &m->from) &&
              unpack_str(value, NAME_BYTES_MAX, &m->from_name) &&
              unpack_u64(value, UINT16_MAX, &flags) && unpack_i64(value, &m->internal_date) &&
              unpack_i64(value, &zone) && zone >= -1440 && zone <= 1440 &&
              unpack_u64(value, KEYWORDS_PER_MESSAGE_MAX, &keywords);

    if (!ok) {
        return false;
    }
    m->flags = (uint16_t)flags;
    m->zone_minutes = (int16_t)zone;
    m->keyword_count = keywords;
    m->keywords_packed = *value;
    for (size_t i = 0; i < keywords; i++) {
        struct span name;

        if (!unpack_str(value, KEYWORD_BYTES_MAX, &name)) {
            return false;
        }
    }
    return true;
}

enum err message_decode(struct span value, struct message_record *out)
{
    struct message_record m = {0};
    uint64_t keys;
    struct span packed;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = unpack_u64(&value, UINT64_MAX, &m.body) &&
              unpack_u64(&value, UINT64_MAX, &m.thread) &&
              unpack_u64(&value, UINT64_MAX, &m.bytes) && unpack_i64(&value, &m.sent) &&
              unpack_u32(&value, &m.placements) && unpack_u64(&value, THREAD_KEYS_MAX, &keys) &&
              bytes_take(&value, keys * 8, &packed);

    if (!ok) {
        return ERR_CORRUPT;
    }
    m.thread_key_count = (uint32_t)keys;
    for (size_t i = 0; i < keys; i++) {
        m.thread_keys[i] = get_le64(packed.p + i * 8);
    }
    if (m.placements == 0 && !expunged_decode(&value, &m)) {
        return ERR_CORRUPT;
    }
    if (value.n && !unpack_str(&value, SORT_KEYS_BYTES_MAX, &m.sort_keys)) {
        return ERR_CORRUPT;
    }
    *out = m;
    return ERR_OK;
}

struct span thread_encode(const struct thread_record *t, char *room)
{
    struct pack k = pack_record(room, THREAD_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, t->thread);
    pack_u64(&k, t->uses);
    return pack_span(&k);
}

enum err thread_decode(struct span value, struct thread_record *out)
{
    struct thread_record t;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, UINT64_MAX, &t.thread) || !unpack_u64(&value, UINT64_MAX, &t.uses)) {
        return ERR_CORRUPT;
    }
    *out = t;
    return ERR_OK;
}

// ---- small ones ---------------------------------------------------------------------------------

struct span mailbox_id_encode(mailbox_id id, char *room)
{
    room[0] = SCHEMA_VERSION;
    put_le32(room + 1, id);
    return span_of(room, MAILBOX_ID_BYTES);
}

enum err mailbox_id_decode(struct span value, mailbox_id *out)
{
    enum err e = unpack_version(&value);

    if (e == ERR_OK && value.n < 4) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        *out = get_le32(value.p);
    }
    return e;
}

struct span account_id_encode(account_id id, char *room)
{
    room[0] = SCHEMA_VERSION;
    put_le64(room + 1, id);
    return span_of(room, ACCOUNT_ID_BYTES);
}

enum err account_id_decode(struct span value, account_id *out)
{
    enum err e = unpack_version(&value);

    if (e == ERR_OK && value.n < 8) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        *out = get_le64(value.p);
    }
    return e;
}

struct span entry_encode(const struct entry_record *r, char *room)
{
    struct pack k = pack_record(room, ENTRY_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, r->state);
    pack_u64(&k, r->standard_mailboxes);
    pack_str(&k, r->address);
    return pack_span(&k);
}

enum err entry_decode(struct span value, struct entry_record *out)
{
    struct entry_record r;
    uint64_t state, standard;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, ENTRY_REMOVING, &state) || !unpack_u64(&value, 1, &standard) ||
        !unpack_str(&value, ADDRESS_BYTES_MAX, &r.address)) {
        return ERR_CORRUPT;
    }
    r.state = (enum entry_state)state;
    r.standard_mailboxes = standard;
    *out = r;
    return ERR_OK;
}

struct span domain_encode(const struct domain_record *d, char *room)
{
    struct pack k = pack_record(room, DOMAIN_RECORD_BYTES_MAX, SCHEMA_VERSION);

    pack_i64(&k, d->created);
    pack_u64(&k, d->accounts);
    return pack_span(&k);
}

enum err domain_decode(struct span value, struct domain_record *out)
{
    struct domain_record d;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_i64(&value, &d.created) || !unpack_u64(&value, UINT64_MAX, &d.accounts)) {
        return ERR_CORRUPT;
    }
    *out = d;
    return ERR_OK;
}

struct span str_encode(struct span s, char *room)
{
    struct pack k = pack_record(room, STR_BYTES_MAX, SCHEMA_VERSION);

    pack_str(&k, s);
    return pack_span(&k);
}

enum err str_decode(struct span value, size_t max, struct span *out)
{
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    return unpack_str(&value, max, out) ? ERR_OK : ERR_CORRUPT;
}
