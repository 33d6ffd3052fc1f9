// SPDX-License-Identifier: Apache-2.0
//
// Metadata (RFC 5464) as the commands of IMAP need it: reading for GETMETADATA and LIST (RFC 9590),
// and searches with names (RFC 5466). Rows and who sees which of them: store/metadata/metadata.h.
#ifndef KEEP_IMAP_METADATA_H
#define KEEP_IMAP_METADATA_H

#include "keep/imap/imap_session_internal.h"
#include "store/metadata/metadata.h"

// ---- reading (imap_metadata_read.c) -------------------------------------------------------------

// Where the /shared and the /private entries of a mailbox (or of the server) are.
struct metadata_source {
    struct view *shared, *own; // one of them or both; the other NULL: there are none such
    struct metadata_where in_shared, in_own;
};
// ... of a mailbox of the account of `v`, which may be the session's own. `own`: a view of the
// session's account.
struct metadata_source metadata_source_of(const struct imap_session *s, struct view *v,
                                          struct view *own, mailbox_id mailbox);

// How far it has come; zeros at the start.
struct metadata_cursor {
    size_t at; // of the entries asked for
    bool is_done;
    uint64_t longest; // bytes of the largest value over MAXSIZE; 0: none
    size_t after_n;
    char after[METADATA_NAME_BYTES_MAX]; // of those below, the last that was looked at
};

// ERR_INVALID: what is asked for contains a name that cannot be an entry's.
enum err metadata_get_check(const struct imap_metadata_get *get);
// Writes "* METADATA shown (...)" with what is asked for until the batch is full or `c->is_done`;
// nothing when there is nothing. What was named and is not there is NIL. ERR_CORRUPT and the like.
enum err metadata_write(struct imap_session *s, const struct imap_metadata_get *get,
                        const struct metadata_source *from, struct span shown,
                        struct metadata_cursor *c);

// ---- LIST (imap_list_metadata.c) ----------------------------------------------------------------

// A mailbox that LIST has told of.
struct imap_list_mailbox {
    account_id account; // whose
    mailbox_id mailbox;
    uint32_t rights;
    struct span name; // as this user knows it
};
// Writes what RETURN (METADATA (...)) asks of it. False: the batch
// is full, call again. `*cursor` is NULL at first, and the command's. The names asked for can be
// entries'?
bool imap_list_metadata(struct imap_session *s, const struct imap_list_mailbox *m, void **cursor);
bool imap_list_metadata_is_good(struct imap_session *s);

// ---- searches with names (imap_filters.c) -------------------------------------------------------

// "/private/filters/values/boss" or the same below /shared: an entry that is a search (RFC 5466
// section 3.2). `*out_name` is what stands behind it.
bool filter_entry(struct span entry, struct span *out_name);
// A text that is a whole search, and the name of one. Else the reason, static.
bool filter_is_good(struct imap_session *s, struct span name, struct span value,
                    const char **out_why);
// Puts in for each FILTER key what it stands for, in the arena; nothing to do where there is none.
// STEP_MORE, or STEP_DONE: refused, the answer is set.
enum imap_step filters_expand(struct imap_session *s, struct arena *a, struct imap_search *search);

#endif
