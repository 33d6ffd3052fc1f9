// SPDX-License-Identifier: Apache-2.0
//
// Opening and closing the local engine, and its state.
#include "engine/local/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/compress_internal.h"
#include "engine/local/snapshot_internal.h"

#include "base/banned.h"

#define INDEX_FORMAT 1
#define MIB          (1u << 20)

// ---- state --------------------------------------------------------------------------------------

void local_note_body(struct local_engine *e, body_id id)
{
    if (id >= e->next_body) {
        e->above_limit = id;
        e->next_body = id + 1;
    }
}

void local_fail(struct local_engine *e, const char *what, enum err error)
{
    lock_take(&e->state_lock);
    if (!e->read_only) {
        snprintf(e->reason, sizeof(e->reason),
                 "%s (%s): read-only until the server is started again", what, err_name(error));
        log_error("storage: %s", e->reason);
    }
    e->read_only = true;
    pthread_cond_broadcast(&e->state_changed);
    lock_release(&e->state_lock);
}

void local_set_full(struct local_engine *e, atomic_bool *flag, bool full, const char *what)
{
    lock_take(&e->state_lock);
    if (full && !e->read_only) {
        if (!*flag) {
            log_error("storage: %s", what);
        }
        snprintf(e->reason, sizeof(e->reason), "%s", what);
    } else if (!full) {
        log_info("storage: there is room again");
    }
    *flag = full;
    pthread_cond_broadcast(&e->state_changed);
    lock_release(&e->state_lock);
}

static void sum_segments(struct local_engine *e, struct engine_status *out)
{
    struct segment s;

    for (uint64_t id = 0; segment_next(&e->segments, id, &s); id = s.id + 1) {
        out->segments++;
        out->segment_bytes += s.size;
        if (!s.current) {
            out->dead_bytes += s.size > s.live ? s.size - s.live : 0;
        } else if (position_cmp((struct position){s.id, 0}, e->checkpointed) >= 0) {
            out->journal_lag_bytes += s.id == e->tail.segment ? e->tail.offset : s.size;
        }
    }
}

// Under state_lock.
static enum engine_state state_of(const struct local_engine *e)
{
    return e->read_only                       ? ENGINE_READ_ONLY
           : e->journal_full || e->index_full ? ENGINE_FULL
                                              : ENGINE_OK;
}

static enum engine_state local_state(struct engine *engine)
{
    struct local_engine *e = local_of(engine);

    lock_take(&e->state_lock);
    enum engine_state state = state_of(e);

    lock_release(&e->state_lock);
    return state;
}

static void local_status(struct engine *engine, struct engine_status *out)
{
    struct local_engine *e = local_of(engine);

    *out = (struct engine_status){0};
    lock_take(&e->state_lock);
    out->state = state_of(e);
    if (out->state != ENGINE_OK) {
        memcpy(out->reason, e->reason, sizeof(out->reason));
    }
    out->bodies = e->bodies;
    out->body_bytes = e->body_bytes;
    out->commits = e->commits;
    out->commit_groups = e->groups;
    out->syncs = e->syncs;
    sum_segments(e, out);
    if (e->checkpointed.segment == e->tail.segment) {
        out->journal_lag_bytes = e->tail.offset - e->checkpointed.offset;
    }
    lock_release(&e->state_lock);
}

static void local_set_watch(struct engine *engine, engine_watch_fn *fn, void *arg)
{
    local_of(engine)->watch_arg = arg;
    local_of(engine)->watch = fn;
}

// ---- closing ------------------------------------------------------------------------------------

static void stop_threads(struct local_engine *e)
{
    lock_take(&e->state_lock);
    e->checkpoint_stop = e->compact_stop = true;
    pthread_cond_broadcast(&e->state_changed);
    lock_release(&e->state_lock);
    if (e->threads > 2) {
        pthread_join(e->compact, NULL);
    }
    if (e->threads > 1) {
        pthread_join(e->checkpoint, NULL); // while the committer still answers it
    }
    lock_take(&e->queue_lock);
    ASSERT(list_is_empty(&e->queue));
    e->committer_stop = true;
    pthread_cond_signal(&e->queue_changed);
    lock_release(&e->queue_lock);
    if (e->threads > 0) {
        pthread_join(e->committer, NULL);
    }
}

