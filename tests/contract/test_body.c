// SPDX-License-Identifier: Apache-2.0
//
// Bodies: whole and in ranges, shared between accounts, dropped, given up before any commit.
#include "contract.h"

static void expect_body(struct snapshot *s, body_id id, struct span want, struct span summary)
{
    struct body_info info;
    struct span got;
    struct buf b;

    buf_init(&b, want.n + 100);
    assert_ok(body_info(s, id, &info));
    assert_int_equal(info.bytes, want.n);
    assert_int_equal(info.summary_bytes, summary.n);
    assert_ok(body_read(s, id, 0, want.n + 10, &b));
    assert_true(span_eq(buf_span(&b), want));
    assert_ok(body_summary(s, id, &got));
    assert_true(span_eq(got, summary));
    buf_finish(&b);
}

static void test_body_life(void **state)
{
    struct snapshot *before, *with, *after;
    struct body_info info;
    struct body_writer *w;
    struct buf b;
    body_id id;

    buf_init(&b, 100);
    assert_ok(snapshot_open(*state, &before));
    w = contract_body(*state, SPAN("the body"), SPAN("its summary"), &id);
    assert_err(body_info(before, id, &info), ERR_NOT_FOUND);
    assert_ok(contract_use(*state, 1, id, +1));
    body_writer_destroy(w);
    assert_ok(snapshot_open(*state, &with));
    assert_err(body_info(before, id, &info), ERR_NOT_FOUND);
    assert_err(body_read(before, id, 0, 10, &b), ERR_NOT_FOUND);
    expect_body(with, id, SPAN("the body"), SPAN("its summary"));
    assert_ok(body_info(with, id, &info));
    assert_int_equal(info.uses, 1);
    assert_ok(contract_use(*state, 1, id, -1));
    assert_ok(snapshot_open(*state, &after));
    assert_err(body_info(after, id, &info), ERR_NOT_FOUND);
    expect_body(with, id, SPAN("the body"), SPAN("its summary"));
    assert_err(contract_use(*state, 1, id, +1), ERR_NOT_FOUND);
    snapshot_close(before);
    snapshot_close(with);
    snapshot_close(after);
    buf_finish(&b);
}

static void test_body_shared(void **state)
{
    struct snapshot *s;
    struct body_writer *w;
    struct body_info info;
    body_id id, next;

    w = contract_body(*state, SPAN("shared"), SPAN(""), &id);
    assert_ok(contract_use(*state, 1, id, +1));
    assert_ok(contract_use(*state, 2, id, +1));
    assert_ok(contract_use(*state, 2, id, +1));
    body_writer_destroy(w);
    assert_ok(contract_use(*state, 2, id, -1));
    assert_ok(contract_use(*state, 1, id, -1));
    assert_ok(snapshot_open(*state, &s));
    assert_ok(body_info(s, id, &info));
    assert_int_equal(info.uses, 1);
    assert_ok(snapshot_next_body(s, 0, &next));
    assert_int_equal(next, id);
    assert_err(snapshot_next_body(s, id + 1, &next), ERR_NOT_FOUND);
    snapshot_close(s);
    assert_ok(contract_use(*state, 3, id, -1)); // uses are counted, not owned
    assert_err(contract_use(*state, 2, id, -1), ERR_NOT_FOUND);
    assert_ok(snapshot_open(*state, &s));
    assert_err(snapshot_next_body(s, 0, &next), ERR_NOT_FOUND);
    snapshot_close(s);
}

static void test_body_stays_while_its_writer_does(void **state)
{
    struct snapshot *s;
    struct body_writer *w;
    body_id id;

    w = contract_body(*state, SPAN("slow delivery to many"), SPAN("s"), &id);
    assert_ok(contract_use(*state, 1, id, +1));
    assert_ok(contract_use(*state, 1, id, -1)); // the first recipient was quick to delete it
    assert_ok(contract_use(*state, 2, id, +1));
    body_writer_destroy(w);
    assert_ok(snapshot_open(*state, &s));
    expect_body(s, id, SPAN("slow delivery to many"), SPAN("s"));
    snapshot_close(s);
}

