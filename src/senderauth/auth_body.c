// SPDX-License-Identifier: Apache-2.0
//
// The body in its two canonical forms, each hashed as often as signatures ask for it.
#include "senderauth/auth_message_internal.h"

#include "base/banned.h"

static void put(struct auth_message *m, struct body_canon *c, struct span s)
{
    c->total += s.n;
    c->is_any = true;
    for (size_t i = 0; i < m->hash_count; i++) {
        struct body_hash *h = &m->hashes[i];

        if (h->is_relaxed == c->is_relaxed && h->seen < h->limit) {
            uint64_t room = h->limit - h->seen;
            size_t n = s.n < room ? s.n : (size_t)room;

            if (EVP_DigestUpdate(h->context, s.p, n) != 1) {
                m->error = ERR_NOMEM;
            }
            h->seen += n;
        }
    }
}

static void put_breaks(struct auth_message *m, struct body_canon *c)
{
    static const char breaks[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";

    while (c->breaks) {
        uint64_t n = c->breaks < 16 ? c->breaks : 16;

        put(m, c, span_of(breaks, (size_t)n * 2));
        c->breaks -= n;
    }
}

// Bytes within a line, of which none is a line end.
static void put_text(struct auth_message *m, struct body_canon *c, struct span s)
{
    c->is_line_open |= s.n > 0;
    if (!c->is_relaxed) {
        if (s.n) {
            put_breaks(m, c);
            put(m, c, s);
        }
        return;
    }
    while (s.n) {
        size_t n = 0;

        while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t') {
            n++;
        }
        if (n) {
            put_breaks(m, c);
            if (c->has_blank) {
                put(m, c, SPAN(" "));
                c->has_blank = false;
            }
            put(m, c, span_first(s, n));
        }
        s = span_skip(s, n);
        n = 0;
        while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t')) {
            n++;
        }
        c->has_blank |= n > 0;
        s = span_skip(s, n);
    }
}

static void feed(struct auth_message *m, struct body_canon *c, struct span s)
{
    while (s.n) {
        size_t end = span_find_byte(s, '\n');
        struct span line = span_first(s, end);
        bool has_break = end < s.n;

        s = span_skip(s, end + 1);
        if (c->has_cr && !(has_break && line.n == 0)) {
            put_text(m, c, SPAN("\r")); // it was no part of a line end
        }
        c->has_cr = line.n && line.p[line.n - 1] == '\r';
        line.n -= c->has_cr;
        put_text(m, c, line);
        if (has_break) {
            c->has_cr = c->has_blank = c->is_line_open = false;
            c->breaks++;
        }
    }
}

void auth_body_feed(struct auth_message *m, struct span bytes)
{
    for (int i = 0; i < 2; i++) {
        if (m->canon[i].is_wanted) {
            feed(m, &m->canon[i], bytes);
        }
    }
}

// The last line gets its end, empty lines after it are dropped. An empty body is one line end in
// the simple form, nothing in the relaxed.
static void finish(struct auth_message *m, struct body_canon *c)
{
    if (c->has_cr) {
        put_text(m, c, SPAN("\r"));
    }
    if (c->is_any || !c->is_relaxed) {
        put(m, c, SPAN("\r\n"));
    }
}

enum err auth_body_finish(struct auth_message *m)
{
    for (int i = 0; i < 2; i++) {
        if (m->canon[i].is_wanted) {
            finish(m, &m->canon[i]);
        }
    }
    for (size_t i = 0; i < m->hash_count; i++) {
        if (EVP_DigestFinal_ex(m->hashes[i].context, m->hashes[i].digest, NULL) != 1) {
            return ERR_NOMEM;
        }
    }
    return m->error;
}

const struct body_hash *auth_body_get(const struct auth_message *m, bool is_relaxed, uint64_t limit)
{
    for (size_t i = 0; i < m->hash_count; i++) {
        if (m->hashes[i].is_relaxed == is_relaxed && m->hashes[i].limit == limit) {
            return &m->hashes[i];
        }
    }
    return NULL;
}

enum err auth_body_want(struct auth_message *m, bool is_relaxed, uint64_t limit)
{
    struct body_hash *h = &m->hashes[m->hash_count];

    if (auth_body_get(m, is_relaxed, limit)) {
        return ERR_OK;
    }
    if (m->hash_count == AUTH_BODY_HASHES_MAX) {
        return ERR_LIMIT;
    }
    *h = (struct body_hash){.is_relaxed = is_relaxed, .limit = limit, .context = EVP_MD_CTX_new()};
    if (!h->context) {
        return ERR_NOMEM;
    }
    m->hash_count++;
    m->canon[is_relaxed].is_wanted = true;
    return EVP_DigestInit_ex(h->context, EVP_sha256(), NULL) == 1 ? ERR_OK : ERR_NOMEM;
}
