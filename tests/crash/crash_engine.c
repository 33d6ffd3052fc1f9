// SPDX-License-Identifier: Apache-2.0
//
// The local engine against power cuts and failing disks.
//
// Images: a random run with checkpoints, changes of segment, compaction and compression is recorded
// (disk.h); thousands of images of what the medium could hold at random moments are opened. Each
// must hold, for every account, exactly the state after some whole number of its commits: at
// least those acknowledged before that moment, at most those begun. Opening again must change
// nothing, and so must opening an image of an interrupted recovery. Then it serves on: more
// commits, more starts, and what the crash had cut never comes back.
//
// Faults: the same kind of run with the n-th write, sync or allocation failing, for every n. What
// was acknowledged must be there after a restart, both from what the process last saw and from what
// the medium has.
//
// MK_CRASH_IMAGES (default 3000) images, MK_CRASH_SEED the first seed (default 1). A failure prints
// the seed.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "disk.h"
#include "engine/local/local.h"

#define WRITERS     3
#define COMMITS_MAX 400
#define SLOTS       5
#define KEYS        7
#define BODY_MAX    6000
#define LARGE_BODY  1200000 // more than one piece

static uint64_t seed;
static const char *doing = "";

static void fail_test(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail_test(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "crash-engine: seed %llu, %s: ", (unsigned long long)seed, doing);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    abort();
}

#define MUST(e)                                                                                    \
    do {                                                                                           \
        enum err e_ = (e);                                                                         \
        if (e_ != ERR_OK) {                                                                        \
            fail_test("line %d: %s", __LINE__, err_name(e_));                                      \
        }                                                                                          \
    } while (0)
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fail_test("line %d: %s", __LINE__, #cond);                                             \
        }                                                                                          \
    } while (0)

static uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u ^ b * 0xc2b2ae3d27d4eb4fu ^ c * 0x165667b19e3779f9u;

    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return x ^ x >> 32;
}

// ---- what each commit of an account does: a function of its number -----------------------------
//
// The account's commit v puts key k(v), sometimes deletes another, and may put a body into a slot
// (dropping the one there). Every sixth brings a second body, for a slot of its own: the summaries
// of both then lie in one frame. Every fourth commit of a writer's first account is made together
// with one of its second account, which shares the new body. Every fifth has a rider: a row of
// RIDERS, an account of all writers, that tells of it.

static unsigned value_bytes(account_id a, uint64_t v)
{
    return (unsigned)(mix(a, v, 1) % (v % 9 == 0 ? 20000 : 900));
}

static bool deletes(account_id a, uint64_t v, unsigned *out_key)
{
    *out_key = (unsigned)(mix(a, v, 2) % KEYS);
    return v % 3 == 0 && *out_key != v % KEYS;
}

static bool has_body(uint64_t v)
{
    return v % 2 == 0;
}

#define TWIN_SLOT SLOTS
#define TWIN      (1u << 20) // added to v: which body it is

static bool has_twin(uint64_t v)
{
    return v % 6 == 0;
}

#define RIDERS 500

static bool has_rider(uint64_t v)
{
    return v % 5 == 0;
}

static struct span rider_key(account_id a, uint64_t v, char out[32])
{
    snprintf(out, 32, "%llu commit %llu", (unsigned long long)a, (unsigned long long)v);
    return span_from_str(out);
}

static bool drops_body(uint64_t v)
{
    return v % 2 == 1 && v % 11 < 4;
}

static size_t body_bytes(account_id a, uint64_t v)
{
    return a == 10 && v % 90 == 20 ? LARGE_BODY : (size_t)(mix(a, v, 3) % BODY_MAX);
}

static void fill(char *out, size_t n, uint64_t what)
{
    static const char words[] = "the same words again and again, the same words again and again, ";

    for (size_t i = 0; i < n; i += 32) {
        memcpy(out + i, words + what % 32, n - i < 32 ? n - i : 32);
    }
    for (size_t i = 0; i < n; i += 97) {
        out[i] ^= (char)what;
    }
}