static void test_body_given_up(void **state)
{
    struct body_writer *w;
    struct engine_status status;
    body_id id, second;

    w = contract_body(*state, SPAN("nobody wants it"), SPAN("s"), &id);
    body_writer_destroy(w);
    assert_err(contract_use(*state, 1, id, +1), ERR_NOT_FOUND);
    assert_ok(body_begin(*state, &w));
    assert_ok(body_write(w, SPAN("not even finished")));
    body_writer_destroy(w);
    body_writer_destroy(NULL);
    assert_err(contract_use(*state, 1, 123456789, +1), ERR_NOT_FOUND);
    assert_int_equal(contract_version(*state, 1), 0);
    w = contract_body(*state, SPAN("x"), SPAN(""), &second);
    assert_true(second > id);
    body_writer_destroy(w);
    engine_status(*state, &status);
    assert_int_equal(status.bodies, 0);
}

static void test_body_failed_batch_changes_nothing(void **state)
{
    struct snapshot *s;
    struct body_writer *w;
    struct body_info info;
    struct batch *b;
    body_id id;

    w = contract_body(*state, SPAN("x"), SPAN(""), &id);
    assert_ok(batch_create(1, &b));
    assert_ok(batch_put(b, SPAN("k"), SPAN("v")));
    assert_ok(batch_use_body(b, id));
    assert_ok(batch_drop_body(b, id + 1000));
    assert_err(engine_commit(*state, b, 0), ERR_NOT_FOUND);
    batch_destroy(b);
    contract_expect(*state, 1, "k", NULL);
    assert_int_equal(contract_version(*state, 1), 0);
    // A use and a drop of the same body cancel out.
    assert_ok(batch_create(1, &b));
    assert_ok(batch_use_body(b, id));
    assert_ok(batch_use_body(b, id));
    assert_ok(batch_drop_body(b, id));
    assert_ok(engine_commit(*state, b, 0));
    batch_destroy(b);
    body_writer_destroy(w);
    assert_ok(snapshot_open(*state, &s));
    assert_ok(body_info(s, id, &info));
    assert_int_equal(info.uses, 1);
    snapshot_close(s);
}

static void check_ranges(struct snapshot *s, body_id id, const char *bytes, size_t n)
{
    const size_t edges[] = {0, 1, 4095, 262143, 262144, 1048575, 1048576, 1048577, 2000000};
    struct buf b;

    buf_init(&b, n + 1);
    for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
        for (size_t k = 0; k < sizeof(edges) / sizeof(*edges); k++) {
            size_t at = edges[i], want = at >= n ? 0 : n - at < edges[k] ? n - at : edges[k];

            buf_clear(&b);
            assert_ok(body_read(s, id, at, edges[k], &b));
            assert_true(span_eq(buf_span(&b), span_of(bytes + at, want)));
        }
    }
    buf_clear(&b);
    assert_ok(body_read(s, id, UINT64_MAX, SIZE_MAX, &b));
    assert_int_equal(b.n, 0);
    assert_ok(body_read(s, id, 0, SIZE_MAX, &b));
    assert_true(span_eq(buf_span(&b), span_of(bytes, n)));
    buf_finish(&b);
}

static void test_body_sizes_and_ranges(void **state)
{
    const size_t sizes[] = {0, 1, 7, 8, 4096, 1048575, 1048576, 1048577, 3500000};
    const size_t pieces[] = {1, 100, 65536, 1048576, 5000000};
    body_id ids[9];
    struct snapshot *s;
    char *bytes = contract_bytes(3, 4000000), *summary = contract_bytes(4, 1 << 20);

    for (size_t i = 0; i < 9; i++) {
        struct body_writer *w;
        size_t step = sizes[i] > 5000 && pieces[i % 5] < 100 ? 1000 : pieces[i % 5];

        assert_ok(body_begin(*state, &w));
        for (size_t at = 0; at < sizes[i]; at += step) {
            size_t n = sizes[i] - at < step ? sizes[i] - at : step;

            assert_ok(body_write(w, span_of(bytes + at, n)));
        }
        assert_ok(body_finish(w, span_of(summary, i == 8 ? 1 << 20 : i * 10), &ids[i]));
        assert_ok(contract_use(*state, 1, ids[i], +1));
        body_writer_destroy(w);
    }
    for (int round = 0; round < (contract.reopen ? 3 : 1); round++) {
        assert_ok(snapshot_open(*state, &s));
        for (size_t i = 0; i < 9; i++) {
            expect_body(s, ids[i], span_of(bytes, sizes[i]),
                        span_of(summary, i == 8 ? 1 << 20 : i * 10));
            check_ranges(s, ids[i], bytes, sizes[i]);
        }
        snapshot_close(s);
        if (contract.reopen) {
            *state = contract.reopen(*state);
        }
    }
    free(bytes);
    free(summary);
}

