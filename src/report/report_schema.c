// SPDX-License-Identifier: Apache-2.0
#include <xxhash.h>

#include "base/log.h"
#include "report/report_schema_internal.h"

#include "base/banned.h"

// ---- keys ---------------------------------------------------------------------------------------

struct report_key report_key_of(char kind, uint64_t number)
{
    struct report_key k = {.n = 9};

    k.p[0] = kind;
    put_be64(k.p + 1, number);
    return k;
}

struct report_key report_key_row(uint64_t number, uint32_t row)
{
    struct report_key k = report_key_of(REPORT_KEY_ROW, number);

    put_be32(k.p + k.n, row);
    k.n += 4;
    return k;
}

bool report_key_read(struct span key, char kind, uint64_t *out_number)
{
    if (key.n != 9 || key.p[0] != kind) {
        return false;
    }
    *out_number = get_be64(key.p + 1);
    return true;
}

bool report_key_read_row(struct span key, uint64_t *out_number, uint32_t *out_row)
{
    if (key.n != 13 || key.p[0] != REPORT_KEY_ROW) {
        return false;
    }
    *out_number = get_be64(key.p + 1);
    *out_row = get_be32(key.p + 9);
    return true;
}

static void put_lower(char *room, size_t *n, struct span text)
{
    text = span_first(text, REPORT_TEXT_BYTES_MAX);
    for (size_t i = 0; i < text.n; i++) {
        room[(*n)++] = byte_lower(text.p[i]);
    }
    room[(*n)++] = '\0';
}

uint64_t report_hash(const struct report *r)
{
    struct span sender = r->texts[REPORT_SENDER];
    char room[1 + 4 * (REPORT_TEXT_BYTES_MAX + 1)];
    size_t n = 0;

    room[n++] = (char)r->kind;
    put_lower(room, &n, span_skip(sender, span_find_byte(sender, '@') + 1));
    put_lower(room, &n, r->texts[REPORT_ORGANIZATION]);
    put_lower(room, &n, r->texts[REPORT_ID]);
    put_lower(room, &n, r->texts[REPORT_DOMAIN]);
    return XXH3_64bits(room, n);
}

// 'O' or 'S', the kind of report, the day, the domain.
struct report_day_key report_day_key_of(char letter, enum report_kind kind, uint32_t day,
                                        struct span domain)
{
    struct report_day_key k = {.n = 6};

    ASSERT(domain.n <= REPORT_DOMAIN_BYTES_MAX);
    k.p[0] = letter;
    k.p[1] = (char)kind;
    put_be32(k.p + 2, day);
    if (domain.n) {
        memcpy(k.p + k.n, domain.p, domain.n);
        k.n += domain.n;
        k.p[k.n++] = '\0';
    }
    return k;
}

// The domain behind the first bytes, with its zero byte; what follows that.
static bool read_domain(struct span key, char kind, struct span *out_domain, struct span *out_rest)
{
    if (key.n < 8 || key.p[0] != kind || (key.p[1] != REPORT_DMARC && key.p[1] != REPORT_TLS)) {
        return false;
    }
    struct span rest = span_skip(key, 6);
    size_t n = span_find_byte(rest, '\0');

    *out_domain = span_first(rest, n);
    *out_rest = span_skip(rest, n + 1);
    return n > 0 && n < rest.n && n <= REPORT_DOMAIN_BYTES_MAX;
}

bool report_seen_key_read(struct span key, enum report_kind *out_kind, uint32_t *out_day,
                          struct span *out_domain, uint64_t *out_number)
{
    struct span rest;

    if (!read_domain(key, REPORT_KEY_SEEN, out_domain, &rest) || rest.n != 8) {
        return false;
    }
    *out_kind = (enum report_kind)key.p[1];
    *out_day = get_be32(key.p + 2);
    *out_number = get_be64(rest.p);
    return *out_day == *out_number / 86400000000ull;
}

bool report_sent_key_read(struct span key)
{
    struct span domain, rest;

    return read_domain(key, REPORT_KEY_SENT, &domain, &rest) && rest.n == 0;
}