static char *body_of(account_id a, uint64_t v)
{
    size_t n = body_bytes(a, v);
    char *p = malloc(n + 1);

    CHECK(p);
    fill(p, n, mix(a, v, 4));
    return p;
}

static size_t summary_of(account_id a, uint64_t v, char out[600])
{
    size_t n = (size_t)(mix(a, v, 5) % 600);

    fill(out, n, mix(a, v, 6));
    return n;
}

// ---- the writers --------------------------------------------------------------------------------

struct account {
    account_id id;
    uint64_t version;                                      // that the engine is known to have
    body_id slots[SLOTS + 1];                              // what is in them now
    size_t begun[COMMITS_MAX + 1], acked[COMMITS_MAX + 1]; // moments, by version; 0: not
};

struct writer {
    struct engine *e;
    struct account a, b; // b shares bodies
    unsigned commits;
    bool stopped; // by an error that was to be expected
};

static void build_a(struct batch *b, struct account *a, uint64_t v, body_id fresh,
                    body_id *out_slot)
{
    char key[8], value[20000];
    unsigned k = (unsigned)(v % KEYS), n = value_bytes(a->id, v), slot = (unsigned)(v % SLOTS);

    fill(value, n, v);
    snprintf(key, sizeof(key), "k%u", k);
    MUST(batch_put(b, span_from_str(key), span_of(value, n)));
    if (deletes(a->id, v, &k)) {
        snprintf(key, sizeof(key), "k%u", k);
        MUST(batch_delete(b, span_from_str(key)));
    }
    *out_slot = a->slots[slot];
    if (!has_body(v) && !drops_body(v)) {
        return;
    }
    snprintf(key, sizeof(key), "s%u", slot);
    if (a->slots[slot]) {
        MUST(batch_drop_body(b, a->slots[slot]));
    }
    if (has_body(v)) {
        MUST(batch_use_body(b, fresh));
        MUST(batch_put(b, span_from_str(key), span_of(&fresh, 8)));
        *out_slot = fresh;
    } else {
        MUST(batch_delete(b, span_from_str(key)));
        *out_slot = 0;
    }
}

static void build_twin(struct batch *b, const struct account *a, body_id twin)
{
    char key[8];

    snprintf(key, sizeof(key), "s%u", TWIN_SLOT);
    if (a->slots[TWIN_SLOT]) {
        MUST(batch_drop_body(b, a->slots[TWIN_SLOT]));
    }
    MUST(batch_use_body(b, twin));
    MUST(batch_put(b, span_from_str(key), span_of(&twin, 8)));
}

static void build_b(struct batch *b, struct account *a, body_id fresh)
{
    if (a->slots[0]) {
        MUST(batch_drop_body(b, a->slots[0]));
    }
    MUST(batch_use_body(b, fresh));
    MUST(batch_put(b, SPAN("s0"), span_of(&fresh, 8)));
}

// Takes part in the commit of `b`; the caller destroys it afterwards. NULL: none does.
static struct batch *build_rider(struct batch *b, account_id a, uint64_t v)
{
    struct batch *rider = NULL;
    char key[32];

    if (has_rider(v)) {
        MUST(batch_create(RIDERS, &rider));
        MUST(batch_put(rider, rider_key(a, v, key), span_of(&v, 8)));
        batch_set_rider(b, rider);
    }
    return rider;
}

static enum err make_body(struct writer *w, uint64_t v, struct body_writer **out, body_id *out_id)
{
    char *bytes = body_of(w->a.id, v), summary[600];
    size_t n = body_bytes(w->a.id, v);
    enum err e = body_begin(w->e, out);

