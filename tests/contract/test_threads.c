// SPDX-License-Identifier: Apache-2.0
//
// Many threads: counters that must not lose an increment, transfers a snapshot must never see half
// of, bodies that come and go under readers, and the order of the news.
#include <pthread.h>
#include <stdatomic.h>

#include "contract.h"

#define THREADS 8
#define SHARED  4 // accounts the threads fight for

struct work {
    struct engine *e;
    unsigned number;
    atomic_bool *stop;
    uint64_t done, conflicts;
    bool failed;
};

static uint64_t read_u64(struct snapshot *s, account_id account, struct span key)
{
    struct span v;
    uint64_t n = 0;

    if (snapshot_get(s, account, key, &v) == ERR_OK && v.n == 8) {
        memcpy(&n, v.p, 8);
    }
    return n;
}

// Raises two counters of one account, which must stay equal, and one of its own.
static enum err increment(struct work *w, account_id account)
{
    struct snapshot *s;
    struct batch *b;
    uint64_t version, n;
    char own[20];
    int own_n = snprintf(own, sizeof(own), "t%u", w->number);

    if (snapshot_open(w->e, &s) != ERR_OK || snapshot_version(s, account, &version) != ERR_OK ||
        batch_create(account, &b) != ERR_OK) {
        return ERR_NOMEM;
    }
    n = read_u64(s, account, SPAN("a")) + 1;
    batch_put(b, SPAN("a"), span_of(&n, 8));
    batch_put(b, SPAN("z"), span_of(&n, 8));
    n = read_u64(s, account, span_of(own, (size_t)own_n)) + 1;
    batch_put(b, span_of(own, (size_t)own_n), span_of(&n, 8));
    snapshot_close(s);
    enum err e = engine_commit(w->e, b, version);

    batch_destroy(b);
    return e;
}

static void *increment_run(void *arg)
{
    struct work *w = arg;

    for (unsigned i = 0; i < contract.load / THREADS;) {
        enum err e = increment(w, 1 + (i + w->number) % SHARED);

        if (e == ERR_OK) {
            i++;
            w->done++;
        } else if (e == ERR_CONFLICT) {
            w->conflicts++;
        } else {
            w->failed = true;
            return NULL;
        }
    }
    return NULL;
}

static void *compare_run(void *arg)
{
    struct work *w = arg;
    uint64_t last[SHARED] = {0};

    while (!*w->stop && !w->failed) {
        struct snapshot *s;

        if (snapshot_open(w->e, &s) != ERR_OK) {
            w->failed = true;
            return NULL;
        }
        for (unsigned i = 0; i < SHARED; i++) {
            uint64_t a = read_u64(s, 1 + i, SPAN("a")), z = read_u64(s, 1 + i, SPAN("z")), version;

            snapshot_version(s, 1 + i, &version);
            w->failed |= a != z || a != version || a < last[i];
            last[i] = a;
        }
        w->done++;
        snapshot_close(s);
    }
    return NULL;
}

static _Atomic uint64_t told[SHARED + 1];
static atomic_bool told_backwards;

static void tell(void *arg, account_id account, uint64_t version)
{
    (void)arg;
    if (account <= SHARED && atomic_exchange(&told[account], version) >= version) {
        told_backwards = true;
    }
}