// ---- what others are owed -----------------------------------------------------------------------

bool report_seen_row(const struct report_seen *s, uint64_t mail, char *room, struct span *out_key,
                     struct span *out_value)
{
    const struct span *names[] = {&s->domain, &s->header_from, &s->envelope_from, &s->source,
                                  &s->reason};
    char *at = room + sizeof(struct report_day_key);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i]->n > REPORT_DOMAIN_BYTES_MAX) {
            return false;
        }
    }
    if (s->checks.n > REPORT_CHECKS_BYTES_MAX) {
        return false;
    }
    struct report_day_key k = report_day_key_of(REPORT_KEY_SEEN, REPORT_DMARC,
                                                (uint32_t)(mail / 86400000000ull), s->domain);
    struct pack p = pack_record(at, REPORT_SEEN_BYTES_MAX - sizeof(k), REPORT_SCHEMA_VERSION);

    memcpy(room, k.p, k.n);
    put_be64(room + k.n, mail);
    pack_u64(&p, s->policy);
    pack_u64(&p, s->subdomain_policy);
    pack_u64(&p, s->percent);
    pack_u64(&p, s->strict);
    pack_u64(&p, s->disposition);
    pack_u64(&p, s->aligned);
    pack_str(&p, s->source);
    pack_str(&p, s->header_from);
    pack_str(&p, s->envelope_from);
    pack_str(&p, s->reason);
    pack_str(&p, s->checks);
    *out_key = span_of(room, k.n + 8);
    *out_value = pack_span(&p);
    return true;
}

static bool read_small(struct span *value, uint64_t max, unsigned *out)
{
    uint64_t n;
    bool ok = unpack_u64(value, max, &n);

    *out = ok ? (unsigned)n : 0;
    return ok;
}

enum err report_seen_decode(struct span value, struct report_seen *out)
{
    struct report_seen s = {.policy = 0};
    enum err e = unpack_version_of(&value, REPORT_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = read_small(&value, REPORT_POLICY_REJECT, &s.policy) &&
              read_small(&value, REPORT_POLICY_REJECT, &s.subdomain_policy) &&
              read_small(&value, 100, &s.percent) && read_small(&value, 3, &s.strict) &&
              read_small(&value, REPORT_POLICY_REJECT, &s.disposition) &&
              read_small(&value, 3, &s.aligned) &&
              unpack_str(&value, REPORT_DOMAIN_BYTES_MAX, &s.source) &&
              unpack_str(&value, REPORT_DOMAIN_BYTES_MAX, &s.header_from) &&
              unpack_str(&value, REPORT_DOMAIN_BYTES_MAX, &s.envelope_from) &&
              unpack_str(&value, REPORT_DOMAIN_BYTES_MAX, &s.reason) &&
              unpack_str(&value, REPORT_CHECKS_BYTES_MAX, &s.checks);

    if (!ok || value.n) {
        return ERR_CORRUPT;
    }
    *out = s;
    return ERR_OK;
}

// ---- sessions with TLS --------------------------------------------------------------------------

bool report_session_row(const struct report_session *s, uint64_t number, char *room,
                        struct span *out_key, struct span *out_value)
{
    const struct span *names[] = {&s->domain, &s->host, &s->address, &s->source, &s->reason};
    char *at = room + sizeof(struct report_day_key);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i]->n > REPORT_NAME_BYTES_MAX) {
            return false;
        }
    }
    if (s->policy_text.n > REPORT_POLICY_BYTES_MAX || !s->domain.n ||
        s->domain.n > REPORT_DOMAIN_BYTES_MAX) {
        return false;
    }
    struct report_day_key k = report_day_key_of(REPORT_KEY_SEEN, REPORT_TLS,
                                                (uint32_t)(number / 86400000000ull), s->domain);
    struct pack p = pack_record(at, REPORT_SEEN_BYTES_MAX - sizeof(k), REPORT_SCHEMA_VERSION);

    memcpy(room, k.p, k.n);
    put_be64(room + k.n, number);
    pack_u64(&p, s->policy);
    pack_u64(&p, s->result);
    pack_str(&p, s->policy_text);
    pack_str(&p, s->host);
    pack_str(&p, s->address);
    pack_str(&p, s->source);
    pack_str(&p, s->reason);
    *out_key = span_of(room, k.n + 8);
    *out_value = pack_span(&p);
    return true;
}

