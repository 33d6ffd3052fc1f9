// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "queue/queue_schema_internal.h"

#include "base/banned.h"

// ---- keys ---------------------------------------------------------------------------------------

struct queue_key queue_key_plain(enum queue_key_kind kind)
{
    struct queue_key k;

    k.p[0] = (char)kind;
    k.n = 1;
    return k;
}

struct queue_key queue_key_id(enum queue_key_kind kind, queue_id id)
{
    struct queue_key k = queue_key_plain(kind);

    put_be64(k.p + 1, id);
    k.n = 9;
    return k;
}

struct queue_key queue_key_recipient(queue_id id, uint32_t number)
{
    struct queue_key k = queue_key_id(QUEUE_KEY_RECIPIENT, id);

    put_be32(k.p + 9, number);
    k.n = 13;
    return k;
}

static struct queue_key key_destination(enum queue_key_kind kind, struct span destination)
{
    struct queue_key k = queue_key_plain(kind);

    ASSERT(destination.n <= QUEUE_DESTINATION_MAX);
    memcpy(k.p + 1, destination.p, destination.n);
    k.n = 1 + destination.n;
    k.p[k.n++] = '\0';
    return k;
}

struct queue_key queue_key_due(struct span destination, int64_t due_ms, queue_id id,
                               uint32_t number)
{
    struct queue_key k = key_destination(QUEUE_KEY_DUE, destination);

    put_be64(k.p + k.n, due_ms < 0 ? 0 : (uint64_t)due_ms);
    put_be64(k.p + k.n + 8, id);
    put_be32(k.p + k.n + 16, number);
    k.n += 20;
    return k;
}

struct queue_key queue_key_pause(struct span destination)
{
    struct queue_key k = key_destination(QUEUE_KEY_PAUSE, destination);

    k.n--;
    return k;
}

struct queue_key queue_key_once(struct span once)
{
    struct queue_key k = queue_key_plain(QUEUE_KEY_ONCE);

    ASSERT(once.n == QUEUE_ONCE_BYTES);
    memcpy(k.p + 1, once.p, once.n);
    k.n = 1 + QUEUE_ONCE_BYTES;
    return k;
}

struct queue_key queue_key_until(int64_t until_ms, struct span once)
{
    struct queue_key k = queue_key_plain(QUEUE_KEY_UNTIL);

    ASSERT(once.n == QUEUE_ONCE_BYTES);
    put_be64(k.p + 1, until_ms < 0 ? 0 : (uint64_t)until_ms);
    memcpy(k.p + 9, once.p, once.n);
    k.n = 9 + QUEUE_ONCE_BYTES;
    return k;
}

bool queue_until_read(struct span key, int64_t *out_until_ms, struct span *out_once)
{
    if (key.n != 9 + QUEUE_ONCE_BYTES || key.p[0] != QUEUE_KEY_UNTIL) {
        return false;
    }
    *out_until_ms = (int64_t)(get_be64(key.p + 1) & INT64_MAX);
    *out_once = span_skip(key, 9);
    return true;
}

struct queue_key queue_key_after(struct queue_key k)
{
    while (k.n && (unsigned char)k.p[k.n - 1] == 0xff) {
        k.n--;
    }
    ASSERT(k.n);
    k.p[k.n - 1] = (char)((unsigned char)k.p[k.n - 1] + 1);
    return k;
}

bool queue_due_read(struct span key, struct queue_due *out)
{
    if (key.n < 22 || key.n > 22 + QUEUE_DESTINATION_MAX || key.p[0] != QUEUE_KEY_DUE ||
        key.p[key.n - 21] != '\0') {
        return false;
    }
    out->destination = span_of(key.p + 1, key.n - 22);
    out->due_ms = (int64_t)(get_be64(key.p + key.n - 20) & INT64_MAX);
    out->id = get_be64(key.p + key.n - 12);
    out->number = get_be32(key.p + key.n - 4);
    return true;
}

bool queue_key_read_id(struct span key, queue_id *out)
{
    if (key.n != 9) {
        return false;
    }
    *out = get_be64(key.p + 1);
    return true;
}

bool queue_key_read_recipient(struct span key, queue_id *out, uint32_t *out_number)
{
    if (key.n != 13) {
        return false;
    }
    *out = get_be64(key.p + 1);
    *out_number = get_be32(key.p + 9);
    return true;
}

// ---- values -------------------------------------------------------------------------------------

