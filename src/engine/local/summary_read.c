// SPDX-License-Identifier: Apache-2.0
//
// Reading summaries. Most are read by a FETCH or SEARCH that walks through a mailbox, so one body's
// id nearly always follows the one before: records are then taken from a cursor instead of being
// looked up, summaries that lie next to each other are read many at once, and when they come from
// the disk, those that will be asked for next are fetched ahead.
//
// What all that needs is a reader. A snapshot takes one when it is first asked for a summary; a few
// are kept by the engine for the snapshots after it, with their memory.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/file.h"
#include "engine/local/snapshot_internal.h"

#include "base/banned.h"

#define WINDOW_MAX   (256u << 10) // of a stretch of summaries read at once,
#define WINDOW_BLIND (16u << 10)  // and of one whose end is not known
#define STEPS_MAX    16           // rows that are walked over rather than looked up
#define SLOT_KEPT    (16u << 10)  // a spare reader keeps no larger memory for one summary
#define SPARES_MAX   4
#define PROBE_BODIES 64 // one look in so many bodies: is the disk waited for?
#define AHEAD_FIRST  64 // then so many are fetched ahead, and each time twice as many
#define AHEAD_MAX    1024
#define AHEAD_GAP    (32u << 10)

struct summary_slot {
    char *p;
    size_t cap;
};

struct summary_reader {
    struct summary_reader *next; // among the spare ones
    struct summary_slot slots[SNAPSHOT_SUMMARIES_KEPT];
    unsigned next_slot;
    struct position end; // behind the summary read last
    struct position window_at;
    struct buf window;
    uint64_t run_end; // of the frame of summaries that is being read, when known
    // While ids rise in small steps:
    body_id last;
    struct view_cursor rows;
    bool is_walking;
    body_id walked; // of `row`
    struct span row;
    body_id probe_at;    // not before this one
    body_id ahead;       // fetched ahead up to here; 0: not from the disk so far
    unsigned ahead_step; // bodies fetched ahead next
};

// ---- readers ------------------------------------------------------------------------------------

static struct summary_reader *reader_take(struct local_snapshot *s)
{
    struct local_engine *e = local_of(s->base.engine);

    if (s->summaries) {
        return s->summaries;
    }
    lock_take(&e->state_lock);
    struct summary_reader *r = e->spare_readers;

    if (r) {
        e->spare_readers = r->next;
        e->spare_reader_count--;
    }
    lock_release(&e->state_lock);
    if (!r) {
        r = calloc(1, sizeof(*r));
    }
    s->summaries = r;
    return r;
}

static void reader_free(struct summary_reader *r)
{
    for (size_t i = 0; i < SNAPSHOT_SUMMARIES_KEPT; i++) {
        free(r->slots[i].p);
    }
    buf_finish(&r->window);
    free(r);
}

static void stop_walking(struct summary_reader *r)
{
    if (r->is_walking) {
        view_cursor_close(&r->rows);
        r->is_walking = false;
    }
}

void local_summaries_done(struct local_snapshot *s)
{
    struct local_engine *e = local_of(s->base.engine);
    struct summary_reader *r = s->summaries;

    if (!r) {
        return;
    }
    stop_walking(r);
    for (size_t i = 0; i < SNAPSHOT_SUMMARIES_KEPT; i++) {
        if (r->slots[i].cap > SLOT_KEPT) {
            free(r->slots[i].p);
            r->slots[i] = (struct summary_slot){0};
        }
    }
    lock_take(&e->state_lock);
    bool keep = e->spare_reader_count < SPARES_MAX;

    if (keep) {
        r->next = e->spare_readers;
        e->spare_readers = r;
        e->spare_reader_count++;
    }
    lock_release(&e->state_lock);
    if (!keep) {
        reader_free(r);
    }
    s->summaries = NULL;
}

void local_summaries_finish(struct local_engine *e)
{
    while (e->spare_readers) {
        struct summary_reader *r = e->spare_readers;

        e->spare_readers = r->next;
        reader_free(r);
    }
    e->spare_reader_count = 0;
}

// ---- records ------------------------------------------------------------------------------------

static enum err open_rows(struct local_snapshot *s, body_id from, struct view_cursor *out)
{
    struct index_key low;
    char end = 'b' + 1;

    return view_cursor_open(&s->view, key_number(&low, 'b', from), span_of(&end, 1), false, out);
}

static enum err walk_to(struct summary_reader *r, body_id id)
{
    enum err e = ERR_OK;
    struct span key;

    while (e == ERR_OK && r->walked < id) {
        e = view_cursor_next(&r->rows, &key, &r->row);
        if (e == ERR_OK) {
            r->walked = key_to_number(key);
        }
    }
    return e;
}