    if (e == ERR_OK) {
        e = body_write(*out, span_of(bytes, n / 3));
    }
    if (e == ERR_OK) {
        e = body_write(*out, span_of(bytes + n / 3, n - n / 3));
    }
    if (e == ERR_OK) {
        e = body_finish(*out, span_of(summary, summary_of(w->a.id, v, summary)), out_id);
    }
    free(bytes);
    return e;
}

static void note_ack(struct account *a, uint64_t v, enum err e)
{
    if (e == ERR_OK) {
        a->version = v;
        a->acked[v] = disk_moment();
    }
}

// One step of a writer; false when it cannot go on.
static bool step(struct writer *w)
{
    uint64_t va = w->a.version + 1, vb = w->b.version + 1;
    bool both = va % 4 == 0;
    struct body_writer *body = NULL, *other = NULL;
    struct batch *b[2] = {NULL, NULL};
    uint64_t expected[2] = {va - 1, vb - 1};
    enum err results[2] = {ERR_OK, ERR_OK};
    body_id fresh = 0, twin = 0, slot;

    if ((has_body(va) && make_body(w, va, &body, &fresh) != ERR_OK) ||
        (has_twin(va) && make_body(w, va + TWIN, &other, &twin) != ERR_OK)) {
        body_writer_destroy(body);
        body_writer_destroy(other);
        return false;
    }
    MUST(batch_create(w->a.id, &b[0]));
    build_a(b[0], &w->a, va, fresh, &slot);
    if (has_twin(va)) {
        build_twin(b[0], &w->a, twin);
    }
    struct batch *rider = build_rider(b[0], w->a.id, va);

    w->a.begun[va] = disk_moment() + 1;
    if (both) {
        MUST(batch_create(w->b.id, &b[1]));
        build_b(b[1], &w->b, fresh);
        w->b.begun[vb] = disk_moment() + 1;
    }
    engine_commit_many(w->e, b, expected, both ? 2 : 1, results);
    note_ack(&w->a, va, results[0]);
    if (results[0] == ERR_OK) {
        w->a.slots[va % SLOTS] = slot;
        w->a.slots[TWIN_SLOT] = has_twin(va) ? twin : w->a.slots[TWIN_SLOT];
    }
    if (both) {
        note_ack(&w->b, vb, results[1]);
        if (results[1] == ERR_OK) {
            w->b.slots[0] = fresh;
        }
    }
    batch_destroy(b[0]);
    batch_destroy(b[1]);
    batch_destroy(rider);
    body_writer_destroy(body);
    body_writer_destroy(other);
    return results[0] == ERR_OK && results[1] == ERR_OK;
}

static void *writer_run(void *arg)
{
    struct writer *w = arg;

    for (unsigned i = 0; i < w->commits && !w->stopped; i++) {
        w->stopped = !step(w);
    }
    return NULL;
}

static void writers_init(struct writer *w, struct engine *e, unsigned commits)
{
    memset(w, 0, WRITERS * sizeof(*w));
    for (unsigned i = 0; i < WRITERS; i++) {
        w[i].e = e;
        w[i].commits = commits;
        w[i].a.id = 10 * (i + 1);
        w[i].b.id = 10 * (i + 1) + 1;
    }
}

// ---- the check ----------------------------------------------------------------------------------

static void check_body(struct snapshot *s, struct span value, account_id a, uint64_t v)
{
    char *want = body_of(a, v), summary[600];
    size_t n = body_bytes(a, v), summary_n = summary_of(a, v, summary);
    struct buf got;
    struct span got_summary;
    body_id id;

    CHECK(value.n == 8);
    memcpy(&id, value.p, 8);
    buf_init(&got, LARGE_BODY + 1);
    MUST(body_read(s, id, 0, LARGE_BODY + 1, &got));
    CHECK(span_eq(buf_span(&got), span_of(want, n)));
    MUST(body_summary(s, id, &got_summary));
    CHECK(span_eq(got_summary, span_of(summary, summary_n)));
    buf_finish(&got);
    free(want);
}