enum err queue_message_encode(const struct queue_message *m, char *room, struct span *out)
{
    struct pack k = pack_record(room, QUEUE_MESSAGE_BYTES_MAX, QUEUE_SCHEMA_VERSION);

    if (m->sender.n > QUEUE_ADDRESS_BYTES_MAX || m->envid.n > QUEUE_ENVID_BYTES_MAX ||
        m->message_id.n > QUEUE_TEXT_BYTES_MAX || m->device.n > QUEUE_TEXT_BYTES_MAX ||
        m->origin.n > QUEUE_TEXT_BYTES_MAX || m->prefix.n > QUEUE_PREFIX_BYTES_MAX ||
        (m->once.n && m->once.n != QUEUE_ONCE_BYTES) || m->same.n > QUEUE_ONCE_BYTES) {
        return ERR_LIMIT;
    }
    pack_i64(&k, m->accepted_ms);
    pack_i64(&k, m->expires_ms);
    pack_u64(&k, m->body);
    pack_u64(&k, m->body_bytes);
    pack_u64(&k, m->flags);
    pack_u64(&k, m->submitter);
    pack_u64(&k, m->recipients);
    pack_str(&k, m->sender);
    pack_str(&k, m->envid);
    pack_str(&k, m->message_id);
    pack_str(&k, m->device);
    pack_str(&k, m->origin);
    pack_str(&k, m->prefix);
    pack_u64(&k, m->mail);
    pack_str(&k, m->once);
    pack_str(&k, m->same);
    pack_u64(&k, m->device_id);
    *out = pack_span(&k);
    return ERR_OK;
}

enum err queue_message_decode(queue_id id, struct span value, struct queue_message *out)
{
    struct queue_message m = {.id = id};
    uint64_t flags;
    enum err e = unpack_version_of(&value, QUEUE_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = unpack_i64(&value, &m.accepted_ms) && unpack_i64(&value, &m.expires_ms) &&
              unpack_u64(&value, UINT64_MAX, &m.body) &&
              unpack_u64(&value, UINT64_MAX, &m.body_bytes) &&
              unpack_u64(&value, UINT16_MAX, &flags) &&
              unpack_u64(&value, UINT64_MAX, &m.submitter) && unpack_u32(&value, &m.recipients) &&
              unpack_str(&value, QUEUE_ADDRESS_BYTES_MAX, &m.sender) &&
              unpack_str(&value, QUEUE_ENVID_BYTES_MAX, &m.envid) &&
              unpack_str(&value, QUEUE_TEXT_BYTES_MAX, &m.message_id) &&
              unpack_str(&value, QUEUE_TEXT_BYTES_MAX, &m.device) &&
              unpack_str(&value, QUEUE_TEXT_BYTES_MAX, &m.origin) &&
              unpack_str(&value, QUEUE_PREFIX_BYTES_MAX, &m.prefix) &&
              // Records of before end sooner.
              (value.n == 0 || unpack_u64(&value, UINT64_MAX, &m.mail)) &&
              (value.n == 0 || unpack_str(&value, QUEUE_ONCE_BYTES, &m.once)) &&
              (value.n == 0 || unpack_str(&value, QUEUE_ONCE_BYTES, &m.same)) &&
              (value.n == 0 || unpack_u32(&value, &m.device_id));

    if (!ok || (m.once.n && m.once.n != QUEUE_ONCE_BYTES)) {
        return ERR_CORRUPT;
    }
    m.flags = (unsigned)flags;
    m.mail = m.mail ? m.mail : id >> 4;
    *out = m;
    return ERR_OK;
}

static bool recipient_texts_fit(const struct queue_recipient *r)
{
    return r->address.n > 0 && r->address.n <= QUEUE_ADDRESS_BYTES_MAX &&
           r->orcpt.n <= QUEUE_ORCPT_BYTES_MAX && r->destination.n > 0 &&
           r->destination.n <= QUEUE_DESTINATION_MAX &&
           span_find_byte(r->destination, '\0') == r->destination.n;
}

enum err queue_recipient_encode(const struct queue_recipient *r, char *room, struct span *out)
{
    struct pack k = pack_record(room, QUEUE_RECIPIENT_BYTES_MAX, QUEUE_SCHEMA_VERSION);

