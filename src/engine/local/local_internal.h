// SPDX-License-Identifier: Apache-2.0
//
// The parts of the local engine and who owns what:
//
//   committer   appends to the journal, adds to the active memory table, makes commits visible;
//               a thread that commits alone does it itself
//   checkpoint  writes frozen memory tables into the index
//   prepare     makes segments ahead of need
//   compact     rewrites segments that are mostly dead, or old and not compressed
//
// each in one thread, and readers in any number, who take the state lock for a moment to open a
// snapshot and none after that (but for the table of files).
#ifndef ENGINE_LOCAL_LOCAL_INTERNAL_H
#define ENGINE_LOCAL_LOCAL_INTERNAL_H

#include <semaphore.h>
#include <stdatomic.h>

#include "base/list.h"
#include "engine/engine_internal.h"
#include "engine/format/record.h"
#include "engine/local/index_internal.h"
#include "engine/local/journal_internal.h"
#include "engine/local/local.h"
#include "engine/local/memtable_internal.h"

#define SCANS_MAX 8

// A memory table on its way into the index, with what the index is to say beside its entries.
struct frozen {
    struct memtable *table;
    struct position position; // the journal up to here
    uint32_t epoch;           // of the frames that may follow there: not older
    uint64_t bodies, body_bytes;
    uint64_t *pins; // segments to unpin afterwards, one entry a pin
    size_t pin_count;
};

// Bodies that have a writer. They live until the writer is destroyed.
struct pending {
    struct list link;
    size_t refs; // under bodies_lock
    body_id id;
    uint64_t bytes;
    uint32_t piece_count;
    struct buf pieces; // encoded, of the pieces that are in the journal
    struct buf data;   // the last piece's bytes, not yet written, and then the summary
    size_t data_n, summary_n;
    struct buf hashes; // of the last piece's blocks
    uint64_t tail_hash, summary_hash;
    bool finished, written; // the writer is done; all of it is in the journal
    struct buf record;      // once written
    uint64_t *pins;         // segments with pieces of it, each pinned once
    size_t pin_count, pin_cap;
};

struct commit_item {
    const struct batch *batch;
    uint64_t expected;
    struct buf tail; // of its frame
    uint64_t tail_hash;
    enum err *result;
    const struct commit_item *rides_on; // only when that one was committed; or NULL
    enum err ridden;                    // the result of a rider, for nobody
};

enum request_kind { REQUEST_COMMIT, REQUEST_PIECE };

struct request {
    struct list link;
    enum request_kind kind;
    struct commit_item *items;
    size_t count;
    struct pending *pending; // REQUEST_PIECE: append its data as a piece
    enum err result;         // of it
    sem_t done;
};

struct local_engine {
    struct engine base;
    struct engine_local_options options;
    int top_fd, lock_fd, journal_fd, index_fd;
    uint32_t epoch;
    struct index index;
    struct segments segments;
    struct prepare prepare;
    struct journal journal; // the committer's
    engine_watch_fn *watch;
    void *watch_arg;

    struct lock queue_lock;
    pthread_cond_t queue_changed;
    struct list queue; // struct request.link
    bool freeze_asked, committer_stop;
    bool is_led;           // a group is being committed, by the committer or who commits alone
    unsigned groups_alone; // in a row, up to now
    pthread_t committer;

    struct lock state_lock;
    pthread_cond_t state_changed;
    struct memtable *active;
    struct frozen *frozen; // NULL: none on its way
    bool freeze_wanted;    // the checkpoint waits for the committer to freeze
    uint64_t visible;      // the newest commit that snapshots show
    struct list snapshots; // struct local_snapshot.link, oldest first
    unsigned snapshot_count;
    struct summary_reader *spare_readers; // of summaries, for snapshots to come
    unsigned spare_reader_count;
    uint64_t generation; // raised by each compaction
    atomic_bool read_only, journal_full, index_full;
    char reason[160];
    uint64_t checkpoints_wanted, checkpoints_done; // tickets of engine_local_checkpoint
    enum err checkpoint_error;                     // how the last one ended
    bool checkpoint_stop, compact_stop, closing;
    pthread_t checkpoint, compact;
    uint64_t bodies, body_bytes; // as of `visible`
    uint64_t commits, groups, syncs;
    struct position tail, checkpointed;

    // The committer's own: what belongs to the active table.
    uint64_t seq, next_bodies, next_body_bytes;
    uint64_t *pins;
    size_t pin_count, pin_cap;

    struct lock bodies_lock; // a leaf
    struct list pendings;
    body_id next_body, body_limit; // the limit is in the index
    body_id above_limit;           // a body that the index's limit did not know, or 0

    struct lock compact_lock;
    struct compressor *compressor; // compaction's, created when first needed
    unsigned threads;              // how many of them were started
};

static inline struct local_engine *local_of(struct engine *e)
{
    return (struct local_engine *)e;
}

// ---- view.c: one moment of memory tables and index together
// --------------------------------------

struct view {
    struct local_engine *engine;
    struct memtable *tables[2]; // newest first; the second may be NULL
    struct index_reader *reader;
    uint64_t seq;
};

// With the state lock held. ERR_UNAVAILABLE, ERR_NOMEM.
enum err local_view_open(struct local_engine *e, struct view *out);
void local_view_close(struct view *v); // without the lock
enum err local_view_get(const struct view *v, struct span key, struct span *out);

