// SPDX-License-Identifier: Apache-2.0
#include "wire/http/http_request.h"

#include "base/banned.h"

// ---- characters ---------------------------------------------------------------------------------

bool http_is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i]) && (s.p[i] == '\0' || !strchr("!#$%&'*+-.^_`|~", s.p[i]))) {
            return false;
        }
    }
    return s.n > 0;
}

bool http_is_field_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_ctl(s.p[i]) && s.p[i] != '\t') {
            return false;
        }
    }
    return true;
}

static struct span trim_blanks(struct span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s = span_skip(s, 1);
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

// ---- the request line ---------------------------------------------------------------------------

static enum http_method method_of(struct span text)
{
    static const char *const names[HTTP_METHOD_OTHER] = {
        [HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT",     [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
        [HTTP_PATCH] = "PATCH",
    };

    for (int i = 0; i < HTTP_METHOD_OTHER; i++) {
        if (span_eq(text, span_from_str(names[i]))) {
            return (enum http_method)i;
        }
    }
    return HTTP_METHOD_OTHER;
}

// 0, or the status that refuses it.
static unsigned parse_version(struct span text, unsigned *out_minor)
{
    if (text.n != 8 || !span_starts(text, SPAN("HTTP/")) || !byte_is_digit(text.p[5]) ||
        text.p[6] != '.' || !byte_is_digit(text.p[7])) {
        return 400;
    }
    if (text.p[5] != '1') {
        return 505;
    }
    *out_minor = text.p[7] == '0' ? 0 : 1; // RFC 9110 section 2.5: a later minor reads as ours
    return 0;
}

// reg-name of host names, or an address in brackets, and a port (RFC 9110 section 7.2).
static bool parse_host(struct span text, struct span *out)
{
    bool is_six = text.n && text.p[0] == '[';
    size_t end = is_six ? span_find_byte(text, ']') + 1 : span_find_byte(text, ':');
    struct span name = span_first(text, end), port = span_skip(text, end);
    uint64_t number;

    if (end > text.n || name.n > 255 || (is_six && name.n < 4) ||
        (port.n &&
         (port.p[0] != ':' || (port.n > 1 && !span_to_u64(span_skip(port, 1), 65535, &number))))) {
        return false;
    }
    for (size_t i = is_six; i + is_six < name.n; i++) {
        bool fits = is_six ? byte_hex(name.p[i]) >= 0 || name.p[i] == ':' || name.p[i] == '.'
                           : byte_is_alnum(name.p[i]) || name.p[i] == '-' || name.p[i] == '.' ||
                                 name.p[i] == '_';

        if (!fits) {
            return false;
        }
    }
    if (!is_six && name.n && name.p[name.n - 1] == '.') {
        name.n--;
    }
    *out = name;
    return true;
}

static bool parse_origin(struct span text, struct http_request *out)
{
    size_t mark = span_find_byte(text, '?');

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c <= ' ' || c >= 127 || c == '#') {
            return false;
        }
    }
    out->path = span_first(text, mark);
    out->has_query = mark < text.n;
    out->query = span_skip(text, mark + 1);
    return out->path.n && out->path.p[0] == '/';
}

// RFC 9112 section 3.2: the origin form, the absolute form, or "*".
static bool parse_target(struct span text, struct http_request *out)
{
    size_t scheme = span_starts_nocase(text, SPAN("http://"))    ? 7
                    : span_starts_nocase(text, SPAN("https://")) ? 8
                                                                 : 0;

    if (span_eq(text, SPAN("*"))) {
        out->path = text;
        return out->method == HTTP_OPTIONS;
    }
    if (!scheme) {
        return parse_origin(text, out);
    }
    struct span rest = span_skip(text, scheme);
    size_t slash = span_find_byte(rest, '/');

    return slash < rest.n && slash > 0 && parse_host(span_first(rest, slash), &out->host) &&
           out->host.n && parse_origin(span_skip(rest, slash), out);
}

static unsigned parse_request_line(struct span line, struct http_request *out)
{
    out->method_text = span_split(&line, ' ');
    out->method = method_of(out->method_text);
    struct span target = span_split(&line, ' ');
    unsigned status = parse_version(line, &out->minor);

    if (status) {
        return status;
    }
    return http_is_token(out->method_text) && parse_target(target, out) ? 0 : 400;
}