    if (!recipient_texts_fit(r)) {
        return ERR_LIMIT;
    }
    pack_u64(&k, r->state);
    pack_u64(&k, r->is_delay_due);
    pack_u64(&k, r->is_delay_told);
    pack_u64(&k, r->notify);
    pack_u64(&k, r->attempts);
    pack_i64(&k, r->due_ms);
    pack_i64(&k, r->tried_ms);
    pack_str(&k, r->address);
    pack_str(&k, r->orcpt);
    pack_str(&k, r->destination);
    pack_str(&k, span_first(r->host, QUEUE_DESTINATION_MAX));
    pack_str(&k, span_first(r->reply, QUEUE_REPLY_BYTES_MAX));
    *out = pack_span(&k);
    return ERR_OK;
}

enum err queue_recipient_decode(uint32_t number, struct span value, struct queue_recipient *out)
{
    struct queue_recipient r = {.number = number};
    uint64_t state, due, told, notify;
    enum err e = unpack_version_of(&value, QUEUE_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = unpack_u64(&value, QUEUE_DELIVERED, &state) && state >= QUEUE_WAITING &&
              unpack_u64(&value, 1, &due) && unpack_u64(&value, 1, &told) &&
              unpack_u64(&value, UINT8_MAX, &notify) && unpack_u32(&value, &r.attempts) &&
              unpack_i64(&value, &r.due_ms) && unpack_i64(&value, &r.tried_ms) &&
              unpack_str(&value, QUEUE_ADDRESS_BYTES_MAX, &r.address) &&
              unpack_str(&value, QUEUE_ORCPT_BYTES_MAX, &r.orcpt) &&
              unpack_str(&value, QUEUE_DESTINATION_MAX, &r.destination) &&
              unpack_str(&value, QUEUE_DESTINATION_MAX, &r.host) &&
              unpack_str(&value, QUEUE_REPLY_BYTES_MAX, &r.reply) && recipient_texts_fit(&r);

    if (!ok) {
        return ERR_CORRUPT;
    }
    r.state = (enum queue_state)state;
    r.is_delay_due = due;
    r.is_delay_told = told;
    r.notify = (unsigned)notify;
    *out = r;
    return ERR_OK;
}

struct span queue_counts_encode(const struct queue_shard_counts *c, char *room)
{
    struct pack k = pack_record(room, QUEUE_COUNTS_BYTES_MAX, QUEUE_SCHEMA_VERSION);

    pack_u64(&k, c->messages);
    pack_u64(&k, c->recipients);
    return pack_span(&k);
}

enum err queue_counts_decode(struct span value, struct queue_shard_counts *out)
{
    struct queue_shard_counts c;
    enum err e = unpack_version_of(&value, QUEUE_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, UINT64_MAX, &c.messages) ||
        !unpack_u64(&value, UINT64_MAX, &c.recipients)) {
        return ERR_CORRUPT;
    }
    *out = c;
    return ERR_OK;
}

struct span queue_pause_encode(int64_t since_ms, struct span reason, char *room)
{
    struct pack k = pack_record(room, QUEUE_PAUSE_BYTES_MAX, QUEUE_SCHEMA_VERSION);

    pack_i64(&k, since_ms);
    pack_str(&k, span_first(reason, QUEUE_TEXT_BYTES_MAX));
    return pack_span(&k);
}

enum err queue_pause_decode(struct span value, int64_t *out_since_ms, struct span *out_reason)
{
    enum err e = unpack_version_of(&value, QUEUE_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    return unpack_i64(&value, out_since_ms) && unpack_str(&value, QUEUE_TEXT_BYTES_MAX, out_reason)
               ? ERR_OK
               : ERR_CORRUPT;
}

struct span queue_crashes_encode(uint32_t n, char *room)
{
    struct pack k = pack_record(room, QUEUE_CRASHES_BYTES_MAX, QUEUE_SCHEMA_VERSION);

    pack_u64(&k, n);
    return pack_span(&k);
}

struct span queue_until_encode(int64_t until_ms, char *room)
{
    struct pack k = pack_record(room, QUEUE_UNTIL_BYTES_MAX, QUEUE_SCHEMA_VERSION);

    pack_i64(&k, until_ms);
    return pack_span(&k);
}

enum err queue_until_decode(struct span value, int64_t *out_ms)
{
    enum err e = unpack_version_of(&value, QUEUE_SCHEMA_VERSION);

    return e != ERR_OK ? e : unpack_i64(&value, out_ms) ? ERR_OK : ERR_CORRUPT;
}

enum err queue_crashes_decode(struct span value, uint32_t *out)
{
    enum err e = unpack_version_of(&value, QUEUE_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    return unpack_u32(&value, out) && *out ? ERR_OK : ERR_CORRUPT;
}
