// SPDX-License-Identifier: Apache-2.0
#include "wire/milter/milter.h"

#include "base/bytes.h"

#include "base/banned.h"

#define HEAD_BYTES 5

// ---- writing ------------------------------------------------------------------------------------

static void put_u32(struct buf *out, uint32_t v)
{
    char bytes[4];

    put_be32(bytes, v);
    buf_put(out, span_of(bytes, sizeof(bytes)));
}

static void put_head(struct buf *out, size_t data_bytes, enum milter_command command)
{
    put_u32(out, (uint32_t)(data_bytes + 1));
    buf_put_byte(out, (char)command);
}

// Their bytes with the NULs; false when one holds a NUL or the whole is too long.
static bool measure(const struct span *strings, size_t n, size_t *out)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (span_find_byte(strings[i], '\0') < strings[i].n ||
            strings[i].n > MILTER_PACKET_BYTES_MAX || sum > MILTER_PACKET_BYTES_MAX) {
            return false;
        }
        sum += strings[i].n + 1;
    }
    *out = sum;
    return true;
}

static void put_strings(struct buf *out, const struct span *strings, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_put(out, strings[i]);
        buf_put_byte(out, '\0');
    }
}

enum err milter_strings_put(struct buf *out, enum milter_command command,
                            const struct span *strings, size_t n)
{
    size_t bytes;

    if (!measure(strings, n, &bytes)) {
        return ERR_INVALID;
    }
    put_head(out, bytes, command);
    put_strings(out, strings, n);
    return buf_result(out);
}

enum err milter_macros_put(struct buf *out, enum milter_command about, const struct span *strings,
                           size_t n)
{
    size_t bytes;

    if (n % 2 || !measure(strings, n, &bytes)) {
        return ERR_INVALID;
    }
    put_head(out, bytes + 1, MILTER_MACROS);
    buf_put_byte(out, (char)about);
    put_strings(out, strings, n);
    return buf_result(out);
}

enum err milter_connect_put(struct buf *out, struct span host, enum milter_family family,
                            uint16_t port, struct span address)
{
    struct span both[] = {host, address};
    size_t bytes;
    char port_bytes[2];

    if (!measure(both, 2, &bytes)) {
        return ERR_INVALID;
    }
    if (family == MILTER_NO_ADDRESS) {
        put_head(out, host.n + 2, MILTER_CONNECT);
        put_strings(out, &host, 1);
        buf_put_byte(out, (char)family);
        return buf_result(out);
    }
    put_head(out, bytes + 3, MILTER_CONNECT);
    put_strings(out, &host, 1);
    buf_put_byte(out, (char)family);
    put_be16(port_bytes, port);
    buf_put(out, span_of(port_bytes, 2));
    put_strings(out, &address, 1);
    return buf_result(out);
}

void milter_negotiate_put(struct buf *out, uint32_t actions, uint32_t steps)
{
    put_head(out, 12, MILTER_NEGOTIATE);
    put_u32(out, MILTER_VERSION);
    put_u32(out, actions);
    put_u32(out, steps);
}

enum err milter_body_put(struct buf *out, struct span piece)
{
    if (piece.n > MILTER_BODY_BYTES_MAX) {
        return ERR_LIMIT;
    }
    put_head(out, piece.n, MILTER_BODY);
    buf_put(out, piece);
    return buf_result(out);
}

void milter_simple_put(struct buf *out, enum milter_command command)
{
    put_head(out, 0, command);
}

// ---- reading ------------------------------------------------------------------------------------

static bool take_string(struct span *rest, struct span *out)
{
    size_t n = span_find_byte(*rest, '\0');

    if (n == rest->n) {
        return false;
    }
    *out = span_first(*rest, n);
    *rest = span_skip(*rest, n + 1);
    return true;
}

static bool take_u32(struct span *rest, uint32_t *out)
{
    struct span bytes;

    if (!bytes_take(rest, 4, &bytes)) {
        return false;
    }
    *out = get_be32(bytes.p);
    return true;
}

// "550 5.7.1 text": the filter may only refuse.
static bool read_code(struct milter_reply *r)
{
    uint64_t code;

    if (!span_to_u64(span_first(r->text, 3), 599, &code) || code < 400 ||
        (r->text.n > 3 && r->text.p[3] != ' ' && r->text.p[3] != '-')) {
        return false;
    }
    r->code = (unsigned)code;
    return true;
}

static bool read_data(struct span rest, struct milter_reply *r)
{
    switch (r->answer) {
    case MILTER_ADD_RCPT:
    case MILTER_DELETE_RCPT:
    case MILTER_QUARANTINE:
        return take_string(&rest, &r->text) && rest.n == 0;
    case MILTER_REPLY:
        return take_string(&rest, &r->text) && rest.n == 0 && read_code(r);
    case MILTER_ADD_RCPT_PARAMS:
    case MILTER_CHANGE_FROM:
        return take_string(&rest, &r->text) &&
               (rest.n == 0 || (take_string(&rest, &r->params) && rest.n == 0));
    case MILTER_REPLACE_BODY:
        r->text = rest;
        return true;
    case MILTER_INSERT_HEADER:
    case MILTER_CHANGE_HEADER:
        if (!take_u32(&rest, &r->index)) {
            return false;
        }
        return take_string(&rest, &r->name) && take_string(&rest, &r->value) && rest.n == 0 &&
               r->name.n > 0;
    case MILTER_ADD_HEADER:
        return take_string(&rest, &r->name) && take_string(&rest, &r->value) && rest.n == 0 &&
               r->name.n > 0;
    case MILTER_NEGOTIATED: // lists of wanted macros may follow; ours are fixed
        return take_u32(&rest, &r->version) && take_u32(&rest, &r->actions) &&
               take_u32(&rest, &r->steps);
    case MILTER_ACCEPT:
    case MILTER_CONTINUE:
    case MILTER_DISCARD:
    case MILTER_PROGRESS:
    case MILTER_REJECT:
    case MILTER_SKIP:
    case MILTER_TEMPFAIL:
    case MILTER_CONNECTION_FAIL:
    case MILTER_SHUTDOWN:
        return rest.n == 0;
    }
    return false;
}

enum err milter_read(struct span input, struct milter_reply *out, size_t *out_bytes)
{
    struct milter_reply got = {.text = SPAN(""), .params = SPAN("")};

    if (input.n < HEAD_BYTES) {
        return ERR_AGAIN;
    }
    uint32_t n = get_be32(input.p);

    if (n == 0) {
        return ERR_INVALID;
    }
    if (n > MILTER_PACKET_BYTES_MAX) {
        return ERR_LIMIT;
    }
    if (input.n - 4 < n) {
        return ERR_AGAIN;
    }
    got.answer = (enum milter_answer)input.p[4];
    if (!read_data(span_of(input.p + HEAD_BYTES, n - 1), &got)) {
        return ERR_INVALID;
    }
    *out = got;
    *out_bytes = (size_t)n + 4;
    return ERR_OK;
}
