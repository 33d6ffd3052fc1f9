// SPDX-License-Identifier: Apache-2.0
//
// The message as the script sees it. Its bytes are never changed: an edit makes a new header, or a
// new header and body, and the message then consists of those (RFC 5293 section 7, RFC 5703).
#include <stdlib.h>

#include "mime/mime_reader.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

#define PATH_MAX_PARTS 128 // deeper than any part

bool sieve_mail_begin(struct run *r)
{
    struct span all = r->env->message;

    r->mail = &r->original;
    r->original =
        (struct mail){.version = {SPAN(""), all, r->env->more_bytes}, .is_original = true};
    r->original.mime = r->env->mime;
    if (!sieve_mail_mime(r, r->mail)) {
        return false;
    }
    uint64_t n = r->original.mime->parts[0].header_size;

    r->original.version.header = span_first(all, (size_t)n);
    r->original.version.body = span_skip(all, (size_t)n);
    return true;
}

const struct mime_message *sieve_mail_mime(struct run *r, struct mail *m)
{
    struct mime_reader *reader = NULL;
    struct mime_message *out;

    if (m->mime || !sieve_is_on(r)) {
        return m->mime;
    }
    if (!sieve_spend(r, (sieve_mail_size(m) - m->version.rest) / 2)) {
        return NULL;
    }
    out = arena_zalloc(&r->programs, 1, sizeof(*out));
    enum err e = out ? mime_reader_create(NULL, &reader) : ERR_NOMEM;

    if (e == ERR_OK) {
        e = mime_reader_feed(reader, m->version.header);
        e = e == ERR_OK ? mime_reader_feed(reader, m->version.body) : e;
        e = e == ERR_OK ? mime_reader_finish(reader, &r->programs, out) : e;
        mime_reader_destroy(reader);
    }
    if (e != ERR_OK) {
        sieve_fail_memory(r);
        return NULL;
    }
    m->mime = out;
    return out;
}

struct span sieve_mail_bytes(const struct mail *m, uint64_t offset, uint64_t size)
{
    struct span in = m->version.header;

    if (offset >= in.n) {
        offset -= in.n;
        in = m->version.body;
    }
    in = offset < in.n ? span_skip(in, (size_t)offset) : SPAN("");
    return size < in.n ? span_first(in, (size_t)size) : in;
}

struct span sieve_mail_part_header(const struct mail *m, const struct mime_part *part)
{
    return part->parent ? sieve_mail_bytes(m, part->header_offset, part->header_size)
                        : m->version.header;
}

struct span sieve_mail_part_body(const struct mail *m, const struct mime_part *part)
{
    return sieve_mail_bytes(m, part->body_offset, part->body_size);
}

const struct mime_part *sieve_mail_next_part(const struct mime_part *top,
                                             const struct mime_part *part, bool skips_children)
{
    if (part->child_count && !skips_children) {
        return part->children;
    }
    while (part != top) {
        const struct mime_part *parent = part->parent;

        if (part + 1 < parent->children + parent->child_count) {
            return part + 1;
        }
        part = parent;
    }
    return NULL;
}

struct mail *sieve_mail_edit(struct run *r, struct span header, struct span body, uint64_t rest)
{
    if (r->edits++ >= SIEVE_EDITS_MAX) {
        sieve_fail(r, "the script changes the message more than %d times", SIEVE_EDITS_MAX);
        return NULL;
    }
    struct mail *m = arena_zalloc(r->out, 1, sizeof(*m));

    if (!m) {
        sieve_fail_memory(r);
        return NULL;
    }
    m->version = (struct sieve_version){header, body, rest};
    r->mail = m;
    return m;
}

bool sieve_mail_is_whole(struct run *r)
{
    if (r->mail->version.rest) {
        sieve_fail(r, "the message is too large for a rule that rewrites it");
    }
    return sieve_is_on(r);
}

const struct sieve_version *sieve_mail_version(struct run *r, struct mail *m)
{
    if (m == r->mail) {
        sieve_mail_settle(r);
        m = r->mail;
    }
    return m->is_original ? NULL : &m->version;
}

uint64_t sieve_mail_size(const struct mail *m)
{
    return m->version.header.n + m->version.body.n + m->version.rest;
}

struct span sieve_mail_break(const struct run *r)
{
    struct span in = r->env->message;
    size_t lf = span_find_byte(in, '\n');

    return lf > 0 && lf < in.n && in.p[lf - 1] == '\r' ? SPAN("\r\n")
                                                       : (lf < in.n ? SPAN("\n") : SPAN("\r\n"));
}

struct loop *sieve_loop(struct run *r)
{
    for (struct frame *f = r->frame; f; f = f->parent) {
        for (uint32_t i = f->loop_n; i > 0; i--) {
            if (f->loops[i - 1].part) {
                return &f->loops[i - 1];
            }
        }
    }
    return NULL;
}

static const struct mime_part *find_part(const struct mime_message *m, const struct pending *p)
{
    const struct mime_part *part = &m->parts[0];

    for (uint32_t i = 0; i < p->path_n; i++) {
        if (p->path[i] >= part->child_count) {
            return NULL;
        }
        part = &part->children[p->path[i]];
    }
    return part;
}

struct cut {
    uint64_t from, to;
    struct span text;
};

static int by_place(const void *a, const void *b)
{
    const struct cut *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

// The body with the cuts put in, in one piece.
static struct span splice(struct run *r, struct span body, uint64_t base, const struct cut *cuts,
                          size_t n)
{
    size_t size = body.n, at = 0;

    for (size_t i = 0; i < n; i++) {
        size += cuts[i].text.n;
    }
    char *p = sieve_spend(r, size / 4) ? arena_alloc(r->out, size) : NULL;
    uint64_t from = base;

    if (!p) {
        sieve_fail_memory(r);
        return SPAN("");
    }
    for (size_t i = 0; i < n; i++) {
        if (cuts[i].from < from) {
            continue; // inside a part that is gone
        }
        memcpy(p + at, body.p + (from - base), cuts[i].from - from);
        at += cuts[i].from - from;
        memcpy(p + at, cuts[i].text.p, cuts[i].text.n);
        at += cuts[i].text.n;
        from = cuts[i].to;
    }
    memcpy(p + at, body.p + (from - base), base + body.n - from);
    at += base + body.n - from;
    return span_of(p, at);
}

void sieve_mail_settle(struct run *r)
{
    uint32_t n = r->pending_n;
    size_t cut_n = 0;

    r->pending_n = 0;
    if (n == 0 || !sieve_is_on(r)) {
        return;
    }
    if (!sieve_mail_is_whole(r)) {
        return;
    }
    const struct mime_message *m = sieve_mail_mime(r, r->mail);
    struct cut *cuts = m ? arena_zalloc(&r->programs, n, sizeof(*cuts)) : NULL;

    if (!cuts) {
        sieve_fail_memory(r);
        return;
    }
    uint64_t base = r->mail->version.header.n;

    for (uint32_t i = 0; i < n; i++) {
        const struct mime_part *part = find_part(m, &r->pending[i]);

        if (part && part->header_offset >= base) {
            cuts[cut_n++] = (struct cut){part->header_offset, part->body_offset + part->body_size,
                                         r->pending[i].text};
        }
    }
    qsort(cuts, cut_n, sizeof(*cuts), by_place);
    struct span body = splice(r, r->mail->version.body, base, cuts, cut_n);

    if (sieve_is_on(r)) {
        sieve_mail_edit(r, r->mail->version.header, body, 0);
    }
}