// ---- fields -------------------------------------------------------------------------------------

enum err http_parse_field(struct span line, struct http_field *out)
{
    size_t colon = span_find_byte(line, ':');
    struct http_field f = {span_first(line, colon), trim_blanks(span_skip(line, colon + 1))};

    // A folded line has no name, one with a blank before its colon is no token.
    if (colon == line.n || !http_is_token(f.name) || !http_is_field_value(f.value)) {
        return ERR_INVALID;
    }
    *out = f;
    return ERR_OK;
}

struct span http_field_of(const struct http_request *r, struct span name)
{
    for (size_t i = 0; i < r->field_n; i++) {
        if (span_eq_nocase(r->fields[i].name, name)) {
            return r->fields[i].value;
        }
    }
    return (struct span){NULL, 0};
}

static size_t count_fields(const struct http_request *r, struct span name)
{
    size_t n = 0;

    for (size_t i = 0; i < r->field_n; i++) {
        n += span_eq_nocase(r->fields[i].name, name);
    }
    return n;
}

static bool has_word(const struct http_request *r, struct span name, struct span word)
{
    for (size_t i = 0; i < r->field_n; i++) {
        struct span rest = r->fields[i].value;

        while (span_eq_nocase(r->fields[i].name, name) && rest.n) {
            if (span_eq_nocase(trim_blanks(span_split(&rest, ',')), word)) {
                return true;
            }
        }
    }
    return false;
}

static unsigned judge_host(struct http_request *r)
{
    const struct span name = SPAN("Host");
    size_t n = count_fields(r, name);
    struct span host = {NULL, 0};

    if (n > 1 || (n == 0 && r->minor > 0) || (n && !parse_host(http_field_of(r, name), &host))) {
        return 400;
    }
    if (!r->host.n) { // that of an absolute target counts more (RFC 9112 section 3.2.2)
        r->host = host;
    }
    return r->minor > 0 && !r->host.n ? 400 : 0;
}

// RFC 9112 section 6: which of the two ways, and never both.
static unsigned judge_framing(struct http_request *r)
{
    const struct span length = SPAN("Content-Length"), coding = SPAN("Transfer-Encoding");
    size_t lengths = count_fields(r, length), codings = count_fields(r, coding);

    if (lengths + codings > 1 || (codings && r->minor == 0)) {
        return 400;
    }
    if (codings) {
        r->framing = HTTP_CHUNKED;
        return span_eq_nocase(http_field_of(r, coding), SPAN("chunked")) ? 0 : 501;
    }
    if (lengths) {
        if (!span_to_u64(http_field_of(r, length), INT64_MAX, &r->length)) {
            return 400;
        }
        r->framing = r->length ? HTTP_LENGTH : HTTP_NO_BODY;
    }
    return 0;
}

static unsigned judge_expectation(struct http_request *r)
{
    struct span expect = http_field_of(r, SPAN("Expect"));

    if (!expect.p || r->minor == 0) {
        return 0;
    }
    r->expects_continue = r->framing != HTTP_NO_BODY;
    return span_eq_nocase(expect, SPAN("100-continue")) ? 0 : 417;
}

static unsigned parse_fields(struct span head, struct http_request *out)
{
    while (head.n > 2) { // the empty line is left
        size_t end = span_find_byte(head, '\r');

        if (out->field_n == HTTP_FIELDS_MAX) {
            return 431;
        }
        if (http_parse_field(span_first(head, end), &out->fields[out->field_n++]) != ERR_OK) {
            return 400;
        }
        head = span_skip(head, end + 2);
    }
    return 0;
}

enum err http_parse_head(struct span head, struct http_request *out, unsigned *out_status)
{
    size_t end = span_find_byte(head, '\r');

    *out = (struct http_request){0};
    unsigned status = parse_request_line(span_first(head, end), out);

    status = status ? status : parse_fields(span_skip(head, end + 2), out);
    status = status ? status : judge_host(out);
    status = status ? status : judge_framing(out);
    status = status ? status : judge_expectation(out);
    out->keeps_alive = out->minor > 0 && !has_word(out, SPAN("Connection"), SPAN("close"));
    if (status) {
        *out_status = status;
        return ERR_INVALID;
    }
    return ERR_OK;
}
