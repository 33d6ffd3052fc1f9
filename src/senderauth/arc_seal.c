// SPDX-License-Identifier: Apache-2.0
//
// Sealing: RFC 8617 section 5.1.
#include "senderauth/arc_internal.h"

#include "base/banned.h"

#define FIELD_BYTES_MAX (256u << 10)

struct new_set {
    struct buf results, message, seal; // whole fields, CRLF at the end; the seal without b=
};

// What the seal signs: all sets before, unless the chain is broken (section 5.1.2), and the new
// one.
static enum err hash_sets(const struct arc_chain *chain, bool is_broken, const struct new_set *set,
                          uint8_t digest[AUTH_DIGEST_BYTES])
{
    struct mime_field results = dkim_field_of(buf_span(&set->results));
    struct mime_field message = dkim_field_of(buf_span(&set->message));
    struct mime_field seal = dkim_field_of(buf_span(&set->seal));
    struct span no_cut = {NULL, 0};
    struct buf text;
    bool ok;

    buf_init(&text, 2 * AUTH_HEADER_BYTES_MAX + 4 * FIELD_BYTES_MAX);
    for (uint32_t i = 1; i <= chain->n && !is_broken; i++) {
        for (int part = 0; part < ARC__PARTS; part++) {
            arc_put_field(&text, chain->links[i].fields[part], no_cut, false);
        }
    }
    arc_put_field(&text, &results, no_cut, false);
    arc_put_field(&text, &message, no_cut, false);
    arc_put_field(&text, &seal, no_cut, true);
    ok = !text.failed && EVP_Digest(text.p, text.n, digest, NULL, EVP_sha256(), NULL) == 1;
    buf_finish(&text);
    return ok ? ERR_OK : ERR_NOMEM;
}

static bool is_one_line_safe(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool is_fold = s.p[i] == '\r' && i + 2 < s.n && s.p[i + 1] == '\n' &&
                       (s.p[i + 2] == ' ' || s.p[i + 2] == '\t');

        if (is_fold) {
            i++;
        } else if (byte_is_ctl(s.p[i]) && s.p[i] != '\t') {
            return false;
        }
    }
    return s.n > 0;
}

static enum err write_set(const struct arc_chain *chain, const struct dkim_signer *s,
                          enum arc_status found, struct new_set *set, struct buf *out)
{
    struct dkim_writer w;
    uint8_t digest[AUTH_DIGEST_BYTES];
    enum err e = ERR_OK;

    dkim_writer_begin(&w, "ARC-Seal");
    dkim_writer_put(&w, "a", span_from_str(dkim_algorithm_name(dkim_key_algorithm(s->key))));
    dkim_writer_put_b(&w);
    dkim_writer_put(&w, "cv", span_from_str(arc_status_name(found)));
    dkim_writer_put(&w, "d", s->domain);
    dkim_writer_put_u64(&w, "i", chain->n + 1);
    dkim_writer_put(&w, "s", s->selector);
    if (s->now_s >= 0) {
        dkim_writer_put_u64(&w, "t", (uint64_t)s->now_s);
    }
    e = dkim_writer_unsigned(&w, &set->seal);
    if (e == ERR_OK) {
        e = hash_sets(chain, found == ARC_FAIL, set, digest);
    }
    if (e == ERR_OK) {
        e = dkim_writer_finish(&w, s->key, digest, out);
    }
    dkim_writer_release(&w);
    if (e == ERR_OK) {
        buf_put(out, buf_span(&set->message));
        buf_put(out, buf_span(&set->results));
        e = buf_result(out);
    }
    return e;
}

// A seal says cv=fail: the chain is closed for good.
static bool is_over(const struct arc_chain *chain)
{
    for (uint32_t i = 1; i <= chain->n; i++) {
        const struct mime_field *seal = chain->links[i].fields[ARC_AS];
        struct tag_list tags;

        if (seal && tag_list_parse(seal->body, &tags) == ERR_OK &&
            span_eq(tag_list_get(&tags, "cv"), SPAN("fail"))) {
            return true;
        }
    }
    return false;
}

static enum err may_seal(const struct arc_chain *chain, enum arc_status found, struct span results)
{
    if (chain->n >= ARC_SETS_MAX) {
        return ERR_LIMIT;
    }
    if (is_over(chain)) {
        return ERR_DENIED;
    }
    bool is_whole = chain->n && !chain->why;
    bool has_any = chain->n || chain->why;
    bool fits = found == ARC_FAIL ? has_any : found == ARC_PASS ? is_whole : !has_any;

    return fits && is_one_line_safe(results) ? ERR_OK : ERR_INVALID;
}

enum err arc_seal(struct auth_message *m, const struct dkim_signer *s, enum arc_status found,
                  struct span results, struct buf *out)
{
    struct arc_chain chain;
    struct new_set set;
    enum err e = auth_message_result(m);

    arc_chain_collect(m, &chain);
    if (e == ERR_OK) {
        e = may_seal(&chain, found, results);
    }
    if (e != ERR_OK) {
        return e;
    }
    buf_init(&set.results, FIELD_BYTES_MAX);
    buf_init(&set.message, FIELD_BYTES_MAX);
    buf_init(&set.seal, FIELD_BYTES_MAX);
    buf_printf(&set.results, "ARC-Authentication-Results: i=%u; ", (unsigned)chain.n + 1);
    buf_put(&set.results, results);
    buf_put_str(&set.results, "\r\n");
    e = set.results.failed ? ERR_LIMIT
                           : dkim_sign_as(m, s, "ARC-Message-Signature", chain.n + 1, &set.message);
    if (e == ERR_OK) {
        e = write_set(&chain, s, found, &set, out);
    }
    buf_finish(&set.results);
    buf_finish(&set.message);
    buf_finish(&set.seal);
    return e;
}
