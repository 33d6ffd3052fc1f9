// SPDX-License-Identifier: Apache-2.0
//
// SEARCH, SORT and THREAD in their parts: imap_search_run.c goes through the mailbox,
// imap_search_match.c decides whether one message matches, imap_search_text.c compares text,
// imap_sort_run.c puts what was found in order, imap_found.c writes it; imap_search.c, imap_sort.c
// and imap_thread.c are the commands. Only files of this folder.
#ifndef KEEP_IMAP_SEARCH_IMAP_SEARCH_INTERNAL_H
#define KEEP_IMAP_SEARCH_IMAP_SEARCH_INTERNAL_H

#include "keep/imap/message/imap_fetch.h"
#include "order/sorter.h"
#include "order/threader.h"
#include "wire/imap/imap_search.h"

// ---- text (imap_search_text.c) ------------------------------------------------------------------

// Text to look for in collated form, and whether it was found.
struct search_needle {
    struct span folded; // empty: always found
    bool found;
};

// Looks for needles in text that comes in pieces; what matches may lie across two pieces.
struct search_window {
    enum collation collation;
    struct search_needle *needles;
    size_t n, longest;
    struct buf text; // collated; the tail of what came before, then the new
};
void search_window_init(struct search_window *w, enum collation collation,
                        struct search_needle *needles, size_t n);
void search_window_feed(struct search_window *w, struct span utf8);
void search_window_reset(struct search_window *w); // what comes next does not follow
void search_window_finish(struct search_window *w);
bool search_window_is_done(const struct search_window *w); // all were found

// Feeds all text of a message: its header too when `with_header`. Stops when all was found.
enum err search_message_text(struct view *v, body_id body, uint64_t bytes, bool with_header,
                             struct search_window *w);

// ---- matching (imap_search_match.c) -------------------------------------------------------------

// How much must be read to decide: keys that need less are tried first.
enum search_cost { COST_PLACEMENT, COST_SUMMARY, COST_TEXT };

struct search_key {
    const struct imap_search_node *node;
    enum search_cost cost; // of the whole subtree the cheapest way
    struct span needle;    // collated
    struct uid_set uids;   // SET, UID, UIDAFTER, UIDBEFORE
    uint64_t keyword;      // KEYWORD: its number; UINT64_MAX: nobody has it
    uint64_t object;       // EMAILID, THREADID; 0: not an identifier
    uint16_t flag;         // FLAG, as the store's bit; 0: \Recent
    mime_fields field;     // header keys: the popular field's bit, 0: none
    struct span field_name;
};

struct search_program {
    const struct imap_search_node *nodes;
    struct search_key *keys; // as many as nodes
    size_t n, bound;         // keywords that search_bind() knew + 1; 0: none yet
    enum collation collation;
    bool has_text;                                     // BODY or TEXT occurs
    int64_t now;                                       // seconds since 1970
    struct search_needle *body_needles, *text_needles; // as many as nodes; one for each such key
};

// ERR_INVALID: a sequence number that does not exist... is no error here, it matches nothing;
// ERR_UNSUPPORTED: the charset is not known; ERR_NOMEM. Everything is put into the arena.
enum err search_compile(struct imap_session *s, struct arena *a, const struct imap_search *search,
                        struct search_program *out);
// Numbers of keywords: anew for each view, they may be given while a long search goes on.
void search_bind(struct search_program *p, const struct imap_keywords *keywords);

struct search_message {
    struct view *v;
    const struct placement *placement;
    bool is_recent;
    // Read when first needed:
    bool has_summary, has_header;
    enum err summary_error;
    struct mime_summary summary;
    struct buf *header; // the whole header block
    struct buf *scratch, *folded;
};

bool search_matches(struct search_program *p, struct search_message *m);

// What the key asks is whether the message is in its set of UIDs.
bool search_is_set(enum imap_search_key key);

// ---- running (imap_search_run.c) ----------------------------------------------------------------

struct search_run {
    const struct imap_search *search;
    struct search_program program;
    struct uid_set_builder found;
    struct uid_set within; // UIDs the answer can only lie in
    size_t range;          // of `within`
    uint32_t next;         // UID to go on at
    modseq changed_since;  // of a MODSEQ key that must hold
    modseq newest;         // highest MODSEQ of what was found
    int64_t used_us;
    uint64_t looked, goal; // messages: looked at, and all that will be
    unsigned parts;        // of the whole command, of which this search is the first
    bool only_first;       // the first that matches is all that is wanted
    bool is_done;
    struct buf header, scratch, folded;
};

