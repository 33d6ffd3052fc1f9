// SPDX-License-Identifier: Apache-2.0
//
// Reports about domains of ours (docs/format/reports.md): letters that may have one attached are
// noted when they are delivered, read later, one at a time, and what they say is kept for a set
// time. All functions may be called on any thread; those that read or write block on the disk.
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "engine/engine.h"
#include "report/report_fields.h"
#include "trail/trail.h"

#define REPORT_ROWS_MAX 10000 // of a report that are kept
#define REPORT_DAY_MAX  10000 // reports that are kept in a day
#define REPORT_ATTEMPTS 3     // to read a letter

struct reports;

// Engine and trail stay the caller's and must outlive it. ERR_NOMEM only.
enum err reports_open(struct engine *e, struct trail *t, struct reports **out);
void reports_close(struct reports *r); // NULL is allowed

// ---- letters ------------------------------------------------------------------------------------

struct report_letter {
    body_id body;
    uint64_t bytes;    // of the body
    uint64_t mail;     // its number in the trail; 0: none
    uint32_t attempts; // to read it, so far
    struct span sender, recipient;
};
// Adds a letter to a batch that rides with its delivery (trail_batch). ERR_NOMEM, ERR_LIMIT.
enum err report_letter_add(struct reports *r, struct batch *rider, const struct report_letter *l);
// Called when there may be a letter; at once, without locks. Set before the first delivery; NULL:
// nobody wants to know.
void reports_set_wake(struct reports *r, void (*fn)(void *arg), void *arg);
void reports_wake(struct reports *r); // letters were delivered

// What became of a letter.
struct report_read_result {
    bool is_kept; // the report, as one that was not known
    struct report report;
    char words[1200]; // for the log: why nothing was kept, or whose report it is
};
// Reads the next letter. ERR_NOT_FOUND: there is none. One thread at a time.
enum err reports_read_next(struct reports *r, struct report_read_result *out);

// Forgets reports that came before that, oldest first, in one commit of bounded size.
enum err reports_trim(struct reports *r, int64_t before_ms, bool *out_more);

// ---- what is kept -------------------------------------------------------------------------------

// Calls `fn` with each report that came since then, the newest first, under one snapshot: it may
// not wait for anybody. False: enough.
typedef bool report_each_fn(void *arg, uint64_t number, const struct report *r);
enum err reports_each(struct engine *e, int64_t since_ms, report_each_fn *fn, void *arg);
// ERR_NOT_FOUND. Its texts are copied into the arena.
enum err reports_get(struct engine *e, uint64_t number, struct arena *a, struct report *out);
// The rows of a report, in order; as reports_each.
typedef bool report_row_fn(void *arg, const struct report_row *w);
enum err reports_rows(struct engine *e, uint64_t number, report_row_fn *fn, void *arg);

// As trail_check, for all keys of reports.
enum err reports_check(struct engine *e, trail_problem_fn *fn, void *arg, uint64_t *out_problems);

#endif
