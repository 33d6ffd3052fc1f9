// SPDX-License-Identifier: Apache-2.0
#define XXH_INLINE_ALL
#include "order/sort_keys.h"

#include <xxhash.h>

#include "base/bytes.h"
#include "base/pack.h"
#include "mime/mime_address.h"
#include "mime/mime_charset.h"
#include "mime/mime_header.h"
#include "mime/mime_subject.h"
#include "mime/mime_word.h"

#include "base/banned.h"

#define LAYOUT          1
#define FIELD_BYTES_MAX 8000 // of a header field, as far as it is looked at
#define TEXT_BYTES_MAX  (4 * FIELD_BYTES_MAX)
#define ID_BYTES_MAX    1000

enum { HAS_ID = 1, IS_REPLY = 2 };

// ---- texts --------------------------------------------------------------------------------------

// At most `max` bytes, cut between characters.
static struct span cut(struct span s, size_t max)
{
    size_t n = s.n < max ? s.n : max;

    while (n < s.n && n && ((unsigned char)s.p[n] & 0xc0) == 0x80) {
        n--;
    }
    return span_first(s, n);
}

static void put_str(struct buf *out, struct span s)
{
    char room[VARINT_BYTES_MAX];
    struct pack k = {.p = room, .cap = sizeof(room)};

    pack_u64(&k, s.n);
    buf_put(out, pack_span(&k));
    buf_put(out, s);
}

static struct span field_of(struct span header, struct span name)
{
    return span_first(mime_header_get(header, name), FIELD_BYTES_MAX);
}

// A subject that was cut is followed by a hash, so that different ones stay different.
static void put_subject(struct buf *out, struct span header, bool *out_is_reply)
{
    struct buf text, base;

    buf_init(&text, TEXT_BYTES_MAX);
    buf_init(&base, TEXT_BYTES_MAX + 32);
    mime_header_text(&text, field_of(header, SPAN("Subject")));
    mime_subject_base(&base, buf_span(&text), out_is_reply);
    if (base.n > SORT_SUBJECT_BYTES_MAX) {
        uint64_t hash = XXH3_64bits(base.p, base.n);

        base.n = cut(buf_span(&base), SORT_SUBJECT_BYTES_MAX).n;
        buf_printf(&base, "%016llx", (unsigned long long)hash);
    }
    put_str(out, buf_span(&base));
    buf_finish(&text);
    buf_finish(&base);
}

// ---- addresses ----------------------------------------------------------------------------------

static void put_name(struct buf *out, struct span text)
{
    put_str(out, cut(text, SORT_NAME_BYTES_MAX));
}

// The sort value of RFC 5957 section 3. A group has its name as addr-mailbox, and no host.
static void display_of(struct buf *out, const struct mime_address *a)
{
    if (a->kind == MIME_MAILBOX && a->name.n) {
        mime_word_decode(out, a->name);
    }
    if (out->n == 0 && a->kind == MIME_MAILBOX) {
        mime_charset_guess(out, a->local);
        if (a->domain.n) {
            buf_put_byte(out, '@');
            mime_charset_guess(out, a->domain);
        }
    }
    if (out->n == 0) {
        mime_charset_guess(out, a->name);
    }
}

// addr-mailbox of the field's first address, and with `display` its sort value for people.
static void put_address(struct buf *out, struct buf *display, struct span header, struct span field)
{
    struct mime_address_reader r;
    struct mime_address a;
    struct buf mailbox;

    buf_init(&mailbox, TEXT_BYTES_MAX);
    mime_address_begin(&r, field_of(header, field));
    if (mime_address_next(&r, &a)) {
        mime_charset_guess(&mailbox, a.kind == MIME_MAILBOX ? a.local : a.name);
        if (display) {
            display_of(display, &a);
        }
    }
    mime_address_finish(&r);
    put_name(out, buf_span(&mailbox));
    buf_finish(&mailbox);
}

// ---- Message-IDs --------------------------------------------------------------------------------

// Takes the inside of the next "<...>" off the front; quotes may hold brackets.
static bool next_bracketed(struct span *rest, struct span *out)
{
    size_t from = span_find_byte(*rest, '<');
    bool quoted = false;

    if (from == rest->n) {
        return false;
    }
    struct span s = span_skip(*rest, from + 1);
    size_t n = 0;

    for (; n < s.n && (quoted || (s.p[n] != '>' && s.p[n] != '<')); n++) {
        n += s.p[n] == '\\' && n + 1 < s.n;
        quoted ^= s.p[n] == '"';
    }
    if (n == s.n && quoted) { // an odd quote is a character like others
        for (n = 0; n < s.n && s.p[n] != '>' && s.p[n] != '<'; n++) {
        }
    }
    *out = span_first(s, n);
    *rest = span_skip(s, n);
    return true;
}

