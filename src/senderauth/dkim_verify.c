// SPDX-License-Identifier: Apache-2.0
//
// Verifying: RFC 6376 section 6. First every signature is read and every key asked for; only when
// all keys are there is anything computed, once.
#include "senderauth/dkim_internal.h"

#include "base/banned.h"

#define FUTURE_MAX_S    86400 // a clock may be wrong, a signature is not made tomorrow
#define WORDS_BYTES_MAX 1024
#define HEAD_CHARACTERS 8

const char *dkim_status_name(enum dkim_status s)
{
    static const char *const names[] = {"none",    "pass",      "fail",     "policy",
                                        "neutral", "temperror", "permerror"};

    return names[s];
}

const char *dkim_algorithm_name(enum dkim_algorithm a)
{
    static const char *const names[] = {"unknown", "rsa-sha256", "ed25519-sha256", "rsa-sha1"};

    return names[a];
}

enum err dkim_hash_header(struct auth_message *m, const struct dkim_signature *s,
                          uint8_t digest[AUTH_DIGEST_BYTES])
{
    struct span rest = s->headers, name;
    struct buf text;
    bool started = false, ok;

    // Each field is taken at most once.
    buf_init(&text, 4 * AUTH_HEADER_BYTES_MAX);
    memcpy(m->cursor, m->lowest, (m->name_count + 1) * sizeof(*m->cursor));
    while (tag_next_item(&rest, &started, &name)) {
        size_t number = auth_message_name(m, name);

        if (number && m->cursor[number]) {
            const struct auth_field *f = &m->fields[m->cursor[number] - 1];

            auth_put_field(&text, &f->f, s->is_header_relaxed, (struct span){NULL, 0}, false);
            m->cursor[number] = f->above;
        }
    }
    auth_put_field(&text, &s->field, s->is_header_relaxed, s->cut, true);
    ok = !text.failed && EVP_Digest(text.p, text.n, digest, NULL, EVP_sha256(), NULL) == 1;
    buf_finish(&text);
    return ok ? ERR_OK : ERR_NOMEM;
}

bool dkim_body_is_signed(const struct auth_message *m, const struct dkim_signature *s,
                         bool *out_partial)
{
    const struct body_hash *h =
        auth_body_get(m, s->is_body_relaxed, s->has_length ? s->length : UINT64_MAX);
    uint64_t total = m->canon[s->is_body_relaxed].total;

    *out_partial = s->has_length && s->length < total;
    if (!h && s->has_length && s->length == total) {
        h = auth_body_get(m, s->is_body_relaxed, UINT64_MAX);
    }
    return h && (!s->has_length || s->length <= total) &&
           memcmp(h->digest, s->body_hash, AUTH_DIGEST_BYTES) == 0;
}

// The next DKIM-Signature from the top.
static const struct auth_field *next_signature(const struct auth_message *m, size_t *at)
{
    size_t name = auth_message_name(m, SPAN("DKIM-Signature"));

    while (name && *at < m->n) {
        const struct auth_field *f = &m->fields[(*at)++];

        if (f->name == name) {
            return f;
        }
    }
    return NULL;
}

// Any of a chain's AMS may be asked about: all hash the whole body, in one of two forms.
static enum err want_arc_hashes(struct auth_message *m)
{
    size_t name = auth_message_name(m, SPAN("ARC-Message-Signature"));
    enum err e = ERR_OK;

    for (uint32_t at = name ? m->lowest[name] : 0; at && e == ERR_OK;
         at = m->fields[at - 1].above) {
        struct dkim_signature s;

        if (!dkim_signature_parse(&m->fields[at - 1].f, DKIM_ARC_MESSAGE, &s)) {
            e = auth_body_want(m, s.is_body_relaxed, UINT64_MAX);
        }
    }
    return e;
}

enum err dkim_want_body_hashes(struct auth_message *m)
{
    const struct auth_field *f = NULL;
    size_t at = 0, n = 0;
    enum err e = want_arc_hashes(m);

    while (e == ERR_OK && n++ < DKIM_SIGNATURES_MAX && (f = next_signature(m, &at)) != NULL) {
        struct dkim_signature s;

        if (!dkim_signature_parse(&f->f, DKIM_FIELD, &s)) {
            e = auth_body_want(m, s.is_body_relaxed, s.has_length ? s.length : UINT64_MAX);
        }
    }
    return e;
}

static void put_words(struct buf *b, const struct dkim_signature *s, const char *subject,
                      const char *why)
{
    buf_put_str(b, subject);
    if (s->domain.n) {
        buf_put_str(b, " of ");
        buf_put(b, domain_name_span(&s->domain));
    }
    buf_printf(b, " %s.", why);
}

static enum err say(struct arena *arena, const struct dkim_signature *s, enum dkim_status status,
                    const char *subject, const char *why, struct dkim_result *out)
{
    struct buf b;

    buf_init(&b, WORDS_BYTES_MAX);
    put_words(&b, s, subject, why);
    out->status = status;
    out->words = arena_dup(arena, buf_span(&b));
    buf_finish(&b);
    return out->words.p ? ERR_OK : ERR_NOMEM;
}

static enum err copy_names(struct arena *arena, const struct dkim_signature *s,
                           struct dkim_result *out)
{
    struct buf head;