// A clean close leaves nothing to replay.
static void final_checkpoint(struct local_engine *e)
{
    e->closing = true;
    if (e->read_only || e->threads == 0) {
        return;
    }
    if (e->frozen && checkpoint_write(e) != ERR_OK) {
        return;
    }
    if (apply_freeze(e, e->journal.durable, e->epoch)) {
        checkpoint_write(e);
    }
}

// Frees whatever of it there is.
static void local_free(struct local_engine *e)
{
    if (e->frozen) {
        frozen_destroy(e, e->frozen);
    }
    memtable_unref(e->active);
    free(e->pins);
    journal_finish(&e->journal);
    compressor_destroy(e->compressor);
    local_summaries_finish(e);
    segments_finish(&e->segments);
    index_close(&e->index);
    cleanup_fd(&e->journal_fd);
    cleanup_fd(&e->index_fd);
    cleanup_fd(&e->lock_fd);
    cleanup_fd(&e->top_fd);
    pthread_cond_destroy(&e->queue_changed);
    pthread_cond_destroy(&e->state_changed);
    lock_finish(&e->queue_lock);
    lock_finish(&e->state_lock);
    lock_finish(&e->bodies_lock);
    lock_finish(&e->compact_lock);
    free(e);
}

static void local_close(struct engine *engine)
{
    struct local_engine *e = local_of(engine);

    stop_threads(e); // compaction has snapshots of its own
    ASSERT(list_is_empty(&e->snapshots) && list_is_empty(&e->pendings));
    prepare_stop(&e->prepare);
    final_checkpoint(e);
    local_free(e);
}

// ---- opening ------------------------------------------------------------------------------------

static const struct engine_ops local_ops = {
    .close = local_close,
    .set_watch = local_set_watch,
    .status = local_status,
    .state = local_state,
    .snapshot_open = local_snapshot_open,
    .snapshot_close = local_snapshot_close,
    .version = local_version,
    .get = local_get,
    .scan_open = local_scan_open,
    .scan_next = local_scan_next,
    .scan_close = local_scan_close,
    .prefetch = local_prefetch,
    .next_account = local_next_account,
    .next_body = local_next_body,
    .body_begin = local_body_begin,
    .body_write = local_body_write,
    .body_finish = local_body_finish,
    .body_writer_destroy = local_body_writer_destroy,
    .body_info = local_body_info,
    .body_read = local_body_read,
    .body_summary = local_body_summary,
    .commit = local_commit,
    .verify = local_verify,
};

static struct local_engine *local_create(int dir_fd, const struct engine_local_options *o)
{
    struct local_engine *e = calloc(1, sizeof(*e));

    if (!e) {
        return NULL;
    }
    e->base.ops = &local_ops;
    e->options = *o;
    e->top_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0); // the caller's may be closed once we are open
    e->lock_fd = e->journal_fd = e->index_fd = -1;
    lock_init(&e->queue_lock, LOCK_ENGINE_QUEUE);
    lock_init(&e->state_lock, LOCK_ENGINE_STATE);
    lock_init(&e->bodies_lock, LOCK_LEAF);
    lock_init(&e->compact_lock, LOCK_ENGINE_COMPACT);
    lock_cond_init(&e->queue_changed);
    lock_cond_init(&e->state_changed);
    list_init(&e->queue);
    list_init(&e->snapshots);
    list_init(&e->pendings);
    segments_init(&e->segments, -1, o->files_max);
    return e;
}

static enum err take_store_lock(struct local_engine *e, struct buf *why)
{
    enum err error = file_open(e->top_fd, "lock", O_RDWR | O_CREAT, &e->lock_fd);