// STEP_MORE; STEP_DONE: refused, the answer is set. `by_sets`: where sets alone say what matches,
// no message is looked at (one that somebody has expunged and the client not been told of may then
// be among them). FILTER keys in it are replaced. The run must be finished in either case.
enum imap_step search_run_begin(struct imap_session *s, struct imap_search *search, bool by_sets,
                                struct search_run *out);
// Goes on for some milliseconds: STEP_MORE until run->is_done; STEP_DONE: refused.
enum imap_step search_run_step(struct imap_session *s, struct search_run *run);
void search_run_finish(struct search_run *run);

// ---- writing what was found (imap_found.c) ------------------------------------------------------

// Return options that say something in the answer.
#define FOUND_SHOWN                                                                                \
    (IMAP_SEARCH_RETURN_MIN | IMAP_SEARCH_RETURN_MAX | IMAP_SEARCH_RETURN_ALL |                    \
     IMAP_SEARCH_RETURN_COUNT | IMAP_SEARCH_RETURN_PARTIAL)

struct found {
    const struct imap_search *search;
    const char *word;      // of the answer that is not extended: "SEARCH", "SORT"
    struct uid_set set;    // ascending; or, when `order` is not NULL,
    const uint32_t *order; // UIDs in the order that was asked for
    size_t n;              // how many there are
    modseq newest;         // highest MODSEQ of all
    uint32_t returns;
    bool extended;
    struct span mailbox; // of an answer that says so, as the user knows it; n 0: it does not
    uint32_t uid_validity;
    // Cursor:
    bool is_writing;
    size_t at, to; // results at..to are still to be written
    size_t range;  // of the set
    uint32_t uid;
    uint32_t first, last; // a run of numbers not yet written, as ESEARCH has them; first 0: none
    bool any;
};

// `search` with what the session has enabled; then the caller sets word, set or order, n, newest.
void found_init(struct imap_session *s, const struct imap_search *search, struct found *out);
// SAVE, if it was asked for (RFC 5182, RFC 9394 section 3.2).
enum err found_save(struct imap_session *s, const struct found *f);
// The next batch; STEP_MORE, or STEP_DONE with the answer set.
enum imap_step found_write(struct imap_session *s, struct found *f);
// What was found cannot be told: "$" stands for nothing. Returns `answered`.
enum imap_step found_failed(struct imap_session *s, const struct imap_search *search,
                            enum imap_step answered);

// ---- putting in order (imap_sort_run.c) ---------------------------------------------------------

struct sort_run {
    const struct imap_sort_criterion *criteria;
    size_t n, at; // criteria, and which of them now
    struct uid_set uids;
    size_t range;          // of the UIDs
    uint32_t next;         // UID to go on at
    size_t entry;          // of the sorter, from the second criterion on
    uint64_t loaded, goal; // messages: whose first keys are read, and all
    enum { SORT_LOADS, SORT_SORTS, SORT_TURNS_BACK, SORT_IS_DONE } phase;
    struct sorter sorter;
    struct buf text;
    size_t reserved; // with imap_orders_begin
};

struct sort_scan;

// Puts UIDs in order of the criteria. ERR_UNAVAILABLE: too much is being sorted just
// now.
enum err sort_run_begin(struct imap_session *s, const struct imap_sort_criterion *criteria,
                        size_t n, struct uid_set uids, struct sort_run *out);
// ERR_OK: done; ERR_AGAIN: some milliseconds are over, call again.
enum err sort_run_step(struct imap_session *s, struct sort_run *run);
void sort_run_finish(struct imap_session *s, struct sort_run *run);

// One key of a message: a number, or a text put collated into `text`.
struct sort_value {
    bool is_text;
    int64_t number;
};
enum err sort_value_of(enum collation collation, enum imap_sort_key key, struct sort_scan *keys,
                       const struct placement *p, struct buf *text, struct sort_value *out);

// Those of `order` that are in the set, in the same order, from malloc. ERR_NOMEM.
enum err sort_pick(struct imap_order *order, struct uid_set set, uint32_t **out, size_t *out_n);

// ---- results that are kept up to date (imap_context.c) -----------------------------------------

struct imap_context;

// For RETURN (UPDATE), before the search begins and while message numbers and "$" mean what they
// meant to the client. STEP_MORE; `*out` is NULL when it was not asked for, or is refused, which is
// said then. STEP_DONE: BAD, the tag is in use. The caller ends what it does not keep.
enum imap_step context_begin(struct imap_session *s, const struct imap_search *search,
                             struct imap_context **out);
void context_end(struct imap_context *c);    // NULL is allowed
void context_refuse(struct imap_session *s); // says NOUPDATE for the running command
// What was found, ascending, and for SORT in order; from now on changes are told. Takes `*c` over.
void context_keep(struct imap_session *s, struct imap_context **c, struct uid_set found,
                  const uint32_t *order, size_t n);

#endif
