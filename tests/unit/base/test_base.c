// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include "../test.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/host_name.h"
#include "base/ip_network.h"
#include "base/log.h"
#include "base/map.h"
#include "base/pages.h"
#include "base/problems.h"
#include "base/utf8.h"

static void test_span_compares(void **state)
{
    (void)state;
    assert_true(span_eq_nocase(SPAN("InBoX"), SPAN("inbox")));
    assert_false(span_eq_nocase(SPAN("INBO"), SPAN("inbox")));
    assert_true(span_cmp(SPAN("a"), SPAN("ab")) < 0);
    assert_true(span_cmp(SPAN("b"), SPAN("ab")) > 0);
    assert_int_equal(span_cmp(SPAN(""), SPAN("")), 0);
    assert_int_equal(span_find(SPAN("hello"), SPAN("ll")), 2);
    assert_int_equal(span_find(SPAN("hello"), SPAN("xx")), 5);
    assert_span(span_trim(SPAN(" \t a b\r\n")), "a b");
}

static void test_span_to_u64_refuses_overflow_and_junk(void **state)
{
    static const struct {
        const char *in;
        uint64_t max, want;
        bool ok;
    } rows[] = {
        {"0", 10, 0, true},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
        {"18446744073709551616", UINT64_MAX, 0, false},
        {"99999999999999999999", UINT64_MAX, 0, false},
        {"11", 10, 0, false},
        {"", 10, 0, false},
        {"-1", 10, 0, false},
        {"1x", 100, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t v = 0;

        if (span_to_u64(span_from_str(rows[i].in), rows[i].max, &v) != rows[i].ok ||
            (rows[i].ok && v != rows[i].want)) {
            fail_msg("row %zu", i);
        }
    }
}

static void test_span_copy_text_is_cut_and_ended(void **state)
{
    char room[4] = "zzz";

    (void)state;
    span_copy_text(SPAN("abcdef"), room, sizeof(room));
    assert_string_equal(room, "abc");
    span_copy_text(SPAN("ab"), room, sizeof(room));
    assert_string_equal(room, "ab");
    span_copy_text((struct span){NULL, 0}, room, sizeof(room));
    assert_string_equal(room, "");
    span_copy_text(SPAN("a"), room, 1);
    assert_string_equal(room, "");
}

static void test_ip_network_is_the_first_bytes(void **state)
{
    unsigned char b[IP_NETWORK_BYTES_MAX];

    (void)state;
    assert_int_equal(ip_network(SPAN("192.0.2.7"), 3, 8, b), 3);
    assert_memory_equal(b, "\xc0\x00\x02", 3);
    assert_int_equal(ip_network(SPAN("2001:db8:1:2:3::9"), 3, 8, b), 8);
    assert_memory_equal(b, "\x20\x01\x0d\xb8\x00\x01\x00\x02", 8);
    assert_int_equal(ip_network(SPAN("::ffff:192.0.2.7"), 4, 6, b), 6);
    assert_int_equal(ip_network(SPAN("mail.example.org"), 3, 8, b), 0);
    assert_int_equal(ip_network(SPAN(""), 3, 8, b), 0);
    assert_int_equal(
        ip_network(SPAN("2001:db8:1111:2222:3333:4444:5555:6666:7777:8888:9999"), 3, 8, b), 0);
}

static void keep_last(void *arg, const char *line)
{
    span_copy_text(span_from_str(line), arg, 400);
}

static void test_problems_are_counted_and_told(void **state)
{
    char last[400] = "";
    struct problems p = {keep_last, last, 0};

    (void)state;
    problems_add(&p, "mail %d", 7);
    assert_string_equal(last, "mail 7");
    problems_add(&p, "%0350d", 1);
    assert_int_equal(strlen(last), 299);
    assert_int_equal(p.n, 2);
}

static void test_buf_stops_at_its_cap(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    buf_put(&b, SPAN("12345678"));
    assert_ok(buf_result(&b));
    buf_put(&b, SPAN("abc"));
    assert_err(buf_result(&b), ERR_LIMIT);
    buf_put(&b, SPAN("x")); // nothing more gets in once something was left out
    assert_span(buf_span(&b), "12345678");
    buf_clear(&b);
    buf_put_u64(&b, 1234567890);
    assert_span(buf_span(&b), "1234567890");
    buf_consume(&b, 7);
    assert_span(buf_span(&b), "890");
    buf_finish(&b);
}

static bool is_zero(const char *p, size_t n)
{
    while (n && *p == 0) {
        p++;
        n--;
    }
    return n == 0;
}

// What is dropped is gone from memory that is still the buffer's or the arena's.
static void test_secrets_are_overwritten(void **state)
{
    struct buf b;
    struct arena a;

    (void)state;
    buf_init_secret(&b, 4096);
    buf_put(&b, SPAN("password and more"));
    buf_consume(&b, 9);
    assert_span(buf_span(&b), "and more");
    assert_true(is_zero(b.p + 8, 9));
    buf_clear(&b);
    assert_true(is_zero(b.p, 17));
    for (int i = 0; i < 100; i++) {
        buf_put(&b, SPAN("0123456789")); // it grows
    }
    assert_int_equal(b.n, 1000);
    assert_true(b.is_secret && memcmp(b.p + 990, "0123456789", 10) == 0);
    buf_finish(&b);
    buf_put(&b, SPAN("x"));
    assert_true(b.is_secret); // it stays one
    buf_finish(&b);

    arena_init_secret(&a, 8192);
    char *p = arena_alloc(&a, 16);

    memcpy(p, "password", 8);
    arena_reset(&a);
    assert_true(is_zero(p, 8)); // the chunk is kept
    arena_finish(&a);
    assert_true(a.is_secret);
}

static void test_arena_stops_at_its_cap(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 8192);
    for (int i = 0; i < 64; i++) {
        void *p = arena_alloc(&a, 100);

        assert_true(i >= 50 || p != NULL);
    }
    assert_null(arena_alloc(&a, 8192));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_zalloc(&a, SIZE_MAX / 2, 4));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 4000));
    arena_finish(&a);
}