    if (error == ERR_OK && flock(e->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        error = errno == EWOULDBLOCK ? ERR_UNAVAILABLE : err_from_errno(errno);
        buf_put_str(why, errno == EWOULDBLOCK ? "another process has this store open"
                                              : "the store's lock file cannot be locked");
    }
    return error;
}

static bool has_journal(struct local_engine *e)
{
    int fd = -1, kind;
    uint64_t id;
    bool found = false;

    if (file_open(e->journal_fd, ".", O_RDONLY | O_DIRECTORY, &fd) != ERR_OK) {
        return true;
    }
    DIR *d = fdopendir(fd);

    for (struct dirent *f; d && (f = readdir(d));) {
        found |= segment_name_parse(f->d_name, &id, &kind) && kind != 0;
    }
    if (d) {
        closedir(d);
    } else {
        close(fd);
    }
    return found || !d;
}

// A few readers more than snapshots may be open: the engine's own.
static enum err open_environment(struct local_engine *e, const char *path)
{
    const struct engine_local_options *o = &e->options;
    enum err error = index_open(&e->index, path, o->map_bytes, o->readers_max + 8);

    // The first segment is made after the index is durable. Without any, a bad index is what a
    // crash left of the very first start.
    if ((error == ERR_CORRUPT || error == ERR_UNSUPPORTED) && !has_journal(e)) {
        file_unlink(e->index_fd, "data.mdb");
        error = index_open(&e->index, path, o->map_bytes, o->readers_max + 8);
    }
    return error;
}

static enum err open_index(struct local_engine *e, struct buf *why)
{
    char path[512];
    enum err error = file_open_dir(e->top_fd, "index", true, &e->index_fd);

    if (error == ERR_OK) {
        error = file_open_dir(e->top_fd, "journal", true, &e->journal_fd);
    }
    if (error == ERR_OK) {
        error = file_sync(e->top_fd); // the folders' names last
    }
    if (error != ERR_OK) {
        return error;
    }
    e->segments.dir_fd = e->journal_fd;
    int n = e->options.path ? snprintf(path, sizeof(path), "%s/index", e->options.path)
                            : snprintf(path, sizeof(path), "/proc/self/fd/%d", e->index_fd);

    if (n < 0 || (size_t)n >= sizeof(path)) {
        return ERR_LIMIT;
    }
    error = open_environment(e, path);
    if (error != ERR_OK) {
        buf_printf(why, "the index cannot be opened: %s", err_name(error));
    } else {
        error = file_sync(e->index_fd); // data.mdb's name
    }
    return error;
}

// A new epoch before the first frame: frames of this run can be told from all before.
static enum err begin_epoch(struct local_engine *e, struct index_meta *m, struct buf *why)
{
    MDB_txn *t;

    if (m->format > INDEX_FORMAT) {
        buf_put_str(why, "the store was written by a newer release");
        return ERR_UNSUPPORTED;
    }
    if (m->position_epoch > m->epoch) {
        buf_put_str(why, "the index says that its journal goes on in an epoch to come");
        return ERR_CORRUPT;
    }
    m->format = INDEX_FORMAT;
    m->epoch++;
    e->epoch = m->epoch;
    e->next_body = m->body_limit ? m->body_limit : 1;
    e->next_bodies = e->bodies = m->bodies;
    e->next_body_bytes = e->body_bytes = m->body_bytes;
    enum err error = index_write_begin(&e->index, &t);

    if (error == ERR_OK) {
        error = checkpoint_meta_put(e, t, m);
        if (error == ERR_OK) {
            error = index_write_commit(t);
        } else {
            mdb_txn_abort(t);
        }
    }
    return error;
}

static enum err start_prepare(struct local_engine *e)
{
    e->prepare.segments = &e->segments;
    e->prepare.top_fd = e->top_fd;
    e->prepare.epoch = e->epoch;
    e->prepare.segment_bytes = e->options.segment_bytes;
    e->prepare.reserve_bytes = e->options.reserve_bytes;
    return prepare_start(&e->prepare);
}

// Where writing goes on: the end that replay found, or a first segment.
static enum err start_journal(struct local_engine *e, const struct index_meta *m, struct buf *why)
{
    struct position end;
    struct segment first;
    enum err error;

