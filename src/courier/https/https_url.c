// SPDX-License-Identifier: Apache-2.0
#include "courier/https/https_url.h"

#include "base/banned.h"

#define HOST_BYTES_MAX 253

static bool is_host(struct span s)
{
    bool is_six = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
    struct span inside = is_six ? span_of(s.p + 1, s.n - 2) : s;

    for (size_t i = 0; i < inside.n; i++) {
        char c = inside.p[i];

        if (!byte_is_alnum(c) && c != '.' && (is_six ? c != ':' : c != '-')) {
            return false;
        }
    }
    return inside.n > 0 && s.n <= HOST_BYTES_MAX;
}

static bool is_path(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c <= ' ' || c > '~' || c == '"' || c == '<' || c == '>' || c == '\\' || c == '#' ||
            c == '{' || c == '}' || c == '|' || c == '^' || c == '`') {
            return false;
        }
    }
    return span_find(s, SPAN("/../")) == s.n && !span_ends(s, SPAN("/.."));
}

// ":8443", or nothing.
static bool take_port(struct span s, uint16_t *out)
{
    uint64_t port = 443;

    if (s.n && (s.p[0] != ':' || s.n < 2 || s.n > 6 ||
                !span_to_u64(span_skip(s, 1), 65535, &port) || port == 0)) {
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

enum err https_url_parse(struct span text, struct https_url *out)
{
    struct span rest = text;
    struct https_url u;

    if (text.n > HTTPS_URL_BYTES_MAX) {
        return ERR_LIMIT;
    }
    if (!span_starts_nocase(rest, SPAN("https://"))) {
        return ERR_INVALID;
    }
    rest = span_skip(rest, 8);
    size_t slash = span_find_byte(rest, '/');
    struct span place = span_first(rest, slash);
    size_t bracket = span_find_byte(place, ']');
    size_t end = bracket < place.n ? bracket + 1 : span_find_byte(place, ':');

    u.path = span_skip(rest, slash);
    u.host = span_first(place, end);
    if (!is_host(u.host) || !take_port(span_skip(place, end), &u.port) || !is_path(u.path)) {
        return ERR_INVALID;
    }
    *out = u;
    return ERR_OK;
}