static void test_summary_limit(void **state)
{
    struct body_writer *w;
    body_id id;
    char *big = contract_bytes(1, ENGINE_SUMMARY_BYTES_MAX + 1);

    assert_ok(body_begin(*state, &w));
    assert_err(body_finish(w, span_of(big, ENGINE_SUMMARY_BYTES_MAX + 1), &id), ERR_LIMIT);
    body_writer_destroy(w);
    free(big);
}

static void test_read_keeps_to_the_cap(void **state)
{
    struct body_writer *w;
    struct snapshot *s;
    struct buf b;
    body_id id;

    w = contract_body(*state, SPAN("0123456789"), SPAN(""), &id);
    assert_ok(contract_use(*state, 1, id, +1));
    body_writer_destroy(w);
    buf_init(&b, 5);
    assert_ok(snapshot_open(*state, &s));
    assert_err(body_read(s, id, 0, 10, &b), ERR_LIMIT);
    buf_clear(&b);
    assert_ok(body_read(s, id, 5, 5, &b));
    assert_span(buf_span(&b), "56789");
    snapshot_close(s);
    buf_finish(&b);
}

static void test_summaries_in_sequence(void **state)
{
    enum { N = 500 };
    body_id ids[N];
    struct snapshot *s;
    struct span kept[SNAPSHOT_SUMMARIES_KEPT];
    char want[40];

    for (unsigned i = 0; i < N; i++) {
        snprintf(want, sizeof(want), "summary %u", i);
        struct body_writer *w =
            contract_body(*state, span_from_str(want + 8), span_from_str(want), &ids[i]);

        assert_ok(contract_use(*state, 1, ids[i], +1));
        body_writer_destroy(w);
        if (i == N / 2) {
            usleep(700000);
        }
    }
    assert_ok(snapshot_open(*state, &s));
    for (unsigned i = 0; i < N; i++) {
        assert_ok(body_summary(s, ids[i], &kept[i % SNAPSHOT_SUMMARIES_KEPT]));
        for (unsigned k = 0; k < SNAPSHOT_SUMMARIES_KEPT && k <= i; k += 9) {
            snprintf(want, sizeof(want), "summary %u", i - k);
            assert_span(kept[(i - k) % SNAPSHOT_SUMMARIES_KEPT], want);
        }
    }
    snapshot_close(s);
}

static void test_ids_are_never_used_twice(void **state)
{
    body_id last = 0, id;

    for (int round = 0; round < (contract.reopen ? 4 : 1); round++) {
        for (int i = 0; i < 20; i++) {
            struct body_writer *w = contract_body(*state, SPAN("x"), SPAN("y"), &id);

            assert_true(id > last);
            last = id;
            if (i % 3 == 0) {
                assert_ok(contract_use(*state, 1, id, +1));
            }
            body_writer_destroy(w);
        }
        if (contract.reopen) {
            *state = contract.reopen(*state);
        }
    }
}

const struct CMUnitTest contract_body_tests[] = {
    CONTRACT_TEST(test_body_life),
    CONTRACT_TEST(test_body_shared),
    CONTRACT_TEST(test_body_stays_while_its_writer_does),
    CONTRACT_TEST(test_body_given_up),
    CONTRACT_TEST(test_body_failed_batch_changes_nothing),
    CONTRACT_TEST(test_body_sizes_and_ranges),
    CONTRACT_TEST(test_summary_limit),
    CONTRACT_TEST(test_read_keeps_to_the_cap),
    CONTRACT_TEST(test_summaries_in_sequence),
    CONTRACT_TEST(test_ids_are_never_used_twice),
};
const size_t contract_body_count = sizeof(contract_body_tests) / sizeof(struct CMUnitTest);