// One spelling for each Message-ID (RFC 5256: quoting makes no difference). False: it is none.
static bool normalise(struct buf *out, struct span raw)
{
    bool quoted = false, has_at = false;
    size_t left = 0;

    buf_clear(out);
    raw = span_first(raw, ID_BYTES_MAX);
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];

        if (c == '"' && !has_at) {
            quoted = !quoted;
            continue;
        }
        if (c == '\\' && quoted && i + 1 < raw.n) {
            c = raw.p[++i];
        } else if (byte_is_space(c) && !quoted) {
            continue;
        } else if (c == '@' && !quoted && !has_at) {
            has_at = true;
            left = out->n;
        }
        buf_put_byte(out, c);
    }
    return has_at && left > 0 && out->n > left + 1 && !out->failed;
}

// Takes the next valid Message-ID of a field as its hash.
static bool next_id(struct span *rest, struct buf *room, uint64_t *out)
{
    struct span raw;

    while (next_bracketed(rest, &raw)) {
        if (normalise(room, raw)) {
            *out = XXH3_64bits(room->p, room->n);
            return true;
        }
    }
    return false;
}

struct references {
    uint64_t ids[SORT_REFERENCES_MAX]; // the first; the others in a ring
    size_t n;
};

static void read_references(struct span header, struct buf *room, struct references *out)
{
    struct span rest = mime_header_get(header, SPAN("References"));
    uint64_t id;

    out->n = 0;
    for (; next_id(&rest, room, &id); out->n++) {
        size_t ring = SORT_REFERENCES_MAX - 1;

        out->ids[out->n ? 1 + (out->n - 1) % ring : 0] = id;
    }
    rest = mime_header_get(header, SPAN("In-Reply-To"));
    if (!out->n && next_id(&rest, room, &id)) {
        out->ids[0] = id;
        out->n = 1;
    }
}

static void put_u64(struct buf *out, uint64_t v)
{
    char le[8];

    put_le64(le, v);
    buf_put(out, span_of(le, sizeof(le)));
}

static void put_references(struct buf *out, const struct references *r)
{
    size_t ring = SORT_REFERENCES_MAX - 1, others = r->n ? r->n - 1 : 0;
    size_t kept = others < ring ? others : ring;
    char room[VARINT_BYTES_MAX];
    struct pack k = {.p = room, .cap = sizeof(room)};

    pack_u64(&k, (r->n != 0) + kept);
    buf_put(out, pack_span(&k));
    if (r->n) {
        put_u64(out, r->ids[0]);
    }
    for (size_t i = others - kept; i < others; i++) {
        put_u64(out, r->ids[1 + i % ring]);
    }
}

// ---- packing ------------------------------------------------------------------------------------

static void put_people(struct buf *out, struct span header)
{
    struct buf from, to;

    buf_init(&from, TEXT_BYTES_MAX);
    buf_init(&to, TEXT_BYTES_MAX);
    put_address(out, &from, header, SPAN("From"));
    put_address(out, NULL, header, SPAN("Cc"));
    put_address(out, &to, header, SPAN("To"));
    put_name(out, buf_span(&from));
    put_name(out, buf_span(&to));
    buf_finish(&from);
    buf_finish(&to);
}

void sort_keys_pack(struct buf *out, struct span header)
{
    struct span rest = mime_header_get(header, SPAN("Message-ID"));
    struct references references;
    struct buf room;
    bool is_reply = false;
    uint64_t id = 0;
    size_t flags = out->n + 1;

    buf_init(&room, ID_BYTES_MAX + 1);
    bool has_id = next_id(&rest, &room, &id);

    read_references(header, &room, &references);
    buf_finish(&room);
    buf_put_byte(out, LAYOUT);
    buf_put_byte(out, 0);
    put_subject(out, header, &is_reply);
    put_people(out, header);
    if (has_id) {
        put_u64(out, id);
    }
    put_references(out, &references);
    if (!out->failed) {
        out->p[flags] = (char)((has_id ? HAS_ID : 0) | (is_reply ? IS_REPLY : 0));
    }
}

enum err sort_keys_unpack(struct span packed, struct sort_keys *out)
{
    struct sort_keys k = {0};
    struct span id;
    uint64_t count;

    if (packed.n < 2) {
        return ERR_CORRUPT;
    }
    if (packed.p[0] != LAYOUT) {
        return ERR_UNSUPPORTED;
    }
    k.has_id = packed.p[1] & HAS_ID;
    k.is_reply = packed.p[1] & IS_REPLY;
    packed = span_skip(packed, 2);
    bool ok = unpack_str(&packed, SORT_SUBJECT_STORED_MAX, &k.subject) &&
              unpack_str(&packed, SORT_NAME_BYTES_MAX, &k.from) &&
              unpack_str(&packed, SORT_NAME_BYTES_MAX, &k.cc) &&
              unpack_str(&packed, SORT_NAME_BYTES_MAX, &k.to) &&
              unpack_str(&packed, SORT_NAME_BYTES_MAX, &k.display_from) &&
              unpack_str(&packed, SORT_NAME_BYTES_MAX, &k.display_to);

    if (ok && k.has_id) {
        ok = bytes_take(&packed, 8, &id);
        k.id = ok ? get_le64(id.p) : 0;
    }
    ok = ok && unpack_u64(&packed, SORT_REFERENCES_MAX, &count) &&
         bytes_take(&packed, count * SORT_REFERENCE_BYTES, &k.references);
    if (!ok) {
        return ERR_CORRUPT;
    }
    *out = k;
    return ERR_OK;
}