// What commits 1..v left in key k: the commit that put it, 0 for nothing.
static uint64_t expected_key(account_id a, uint64_t v, unsigned k)
{
    for (; v > 0; v--) {
        unsigned gone;

        if (v % KEYS == k) {
            return v;
        }
        if (deletes(a, v, &gone) && gone == k) {
            return 0;
        }
    }
    return 0;
}

static uint64_t expected_slot(uint64_t v, unsigned slot)
{
    if (slot == TWIN_SLOT) {
        return v < 6 ? 0 : v / 6 * 6 + TWIN;
    }
    for (; v > 0; v--) {
        if (v % SLOTS == slot && (has_body(v) || drops_body(v))) {
            return has_body(v) ? v : 0;
        }
    }
    return 0;
}

// The account has exactly what its first v commits left.
static void check_a(struct snapshot *s, account_id a, uint64_t v)
{
    struct scan *c;
    struct span key, value;
    unsigned there = 0, expected = 0;
    char want[20000];

    for (unsigned k = 0; k < KEYS; k++) {
        expected += expected_key(a, v, k) != 0;
    }
    for (unsigned k = 0; k <= TWIN_SLOT; k++) {
        expected += expected_slot(v, k) != 0;
    }
    MUST(scan_open(s, a, SPAN(""), SPAN(""), false, &c));
    for (; scan_next(c, &key, &value) == ERR_OK; there++) {
        unsigned k = (unsigned)(key.p[1] - '0');
        uint64_t by = key.p[0] == 'k' ? expected_key(a, v, k) : expected_slot(v, k);

        CHECK(key.n == 2 && by != 0);
        if (key.p[0] == 'k') {
            fill(want, value_bytes(a, by), by);
            CHECK(span_eq(value, span_of(want, value_bytes(a, by))));
        } else {
            check_body(s, value, a, by);
        }
    }
    scan_close(c);
    CHECK(there == expected);
}

static bool disk_was_full; // then a rider may have been left out of a commit that was made

// A rider is never there without its commit, and with each that was acknowledged.
static void check_riders(struct snapshot *s, const struct account *a, uint64_t v, size_t moment)
{
    for (uint64_t k = 5; k <= COMMITS_MAX; k += 5) {
        bool acked = a->acked[k] && a->acked[k] <= moment;
        struct span value;
        char key[32];
        enum err e = snapshot_get(s, RIDERS, rider_key(a->id, k, key), &value);

        CHECK(e == ERR_OK || e == ERR_NOT_FOUND);
        CHECK(e == ERR_NOT_FOUND || (k <= v && value.n == 8 && memcmp(value.p, &k, 8) == 0));
        CHECK(e == ERR_OK || !acked || disk_was_full);
    }
}

static void check_b(struct snapshot *s, account_id b, uint64_t v)
{
    struct span value;
    enum err e = snapshot_get(s, b, SPAN("s0"), &value);

    CHECK(v ? e == ERR_OK : e == ERR_NOT_FOUND);
    if (v) {
        check_body(s, value, b - 1, 4 * v);
    }
}

// Uses of all bodies are what the accounts' slots say.
static void check_uses(struct snapshot *s)
{
    struct {
        body_id id;
        unsigned uses;
    } seen[WRITERS * (TWIN_SLOT + 2)];
    unsigned n = 0;
    body_id id = 0;

    for (unsigned w = 0; w < WRITERS; w++) {
        for (unsigned i = 0; i <= TWIN_SLOT + 1; i++) {
            char key[8];
            struct span value;
            unsigned at = 0;

            snprintf(key, sizeof(key), "s%u", i % (TWIN_SLOT + 1));
            if (snapshot_get(s, 10 * (w + 1) + i / (TWIN_SLOT + 1), span_from_str(key), &value) !=
                ERR_OK) {
                continue;
            }
            memcpy(&id, value.p, 8);
            while (at < n && seen[at].id != id) {
                at++;
            }
            if (at == n) {
                seen[n].id = id;
                seen[n++].uses = 0;
            }
            seen[at].uses++;
        }
    }
    unsigned bodies = 0;

    for (id = 0; snapshot_next_body(s, id + 1, &id) == ERR_OK; bodies++) {
        struct body_info info;
        unsigned at = 0;

        while (at < n && seen[at].id != id) {
            at++;
        }
        MUST(body_info(s, id, &info));
        CHECK(at < n && seen[at].uses == info.uses);
    }
    CHECK(bodies == n);
}

