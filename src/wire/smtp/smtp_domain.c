// SPDX-License-Identifier: Apache-2.0
//
// The part of an address after the "@": host names in A-labels and U-labels (RFC 5890), and address
// literals.
#include <arpa/inet.h>
#include <idn2.h>
#include <netinet/in.h>

#include "base/utf8.h"
#include "wire/smtp/smtp_address_internal.h"

#include "base/banned.h"

static enum err refuse(const char *why, const char **out_why)
{
    *out_why = why;
    return ERR_INVALID;
}

// ---- literals -----------------------------------------------------------------------------------

static bool read_ip(struct span text, int family, unsigned char *out)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.n == 0 || text.n >= sizeof(copy) || span_find_byte(text, '\0') < text.n) {
        return false;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(family, copy, out) == 1;
}

static bool is_tag(struct span tag)
{
    for (size_t i = 0; i < tag.n; i++) {
        if (!byte_is_alnum(tag.p[i]) && tag.p[i] != '-') {
            return false;
        }
    }
    return tag.n > 0 && tag.p[tag.n - 1] != '-';
}

// "tag:content" of a registered tag; there is none yet. Brackets in it would only confuse readers.
static bool is_general(struct span text)
{
    struct span content = text, tag = span_split(&content, ':');

    for (size_t i = 0; i < content.n; i++) {
        char c = content.p[i];

        if (c < 33 || c > 126 || c == '<' || c == '>' || (c >= '[' && c <= ']')) {
            return false;
        }
    }
    return content.n > 0 && is_tag(tag);
}

static enum err parse_literal(struct span inside, struct smtp_domain *out, const char **out_why)
{
    const struct span six = SPAN("IPv6:");

    out->text = inside;
    if (span_starts_nocase(inside, six)) {
        out->kind = SMTP_DOMAIN_IPV6;
        return read_ip(span_skip(inside, six.n), AF_INET6, out->ip)
                   ? ERR_OK
                   : refuse("the IPv6 address in brackets is broken", out_why);
    }
    if (read_ip(inside, AF_INET, out->ip)) {
        out->kind = SMTP_DOMAIN_IPV4;
        return ERR_OK;
    }
    out->kind = SMTP_DOMAIN_GENERAL;
    return is_general(inside) ? ERR_OK : refuse("the address in brackets is broken", out_why);
}

// ---- names --------------------------------------------------------------------------------------

static bool is_label_byte(char c)
{
    return byte_is_alnum(c) || c == '-' || c == '_' || (unsigned char)c > 127;
}

static const char *label_check(struct span label)
{
    if (label.n == 0) {
        return "the domain has an empty label";
    }
    for (size_t i = 0; i < label.n; i++) {
        if (!is_label_byte(label.p[i])) {
            return "the domain has a character that is not allowed";
        }
    }
    if (label.p[0] == '-' || label.p[label.n - 1] == '-') {
        return "a label of the domain begins or ends with a hyphen";
    }
    // The A-label of a U-label is measured when it is made.
    return label.n > SMTP_LABEL_BYTES_MAX && utf8_is_ascii(label)
               ? "a label of the domain is longer than 63 bytes"
               : NULL;
}

static const char *characters_check(struct span name)
{
    uint32_t c;

    while (name.n) {
        if (!utf8_next(&name, &c)) {
            return "the domain is not valid UTF-8";
        }
        if (smtp_is_hidden(c)) {
            return "the domain has a hidden character";
        }
    }
    return NULL;
}

static const char *name_check(struct span name)
{
    struct span rest = name;
    const char *why = NULL;

    if (name.n == 0) {
        return "the domain is empty";
    }
    if (name.n > SMTP_DOMAIN_BYTES_MAX) {
        return "the domain is longer than 255 bytes";
    }
    if (name.p[name.n - 1] == '.') {
        return "the domain ends with a dot";
    }
    while (rest.n && !why) {
        why = label_check(span_split(&rest, '.'));
    }
    return why ? why : characters_check(name);
}

enum err smtp_domain_parse(struct span text, struct smtp_domain *out, const char **out_why)
{
    struct smtp_domain got = {.kind = SMTP_DOMAIN_NAME, .text = text};
    enum err e = ERR_OK;

