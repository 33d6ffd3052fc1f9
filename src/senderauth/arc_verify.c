// SPDX-License-Identifier: Apache-2.0
//
// Verifying a chain: RFC 8617 section 5.2. Seal n signs the sets 1 to n, so all seals are verified
// with one pass over the fields: the hash of what came before is copied and goes on.
#include "senderauth/arc_internal.h"

#include "base/banned.h"

#define WORDS_BYTES_MAX 1024

static const struct span part_names[ARC__PARTS] = {
    {"ARC-Authentication-Results", 26},
    {"ARC-Message-Signature", 21},
    {"ARC-Seal", 8},
};

const char *arc_status_name(enum arc_status s)
{
    return s == ARC_PASS ? "pass" : s == ARC_FAIL ? "fail" : "none";
}

void arc_put_field(struct buf *out, const struct mime_field *f, struct span cut, bool is_last)
{
    auth_put_field(out, f, true, cut, is_last);
}

// "i=3; ..." at the front of an ARC-Authentication-Results.
static bool take_number(struct span body, uint32_t *out, struct span *out_rest)
{
    struct span rest = span_trim(body), first = span_split(&rest, ';');
    struct span name = span_trim(span_split(&first, '='));
    uint64_t v = 0;

    if (rest.n == 0 || !span_eq(name, SPAN("i")) || !span_to_u64(span_trim(first), 1000, &v) ||
        v == 0) {
        return false;
    }
    *out = (uint32_t)v;
    *out_rest = span_trim(rest);
    return true;
}

static bool number_of(const struct mime_field *f, enum arc_part part, uint32_t *out,
                      struct span *out_rest)
{
    struct tag_list tags;
    uint64_t v = 0;

    if (part == ARC_AAR) {
        return take_number(f->body, out, out_rest);
    }
    if (tag_list_parse(f->body, &tags) != ERR_OK ||
        !span_to_u64(tag_list_get(&tags, "i"), 1000, &v) || v == 0) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

static void take_field(struct arc_chain *c, const struct mime_field *f, enum arc_part part)
{
    struct span rest = {NULL, 0};
    uint32_t number = 0;

    if (!number_of(f, part, &number, &rest)) {
        c->why = "has a link without a number";
    } else if (number > ARC_SETS_MAX) {
        c->why = "has more than 50 links";
    } else if (c->links[number].fields[part]) {
        c->why = "has two links of the same number";
    } else {
        c->links[number].fields[part] = f;
        if (part == ARC_AAR) {
            c->links[number].results = rest;
        }
        c->n = number > c->n ? number : c->n;
    }
}

void arc_chain_collect(const struct auth_message *m, struct arc_chain *out)
{
    memset(out, 0, sizeof(*out));
    for (int part = 0; part < ARC__PARTS; part++) {
        size_t name = auth_message_name(m, part_names[part]);

        for (uint32_t at = name ? m->lowest[name] : 0; at; at = m->fields[at - 1].above) {
            take_field(out, &m->fields[at - 1].f, (enum arc_part)part);
        }
    }
    for (uint32_t i = 1; i <= out->n && !out->why; i++) {
        for (int part = 0; part < ARC__PARTS; part++) {
            if (!out->links[i].fields[part]) {
                out->why = "is missing a link";
            }
        }
    }
}

struct sealed {
    struct dkim_signature s;
    struct dkim_public_key key;
};

struct check {
    struct auth_message *m;
    const struct resolver *r;
    struct arc_chain chain;
    struct sealed *seals;  // [1] to [chain.n]
    struct sealed message; // the newest message signature
    bool is_temporary, is_over;
    const char *why;
};

static bool is_usable(const struct dkim_signature *s, const char **why)
{
    if (s->algorithm != DKIM_RSA_SHA256 && s->algorithm != DKIM_ED25519_SHA256) {
        *why = "has a link made in a way that is not accepted";
        return false;
    }
    if (s->is_too_long) {
        *why = "has a link with too large a signature";
        return false;
    }
    return true;
}

// Reads all seals and the newest message signature; says in c->why what is wrong.
static void read_links(struct check *c)
{
    for (uint32_t i = c->chain.n; i && !c->why; i--) {
        struct dkim_signature *s = &c->seals[i].s;

        if (dkim_signature_parse(c->chain.links[i].fields[ARC_AS], DKIM_ARC_SEAL, s)) {
            c->why = "has a seal that cannot be read";
        } else if (span_eq(s->chain, SPAN("fail"))) {
            c->is_over = true;
            c->why = "was found broken by an earlier host";
        } else if (!span_eq(s->chain, i == 1 ? SPAN("none") : SPAN("pass"))) {
            c->why = "has a seal that contradicts its place";
        } else {
            is_usable(s, &c->why);
        }
    }
    if (c->why) {
        return;
    }
    struct dkim_signature *s = &c->message.s;

    if (dkim_signature_parse(c->chain.links[c->chain.n].fields[ARC_AMS], DKIM_ARC_MESSAGE, s)) {
        c->why = "has a signature that cannot be read";
    } else {
        is_usable(s, &c->why);
    }
}

static void use_key(struct check *c, const struct dkim_public_key *k)
{
    if (k->status != DKIM_PASS && !c->why) {
        c->is_temporary = k->status == DKIM_TEMPERROR;
        c->why = c->is_temporary ? "has a key that could not be looked up"
                                 : "has a key that is missing or of no use";
    }
}

static enum err ask_keys(struct check *c)
{
    enum err e = dkim_public_key_get(c->r, &c->message.s, &c->message.key);

