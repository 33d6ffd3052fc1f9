// SPDX-License-Identifier: Apache-2.0
#include "folder.h"

#include <dirent.h>
#include <sys/stat.h>

void folder_make(struct folder *f)
{
    snprintf(f->path, sizeof(f->path), "/tmp/mailkeep-engine-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->fd >= 0);
}

static void empty(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    for (struct dirent *e; d && (e = readdir(d));) {
        unlinkat(fd, e->d_name, 0);
    }
    if (d) {
        closedir(d);
    }
}

void folder_remove(struct folder *f)
{
    empty(f->fd, "index");
    empty(f->fd, "journal");
    empty(f->fd, ".");
    unlinkat(f->fd, "index", AT_REMOVEDIR);
    unlinkat(f->fd, "journal", AT_REMOVEDIR);
    close(f->fd);
    assert_int_equal(rmdir(f->path), 0);
}

struct engine_local_options folder_options(void)
{
    struct engine_local_options o = ENGINE_LOCAL_DEFAULTS;

    o.segment_bytes = 1u << 20;
    o.reserve_bytes = 1u << 20;
    o.map_bytes = 256u << 20;
    o.memtable_bytes = 4u << 20;
    o.checkpoint_ms = 1000000;
    o.compact_ms = 1000000;
    o.compress_after_s = 1000000;
    return o;
}

enum err folder_open(struct folder *f, const struct engine_local_options *o, struct engine **out,
                     struct buf *why)
{
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    buf_init(why, 4096);
    enum err e = engine_local_open(fd, o, out, why);

    close(fd); // as the server does
    return e;
}

struct engine *folder_open_ok(struct folder *f)
{
    struct engine_local_options o = folder_options();
    struct engine *e;
    struct buf why;
    enum err error = folder_open(f, &o, &e, &why);

    if (error != ERR_OK) {
        print_error("%s: %.*s\n", err_name(error), (int)why.n, why.n ? why.p : "");
    }
    buf_finish(&why);
    assert_ok(error);
    return e;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

size_t folder_files(struct folder *f, const char *suffix, char names[][32], size_t max)
{
    DIR *d = fdopendir(openat(f->fd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    size_t n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) && n < max;) {
        if (span_ends(span_from_str(e->d_name), span_from_str(suffix)) && e->d_name[0] != '.') {
            snprintf(names[n++], 32, "%.31s", e->d_name);
        }
    }
    closedir(d);
    qsort(names, n, 32, by_name);
    return n;
}

int folder_file(struct folder *f, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "journal/%s", name);
    int fd = openat(f->fd, path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

void folder_flip(struct folder *f, const char *name, uint64_t offset, unsigned char mask)
{
    int fd = folder_file(f, name);
    unsigned char c;

    assert_int_equal(pread(fd, &c, 1, (off_t)offset), 1);
    c ^= mask;
    assert_int_equal(pwrite(fd, &c, 1, (off_t)offset), 1);
    close(fd);
}

static void copy_file(int from_dir, int to_dir, const char *name)
{
    static char bytes[1 << 16];
    int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
    int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n;

    assert_true(from >= 0 && to >= 0);
    while ((n = read(from, bytes, sizeof(bytes))) > 0) {
        assert_int_equal(write(to, bytes, (size_t)n), n);
    }
    close(from);
    close(to);
}

static void copy_files(struct folder *from, struct folder *to, const char *sub)
{
    mkdirat(to->fd, sub, 0700);
    int a = openat(from->fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int b = openat(to->fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fdopendir(a);

    assert_true(d && b >= 0);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_type == DT_REG) {
            copy_file(a, b, e->d_name);
        }
    }
    closedir(d);
    close(b);
}

void folder_copy(struct folder *from, struct folder *to)
{
    folder_make(to);
    copy_files(from, to, "journal");
    copy_files(from, to, "index");
}

body_id folder_deliver(struct engine *e, account_id account, struct span bytes, struct span summary)
{
    struct body_writer *w;
    struct snapshot *s;
    struct batch *b;
    uint64_t version;
    body_id id;

    assert_ok(snapshot_open(e, &s));
    assert_ok(snapshot_version(s, account, &version));
    snapshot_close(s);
    assert_ok(body_begin(e, &w));
    assert_ok(body_write(w, bytes));
    assert_ok(body_finish(w, summary, &id));
    assert_ok(batch_create(account, &b));
    assert_ok(batch_use_body(b, id));
    assert_ok(engine_commit(e, b, version));
    batch_destroy(b);
    body_writer_destroy(w);
    return id;
}

enum err folder_put(struct engine *e, account_id account, const char *key, struct span value)
{
    struct snapshot *s;
    struct batch *b;
    uint64_t version;

    assert_ok(snapshot_open(e, &s));
    assert_ok(snapshot_version(s, account, &version));
    snapshot_close(s);
    assert_ok(batch_create(account, &b));
    assert_ok(batch_put(b, span_from_str(key), value));
    enum err result = engine_commit(e, b, version);

    batch_destroy(b);
    return result;
}
