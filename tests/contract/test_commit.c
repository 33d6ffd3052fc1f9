// SPDX-License-Identifier: Apache-2.0
//
// Commits: versions and conflicts, puts and deletes, limits, many in one call, watching, reopening.
#include "contract.h"

static void test_empty(void **state)
{
    struct snapshot *s;
    struct span v;
    uint64_t version;
    account_id a;

    assert_ok(snapshot_open(*state, &s));
    assert_ok(snapshot_version(s, 7, &version));
    assert_int_equal(version, 0);
    assert_err(snapshot_get(s, 7, SPAN("a"), &v), ERR_NOT_FOUND);
    assert_err(snapshot_next_account(s, 0, &a), ERR_NOT_FOUND);
    snapshot_close(s);
    snapshot_close(NULL);
}

static void test_version_is_a_condition(void **state)
{
    struct batch *b;

    assert_ok(batch_create(1, &b));
    assert_ok(batch_put(b, SPAN("k"), SPAN("1")));
    assert_err(engine_commit(*state, b, 1), ERR_CONFLICT);
    contract_expect(*state, 1, "k", NULL);
    assert_ok(engine_commit(*state, b, 0));
    assert_int_equal(contract_version(*state, 1), 1);
    assert_err(engine_commit(*state, b, 0), ERR_CONFLICT);
    assert_err(engine_commit(*state, b, 2), ERR_CONFLICT);
    assert_ok(engine_commit(*state, b, 1));
    assert_int_equal(contract_version(*state, 1), 2);
    assert_int_equal(contract_version(*state, 2), 0);
    batch_destroy(b);
}

static void test_empty_batch_counts(void **state)
{
    struct batch *b;

    assert_ok(batch_create(9, &b));
    assert_ok(engine_commit(*state, b, 0));
    assert_int_equal(contract_version(*state, 9), 1);
    batch_destroy(b);
    batch_destroy(NULL);
}

static void test_last_one_wins(void **state)
{
    struct batch *b;

    contract_put(*state, 1, "gone", "x");
    assert_ok(batch_create(1, &b));
    assert_ok(batch_put(b, SPAN("a"), SPAN("1")));
    assert_ok(batch_put(b, SPAN("a"), SPAN("2")));
    assert_ok(batch_put(b, SPAN("b"), SPAN("1")));
    assert_ok(batch_delete(b, SPAN("b")));
    assert_ok(batch_delete(b, SPAN("c")));
    assert_ok(batch_put(b, SPAN("c"), SPAN("")));
    assert_ok(batch_delete(b, SPAN("gone")));
    assert_ok(batch_delete(b, SPAN("never was")));
    assert_ok(engine_commit(*state, b, 1));
    batch_destroy(b);
    contract_expect(*state, 1, "a", "2");
    contract_expect(*state, 1, "b", NULL);
    contract_expect(*state, 1, "c", "");
    contract_expect(*state, 1, "gone", NULL);
}

static void test_binary_keys_and_accounts_apart(void **state)
{
    static const char key_bytes[] = {0, (char)0xff, 0, 1};
    struct span key = span_of(key_bytes, 4), v;
    const account_id accounts[] = {0, 1, 255, 256, UINT64_MAX};
    struct snapshot *s;
    struct batch *b;

    for (size_t i = 0; i < 5; i++) {
        assert_ok(batch_create(accounts[i], &b));
        assert_ok(batch_put(b, key, span_of(&accounts[i], 8)));
        assert_ok(batch_put(b, SPAN(""), SPAN("the empty key")));
        assert_ok(engine_commit(*state, b, 0));
        batch_destroy(b);
    }
    assert_ok(snapshot_open(*state, &s));
    for (size_t i = 0; i < 5; i++) {
        assert_ok(snapshot_get(s, accounts[i], key, &v));
        assert_true(span_eq(v, span_of(&accounts[i], 8)));
        assert_ok(snapshot_get(s, accounts[i], SPAN(""), &v));
        assert_span(v, "the empty key");
    }
    account_id at = 0;

    for (size_t i = 0; i < 5; i++) {
        assert_ok(snapshot_next_account(s, at, &at));
        assert_true(at == accounts[i]);
        if (at != UINT64_MAX) {
            at++;
        }
    }
    assert_err(snapshot_get(s, 2, key, &v), ERR_NOT_FOUND);
    snapshot_close(s);
}

