// SPDX-License-Identifier: Apache-2.0
//
// SEARCH in its parts: imap_search.c runs the command and writes the answer, imap_search_match.c
// decides whether one message matches, imap_search_text.c compares text. Only those three.
#ifndef KEEP_IMAP_SEARCH_INTERNAL_H
#define KEEP_IMAP_SEARCH_INTERNAL_H

#include "keep/imap/imap_fetch.h"
#include "wire/imap/imap_search.h"

// ---- text (imap_search_text.c) ------------------------------------------------------------------

// Appends UTF-8 text in the form that is compared: case folded, compatibility characters and
// accents taken apart (RFC 5051 without its title case). Equal text folds to equal bytes however
// it is cut at characters.
void search_fold(struct buf *out, struct span text);

// Folded text to look for, and whether it was found.
struct search_needle {
    struct span folded; // empty: always found
    bool found;
};

// Looks for needles in text that comes in pieces; what matches may lie across two pieces.
struct search_window {
    struct search_needle *needles;
    size_t n, longest;
    struct buf text; // folded; the tail of what came before, then the new
};
void search_window_init(struct search_window *w, struct search_needle *needles, size_t n);
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
    struct span needle;    // folded
    struct uid_set uids;   // SET, UID
    uint64_t keyword;      // KEYWORD: its number; UINT64_MAX: nobody has it
    uint64_t object;       // EMAILID, THREADID; 0: not an identifier
    uint16_t flag;         // FLAG, as the store's bit; 0: \Recent
    mime_fields field;     // header keys: the popular field's bit, 0: none
    struct span field_name;
};

struct search_program {
    const struct imap_search_node *nodes;
    struct search_key *keys; // as many as nodes
    size_t n;
    bool has_text;                                     // BODY or TEXT occurs
    int64_t now;                                       // seconds since 1970
    struct search_needle *body_needles, *text_needles; // as many as nodes; one for each such key
};

// ERR_INVALID: a sequence number that does not exist... is no error here, it matches nothing;
// ERR_UNSUPPORTED: the charset is not known; ERR_NOMEM.
enum err search_compile(struct imap_session *s, const struct imap_search *search,
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

#endif
