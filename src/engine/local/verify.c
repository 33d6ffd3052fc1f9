// SPDX-License-Identifier: Apache-2.0
//
// Reads everything there is and says what does not hold. Works beside a running engine: it looks at
// one snapshot, and what was committed since is left out. Here the files and the bodies;
// verify_index.c has the rows of the index.
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/local/verify_internal.h"

#include "base/banned.h"

// What a person can do about a file that is not what was written.
#define FILE_ADVICE                                                                                \
    "; mail that lies there is named above with its account, bring that from a backup, the rest "  \
    "is whole"

void verify_problem(struct verify *v, bool repaired, const char *fmt, ...)
{
    char line[400];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, args);

    va_end(args);
    v->report.problems++;
    v->report.repaired += repaired;
    if (v->fn) {
        v->fn(v->arg,
              span_of(line, n < 0                      ? 0
                            : (size_t)n < sizeof(line) ? (size_t)n
                                                       : 399),
              repaired);
    }
}

// ---- files --------------------------------------------------------------------------------------

static const char *kind_of(const struct segment *s)
{
    return s->kind == SEGMENT_PACK ? "pack" : "seg";
}

// The first frame, which says what the file is. False when a problem was told.
static bool verify_first_frame(struct verify *v, const struct segment *s, struct frame_walk *w)
{
    struct frame f;
    struct frame_segment is;
    struct span head, tail;
    uint64_t size = 0;
    unsigned long long id = s->id;

    if (frame_walk_next(w, &f, &head, &tail) != ERR_OK || f.type != FRAME_SEGMENT ||
        !frame_segment_get(head, &is)) {
        verify_problem(v, false, "journal/%016llx.%s has no good first frame" FILE_ADVICE, id,
                       kind_of(s));
        return false;
    }
    if (is.kind != s->kind) {
        verify_problem(v, false, "journal/%016llx.%s is of another kind than its name says", id,
                       kind_of(s));
    }
    if (file_size(s->fd, &size) != ERR_OK || size != is.size) {
        verify_problem(v, false,
                       "journal/%016llx.%s has %llu bytes, it was made with %llu" FILE_ADVICE, id,
                       kind_of(s), (unsigned long long)size, (unsigned long long)is.size);
    }
    return true;
}

static void verify_frames(struct verify *v, const struct segment *s, struct frame_walk *w,
                          uint64_t stop)
{
    struct frame f;
    struct span head, tail;
    bool sealed = false, is_end = s->kind == SEGMENT_PACK || stop != s->size;
    bool from_future = false;
    enum err e = ERR_OK;

    while (w->at.offset < stop && !sealed && e == ERR_OK) {
        e = frame_walk_next(w, &f, &head, &tail);
        sealed = e == ERR_OK && f.type == FRAME_SEAL;
        from_future |= e == ERR_OK && f.epoch > v->e->epoch;
    }
    if (from_future) {
        verify_problem(v, false,
                       "journal/%016llx.%s has frames of a start that the index does not know: one "
                       "of the two is from another time",
                       (unsigned long long)s->id, kind_of(s));
    }
    if (e != ERR_OK || (!sealed && !is_end)) {
        verify_problem(v, false, "journal/%016llx.%s has no good frame at %llu" FILE_ADVICE,
                       (unsigned long long)s->id, kind_of(s), (unsigned long long)w->at.offset);
    }
}

static void verify_file(struct verify *v, const struct segment *copy, struct position end)
{
    struct segment *s;
    struct frame_walk w;
    enum err e = segment_use(&v->e->segments, copy->id, &s);

    if (e != ERR_OK) {
        verify_problem(v, false, "journal/%016llx.%s cannot be opened: %s",
                       (unsigned long long)copy->id, kind_of(copy), err_name(e));
        return;
    }
    // The current segment is good up to where it was durable when this began.
    uint64_t stop = s->id == end.segment ? end.offset : s->size;

    frame_walk_init(&w, s->fd, (struct position){s->id, 0}, s->size);
    w.headers_only = !v->options.read_files;
    if (verify_first_frame(v, s, &w)) {
        verify_frames(v, s, &w, stop);
    }
    frame_walk_finish(&w);
    segment_done(&v->e->segments, s);
    v->report.files++;
}

// Files that nobody of ours has made.
static void verify_names(struct verify *v)
{
    int fd = -1, kind;
    uint64_t id;
    enum err e = file_open(v->e->journal_fd, ".", O_RDONLY | O_DIRECTORY, &fd);
    DIR *d = e == ERR_OK ? fdopendir(fd) : NULL;

    for (struct dirent *f; d && (f = readdir(d));) {
        if (f->d_name[0] != '.' && !segment_name_parse(f->d_name, &id, &kind)) {
            verify_problem(v, false, "journal/%.100s is no file of the server's; take it away",
                           f->d_name);
        }
    }
    if (d) {
        closedir(d);
    } else {
        verify_problem(v, false, "the folder journal/ cannot be read");
        if (fd >= 0) {
            close(fd);
        }
    }
}

