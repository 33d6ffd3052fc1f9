// SPDX-License-Identifier: Apache-2.0
//
// What only the local engine has: files, compaction, compression, damage, a full disk.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/format/frame.h"
#include "engine/local/local_internal.h"
#include "folder.h"

static char text[1 << 20];

// Bytes like mail: they repeat and differ.
static struct span mail(unsigned i, size_t n)
{
    return span_of(text + i * 37 % 1000, n);
}

static void fill_text(void)
{
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = "From: somebody@example.org\r\nSubject: about the cheese\r\n"[(i + i / 91) % 55];
    }
}

static void expect_body(struct engine *e, body_id id, struct span want, struct span summary)
{
    struct snapshot *s;
    struct span got;
    struct buf b;

    buf_init(&b, want.n + 1);
    assert_ok(snapshot_open(e, &s));
    assert_ok(body_read(s, id, 0, want.n + 1, &b));
    assert_true(span_eq(buf_span(&b), want));
    assert_ok(body_summary(s, id, &got));
    assert_true(span_eq(got, summary));
    snapshot_close(s);
    buf_finish(&b);
}

static enum err drop(struct engine *e, account_id account, body_id id)
{
    struct snapshot *s;
    struct batch *b;
    uint64_t version;

    assert_ok(snapshot_open(e, &s));
    assert_ok(snapshot_version(s, account, &version));
    snapshot_close(s);
    assert_ok(batch_create(account, &b));
    assert_ok(batch_drop_body(b, id));
    enum err result = engine_commit(e, b, version);

    batch_destroy(b);
    return result;
}

static void count_problem(void *arg, struct span line, bool repaired)
{
    (void)line, (void)repaired;
    ++*(unsigned *)arg;
}

static uint64_t problems(struct engine *e)
{
    const struct engine_verify_options all = {.read_files = true, .read_bodies = true};
    struct engine_report report;
    unsigned lines = 0;

    assert_ok(engine_verify(e, &all, count_problem, &lines, &report));
    assert_int_equal(lines, report.problems);
    return report.problems;
}

struct wanted {
    const char *text;
    bool found;
};

static void find_problem(void *arg, struct span line, bool repaired)
{
    struct wanted *w = arg;

    (void)repaired;
    w->found |= span_find(line, span_from_str(w->text)) < line.n;
}

// Whether a check of headers alone says this.
static bool problem_said(struct engine *e, const char *said)
{
    struct wanted w = {.text = said};
    struct engine_report report;

    assert_ok(engine_verify(e, &(struct engine_verify_options){0}, find_problem, &w, &report));
    return w.found;
}

// ---- compaction ---------------------------------------------------------------------------------

#define BODIES 700