static void say_problem(void *arg, struct span line, bool repaired)
{
    (void)arg, (void)repaired;
    fail_test("verify: %.*s", (int)line.n, line.p);
}

// Everything an opened store must hold at `moment` of the recorded run. Gives the versions found.
static void check_store(struct engine *e, struct writer *w, size_t moment, uint64_t *out_versions)
{
    const struct engine_verify_options all = {.read_files = true, .read_bodies = true};
    struct engine_report report;
    struct snapshot *s;

    MUST(snapshot_open(e, &s));
    for (unsigned i = 0; i < 2 * WRITERS; i++) {
        struct account *a = i % 2 ? &w[i / 2].b : &w[i / 2].a;
        uint64_t v, acked = 0, begun = 0;

        for (uint64_t k = 1; k <= COMMITS_MAX; k++) {
            acked = a->acked[k] && a->acked[k] <= moment ? k : acked;
            begun = a->begun[k] && a->begun[k] <= moment + 1 ? k : begun;
        }
        MUST(snapshot_version(s, a->id, &v));
        if (v < acked || v > begun) {
            fail_test("account %llu is at %llu; %llu were acknowledged, %llu begun",
                      (unsigned long long)a->id, (unsigned long long)v, (unsigned long long)acked,
                      (unsigned long long)begun);
        }
        if (i % 2) {
            check_b(s, a->id, v);
        } else {
            check_a(s, a->id, v);
            check_riders(s, a, v, moment);
        }
        out_versions[i] = v;
    }
    check_uses(s);
    snapshot_close(s);
    MUST(engine_verify(e, &all, say_problem, NULL, &report));
}

// ---- stores -------------------------------------------------------------------------------------

static int open_fd;
static char base[64], run_dir[96], image_dir[96], nested_dir[96];

static void make_dirs(const char *path)
{
    char sub[128];

    CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    snprintf(sub, sizeof(sub), "%s/journal", path);
    CHECK(mkdir(sub, 0700) == 0 || errno == EEXIST);
    snprintf(sub, sizeof(sub), "%s/index", path);
    CHECK(mkdir(sub, 0700) == 0 || errno == EEXIST);
}