    if (m->position.segment) {
        body_id last = 0;

        error = checkpoint_last_body(e, &last);
        if (error == ERR_OK) {
            local_note_body(e, last);
            error = replay_run(e, m, &end, why);
        }
    } else {
        error = prepare_take(&e->prepare, e->options.segment_bytes / 16, &first);
        end = (struct position){first.id, journal_frame_bytes(FRAME_SEGMENT_HEAD, 0)};
        buf_put_str(why, error == ERR_OK ? "a new store" : "the first segment cannot be made");
    }
    if (error != ERR_OK) {
        return error;
    }
    e->journal.segments = &e->segments;
    e->journal.prepare = &e->prepare;
    e->journal.epoch = e->epoch;
    e->tail = end;
    e->visible = e->seq;
    e->bodies = e->next_bodies;
    e->body_bytes = e->next_body_bytes;
    error = journal_init(&e->journal, end);
    // What was replayed goes into the index now, with the range of body ids. Whatever good frame
    // is left behind the end is of an older epoch, and from now on never the next one.
    if (error == ERR_OK && apply_freeze(e, end, e->epoch)) {
        error = checkpoint_write(e);
    }
    if (error == ERR_OK) {
        prepare_ask(&e->prepare, e->journal.size * 2);
    }
    return error;
}

static enum err start_threads(struct local_engine *e)
{
    const struct {
        pthread_t *thread;
        void *(*run)(void *);
    } all[] = {{&e->committer, committer_run},
               {&e->checkpoint, checkpoint_run},
               {&e->compact, compact_run}};

    for (size_t i = 0; i < 3; i++) {
        if (pthread_create(all[i].thread, NULL, all[i].run, e) != 0) {
            return ERR_NOMEM;
        }
        e->threads++;
    }
    return ERR_OK;
}

static enum err open_steps(struct local_engine *e, struct buf *why)
{
    struct index_meta meta;
    enum err error = take_store_lock(e, why);

    if (error == ERR_OK) {
        error = open_index(e, why);
    }
    if (error == ERR_OK) {
        error = checkpoint_meta_get(e, &meta);
    }
    if (error == ERR_OK) {
        error = begin_epoch(e, &meta, why);
    }
    if (error == ERR_OK) {
        error = replay_find_files(e, &meta, why);
    }
    if (error == ERR_OK) {
        error = compressor_create(e, &e->compressor);
    }
    if (error == ERR_OK) {
        error = start_prepare(e);
    }
    if (error == ERR_OK) {
        error = start_journal(e, &meta, why);
    }
    return error == ERR_OK ? start_threads(e) : error;
}

// Values that could not work are raised rather than refused: the settings table has the limits.
static struct engine_local_options sane(const struct engine_local_options *options)
{
    struct engine_local_options o = options ? *options : ENGINE_LOCAL_DEFAULTS;
    uint64_t segment_min = 64u << 10;

    o.segment_bytes = o.segment_bytes < segment_min ? segment_min : o.segment_bytes;
    o.segment_bytes = (o.segment_bytes + 65535) & ~(uint64_t)65535;
    o.memtable_bytes = o.memtable_bytes < MIB ? MIB : o.memtable_bytes;
    o.map_bytes = o.map_bytes < 16 * MIB ? 16 * MIB : o.map_bytes & ~(uint64_t)65535;
    o.readers_max = o.readers_max < 8 ? 8 : o.readers_max;
    o.files_max = o.files_max < 8 ? 8 : o.files_max;
    o.checkpoint_ms = o.checkpoint_ms ? o.checkpoint_ms : 1;
    o.compact_ms = o.compact_ms ? o.compact_ms : 1;
    return o;
}

enum err engine_local_open(int dir_fd, const struct engine_local_options *options,
                           struct engine **out, struct buf *why)
{
    struct engine_local_options o = sane(options);
    struct local_engine *e = local_create(dir_fd, &o);

    if (!e) {
        return ERR_NOMEM;
    }
    e->active = memtable_create();
    int64_t start = clock_monotonic_ms();
    enum err error = e->active ? open_steps(e, why) : ERR_NOMEM;

    if (error != ERR_OK) {
        if (e->threads) {
            stop_threads(e);
        }
        prepare_stop(&e->prepare);
        local_free(e);
        return error;
    }
    buf_printf(why, ", %lld ms", (long long)(clock_monotonic_ms() - start));
    *out = &e->base;
    return ERR_OK;
}