static void compaction_round(bool compress)
{
    struct engine_local_options o = folder_options();
    struct engine_status before, after;
    struct folder f;
    struct engine *e;
    struct snapshot *old;
    struct buf why, b;
    body_id ids[BODIES];
    unsigned files;

    folder_make(&f);
    o.compress = compress;
    o.compress_after_s = compress ? 0 : 1000000;
    assert_ok(folder_open(&f, &o, &e, &why));
    for (unsigned i = 0; i < BODIES; i++) {
        ids[i] = folder_deliver(e, 1, mail(i, 4000 + i % 50), mail(i + 1, i % 3 ? 300 : 0));
    }
    assert_ok(snapshot_open(e, &old));
    for (unsigned i = 0; i < BODIES; i++) {
        if (i % 3) {
            assert_ok(drop(e, 1, ids[i]));
        }
    }
    assert_ok(engine_local_checkpoint(e));
    engine_status(e, &before);
    assert_ok(engine_local_compact(e, &files));
    assert_true(files > 0);
    // Who opened before still reads all of it.
    buf_init(&b, 5000);
    for (unsigned i = 0; i < BODIES; i++) {
        buf_clear(&b);
        assert_ok(body_read(old, ids[i], 0, 5000, &b));
        assert_true(span_eq(buf_span(&b), mail(i, 4000 + i % 50)));
    }
    snapshot_close(old);
    assert_ok(engine_local_compact(e, &files));
    engine_status(e, &after);
    assert_true(after.segment_bytes < before.segment_bytes);
    assert_int_equal(after.bodies, (BODIES + 2) / 3);
    if (compress) {
        assert_true(after.dead_bytes < after.body_bytes);
    }
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < BODIES; i += 3) {
            expect_body(e, ids[i], mail(i, 4000 + i % 50), SPAN(""));
        }
        assert_int_equal(problems(e), 0);
        engine_close(e);
        buf_finish(&why);
        assert_ok(folder_open(&f, &o, &e, &why));
    }
    // Dead to the last: nothing but the journal's end is left.
    for (unsigned i = 0; i < BODIES; i += 3) {
        assert_ok(drop(e, 1, ids[i]));
    }
    assert_ok(engine_local_checkpoint(e));
    assert_ok(engine_local_compact(e, &files));
    assert_int_equal(problems(e), 0);
    engine_close(e);
    char names[16][32];

    assert_int_equal(folder_files(&f, ".pack", names, 16), 0);
    assert_int_equal(folder_files(&f, ".seg", names, 16), 1);
    assert_int_equal(folder_files(&f, ".new", names, 16), 0);
    buf_finish(&b);
    buf_finish(&why);
    folder_remove(&f);
}

// ---- summaries of one commit --------------------------------------------------------------------

#define TOGETHER 40

static size_t together_size(unsigned i)
{
    return i == 5 ? 0 : i == 6 ? 300000 : i == 7 ? 65536 : 1000 + i;
}

static size_t together_summary(unsigned i)
{
    return i == 8 ? 0 : i == 9 ? 70000 : 700 + i;
}

static void commit_together(struct engine *e, body_id *ids)
{
    struct body_writer *writers[TOGETHER];
    struct batch *b;

    assert_ok(batch_create(1, &b));
    for (unsigned i = 0; i < TOGETHER; i++) {
        assert_ok(body_begin(e, &writers[i]));
        assert_ok(body_write(writers[i], mail(i, together_size(i))));
        assert_ok(body_finish(writers[i], mail(i + 1, together_summary(i)), &ids[i]));
        assert_ok(batch_use_body(b, ids[i]));
    }
    assert_ok(engine_commit(e, b, 0));
    for (unsigned i = 0; i < TOGETHER; i++) {
        body_writer_destroy(writers[i]);
    }
    batch_destroy(b);
}

static void expect_together(struct engine *e, const body_id *ids)
{
    struct snapshot *s;
    struct span got;

    for (unsigned i = 0; i < TOGETHER; i++) {
        expect_body(e, ids[i], mail(i, together_size(i)), mail(i + 1, together_summary(i)));
    }
    // In one snapshot, in order, with steps and back: by the cursor and the window.
    assert_ok(snapshot_open(e, &s));
    for (unsigned step = 1; step < TOGETHER; step += 3) {
        for (unsigned i = 0; i < TOGETHER; i += step) {
            assert_ok(body_summary(s, ids[i], &got));
            assert_true(span_eq(got, mail(i + 1, together_summary(i))));
            assert_ok(body_summary(s, ids[i / 2], &got));
            assert_true(span_eq(got, mail(i / 2 + 1, together_summary(i / 2))));
        }
    }
    assert_int_equal(body_summary(s, ids[TOGETHER - 1] + 100000, &got), ERR_NOT_FOUND);
    snapshot_close(s);
    assert_int_equal(problems(e), 0);
}