// Walks keys in [from, to) either way, the newest visible value of each.
struct view_cursor {
    const struct view *view;
    bool reverse, started, index_ended;
    const struct memtable_node *nodes[2];
    MDB_cursor *cursor;
    struct span index_key, index_value;
    struct index_key from, to; // limits
    // Reading ahead: the value before, how many lay close behind the one before them, and the
    // stretch in which nothing is left to look at.
    const char *last, *seen_from, *seen_to;
    unsigned near;
};
enum err view_cursor_open(const struct view *v, struct span from, struct span to, bool reverse,
                          struct view_cursor *out);
enum err view_cursor_next(struct view_cursor *c, struct span *out_key, struct span *out_value);
void view_cursor_close(struct view_cursor *c);

// ---- committer.c --------------------------------------------------------------------------------

void *committer_run(void *engine);
void committer_submit(struct local_engine *e, struct request *r); // waits until it is done
void local_commit(struct engine *e, struct batch *const *b, const uint64_t *expected, size_t count,
                  enum err *results);

// ---- apply.c: a commit's changes to the active table. The committer, or the one that opens
// -------

struct body_change {
    body_id id;
    uint64_t before, after; // uses
    struct span record;     // may be empty when both are 0
};
// How often the body is used, and its record when it is at all (else uses 0).
enum err apply_uses(const struct view *v, body_id id, uint64_t *out_uses, struct span *out_record);
// All with the present e->seq. ERR_NOMEM.
enum err apply_version(struct local_engine *e, account_id account, uint64_t version);
enum err apply_op(struct local_engine *e, account_id account, const struct batch_op *op);
enum err apply_body(struct local_engine *e, const struct body_change *c);
// Makes the active table the frozen one, complete up to `position`. False when there is one
// already, or no memory.
bool apply_freeze(struct local_engine *e, struct position position, uint32_t epoch);
void frozen_destroy(struct local_engine *e, struct frozen *f); // unpins

// ---- checkpoint.c -------------------------------------------------------------------------------

void *checkpoint_run(void *engine);
// Writes the frozen table into the index and drops it.
enum err checkpoint_write(struct local_engine *e);
// The index's own numbers; on a new store zeros.
struct index_meta {
    uint32_t format, epoch;
    struct position position;
    uint32_t position_epoch; // frames from there on are of this epoch or a newer one
    uint64_t bodies, body_bytes;
    body_id body_limit;
    uint64_t segment_limit;
};
enum err checkpoint_meta_get(struct local_engine *e, struct index_meta *out);
// The largest id of a body in the index; 0 when there is none.
enum err checkpoint_last_body(struct local_engine *e, body_id *out);
enum err checkpoint_meta_put(struct local_engine *e, MDB_txn *t, const struct index_meta *m);

// An `s` row: kind, live bytes, for packs the live bytes they were made with.
#define SEGMENT_ROW_BYTES 17

// Changes of live bytes by segment, collected over one index transaction.
struct live_changes {
    struct live_change {
        uint64_t segment;
        int64_t bytes;
        uint64_t now; // after live_apply
    } * all;
    size_t n, cap;
};
enum err live_add(struct live_changes *c, struct span record, int sign);
enum err live_add_place(struct live_changes *c, uint64_t segment); // with no change
enum err live_apply(struct local_engine *e, MDB_txn *t, struct live_changes *c);
// After the transaction: tells the table of segments.
void live_publish(struct local_engine *e, const struct live_changes *c);
void live_finish(struct live_changes *c);

// ---- compact.c ----------------------------------------------------------------------------------

void *compact_run(void *engine);

// ---- replay.c -----------------------------------------------------------------------------------

// Everything between the index's position and the journal's end goes into memory; finds the end.
enum err replay_run(struct local_engine *e, const struct index_meta *meta, struct position *out_end,
                    struct buf *why);
// Adds the files of journal/ to the table; removes leftovers.
enum err replay_find_files(struct local_engine *e, const struct index_meta *meta, struct buf *why);

// ---- state (local.c) ----------------------------------------------------------------------------

// While opening: no id is given out that a body has, whatever the index says.
void local_note_body(struct local_engine *e, body_id id);
void local_fail(struct local_engine *e, const char *what, enum err error); // to READ_ONLY
void local_set_full(struct local_engine *e, atomic_bool *flag, bool full, const char *what);

// ---- bodies -------------------------------------------------------------------------------------

enum err local_body_begin(struct engine *e, struct body_writer **out);
enum err local_body_write(struct body_writer *w, struct span bytes);
enum err local_body_finish(struct body_writer *w, struct span summary, body_id *out);
void local_body_writer_destroy(struct body_writer *w);
struct pending *pending_find(struct local_engine *e, body_id id); // a reference, or NULL
void pending_unref(struct local_engine *e, struct pending *p);
// Appends the data (and summary, when finished) to the journal, where there is room for
// pending_room bytes, and notes where. ERR_NOMEM before anything was appended. The committer's.
enum err pending_append(struct local_engine *e, struct pending *p);
uint64_t pending_room(const struct pending *p);

// Bodies of one commit whose summaries go next to each other into a frame behind them, so that who
// lists a mailbox reads few blocks.
struct gather {
    struct pending **all; // their data is in the journal, their summaries are not
    size_t n, cap;
    struct buf summaries;
};
// Whether it is worth it for this one, given that there are others.
bool pending_may_gather(const struct pending *p);
// Room for `n` bodies. ERR_NOMEM.
enum err gather_begin(struct gather *g, size_t n);
// As pending_append, for a body that may; its record comes with gather_flush.
enum err gather_add(struct local_engine *e, struct gather *g, struct pending *p);
void gather_flush(struct local_engine *e, struct gather *g); // cannot fail
void gather_finish(struct gather *g);
#define GATHER_ROOM (2 * FRAME_HEADER_BYTES) // a body needs so much more at most

#endif