static void test_snapshot_is_one_moment(void **state)
{
    struct snapshot *before, *after;
    struct span v;
    uint64_t version;

    contract_put(*state, 1, "a", "old");
    contract_put(*state, 1, "b", "old");
    assert_ok(snapshot_open(*state, &before));
    contract_put(*state, 1, "a", "new");
    contract_delete(*state, 1, "b");
    contract_put(*state, 1, "c", "new");
    contract_put(*state, 2, "a", "new");
    assert_ok(snapshot_open(*state, &after));
    assert_ok(snapshot_get(before, 1, SPAN("a"), &v));
    assert_span(v, "old");
    assert_ok(snapshot_get(before, 1, SPAN("b"), &v));
    assert_span(v, "old");
    assert_err(snapshot_get(before, 1, SPAN("c"), &v), ERR_NOT_FOUND);
    assert_err(snapshot_get(before, 2, SPAN("a"), &v), ERR_NOT_FOUND);
    assert_ok(snapshot_version(before, 1, &version));
    assert_int_equal(version, 2);
    assert_ok(snapshot_version(before, 2, &version));
    assert_int_equal(version, 0);
    assert_ok(snapshot_get(after, 1, SPAN("a"), &v));
    assert_span(v, "new");
    assert_err(snapshot_get(after, 1, SPAN("b"), &v), ERR_NOT_FOUND);
    snapshot_close(before);
    snapshot_close(after);
}

static void test_limits(void **state)
{
    char *big = contract_bytes(1, ENGINE_VALUE_BYTES_MAX + 1);
    struct snapshot *s;
    struct span v;
    struct batch *b;

    assert_ok(batch_create(1, &b));
    assert_err(batch_put(b, span_of(big, ENGINE_KEY_BYTES_MAX + 1), SPAN("")), ERR_LIMIT);
    // Such a batch stays bad: nobody commits the rest of what he meant.
    assert_ok(batch_put(b, SPAN("k"), SPAN("v")));
    assert_err(engine_commit(*state, b, 0), ERR_LIMIT);
    contract_expect(*state, 1, "k", NULL);
    batch_destroy(b);

    assert_ok(batch_create(1, &b));
    assert_err(batch_put(b, SPAN("k"), span_of(big, ENGINE_VALUE_BYTES_MAX + 1)), ERR_LIMIT);
    batch_destroy(b);

    assert_ok(batch_create(1, &b));
    assert_ok(
        batch_put(b, span_of(big, ENGINE_KEY_BYTES_MAX), span_of(big, ENGINE_VALUE_BYTES_MAX)));
    assert_ok(engine_commit(*state, b, 0));
    batch_destroy(b);
    assert_ok(snapshot_open(*state, &s));
    assert_ok(snapshot_get(s, 1, span_of(big, ENGINE_KEY_BYTES_MAX), &v));
    assert_true(span_eq(v, span_of(big, ENGINE_VALUE_BYTES_MAX)));
    assert_err(snapshot_get(s, 1, span_of(big, ENGINE_KEY_BYTES_MAX + 1), &v), ERR_NOT_FOUND);
    snapshot_close(s);
    free(big);
}

static void test_batch_size_limit(void **state)
{
    char *big = contract_bytes(2, ENGINE_VALUE_BYTES_MAX);
    struct batch *b;
    unsigned i = 0;
    enum err e;

    assert_ok(batch_create(1, &b));
    do {
        e = batch_put(b, span_of(&i, sizeof(i)), span_of(big, ENGINE_VALUE_BYTES_MAX));
    } while (e == ERR_OK && ++i < 100);
    assert_err(e, ERR_LIMIT);
    assert_int_equal(i, ENGINE_BATCH_BYTES_MAX / ENGINE_VALUE_BYTES_MAX - 1);
    batch_destroy(b);
    // Just under the limit it must go through.
    assert_ok(batch_create(1, &b));
    for (i = 0; i < 63; i++) {
        assert_ok(batch_put(b, span_of(&i, sizeof(i)), span_of(big, ENGINE_VALUE_BYTES_MAX)));
    }
    assert_ok(engine_commit(*state, b, 0));
    batch_destroy(b);

    struct snapshot *s;
    struct span v;

    assert_ok(snapshot_open(*state, &s));
    for (i = 0; i < 63; i++) {
        assert_ok(snapshot_get(s, 1, span_of(&i, sizeof(i)), &v));
        assert_true(span_eq(v, span_of(big, ENGINE_VALUE_BYTES_MAX)));
    }
    snapshot_close(s);
    free(big);
}