static enum err find_row(struct local_snapshot *s, struct summary_reader *r, body_id id,
                         struct span *out)
{
    bool is_near = id >= r->last && id - r->last <= STEPS_MAX;

    if (!is_near) {
        stop_walking(r);
        r->ahead = 0;
        r->probe_at = 0;
    } else if (!r->is_walking && id > r->last && open_rows(s, id, &r->rows) == ERR_OK) {
        r->is_walking = true;
        r->walked = 0;
    }
    r->last = id;
    if (r->is_walking && r->walked < id && walk_to(r, id) != ERR_OK) {
        stop_walking(r);
    }
    if (r->is_walking && r->walked == id) {
        *out = r->row;
        return ERR_OK;
    }
    return local_find_record(s, id, out);
}

enum err local_walk_record(struct local_snapshot *s, body_id id, struct span *out)
{
    struct summary_reader *r = reader_take(s);

    return r ? find_row(s, r, id, out) : ERR_NOMEM;
}

// ---- fetching ahead -----------------------------------------------------------------------------

struct stretch {
    struct position at;
    uint64_t n;
};

static void stretch_fetch(struct local_snapshot *s, const struct stretch *x)
{
    struct segments *t = &local_of(s->base.engine)->segments;
    struct segment *segment;

    if (x->n && segment_use(t, x->at.segment, &segment) == ERR_OK) {
        posix_fadvise(segment->fd, (off_t)x->at.offset, (off_t)x->n, POSIX_FADV_WILLNEED);
        segment_done(t, segment);
    }
}

static void stretch_add(struct local_snapshot *s, struct stretch *x, const struct record *r)
{
    uint64_t at = r->summary_at.offset, end = x->at.offset + x->n;

    if (x->n && x->at.segment == r->summary_at.segment && at >= end && at - end <= AHEAD_GAP) {
        x->n = at + r->summary_n - x->at.offset;
        return;
    }
    stretch_fetch(s, x);
    *x = (struct stretch){r->summary_at, r->summary_n};
}

static void fetch_ahead(struct local_snapshot *s, struct summary_reader *r)
{
    struct stretch x = {.n = 0};
    struct view_cursor c;
    struct span key, row;
    struct record record;
    body_id from = r->ahead > r->last ? r->ahead : r->last + 1;

    if (open_rows(s, from, &c) != ERR_OK) {
        return;
    }
    for (unsigned i = 0; i < r->ahead_step; i++) {
        if (view_cursor_next(&c, &key, &row) != ERR_OK) {
            r->ahead = UINT64_MAX; // there are no more
            break;
        }
        r->ahead = key_to_number(key);
        if (record_get(row, &record) == ERR_OK && record.summary_n) {
            stretch_add(s, &x, &record);
        }
    }
    stretch_fetch(s, &x);
    view_cursor_close(&c);
    r->ahead_step = r->ahead_step < AHEAD_MAX / 2 ? 2 * r->ahead_step : AHEAD_MAX;
}

static bool is_in_memory(int fd, uint64_t offset)
{
    char byte;
    struct iovec v = {.iov_base = &byte, .iov_len = 1};

    return preadv2(fd, &v, 1, (off_t)offset, RWF_NOWAIT) == 1;
}

// Only while walking. Once something had to come from the disk, the rest is fetched ahead of it.
static void look_ahead(struct local_snapshot *s, struct summary_reader *r)
{
    if (r->ahead && (r->ahead < r->last || r->ahead - r->last < 2 * r->ahead_step)) {
        fetch_ahead(s, r);
    }
}

// A read of summaries from a file, which may wait for the disk.
static enum err pick(struct local_snapshot *s, struct summary_reader *r, struct position at,
                     char *out, size_t n)
{
    int fd;

    if (!r->is_walking) {
        return local_read_at(s, at, out, n);
    }
    enum err e = local_use_segment(s, at.segment);

    e = e == ERR_OK ? segment_pick(&local_of(s->base.engine)->segments, s->segment, &fd) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (!r->ahead && r->last >= r->probe_at) {
        r->probe_at = r->last + PROBE_BODIES;
        if (!is_in_memory(fd, at.offset)) {
            r->ahead_step = AHEAD_FIRST;
            fetch_ahead(s, r);
        }
    }
    e = file_read_at(fd, out, n, at.offset);
    return e == ERR_EOF ? ERR_CORRUPT : e;
}

// ---- bytes --------------------------------------------------------------------------------------

// Where the summary's bytes are in the window; NULL when they are not.
static const char *in_window(const struct summary_reader *r, const struct record *record)
{
    uint64_t from = r->window_at.offset, at = record->summary_at.offset;

    if (r->window_at.segment != record->summary_at.segment || at < from ||
        at - from > r->window.n || record->summary_n > r->window.n - (at - from)) {
        return NULL;
    }
    return r->window.p + (at - from);
}

