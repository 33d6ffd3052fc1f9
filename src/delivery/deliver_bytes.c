// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a message on its way: into bodies, past the rules' eyes, into a digest.
#include <xxhash.h>

#include "base/log.h"
#include "delivery/delivery_internal.h"
#include "mime/mime_header.h"

#include "base/banned.h"

// ---- into a body --------------------------------------------------------------------------------

struct copy {
    const struct delivery_message *message;
    struct incoming *to;
    XXH3_state_t *digest; // NULL: not wanted, or there already
};

static enum err copy_piece(struct copy *c, uint64_t at, struct buf *piece)
{
    const struct delivery_message *m = c->message;

    buf_clear(piece);
    enum err e = m->read(m->arg, at, READ_BYTES, piece);

    if (e == ERR_OK && piece->n == 0) {
        e = ERR_EOF;
    }
    if (e == ERR_OK && c->digest) {
        XXH3_128bits_update(c->digest, piece->p, piece->n);
    }
    return e == ERR_OK ? incoming_write(c->to, buf_span(piece)) : e;
}

// From `at` to the end.
static enum err copy_from(struct copy *c, uint64_t at)
{
    struct buf piece;
    enum err e = ERR_OK;

    buf_init(&piece, READ_BYTES);
    while (at < c->message->bytes && e == ERR_OK) {
        e = copy_piece(c, at, &piece);
        at += piece.n;
    }
    buf_finish(&piece);
    return e;
}

uint64_t deliver_digest_seed(const struct run *r)
{
    uint64_t seed;

    memcpy(&seed, r->d->srs_key, sizeof(seed));
    return seed;
}

static enum err copy_all(struct run *r, struct incoming *to)
{
    bool wanted = r->d->duplicates_s && !r->has_digest;
    struct copy c = {.message = r->message, .to = to, .digest = wanted ? XXH3_createState() : NULL};

    if (wanted && !c.digest) {
        return ERR_NOMEM;
    }
    if (wanted) {
        XXH3_128bits_reset_withSeed(c.digest, deliver_digest_seed(r));
    }
    enum err e = copy_from(&c, 0);

    if (wanted) {
        XXH128_canonical_t digest;

        XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(c.digest));
        memcpy(r->digest, &digest, sizeof(r->digest));
        r->has_digest = e == ERR_OK;
        XXH3_freeState(c.digest);
    }
    return e;
}

static enum err copy_version(struct run *r, const struct sieve_version *v, struct incoming *to)
{
    struct copy c = {.message = r->message, .to = to};
    enum err e = incoming_write(to, v->header);

    e = e == ERR_OK ? incoming_write(to, v->body) : e;
    ASSERT(v->rest <= r->message->bytes);
    return e == ERR_OK ? copy_from(&c, r->message->bytes - v->rest) : e;
}

enum err deliver_take_in(struct run *r, bool return_path, const struct sieve_version *version,
                         struct incoming **out)
{
    struct incoming *m;
    enum err e = incoming_begin(r->d->store, &m);

    if (e != ERR_OK) {
        return e;
    }
    if (return_path) {
        e = incoming_write(m, SPAN("Return-Path: <"));
        e = e == ERR_OK ? incoming_write(m, r->env->sender) : e;
        e = e == ERR_OK ? incoming_write(m, SPAN(">\r\n")) : e;
    }
    if (version) {
        e = e == ERR_OK ? copy_version(r, version, m) : e;
    } else {
        e = e == ERR_OK ? incoming_write(m, r->message->prefix) : e;
        e = e == ERR_OK ? copy_all(r, m) : e;
    }
    e = e == ERR_OK ? incoming_finish(m) : e;
    if (e != ERR_OK) {
        incoming_destroy(m);
        return e;
    }
    *out = m;
    return ERR_OK;
}

enum err deliver_take_in_other(struct run *r, const struct delivery_message *m,
                               struct incoming **out)
{
    struct incoming *in;
    enum err e = incoming_begin(r->d->store, &in);

    if (e != ERR_OK) {
        return e;
    }
    struct copy c = {.message = m, .to = in};

    e = incoming_write(in, m->prefix);
    e = e == ERR_OK ? copy_from(&c, 0) : e;
    e = e == ERR_OK ? incoming_finish(in) : e;
    if (e != ERR_OK) {
        incoming_destroy(in);
        return e;
    }
    *out = in;
    return ERR_OK;
}

enum err deliver_need_incoming(struct run *r)
{
    return r->incoming ? ERR_OK : deliver_take_in(r, true, NULL, &r->incoming);
}

enum err deliver_need_leaving(struct run *r)
{
    return r->leaving ? ERR_OK : deliver_take_in(r, false, NULL, &r->leaving);
}

// ---- what rules see -----------------------------------------------------------------------------

// The end of the header block in what was read; looks at bytes once.
static void find_header(struct shown *s, size_t from)
{
    struct span fresh = span_skip(buf_span(&s->text), from > 3 ? from - 3 : 0);
    size_t crlf = span_find(fresh, SPAN("\r\n\r\n")), lf = span_find(fresh, SPAN("\n\n"));

    if (crlf < fresh.n || lf < fresh.n) {
        s->header = s->text.n - fresh.n + (crlf < lf ? crlf + 4 : lf + 2);
    }
}

static enum err show_more(const struct delivery_message *m, struct shown *s)
{
    size_t before = s->text.n, room = s->text.max - before;
    enum err e = m->read(m->arg, s->bytes, room < READ_BYTES ? room : READ_BYTES, &s->text);

    if (e == ERR_OK && s->text.n == before) {
        e = ERR_EOF;
    }
    if (e == ERR_OK) {
        s->bytes += s->text.n - before;
        if (!s->header) {
            find_header(s, before);
        }
    }
    return e;
}

static bool is_complete(const struct delivery_message *m, const struct shown *s, bool whole)
{
    return (!whole && s->header) || s->bytes == m->bytes || s->text.n == s->text.max;
}

enum err deliver_show(void *arg, bool whole, struct span *out, uint64_t *out_more)
{
    struct run *r = arg;
    const struct delivery_message *m = r->message;
    struct shown *s = &r->shown[whole];
    enum err e = ERR_OK;

    if (s->text.max == 0) {
        buf_init(&s->text, m->prefix.n + RULES_SHOWN_BYTES_MAX);
        buf_put(&s->text, m->prefix);
        e = buf_result(&s->text);
    }
    while (e == ERR_OK && !is_complete(m, s, whole)) {
        e = show_more(m, s);
    }
    if (e != ERR_OK) {
        return e;
    }
    *out = buf_span(&s->text);
    *out_more = m->bytes - s->bytes;
    if (!whole && s->header) {
        *out_more += s->text.n - s->header;
        *out = span_first(*out, s->header);
    }
    return ERR_OK;
}

enum err deliver_header(struct run *r, struct span *out)
{
    uint64_t more;

    return deliver_show(r, false, out, &more);
}

bool deliver_has_passed(struct span header, struct span address)
{
    struct mime_field f;

    while (mime_header_find(&header, SPAN("Delivered-To"), &f)) {
        if (span_eq_nocase(span_trim(f.body), address)) {
            return true;
        }
    }
    return false;
}
