// SPDX-License-Identifier: Apache-2.0
//
// The layer of COMPRESS=DEFLATE: any cut of the input, what it holds between two runs, parts that
// share nothing, and input that is no DEFLATE or grows without end.
#include <stdlib.h>
#include <zlib.h>

#include "../test.h"
#include "base/random.h"
#include "keep/login/session_deflate.h"

#include "base/banned.h"

#define IN_MAX  (1u << 20)
#define OUT_MAX (4u << 20)

static struct session_deflate *made(void)
{
    struct session_deflate *d;

    assert_int_equal(session_deflate_create(IN_MAX, OUT_MAX, &d), ERR_OK);
    return d;
}

// What the client's compressor makes of this; it keeps its state.
static void client_says(z_stream *z, struct buf *raw, struct span text, int flush)
{
    z->next_in = (z_const Bytef *)(uintptr_t)text.p;
    z->avail_in = (uInt)text.n;
    do {
        char *p = buf_reserve(raw, 4096);

        z->next_out = (Bytef *)p;
        z->avail_out = 4096;
        deflate(z, flush);
        raw->n += 4096 - z->avail_out;
    } while (!z->avail_out);
}

static void client_hears(z_stream *z, struct buf *text, struct span raw)
{
    z->next_in = (z_const Bytef *)(uintptr_t)raw.p;
    z->avail_in = (uInt)raw.n;
    do {
        char *p = buf_reserve(text, 4096);

        z->next_out = (Bytef *)p;
        z->avail_out = 4096;
        int result = inflate(z, Z_SYNC_FLUSH);

        assert_true(result == Z_OK || result == Z_BUF_ERROR);
        text->n += 4096 - z->avail_out;
    } while (!z->avail_out);
}

static void inflater(z_stream *z)
{
    *z = (z_stream){0};
    assert_int_equal(inflateInit2(z, -15), Z_OK);
}

// Feeds all of `raw` and takes all that comes of it.
static enum err feed(struct session_deflate *d, struct span raw, struct buf *got)
{
    for (;;) {
        size_t taken;
        enum err e = session_deflate_read(d, raw, &taken);

        raw = span_skip(raw, taken);
        if (e == ERR_AGAIN && !raw.n) {
            return ERR_OK;
        }
        if (e != ERR_OK && e != ERR_AGAIN) {
            return e;
        }
        struct span in = session_deflate_input(d);

        buf_put(got, in);
        session_deflate_consume(d, in.n);
    }
}

static void test_input_is_cut_anywhere(void **state)
{
    const struct span line = SPAN("a1 UID FETCH 1:* (FLAGS)\r\n");
    z_stream z = {0};
    struct buf raw, got, want;

    (void)state;
    for (size_t cut = 1; cut < 40; cut++) {
        struct session_deflate *d = made();

        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        buf_init(&raw, 1 << 20);
        buf_init(&got, 1 << 20);
        buf_init(&want, 1 << 20);
        for (int i = 0; i < 20; i++) {
            client_says(&z, &raw, line, i % 3 ? Z_SYNC_FLUSH : Z_NO_FLUSH);
            buf_put(&want, line);
        }
        client_says(&z, &raw, SPAN(""), Z_SYNC_FLUSH);
        for (size_t at = 0; at < raw.n; at += cut) {
            assert_int_equal(feed(d, span_first(span_skip(buf_span(&raw), at), cut), &got), ERR_OK);
            session_deflate_rest(d);
        }
        assert_true(span_eq(buf_span(&got), buf_span(&want)));
        deflateEnd(&z);
        session_deflate_destroy(d);
        buf_finish(&raw);
        buf_finish(&got);
        buf_finish(&want);
    }
}