static void clear_dir(const char *path)
{
    char command[3][128];
    const char *const subs[] = {"journal", "index", "."};

    for (int i = 0; i < 3; i++) {
        snprintf(command[i], sizeof(command[i]), "%s/%s", path, subs[i]);
        int fd = open(command[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

        for (struct dirent *f; d && (f = readdir(d));) {
            unlinkat(fd, f->d_name, 0);
        }
        if (d) {
            closedir(d);
        }
    }
}

static void remove_dirs(const char *path)
{
    char sub[128];

    clear_dir(path);
    snprintf(sub, sizeof(sub), "%s/journal", path);
    rmdir(sub);
    snprintf(sub, sizeof(sub), "%s/index", path);
    rmdir(sub);
    rmdir(path);
}

static enum err open_store(const char *path, bool background, struct engine **out, char *why_text)
{
    struct engine_local_options o = ENGINE_LOCAL_DEFAULTS;
    struct buf why;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK(fd >= 0);
    o.segment_bytes = 128u << 10;
    o.reserve_bytes = 4096;
    o.map_bytes = 64u << 20;
    o.memtable_bytes = 1u << 20;
    o.checkpoint_ms = background ? 5 : 1000000;
    o.compact_ms = background ? 7 : 1000000;
    o.compress_after_s = 0;
    buf_init(&why, 2000);
    enum err e = engine_local_open(fd, &o, out, &why);

    snprintf(why_text, 256, "%.*s", (int)(why.n < 255 ? why.n : 255), why.n ? why.p : "");
    buf_finish(&why);
    if (e != ERR_OK) {
        close(fd);
    } else {
        open_fd = fd;
    }
    return e;
}

static void close_store(struct engine *e)
{
    engine_close(e);
    close(open_fd); // which the engine uses to its end
}

static struct engine *must_open(const char *path, bool background)
{
    struct engine *e;
    char why[256];
    enum err error = open_store(path, background, &e, why);

    if (error != ERR_OK) {
        fail_test("%s: %s: %s", path, err_name(error), why);
    }
    return e;
}

// ---- images -------------------------------------------------------------------------------------

static void check_reads(struct engine *e, struct writer *w)
{
    struct snapshot *s;

    // Whatever failed, what was acknowledged can be read, and nothing else is shown.
    MUST(snapshot_open(e, &s));
    for (unsigned i = 0; i < WRITERS; i++) {
        uint64_t v;

        MUST(snapshot_version(s, w[i].a.id, &v));
        CHECK(v == w[i].a.version);
        check_a(s, w[i].a.id, v);
        MUST(snapshot_version(s, w[i].b.id, &v));
        CHECK(v == w[i].b.version);
        check_b(s, w[i].b.id, v);
    }
    snapshot_close(s);
}

// Writers that go on where the store is, as clients do that try again what was not acknowledged:
// the same commits, so frames of the same sizes as those that were cut.
static void writers_resume(struct writer *w, struct engine *e, const uint64_t *versions)
{
    struct snapshot *s;

    writers_init(w, e, 0);
    MUST(snapshot_open(e, &s));
    for (unsigned i = 0; i < 2 * WRITERS; i++) {
        struct account *a = i % 2 ? &w[i / 2].b : &w[i / 2].a;

        a->version = versions[i];
        for (unsigned k = 0; k <= TWIN_SLOT; k++) {
            char key[8];
            struct span value;

            snprintf(key, sizeof(key), "s%u", k);
            if (snapshot_get(s, a->id, span_from_str(key), &value) == ERR_OK) {
                memcpy(&a->slots[k], value.p, 8);
            }
        }
    }
    snapshot_close(s);
}

// The second account's commits go with every fourth of the first one; when the cut came between
// the two this writer ends.
static bool can_step(const struct writer *w)
{
    uint64_t next = w->a.version + 1;

    return next <= COMMITS_MAX && (next % 4 != 0 || w->b.version == next / 4 - 1);
}

// The store serves on after the crash, and is closed and opened at random moments: every commit
// is there, and nothing that the crash cut off comes back. Closes the store.
static void serve_on(struct engine *e, const char *path, const uint64_t *versions, uint64_t dice)
{
    static struct writer w[WRITERS];

    writers_resume(w, e, versions);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned k = (unsigned)(mix(dice, i, 1) % 4); k > 0; k--) {
            struct writer *who = &w[mix(dice, i, k + 1) % WRITERS];

            CHECK(!can_step(who) || step(who));
        }
        check_reads(e, w);
        close_store(e);
        e = must_open(path, false);
        for (unsigned k = 0; k < WRITERS; k++) {
            w[k].e = e;
        }
        check_reads(e, w);
    }
    close_store(e);
}

// Opens an image, checks it, and checks that opening it again finds the same.
static void check_image(const char *path, struct writer *w, size_t moment, uint64_t dice)
{
    uint64_t first[2 * WRITERS], second[2 * WRITERS];
    struct engine *e = must_open(path, false);

    check_store(e, w, moment, first);
    // Bodies' places move, contents do not.
    unsigned files;

    MUST(engine_local_checkpoint(e));
    MUST(engine_local_compact(e, &files));
    check_store(e, w, moment, second);
    CHECK(memcmp(first, second, sizeof(first)) == 0);
    close_store(e);
    e = must_open(path, false);
    check_store(e, w, moment, second);
    CHECK(memcmp(first, second, sizeof(first)) == 0);
    serve_on(e, path, second, dice);
}

