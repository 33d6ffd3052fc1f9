// SPDX-License-Identifier: Apache-2.0
//
// The UID map against a plain array of UIDs: every operation, many random shapes.
#include "../test.h"
#include "keep/imap/imap_uidmap.h"

#define UIDS_MAX 400

struct model {
    uint32_t uids[UIDS_MAX];
    uint32_t n;
};

static uint32_t state = 12345;

static uint32_t next_random(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static void check(const struct uid_map *m, const struct model *model)
{
    struct uid_cursor cursor = {0};

    assert_int_equal(m->exists, model->n);
    assert_int_equal(uid_map_last(m), model->n ? model->uids[model->n - 1] : 0);
    for (uint32_t i = 0; i < model->n; i++) {
        assert_int_equal(uid_map_uid(m, i + 1), model->uids[i]);
        assert_int_equal(uid_map_seq(m, model->uids[i]), i + 1);
        assert_int_equal(uid_map_seq_at(m, &cursor, model->uids[i]), i + 1);
        assert_int_equal(uid_map_rank(m, model->uids[i]), i);
        uint32_t after = model->uids[i] + 1;

        if (i + 1 == model->n || model->uids[i + 1] != after) {
            assert_int_equal(uid_map_seq(m, after), 0);
            assert_int_equal(uid_map_rank(m, after), i + 1);
        }
    }
    assert_int_equal(uid_map_uid(m, 0), 0);
    assert_int_equal(uid_map_uid(m, model->n + 1), 0);
    assert_int_equal(uid_map_seq(m, 0), 0);
}

static void add_some(struct uid_map *m, struct model *model)
{
    uint32_t first = (model->n ? model->uids[model->n - 1] : 0) + 1 + next_random(4);
    uint32_t count = 1 + next_random(12);

    if (model->n + count > UIDS_MAX) {
        return;
    }
    assert_ok(uid_map_append(m, first, first + count - 1));
    for (uint32_t i = 0; i < count; i++) {
        model->uids[model->n++] = first + i;
    }
}

static void remove_some(struct uid_map *m, struct model *model, struct arena *a)
{
    struct uid_set_builder gone;
    struct uid_set known;
    struct model left = {.n = 0};
    uint32_t at = 0, last = uid_map_last(m) + 5, met = 0;

    uid_set_builder_init(&gone, a);
    while ((at += 1 + next_random(20)) < last) {
        uint32_t to = at + next_random(6);

        assert_ok(uid_set_add(&gone, at, to));
        at = to + 1;
    }
    for (uint32_t i = 0; i < model->n; i++) {
        if (uid_set_has(gone.set, model->uids[i])) {
            met++;
        } else {
            left.uids[left.n++] = model->uids[i];
        }
    }
    assert_ok(uid_map_known(m, gone.set, a, &known));
    assert_int_equal(uid_set_size(known), met);
    assert_ok(uid_map_remove(m, gone.set));
    *model = left;
}

static void random_shapes(void **unused)
{
    struct uid_map m;
    struct model model = {.n = 0};
    struct arena a;

    (void)unused;
    uid_map_init(&m);
    arena_init(&a, 1u << 20);
    for (int i = 0; i < 3000; i++) {
        if (next_random(3)) {
            add_some(&m, &model);
        } else {
            remove_some(&m, &model, &a);
        }
        check(&m, &model);
        arena_reset(&a);
    }
    uid_map_finish(&m);
    arena_finish(&a);
}

static void numbers_to_uids(void **unused)
{
    struct uid_range ranges[] = {{2, 4}, {9, 9}, {20, 29}};
    struct uid_map m;
    struct uid_set_builder b;
    struct arena a;

    (void)unused;
    uid_map_init(&m);
    arena_init(&a, 1u << 16);
    assert_ok(uid_map_set(&m, (struct uid_set){ranges, 3}));
    assert_int_equal(m.exists, 14);
    assert_int_equal(m.count, 3);
    uid_set_builder_init(&b, &a);
    assert_ok(uid_map_add_seqs(&m, 3, 6, &b));
    assert_int_equal(b.set.count, 3);
    assert_int_equal(b.set.ranges[0].first, 4);
    assert_int_equal(b.set.ranges[0].last, 4);
    assert_int_equal(b.set.ranges[1].first, 9);
    assert_int_equal(b.set.ranges[2].first, 20);
    assert_int_equal(b.set.ranges[2].last, 21);
    uid_set_builder_init(&b, &a);
    assert_ok(uid_map_add_seqs(&m, 14, UINT32_MAX, &b));
    assert_int_equal(b.set.ranges[0].first, 29);
    uid_set_builder_init(&b, &a);
    assert_ok(uid_map_add_seqs(&m, 15, UINT32_MAX, &b));
    assert_int_equal(b.set.count, 0);
    uid_map_finish(&m);
    arena_finish(&a);
}

static void sets(void **unused)
{
    struct uid_range x[] = {{1, 10}, {20, 30}, {UINT32_MAX - 1, UINT32_MAX}};
    struct uid_range y[] = {{5, 22}, {30, 40}, {UINT32_MAX, UINT32_MAX}};
    struct uid_set left;
    struct arena a;

    (void)unused;
    arena_init(&a, 1u << 16);
    assert_ok(uid_set_without((struct uid_set){x, 3}, (struct uid_set){y, 3}, &a, &left));
    assert_int_equal(left.count, 3);
    assert_int_equal(left.ranges[0].last, 4);
    assert_int_equal(left.ranges[1].first, 23);
    assert_int_equal(left.ranges[1].last, 29);
    assert_int_equal(left.ranges[2].first, UINT32_MAX - 1);
    assert_int_equal(left.ranges[2].last, UINT32_MAX - 1);
    assert_true(uid_set_has((struct uid_set){x, 3}, UINT32_MAX));
    assert_false(uid_set_has((struct uid_set){x, 3}, 15));
    arena_finish(&a);
}

// What the memory of an idle session rests on.
static void no_gaps_no_memory(void **unused)
{
    struct uid_map m;

    (void)unused;
    uid_map_init(&m);
    for (uint32_t uid = 1; uid <= 100000; uid++) {
        assert_ok(uid_map_append(&m, uid, uid));
    }
    assert_int_equal(m.count, 1);
    assert_int_equal(m.exists, 100000);
    uid_map_finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes),
        cmocka_unit_test(numbers_to_uids),
        cmocka_unit_test(sets),
        cmocka_unit_test(no_gaps_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