static void test_commit_many(void **state)
{
    enum { N = 5 };
    // Two of account 1 in order, one that conflicts, one bad by itself, one fine.
    const account_id accounts[N] = {1, 1, 2, 3, 4};
    const uint64_t expected[N] = {0, 1, 9, 0, 0};
    const enum err want[N] = {ERR_OK, ERR_OK, ERR_CONFLICT, ERR_LIMIT, ERR_OK};
    struct batch *b[N];
    enum err results[N];
    char big[ENGINE_KEY_BYTES_MAX + 1] = {0};

    for (size_t i = 0; i < N; i++) {
        assert_ok(batch_create(accounts[i], &b[i]));
        assert_ok(batch_put(b[i], SPAN("k"), span_of(&"abcde"[i], 1)));
    }
    assert_err(batch_put(b[3], span_of(big, sizeof(big)), SPAN("")), ERR_LIMIT);
    assert_err(engine_commit_many(*state, b, expected, N, results), ERR_CONFLICT);
    for (size_t i = 0; i < N; i++) {
        assert_err(results[i], want[i]);
        batch_destroy(b[i]);
    }
    contract_expect(*state, 1, "k", "b");
    contract_expect(*state, 2, "k", NULL);
    contract_expect(*state, 3, "k", NULL);
    contract_expect(*state, 4, "k", "e");
    assert_int_equal(contract_version(*state, 1), 2);
    assert_ok(engine_commit_many(*state, NULL, NULL, 0, NULL));
}

struct seen {
    uint64_t versions[100];
    size_t n;
};

static void note(void *arg, account_id account, uint64_t version)
{
    struct seen *seen = arg;

    if (account == 1 && seen->n < 100) {
        seen->versions[seen->n++] = version;
    }
}

static struct batch *batch_of(account_id account, const char *key, const char *value)
{
    struct batch *b;

    assert_ok(batch_create(account, &b));
    assert_ok(batch_put(b, span_from_str(key), span_from_str(value)));
    return b;
}

static void test_any_version(void **state)
{
    struct batch *b = batch_of(7, "a", "1");

    assert_ok(engine_commit(*state, b, ENGINE_ANY_VERSION));
    assert_ok(engine_commit(*state, b, ENGINE_ANY_VERSION));
    batch_destroy(b);
    assert_int_equal(contract_version(*state, 7), 2);
    contract_expect(*state, 7, "a", "1");
}

// Riders share an account, whatever was committed there meanwhile, and go nowhere alone.
static void test_rider(void **state)
{
    struct batch *b[3] = {batch_of(1, "a", "1"), batch_of(2, "a", "1"), batch_of(3, "a", "1")};
    struct batch *riders[3] = {batch_of(9, "first", ""), batch_of(9, "second", ""),
                               batch_of(9, "third", "")};
    const uint64_t expected[3] = {0, 5, 0};
    enum err results[3];

    for (size_t i = 0; i < 3; i++) {
        batch_set_rider(b[i], riders[i]);
    }
    assert_err(engine_commit_many(*state, b, expected, 3, results), ERR_CONFLICT);
    assert_ok(results[0]);
    assert_err(results[1], ERR_CONFLICT);
    assert_ok(results[2]);
    contract_expect(*state, 9, "first", "");
    contract_expect(*state, 9, "second", NULL);
    contract_expect(*state, 9, "third", "");
    assert_int_equal(contract_version(*state, 9), 2);
    // Again, at the right version; and once without its rider.
    assert_ok(engine_commit(*state, b[1], 0));
    contract_expect(*state, 9, "second", "");
    batch_set_rider(b[1], NULL);
    assert_ok(engine_commit(*state, b[1], 1));
    assert_int_equal(contract_version(*state, 9), 3);
    for (size_t i = 0; i < 3; i++) {
        batch_destroy(b[i]);
        batch_destroy(riders[i]);
    }
}

