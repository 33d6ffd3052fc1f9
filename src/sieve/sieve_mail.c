// SPDX-License-Identifier: Apache-2.0
#include "sieve/sieve_mail.h"

#include "base/utf8.h"
#include "mime/mime_address.h"
#include "mime/mime_header.h"

#include "base/banned.h"

#define URI_BYTES_MAX     (16u * 1024)
#define URI_ADDRESSES_MAX 16
#define URI_FIELDS_MAX    32
#define ADDRESS_BYTES_MAX 320 // 64 @ 255

static bool is_one_of(struct span s, const char *const *list)
{
    for (size_t i = 0; list[i]; i++) {
        if (span_eq_nocase(s, span_from_str(list[i]))) {
            return true;
        }
    }
    return false;
}

enum sieve_automatic sieve_mail_automatic(struct span header)
{
    static const char *const bulk[] = {"bulk", "list", "junk", NULL};
    struct span rest = header, type = mime_header_get(header, SPAN("Content-Type"));
    struct span precedence = mime_header_get(header, SPAN("Precedence"));
    struct span path = mime_header_get(header, SPAN("Return-Path"));
    struct mime_field f;

    while (mime_header_next(&rest, &f)) {
        struct span value = f.body;
        struct span word = span_trim(span_split(&value, ';'));

        if (span_eq_nocase(f.name, SPAN("Auto-Submitted")) && !span_eq_nocase(word, SPAN("no"))) {
            return SIEVE_AUTO_SUBMITTED;
        }
        if (span_eq_nocase(f.name, SPAN("X-Auto-Response-Suppress")) &&
            !span_eq_nocase(word, SPAN("none"))) {
            return SIEVE_AUTO_SUBMITTED;
        }
        if (span_starts_nocase(f.name, SPAN("List-")) ||
            span_eq_nocase(f.name, SPAN("Mailing-List"))) {
            return SIEVE_LIST;
        }
    }
    if (is_one_of(precedence, bulk)) {
        return SIEVE_LIST;
    }
    return span_starts_nocase(type, SPAN("multipart/report")) || span_eq(path, SPAN("<>"))
               ? SIEVE_REPORT
               : SIEVE_PERSONAL;
}

static bool ends_nocase(struct span s, struct span suffix)
{
    return s.n >= suffix.n && span_eq_nocase(span_skip(s, s.n - suffix.n), suffix);
}

