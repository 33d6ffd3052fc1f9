// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include "../test.h"
#include "engine/local/memtable_internal.h"

#define KEYS 64

// What each key was at each commit: the value's number, 0 for deleted or never there.
static unsigned model[2000][KEYS];

static struct span key_of(unsigned i, char room[8])
{
    return span_of(room, (size_t)snprintf(room, 8, "%u", i * 7 % KEYS));
}

static void fill(struct memtable *t)
{
    unsigned dice = 1;
    char room[8];

    for (unsigned seq = 1; seq < 2000; seq++) {
        memcpy(model[seq], model[seq - 1], sizeof(model[0]));
        for (unsigned n = (unsigned)rand_r(&dice) % 4; n-- > 0;) {
            unsigned i = (unsigned)rand_r(&dice) % KEYS, value = seq * KEYS + i;
            struct span v = span_of(&value, sizeof(value));
            bool gone = rand_r(&dice) % 4 == 0;

            if (model[seq][i] != model[seq - 1][i]) {
                continue; // once a key in a commit
            }
            assert_ok(memtable_put(t, key_of(i, room), gone ? NULL : &v, seq));
            model[seq][i] = gone ? 0 : value;
        }
    }
}

static void check_get(const struct memtable *t, unsigned seq)
{
    char room[8];

    for (unsigned i = 0; i < KEYS; i++) {
        const struct memtable_node *n = memtable_get(t, key_of(i, room), seq);
        unsigned want = model[seq][i], got = 0;

        if (n && !n->deleted) {
            memcpy(&got, node_value(n).p, sizeof(got));
        }
        assert_int_equal(got, want);
    }
}

static void check_walks(const struct memtable *t, unsigned seq)
{
    struct span keys[KEYS], before = {0};
    size_t n = 0;

    for (const struct memtable_node *at = memtable_seek(t, SPAN(""), seq); at;
         at = memtable_next(at, seq)) {
        assert_true(n < KEYS && at->seq <= seq);
        assert_true(n == 0 || span_cmp(keys[n - 1], node_key(at)) < 0);
        keys[n++] = node_key(at);
        assert_ptr_equal(memtable_get(t, node_key(at), seq), at);
        assert_ptr_equal(memtable_seek(t, node_key(at), seq), at);
    }
    before = SPAN("\xff");
    for (const struct memtable_node *at; (at = memtable_before(t, before, seq));) {
        assert_true(n > 0);
        before = node_key(at);
        assert_true(span_eq(before, keys[--n]));
    }
    assert_int_equal(n, 0);
}

static void test_all_versions(void **state)
{
    struct memtable *t = memtable_create();

    (void)state;
    assert_true(memtable_is_empty(t));
    memset(model, 0, sizeof(model));
    fill(t);
    for (unsigned seq = 0; seq < 2000; seq += 37) {
        check_get(t, seq);
        check_walks(t, seq);
    }
    memtable_unref(t);
    memtable_unref(NULL);
}

static struct memtable *shared;
static _Atomic uint64_t visible;
static _Atomic int failures;

// Each commit puts the same number under every key: a reader must see one number everywhere.
static void *read_run(void *arg)
{
    (void)arg;
    while (visible < 20000 && !failures) {
        uint64_t seq = visible, first = 0;
        unsigned n = 0;

        for (const struct memtable_node *at = memtable_seek(shared, SPAN(""), seq); at;
             at = memtable_next(at, seq)) {
            uint64_t got;

            memcpy(&got, node_value(at).p, 8);
            first = n++ ? first : got;
            failures += got != first || got != seq || memtable_get(shared, node_key(at), seq) != at;
        }
        for (const struct memtable_node *at = memtable_before(shared, SPAN("\xff"), seq); at;
             at = memtable_before(shared, node_key(at), seq)) {
            n--;
        }
        failures += n != 0;
    }
    return NULL;
}

static void test_readers_beside_the_writer(void **state)
{
    pthread_t readers[2];
    char room[8];

    (void)state;
    shared = memtable_create();
    visible = 0;
    failures = 0;
    for (int i = 0; i < 2; i++) {
        pthread_create(&readers[i], NULL, read_run, NULL);
    }
    for (uint64_t seq = 1; seq <= 20000; seq++) {
        struct span v = span_of(&seq, 8);

        for (unsigned i = 0; i < 5; i++) {
            assert_ok(memtable_put(shared, key_of(i, room), &v, seq));
        }
        visible = seq;
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(readers[i], NULL);
    }
    assert_int_equal(failures, 0);
    memtable_unref(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_versions),
        cmocka_unit_test(test_readers_beside_the_writer),
    };

    return cmocka_run_group_tests_name("memtable", tests, NULL, NULL);
}