enum err report_session_decode(struct span value, struct report_session *out)
{
    struct report_session s = {.policy = 0};
    enum err e = unpack_version_of(&value, REPORT_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = read_small(&value, REPORT_SESSION_POLICIES - 1, &s.policy) &&
              read_small(&value, REPORT_SESSION_RESULTS - 1, &s.result) && s.result > 0 &&
              unpack_str(&value, REPORT_POLICY_BYTES_MAX, &s.policy_text) &&
              unpack_str(&value, REPORT_NAME_BYTES_MAX, &s.host) &&
              unpack_str(&value, REPORT_NAME_BYTES_MAX, &s.address) &&
              unpack_str(&value, REPORT_NAME_BYTES_MAX, &s.source) &&
              unpack_str(&value, REPORT_NAME_BYTES_MAX, &s.reason);

    if (!ok || value.n) {
        return ERR_CORRUPT;
    }
    *out = s;
    return ERR_OK;
}

struct span report_sent_encode(int64_t when_ms, uint64_t messages, uint64_t mail, char *room)
{
    struct pack k = pack_record(room, REPORT_SEEN_BYTES_MAX, REPORT_SCHEMA_VERSION);

    pack_i64(&k, when_ms);
    pack_u64(&k, messages);
    pack_u64(&k, mail);
    return pack_span(&k);
}

enum err report_sent_decode(struct span value, uint64_t *out_messages)
{
    int64_t when_ms;
    uint64_t mail;
    enum err e = unpack_version_of(&value, REPORT_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    return unpack_i64(&value, &when_ms) && unpack_u64(&value, UINT64_MAX, out_messages) &&
                   unpack_u64(&value, UINT64_MAX, &mail) && value.n == 0
               ? ERR_OK
               : ERR_CORRUPT;
}

// ---- texts --------------------------------------------------------------------------------------

static void put_texts(struct pack *k, const struct span *texts)
{
    uint64_t n = 0;

    for (unsigned i = 1; i < REPORT_TEXTS; i++) {
        n += texts[i].n > 0;
    }
    pack_u64(k, n);
    for (unsigned i = 1; i < REPORT_TEXTS; i++) {
        if (texts[i].n) {
            pack_u64(k, i);
            pack_str(k, span_first(texts[i], REPORT_TEXT_BYTES_MAX));
        }
    }
}

static bool read_texts(struct span *value, struct span *texts)
{
    uint64_t n, what, before = 0;
    bool ok = unpack_u64(value, UINT16_MAX, &n);

    for (uint64_t i = 0; ok && i < n; i++) {
        struct span text;

        ok = unpack_u64(value, UINT16_MAX, &what) &&
             unpack_str(value, REPORT_TEXT_BYTES_MAX, &text) && what > before && text.n > 0;
        if (ok && what < REPORT_TEXTS) { // else written by a newer version
            texts[what] = text;
        }
        before = what;
    }
    return ok;
}

// ---- values -------------------------------------------------------------------------------------

struct span report_letter_encode(const struct report_letter *l, char *room)
{
    struct pack k = pack_record(room, REPORT_VALUE_BYTES_MAX, REPORT_SCHEMA_VERSION);