// Frames of nothing but summaries.
static unsigned count_gathered(struct folder *f)
{
    char names[16][32];
    unsigned frames = 0;

    for (size_t i = folder_files(f, ".seg", names, 16); i-- > 0;) {
        struct frame_walk w;
        struct frame frame;
        struct span head, tail;
        uint64_t size;
        int fd = folder_file(f, names[i]);

        assert_ok(file_size(fd, &size));
        frame_walk_init(&w, fd, (struct position){strtoull(names[i], NULL, 16), 0}, size);
        while (frame_walk_next(&w, &frame, &head, &tail) == ERR_OK) {
            frames += frame.type == FRAME_SUMMARIES;
        }
        frame_walk_finish(&w);
        close(fd);
    }
    return frames;
}

static void test_summaries_together(void **state)
{
    struct engine_local_options o = folder_options();
    struct folder f;
    struct engine *e;
    struct buf why;
    body_id ids[TOGETHER];
    unsigned files;

    (void)state;
    folder_make(&f);
    o.compress = true;
    o.compress_after_s = 0;
    assert_ok(folder_open(&f, &o, &e, &why));
    commit_together(e, ids);
    assert_int_equal(count_gathered(&f), 1);
    expect_together(e, ids);
    engine_close(e);
    buf_finish(&why);
    assert_ok(folder_open(&f, &o, &e, &why));
    expect_together(e, ids);
    // Fill the segment, so that it is rewritten.
    for (unsigned i = 0; i < BODIES; i++) {
        folder_deliver(e, 2, mail(i, 20000), mail(i, 10));
    }
    assert_ok(engine_local_checkpoint(e));
    assert_ok(engine_local_compact(e, &files));
    assert_true(files > 0);
    expect_together(e, ids);
    engine_close(e);
    buf_finish(&why);
    folder_remove(&f);
}

static void test_compaction(void **state)
{
    (void)state;
    compaction_round(false);
}

static void test_compression(void **state)
{
    (void)state;
    compaction_round(true);
}

static void test_large_bodies_compressed(void **state)
{
    struct engine_local_options o = folder_options();
    struct folder f;
    struct engine *e;
    struct snapshot *s;
    struct buf why, b, want;
    struct engine_status status;
    unsigned files;
    body_id id, noise;

    (void)state;
    folder_make(&f);
    o.compress_after_s = 0;
    assert_ok(folder_open(&f, &o, &e, &why));
    buf_init(&want, 4u << 20);
    for (unsigned i = 0; i < 4; i++) {
        buf_put(&want, span_of(text + i, 900000));
    }
    id = folder_deliver(e, 1, buf_span(&want), mail(3, 5000));
    // Something that does not shrink.
    for (size_t i = 0; i < 700000; i++) {
        want.p[i] = (char)(i * i * 2654435761u >> 13);
    }
    noise = folder_deliver(e, 1, span_of(want.p, 700000), SPAN(""));
    for (unsigned i = 0; i < 200; i++) {
        folder_put(e, 2, "filler", mail(i, 30000));
    }
    assert_ok(engine_local_checkpoint(e));
    assert_ok(engine_local_compact(e, &files));
    assert_true(files >= 4);
    engine_status(e, &status);
    assert_true(status.segment_bytes < 4u << 20); // of 4.3 million bytes the half shrinks to little
    buf_init(&b, 4u << 20);
    assert_ok(snapshot_open(e, &s));
    assert_ok(body_read(s, noise, 0, 1u << 20, &b));
    assert_true(span_eq(buf_span(&b), span_of(want.p, 700000)));
    buf_clear(&want);
    for (unsigned i = 0; i < 4; i++) {
        buf_put(&want, span_of(text + i, 900000));
    }
    for (uint64_t at = 0; at < want.n; at += 123457) {
        buf_clear(&b);
        assert_ok(body_read(s, id, at, 300000, &b));
        assert_true(span_eq(buf_span(&b), span_first(span_skip(buf_span(&want), at), 300000)));
    }
    snapshot_close(s);
    assert_int_equal(problems(e), 0);
    engine_close(e);
    buf_finish(&b);
    buf_finish(&want);
    buf_finish(&why);
    folder_remove(&f);
}

