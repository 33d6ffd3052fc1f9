// SPDX-License-Identifier: Apache-2.0
//
// The spool: small and large messages, the limit, used again after clearing.
#include "../test.h"
#include "base/encode.h"
#include "mailfile/spool.h"

static bool to_buf(void *arg, struct span s)
{
    buf_put(arg, s);
    return !((struct buf *)arg)->failed;
}

static void fill(struct spool *s, struct buf *copy, size_t bytes, size_t step)
{
    char piece[70000];

    for (size_t at = 0; at < bytes; at += step) {
        size_t n = bytes - at < step ? bytes - at : step;

        for (size_t i = 0; i < n; i++) {
            piece[i] = (char)((at + i) * 31 >> 3);
        }
        assert_true(spool_write(s, span_of(piece, n)));
        buf_put(copy, span_of(piece, n));
    }
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 65536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5000001};
    struct spool *s;
    struct buf copy, got;

    (void)state;
    buf_init(&copy, 8 << 20);
    buf_init(&got, 8 << 20);
    assert_ok(spool_create(6 << 20, &s));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        spool_clear(s);
        buf_clear(&copy);
        buf_clear(&got);
        fill(s, &copy, sizes[i], 69999);
        assert_ok(spool_result(s));
        assert_int_equal(spool_bytes(s), sizes[i]);
        assert_ok(spool_send(s, (struct mail_sink){to_buf, &got}));
        assert_true(span_eq(buf_span(&got), buf_span(&copy)));
    }
    buf_finish(&copy);
    buf_finish(&got);
    spool_destroy(s);
}

// Any part can be read, in memory, in the file, and across.
static void test_reading_parts(void **state)
{
    struct spool_options o = {
        .bytes_max = 1 << 20, .memory_bytes = 100, .dir = "/tmp", .without_hash = true};
    struct spool *s;
    struct buf copy, got;

    (void)state;
    buf_init(&copy, 8 << 20);
    buf_init(&got, 8 << 20);
    assert_ok(spool_create_with(&o, &s));
    fill(s, &copy, 300, 7);
    assert_int_equal(spool_front(s).n, 100);
    for (size_t at = 0; at < 310; at++) {
        for (size_t n = 0; n < 310; n += 3) {
            buf_clear(&got);
            assert_ok(spool_read(s, at, n, &got));
            assert_true(span_eq(buf_span(&got), span_first(span_skip(buf_span(&copy), at), n)));
        }
    }
    buf_clear(&got);
    assert_ok(spool_send(s, (struct mail_sink){to_buf, &got}));
    assert_true(span_eq(buf_span(&got), buf_span(&copy)));
    buf_finish(&copy);
    buf_finish(&got);
    spool_destroy(s);
    o.dir = "/tmp/there/is/no/such/folder";
    assert_ok(spool_create_with(&o, &s));
    assert_false(
        spool_write(s, SPAN("0123456789012345678901234567890123456789012345678901234567890"
                            "0123456789012345678901234567890123456789012345678901234567890")));
    assert_err(spool_result(s), ERR_NOT_FOUND);
    spool_destroy(s);
}

static void test_hash(void **state)
{
    unsigned char hash[SPOOL_HASH_BYTES];
    struct spool *s;
    struct buf hex;

    (void)state;
    buf_init(&hex, 64);
    assert_ok(spool_create(100, &s));
    spool_write(s, SPAN("x"));
    spool_clear(s);
    spool_write(s, SPAN("ab"));
    spool_write(s, SPAN("c"));
    spool_hash(s, hash);
    hex_encode(&hex, span_of(hash, sizeof(hash)));
    assert_span(buf_span(&hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    buf_finish(&hex);
    spool_destroy(s);
}

static void test_limit(void **state)
{
    struct spool *s;

    (void)state;
    assert_ok(spool_create(4, &s));
    assert_true(spool_write(s, SPAN("abcd")));
    assert_ok(spool_result(s));
    assert_true(spool_write(s, SPAN("e")));
    assert_err(spool_result(s), ERR_LIMIT);
    assert_true(spool_write(s, SPAN("f")));
    assert_int_equal(spool_bytes(s), 6);
    spool_clear(s);
    assert_ok(spool_result(s));
    spool_destroy(s);
    spool_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_reading_parts),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
