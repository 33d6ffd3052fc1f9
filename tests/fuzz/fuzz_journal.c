// SPDX-License-Identifier: Apache-2.0
//
// What the local engine reads from its files. The first byte says how the rest is taken:
//   0  a whole file, walked and searched for frames
//   1  a body's record
//   2  head (its length is the next two bytes) and tail of a COMMIT frame
//   3  the same, put into a good frame behind a store's journal, which is then opened
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "engine/format/record.h"
#include "engine/local/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void walk(struct span file, bool headers_only)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    struct frame_walk w;
    struct frame f;
    struct span head, tail;
    enum err e = ERR_OK;

    if (fd < 0 || write(fd, file.p, file.n) != (ssize_t)file.n) {
        abort();
    }
    frame_walk_init(&w, fd, (struct position){1, 0}, file.n);
    w.headers_only = headers_only;
    while (e == ERR_OK) {
        e = frame_walk_next(&w, &f, &head, &tail);
        if (e == ERR_CORRUPT) {
            e = frame_walk_search(&w, &f);
            w.at.offset -= e == ERR_OK ? 8 : 0;
            if (e == ERR_OK && frame_walk_next(&w, &f, &head, &tail) != ERR_OK) {
                w.at.offset += 8;
            }
        }
    }
    frame_walk_finish(&w);
    close(fd);
}

static void read_record(struct span bytes)
{
    struct record r;
    struct piece p;
    uint64_t sum = 0;

    if (record_get(bytes, &r) != ERR_OK) {
        return;
    }
    while (record_piece_next(&r, &p)) {
        sum += p.raw_n;
        for (uint32_t i = 0; i < p.hash_count; i++) {
            sum += get_le64(p.hashes + (size_t)i * 8) & 0;
        }
    }
    if (sum != r.bytes) {
        abort();
    }
}

static void read_commit(struct span head, struct span tail)
{
    struct commit_reader r;
    struct commit_body body;
    struct batch_op op;

    if (commit_reader_init(&r, head, tail)) {
        while (commit_body_next(&r, &body)) {
            read_record(body.record);
        }
        while (commit_op_next(&r, &op)) {
            if (op.key.n > ENGINE_KEY_BYTES_MAX || op.value.n > ENGINE_VALUE_BYTES_MAX) {
                abort();
            }
        }
    }
}

// ---- a store
// --------------------------------------------------------------------------------------

static char folder[64];
static int folder_fd, journal_fd;
static char index_bytes[1 << 20], segment_bytes[64 << 10];
static ssize_t index_n, segment_n;
static char segment_name_[64];
static uint64_t segment_id, journal_end;

static struct engine *open_store(void)
{
    struct engine_local_options o = ENGINE_LOCAL_DEFAULTS;
    struct engine *e = NULL;
    struct buf why;

    o.segment_bytes = 64u << 10;
    o.map_bytes = 64u << 20;
    o.reserve_bytes = 4096;
    o.checkpoint_ms = o.compact_ms = 1000000;
    buf_init(&why, 4096);
    engine_local_open(folder_fd, &o, &e, &why);
    buf_finish(&why);
    return e;
}

static ssize_t read_file(int dir_fd, const char *name, char *out, size_t cap)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, cap) : -1;

    if (n < 0) {
        abort();
    }
    close(fd);
    return n;
}

static void write_file(int dir_fd, const char *name, const char *p, ssize_t n)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, p, (size_t)n) != n) {
        abort();
    }
    close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    log_set_level(LOG_ERROR);
    snprintf(folder, sizeof(folder), "%s/mailkeep-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder)) {
        abort();
    }
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct engine *e = open_store();

    engine_close(e);
    journal_fd = openat(folder_fd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fdopendir(dup(journal_fd));

    for (struct dirent *f; (f = readdir(d));) {
        if (span_ends(span_from_str(f->d_name), SPAN(".seg"))) {
            snprintf(segment_name_, sizeof(segment_name_), "%.60s", f->d_name);
        }
    }
    closedir(d);
    segment_id = strtoull(segment_name_, NULL, 16);
    segment_n = read_file(journal_fd, segment_name_, segment_bytes, sizeof(segment_bytes));
    index_n = read_file(folder_fd, "index/data.mdb", index_bytes, sizeof(index_bytes));
    journal_end = FRAME_HEADER_BYTES + FRAME_SEGMENT_HEAD;
    return 0;
}

static void empty_journal(void)
{
    DIR *d = fdopendir(openat(folder_fd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    for (struct dirent *f; (f = readdir(d));) {
        unlinkat(journal_fd, f->d_name, 0);
    }
    closedir(d);
}

static void read_all(struct engine *e)
{
    struct snapshot *s;
    struct buf b;
    body_id id = 0;
    struct span summary;

    if (snapshot_open(e, &s) != ERR_OK) {
        return;
    }
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 20 && snapshot_next_body(s, id, &id) == ERR_OK && id != UINT64_MAX; i++) {
        buf_clear(&b);
        body_read(s, id, 0, 1 << 20, &b);
        body_summary(s, id++, &summary);
    }
    buf_finish(&b);
    snapshot_close(s);
}

static void open_with(struct span head, struct span tail)
{
    struct frame f = {.type = FRAME_COMMIT,
                      .epoch = 1,
                      .at = {segment_id, journal_end},
                      .durable = {segment_id, journal_end},
                      .head_n = (uint32_t)head.n,
                      .tail_n = (uint32_t)tail.n,
                      .head_hash = frame_hash(head),
                      .tail_hash = frame_hash(tail)};
    char bytes[sizeof(segment_bytes)];

    if (journal_end + frame_bytes(&f) > (uint64_t)segment_n) {
        return;
    }
    memcpy(bytes, segment_bytes, (size_t)segment_n);
    frame_header_put(&f, bytes + journal_end);
    memcpy(bytes + journal_end + FRAME_HEADER_BYTES, head.p, head.n);
    memcpy(bytes + journal_end + FRAME_HEADER_BYTES + head.n, tail.p, tail.n);
    empty_journal();
    write_file(journal_fd, segment_name_, bytes, segment_n);
    write_file(folder_fd, "index/data.mdb", index_bytes, index_n);
    unlinkat(folder_fd, "index/lock.mdb", 0);
    struct engine *e = open_store();

    if (e) {
        read_all(e);
        engine_verify(e, &(struct engine_verify_options){.read_files = true, .read_bodies = true},
                      NULL, NULL, &(struct engine_report){0});
        engine_close(e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_of(data, size), head, length;

    if (size < 1) {
        return 0;
    }
    s = span_skip(s, 1);
    switch (data[0] % 4) {
    case 0:
        walk(s, false);
        walk(s, true);
        break;
    case 1:
        read_record(s);
        break;
    default:
        if (!bytes_take(&s, 2, &length)) {
            return 0;
        }
        head = span_first(s, get_le16(length.p));
        s = span_skip(s, head.n);
        if (data[0] % 4 == 2) {
            read_commit(head, s);
        } else {
            open_with(head, s);
        }
    }
    return 0;
}