// ---- damage -------------------------------------------------------------------------------------

static void test_two_servers(void **state)
{
    struct engine_local_options o = folder_options();
    struct folder f;
    struct engine *e, *second;
    struct buf why;

    (void)state;
    folder_make(&f);
    e = folder_open_ok(&f);
    assert_err(folder_open(&f, &o, &second, &why), ERR_UNAVAILABLE);
    assert_span(buf_span(&why), "another process has this store open");
    buf_finish(&why);
    engine_close(e);
    folder_remove(&f);
}

static void test_bit_rot(void **state)
{
    struct folder f;
    struct engine *e;
    struct snapshot *s;
    struct buf b;
    char names[4][32];
    struct stat st;
    unsigned dice = 7, found = 0;
    body_id ids[20];

    (void)state;
    folder_make(&f);
    e = folder_open_ok(&f);
    for (unsigned i = 0; i < 20; i++) {
        ids[i] = folder_deliver(e, 1, mail(i, 2000), mail(i, 100));
    }
    assert_ok(engine_local_checkpoint(e));
    assert_int_equal(folder_files(&f, ".seg", names, 4) > 0, 1);
    int fd = folder_file(&f, names[0]);

    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    buf_init(&b, 3000);
    for (int round = 0; round < 400; round++) {
        uint64_t at = (uint64_t)rand_r(&dice) % 50000;
        unsigned char mask = (unsigned char)(1 << rand_r(&dice) % 8);

        folder_flip(&f, names[0], at, mask);
        assert_ok(snapshot_open(e, &s));
        for (unsigned i = 0; i < 20; i++) {
            struct span summary;

            buf_clear(&b);
            enum err body = body_read(s, ids[i], 0, 3000, &b);
            enum err sum = body_summary(s, ids[i], &summary);

            assert_true(body == ERR_CORRUPT || span_eq(buf_span(&b), mail(i, 2000)));
            assert_true(sum == ERR_CORRUPT || span_eq(summary, mail(i, 100)));
            assert_true(body != ERR_CORRUPT || b.n == 0);
            found += body == ERR_CORRUPT || sum == ERR_CORRUPT;
        }
        snapshot_close(s);
        if (round % 40 == 0) {
            problems(e); // must not crash, and see what reads see
        }
        folder_flip(&f, names[0], at, mask);
    }
    assert_true(found > 200);
    folder_flip(&f, names[0], 1000, 1);
    assert_true(problems(e) > 0);
    buf_finish(&b);
    engine_close(e);
    folder_remove(&f);
}

// A commit per frame; the end of the last one in the file.
static uint64_t journal_end(struct folder *f, const char *name)
{
    int fd = folder_file(f, name);
    struct stat st;
    uint64_t end = 0;

    assert_int_equal(fstat(fd, &st), 0);
    char *bytes = malloc((size_t)st.st_size);

    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    for (uint64_t i = 0; i < (uint64_t)st.st_size; i++) {
        end = bytes[i] ? i + 1 : end;
    }
    free(bytes);
    close(fd);
    return end;
}

// As after a crash: closing would write a checkpoint, so the files are copied from under it.
static void make_crashed(struct folder *crashed, char name[32], unsigned commits)
{
    struct folder f;
    struct engine *e;
    char names[4][32];

    folder_make(&f);
    e = folder_open_ok(&f);
    for (unsigned i = 0; i < commits; i++) {
        assert_ok(folder_put(e, 1, "count", span_of(&i, sizeof(i))));
    }
    folder_copy(&f, crashed);
    assert_true(folder_files(&f, ".seg", names, 4) > 0);
    memcpy(name, names[0], 32);
    engine_close(e);
    folder_remove(&f);
}