static void test_arena_grows_in_large_pieces(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 24 << 20);
    for (size_t i = 0; i < 200; i++) {
        char *p = arena_alloc(&a, 100000);
        assert_non_null(p);
        memset(p, 'x', 100000);
    }
    assert_true(a.used <= (24 << 20));
    arena_finish(&a);
}

// The flags of the mapping that holds `p` (proc(5), VmFlags of smaps); "" when they are not told.
static void mapping_flags(const void *p, char *out, size_t n)
{
    unsigned long from = 0, to = 0;
    char line[512];
    FILE *f = fopen("/proc/self/smaps", "r");

    out[0] = 0;
    while (f && fgets(line, sizeof(line), f)) {
        unsigned long a, b;

        if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
            from = a;
            to = b;
        } else if ((unsigned long)p >= from && (unsigned long)p < to &&
                   strncmp(line, "VmFlags:", 8) == 0) {
            snprintf(out, n, "%s", line + 8);
        }
    }
    if (f) {
        fclose(f);
    }
}

static void test_large_pieces_are_in_huge_pages(void **state)
{
    static const size_t sizes[] = {1, 4096, PAGES_LARGE - 1, PAGES_LARGE, 3 * PAGES_LARGE + 5};
    char flags[512];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        char *p = pages_alloc(sizes[i]);

        assert_non_null(p);
        memset(p, 'x', sizes[i]);
        if (sizes[i] >= PAGES_LARGE && (uintptr_t)p % PAGES_LARGE == 0 && // not under ASan
            access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0) {
            mapping_flags(p, flags, sizeof(flags));
            assert_non_null(strstr(flags, " hg"));
        }
        pages_free(p, sizes[i]);
    }
    pages_free(NULL, 1);
    pages_free(NULL, PAGES_LARGE);
}