// Reads a stretch that begins with the summary, when that lies right behind the one before. Not
// beyond the frame's end where that is known: behind it lie bodies, and the kernel would fetch them
// from the disk and more of them ahead. False also when it did not work; then the summary is read
// by itself.
static bool fill_window(struct local_snapshot *s, struct summary_reader *r,
                        const struct record *record)
{
    const struct position *at = &record->summary_at;

    if (position_cmp(*at, r->end) != 0 || local_use_segment(s, at->segment) != ERR_OK) {
        return false;
    }
    uint64_t size = s->segment->size, n = WINDOW_MAX;
    uint64_t limit = r->run_end > at->offset ? r->run_end : at->offset + WINDOW_BLIND;

    limit = limit < size ? limit : size;
    if (limit <= at->offset) {
        return false;
    }
    n = n < limit - at->offset ? n : limit - at->offset;
    r->window.max = WINDOW_MAX;
    buf_clear(&r->window);
    char *p = buf_reserve(&r->window, (size_t)n);

    if (!p || pick(s, r, *at, p, (size_t)n) != ERR_OK) {
        return false;
    }
    r->window.n = (size_t)n;
    r->window_at = *at;
    return true;
}

// Where the frame ends if the summary is the first one of a frame of summaries, whose header lies
// right before it; else 0.
static uint64_t find_run_end(const char *header, struct position at)
{
    struct frame f;

    at.offset -= FRAME_HEADER_BYTES;
    bool is_run = get_le32(header) == FRAME_MAGIC && frame_header_get(header, at, &f) == ERR_OK &&
                  f.type == FRAME_SUMMARIES && f.head_n == 0;

    return is_run ? at.offset + FRAME_HEADER_BYTES + f.tail_n : 0;
}

// Reads the summary, and what lies before it.
static enum err read_alone(struct local_snapshot *s, struct summary_reader *r,
                           const struct record *record, char *room)
{
    struct position at = record->summary_at;

    if (at.offset < FRAME_HEADER_BYTES) {
        return ERR_CORRUPT;
    }
    at.offset -= FRAME_HEADER_BYTES;
    enum err e = pick(s, r, at, room, FRAME_HEADER_BYTES + record->summary_n);

    if (e == ERR_OK && position_cmp(record->summary_at, r->end) != 0) {
        r->run_end = find_run_end(room, record->summary_at);
    }
    return e;
}

// Room in the slot that was used longest ago.
static char *next_slot(struct summary_reader *r, size_t n)
{
    struct summary_slot *slot = &r->slots[r->next_slot];

    if (slot->cap < n) {
        char *p = realloc(slot->p, n);

        if (!p) {
            return NULL;
        }
        slot->p = p;
        slot->cap = n;
    }
    r->next_slot = (r->next_slot + 1) % SNAPSHOT_SUMMARIES_KEPT;
    return slot->p;
}

static bool is_good(const char *p, const struct record *record)
{
    return frame_hash(span_of(p, record->summary_n)) == record->summary_hash;
}

static enum err read_summary(struct local_snapshot *s, struct summary_reader *r,
                             const struct record *record, struct span *out)
{
    char *room = next_slot(r, FRAME_HEADER_BYTES + record->summary_n);

    if (!room) {
        return ERR_NOMEM;
    }
    const char *there = in_window(r, record);
    char *p = room + FRAME_HEADER_BYTES;

    if (!there && fill_window(s, r, record)) {
        there = in_window(r, record);
    }
    if (there) {
        memcpy(p, there, record->summary_n);
    }
    // A window may be from before the summary was written: it outlives its snapshot.
    if (!there || !is_good(p, record)) {
        enum err e = read_alone(s, r, record, room);

        if (e != ERR_OK || !is_good(p, record)) {
            return e != ERR_OK ? e : ERR_CORRUPT;
        }
    }
    r->end = (struct position){record->summary_at.segment,
                               record->summary_at.offset + record->summary_n};
    *out = span_of(p, record->summary_n);
    return ERR_OK;
}

enum err local_summary_read(struct local_snapshot *s, const struct record *record, struct span *out)
{
    struct summary_reader *r = reader_take(s);

    return r ? read_summary(s, r, record, out) : ERR_NOMEM;
}

enum err local_body_summary(struct snapshot *snapshot, body_id id, struct span *out)
{
    struct local_snapshot *s = (struct local_snapshot *)snapshot;
    struct summary_reader *r = reader_take(s);
    struct record record;
    struct span row;

    if (!r) {
        return ERR_NOMEM;
    }
    enum err e = find_row(s, r, id, &row);

    e = e == ERR_OK ? record_get(row, &record) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (record.summary_n == 0) {
        *out = SPAN("");
        return ERR_OK;
    }
    if (r->is_walking) {
        look_ahead(s, r);
    }
    return read_summary(s, r, &record, out);
}