static void test_no_increment_is_lost(void **state)
{
    pthread_t threads[THREADS], readers[2];
    struct work w[THREADS], r[2];
    atomic_bool stop = false;
    uint64_t sum = 0;

    memset(told, 0, sizeof(told));
    told_backwards = false;
    engine_set_watch(*state, tell, NULL);
    for (unsigned i = 0; i < 2; i++) {
        r[i] = (struct work){.e = *state, .stop = &stop};
        pthread_create(&readers[i], NULL, compare_run, &r[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct work){.e = *state, .number = i, .stop = &stop};
        pthread_create(&threads[i], NULL, increment_run, &w[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(w[i].failed);
        sum += w[i].done;
    }
    stop = true;
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(readers[i], NULL);
        assert_false(r[i].failed);
    }
    for (account_id a = 1; a <= SHARED; a++) {
        sum -= contract_version(*state, a);
        for (int i = 0; i < 500 && told[a] < contract_version(*state, a); i++) {
            usleep(10000);
        }
        assert_int_equal(told[a], contract_version(*state, a));
    }
    assert_int_equal(sum, 0);
    assert_false(told_backwards);
}

// Each writer keeps a short list of bodies in its own account: adds one, drops the oldest.
static bool body_step(struct work *w, body_id *kept, unsigned i)
{
    struct body_writer *writer;
    struct batch *b;
    uint64_t mark[600] = {0};
    bool ok;

    for (unsigned k = 0; k < 600; k++) {
        mark[k] = (uint64_t)w->number << 32 | i;
    }
    if (body_begin(w->e, &writer) != ERR_OK || batch_create(100 + w->number, &b) != ERR_OK) {
        return false;
    }
    body_id old = kept[i % 5], id = 0;

    ok = body_write(writer, span_of(mark, sizeof(mark))) == ERR_OK &&
         body_finish(writer, span_of(mark, 8), &id) == ERR_OK;
    ok = ok && batch_use_body(b, id) == ERR_OK;
    ok = ok && (!old || batch_drop_body(b, old) == ERR_OK);
    ok = ok && batch_put(b, span_of(&"01234"[i % 5], 1), span_of(&id, 8)) == ERR_OK;
    ok = ok && engine_commit(w->e, b, i) == ERR_OK;
    kept[i % 5] = id;
    batch_destroy(b);
    body_writer_destroy(writer);
    return ok;
}

static void *body_write_run(void *arg)
{
    struct work *w = arg;
    body_id kept[5] = {0};

    for (unsigned i = 0; i < contract.load / THREADS && !w->failed; i++) {
        w->failed = !body_step(w, kept, i);
    }
    return NULL;
}

static bool body_check(struct snapshot *s, body_id id, struct buf *b)
{
    struct span summary;
    uint64_t mark;

    buf_clear(b);
    if (body_read(s, id, 0, 5000, b) != ERR_OK || b->n != 4800 ||
        body_summary(s, id, &summary) != ERR_OK || summary.n != 8) {
        return false;
    }
    memcpy(&mark, summary.p, 8);
    for (size_t i = 0; i < 600; i++) {
        if (memcmp(b->p + i * 8, &mark, 8) != 0) {
            return false;
        }
    }
    return true;
}

static void *body_read_run(void *arg)
{
    struct work *w = arg;
    struct buf b;

    buf_init(&b, 5000);
    while (!*w->stop && !w->failed) {
        struct snapshot *s;

        if (snapshot_open(w->e, &s) != ERR_OK) {
            w->failed = true;
            break;
        }
        for (unsigned i = 0; i < THREADS * 5; i++) {
            body_id id = read_u64(s, 100 + i / 5, span_of(&"01234"[i % 5], 1));

            if (id && !body_check(s, id, &b)) {
                w->failed = true;
            }
        }
        snapshot_close(s);
    }
    buf_finish(&b);
    return NULL;
}

static void test_bodies_under_readers(void **state)
{
    pthread_t threads[THREADS], readers[2];
    struct work w[THREADS], r[2];
    struct engine_status status;
    atomic_bool stop = false;

    for (unsigned i = 0; i < 2; i++) {
        r[i] = (struct work){.e = *state, .stop = &stop};
        pthread_create(&readers[i], NULL, body_read_run, &r[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct work){.e = *state, .number = i, .stop = &stop};
        pthread_create(&threads[i], NULL, body_write_run, &w[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(w[i].failed);
    }
    stop = true;
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(readers[i], NULL);
        assert_false(r[i].failed);
    }
    engine_status(*state, &status);
    assert_int_equal(status.bodies, THREADS * 5);
    assert_int_equal(status.body_bytes, THREADS * 5 * 4800);
}

const struct CMUnitTest contract_thread_tests[] = {
    CONTRACT_TEST(test_no_increment_is_lost),
    CONTRACT_TEST(test_bodies_under_readers),
};
const size_t contract_thread_count = sizeof(contract_thread_tests) / sizeof(struct CMUnitTest);
