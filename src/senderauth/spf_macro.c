// SPDX-License-Identifier: Apache-2.0
//
// SPF's macros: RFC 7208 section 7, RFC 8616 section 4.
#include <arpa/inet.h>

#include "base/utf8.h"
#include "senderauth/spf_internal.h"

#include "base/banned.h"

#define EXPANDED_BYTES_MAX 4096

struct macro {
    char letter; // lower case; or '%', '_', '-' for the three without braces
    bool is_escaped, is_reversed;
    uint64_t parts; // 0: all
    struct span delimiters;
};

static bool is_delimiter(char c)
{
    return c && strchr(".-+,/_=", c) != NULL;
}

// Takes one macro off the front of `*s`, which begins with '%'.
static bool take_macro(struct span *s, struct macro *out)
{
    size_t i = 2, start;

    *out = (struct macro){0};
    if (s->n < 2) {
        return false;
    }
    out->letter = s->p[1];
    if (out->letter == '%' || out->letter == '_' || out->letter == '-') {
        *s = span_skip(*s, 2);
        return true;
    }
    if (out->letter != '{' || s->n < 4) {
        return false;
    }
    out->letter = byte_lower(s->p[i]);
    out->is_escaped = out->letter != s->p[i];
    start = ++i;
    while (i < s->n && byte_is_digit(s->p[i])) {
        i++;
    }
    if (i > start &&
        (!span_to_u64(span_first(span_skip(*s, start), i - start), UINT32_MAX, &out->parts) ||
         out->parts == 0)) {
        return false;
    }
    if (i < s->n && byte_lower(s->p[i]) == 'r') {
        out->is_reversed = true;
        i++;
    }
    start = i;
    while (i < s->n && is_delimiter(s->p[i])) {
        i++;
    }
    out->delimiters = span_first(span_skip(*s, start), i - start);
    if (i == s->n || s->p[i] != '}') {
        return false;
    }
    *s = span_skip(*s, i + 1);
    return true;
}

static bool is_known_letter(char c, bool is_text)
{
    return c && (strchr("slodiphv%_-", c) || (is_text && strchr("crt", c)));
}

// A label that a literal domain-spec may end in.
static bool is_top_label(struct span s)
{
    bool has_alpha = false, has_dash = false;

    for (size_t i = 0; i < s.n; i++) {
        has_alpha |= byte_is_alpha(s.p[i]);
        has_dash |= s.p[i] == '-';
        if (!byte_is_alnum(s.p[i]) && s.p[i] != '-') {
            return false;
        }
    }
    return s.n && s.p[0] != '-' && s.p[s.n - 1] != '-' && (has_alpha || has_dash);
}

// `tail` is what follows the last macro of the spec: it must end in ".toplabel".
static bool is_domain_end(struct span tail, bool has_macro)
{
    size_t at;

    if (tail.n == 0) {
        return has_macro;
    }
    if (tail.p[tail.n - 1] == '.') {
        tail.n--;
    }
    at = tail.n;
    while (at && tail.p[at - 1] != '.') {
        at--;
    }
    return at && is_top_label(span_skip(tail, at));
}

bool spf_macro_is_valid(struct span spec, bool is_text)
{
    struct span rest = spec, tail = spec;
    bool has_macro = false;

    while (rest.n) {
        char c = rest.p[0];
        struct macro m;

        if (c == '%') {
            if (!take_macro(&rest, &m) || !is_known_letter(m.letter, is_text)) {
                return false;
            }
            has_macro = true;
            tail = rest;
        } else if (c < 32 || c > 126 || (c == ' ' && !is_text)) {
            return false;
        } else {
            rest = span_skip(rest, 1);
        }
    }
    return is_text || is_domain_end(tail, has_macro);
}

void spf_put_dotted(struct buf *out, const struct ip_address *ip)
{
    size_t n = ip->is_ip6 ? 16 : 4;

    for (size_t i = 0; i < n; i++) {
        if (i) {
            buf_put_byte(out, '.');
        }
        if (ip->is_ip6) {
            buf_printf(out, "%X.%X", ip->bytes[i] >> 4, ip->bytes[i] & 15);
        } else {
            buf_put_u64(out, ip->bytes[i]);
        }
    }
}

void spf_put_arpa(struct buf *out, const struct ip_address *ip)
{
    struct ip_address turned = *ip;
    size_t n = ip->is_ip6 ? 16 : 4;

    for (size_t i = 0; i < n; i++) {
        uint8_t b = ip->bytes[n - 1 - i];

        turned.bytes[i] = ip->is_ip6 ? (uint8_t)((unsigned)b << 4 | b >> 4) : b;
    }
    spf_put_dotted(out, &turned);
    buf_put_str(out, ip->is_ip6 ? ".ip6.arpa" : ".in-addr.arpa");
}

// %{p}: the name of the client that fits the domain best.
static enum err put_client_name(struct spf_run *run, struct span domain, struct buf *out)
{
    size_t best = 0;
    int best_rank = 0;
    enum err e = ERR_OK;