static void test_bad_rider_is_left_out(void **state)
{
    char *big = contract_bytes(1, ENGINE_KEY_BYTES_MAX + 1);
    struct batch *b = batch_of(1, "a", "1"), *rider = batch_of(9, "k", "v");

    assert_err(batch_put(rider, span_of(big, ENGINE_KEY_BYTES_MAX + 1), SPAN("")), ERR_LIMIT);
    batch_set_rider(b, rider);
    assert_ok(engine_commit(*state, b, 0));
    contract_expect(*state, 1, "a", "1");
    contract_expect(*state, 9, "k", NULL);
    batch_destroy(b);
    batch_destroy(rider);
    free(big);
}

static void test_rider_survives(void **state)
{
    struct batch *b = batch_of(1, "a", "1"), *rider = batch_of(9, "k", "v");

    batch_set_rider(b, rider);
    assert_ok(engine_commit(*state, b, 0));
    batch_destroy(b);
    batch_destroy(rider);
    if (contract.reopen) {
        *state = contract.reopen(*state);
    }
    contract_expect(*state, 9, "k", "v");
    assert_int_equal(contract_version(*state, 9), 1);
}

static void test_watch(void **state)
{
    static struct seen seen;

    seen.n = 0;
    engine_set_watch(*state, note, &seen);
    for (int i = 0; i < 50; i++) {
        contract_put(*state, 1, "k", "v");
        contract_put(*state, 2, "k", "v");
    }
    // With one committing thread the news is out when the commit returns, or soon after.
    for (int i = 0; i < 500 && __atomic_load_n(&seen.n, __ATOMIC_ACQUIRE) < 50; i++) {
        usleep(10000);
    }
    contract.close(*state);
    *state = NULL;
    assert_int_equal(seen.n, 50);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(seen.versions[i], i + 1);
    }
}

static void test_status(void **state)
{
    struct engine_status status;

    contract_put(*state, 1, "k", "v");
    contract_put(*state, 1, "k", "w");
    engine_status(*state, &status);
    assert_int_equal(status.state, ENGINE_OK);
    assert_int_equal(status.commits, 2);
    assert_int_equal(status.bodies, 0);
}

static void test_reopen(void **state)
{
    if (!contract.reopen) {
        return; // nothing survives a memory engine's close
    }
    for (int round = 0; round < 5; round++) {
        char key[20], value[20];

        snprintf(key, sizeof(key), "key %d", round);
        snprintf(value, sizeof(value), "value %d", round);
        contract_put(*state, 1, key, value);
        contract_put(*state, 1, "round", value);
        if (round) {
            snprintf(key, sizeof(key), "key %d", round - 1);
            contract_delete(*state, 1, key);
        }
        if (round == 3) {
            usleep(1200000); // over a checkpoint or two
        }
        *state = contract.reopen(*state);
        assert_non_null(*state);
        contract_expect(*state, 1, "round", value);
        contract_expect(*state, 1, "key 0", round ? NULL : "value 0");
        assert_int_equal(contract_version(*state, 1), 2 + 3 * round);
    }
}

const struct CMUnitTest contract_commit_tests[] = {
    CONTRACT_TEST(test_empty),
    CONTRACT_TEST(test_version_is_a_condition),
    CONTRACT_TEST(test_empty_batch_counts),
    CONTRACT_TEST(test_last_one_wins),
    CONTRACT_TEST(test_binary_keys_and_accounts_apart),
    CONTRACT_TEST(test_snapshot_is_one_moment),
    CONTRACT_TEST(test_limits),
    CONTRACT_TEST(test_batch_size_limit),
    CONTRACT_TEST(test_commit_many),
    CONTRACT_TEST(test_any_version),
    CONTRACT_TEST(test_rider),
    CONTRACT_TEST(test_bad_rider_is_left_out),
    CONTRACT_TEST(test_rider_survives),
    CONTRACT_TEST(test_watch),
    CONTRACT_TEST(test_status),
    CONTRACT_TEST(test_reopen),
};
const size_t contract_commit_count = sizeof(contract_commit_tests) / sizeof(struct CMUnitTest);