    for (uint32_t i = 1; i <= c->chain.n; i++) {
        enum err asked = dkim_public_key_get(c->r, &c->seals[i].s, &c->seals[i].key);

        e = asked != ERR_OK ? asked : e;
    }
    if (e == ERR_OK) {
        use_key(c, &c->message.key);
        for (uint32_t i = 1; i <= c->chain.n; i++) {
            use_key(c, &c->seals[i].key);
        }
    }
    return e;
}

static enum err check_message(struct check *c)
{
    uint8_t digest[AUTH_DIGEST_BYTES];
    bool is_partial = false;
    enum err e = ERR_OK;

    if (!dkim_body_is_signed(c->m, &c->message.s, &is_partial) || is_partial) {
        c->why = "does not match the text of the message: it was changed after the last link";
        return ERR_OK;
    }
    e = dkim_hash_header(c->m, &c->message.s, digest);
    if (e == ERR_OK && !dkim_digest_is_signed(&c->message.key, &c->message.s, digest)) {
        c->why = "does not match the head of the message: it was changed after the last link";
    }
    return e;
}

// The hash of set `i` appended to what `running` holds; the seal is checked on a copy.
static bool check_seal(struct check *c, uint32_t i, EVP_MD_CTX *running, EVP_MD_CTX *copy,
                       struct buf *text)
{
    const struct arc_link *link = &c->chain.links[i];
    const struct dkim_signature *s = &c->seals[i].s;
    uint8_t digest[AUTH_DIGEST_BYTES];
    bool ok;

    buf_clear(text);
    arc_put_field(text, link->fields[ARC_AAR], (struct span){NULL, 0}, false);
    arc_put_field(text, link->fields[ARC_AMS], (struct span){NULL, 0}, false);
    ok = !text->failed && EVP_DigestUpdate(running, text->p, text->n) == 1 &&
         EVP_MD_CTX_copy_ex(copy, running) == 1;
    buf_clear(text);
    arc_put_field(text, link->fields[ARC_AS], s->cut, true);
    ok = ok && EVP_DigestUpdate(copy, text->p, text->n) == 1 &&
         EVP_DigestFinal_ex(copy, digest, NULL) == 1;
    buf_clear(text);
    arc_put_field(text, link->fields[ARC_AS], (struct span){NULL, 0}, false);
    ok = ok && !text->failed && EVP_DigestUpdate(running, text->p, text->n) == 1;
    if (ok && !dkim_digest_is_signed(&c->seals[i].key, s, digest)) {
        c->why = "has a seal that is not genuine, or was changed";
    }
    return ok;
}

static enum err check_seals(struct check *c)
{
    EVP_MD_CTX *running = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new();
    struct buf text;
    bool ok = running && copy && EVP_DigestInit_ex(running, EVP_sha256(), NULL) == 1;

