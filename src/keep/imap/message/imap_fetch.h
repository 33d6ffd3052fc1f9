// SPDX-License-Identifier: Apache-2.0
//
// A fetcher writes FETCH responses for a set of messages in bounded steps; FETCH, STORE and
// SELECT with QRESYNC use it. What a step writes ends at a whole message or inside a literal, and
// between steps nothing of the store is open. Only files of this folder.
#ifndef KEEP_IMAP_FETCH_INTERNAL_H
#define KEEP_IMAP_FETCH_INTERNAL_H

#include "keep/imap/imap_line.h"
#include "keep/imap/imap_session_internal.h"
#include "mime/mime_decode.h"
#include "mime/mime_section.h"
#include "mime/mime_summary.h"

struct imap_fetch_request {
    struct uid_set uids; // of the map
    const struct imap_fetch_item *items;
    size_t n;
    modseq changed_since; // only messages changed after it; 0: all
    modseq only_version;  // only messages whose MODSEQ is this; 0: all
    bool say_uid;         // also when not asked for
};

// Where a literal that is being sent comes from.
struct imap_literal {
    uint64_t offset, left; // bytes of the body still to be read
    bool is_decoded;       // BINARY: through the decoder
    struct mime_decoder decoder;
    uint64_t skip, send; // of the decoded bytes: to leave out, and then to send
};

struct imap_plan_item {
    const struct imap_fetch_item *item;
    struct span name; // as the response says it, with a blank after
};

struct imap_fetcher {
    struct imap_fetch_request request;
    bool flags, uid, modseq_, date, size, emailid, threadid, savedate;
    bool sets_seen;
    struct imap_plan_item *summary_items, *sections;
    size_t summary_n, section_n;

    size_t range;  // of request.uids
    uint32_t next; // UID to go on at
    struct uid_cursor numbers;
    uint64_t found;            // messages met
    uint32_t seen_to;          // \Seen has been set up to this UID ...
    struct uid_set fresh_seen; // ... on these, which had not been

    // Inside a message: sections from `section` on are still to be written.
    bool is_inside, in_literal;
    uint32_t uid_now;
    body_id body;
    uint64_t bytes;
    size_t section;
    struct imap_literal literal;

    struct buf scratch;
    struct span problem_code; // something could not be given: the answer is NO
    const char *problem;
    bool is_broken; // a literal could not be finished: the connection must end
};

// In the command's arena; NULL without memory. The caller's cleanup calls imap_fetcher_finish.
struct imap_fetcher *imap_fetcher_create(struct imap_session *s,
                                         const struct imap_fetch_request *request);
void imap_fetcher_finish(struct imap_fetcher *f); // NULL is allowed
// STEP_MORE, STEP_DONE, STEP_CLOSE.
enum imap_step imap_fetcher_step(struct imap_session *s, struct imap_fetcher *f);

// "* VANISHED (EARLIER) ..." for UIDs of `among` that left after `since`.
enum err imap_fetch_vanished(struct imap_session *s, struct view *v, modseq since,
                             struct uid_set among);

// imap_fetch_items.c: what a placement and a summary give; starts the response.
enum err imap_fetch_head(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                         const struct placement *p, uint32_t seq,
                         const struct imap_keywords *keywords);

// imap_fetch_body.c: the sections of the message the fetcher is inside of. ERR_AGAIN: the batch is
// full; ERR_IO: a literal was cut.
enum err imap_fetch_sections(struct imap_session *s, struct imap_fetcher *f, struct view *v);

// Where a section that is no list of fields lies in the message of f->body and f->bytes.
// ERR_NOT_FOUND, ERR_INVALID: it has no such section.
enum err imap_fetch_find(struct imap_fetcher *f, struct view *v, const struct imap_section *section,
                         struct mime_range *out);
// The fields a section names, into f->scratch. Errors as above.
enum err imap_fetch_fields(struct imap_fetcher *f, struct view *v,
                           const struct imap_section *section);
// NUL cannot be said in a literal (RFC 9051 section 4.3); BINARY is there for that.
void imap_fetch_replace_nul(char *p, size_t n);

// Parses the message anew, for what its summary leaves out. The message lives in the arena.
enum err imap_fetch_reparse(struct view *v, body_id body, uint64_t bytes, struct arena *arena,
                            struct mime_message *out);

// Notes what goes into the tagged answer; the first problem counts.
void imap_fetch_problem(struct imap_fetcher *f, const char *code, const char *text);

#endif
