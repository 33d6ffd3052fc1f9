// SPDX-License-Identifier: Apache-2.0
#include "contract.h"

int contract_setup(void **state)
{
    *state = contract.open();
    return *state ? 0 : -1;
}

int contract_teardown(void **state)
{
    if (*state) {
        contract.close(*state);
    }
    return 0;
}

uint64_t contract_version(struct engine *e, account_id account)
{
    struct snapshot *s;
    uint64_t v;

    assert_ok(snapshot_open(e, &s));
    assert_ok(snapshot_version(s, account, &v));
    snapshot_close(s);
    return v;
}

static void commit_one(struct engine *e, account_id account, const char *key, const char *value)
{
    struct batch *b;

    assert_ok(batch_create(account, &b));
    if (value) {
        assert_ok(batch_put(b, span_from_str(key), span_from_str(value)));
    } else {
        assert_ok(batch_delete(b, span_from_str(key)));
    }
    assert_ok(engine_commit(e, b, contract_version(e, account)));
    batch_destroy(b);
}

void contract_put(struct engine *e, account_id account, const char *key, const char *value)
{
    commit_one(e, account, key, value);
}

void contract_delete(struct engine *e, account_id account, const char *key)
{
    commit_one(e, account, key, NULL);
}

struct body_writer *contract_body(struct engine *e, struct span bytes, struct span summary,
                                  body_id *out)
{
    struct body_writer *w;

    assert_ok(body_begin(e, &w));
    assert_ok(body_write(w, bytes));
    assert_ok(body_finish(w, summary, out));
    assert_int_not_equal(*out, 0);
    return w;
}

enum err contract_use(struct engine *e, account_id account, body_id id, int uses)
{
    struct batch *b;

    assert_ok(batch_create(account, &b));
    assert_ok(uses > 0 ? batch_use_body(b, id) : batch_drop_body(b, id));
    enum err result = engine_commit(e, b, contract_version(e, account));

    batch_destroy(b);
    return result;
}

void contract_expect(struct engine *e, account_id account, const char *key, const char *want)
{
    struct snapshot *s;
    struct span v;

    assert_ok(snapshot_open(e, &s));
    enum err got = snapshot_get(s, account, span_from_str(key), &v);

    if (want) {
        assert_ok(got);
        assert_span(v, want);
    } else {
        assert_err(got, ERR_NOT_FOUND);
    }
    snapshot_close(s);
}

char *contract_bytes(uint64_t seed, size_t n)
{
    char *p = malloc(n + 8);
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

    assert_non_null(p);
    for (size_t i = 0; i < n; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(p + i, &x, 8);
    }
    return p;
}

int contract_run(void)
{
    const struct {
        const struct CMUnitTest *tests;
        size_t count;
    } files[] = {{contract_commit_tests, contract_commit_count},
                 {contract_scan_tests, contract_scan_count},
                 {contract_body_tests, contract_body_count},
                 {contract_thread_tests, contract_thread_count}};
    struct CMUnitTest all[100];
    size_t n = 0;

    for (size_t f = 0; f < 4; f++) {
        for (size_t i = 0; i < files[f].count && n < 100; i++) {
            all[n++] = files[f].tests[i];
        }
    }
    return _cmocka_run_group_tests("contract", all, n, NULL, NULL);
}