    if (!run->has_used_names) {
        run->has_used_names = true;
        spf_count_lookup(run);
    }
    e = spf_validated_names(run);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < run->name_count; i++) {
        struct span name = domain_name_span(&run->names[i]);
        int rank = span_eq(name, domain) ? 3 : domain_name_is_within(name, domain) ? 2 : 1;

        if (rank > best_rank) {
            best_rank = rank;
            best = i;
        }
    }
    buf_put(out, best_rank ? domain_name_span(&run->names[best]) : SPAN("unknown"));
    return ERR_OK;
}

// The value of a letter, before parts are taken.
static enum err put_value(struct spf_run *run, char letter, struct span domain, struct buf *out)
{
    char text[INET6_ADDRSTRLEN] = "";

    switch (letter) {
    case 's':
    case 'l':
        if (!utf8_is_ascii(run->local)) {
            return ERR_NOT_FOUND;
        }
        buf_put(out, run->local);
        if (letter == 's') {
            buf_put_byte(out, '@');
            buf_put(out, domain_name_span(&run->sender_domain));
        }
        break;
    case 'o':
        buf_put(out, domain_name_span(&run->sender_domain));
        break;
    case 'd':
        buf_put(out, domain);
        break;
    case 'i':
        spf_put_dotted(out, &run->q->ip);
        break;
    case 'p':
        return put_client_name(run, domain, out);
    case 'h':
        buf_put(out, run->helo.n ? domain_name_span(&run->helo) : SPAN("unknown"));
        break;
    case 'v':
        buf_put_str(out, run->q->ip.is_ip6 ? "ip6" : "in-addr");
        break;
    case 'c':
        inet_ntop(run->q->ip.is_ip6 ? AF_INET6 : AF_INET, run->q->ip.bytes, text, sizeof(text));
        buf_put_str(out, text);
        break;
    case 'r':
        buf_put(out, run->q->receiver.n ? run->q->receiver : SPAN("unknown"));
        break;
    default:
        buf_printf(out, "%lld", (long long)run->q->unix_seconds);
        break;
    }
    return ERR_OK;
}

static bool is_split_at(const struct macro *m, char c)
{
    return m->delimiters.n ? memchr(m->delimiters.p, c, m->delimiters.n) != NULL : c == '.';
}

// Splits the value, turns it round, keeps the last parts, joins them with dots.
static void put_parts(struct buf *out, const struct macro *m, struct span value)
{
    size_t count = 1, skip, at = m->is_reversed ? value.n : 0;

    for (size_t i = 0; i < value.n; i++) {
        count += is_split_at(m, value.p[i]);
    }
    skip = m->parts && m->parts < count ? count - (size_t)m->parts : 0;
    for (size_t i = 0; i < count; i++) {
        size_t from = at, to = at;

        if (m->is_reversed) {
            while (from && !is_split_at(m, value.p[from - 1])) {
                from--;
            }
            at = from ? from - 1 : 0;
        } else {
            while (to < value.n && !is_split_at(m, value.p[to])) {
                to++;
            }
            at = to + 1;
        }
        if (i >= skip) {
            buf_put(out, i > skip ? SPAN(".") : SPAN(""));
            buf_put(out, span_first(span_skip(value, from), to - from));
        }
    }
}

static void put_escaped(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (byte_is_alnum(c) || (c && strchr("-._~", c))) {
            buf_put_byte(out, c);
        } else {
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
        }
    }
}

static enum err put_macro(struct spf_run *run, const struct macro *m, struct span domain,
                          struct buf *out)
{
    struct buf value, parts;
    enum err e = ERR_OK;

    if (m->letter == '%' || m->letter == '_' || m->letter == '-') {
        buf_put_str(out, m->letter == '%' ? "%" : m->letter == '_' ? " " : "%20");
        return ERR_OK;
    }
    buf_init(&value, EXPANDED_BYTES_MAX);
    buf_init(&parts, EXPANDED_BYTES_MAX);
    e = put_value(run, m->letter, domain, &value);
    if (e == ERR_OK) {
        put_parts(&parts, m, buf_span(&value));
        if (m->is_escaped) {
            put_escaped(out, buf_span(&parts));
        } else {
            buf_put(out, buf_span(&parts));
        }
    }
    buf_finish(&value);
    buf_finish(&parts);
    return e;
}

enum err spf_macro_expand(struct spf_run *run, struct span spec, struct span domain,
                          struct buf *out)
{
    struct span rest = spec;

    while (rest.n) {
        size_t plain = span_find_byte(rest, '%');
        struct macro m;

        buf_put(out, span_first(rest, plain));
        rest = span_skip(rest, plain);
        if (rest.n == 0) {
            break;
        }
        if (!take_macro(&rest, &m)) {
            return ERR_INVALID;
        }
        enum err e = put_macro(run, &m, domain, out);

        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}