    pack_u64(&k, l->body);
    pack_u64(&k, l->bytes);
    pack_u64(&k, l->mail);
    pack_u64(&k, l->attempts);
    pack_str(&k, span_first(l->sender, REPORT_TEXT_BYTES_MAX));
    pack_str(&k, span_first(l->recipient, REPORT_TEXT_BYTES_MAX));
    return pack_span(&k);
}

enum err report_letter_decode(struct span value, struct report_letter *out)
{
    enum err e = unpack_version_of(&value, REPORT_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = unpack_u64(&value, UINT64_MAX, &out->body) &&
              unpack_u64(&value, UINT64_MAX, &out->bytes) &&
              unpack_u64(&value, UINT64_MAX, &out->mail) && unpack_u32(&value, &out->attempts) &&
              unpack_str(&value, REPORT_TEXT_BYTES_MAX, &out->sender) &&
              unpack_str(&value, REPORT_TEXT_BYTES_MAX, &out->recipient) && out->body > 0;

    return ok && value.n == 0 ? ERR_OK : ERR_CORRUPT;
}

struct span report_encode(const struct report *r, char *room)
{
    struct pack k = pack_record(room, REPORT_VALUE_BYTES_MAX, REPORT_SCHEMA_VERSION);

    pack_u64(&k, r->kind);
    pack_i64(&k, r->received_ms);
    pack_i64(&k, r->begin_s);
    pack_i64(&k, r->end_s);
    pack_u64(&k, r->good);
    pack_u64(&k, r->bad);
    pack_u64(&k, r->rows);
    pack_u64(&k, r->rows_left_out);
    pack_u64(&k, r->mail);
    put_texts(&k, r->texts);
    return pack_span(&k);
}

enum err report_decode(struct span value, struct report *out)
{
    struct report r = {.rows = 0};
    uint64_t kind;
    enum err e = unpack_version_of(&value, REPORT_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = unpack_u64(&value, UINT16_MAX, &kind) && kind >= REPORT_DMARC && kind <= REPORT_TLS &&
              unpack_i64(&value, &r.received_ms) && unpack_i64(&value, &r.begin_s) &&
              unpack_i64(&value, &r.end_s) && unpack_u64(&value, UINT64_MAX, &r.good) &&
              unpack_u64(&value, UINT64_MAX, &r.bad) &&
              unpack_u64(&value, REPORT_ROWS_MAX, &r.rows) &&
              unpack_u64(&value, UINT32_MAX, &r.rows_left_out) &&
              unpack_u64(&value, UINT64_MAX, &r.mail) && read_texts(&value, r.texts);

    if (!ok || value.n) {
        return ERR_CORRUPT;
    }
    r.kind = (enum report_kind)kind;
    *out = r;
    return ERR_OK;
}

struct span report_row_encode(const struct report_row *w, char *room)
{
    struct pack k = pack_record(room, REPORT_VALUE_BYTES_MAX, REPORT_SCHEMA_VERSION);

    pack_u64(&k, w->count);
    pack_u64(&k, w->disposition);
    pack_u64(&k,
             (uint64_t)w->is_dkim_pass | (uint64_t)w->is_spf_pass << 1 | (uint64_t)w->is_good << 2);
    put_texts(&k, w->texts);
    return pack_span(&k);
}

enum err report_row_decode(struct span value, struct report_row *out)
{
    struct report_row w = {.count = 0};
    uint64_t disposition, flags;
    enum err e = unpack_version_of(&value, REPORT_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, REPORT_COUNT_MAX, &w.count) ||
        !unpack_u64(&value, REPORT_REJECT, &disposition) ||
        !unpack_u64(&value, UINT16_MAX, &flags) || !read_texts(&value, w.texts) || value.n) {
        return ERR_CORRUPT;
    }
    w.disposition = (enum report_disposition)disposition;
    w.is_dkim_pass = flags & 1;
    w.is_spf_pass = flags & 2;
    w.is_good = flags & 4;
    *out = w;
    return ERR_OK;
}

struct span report_known_encode(uint64_t number, char *room)
{
    struct pack k = pack_record(room, REPORT_VALUE_BYTES_MAX, REPORT_SCHEMA_VERSION);

    pack_u64(&k, number);
    return pack_span(&k);
}

enum err report_known_decode(struct span value, uint64_t *out)
{
    enum err e = unpack_version_of(&value, REPORT_SCHEMA_VERSION);

    if (e != ERR_OK) {
        return e;
    }
    return unpack_u64(&value, UINT64_MAX, out) && value.n == 0 ? ERR_OK : ERR_CORRUPT;
}
