// SPDX-License-Identifier: Apache-2.0
#include "wire/imap/imap_url.h"

#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

#define PARTIAL_MAX ((uint64_t)INT64_MAX)

// Where the reader is, and why it stopped.
struct url_reader {
    struct span text;
    size_t at;
    struct arena *arena;
    const char *why;
};

static enum err refuse(struct url_reader *r, const char *why)
{
    r->why = why;
    return ERR_INVALID;
}

static struct span rest_of(const struct url_reader *r)
{
    return span_skip(r->text, r->at);
}

static bool at_end(const struct url_reader *r)
{
    return r->at == r->text.n;
}

static bool take_word(struct url_reader *r, struct span word)
{
    bool is_there = span_starts_nocase(rest_of(r), word);

    r->at += is_there ? word.n : 0;
    return is_there;
}

// ---- characters (RFC 5092 section 11) -----------------------------------------------------------

// achar: what is neither reserved nor to be encoded, "&", "=", and "%".
static bool is_achar(char c)
{
    static const char others[] = "-._~!$'()*+,&=%";

    return byte_is_alnum(c) || (c && memchr(others, c, sizeof(others) - 1));
}

static bool is_bchar(char c)
{
    return is_achar(c) || c == ':' || c == '@' || c == '/';
}

static struct span take_run(struct url_reader *r, bool (*is_part)(char c))
{
    size_t from = r->at;

    while (!at_end(r) && is_part(r->text.p[r->at])) {
        r->at++;
    }
    return span_of(r->text.p + from, r->at - from);
}

static enum err decode(struct url_reader *r, struct span text, struct span *out)
{
    char *p = arena_alloc(r->arena, text.n + 1);
    size_t n = 0;

    if (!p) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c == '%') {
            int high = i + 2 < text.n ? byte_hex(text.p[i + 1]) : -1;
            int low = i + 2 < text.n ? byte_hex(text.p[i + 2]) : -1;

            if (high < 0 || low < 0 || !(high | low)) {
                return refuse(r, "expected two hexadecimal digits, not 00, after \"%\"");
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        p[n++] = c;
    }
    *out = span_of(p, n);
    return ERR_OK;
}

static enum err take_number(struct url_reader *r, uint64_t min, uint64_t max, uint64_t *out)
{
    struct span digits = rest_of(r);
    size_t n = 0;

    while (n < digits.n && byte_is_digit(digits.p[n])) {
        n++;
    }
    if (!span_to_u64(span_first(digits, n), max, out) || *out < min) {
        return refuse(r, "expected a number within its bounds");
    }
    r->at += n;
    return ERR_OK;
}

static enum err take_nz_u32(struct url_reader *r, uint32_t *out)
{
    uint64_t v;
    enum err e = take_number(r, 1, UINT32_MAX, &v);

    *out = e ? 0 : (uint32_t)v;
    return e;
}

// ---- the server ---------------------------------------------------------------------------------

static enum err read_user(struct url_reader *r, struct span info, struct imap_url *out)
{
    struct url_reader in = {.text = info, .arena = r->arena};
    struct span user = take_run(&in, is_achar);
    enum err e = ERR_OK;

    if (user.n) {
        e = decode(r, user, &out->user);
    }
    if (!e && take_word(&in, SPAN(";AUTH="))) {
        struct span auth = take_run(&in, is_achar);

        e = auth.n ? decode(r, auth, &out->auth) : refuse(r, "expected a mechanism after AUTH=");
    } else if (!e && !user.n) {
        e = refuse(r, "expected a user name before \"@\"");
    }
    return e ? e : at_end(&in) ? ERR_OK : refuse(r, "a user name holds a character it may not");
}

static bool is_host_char(char c)
{
    return is_achar(c) && c != '&' && c != '=';
}

static bool is_address_char(char c)
{
    return byte_hex(c) >= 0 || c == ':' || c == '.';
}

static enum err read_host(struct url_reader *r, struct span host, struct imap_url *out)
{
    struct url_reader in = {.text = host, .arena = r->arena};
    bool is_address = take_word(&in, SPAN("["));
    struct span name = take_run(&in, is_address ? is_address_char : is_host_char);
    uint64_t port = 0;

    if (!name.n || (is_address && !take_word(&in, SPAN("]")))) {
        return refuse(r, "expected the name or the address of a host");
    }
    enum err e = decode(r, name, &out->host);

    if (!e && take_word(&in, SPAN(":")) && !at_end(&in)) {
        e = take_number(&in, 0, UINT16_MAX, &port);
        r->why = e ? in.why : r->why;
    }
    out->port = (uint16_t)port;
    return e ? e : at_end(&in) ? ERR_OK : refuse(r, "expected \"/\" after the host");
}

static enum err read_server(struct url_reader *r, struct imap_url *out)
{
    struct span rest = rest_of(r);
    size_t n = span_find_byte(rest, '/'), query = span_find_byte(rest, '?');
    struct span server = span_first(rest, n < query ? n : query);
    size_t at = span_find_byte(server, '@');
    enum err e = at < server.n ? read_user(r, span_first(server, at), out) : ERR_OK;

