// SPDX-License-Identifier: Apache-2.0
//
// UIDs with positions, against an array.
#include "../test.h"
#include "keep/imap/search/imap_context_list.h"

#define MOST 6000

struct model {
    uint32_t uids[MOST];
    size_t n;
};

static void assert_same(const struct context_list *l, const struct model *m)
{
    assert_int_equal(l->n, m->n);
    for (size_t i = 0; i < m->n; i++) {
        assert_int_equal(context_list_at(l, i), m->uids[i]);
    }
}

static void insert(struct context_list *l, struct model *m, size_t at, uint32_t uid)
{
    assert_ok(context_list_insert(l, at, uid));
    memmove(m->uids + at + 1, m->uids + at, (m->n - at) * sizeof(*m->uids));
    m->uids[at] = uid;
    m->n++;
}

// Applies what is told as a client would.
static void take(void *arg, size_t position, const uint32_t *uids, size_t n)
{
    struct model *m = arg;

    assert_true(n > 0 && position + n <= m->n);
    assert_memory_equal(m->uids + position, uids, n * sizeof(*uids));
    memmove(m->uids + position, m->uids + position + n, (m->n - position - n) * sizeof(*uids));
    m->n -= n;
}

static void test_random_changes(void **state)
{
    static struct model m;
    struct context_list l;
    uint32_t random = 12345, next = 1;
    struct arena a;

    (void)state;
    context_list_init(&l);
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 200 && m.n < MOST; i++) {
            random = random * 1664525 + 1013904223;
            insert(&l, &m, round % 3 ? (random >> 8) % (m.n + 1) : m.n, next++);
        }
        assert_same(&l, &m);
        arena_init(&a, 1u << 20);
        struct uid_set_builder gone;

        uid_set_builder_init(&gone, &a);
        for (uint32_t uid = 1; uid < next; uid++) {
            random = random * 1664525 + 1013904223;
            if (random >> 24 < (round % 10 == 9 ? 250u : 20u)) {
                assert_ok(uid_set_add(&gone, uid, uid));
            }
        }
        context_list_remove(&l, gone.set, take, &m);
        assert_same(&l, &m);
        arena_finish(&a);
    }
    struct uid_range all = {1, UINT32_MAX};

    context_list_remove(&l, (struct uid_set){&all, 1}, take, &m);
    assert_int_equal(m.n, 0);
    assert_int_equal(l.count, 0);
    insert(&l, &m, 0, 7);
    assert_same(&l, &m);
    context_list_finish(&l);
}

struct question {
    uint32_t uid;
    unsigned asked;
    bool is_blind;
};

// The order is by UID; those that end in 3 cannot be told, or none can.
static enum err compare(void *arg, uint32_t uid, int *out)
{
    struct question *q = arg;

    q->asked++;
    *out = q->is_blind || uid % 10 == 3 ? 0 : uid < q->uid ? -1 : 1;
    return ERR_OK;
}

static enum err refuse(void *arg, uint32_t uid, int *out)
{
    (void)arg;
    (void)uid;
    (void)out;
    return ERR_IO;
}

static void test_finds_a_place(void **state)
{
    struct context_list l;
    struct question q = {.uid = 0};
    size_t at;

    (void)state;
    context_list_init(&l);
    assert_ok(context_list_find(&l, compare, &q, &at));
    assert_int_equal(at, 0);
    for (uint32_t i = 0; i < 2000; i++) {
        assert_ok(context_list_insert(&l, i, i * 2 + 1));
    }
    for (uint32_t uid = 0; uid <= 4002; uid += 2) {
        q = (struct question){.uid = uid};
        assert_ok(context_list_find(&l, compare, &q, &at));
        // Behind all that are known to come before it, and before all that come behind.
        for (size_t i = at; i-- > 0 && i + 3 > at;) {
            assert_true(context_list_at(&l, i) < uid || context_list_at(&l, i) % 10 == 3);
        }
        for (size_t i = at; i < l.n && i < at + 2; i++) {
            assert_true(context_list_at(&l, i) > uid || context_list_at(&l, i) % 10 == 3);
        }
        assert_true(q.asked < 30);
    }
    q = (struct question){.is_blind = true};
    assert_ok(context_list_find(&l, compare, &q, &at));
    assert_true(at <= l.n);
    assert_int_equal(context_list_find(&l, refuse, NULL, &at), ERR_IO);
    context_list_finish(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes),
        cmocka_unit_test(test_finds_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