    if (text.n && text.p[0] == '[') {
        bool closed = text.n <= SMTP_DOMAIN_BYTES_MAX && text.p[text.n - 1] == ']';

        e = closed ? parse_literal(span_of(text.p + 1, text.n - 2), &got, out_why)
                   : refuse("the address in brackets is broken", out_why);
    } else {
        const char *why = name_check(text);

        e = why ? refuse(why, out_why) : ERR_OK;
    }
    if (!e) {
        *out = got;
    }
    return e;
}

// ---- one spelling -------------------------------------------------------------------------------

static enum err lower(struct span name, struct arena *arena, struct span *out)
{
    char *p = arena_alloc(arena, name.n + 1);

    if (!p) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < name.n; i++) {
        p[i] = byte_lower(name.p[i]);
    }
    *out = span_of(p, name.n);
    return ERR_OK;
}

static bool has_a_label(struct span name)
{
    while (name.n) {
        if (span_starts_nocase(span_split(&name, '.'), SPAN("xn--"))) {
            return true;
        }
    }
    return false;
}

// From a library's string, which is freed, to one in the arena.
static enum err keep(int result, char *text, struct arena *arena, struct span *out)
{
    enum err e = result == IDN2_MALLOC ? ERR_NOMEM : result != IDN2_OK ? ERR_INVALID : ERR_OK;

    if (!e) {
        *out = arena_dup(arena, span_from_str(text));
        e = out->p ? ERR_OK : ERR_NOMEM;
        idn2_free(text);
    }
    return e;
}

enum err smtp_domain_to_ascii(struct span name, struct arena *arena, struct span *out)
{
    char *ascii = NULL;

    if (name_check(name)) {
        return ERR_INVALID;
    }
    if (utf8_is_ascii(name) && !has_a_label(name)) {
        return lower(name, arena, out);
    }
    const char *copy = arena_str(arena, name);
    struct span got;

    if (!copy) {
        return ERR_NOMEM;
    }
    int result = idn2_to_ascii_8z(copy, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    enum err e = keep(result, ascii, arena, &got);

    // Mapping makes "/" and "@" of characters that only look like them.
    e = !e && name_check(got) ? ERR_INVALID : e;
    return e ? e : lower(got, arena, out);
}

enum err smtp_domain_to_unicode(struct span name, struct arena *arena, struct span *out)
{
    struct span ascii, unicode, again;
    char *text = NULL;
    enum err e = smtp_domain_to_ascii(name, arena, &ascii);

    if (e || !has_a_label(ascii)) {
        *out = e ? *out : ascii;
        return e;
    }
    const char *copy = arena_str(arena, ascii);

    if (!copy) {
        return ERR_NOMEM;
    }
    int result = idn2_to_unicode_8z8z(copy, &text, 0);

    e = keep(result, text, arena, &unicode);
    // A false A-label ("xn--a") or one that spells another's name does not come back as it went.
    e = e ? e : smtp_domain_to_ascii(unicode, arena, &again);
    if (!e && (utf8_is_ascii(unicode) || !span_eq(ascii, again))) {
        e = ERR_INVALID;
    }
    if (!e) {
        *out = unicode;
    }
    return e;
}

static enum err literal_text(const struct smtp_domain *in, struct arena *arena, struct span *out)
{
    char text[INET6_ADDRSTRLEN + 5] = "IPv6:";
    bool six = in->kind == SMTP_DOMAIN_IPV6;

    if (in->kind == SMTP_DOMAIN_GENERAL) {
        return lower(in->text, arena, out);
    }
    inet_ntop(six ? AF_INET6 : AF_INET, in->ip, six ? text + 5 : text, INET6_ADDRSTRLEN);
    *out = arena_dup(arena, span_from_str(text));
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err smtp_domain_canonical(const struct smtp_domain *in, struct arena *arena,
                               struct smtp_domain *out)
{
    struct smtp_domain got = *in;
    enum err e = in->kind == SMTP_DOMAIN_NAME ? smtp_domain_to_unicode(in->text, arena, &got.text)
                                              : literal_text(in, arena, &got.text);

    if (!e) {
        *out = got;
    }
    return e;
}