static void random_run(struct writer *w)
{
    pthread_t threads[WRITERS];

    clear_dir(run_dir);
    disk_record(run_dir);
    struct engine *e = must_open(run_dir, true);

    writers_init(w, e, 40 + (unsigned)(mix(seed, 0, 7) % 120));
    for (unsigned i = 0; i < WRITERS; i++) {
        CHECK(pthread_create(&threads[i], NULL, writer_run, &w[i]) == 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(!w[i].stopped);
    }
    close_store(e);
    disk_stop();
}

static int by_value(const void *a, const void *b)
{
    return *(const size_t *)a < *(const size_t *)b ? -1 : *(const size_t *)a > *(const size_t *)b;
}

#define IMAGES_A_RUN 60

static void images_of_run(struct writer *w)
{
    size_t moments[IMAGES_A_RUN], end = disk_moment();

    for (unsigned i = 0; i < IMAGES_A_RUN; i++) {
        moments[i] = (size_t)(mix(seed, i, 8) % (end + 1));
    }
    qsort(moments, IMAGES_A_RUN, sizeof(*moments), by_value);
    disk_replay_begin();
    for (unsigned i = 0; i < IMAGES_A_RUN; i++) {
        static char what[64];

        snprintf(what, sizeof(what), "image %u at moment %zu", i, moments[i]);
        doing = what;
        disk_replay_to(moments[i]);
        clear_dir(image_dir);
        disk_image(image_dir, (enum disk_luck)(i % 5), mix(seed, i, 9));
        check_image(image_dir, w, moments[i], mix(seed, i, 14));
    }
    disk_replay_end();
}

// Recovery cut short: an image is opened under the recorder, and images of that are opened.
static void images_of_recovery(struct writer *w)
{
    size_t moment = (size_t)(mix(seed, 0, 10) % (disk_moment() + 1));

    disk_replay_begin();
    disk_replay_to(moment);
    clear_dir(image_dir);
    disk_image(image_dir, DISK_SOME, mix(seed, 0, 11));
    disk_replay_end();
    disk_record(image_dir);
    struct engine *e = must_open(image_dir, false);

    close_store(e);
    disk_stop();
    size_t end = disk_moment();

    disk_replay_begin();
    for (unsigned i = 0; i < 20; i++) {
        static char what[64];

        snprintf(what, sizeof(what), "interrupted recovery %u of moment %zu", i, moment);
        doing = what;
        // The first events are the image itself.
        disk_replay_to(end * (i + 1) / 20);
        if (end * (i + 1) / 20 < disk_loaded()) {
            continue;
        }
        clear_dir(nested_dir);
        disk_image(nested_dir, (enum disk_luck)(i % 5), mix(seed, i, 12));
        check_image(nested_dir, w, moment, mix(seed, i, 15));
    }
    disk_replay_end();
}

// ---- faults -------------------------------------------------------------------------------------

// One writer after another, with checkpoints and compactions in between; ends at the first error.
static void fault_run(struct engine *e, struct writer *w)
{
    writers_init(w, e, 0);
    for (unsigned i = 0; i < 45; i++) {
        unsigned files;

        for (unsigned k = 0; k < WRITERS; k++) {
            if (!step(&w[k])) {
                return;
            }
        }
        if (i % 15 == 9 &&
            (engine_local_checkpoint(e) != ERR_OK || engine_local_compact(e, &files) != ERR_OK)) {
            return;
        }
    }
}

// False when the n-th call did not come: all have been tried.
static bool fault_at(struct writer *w, unsigned n, unsigned kinds, int errnum, bool forever)
{
    struct engine *e = NULL;
    uint64_t versions[2 * WRITERS];
    char why[256];

    clear_dir(run_dir);
    disk_was_full = errnum == ENOSPC;
    disk_record(run_dir);
    disk_fail(n, kinds, errnum, forever);
    writers_init(w, NULL, 0);
    if (open_store(run_dir, false, &e, why) == ERR_OK) {
        fault_run(e, w);
        check_reads(e, w);
        close_store(e);
    }
    bool happened = disk_failed();

    disk_fail(0, 0, 0, false);
    disk_stop();
    size_t end = disk_moment();

    // As after a restart of the process, and as after a power cut.
    e = must_open(run_dir, false);
    check_store(e, w, end, versions);
    close_store(e);
    disk_replay_begin();
    disk_replay_to(end);
    clear_dir(image_dir);
    disk_image(image_dir, (enum disk_luck)(n % 5), mix(seed, n, 13));
    disk_replay_end();
    check_image(image_dir, w, end, mix(seed, n, 16));
    return happened;
}

static unsigned faults(struct writer *w, unsigned stride)
{
    static const struct {
        const char *name;
        unsigned kinds;
        int errnum;
        bool forever;
    } kinds[] = {
        {"write EIO", DISK_WRITES, EIO, false},
        {"sync EIO", DISK_SYNCS, EIO, false},
        {"sync EIO for ever", DISK_SYNCS, EIO, true},
        {"write ENOSPC", DISK_WRITES, ENOSPC, false},
        {"grow ENOSPC", DISK_GROWS, ENOSPC, false},
        {"ENOSPC for ever", DISK_WRITES | DISK_GROWS, ENOSPC, true},
    };
    unsigned total = 0;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        for (unsigned n = 1 + (unsigned)(seed % stride);; n += stride) {
            static char what[64];

            snprintf(what, sizeof(what), "%s at call %u", kinds[i].name, n);
            doing = what;
            total++;
            if (!fault_at(w, n, kinds[i].kinds, kinds[i].errnum, kinds[i].forever)) {
                break;
            }
        }
    }
    return total;
}

