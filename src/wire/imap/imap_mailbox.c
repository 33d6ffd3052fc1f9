// SPDX-License-Identifier: Apache-2.0
#include "wire/imap/imap_mailbox.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "wire/imap/imap_utf7.h"

#include "base/banned.h"

// A pattern is never longer than the command it stands in.
#define PATTERN_BYTES_MAX (256 * 1024)

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static enum err refuse(const char **out_why, const char *why, enum err e)
{
    *out_why = why;
    return e;
}

// Normalises in place of *s; ASCII stays where it is.
static enum err to_nfc(struct arena *arena, struct span *s)
{
    utf8proc_uint8_t *nfc = NULL;

    if (utf8_is_ascii(*s)) {
        return ERR_OK;
    }
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)s->p, (utf8proc_ssize_t)s->n, &nfc,
                                      (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));

    if (n < 0) {
        return n == UTF8PROC_ERROR_NOMEM ? ERR_NOMEM : ERR_INVALID;
    }
    *s = arena_dup(arena, span_of(nfc, (size_t)n));
    free(nfc);
    return s->p ? ERR_OK : ERR_NOMEM;
}

// The wire's spelling to UTF-8 in NFC, in the arena; control characters refused.
static enum err decode(struct span wire, bool utf8, struct arena *arena, struct span *out,
                       const char **out_why)
{
    struct buf b;
    struct span rest;
    uint32_t c;

    buf_init(&b, PATTERN_BYTES_MAX);
    if (utf8) {
        buf_put(&b, wire);
    } else if (imap_utf7_decode(&b, wire) == ERR_INVALID) {
        buf_finish(&b);
        return refuse(out_why, "the mailbox name is not valid modified UTF-7", ERR_INVALID);
    }
    if (b.failed) {
        buf_finish(&b);
        return refuse(out_why, "the mailbox name is too long", ERR_LIMIT);
    }
    *out = arena_dup(arena, buf_span(&b));
    buf_finish(&b);
    if (!out->p) {
        return refuse(out_why, "the command is too large", ERR_NOMEM);
    }
    for (rest = *out; rest.n;) {
        if (!utf8_next(&rest, &c)) {
            return refuse(out_why, "the mailbox name is not valid UTF-8", ERR_INVALID);
        }
        if (is_control(c)) {
            return refuse(out_why, "a mailbox name has no control characters", ERR_INVALID);
        }
    }
    enum err e = to_nfc(arena, out);

    return e ? refuse(out_why, "the mailbox name cannot be normalised", e) : ERR_OK;
}

// INBOX is one mailbox in any case, also as the parent of others.
static void canonical_inbox(struct span name, char *bytes, char separator)
{
    if (span_starts_nocase(name, SPAN("INBOX")) && (name.n == 5 || name.p[5] == separator)) {
        memcpy(bytes, "INBOX", 5);
    }
}

enum err imap_mailbox_from_wire(struct span wire, bool utf8, char separator, struct arena *arena,
                                struct span *out, const char **out_why)
{
    struct span name;
    enum err e = decode(wire, utf8, arena, &name, out_why);

    if (!e) {
        e = imap_mailbox_check(name, separator, out_why);
    }
    if (e) {
        return e;
    }
    char *bytes = arena_alloc(arena, name.n);

    if (!bytes) {
        return refuse(out_why, "the command is too large", ERR_NOMEM);
    }
    memcpy(bytes, name.p, name.n);
    canonical_inbox(name, bytes, separator);
    *out = span_of(bytes, name.n);
    return ERR_OK;
}

enum err imap_mailbox_pattern_from_wire(struct span wire, bool utf8, struct arena *arena,
                                        struct span *out, const char **out_why)
{
    return decode(wire, utf8, arena, out, out_why);
}

static enum err check_level(struct span level, const char **out_why)
{
    if (level.n == 0) {
        return refuse(out_why, "a mailbox name has no empty level", ERR_INVALID);
    }
    if (level.n > IMAP_MAILBOX_LEVEL_BYTES_MAX) {
        return refuse(out_why, "a level of the mailbox name is over 255 bytes", ERR_LIMIT);
    }
    if (span_eq(level, SPAN(".")) || span_eq(level, SPAN(".."))) {
        return refuse(out_why, "a mailbox name has no level \".\" or \"..\"", ERR_INVALID);
    }
    return ERR_OK;
}

static enum err check_characters(struct span name, const char **out_why)
{
    uint32_t c;

    while (name.n) {
        if (!utf8_next(&name, &c)) {
            return refuse(out_why, "the mailbox name is not valid UTF-8", ERR_INVALID);
        }
        if (is_control(c)) {
            return refuse(out_why, "a mailbox name has no control characters", ERR_INVALID);
        }
    }
    return ERR_OK;
}

enum err imap_mailbox_check(struct span name, char separator, const char **out_why)
{
    size_t levels = 0;

    if (name.n == 0) {
        return refuse(out_why, "the mailbox name is empty", ERR_INVALID);
    }
    if (name.n > IMAP_MAILBOX_BYTES_MAX) {
        return refuse(out_why, "the mailbox name is over 1024 bytes", ERR_LIMIT);
    }
    for (size_t from = 0; from <= name.n;) {
        struct span rest = span_skip(name, from);
        size_t n = span_find_byte(rest, separator);
        enum err e = check_level(span_first(rest, n), out_why);

        if (e) {
            return e;
        }
        if (++levels > IMAP_MAILBOX_LEVELS_MAX) {
            return refuse(out_why, "the mailbox name has over 64 levels", ERR_LIMIT);
        }
        from += n + 1;
    }
    return check_characters(name, out_why);
}