static void verify_files(struct verify *v, struct position end)
{
    struct segment s;

    for (uint64_t id = 0; segment_next(&v->e->segments, id, &s); id = s.id + 1) {
        if (!s.doomed && (s.kind == SEGMENT_PACK || s.id <= end.segment)) {
            verify_file(v, &s, end);
        }
    }
}

// ---- bodies -------------------------------------------------------------------------------------

// Whether n bytes at this place lie in a file that there is.
static bool place_is(struct verify *v, struct position at, uint64_t n)
{
    struct segment s;

    return segment_next(&v->e->segments, at.segment, &s) && s.id == at.segment &&
           at.offset <= s.size && n <= s.size - at.offset;
}

static bool verify_places(struct verify *v, const struct record *record)
{
    struct record r = *record;
    struct piece p;
    bool good = r.summary_n == 0 || place_is(v, r.summary_at, r.summary_n);

    while (record_piece_next(&r, &p)) {
        good &= place_is(v, p.at, p.stored_n);
        good &= p.dictionary <= DICTIONARY_NONE || verify_has_dictionary(v, p.dictionary);
    }
    return good;
}

static enum err read_body(struct verify *v, uint64_t id, const struct record *record,
                          uint64_t *out_offset)
{
    struct record rest = *record;
    struct span summary;
    struct buf piece;
    struct piece p;
    enum err e = ERR_OK;

    buf_init(&piece, PIECE_BYTES_MAX);
    while (e == ERR_OK && record_piece_next(&rest, &p)) {
        buf_clear(&piece); // decompressed too: that is what a reader gets
        e = local_body_read(&v->s->base, id, *out_offset, p.raw_n, &piece);
        *out_offset += p.raw_n;
    }
    if (e == ERR_OK && record->summary_n) {
        e = local_summary_read(v->s, record, &summary);
    }
    buf_finish(&piece);
    return e;
}

void verify_body(struct verify *v, uint64_t id, struct span bytes)
{
    struct record r = {0};
    uint64_t offset = 0;
    enum err e = record_get(bytes, &r);

    if (e == ERR_OK && !verify_places(v, &r)) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK && v->options.read_bodies) {
        e = read_body(v, id, &r, &offset);
    }
    if (e != ERR_OK) {
        verify_problem(v, false, "body %llu cannot be read at %llu: %s", (unsigned long long)id,
                       (unsigned long long)offset, err_name(e));
    }
    if (id >= v->next_body) {
        verify_problem(v, false, "body %llu has an id that was never given out",
                       (unsigned long long)id);
    }
    v->report.bodies++;
    v->report.body_bytes += r.bytes;
}

// ---- all of it ----------------------------------------------------------------------------------

static enum err verify_all(struct verify *v)
{
    if (v->e->above_limit) {
        verify_problem(v, true,
                       "the index's limit of body ids was not above body %llu; it is raised",
                       (unsigned long long)v->e->above_limit);
    }
    verify_names(v);
    verify_files(v, v->s->end);
    enum err e = verify_rows(v);

    if (e == ERR_OK &&
        (v->report.bodies != v->s->bodies || v->report.body_bytes != v->s->body_bytes)) {
        verify_problem(v, false,
                       "%llu bodies with %llu bytes counted, %llu with %llu noted; only `mailkeep "
                       "status` shows it",
                       (unsigned long long)v->report.bodies,
                       (unsigned long long)v->report.body_bytes, (unsigned long long)v->s->bodies,
                       (unsigned long long)v->s->body_bytes);
    }
    return e == ERR_OK ? verify_live(v) : e;
}

enum err local_verify(struct engine *engine, const struct engine_verify_options *options,
                      engine_problem_fn *fn, void *arg, struct engine_report *out)
{
    struct local_engine *e = local_of(engine);
    struct verify v = {.e = e, .options = *options, .fn = fn, .arg = arg};
    struct snapshot *snapshot;

    lock_take(&e->compact_lock); // files stay where they are meanwhile
    enum err error = snapshot_open(engine, &snapshot);

    if (error == ERR_OK) {
        v.s = (struct local_snapshot *)snapshot;
        lock_take(&e->bodies_lock);
        v.next_body = e->next_body;
        lock_release(&e->bodies_lock);
        error = verify_all(&v);
        snapshot_close(snapshot);
    }
    lock_release(&e->compact_lock);
    if (error == ERR_OK) {
        *out = v.report;
    }
    return error;
}