    r->at += server.n;
    out->has_server = true;
    return e ? e : read_host(r, at < server.n ? span_skip(server, at + 1) : server, out);
}

// ---- the message --------------------------------------------------------------------------------

// Takes "/" off the end of what stands before ";UID=" and the like.
static enum err take_slash(struct url_reader *r, struct span *before)
{
    if (!before->n || before->p[before->n - 1] != '/') {
        return refuse(r, "expected \"/\" before this parameter");
    }
    before->n--;
    return ERR_OK;
}

static bool is_next(const struct url_reader *r, struct span word)
{
    return span_starts_nocase(rest_of(r), word);
}

// "HEADER.FIELDS (DATE FROM)", "1.2.MIME": what stands in the brackets of FETCH BODY[...].
static enum err read_section(struct url_reader *r, struct span text, struct imap_section *out)
{
    struct imap_parse_error error = {.expected = ""};
    struct imap_cursor c = {.arena = r->arena, .error = &error};
    enum err e = decode(r, text, &c.text);

    if (e) {
        return e;
    }
    // decode leaves room for one byte more.
    ((char *)(uintptr_t)c.text.p)[c.text.n++] = ']';
    e = text.n ? imap_take_section(&c, true, out) : refuse(r, "expected a section");
    if (!e && !imap_at_end(&c)) {
        e = imap_expected(&c, "expected the end of the section");
    }
    r->why = e && text.n ? error.expected : r->why;
    return e;
}

static enum err take_section(struct url_reader *r, struct imap_url *out)
{
    struct span text = take_run(r, is_bchar);
    enum err e = is_next(r, SPAN(";PARTIAL=")) ? take_slash(r, &text) : ERR_OK;

    return e ? e : read_section(r, text, &out->section);
}

static enum err take_partial(struct url_reader *r, struct imap_url *out)
{
    enum err e = take_number(r, 0, PARTIAL_MAX, &out->offset);

    out->has_partial = true;
    if (!e && take_word(r, SPAN("."))) {
        e = take_number(r, 1, PARTIAL_MAX, &out->length);
    }
    return e;
}

// From ";UID=" on.
static enum err take_part(struct url_reader *r, struct imap_url *out)
{
    enum err e = take_nz_u32(r, &out->uid);

    if (!e && take_word(r, SPAN("/;SECTION="))) {
        e = take_section(r, out);
        if (!e && take_word(r, SPAN(";PARTIAL="))) {
            e = take_partial(r, out);
        }
    } else if (!e && take_word(r, SPAN("/;PARTIAL="))) {
        e = take_partial(r, out);
    }
    return e;
}

static enum err take_mailbox(struct url_reader *r, struct imap_url *out)
{
    struct span name = take_run(r, is_bchar);
    enum err e = ERR_OK;

    if (take_word(r, SPAN(";UIDVALIDITY="))) {
        e = take_nz_u32(r, &out->uidvalidity);
        if (!e && is_next(r, SPAN("/;UID="))) {
            r->at++;
        } else if (!e && is_next(r, SPAN(";UID="))) {
            e = refuse(r, "expected \"/\" before UID");
        }
    } else if (is_next(r, SPAN(";UID="))) {
        e = take_slash(r, &name);
    }
    if (e) {
        return e;
    }
    return name.n ? decode(r, name, &out->mailbox) : refuse(r, "expected the name of a mailbox");
}

// ---- who may use it (RFC 4467) ------------------------------------------------------------------

static bool take_digits(struct url_reader *r, size_t n, int *out)
{
    int v = 0;

    for (size_t i = 0; i < n; i++) {
        if (at_end(r) || !byte_is_digit(r->text.p[r->at])) {
            return false;
        }
        v = v * 10 + (r->text.p[r->at++] - '0');
    }
    *out = v;
    return true;
}