// ---- main ---------------------------------------------------------------------------------------

static unsigned setting(const char *name, unsigned otherwise)
{
    const char *s = getenv(name);

    return s ? (unsigned)strtoul(s, NULL, 10) : otherwise;
}

int main(void)
{
    static struct writer w[WRITERS];
    unsigned images = setting("MK_CRASH_IMAGES", 3000), done = 0, tried = 0;

    // Freed memory stays: a store is opened hundreds of times a second.
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    // Each fault is meant; thousands of lines about them would hide the one that is not.
    log_set_level(setting("MK_CRASH_LOG", 0) ? LOG_DEBUG : LOG_ERROR);
    if (!setting("MK_CRASH_LOG", 0)) {
        CHECK(freopen("/dev/null", "w", stdout));
    }
    snprintf(base, sizeof(base), "%s/mailkeep-crash-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(base));
    snprintf(run_dir, sizeof(run_dir), "%s/run", base);
    snprintf(image_dir, sizeof(image_dir), "%s/image", base);
    snprintf(nested_dir, sizeof(nested_dir), "%s/nested", base);
    make_dirs(run_dir);
    make_dirs(image_dir);
    make_dirs(nested_dir);
    seed = setting("MK_CRASH_SEED", 1);
    for (; done < images; done += IMAGES_A_RUN + 20, seed++) {
        doing = "run";
        random_run(w);
        images_of_run(w);
        images_of_recovery(w);
    }
    tried = faults(w, images >= 10000 ? 1 : 7);
    fprintf(stderr, "%u images, %u faults: all hold\n", done, tried);
    const char *const all[] = {run_dir, image_dir, nested_dir};

    for (int i = 0; i < 3; i++) {
        remove_dirs(all[i]);
    }
    rmdir(base);
    return 0;
}
