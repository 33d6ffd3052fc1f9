// SPDX-License-Identifier: Apache-2.0
#include "wire/smtp/smtp_address.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "wire/smtp/smtp_address_internal.h"

#include "base/banned.h"

// A path as it is read. Reading stops at the first thing wrong.
struct path_cursor {
    struct span text;
    size_t at;
    struct arena *arena;
    const char *why;
};

static enum err refuse(struct path_cursor *c, const char *why)
{
    c->why = why;
    return ERR_INVALID;
}

static bool take(struct path_cursor *c, char byte)
{
    if (c->at >= c->text.n || c->text.p[c->at] != byte) {
        return false;
    }
    c->at++;
    return true;
}

// ---- the local part -----------------------------------------------------------------------------

static bool is_atext(char c)
{
    return byte_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

// One character above 127 at the cursor.
static enum err take_utf8(struct path_cursor *c)
{
    struct span rest = span_skip(c->text, c->at);
    size_t before = rest.n;
    uint32_t code_point;

    if (!utf8_next(&rest, &code_point)) {
        return refuse(c, "the address is not valid UTF-8");
    }
    if (smtp_is_hidden(code_point)) {
        return refuse(c, "the address has a hidden character");
    }
    c->at += before - rest.n;
    return ERR_OK;
}

static enum err take_atom(struct path_cursor *c)
{
    size_t from = c->at;

    while (c->at < c->text.n) {
        if ((unsigned char)c->text.p[c->at] > 127) {
            enum err e = take_utf8(c);

            if (e) {
                return e;
            }
        } else if (is_atext(c->text.p[c->at])) {
            c->at++;
        } else {
            break;
        }
    }
    return c->at > from ? ERR_OK : refuse(c, "expected a local part, as in user@example.org");
}

static enum err take_dot_string(struct path_cursor *c, struct span *out)
{
    size_t from = c->at;

    do {
        enum err e = take_atom(c);

        if (e) {
            return e;
        }
    } while (take(c, '.'));
    *out = span_of(c->text.p + from, c->at - from);
    return ERR_OK;
}

// What is between the quotes, which stand; `*escapes` counts the backslashes that do not.
static enum err take_quoted_text(struct path_cursor *c, size_t *escapes)
{
    while (c->at < c->text.n && c->text.p[c->at] != '"') {
        bool escaped = take(c, '\\');

        *escapes += escaped;
        if (c->at == c->text.n) {
            break;
        }
        if ((unsigned char)c->text.p[c->at] > 127 && !escaped) {
            enum err e = take_utf8(c);

            if (e) {
                return e;
            }
        } else if (byte_is_ctl(c->text.p[c->at]) || (unsigned char)c->text.p[c->at] > 127) {
            return refuse(c, "the quoted local part has a character that is not allowed");
        } else {
            c->at++;
        }
    }
    return ERR_OK;
}

static struct span without_escapes(struct arena *arena, struct span in, size_t escapes)
{
    char *p = arena_alloc(arena, in.n - escapes + 1);
    size_t n = 0;

    for (size_t i = 0; p && i < in.n; i++) {
        i += in.p[i] == '\\';
        p[n++] = in.p[i];
    }
    return (struct span){p, n};
}

static enum err take_quoted(struct path_cursor *c, struct span *out)
{
    size_t escapes = 0, from = c->at;
    enum err e = take_quoted_text(c, &escapes);
    struct span text = span_of(c->text.p + from, c->at - from);

    if (e) {
        return e;
    }
    if (!take(c, '"')) {
        return refuse(c, "the quoted local part is not closed");
    }
    if (text.n == 0) {
        return refuse(c, "the local part is empty");
    }
    *out = escapes ? without_escapes(c->arena, text, escapes) : text;
    return out->p ? ERR_OK : ERR_NOMEM;
}

static enum err take_local(struct path_cursor *c, struct span *out)
{
    size_t from = c->at;
    enum err e = take(c, '"') ? take_quoted(c, out) : take_dot_string(c, out);

    if (!e && out->n > SMTP_LOCAL_BYTES_MAX) {
        c->at = from;
        return refuse(c, "the local part is longer than 64 bytes");
    }
    return e;
}

// ---- the whole ----------------------------------------------------------------------------------

// A domain up to one of `stops` or the end; a literal up to its bracket.
static enum err take_domain(struct path_cursor *c, const char *stops, struct smtp_domain *out)
{
    struct span rest = span_skip(c->text, c->at);
    size_t n = 0;

    if (rest.n && rest.p[0] == '[') {
        n = span_find_byte(rest, ']');
        n += n < rest.n;
    } else {
        while (n < rest.n && !(rest.p[n] && strchr(stops, rest.p[n]))) {
            n++;
        }
    }
    enum err e = smtp_domain_parse(span_first(rest, n), out, &c->why);

    c->at += e ? 0 : n;
    return e;
}

// "@a,@b:" in front of a mailbox: to be understood and ignored (RFC 5321 appendix C).
static enum err skip_route(struct path_cursor *c)
{
    struct smtp_domain ignored;

    if (!take(c, '@')) {
        return ERR_OK;
    }
    for (;;) {
        enum err e = take_domain(c, ",:>", &ignored);

        if (e) {
            return e;
        }
        if (take(c, ':')) {
            return ERR_OK;
        }
        if (!take(c, ',') || !take(c, '@')) {
            return refuse(c, "the source route is broken");
        }
    }
}

static enum err take_mailbox(struct path_cursor *c, struct smtp_address *out)
{
    enum err e = take_local(c, &out->local);

    if (e) {
        return e;
    }
    if (!take(c, '@')) {
        bool postmaster = span_eq_nocase(out->local, SPAN("postmaster"));

        return postmaster ? ERR_OK : refuse(c, "the address has no @ and domain");
    }
    e = take_domain(c, ">", &out->domain);
    out->utf8 = !e && !(utf8_is_ascii(out->local) && utf8_is_ascii(out->domain.text));
    return e;
}

static enum err take_path(struct path_cursor *c, struct smtp_address *out)
{
    if (!take(c, '<')) {
        return refuse(c, "expected an address in angle brackets");
    }
    if (take(c, '>')) {
        return ERR_OK;
    }
    enum err e = skip_route(c);

    e = e ? e : take_mailbox(c, out);
    return e || take(c, '>') ? e : refuse(c, "expected > after the address");
}

enum err smtp_path_parse(struct span text, struct arena *arena, struct smtp_address *out,
                         size_t *out_bytes, const char **out_why)
{
    struct path_cursor c = {.text = text, .arena = arena};
    struct smtp_address got = {.local = SPAN(""), .domain.text = SPAN("")};
    enum err e = take_path(&c, &got);

    *out_bytes = c.at;
    if (e) {
        *out_why = c.why;
        return e;
    }
    *out = got;
    return ERR_OK;
}

enum err smtp_mailbox_parse(struct span text, struct arena *arena, struct smtp_address *out,
                            const char **out_why)
{
    struct path_cursor c = {.text = text, .arena = arena};
    struct smtp_address got = {.local = SPAN(""), .domain.text = SPAN("")};
    enum err e = take_mailbox(&c, &got);

    if (!e && (c.at < text.n || got.domain.kind == SMTP_DOMAIN_NONE)) {
        e = refuse(&c, "the address has no @ and domain, or something follows it");
    }
    if (e) {
        *out_why = c.why;
        return e;
    }
    *out = got;
    return ERR_OK;
}

// ---- writing ------------------------------------------------------------------------------------

static enum err to_nfc(struct arena *arena, struct span in, struct span *out)
{
    utf8proc_uint8_t *nfc = NULL;

    if (utf8_is_ascii(in)) {
        *out = in;
        return ERR_OK;
    }
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)in.p, (utf8proc_ssize_t)in.n, &nfc,
                                      (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (n < 0) {
        return n == UTF8PROC_ERROR_NOMEM ? ERR_NOMEM : ERR_INVALID;
    }
    *out = arena_dup(arena, span_of(nfc, (size_t)n));
    free(nfc);
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err smtp_address_canonical(const struct smtp_address *in, struct arena *arena,
                                struct smtp_address *out)
{
    struct smtp_address got = *in;
    enum err e = to_nfc(arena, in->local, &got.local);

    if (!e && in->domain.kind != SMTP_DOMAIN_NONE) {
        e = smtp_domain_canonical(&in->domain, arena, &got.domain);
    }
    if (e) {
        return e;
    }
    got.utf8 = !(utf8_is_ascii(got.local) && utf8_is_ascii(got.domain.text));
    *out = got;
    return ERR_OK;
}

static bool is_dot_string(struct span local)
{
    char before = '.';

    for (size_t i = 0; i < local.n; i++) {
        char c = local.p[i];

        if (c == '.' ? before == '.' : !is_atext(c) && (unsigned char)c < 128) {
            return false;
        }
        before = c;
    }
    return before != '.';
}

static void put_local(struct buf *out, struct span local)
{
    if (is_dot_string(local)) {
        buf_put(out, local);
        return;
    }
    buf_put_byte(out, '"');
    for (size_t i = 0; i < local.n; i++) {
        if (local.p[i] == '"' || local.p[i] == '\\') {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, local.p[i]);
    }
    buf_put_byte(out, '"');
}

static bool is_writable(const struct smtp_address *a)
{
    for (size_t i = 0; i < a->local.n; i++) {
        if (byte_is_ctl(a->local.p[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < a->domain.text.n; i++) {
        char c = a->domain.text.p[i];

        if (byte_is_ctl(c) || c == ' ' || c == '<' || c == '>' || c == '[' || c == ']') {
            return false;
        }
    }
    return a->local.n > 0 || a->domain.kind == SMTP_DOMAIN_NONE;
}

enum err smtp_address_put(struct buf *out, const struct smtp_address *address)
{
    bool literal = address->domain.kind > SMTP_DOMAIN_NAME;

    if (!is_writable(address)) {
        return ERR_INVALID;
    }
    if (address->local.n) {
        put_local(out, address->local);
    }
    if (address->domain.kind != SMTP_DOMAIN_NONE) {
        buf_put_str(out, literal ? "@[" : "@");
        buf_put(out, address->domain.text);
        buf_put_str(out, literal ? "]" : "");
    }
    return buf_result(out);
}