static unsigned read_count(struct engine *e)
{
    struct snapshot *s;
    struct span v;
    unsigned n = UINT32_MAX;
    uint64_t version;

    assert_ok(snapshot_open(e, &s));
    if (snapshot_get(s, 1, SPAN("count"), &v) == ERR_OK) {
        memcpy(&n, v.p, sizeof(n));
    }
    assert_ok(snapshot_version(s, 1, &version));
    assert_int_equal(version, n + 1);
    snapshot_close(s);
    return n;
}

static void test_torn_tail(void **state)
{
    struct folder crashed, f;
    struct engine *e;
    char name[32];

    (void)state;
    make_crashed(&crashed, name, 6);
    uint64_t end = journal_end(&crashed, name);

    // Cut at every byte of the last frame and some before: the last commit goes, or stays whole.
    for (uint64_t cut = end - 150; cut <= end; cut++) {
        folder_copy(&crashed, &f);
        int fd = folder_file(&f, name);
        char zeros[200] = {0};

        assert_int_equal(pwrite(fd, zeros, 200, (off_t)cut), 200);
        close(fd);
        e = folder_open_ok(&f);
        unsigned n = read_count(e);

        assert_true(n == 5 || n == 4 || n == 3);
        assert_true(cut < end || n == 5);
        // It goes on from there, and what is left of the old tail never comes back.
        assert_ok(folder_put(e, 1, "count", span_of(&(unsigned){n + 1}, sizeof(unsigned))));
        engine_close(e);
        e = folder_open_ok(&f);
        assert_int_equal(read_count(e), n + 1);
        engine_close(e);
        folder_remove(&f);
    }
    folder_remove(&crashed);
}

static void test_damage_is_not_a_torn_tail(void **state)
{
    struct engine_local_options o = folder_options();
    struct folder crashed, f;
    struct engine *e;
    struct buf why;
    char name[32];
    unsigned refused = 0;

    (void)state;
    make_crashed(&crashed, name, 6);
    uint64_t end = journal_end(&crashed, name);

    // Each bit of every commit but the last was durable when the next one was written.
    for (uint64_t at = 104; at < end; at += 7) {
        folder_copy(&crashed, &f);
        folder_flip(&f, name, at, 0x10);
        enum err error = folder_open(&f, &o, &e, &why);

        assert_true(error == ERR_OK || error == ERR_CORRUPT);
        if (error == ERR_OK) {
            assert_true(read_count(e) >= 4);
            assert_true(read_count(e) == 5 || at > end - 150);
            engine_close(e);
        } else {
            assert_true(span_find(buf_span(&why), SPAN("damage")) < why.n);
            refused++;
        }
        buf_finish(&why);
        folder_remove(&f);
    }
    assert_true(refused > 20);
    folder_remove(&crashed);
}

static void test_missing_and_short_files(void **state)
{
    struct engine_local_options o = folder_options();
    struct folder f, g;
    struct engine *e;
    struct buf why;
    char names[16][32];

    (void)state;
    folder_make(&f);
    e = folder_open_ok(&f);
    for (unsigned i = 0; i < 600; i++) {
        folder_deliver(e, 1, mail(i, 3000), SPAN("s"));
    }
    engine_close(e);
    size_t n = folder_files(&f, ".seg", names, 16);

    assert_true(n >= 2);
    for (size_t i = 0; i < n; i++) {
        char path[64];

        snprintf(path, sizeof(path), "journal/%s", names[i]);
        folder_copy(&f, &g);
        assert_int_equal(unlinkat(g.fd, path, 0), 0);
        assert_err(folder_open(&g, &o, &e, &why), ERR_CORRUPT);
        assert_true(span_find(buf_span(&why), span_first(span_from_str(names[i]), 16)) < why.n);
        buf_finish(&why);
        folder_remove(&g);
    }
    // The journal's last file cut to nothing, and to its half.
    for (int half = 0; half < 2; half++) {
        folder_copy(&f, &g);
        int fd = folder_file(&g, names[n - 1]);

        assert_int_equal(ftruncate(fd, half ? 1000 : 0), 0);
        close(fd);
        assert_err(folder_open(&g, &o, &e, &why), ERR_CORRUPT);
        buf_finish(&why);
        folder_remove(&g);
    }
    // The index lost: nothing is thrown away.
    folder_copy(&f, &g);
    assert_int_equal(unlinkat(g.fd, "index/data.mdb", 0), 0);
    assert_err(folder_open(&g, &o, &e, &why), ERR_CORRUPT);
    assert_true(span_find(buf_span(&why), SPAN("index was lost")) < why.n);
    buf_finish(&why);
    assert_int_equal(folder_files(&g, ".seg", names, 16), n);
    folder_remove(&g);
    // Only the lock file lost: it is made again.
    assert_int_equal(unlinkat(f.fd, "index/lock.mdb", 0), 0);
    e = folder_open_ok(&f);
    assert_int_equal(problems(e), 0);
    engine_close(e);
    folder_remove(&f);
}