    buf_init(&head, DKIM_SIGNATURE_BYTES_MAX);
    tag_put_squeezed(&head, span_first(s->b, 4 * HEAD_CHARACTERS));
    out->algorithm = s->algorithm;
    out->domain = s->domain;
    out->selector = arena_dup(arena, s->selector);
    out->identity = arena_dup(arena, s->identity);
    out->signature = arena_dup(arena, span_first(buf_span(&head), HEAD_CHARACTERS));
    buf_finish(&head);
    return out->selector.p && out->identity.p && out->signature.p ? ERR_OK : ERR_NOMEM;
}

// What can be said before a key is there; DKIM_NONE: nothing is wrong yet.
static enum dkim_status judge_early(const struct dkim_signature *s, int64_t now_s, const char **why)
{
    if (s->algorithm == DKIM_RSA_SHA1) {
        *why = "uses SHA-1, which has been broken";
        return DKIM_FAIL;
    }
    if (s->algorithm == DKIM_UNKNOWN) {
        *why = "was made in a way that is not known here";
        return DKIM_NEUTRAL;
    }
    if (s->is_too_long) {
        *why = "is larger than is accepted here";
        return DKIM_POLICY;
    }
    if (s->expires_s >= 0 && s->expires_s < now_s) {
        *why = "has expired";
        return DKIM_FAIL;
    }
    if (s->signed_s > now_s && s->signed_s - now_s > FUTURE_MAX_S) {
        *why = "is dated in the future";
        return DKIM_FAIL;
    }
    return DKIM_NONE;
}

// t=s in the key: i= must be exactly in d=.
static bool is_strict_fit(const struct dkim_signature *s)
{
    size_t at = s->identity.n;
    struct domain_name d;

    while (at && s->identity.p[at - 1] != '@') {
        at--;
    }
    return at == 0 || (domain_name_parse(span_skip(s->identity, at), &d) == ERR_OK &&
                       span_eq(domain_name_span(&d), domain_name_span(&s->domain)));
}

static enum err verify_with(struct auth_message *m, const struct dkim_signature *s,
                            const struct dkim_public_key *k, struct arena *arena,
                            struct dkim_result *out)
{
    uint8_t digest[AUTH_DIGEST_BYTES];
    enum err e = ERR_OK;

    out->key_bits = k->bits;
    out->is_testing = k->is_testing;
    out->is_validated = k->is_validated;
    if (k->status != DKIM_PASS) {
        return say(arena, s, k->status, "The key", k->why, out);
    }
    if (k->is_strict && !is_strict_fit(s)) {
        return say(arena, s, DKIM_PERMERROR, "The signature",
                   "speaks for a domain below its own, which its key does not allow", out);
    }
    if (!dkim_body_is_signed(m, s, &out->is_partial)) {
        return say(arena, s, DKIM_FAIL, "The signature",
                   "does not match the text of the message: it was changed on the way", out);
    }
    e = dkim_hash_header(m, s, digest);
    if (e != ERR_OK) {
        return e;
    }
    if (!dkim_digest_is_signed(k, s, digest)) {
        return say(arena, s, DKIM_FAIL, "The signature",
                   "does not match the head of the message (sender, subject and the like): it was "
                   "changed on the way, or the signature is not genuine",
                   out);
    }
    return say(arena, s, DKIM_PASS, "The signature",
               out->is_partial ? "is good, but covers only the beginning of the text" : "is good",
               out);
}

struct pending {
    struct dkim_signature s;
    struct dkim_public_key key;
    enum dkim_status early;
    const char *why;
};

static enum err finish_all(struct auth_message *m, struct pending *list, size_t n,
                           struct arena *arena, struct dkim_result *results)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct pending *p = &list[i];

        e = copy_names(arena, &p->s, &results[i]);
        if (e == ERR_OK && p->early != DKIM_NONE) {
            e = say(arena, &p->s, p->early, "The signature", p->why, &results[i]);
        } else if (e == ERR_OK) {
            e = verify_with(m, &p->s, &p->key, arena, &results[i]);
        }
    }
    return e;
}

enum err dkim_verify(struct auth_message *m, const struct resolver *r, int64_t now_s,
                     struct arena *arena, struct dkim_result **out_results, size_t *out_n)
{
    struct pending *list = arena_zalloc(arena, DKIM_SIGNATURES_MAX, sizeof(*list));
    struct dkim_result *results = arena_zalloc(arena, DKIM_SIGNATURES_MAX, sizeof(*results));
    const struct auth_field *f = NULL;
    size_t n = 0, at = 0;
    enum err e = auth_message_result(m);

    if (!list || !results) {
        return ERR_NOMEM;
    }
    if (e != ERR_OK) {
        return e;
    }
    while (n < DKIM_SIGNATURES_MAX && (f = next_signature(m, &at)) != NULL) {
        struct pending *p = &list[n++];

        p->why = dkim_signature_parse(&f->f, DKIM_FIELD, &p->s);
        p->early = p->why ? DKIM_NEUTRAL : judge_early(&p->s, now_s, &p->why);
        if (p->early == DKIM_NONE && dkim_public_key_get(r, &p->s, &p->key) == ERR_AGAIN) {
            e = ERR_AGAIN; // go on: all keys are asked for at once
        }
    }
    if (e == ERR_OK) {
        e = finish_all(m, list, n, arena, results);
    }
    for (size_t i = 0; i < n; i++) {
        dkim_public_key_finish(&list[i].key);
    }
    if (e == ERR_OK) {
        *out_results = results;
        *out_n = n;
    }
    return e;
}