// Between two runs there is the window and nothing else; a client that stops in the middle of a
// block costs a decompressor.
static void test_what_is_held_while_idle(void **state)
{
    struct session_deflate *d = made();
    z_stream z = {0};
    struct buf raw, got;
    size_t fresh = session_deflate_memory(d);

    (void)state;
    assert_true(fresh < 1024);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    buf_init(&raw, 4 << 20);
    buf_init(&got, 4 << 20);
    client_says(&z, &raw, SPAN("a SELECT INBOX\r\nb IDLE\r\n"), Z_SYNC_FLUSH);
    assert_int_equal(feed(d, buf_span(&raw), &got), ERR_OK);
    buf_put_str(session_deflate_output(d), "+ idling\r\n");
    buf_clear(&raw);
    assert_int_equal(session_deflate_write(d, true, &raw), ERR_OK);
    session_deflate_rest(d);
    assert_int_equal(session_deflate_memory(d), fresh + got.n);

    char *noise = malloc(100000);

    random_bytes(noise, 100000);
    buf_clear(&raw);
    client_says(&z, &raw, span_of(noise, 100000), Z_SYNC_FLUSH);
    assert_int_equal(feed(d, buf_span(&raw), &got), ERR_OK);
    session_deflate_rest(d);
    assert_int_equal(session_deflate_memory(d), fresh + 32768);

    buf_clear(&raw);
    client_says(&z, &raw, span_of(noise, 3000), Z_SYNC_FLUSH);
    assert_int_equal(feed(d, span_first(buf_span(&raw), raw.n / 2), &got), ERR_OK);
    session_deflate_rest(d);
    assert_true(session_deflate_memory(d) > fresh + 32768);
    assert_true(session_deflate_memory(d) < fresh + 48 * 1024);
    free(noise);
    deflateEnd(&z);
    session_deflate_destroy(d);
    buf_finish(&raw);
    buf_finish(&got);
}

// A flush ends at a byte the client can read up to, whatever was written before.
static void test_every_flush_can_be_read(void **state)
{
    struct session_deflate *d = made();
    struct buf raw, heard, want;
    z_stream z;

    (void)state;
    inflater(&z);
    buf_init(&raw, 64 << 20);
    buf_init(&heard, 64 << 20);
    buf_init(&want, 64 << 20);
    for (int i = 0; i < 300; i++) {
        struct buf *out = session_deflate_output(d);
        size_t n = i % 7 ? (size_t)i : (size_t)i * 500;

        for (size_t k = 0; k < n; k++) {
            char c = (char)('a' + (k * k + (size_t)i) % 23);

            buf_put_byte(out, c);
            buf_put_byte(&want, c);
            if (k % 97 == 0) {
                session_deflate_part(d);
            }
        }
        bool flush = i % 3 != 1;

        buf_clear(&raw);
        assert_int_equal(session_deflate_write(d, flush, &raw), ERR_OK);
        client_hears(&z, &heard, buf_span(&raw));
        if (flush) {
            assert_true(span_eq(buf_span(&heard), buf_span(&want)));
            session_deflate_rest(d);
            assert_true(session_deflate_memory(d) < 1024);
        }
    }
    buf_clear(&raw);
    assert_int_equal(session_deflate_write(d, true, &raw), ERR_OK);
    client_hears(&z, &heard, buf_span(&raw));
    assert_true(span_eq(buf_span(&heard), buf_span(&want)));
    inflateEnd(&z);
    session_deflate_destroy(d);
    buf_finish(&raw);
    buf_finish(&heard);
    buf_finish(&want);
}

// How long it gets when these two are said, one after the other.
static size_t length_of(struct span first, struct span second, bool apart, bool flush)
{
    struct session_deflate *d = made();
    struct buf raw;
    size_t n;

    buf_init(&raw, 1 << 20);
    buf_put(session_deflate_output(d), first);
    if (flush) {
        assert_int_equal(session_deflate_write(d, true, &raw), ERR_OK);
    }
    if (apart) {
        session_deflate_part(d);
    }
    buf_put(session_deflate_output(d), second);
    assert_int_equal(session_deflate_write(d, true, &raw), ERR_OK);
    n = raw.n;
    buf_finish(&raw);
    session_deflate_destroy(d);
    return n;
}

