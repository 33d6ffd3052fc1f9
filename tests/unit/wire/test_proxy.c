// SPDX-License-Identifier: Apache-2.0
//
// PROXY headers: whole, cut everywhere (never an answer before the end), and broken.
#include "../test.h"
#include "base/buf.h"
#include "wire/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct {
    struct span in; // with some of what follows
    enum err want;
    const char *text;
} rows[] = {
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\nEHLO x\r\n"), ERR_OK,
     "1 44 c0000201:56324 c6336402:25"},
    {BYTES("PROXY TCP6 2001:db8::1 ::1 65535 1\r\n"), ERR_OK,
     "1 36 20010db8000000000000000000000001:65535 00000000000000000000000000000001:1"},
    {BYTES("PROXY UNKNOWN\r\n"), ERR_OK, "1 15 local"},
    {BYTES("PROXY UNKNOWN ffff:f...f:ffff ffff 65535 65535\r\n"), ERR_OK, "1 48 local"},
    {BYTES(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19"
                     "EHLO"),
     ERR_OK, "2 28 c0000201:56324 c6336402:25"},
    {BYTES(SIGNATURE "\x21\x11\0\x1f\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19"
                     "\x20\0\5\1\0\0\0\0\2\0\3m.x\4\0\2\0\0"),
     ERR_OK, "2 47 c0000201:56324 c6336402:25 tls m.x"},
    {BYTES(SIGNATURE "\x20\0\0\0"), ERR_OK, "2 16 local"},
    {BYTES(SIGNATURE "\x20\x11\0\3abc"), ERR_OK, "2 19 local"},
    {BYTES(SIGNATURE "\x21\0\0\1a"), ERR_OK, "2 17 local"},
    {BYTES(""), ERR_AGAIN, NULL},
    {BYTES("PRO"), ERR_AGAIN, NULL},
    {BYTES("\r\n\r\n"), ERR_AGAIN, NULL},
    {BYTES("EHLO x\r\n"), ERR_INVALID, NULL},
    {BYTES("proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP4 ::1 ::1 1 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 1\r\n"), ERR_INVALID, NULL},
    {BYTES("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
     ERR_LIMIT, NULL},
    {BYTES(SIGNATURE "\x11\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19"), ERR_INVALID, NULL},
    {BYTES(SIGNATURE "\x22\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19"), ERR_INVALID, NULL},
    {BYTES(SIGNATURE "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19"), ERR_INVALID, NULL},
    {BYTES(SIGNATURE "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0"), ERR_INVALID, NULL},
    {BYTES(SIGNATURE "\x21\x21\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19"), ERR_INVALID, NULL},
    {BYTES(SIGNATURE "\x21\x11\xff\xff"), ERR_LIMIT, NULL},
    {BYTES(SIGNATURE "\x21\x11\0\x0f\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19\1\0\2"), ERR_INVALID,
     NULL},
    {BYTES(SIGNATURE "\x21\x11\0\x13\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19\3\0\4\0\0\0\0"),
     ERR_INVALID, NULL},
};

static void put_hex(struct buf *out, const unsigned char *ip, size_t n, unsigned port)
{
    buf_put_byte(out, ' ');
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%02x", ip[i]);
    }
    buf_printf(out, ":%u", port);
}

static void describe(struct buf *out, const struct proxy_header *h, size_t bytes)
{
    size_t n = h->family == PROXY_IPV4 ? 4 : 16;

    buf_printf(out, "%d %zu", h->version, bytes);
    if (h->family == PROXY_LOCAL) {
        buf_put_str(out, " local");
        return;
    }
    put_hex(out, h->source, n, h->source_port);
    put_hex(out, h->target, n, h->target_port);
    if (h->tls) {
        buf_printf(out, " tls %.*s", SPAN_ARG(h->authority));
    }
}

static void check_row(size_t i, size_t n)
{
    struct proxy_header h;
    size_t bytes = 0;
    struct buf got;
    enum err e = proxy_read(span_first(rows[i].in, n), &h, &bytes);

    if (e == ERR_AGAIN && n < rows[i].in.n) {
        return;
    }
    if (e != rows[i].want) {
        fail_msg("row %zu cut at %zu: %s", i, n, err_name(e));
    }
    if (!e) {
        assert_true(bytes <= n);
        buf_init(&got, 1000);
        describe(&got, &h, bytes);
        assert_span(buf_span(&got), rows[i].text);
        buf_finish(&got);
    }
}

static void test_headers_cut_at_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t n = 0; n <= rows[i].in.n; n++) {
            check_row(i, n);
        }
    }
}

// The checksum of the known answer "123456789" is e3069283; here of a header made by hand.
static void test_checksum(void **state)
{
    char header[] = SIGNATURE "\x21\x11\0\x13\x7f\0\0\1\x7f\0\0\1\0\1\0\2\3\0\4\0\0\0\0";
    size_t n = sizeof(header) - 1, bytes;
    uint32_t crc = UINT32_MAX;
    struct proxy_header h;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)header[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
        }
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++) {
        header[n - 1 - (size_t)i] = (char)(crc >> (8 * i));
    }
    assert_ok(proxy_read(span_of(header, n), &h, &bytes));
    assert_int_equal(h.target_port, 2);
    header[16] ^= 1;
    assert_err(proxy_read(span_of(header, n), &h, &bytes), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_cut_at_every_place),
        cmocka_unit_test(test_checksum),
    };

    return cmocka_run_group_tests_name("wire_proxy", tests, NULL, NULL);
}
