// SPDX-License-Identifier: Apache-2.0
//
// Signing: RFC 6376 section 5. Fields that a reader sees are listed once more often than they
// occur, so that nobody can add another (section 5.4.2).
#include "senderauth/dkim_internal.h"

#include "base/banned.h"

#define LIST_BYTES_MAX (128u << 10)

static const struct {
    const char *name;
    bool is_oversigned; // listed also when it is not there
} defaults[] = {
    {"From", true},
    {"To", true},
    {"Cc", true},
    {"Subject", true},
    {"Date", true},
    {"Message-ID", true},
    {"Reply-To", true},
    {"Content-Type", true},
    {"Content-Transfer-Encoding", true},
    {"MIME-Version", true},
    {"Sender", false},
    {"In-Reply-To", false},
    {"References", false},
    {"List-Id", false},
    {"List-Unsubscribe", false},
    {"List-Unsubscribe-Post", false},
};

static size_t count_named(const struct auth_message *m, struct span name)
{
    size_t number = auth_message_name(m, name), n = 0;

    for (uint32_t at = number ? m->lowest[number] : 0; at; at = m->fields[at - 1].above) {
        n++;
    }
    return n;
}

static void put_item(struct buf *out, struct span name)
{
    buf_put(out, out->n ? SPAN(":") : SPAN(""));
    buf_put(out, name);
}

static void put_list(struct buf *out, const struct auth_message *m, const struct dkim_signer *s)
{
    for (size_t i = 0; s->fields && i < s->field_count; i++) {
        put_item(out, s->fields[i]);
    }
    for (size_t i = 0; !s->fields && i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        struct span name = span_from_str(defaults[i].name);

        for (size_t n = count_named(m, name) + defaults[i].is_oversigned; n; n--) {
            put_item(out, name);
        }
    }
}

static enum err sign_writer(struct auth_message *m, struct dkim_writer *w, struct span headers,
                            const struct dkim_private_key *key, struct buf *out)
{
    struct dkim_signature s = {.is_header_relaxed = true, .headers = headers};
    uint8_t digest[AUTH_DIGEST_BYTES];
    struct buf plain;
    enum err e = ERR_OK;

    buf_init(&plain, 2 * LIST_BYTES_MAX + 4096);
    e = dkim_writer_unsigned(w, &plain);
    s.field = dkim_field_of(buf_span(&plain));
    if (e == ERR_OK) {
        e = dkim_hash_header(m, &s, digest);
    }
    if (e == ERR_OK) {
        e = dkim_writer_finish(w, key, digest, out);
    }
    buf_finish(&plain);
    return e;
}

enum err dkim_sign_as(struct auth_message *m, const struct dkim_signer *s, const char *field_name,
                      uint32_t instance, struct buf *out)
{
    const struct body_hash *h = auth_body_get(m, true, UINT64_MAX);
    struct dkim_writer w;
    struct buf list;
    enum err e = auth_message_result(m);

    if (e != ERR_OK || !h) {
        return e != ERR_OK ? e : ERR_INVALID;
    }
    buf_init(&list, LIST_BYTES_MAX);
    put_list(&list, m, s);
    dkim_writer_begin(&w, field_name);
    if (instance == 0) {
        dkim_writer_put(&w, "v", SPAN("1"));
    }
    dkim_writer_put(&w, "a", span_from_str(dkim_algorithm_name(dkim_key_algorithm(s->key))));
    dkim_writer_put_b(&w);
    dkim_writer_put_hash(&w, h);
    dkim_writer_put(&w, "c", SPAN("relaxed/relaxed"));
    dkim_writer_put(&w, "d", s->domain);
    dkim_writer_put(&w, "h", buf_span(&list));
    if (instance) {
        dkim_writer_put_u64(&w, "i", instance);
    } else if (s->identity.n) {
        dkim_writer_put(&w, "i", s->identity);
    }
    dkim_writer_put(&w, "s", s->selector);
    if (s->now_s >= 0) {
        dkim_writer_put_u64(&w, "t", (uint64_t)s->now_s);
    }
    if (s->now_s >= 0 && s->expires_after_s > 0) {
        dkim_writer_put_u64(&w, "x", (uint64_t)(s->now_s + s->expires_after_s));
    }
    e = list.failed ? ERR_LIMIT : sign_writer(m, &w, buf_span(&list), s->key, out);
    dkim_writer_release(&w);
    buf_finish(&list);
    return e;
}

enum err dkim_sign(struct auth_message *m, const struct dkim_signer *s, struct buf *out)
{
    return dkim_sign_as(m, s, "DKIM-Signature", 0, out);
}