static bool take_zone(struct url_reader *r, int64_t *out_seconds)
{
    int hours, minutes, sign = is_next(r, SPAN("-")) ? -1 : 1;

    *out_seconds = 0;
    if (take_word(r, SPAN("Z"))) {
        return true;
    }
    if (!take_word(r, SPAN("+")) && !take_word(r, SPAN("-"))) {
        return false;
    }
    if (!take_digits(r, 2, &hours) || !take_word(r, SPAN(":")) || !take_digits(r, 2, &minutes) ||
        hours > 23 || minutes > 59) {
        return false;
    }
    *out_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

// RFC 3339 section 5.6. A second 60 is the last of its minute.
static enum err take_date_time(struct url_reader *r, int64_t *out)
{
    static const char expected[] = "expected a time such as 2026-11-27T18:00:00Z";
    int year, month, day, hour, minute, second, fraction;
    int64_t zone;

    if (!take_digits(r, 4, &year) || !take_word(r, SPAN("-")) || !take_digits(r, 2, &month) ||
        !take_word(r, SPAN("-")) || !take_digits(r, 2, &day) || !take_word(r, SPAN("T")) ||
        !take_digits(r, 2, &hour) || !take_word(r, SPAN(":")) || !take_digits(r, 2, &minute) ||
        !take_word(r, SPAN(":")) || !take_digits(r, 2, &second)) {
        return refuse(r, expected);
    }
    if (take_word(r, SPAN("."))) {
        if (!take_digits(r, 1, &fraction)) {
            return refuse(r, expected);
        }
        while (take_digits(r, 1, &fraction)) {
        }
    }
    if (!take_zone(r, &zone) || year < 1 || month < 1 || month > 12 || day < 1 || hour > 23 ||
        minute > 59 || second > 60) {
        return refuse(r, expected);
    }
    int32_t days = imap_days_from_date(year, month, day);
    int y, m, d;

    imap_date_from_days(days, &y, &m, &d);
    if (y != year || m != month || d != day) {
        return refuse(r, expected);
    }
    *out = (int64_t)days * 86400 + hour * 3600 + minute * 60 + (second > 59 ? 59 : second) - zone;
    return ERR_OK;
}

static enum err take_access(struct url_reader *r, struct imap_url *out)
{
    static const char expected[] = "expected submit+, user+, authuser or anonymous";
    bool is_submit = take_word(r, SPAN("submit+"));

    if (is_submit || take_word(r, SPAN("user+"))) {
        struct span user = take_run(r, is_achar);

        out->access = is_submit ? IMAP_URL_SUBMIT : IMAP_URL_USER;
        return user.n ? decode(r, user, &out->access_user)
                      : refuse(r, "expected a user name after \"+\"");
    }
    out->access = take_word(r, SPAN("authuser"))    ? IMAP_URL_AUTHUSER
                  : take_word(r, SPAN("anonymous")) ? IMAP_URL_ANONYMOUS
                                                    : IMAP_URL_OPEN;
    return out->access ? ERR_OK : refuse(r, expected);
}

static bool is_mechanism_char(char c)
{
    return byte_is_alnum(c) || c == '-' || c == '.';
}

static bool is_hex(char c)
{
    return byte_hex(c) >= 0;
}

static enum err take_verifier(struct url_reader *r, struct imap_url *out)
{
    out->mechanism = take_run(r, is_mechanism_char);
    if (!out->mechanism.n) {
        return refuse(r, "expected a mechanism such as INTERNAL");
    }
    if (!take_word(r, SPAN(":"))) {
        return refuse(r, "expected \":\" and a token after the mechanism");
    }
    out->token = take_run(r, is_hex);
    return out->token.n >= IMAP_URL_TOKEN_BYTES_MIN
               ? ERR_OK
               : refuse(r, "expected a token of 32 or more hexadecimal digits");
}

static enum err take_urlauth(struct url_reader *r, struct imap_url *out)
{
    enum err e = ERR_OK;

    if (take_word(r, SPAN(";EXPIRE="))) {
        out->has_expire = true;
        e = take_date_time(r, &out->expire);
        if (!e && !is_next(r, SPAN(";URLAUTH="))) {
            e = refuse(r, "expected URLAUTH after EXPIRE");
        }
    }
    if (e || !take_word(r, SPAN(";URLAUTH="))) {
        return e;
    }
    e = take_access(r, out);
    out->rump = span_first(r->text, r->at);
    return !e && take_word(r, SPAN(":")) ? take_verifier(r, out) : e;
}

// ---- the whole ----------------------------------------------------------------------------------

// What follows the server's "/".
static enum err take_command(struct url_reader *r, struct imap_url *out)
{
    enum err e = take_mailbox(r, out);

    if (e) {
        return e;
    }
    if (take_word(r, SPAN("?"))) {
        out->has_search = true;
        return take_run(r, is_bchar).n ? ERR_OK : refuse(r, "expected a search after \"?\"");
    }
    if (!take_word(r, SPAN(";UID="))) {
        return ERR_OK;
    }
    e = take_part(r, out);
    return e ? e : take_urlauth(r, out);
}

static enum err read_url(struct url_reader *r, struct imap_url *out)
{
    enum err e = ERR_OK;

    if (take_word(r, SPAN("imap://")) || take_word(r, SPAN("//"))) {
        e = read_server(r, out);
        if (e || at_end(r)) {
            return e;
        }
    }
    if (!take_word(r, SPAN("/"))) {
        return refuse(r, "expected an absolute IMAP URL or a path that begins with \"/\"");
    }
    e = at_end(r) ? ERR_OK : take_command(r, out);
    return e ? e : at_end(r) ? ERR_OK : refuse(r, "expected the end of the URL");
}

enum err imap_url_parse(struct span url, struct arena *arena, struct imap_url *out,
                        const char **out_why)
{
    struct url_reader r = {.text = url, .arena = arena, .why = "there is no memory for the URL"};
    struct imap_url u = {.has_server = false};

    if (url.n > IMAP_URL_BYTES_MAX) {
        *out_why = "the URL is longer than 8,192 bytes";
        return ERR_LIMIT;
    }
    enum err e = read_url(&r, &u);

    *out_why = r.why;
    if (!e) {
        *out = u;
    }
    return e;
}
