// SPDX-License-Identifier: Apache-2.0
//
// Which thread commits: the committer's own, or the one that is alone with its commit.
#include <pthread.h>
#include <stdatomic.h>

#include "folder.h"

struct teller {
    pthread_t by;
    atomic_uint told;
};

static void note_thread(void *arg, account_id account, uint64_t version)
{
    struct teller *t = arg;

    (void)account;
    (void)version;
    t->by = pthread_self(); // one thread at a time leads
    atomic_fetch_add(&t->told, 1);
}

struct crowd {
    struct engine *e;
    account_id account;
    bool checkpoints; // does these instead
};

static void *crowd_run(void *arg)
{
    struct crowd *c = arg;

    for (unsigned i = 0; i < 60; i++) {
        if (c->checkpoints) {
            assert_ok(engine_local_checkpoint(c->e));
        } else {
            assert_ok(folder_put(c->e, c->account, "k", span_of(&i, sizeof(i))));
        }
    }
    return NULL;
}

static void run_crowd(struct engine *e)
{
    struct crowd crowd[6];
    pthread_t threads[6];

    for (unsigned i = 0; i < 6; i++) {
        crowd[i] = (struct crowd){e, 10 + i, i == 5};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &crowd[i]), 0);
    }
    for (unsigned i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
    }
}

// Who commits alone does it itself, after a while; who comes meanwhile, and checkpoints, go on.
static void test_alone_and_in_a_crowd(void **state)
{
    struct folder f;
    struct teller t = {.told = 0};

    (void)state;
    folder_make(&f);
    struct engine *e = folder_open_ok(&f);

    engine_set_watch(e, note_thread, &t);
    assert_ok(folder_put(e, 1, "k", SPAN("first")));
    assert_false(pthread_equal(t.by, pthread_self()));
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 20; i++) {
            assert_ok(folder_put(e, 1, "k", span_of(&i, sizeof(i))));
        }
        assert_true(pthread_equal(t.by, pthread_self()));
        assert_ok(engine_local_checkpoint(e)); // is answered, with nobody leading
        run_crowd(e);
    }
    assert_int_equal(t.told, 1 + 4 * (20 + 5 * 60));
    engine_close(e);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_and_in_a_crowd),
    };

    return cmocka_run_group_tests_name("engine-committer", tests, NULL, NULL);
}