// ---- a full disk --------------------------------------------------------------------------------

static _Atomic bool disk_full;

static int full_fallocate(int fd, off_t size)
{
    if (disk_full) {
        errno = ENOSPC;
        return -1;
    }
    return fallocate(fd, 0, 0, size);
}

static _Atomic bool ballast_gone;

static int note_unlink(int dir_fd, const char *name)
{
    if (strcmp(name, "reserve") == 0) {
        ballast_gone = true;
        disk_full = false; // for a moment: the ballast's room
    }
    return unlinkat(dir_fd, name, 0);
}

static void test_full_disk(void **state)
{
    const struct file_hooks hooks = {.fallocate = full_fallocate, .unlinkat = note_unlink};
    struct engine_status status;
    struct folder f;
    struct engine *e;
    struct snapshot *s;
    struct batch *b;
    uint64_t version;
    unsigned n = 0;
    enum err error;
    body_id id;

    (void)state;
    folder_make(&f);
    disk_full = ballast_gone = false;
    file_set_hooks(&hooks);
    e = folder_open_ok(&f);
    id = folder_deliver(e, 7, mail(1, 1000), SPAN(""));
    assert_ok(engine_local_checkpoint(e));
    disk_full = true;
    while ((error = folder_put(e, 1, "count", span_of(text, 60000))) == ERR_OK) {
        assert_true(n++ < 1000);
    }
    assert_err(error, ERR_NOSPACE);
    assert_err(folder_put(e, 1, "count", span_of(text, 60000)), ERR_NOSPACE);
    engine_status(e, &status);
    assert_int_equal(status.state, ENGINE_FULL);
    assert_true(strlen(status.reason) > 10);
    // Reading goes on, and so does deleting, for which the ballast is given up.
    expect_body(e, id, mail(1, 1000), SPAN(""));
    assert_false(ballast_gone);
    for (int i = 0; i < 40; i++) {
        assert_ok(snapshot_open(e, &s));
        assert_ok(snapshot_version(s, 8, &version));
        snapshot_close(s);
        assert_ok(batch_create(8, &b));
        assert_ok(batch_delete(b, SPAN("something")));
        assert_ok(batch_put(b, SPAN("log"), span_of(text, 3000)));
        assert_ok(engine_commit(e, b, version));
        batch_destroy(b);
        if (ballast_gone) {
            disk_full = true;
        }
    }
    assert_true(ballast_gone);
    // Room again: everything works without a restart.
    disk_full = false;
    for (int i = 0; i < 40; i++) {
        assert_ok(folder_put(e, 1, "count", span_of(text, 60000)));
    }
    engine_status(e, &status);
    assert_int_equal(status.state, ENGINE_OK);
    engine_close(e);
    e = folder_open_ok(&f);
    assert_int_equal(problems(e), 0);
    engine_close(e);
    file_set_hooks(NULL);
    folder_remove(&f);
}

static _Atomic bool spare_sync_fails;