// Somebody who can have messages put beside others, and sees how long answers are, learns nothing
// from the one about the other.
static void test_parts_share_nothing(void **state)
{
    const struct span secret = SPAN("Your code is 90210-77513-48211-10097, keep it to yourself");
    const struct span wrong = SPAN("Your code is 13579-24680-11223-44556, keep it to yourself");

    (void)state;
    assert_true(length_of(secret, secret, false, false) < length_of(secret, wrong, false, false));
    assert_int_equal(length_of(secret, secret, true, false), length_of(wrong, secret, true, false));
    assert_int_equal(length_of(secret, secret, false, true), length_of(wrong, secret, false, true));
}

// A little that stands for very much: it comes in pieces of 16 KiB, and nothing more is taken while
// a megabyte is unread.
static void test_a_bomb_is_taken_in_pieces(void **state)
{
    struct session_deflate *d = made();
    z_stream z = {0};
    struct buf raw;
    size_t bytes = 200u << 20, seen = 0, taken, most = 0;
    static char zeros[1 << 20];

    (void)state;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    buf_init(&raw, 4 << 20);
    for (size_t i = 0; i < bytes; i += sizeof(zeros)) {
        client_says(&z, &raw, span_of(zeros, sizeof(zeros)), Z_NO_FLUSH);
    }
    client_says(&z, &raw, SPAN(""), Z_SYNC_FLUSH);
    assert_true(raw.n < bytes / 900);
    struct span rest = buf_span(&raw);
    enum err e;

    while (!(e = session_deflate_read(d, rest, &taken))) {
        rest = span_skip(rest, taken);
    }
    assert_int_equal(e, ERR_LIMIT);
    assert_int_equal(session_deflate_input(d).n, IN_MAX);
    assert_true(session_deflate_memory(d) < 2 * IN_MAX + (64 << 10));
    for (;;) {
        size_t before = session_deflate_input(d).n;

        seen += before;
        session_deflate_consume(d, before);
        e = session_deflate_read(d, rest, &taken);
        rest = span_skip(rest, taken);
        if (e) {
            break;
        }
        most = session_deflate_input(d).n > most ? session_deflate_input(d).n : most;
    }
    assert_int_equal(e, ERR_AGAIN);
    assert_int_equal(seen, bytes);
    assert_int_equal(most, 16 << 10);
    deflateEnd(&z);
    buf_finish(&raw);
    session_deflate_destroy(d);
}

static void test_no_deflate_is_refused(void **state)
{
    static const char *const bad[] = {"a2 NOOP\r\n", "\x07", "\xff\xff\xff\xff", "\x78\x9c\x03"};
    struct buf got;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct session_deflate *d = made();

        buf_init(&got, 1 << 20);
        enum err e = feed(d, span_from_str(bad[i]), &got);

        assert_true(e == ERR_INVALID || (e == ERR_OK && i == 3));
        buf_finish(&got);
        session_deflate_destroy(d);
    }
}

static void test_the_end_of_the_stream_is_the_end(void **state)
{
    struct session_deflate *d = made();
    z_stream z = {0};
    struct buf raw, got;

    (void)state;
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    buf_init(&raw, 1 << 20);
    buf_init(&got, 1 << 20);
    client_says(&z, &raw, SPAN("a LOGOUT\r\n"), Z_FINISH);
    buf_put_str(&raw, "more");
    assert_int_equal(feed(d, buf_span(&raw), &got), ERR_EOF);
    assert_true(span_eq(buf_span(&got), SPAN("a LOGOUT\r\n")));
    deflateEnd(&z);
    buf_finish(&raw);
    buf_finish(&got);
    session_deflate_destroy(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input_is_cut_anywhere),
        cmocka_unit_test(test_what_is_held_while_idle),
        cmocka_unit_test(test_every_flush_can_be_read),
        cmocka_unit_test(test_parts_share_nothing),
        cmocka_unit_test(test_a_bomb_is_taken_in_pieces),
        cmocka_unit_test(test_no_deflate_is_refused),
        cmocka_unit_test(test_the_end_of_the_stream_is_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
