// SPDX-License-Identifier: Apache-2.0
//
// Ordered scans, both ways, against a plain array as model: over fresh and old data, with deletes,
// while somebody writes.
#include "contract.h"

#define KEYS 300

// The model: which of the keys 0..KEYS-1 are there, with which value.
struct model {
    bool there[KEYS];
    unsigned value[KEYS];
};

static struct span model_key(unsigned i, char room[8])
{
    return span_of(room, (size_t)snprintf(room, 8, "k%03u", i));
}

static void check_scan(struct snapshot *s, const struct model *m, unsigned from, unsigned to,
                       bool reverse)
{
    struct scan *c;
    struct span key, value;
    char f[8], t[8], want[8];
    unsigned i = reverse ? to : from;

    assert_ok(
        scan_open(s, 5, model_key(from, f), to < KEYS ? model_key(to, t) : SPAN(""), reverse, &c));
    while (scan_next(c, &key, &value) == ERR_OK) {
        if (reverse) {
            do {
                assert_true(i > from);
                i--;
            } while (!m->there[i]);
        } else {
            while (i < to && !m->there[i]) {
                i++;
            }
            assert_true(i < to);
        }
        assert_true(span_eq(key, model_key(i, want)));
        assert_true(span_eq(value, span_of(&m->value[i], sizeof(unsigned))));
        i += !reverse;
    }
    assert_err(scan_next(c, &key, &value), ERR_NOT_FOUND);
    scan_close(c);
    if (reverse) {
        while (i > from) {
            assert_false(m->there[--i]);
        }
    } else {
        for (; i < to; i++) {
            assert_false(m->there[i]);
        }
    }
}

static void random_commit(struct engine *e, struct model *m, unsigned n)
{
    struct batch *b;
    char room[8];

    assert_ok(batch_create(5, &b));
    for (unsigned k = 0; k < n; k++) {
        unsigned i = (unsigned)rand_r(&(unsigned){k * 7919 + m->value[k % KEYS] + n}) % KEYS;

        m->there[i] = (m->value[i] + k) % 3 != 0;
        m->value[i] += k + 1;
        if (m->there[i]) {
            assert_ok(batch_put(b, model_key(i, room), span_of(&m->value[i], sizeof(unsigned))));
        } else {
            assert_ok(batch_delete(b, model_key(i, room)));
        }
    }
    assert_ok(engine_commit(e, b, contract_version(e, 5)));
    batch_destroy(b);
}

static void test_scan_against_model(void **state)
{
    static struct model m, old;
    struct snapshot *s, *before = NULL;

    memset(&m, 0, sizeof(m));
    contract_put(*state, 4, "zzz", "the account before");
    contract_put(*state, 6, "", "the account after");
    for (unsigned round = 0; round < 120; round++) {
        random_commit(*state, &m, 1 + round % 40);
        assert_ok(snapshot_open(*state, &s));
        check_scan(s, &m, 0, KEYS, round % 2);
        check_scan(s, &m, round, KEYS - round, !(round % 2));
        check_scan(s, &m, round * 2, round * 2 + 3, round % 2);
        snapshot_close(s);
        if (round == 40) {
            assert_ok(snapshot_open(*state, &before));
            old = m;
        }
        if (round % 50 == 49) {
            usleep(600000); // so that engines with a checkpoint have part of it behind one
        }
    }
    check_scan(before, &old, 0, KEYS, false);
    check_scan(before, &old, 0, KEYS, true);
    snapshot_close(before);
    if (contract.reopen) {
        *state = contract.reopen(*state);
        assert_ok(snapshot_open(*state, &s));
        check_scan(s, &m, 0, KEYS, true);
        check_scan(s, &m, 10, 200, false);
        snapshot_close(s);
    }
}

static void test_scan_edges(void **state)
{
    static const char *const keys[] = {"", "a", "a\x01", "b", "\xff", "\xff\xff"};
    struct snapshot *s;
    struct scan *c;
    struct span key, value;

    for (size_t i = 0; i < 6; i++) {
        contract_put(*state, UINT64_MAX, keys[i], "v");
        contract_put(*state, 1, keys[i], "v");
    }
    assert_ok(snapshot_open(*state, &s));
    for (int which = 0; which < 4; which++) {
        bool reverse = which % 2;

        assert_ok(scan_open(s, which / 2 ? 1 : UINT64_MAX, SPAN(""), SPAN(""), reverse, &c));
        for (size_t i = 0; i < 6; i++) {
            assert_ok(scan_next(c, &key, &value));
            assert_span(key, keys[reverse ? 5 - i : i]);
        }
        assert_err(scan_next(c, &key, &value), ERR_NOT_FOUND);
        assert_err(scan_next(c, &key, &value), ERR_NOT_FOUND);
        scan_close(c);
    }
    // The upper bound is left out, the lower one is in.
    assert_ok(scan_open(s, 1, SPAN("a"), SPAN("b"), false, &c));
    assert_ok(scan_next(c, &key, &value));
    assert_span(key, "a");
    assert_ok(scan_next(c, &key, &value));
    assert_span(key, "a\x01");
    assert_err(scan_next(c, &key, &value), ERR_NOT_FOUND);
    scan_close(c);
    assert_ok(scan_open(s, 1, SPAN("a"), SPAN("b"), true, &c));
    assert_ok(scan_next(c, &key, &value));
    assert_span(key, "a\x01");
    scan_close(c);
    // Nothing between, and bounds the wrong way round.
    assert_ok(scan_open(s, 1, SPAN("c"), SPAN("d"), false, &c));
    assert_err(scan_next(c, &key, &value), ERR_NOT_FOUND);
    scan_close(c);
    assert_ok(scan_open(s, 1, SPAN("d"), SPAN("a"), true, &c));
    assert_err(scan_next(c, &key, &value), ERR_NOT_FOUND);
    scan_close(c);
    assert_ok(scan_open(s, 77, SPAN(""), SPAN(""), true, &c));
    assert_err(scan_next(c, &key, &value), ERR_NOT_FOUND);
    scan_close(c);
    scan_close(NULL);
    snapshot_close(s);
}

static void test_eight_scans(void **state)
{
    struct snapshot *s;
    struct scan *c[8], *ninth;
    struct span keys[8], v;

    contract_put(*state, 1, "a", "1");
    contract_put(*state, 1, "b", "2");
    assert_ok(snapshot_open(*state, &s));
    for (int i = 0; i < 8; i++) {
        assert_ok(scan_open(s, 1, SPAN(""), SPAN(""), i % 2, &c[i]));
        assert_ok(scan_next(c[i], &keys[i], &v));
    }
    assert_err(scan_open(s, 1, SPAN(""), SPAN(""), false, &ninth), ERR_LIMIT);
    contract_put(*state, 1, "a", "3");
    contract_put(*state, 1, "aa", "3");
    for (int i = 0; i < 8; i++) {
        assert_span(keys[i], i % 2 ? "b" : "a"); // spans live as long as the snapshot
        assert_ok(scan_next(c[i], &keys[i], &v));
        assert_span(keys[i], i % 2 ? "a" : "b");
        assert_span(v, i % 2 ? "1" : "2");
        scan_close(c[i]);
    }
    snapshot_close(s);
}

const struct CMUnitTest contract_scan_tests[] = {
    CONTRACT_TEST(test_scan_against_model),
    CONTRACT_TEST(test_scan_edges),
    CONTRACT_TEST(test_eight_scans),
};
const size_t contract_scan_count = sizeof(contract_scan_tests) / sizeof(struct CMUnitTest);