bool sieve_mail_is_robot(struct span address)
{
    static const char *const names[] = {"mailer-daemon", "listserv", "majordomo", "listproc",
                                        "noreply",       "no-reply", "no_reply",  "donotreply",
                                        "do-not-reply",  "bounce",   "bounces",   "nobody",
                                        "daemon",        "root",     "mailman",   NULL};
    static const char *const starts[] = {"owner-",    "bounce-",  "bounces-",
                                         "bounce+",   "bounces+", "noreply-",
                                         "no-reply-", "noreply+", "no-reply+"};
    static const char *const ends[] = {"-request", "-owner",    "-bounces", "-bounce",
                                       "-noreply", "-no-reply", "-relay"};
    size_t at = address.n;

    while (at > 0 && address.p[at - 1] != '@') {
        at--;
    }
    struct span local = at ? span_first(address, at - 1) : address;

    if (local.n == 0 || is_one_of(local, names)) {
        return true;
    }
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (span_starts_nocase(local, span_from_str(starts[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (ends_nocase(local, span_from_str(ends[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_in_lists(struct span address, const struct sieve_strings *addresses, size_t lists)
{
    for (size_t i = 0; i < lists; i++) {
        for (size_t k = 0; k < addresses[i].n; k++) {
            if (span_eq_nocase(address, addresses[i].list[k])) {
                return true;
            }
        }
    }
    return false;
}

static bool field_names(struct span body, const struct sieve_strings *addresses, size_t lists)
{
    struct mime_address_reader reader;
    struct mime_address a;
    struct buf text;
    bool is_found = false;

    mime_address_begin(&reader, body);
    buf_init(&text, body.n * 2 + 16);
    while (!is_found && mime_address_next(&reader, &a)) {
        if (a.kind == MIME_MAILBOX) {
            buf_clear(&text);
            mime_address_put(&text, a.local, a.domain);
            is_found = is_in_lists(buf_span(&text), addresses, lists);
        }
    }
    buf_finish(&text);
    mime_address_finish(&reader);
    return is_found;
}

bool sieve_mail_names(struct span header, const struct sieve_strings *addresses, size_t lists)
{
    static const char *const fields[] = {"To",        "Cc",         "Bcc", "Resent-To",
                                         "Resent-Cc", "Resent-Bcc", NULL};
    struct mime_field f;

    while (mime_header_next(&header, &f)) {
        if (is_one_of(f.name, fields) && field_names(f.body, addresses, lists)) {
            return true;
        }
    }
    return false;
}

static bool is_domain(struct span s)
{
    char before = '.';

    if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']') { // an address literal
        for (size_t i = 1; i + 1 < s.n; i++) {
            if (!byte_is_alnum(s.p[i]) && !strchr(".:-", s.p[i])) {
                return false;
            }
        }
        return true;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '.' ? before == '.'
                     : !byte_is_alnum(c) && c != '-' && c != '_' && (unsigned char)c < 128) {
            return false;
        }
        before = c;
    }
    return s.n && before != '.';
}

static bool is_clean(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_ctl(s.p[i])) {
            return false;
        }
    }
    return utf8_is_valid(s);
}

static bool is_careful(struct span text, struct span whole)
{
    bool is_quoted = span_find_byte(text, '"') < text.n;
    bool is_bare = span_find_byte(text, '<') == text.n && !is_quoted;
    struct span plain = span_trim(text);

    return !(whole.p[0] == '"' && !is_quoted) && !(is_bare && span_find_byte(plain, ' ') < plain.n);
}

enum err sieve_mail_address(struct arena *arena, struct span text, struct span *out)
{
    struct mime_address_reader reader;
    struct mime_address a;
    struct buf whole;
    size_t n = 0;
    enum err e = ERR_OK;

    if (!is_clean(text) || text.n > 4096) {
        return ERR_INVALID;
    }
    buf_init(&whole, text.n * 2 + 16);
    mime_address_begin(&reader, text);
    while (e == ERR_OK && mime_address_next(&reader, &a)) {
        bool is_valid = a.kind == MIME_MAILBOX && n++ == 0 && a.local.n && a.local.n <= 64 &&
                        a.domain.n <= 255 && is_domain(a.domain) && a.route.n == 0;

        e = is_valid ? e : ERR_INVALID;
        if (is_valid) {
            mime_address_put(&whole, a.local, a.domain);
        }
    }
    e = e == ERR_OK && n != 1 ? ERR_INVALID : e;
    // What mail is read with leniently is a mistake in a script: blanks or signs in the local part
    // that need quotes, and have none.
    if (e == ERR_OK && !is_careful(text, buf_span(&whole))) {
        e = ERR_INVALID;
    }
    if (e == ERR_OK) {
        struct span copy = arena_dup(arena, buf_span(&whole));

        e = copy.p && !whole.failed && !reader.scratch.failed ? ERR_OK : ERR_NOMEM;
        *out = e == ERR_OK ? copy : *out;
    }
    mime_address_finish(&reader);
    buf_finish(&whole);
    return e;
}

// Percent-decoded into the arena. ERR_INVALID for a broken escape or a control character other than
// line breaks in a body.
static enum err decode(struct arena *arena, struct span in, bool has_lines, struct span *out)
{
    char *p = arena_alloc(arena, in.n);
    size_t n = 0;

    for (size_t i = 0; p && i < in.n; i++) {
        char c = in.p[i];

        if (c == '%') {
            if (i + 2 >= in.n || byte_hex(in.p[i + 1]) < 0 || byte_hex(in.p[i + 2]) < 0) {
                return ERR_INVALID;
            }
            c = (char)(byte_hex(in.p[i + 1]) * 16 + byte_hex(in.p[i + 2]));
            i += 2;
        }
        if (byte_is_ctl(c) && !(has_lines && (c == '\r' || c == '\n' || c == '\t'))) {
            return ERR_INVALID;
        }
        p[n++] = c;
    }
    if (!p) {
        return ERR_NOMEM;
    }
    *out = span_of(p, n);
    return utf8_is_valid(*out) ? ERR_OK : ERR_INVALID;
}

struct uri {
    struct arena *arena;
    struct span *to, *cc, *names, *values;
    size_t to_n, cc_n, field_n;
    struct sieve_notify *out;
};

// Addresses between commas, each percent-encoded.
static enum err add_addresses(struct uri *u, struct span in, struct span *list, size_t *n)
{
    while (in.n) {
        struct span text = span_split(&in, ','), plain;

        if (u->to_n + u->cc_n >= URI_ADDRESSES_MAX) {
            return ERR_INVALID;
        }
        enum err e = decode(u->arena, text, false, &plain);

        e = e == ERR_OK ? sieve_mail_address(u->arena, plain, &list[*n]) : e;
        if (e != ERR_OK) {
            return e;
        }
        ++*n;
    }
    return ERR_OK;
}

static bool is_unsafe(struct span name)
{
    static const char *const names[] = {"from",
                                        "sender",
                                        "reply-to",
                                        "return-path",
                                        "received",
                                        "date",
                                        "message-id",
                                        "bcc",
                                        "auto-submitted",
                                        "delivered-to",
                                        "mime-version",
                                        "apparently-to",
                                        "dkim-signature",
                                        "authentication-results",
                                        NULL};

    return is_one_of(name, names) || span_starts_nocase(name, SPAN("resent-")) ||
           span_starts_nocase(name, SPAN("content-")) || span_starts_nocase(name, SPAN("list-"));
}

static bool is_field_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= 32 || s.p[i] >= 127 || s.p[i] == ':') {
            return false;
        }
    }
    return s.n && s.n < 100;
}

static enum err add_field(struct uri *u, struct span pair)
{
    struct span name = span_split(&pair, '='), value;
    enum err e = decode(u->arena, name, false, &name);

    if (e != ERR_OK || !is_field_name(name)) {
        return e == ERR_OK ? ERR_INVALID : e;
    }
    if (span_eq_nocase(name, SPAN("to"))) {
        return add_addresses(u, pair, u->to, &u->to_n);
    }
    if (span_eq_nocase(name, SPAN("cc"))) {
        return add_addresses(u, pair, u->cc, &u->cc_n);
    }
    bool is_body = span_eq_nocase(name, SPAN("body"));

    e = decode(u->arena, pair, is_body, &value);
    if (e != ERR_OK || is_unsafe(name)) {
        return e;
    }
    if (is_body) {
        u->out->body = value;
    } else if (span_eq_nocase(name, SPAN("subject"))) {
        u->out->subject = value;
    } else if (u->field_n < URI_FIELDS_MAX) {
        u->names[u->field_n] = name;
        u->values[u->field_n++] = value;
    } else {
        return ERR_INVALID;
    }
    return ERR_OK;
}

static bool is_uri_text(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= 32 || s.p[i] == 127 || strchr("<>\"", s.p[i])) {
            return false;
        }
    }
    return true;
}

