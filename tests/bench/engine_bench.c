// SPDX-License-Identifier: Apache-2.0
//
// How many durable deliveries a second the local engine makes, and what reading costs. Not a test.
//
//   engine-bench <folder> [seconds] [writers...]
//
// A delivery is a body of 4 KB with a summary of 1 KB and a batch of four values, 1.6 KB in all;
// each writer waits for its own. Then: opening snapshots, getting values, reading summaries and
// bodies in sequence.
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/local/local.h"

#define WRITERS_MAX 256
#define ACCOUNTS    1000
#define BODY_BYTES  4096

struct writer {
    struct engine *e;
    unsigned number;
    uint64_t done;
    int64_t us[20000]; // latencies, the first ones
};

static atomic_bool stop;
static char text[1 << 20];

static void die(const char *what, enum err e)
{
    fprintf(stderr, "%s: %s\n", what, err_name(e));
    exit(1);
}

static void fill_batch(struct batch *b, uint64_t n)
{
    char key[16] = "message-";

    memcpy(key + 8, &n, 8);
    batch_put(b, SPAN("counters"), span_of(text + n % 1000, 100));
    for (int i = 0; i < 3; i++) {
        key[0] = (char)('a' + i);
        batch_put(b, span_of(key, 16), span_of(text + n % 1000, 500));
    }
}

static enum err deliver(struct engine *e, account_id account, uint64_t n)
{
    struct body_writer *w;
    struct snapshot *s;
    struct batch *b;
    uint64_t version;
    body_id id;
    enum err error = snapshot_open(e, &s);

    if (error != ERR_OK || (error = snapshot_version(s, account, &version)) != ERR_OK) {
        return error;
    }
    snapshot_close(s);
    if ((error = body_begin(e, &w)) != ERR_OK) {
        return error;
    }
    size_t at = (size_t)(n * 7919 % (sizeof(text) - 8192));

    error = body_write(w, span_of(text + at, BODY_BYTES));
    if (error == ERR_OK) {
        error = body_finish(w, span_of(text + at, 1024), &id);
    }
    if (error == ERR_OK) {
        error = batch_create(account, &b);
    }
    if (error == ERR_OK) {
        fill_batch(b, n);
        batch_use_body(b, id);
        error = engine_commit(e, b, version);
        batch_destroy(b);
    }
    body_writer_destroy(w);
    return error;
}

static void *write_run(void *arg)
{
    struct writer *w = arg;

    while (!stop) {
        int64_t start = clock_monotonic_us();
        // Accounts of its own, so that the figure is not one of conflicts.
        enum err e = deliver(w->e, 1 + w->number + WRITERS_MAX * (w->done % 4), w->done);

        if (e != ERR_OK) {
            die("deliver", e);
        }
        if (w->done < 20000) {
            w->us[w->done] = clock_monotonic_us() - start;
        }
        w->done++;
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    return *(const int64_t *)a < *(const int64_t *)b ? -1
                                                     : *(const int64_t *)a > *(const int64_t *)b;
}

static void run_writers(struct engine *e, unsigned count, double seconds)
{
    static struct writer w[WRITERS_MAX];
    static int64_t all[WRITERS_MAX * 20000];
    pthread_t threads[WRITERS_MAX];
    struct engine_status before, after;
    uint64_t sum = 0;
    size_t n = 0;

    engine_status(e, &before);
    stop = false;
    int64_t start = clock_monotonic_us();

    for (unsigned i = 0; i < count; i++) {
        w[i] = (struct writer){.e = e, .number = i};
        pthread_create(&threads[i], NULL, write_run, &w[i]);
    }
    usleep((useconds_t)(seconds * 1e6));
    stop = true;
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        sum += w[i].done;
        for (uint64_t k = 0; k < w[i].done && k < 20000; k++) {
            all[n++] = w[i].us[k];
        }
    }
    double took = (double)(clock_monotonic_us() - start) / 1e6;

    engine_status(e, &after);
    qsort(all, n, sizeof(*all), by_value);
    printf("%3u writers: %8.0f deliveries/s, p50 %.2f ms, p99 %.2f ms, %.1f commits a sync\n",
           count, (double)sum / took, (double)all[n / 2] / 1e3, (double)all[n * 99 / 100] / 1e3,
           (double)(after.commits - before.commits) / (double)(after.syncs - before.syncs));
}

static double since_us(int64_t start, uint64_t n)
{
    return (double)(clock_monotonic_us() - start) / (double)(n ? n : 1);
}

static void run_reads(struct engine *e)
{
    struct snapshot *s;
    struct span v;
    struct buf b;
    body_id id = 0;
    uint64_t n = 0;
    int64_t start = clock_monotonic_us();

    for (n = 0; n < 100000; n++) {
        if (snapshot_open(e, &s) == ERR_OK) {
            snapshot_close(s);
        }
    }
    printf("snapshot open and close: %.2f us\n", since_us(start, n));
    if (snapshot_open(e, &s) != ERR_OK) {
        return;
    }
    start = clock_monotonic_us();
    for (n = 0; n < 100000 && snapshot_next_body(s, id + 1, &id) == ERR_OK; n++) {
    }
    printf("next body id: %.2f us\n", since_us(start, n));
    start = clock_monotonic_us();
    for (n = 0, id = 0; n < 100000 && body_summary(s, ++id, &v) != ERR_CORRUPT; n++) {
    }
    printf("summary in sequence: %.2f us\n", since_us(start, n));
    buf_init(&b, BODY_BYTES);
    start = clock_monotonic_us();
    for (n = 0, id = 0; n < 100000; n++) {
        buf_clear(&b);
        if (body_read(s, ++id, 0, BODY_BYTES, &b) == ERR_CORRUPT) {
            die("body_read", ERR_CORRUPT);
        }
    }
    printf("body of 4 KB in sequence: %.2f us\n", since_us(start, n));
    buf_finish(&b);
    snapshot_close(s);
}

static struct engine *open_store(const char *path)
{
    struct engine_local_options o = ENGINE_LOCAL_DEFAULTS;
    struct engine *e = NULL;
    struct buf why;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    buf_init(&why, 4096);
    enum err error = fd >= 0 ? engine_local_open(fd, &o, &e, &why) : ERR_NOT_FOUND;

    printf("open: %.*s\n", (int)why.n, why.n ? why.p : "");
    buf_finish(&why);
    if (error != ERR_OK) {
        die(path, error);
    }
    return e;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: engine-bench <folder> [seconds] [writers...]\n");
        return 2;
    }
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1.5;
    struct engine *e = open_store(argv[1]);

    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = "the quick brown fox jumps over a lazy dog\r\n"[(i * i / 7 + i / 5) % 43];
    }
    for (int i = 3; i < argc; i++) {
        unsigned n = (unsigned)strtoul(argv[i], NULL, 10);

        run_writers(e, n && n <= WRITERS_MAX ? n : 1, seconds);
    }
    if (argc <= 3) {
        run_writers(e, 1, seconds);
        run_writers(e, 16, seconds);
        run_writers(e, 64, seconds);
    }
    run_reads(e);
    engine_close(e);
    e = open_store(argv[1]);
    engine_close(e);
    return 0;
}
