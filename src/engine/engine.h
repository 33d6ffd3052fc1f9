// SPDX-License-Identifier: Apache-2.0
//
// The commit interface: everything the mail store asks of storage. Engines (local/, memory/, later
// postgres/) stand behind it; tests/contract holds what each promises.
//
// Data is split by account (a 64-bit id). An account is an ordered map from keys to values plus a
// version, a number that rises by exactly one with each commit. The whole write interface is: a
// batch of puts and deletes for ONE account, on condition that the account's version is still the
// one the batch was computed from. Reads are get and ordered scan on a snapshot.
//
// Bodies are large immutable byte strings that several accounts may share. A body is put before the
// commit that names it; each batch says which bodies it starts and stops using, and the engine
// drops a body that no account uses any more.
//
// A commit returns when everything it names is durable. After that, and never before, a snapshot
// opened by anyone shows it.
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/span.h"

#define ENGINE_KEY_BYTES_MAX     400         // a key, the account id not counted
#define ENGINE_VALUE_BYTES_MAX   (1u << 20)  // a value
#define ENGINE_BATCH_BYTES_MAX   (64u << 20) // keys and values of one batch
#define ENGINE_SUMMARY_BYTES_MAX (1u << 20)
#define ENGINE_BODY_BYTES_MAX    (1u << 30)

typedef uint64_t account_id; // 0 is the server's own account (domains, account names)
typedef uint64_t body_id;    // 0 is no body; never used twice

struct engine;
struct snapshot;
struct scan;
struct batch;
struct body_writer;

// ---- engine -------------------------------------------------------------------------------------

// Called after a commit has become visible, by one thread at a time, without locks held; must
// return quickly and may not call the engine. One account's versions come in rising order. A hint:
// the account's data is the truth.
typedef void engine_watch_fn(void *arg, account_id account, uint64_t version);

enum engine_state {
    ENGINE_OK,
    ENGINE_READ_ONLY, // a write or sync failed: reads go on, commits give ERR_UNAVAILABLE until the
                      // process is restarted and the journal has been replayed
    ENGINE_FULL,      // no space: commits give ERR_NOSPACE, tried again with each commit
};

struct engine_status {
    enum engine_state state;
    char reason[160]; // why the state is not OK, in words for the operator
    uint64_t bodies, body_bytes, segments, segment_bytes, dead_bytes, journal_lag_bytes;
    uint64_t commits, commit_groups, syncs;
};

// How long commits took, of all engines of the process.
extern struct metrics_times engine_commit_times;

void engine_close(struct engine *e); // waits for running commits; no snapshot may be open
void engine_set_watch(struct engine *e, engine_watch_fn *fn, void *arg); // before the first commit
void engine_status(struct engine *e, struct engine_status *out);
enum engine_state engine_state(struct engine *e); // the state alone, cheaply; any thread

// ---- reading ------------------------------------------------------------------------------------

// A snapshot is one moment of all accounts. Opening is cheap (microseconds) and never waits for
// writers. It may be used by one thread at a time and must not be held while waiting for a client:
// an old snapshot keeps space from being reused. All spans it hands out live until it is closed.
enum err snapshot_open(struct engine *e, struct snapshot **out);
void snapshot_close(struct snapshot *s); // NULL is allowed

// The account's version; 0 for an account never written.
enum err snapshot_version(struct snapshot *s, account_id account, uint64_t *out);

// ERR_NOT_FOUND when the key is not there.
enum err snapshot_get(struct snapshot *s, account_id account, struct span key, struct span *out);

// Walks the keys in [from, to) in byte order, or from the last to the first with `reverse`. An
// empty `to` means "to the account's end". A scan must be closed before its snapshot; up to 8 may
// be open on one snapshot.
enum err scan_open(struct snapshot *s, account_id account, struct span from, struct span to,
                   bool reverse, struct scan **out);
// ERR_NOT_FOUND at the end.
enum err scan_next(struct scan *c, struct span *out_key, struct span *out_value);
void scan_close(struct scan *c); // NULL is allowed

// A hint: the values of the keys in [from, to) will be read soon. Those that are on the disk are
// fetched while the caller goes on, unless that of `probe` (or of the next key) is in memory: then
// the others are thought to be, too. May wait for a few reads of the index's own pages.
void scan_prefetch(struct snapshot *s, account_id account, struct span from, struct span to,
                   struct span probe);

// For checkers, which recount everything: the smallest account at or above `from` that was ever
// written, and the smallest body id at or above `from` that has a use. ERR_NOT_FOUND when there is
// none.
enum err snapshot_next_account(struct snapshot *s, account_id from, account_id *out);
enum err snapshot_next_body(struct snapshot *s, body_id from, body_id *out);