enum err sieve_mail_uri(struct arena *arena, struct span uri, struct sieve_notify *out)
{
    struct uri u = {.arena = arena, .out = out};
    struct span rest = span_skip(uri, 7);

    if (!span_starts_nocase(uri, SPAN("mailto:")) || uri.n > URI_BYTES_MAX || !is_uri_text(uri)) {
        return ERR_INVALID;
    }
    u.to = arena_zalloc(arena, URI_ADDRESSES_MAX, sizeof(struct span));
    u.cc = arena_zalloc(arena, URI_ADDRESSES_MAX, sizeof(struct span));
    u.names = arena_zalloc(arena, URI_FIELDS_MAX, sizeof(struct span));
    u.values = arena_zalloc(arena, URI_FIELDS_MAX, sizeof(struct span));
    if (!u.to || !u.cc || !u.names || !u.values) {
        return ERR_NOMEM;
    }
    enum err e = add_addresses(&u, span_split(&rest, '?'), u.to, &u.to_n);

    while (e == ERR_OK && rest.n) {
        e = add_field(&u, span_split(&rest, '&'));
    }
    if (e != ERR_OK) {
        return e;
    }
    out->to = (struct sieve_strings){u.to, u.to_n};
    out->cc = (struct sieve_strings){u.cc, u.cc_n};
    out->header_names = (struct sieve_strings){u.names, u.field_n};
    out->header_values = (struct sieve_strings){u.values, u.field_n};
    return u.to_n ? ERR_OK : ERR_INVALID;
}