// Every segment but the first.
static int fail_spare_sync(int fd)
{
    char link[32], path[200];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);

    path[n > 0 ? n : 0] = '\0';
    if (spare_sync_fails && strstr(path, ".seg") && !strstr(path, "0000000000000001.seg")) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

// A commit that waits for the next segment hears that it cannot be had; it waited for ever.
static void test_spare_that_cannot_be_synced(void **state)
{
    const struct file_hooks hooks = {.fdatasync = fail_spare_sync};
    struct engine_status status;
    struct folder f;
    struct engine *e;
    struct snapshot *s;
    uint64_t version, done = 0;
    enum err error;

    (void)state;
    folder_make(&f);
    spare_sync_fails = true;
    file_set_hooks(&hooks);
    e = folder_open_ok(&f);
    while ((error = folder_put(e, 1, "count", span_of(text, 20000))) == ERR_OK) {
        assert_true(++done < 100);
    }
    assert_err(error, ERR_IO);
    assert_true(done > 0);
    engine_status(e, &status);
    assert_int_equal(status.state, ENGINE_READ_ONLY);
    assert_err(folder_put(e, 1, "count", SPAN("x")), ERR_UNAVAILABLE);
    engine_close(e);
    spare_sync_fails = false;
    file_set_hooks(NULL);
    e = folder_open_ok(&f);
    assert_ok(snapshot_open(e, &s));
    assert_ok(snapshot_version(s, 1, &version));
    assert_int_equal(version, done);
    snapshot_close(s);
    for (int i = 0; i < 10; i++) {
        assert_ok(folder_put(e, 1, "count", span_of(text, 20000)));
    }
    assert_int_equal(problems(e), 0);
    engine_close(e);
    folder_remove(&f);
}

static struct local_engine *failing;
static _Atomic bool journal_gone;

// A commit of more than the journal's buffer is on its way when another thread, the checkpoint's,
// finds that the medium is gone.
static ssize_t fail_elsewhere(int fd, const struct iovec *iov, int n, off_t at)
{
    if (n == 1 && iov->iov_len > 1u << 20 && !journal_gone) {
        journal_gone = true;
        local_fail(failing, "writing the index failed", ERR_IO);
    }
    return pwritev(fd, iov, n, at);
}

static int fail_sync(int fd)
{
    if (journal_gone) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

// It was answered "done" without a sync: the engine only reads by now, so nothing was synced.
static void test_no_commit_is_done_while_another_thread_fails(void **state)
{
    const struct file_hooks hooks = {.pwritev = fail_elsewhere, .fdatasync = fail_sync};
    struct folder f;
    struct engine *e;
    struct batch *b;
    char key[24];

    (void)state;
    folder_make(&f);
    file_set_hooks(&hooks);
    e = folder_open_ok(&f);
    failing = local_of(e);
    assert_ok(folder_put(e, 1, "before", SPAN("x")));
    assert_ok(batch_create(1, &b));
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "during %d", i);
        assert_ok(batch_put(b, span_from_str(key), span_of(text, 60000)));
    }
    assert_err(engine_commit(e, b, 1), ERR_IO);
    assert_true(journal_gone);
    batch_destroy(b);
    assert_err(folder_put(e, 1, "after", SPAN("x")), ERR_UNAVAILABLE);
    engine_close(e);
    file_set_hooks(NULL);
    folder_remove(&f);
}