// What an engine keeps below the accounts (files, places of bodies, counts) against itself. Commits
// go on meanwhile; what they add may be left out. Blocks for as long as reading takes.
struct engine_verify_options {
    bool read_files;  // every byte of every file, also of what is dead; else only its frame headers
    bool read_bodies; // every body with a use, as a reader would get it
    bool repair;      // write anew what can be derived
};
struct engine_report {
    uint64_t bodies, body_bytes, files; // looked at
    uint64_t problems, repaired;
};
// Called for each problem with a line for the operator, in the thread that verifies.
typedef void engine_problem_fn(void *arg, struct span line, bool repaired);
// `fn` may be NULL. ERR_OK also when there were problems.
enum err engine_verify(struct engine *e, const struct engine_verify_options *o,
                       engine_problem_fn *fn, void *arg, struct engine_report *out);

// ---- bodies -------------------------------------------------------------------------------------

// A body has its bytes and, beside them, a small `summary` that belongs to it and is read whole
// (what was parsed from it once). Both are immutable.

// Starts a body. Bytes may be given in any number of calls of any size; at most about 1 MiB stays
// in memory. The writer belongs to one thread at a time.
enum err body_begin(struct engine *e, struct body_writer **out);
// ERR_LIMIT above ENGINE_BODY_BYTES_MAX; after any error only body_writer_destroy is left.
enum err body_write(struct body_writer *w, struct span bytes);
// Ends the body and gives its id. It becomes durable with the first commit that names it, and is
// dropped when the writer is destroyed before any commit did.
enum err body_finish(struct body_writer *w, struct span summary, body_id *out);
// Frees the writer; keep it until the last commit that names the new body has returned: until then
// the body stays, even when all who used it have already dropped it again. NULL is allowed.
void body_writer_destroy(struct body_writer *w);

// Sizes in bytes. ERR_NOT_FOUND when no snapshot-visible commit uses the body any more.
struct body_info {
    uint64_t bytes;
    uint32_t summary_bytes;
    uint32_t uses; // accounts' uses, as counted by batches
};
enum err body_info(struct snapshot *s, body_id id, struct body_info *out);

// Appends bytes [offset, offset + n) to `out`, fewer at the end of the body. A body whose commit
// the snapshot shows can be read until the snapshot is closed, whatever compaction does meanwhile.
// ERR_CORRUPT when a checksum does not hold: never wrong bytes.
enum err body_read(struct snapshot *s, body_id id, uint64_t offset, size_t n, struct buf *out);

// The summary; the span lives until the snapshot is closed or until SNAPSHOT_SUMMARIES_KEPT more
// summaries were read, whichever is first.
#define SNAPSHOT_SUMMARIES_KEPT 64
enum err body_summary(struct snapshot *s, body_id id, struct span *out);

// ---- writing ------------------------------------------------------------------------------------

// A batch collects changes; copies keys and values. The last put or delete of a key wins.
enum err batch_create(account_id account, struct batch **out);
void batch_destroy(struct batch *b); // NULL is allowed
enum err batch_put(struct batch *b, struct span key, struct span value);
enum err batch_delete(struct batch *b, struct span key);
enum err batch_use_body(struct batch *b, body_id id);  // one more use
enum err batch_drop_body(struct batch *b, body_id id); // one use fewer

// Rows of another account that tell of this batch and whose keys nobody else writes: they are
// committed right behind it, whatever the version of their account is by then, in the same group
// and with the same sync, and never without it. A power cut in between may leave the batch alone;
// then its commit was not acknowledged. A rider that cannot be written (no room, too large) is left
// out and does not hurt the batch. It names no bodies, stays the caller's and must live until the
// commit has returned; NULL takes it off.
void batch_set_rider(struct batch *b, struct batch *rider);

// As `expected`: whatever version the account has. For batches as riders are.
#define ENGINE_ANY_VERSION UINT64_MAX

// Commits the batch if the account's version is still `expected`; its version is then expected + 1.
// Blocks until durable; any thread; many threads' commits share one sync.
// ERR_CONFLICT: the version moved (nothing written). ERR_NOSPACE, ERR_UNAVAILABLE: see engine_state
// (nothing written). ERR_LIMIT: a key, value or the batch is too large.
// ERR_IO: the write or sync failed; whether it happened is known only after the next start.
// ERR_NOT_FOUND: it uses a body that is gone or never was, or drops one more often than it is used.
// The batch may be changed and committed again (after a conflict it usually is built anew).
enum err engine_commit(struct engine *e, struct batch *b, uint64_t expected);

// Several accounts' batches in one call (a delivery to many): each succeeds or fails by itself, all
// share the sync. Fills results[i]; the return value is ERR_OK when all are.
enum err engine_commit_many(struct engine *e, struct batch *const *b, const uint64_t *expected,
                            size_t count, enum err *results);

#endif