static void test_buf_keeps_its_bytes_as_it_grows(void **state)
{
    for (int is_secret = 0; is_secret < 2; is_secret++) {
        struct buf b;

        (is_secret ? buf_init_secret : buf_init)(&b, 3 * PAGES_LARGE);
        for (uint32_t i = 0; i < 3 * PAGES_LARGE / sizeof(i); i++) {
            buf_put(&b, (struct span){(const char *)&i, sizeof(i)});
        }
        assert_ok(buf_result(&b));
        for (uint32_t i = 0; i < 3 * PAGES_LARGE / sizeof(i); i++) {
            assert_memory_equal(b.p + i * sizeof(i), &i, sizeof(i));
        }
        buf_put_byte(&b, 'x');
        assert_err(buf_result(&b), ERR_LIMIT);
        buf_finish(&b);
    }
    (void)state;
}

static void test_varint_round_trip(void **state)
{
    static const uint64_t values[] = {0, 1, 127, 128, 300, 1u << 31, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        unsigned char b[VARINT_BYTES_MAX];
        size_t n = varint_put(b, values[i]);
        struct span s = span_of(b, n), cut = span_of(b, n - 1);
        uint64_t v;

        assert_true(varint_get(&s, &v));
        assert_true(v == values[i] && s.n == 0);
        assert_false(varint_get(&cut, &v));
    }
    struct span too_long = SPAN("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02");
    uint64_t v;

    assert_false(varint_get(&too_long, &v));
}

static void test_base64url_is_strict(void **state)
{
    static const struct {
        const char *text, *want;
    } good[] = {{"", ""},
                {"YQ", "a"},
                {"YWI", "ab"},
                {"YWJj", "abc"},
                {"-_-_YQ", "\xfb\xff\xbf"
                           "a"}};
    static const char *const bad[] = {"Y",     "YQ==",  "YR", "YWJ", "+/+/",
                                      "YW Jj", "YWJjY", "Y=", "YQ="};
    struct buf b;

    (void)state;
    buf_init(&b, 64);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        buf_clear(&b);
        assert_ok(base64url_decode(&b, span_from_str(good[i].text)));
        assert_span(buf_span(&b), good[i].want);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        buf_clear(&b);
        assert_err(base64url_decode(&b, span_from_str(bad[i])), ERR_INVALID);
    }
    buf_finish(&b);
}

static void test_base64_is_strict(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1024);
    base64_encode(&b, SPAN("any carnal pleas"));
    assert_span(buf_span(&b), "YW55IGNhcm5hbCBwbGVhcw==");
    buf_clear(&b);
    assert_ok(base64_decode(&b, SPAN("AGEAYg==")));
    assert_int_equal(b.n, 4);
    assert_memory_equal(b.p, "\0a\0b", 4);
    static const char *const bad[] = {"A", "AGEAYg=", "AGEAYh==", "A===", "AG=A", "AG\nA", "===="};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        buf_clear(&b);
        assert_err(base64_decode(&b, span_from_str(bad[i])), ERR_INVALID);
    }
    buf_finish(&b);
}

static void test_map_holds_many(void **state)
{
    struct map m;
    static char values[5000];

    (void)state;
    map_init(&m);
    for (size_t i = 0; i < 5000; i++) {
        assert_ok(map_put(&m, span_of(&i, sizeof(i)), &values[i], NULL));
    }
    for (size_t i = 0; i < 5000; i += 2) {
        assert_ptr_equal(map_remove(&m, span_of(&i, sizeof(i))), &values[i]);
    }
    size_t cursor = 0, seen = 0;
    struct span key;
    void *value;

    while (map_next(&m, &cursor, &key, &value)) {
        seen++;
    }
    assert_int_equal(seen, 2500);
    size_t one = 1, two = 2;

    assert_ptr_equal(map_get(&m, span_of(&one, sizeof(one))), &values[1]);
    assert_null(map_get(&m, span_of(&two, sizeof(two))));
    map_finish(&m);
}