// What check says of files that are not as they were written.
static void test_files_are_what_they_were_made(void **state)
{
    static const char *const said[] = {"has no good first frame", "bytes, it was made with",
                                       "is no file of the server's"};
    struct folder f, g;
    struct engine *e;
    char names[16][32];

    (void)state;
    folder_make(&f);
    e = folder_open_ok(&f);
    for (unsigned i = 0; i < 600; i++) {
        folder_deliver(e, 1, mail(i, 3000), SPAN("s"));
    }
    engine_close(e);
    assert_true(folder_files(&f, ".seg", names, 16) >= 2);
    for (int kind = 0; kind < 3; kind++) {
        struct stat st;

        folder_copy(&f, &g);
        int fd = folder_file(&g, names[0]);

        assert_int_equal(fstat(fd, &st), 0);
        if (kind == 1) { // what it loses is only zeros behind the last frame, or not even that
            assert_int_equal(ftruncate(fd, st.st_size + 4096), 0);
        }
        close(fd);
        if (kind == 0) {
            folder_flip(&g, names[0], 20, 1);
        } else if (kind == 2) {
            close(openat(g.fd, "journal/notes.txt", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        }
        e = folder_open_ok(&g);
        assert_true(problem_said(e, said[kind]));
        engine_close(e);
        folder_remove(&g);
    }
    folder_remove(&f);
}

static void test_index_full(void **state)
{
    struct engine_local_options o = folder_options();
    struct engine_status status;
    struct folder f;
    struct engine *e;
    struct buf why;
    unsigned i;
    enum err error = ERR_OK;

    (void)state;
    folder_make(&f);
    o.map_bytes = 16u << 20; // the least there is
    o.memtable_bytes = 1u << 20;
    assert_ok(folder_open(&f, &o, &e, &why));
    buf_finish(&why);
    for (i = 0; i < 2000 && error == ERR_OK; i++) {
        char key[16];

        snprintf(key, sizeof(key), "key %u", i);
        error = folder_put(e, 1, key, span_of(text, 30000));
    }
    assert_err(error, ERR_NOSPACE);
    engine_status(e, &status);
    assert_int_equal(status.state, ENGINE_FULL);
    engine_close(e);
    // A larger map, and nothing is lost.
    o.map_bytes = 256u << 20;
    assert_ok(folder_open(&f, &o, &e, &why));
    struct snapshot *s;
    uint64_t version;

    assert_ok(snapshot_open(e, &s));
    assert_ok(snapshot_version(s, 1, &version));
    assert_int_equal(version, i - 1);
    snapshot_close(s);
    assert_ok(folder_put(e, 1, "k", SPAN("v")));
    assert_int_equal(problems(e), 0);
    engine_close(e);
    buf_finish(&why);
    folder_remove(&f);
}

static void test_many_snapshots(void **state)
{
    struct engine_local_options o = folder_options();
    struct snapshot *all[64];
    struct folder f;
    struct engine *e;
    struct buf why;
    unsigned n = 0;

    (void)state;
    folder_make(&f);
    o.readers_max = 32;
    assert_ok(folder_open(&f, &o, &e, &why));
    buf_finish(&why);
    struct batch *b;

    assert_ok(batch_create(1, &b));
    assert_ok(batch_put(b, SPAN("k"), SPAN("commits do not need a reader's place")));
    while (n < 64 && snapshot_open(e, &all[n]) == ERR_OK) {
        assert_ok(engine_commit(e, b, n++));
    }
    assert_int_equal(n, 32);
    assert_ok(engine_commit(e, b, n));
    batch_destroy(b);
    assert_ok(engine_local_checkpoint(e));
    while (n > 0) {
        snapshot_close(all[--n]);
    }
    assert_ok(snapshot_open(e, &all[0]));
    snapshot_close(all[0]);
    engine_close(e);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compaction),
        cmocka_unit_test(test_compression),
        cmocka_unit_test(test_summaries_together),
        cmocka_unit_test(test_large_bodies_compressed),
        cmocka_unit_test(test_two_servers),
        cmocka_unit_test(test_bit_rot),
        cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_damage_is_not_a_torn_tail),
        cmocka_unit_test(test_missing_and_short_files),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_spare_that_cannot_be_synced),
        cmocka_unit_test(test_no_commit_is_done_while_another_thread_fails),
        cmocka_unit_test(test_files_are_what_they_were_made),
        cmocka_unit_test(test_index_full),
        cmocka_unit_test(test_many_snapshots),
    };

    fill_text();
    return cmocka_run_group_tests_name("engine-local", tests, NULL, NULL);
}