    buf_init(&text, 2 * AUTH_HEADER_BYTES_MAX);
    for (uint32_t i = 1; i <= c->chain.n && ok && !c->why; i++) {
        ok = check_seal(c, i, running, copy, &text);
    }
    buf_finish(&text);
    EVP_MD_CTX_free(running);
    EVP_MD_CTX_free(copy);
    return ok ? ERR_OK : ERR_NOMEM;
}

static enum err check_chain(struct check *c)
{
    enum err e = ERR_OK;

    read_links(c);
    if (c->why) {
        return ERR_OK;
    }
    e = ask_keys(c);
    if (e == ERR_OK && !c->why) {
        e = check_message(c);
    }
    return e == ERR_OK && !c->why ? check_seals(c) : e;
}

static enum err put_sets(const struct check *c, struct arena *arena, struct arc_result *out)
{
    struct arc_set *sets = arena_zalloc(arena, c->chain.n + 1, sizeof(*sets));

    if (!sets) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 1; i <= c->chain.n; i++) {
        sets[i - 1].sealer = c->seals[i].s.domain;
        sets[i - 1].selector = arena_dup(arena, c->seals[i].s.selector);
        sets[i - 1].results = arena_dup(arena, c->chain.links[i].results);
        if (!sets[i - 1].selector.p || !sets[i - 1].results.p) {
            return ERR_NOMEM;
        }
    }
    out->sets = sets;
    out->n = c->chain.n;
    return ERR_OK;
}

static enum err put_words(const struct check *c, struct arena *arena, struct arc_result *out)
{
    struct buf b;

    buf_init(&b, WORDS_BYTES_MAX);
    if (out->status == ARC_NONE) {
        buf_put_str(&b, "No host on the way has vouched for the message.");
    } else if (out->status == ARC_FAIL) {
        buf_printf(&b, "The chain of hosts that vouch for the message %s.", c->why);
    } else {
        buf_printf(&b, "The chain of hosts that vouch for the message is whole; the last is %.*s.",
                   SPAN_ARG(domain_name_span(&c->seals[c->chain.n].s.domain)));
    }
    out->words = arena_dup(arena, buf_span(&b));
    buf_finish(&b);
    return out->words.p ? ERR_OK : ERR_NOMEM;
}

enum err arc_verify(struct auth_message *m, const struct resolver *r, struct arena *arena,
                    struct arc_result *out)
{
    struct check *c = arena_zalloc(arena, 1, sizeof(*c));
    struct arc_result result = {0};
    enum err e = auth_message_result(m);

    if (!c) {
        return ERR_NOMEM;
    }
    c->m = m;
    c->r = r;
    arc_chain_collect(m, &c->chain);
    c->why = c->chain.why;
    c->seals = arena_zalloc(arena, c->chain.n + 1, sizeof(*c->seals));
    if (!c->seals) {
        return ERR_NOMEM;
    }
    if (e == ERR_OK && c->chain.n && !c->why) {
        e = check_chain(c);
    }
    result.status = c->why ? ARC_FAIL : c->chain.n ? ARC_PASS : ARC_NONE;
    result.is_temporary = c->is_temporary;
    result.is_over = c->is_over;
    if (e == ERR_OK && !c->chain.why && c->chain.n) {
        e = put_sets(c, arena, &result);
    }
    if (e == ERR_OK) {
        e = put_words(c, arena, &result);
    }
    dkim_public_key_finish(&c->message.key);
    for (uint32_t i = 1; i <= c->chain.n; i++) {
        dkim_public_key_finish(&c->seals[i].key);
    }
    if (e == ERR_OK) {
        *out = result;
    }
    return e;
}