static void test_utf8_is_strict(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xef\xbf\xbf",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\xc0\x80",         "\xe0\x80\x80", "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80", "\x80",         "\xc3",
                                      "\xe2\x82",         "\xff"};
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(utf8_is_valid(span_from_str(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(utf8_is_valid(span_from_str(bad[i])));
    }
    buf_init(&b, 64);
    utf8_put(&b, 0xe9);
    utf8_put(&b, 0x20ac);
    utf8_put(&b, 0x1f600);
    utf8_put(&b, 0xd800);
    assert_span(buf_span(&b), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd");
    buf_finish(&b);
}

static void test_a_host_finds_its_name(void **state)
{
    static const char hosts[] = "127.0.0.1 localhost\n# 127.0.1.1 box.wrong.example box\n"
                                "127.0.1.1\tbox BOX.example.org box.example.net # the box\n"
                                "192.0.2.1 boxer.example.com boxer\n192.0.2.2 bare";
    char name[HOST_NAME_BYTES];

    (void)state;
    assert_span(host_name_in_hosts(span_from_str(hosts), SPAN("box")), "BOX.example.org");
    assert_span(host_name_in_hosts(span_from_str(hosts), SPAN("boxer")), "boxer.example.com");
    assert_span(host_name_in_hosts(span_from_str(hosts), SPAN("bare")), "");
    assert_span(host_name_in_hosts(SPAN(""), SPAN("box")), "");
    host_name(SPAN("Mail.Example.ORG"), SPAN("example.net"), name);
    assert_string_equal(name, "mail.example.org");
    host_name(SPAN(""), SPAN("example.net"), name);
    assert_true(name[0] != 0);
}

static void test_log_text_cannot_forge_a_line(void **state)
{
    (void)state;
    assert_string_equal(log_text(SPAN("a\r\nb\x1b[1m\\")).s, "a\\x0d\\x0ab\\x1b[1m\\x5c");
}

static void test_file_replace_is_whole(void **state)
{
    char dir[] = "/tmp/mk-test-XXXXXX";
    struct buf b;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_ok(file_open_dir(AT_FDCWD, dir, false, &fd));
    assert_ok(file_replace(fd, "one", SPAN("first")));
    assert_ok(file_replace(fd, "one", SPAN("second")));
    buf_init(&b, 100);
    assert_ok(file_read_whole(fd, "one", &b));
    assert_span(buf_span(&b), "second");
    buf_finish(&b);
    assert_err(file_read_whole(fd, "two", &b), ERR_NOT_FOUND);
    assert_ok(file_unlink(fd, "one"));
    close(fd);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span_compares),
        cmocka_unit_test(test_span_to_u64_refuses_overflow_and_junk),
        cmocka_unit_test(test_span_copy_text_is_cut_and_ended),
        cmocka_unit_test(test_ip_network_is_the_first_bytes),
        cmocka_unit_test(test_problems_are_counted_and_told),
        cmocka_unit_test(test_buf_stops_at_its_cap),
        cmocka_unit_test(test_secrets_are_overwritten),
        cmocka_unit_test(test_arena_stops_at_its_cap),
        cmocka_unit_test(test_arena_grows_in_large_pieces),
        cmocka_unit_test(test_large_pieces_are_in_huge_pages),
        cmocka_unit_test(test_buf_keeps_its_bytes_as_it_grows),
        cmocka_unit_test(test_varint_round_trip),
        cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_base64url_is_strict),
        cmocka_unit_test(test_map_holds_many),
        cmocka_unit_test(test_utf8_is_strict),
        cmocka_unit_test(test_a_host_finds_its_name),
        cmocka_unit_test(test_log_text_cannot_forge_a_line),
        cmocka_unit_test(test_file_replace_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
