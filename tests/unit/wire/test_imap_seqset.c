// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "wire/imap/imap_seqset.h"

static void test_reads_and_normalises(void **state)
{
    static const struct {
        const char *in, *want; // NULL: refused, at `position`
        size_t position;
    } rows[] = {
        {"1", "1", 0},
        {"1:3", "1:3", 0},
        {"3:1", "1:3", 0},
        {"5,1,3", "1,3,5", 0},
        {"1,2,3", "1:3", 0},
        {"1:5,3:9,20,10", "1:10,20", 0},
        {"2:2", "2", 0},
        {"1,1,1", "1", 0},
        {"1:10,3:4", "1:10", 0},
        {"4294967295", "4294967295", 0},
        {"4294967294:4294967295,1", "1,4294967294:4294967295", 0},
        {"1:4294967295,4294967295,7", "1:4294967295", 0},
        {"*", "*", 0},
        {"5:*", "5:*", 0},
        {"*:5", "5:*", 0},
        {"*:*", "*", 0},
        {"4294967295:*", "*", 0},
        {"1:3,7:*,5:*,*", "1:3,5:*", 0},
        {"$", "$", 0},
        {"1,$,7:*", "1,7:*,$", 0},
        {"", NULL, 0},
        {"0", NULL, 0},
        {"01", NULL, 0},
        {"1,", NULL, 2},
        {",1", NULL, 0},
        {"1:", NULL, 2},
        {":1", NULL, 0},
        {"1:2:3", NULL, 3},
        {"1,,2", NULL, 2},
        {"1:0", NULL, 2},
        {"4294967296", NULL, 0},
        {"1,99999999999999999999999", NULL, 2},
        {"1 2", NULL, 1},
        {"$$", NULL, 1},
        {"$:1", NULL, 1},
        {"**", NULL, 1},
        {"x", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        struct imap_seqset set, again;
        struct buf b;
        size_t position = 99;

        arena_init(&arena, 65536);
        buf_init(&b, 1000);
        enum err e = imap_seqset_parse(span_from_str(rows[i].in), &arena, &set, &position);

        if (e) {
            if (rows[i].want || e != ERR_INVALID || position != rows[i].position) {
                fail_msg("row %zu \"%s\": %s at %zu", i, rows[i].in, err_name(e), position);
            }
        } else {
            imap_seqset_write(&b, &set);
            assert_non_null(rows[i].want);
            assert_span(buf_span(&b), rows[i].want);
            // What was written reads as the same set.
            assert_ok(imap_seqset_parse(buf_span(&b), &arena, &again, &position));
            assert_true(again.n == set.n && again.star_from == set.star_from &&
                        again.saved == set.saved);
        }
        buf_finish(&b);
        arena_finish(&arena);
    }
}

static struct imap_seqset parse(struct arena *arena, const char *text)
{
    struct imap_seqset set;
    size_t position;

    assert_ok(imap_seqset_parse(span_from_str(text), arena, &set, &position));
    return set;
}

static void test_star_is_the_largest(void **state)
{
    static const struct {
        const char *set;
        uint32_t max;
        const char *want;
    } rows[] = {
        {"*", 7, "7"},
        {"*", 0, ""},
        {"3:*", 7, "3:7"},
        {"9:*", 7, "7"},
        {"1:3,5:*", 4, "1:4"},
        {"1:3,5:*", 7, "1:3,5:7"},
        {"10,5:*", 7, "5:7,10"},
        {"1:3", 2, "1:3"},
        {"4294967290:*", 4294967295, "4294967290:4294967295"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        struct buf b;

        arena_init(&arena, 65536);
        buf_init(&b, 1000);
        struct imap_seqset set = parse(&arena, rows[i].set), resolved;

        assert_ok(imap_seqset_resolve(&set, rows[i].max, &arena, &resolved));
        imap_seqset_write(&b, &resolved);
        assert_span(buf_span(&b), rows[i].want);
        for (uint32_t id = 1; id < 15; id++) {
            assert_int_equal(imap_seqset_contains(&set, rows[i].max, id),
                             imap_seqset_contains(&resolved, 0, id));
        }
        buf_finish(&b);
        arena_finish(&arena);
    }
}

static void test_walking_and_counting(void **state)
{
    struct arena arena;
    size_t cursor = 0;
    uint32_t id = 0, got[8];
    size_t n = 0;

    (void)state;
    arena_init(&arena, 65536);
    struct imap_seqset set = parse(&arena, "2:4,9,4294967294:4294967295");

    while ((id = imap_seqset_next(&set, &cursor, id)) != 0) {
        assert_true(n < 8);
        got[n++] = id;
    }
    assert_int_equal(n, 6);
    assert_int_equal(got[0], 2);
    assert_int_equal(got[3], 9);
    assert_int_equal(got[5], 4294967295u);
    assert_int_equal(imap_seqset_count(&set), 6);
    cursor = 0;
    assert_int_equal(imap_seqset_next(&set, &cursor, 3), 4);
    assert_int_equal(imap_seqset_next(&set, &cursor, 100), 4294967294u);
    set = parse(&arena, "1:4294967295");
    assert_true(imap_seqset_count(&set) == 4294967295u);
    assert_true(imap_seqset_contains(&set, 0, 4294967295u));
    assert_false(imap_seqset_contains(&set, 0, 0));
    arena_finish(&arena);
}

static void test_writing_ids(void **state)
{
    static const uint32_t ids[] = {1, 2, 3, 3, 7, 9, 10, 4294967294u, 4294967295u, 4294967295u};
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    imap_seqset_write_ids(&b, ids, sizeof(ids) / sizeof(ids[0]));
    assert_span(buf_span(&b), "1:3,7,9:10,4294967294:4294967295");
    buf_clear(&b);
    imap_seqset_write_ids(&b, ids, 0);
    assert_span(buf_span(&b), "");
    imap_seqset_write_ids(&b, ids, 1);
    assert_span(buf_span(&b), "1");
    buf_finish(&b);
}

// The largest set there may be, written in the worst order.
static void test_many_elements(void **state)
{
    struct buf b;
    struct arena arena;
    struct imap_seqset set;
    size_t position;

    (void)state;
    buf_init(&b, 4 << 20);
    arena_init(&arena, (1 << 20) + 4096);
    for (uint32_t i = 0; i < IMAP_SEQSET_RANGES_MAX; i++) {
        buf_printf(&b, "%s%u", i ? "," : "", 2 * ((i * 40503u) % IMAP_SEQSET_RANGES_MAX) + 1);
    }
    assert_ok(imap_seqset_parse(buf_span(&b), &arena, &set, &position));
    assert_int_equal(set.n, IMAP_SEQSET_RANGES_MAX);
    assert_true(arena.used <= (1 << 20) + 4096);
    buf_put_str(&b, ",1");
    assert_err(imap_seqset_parse(buf_span(&b), &arena, &set, &position), ERR_LIMIT);
    arena_finish(&arena);
    buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_and_normalises), cmocka_unit_test(test_star_is_the_largest),
        cmocka_unit_test(test_walking_and_counting), cmocka_unit_test(test_writing_ids),
        cmocka_unit_test(test_many_elements),
    };

    return cmocka_run_group_tests_name("imap_seqset", tests, NULL, NULL);
}
