// SPDX-License-Identifier: Apache-2.0
//
// Mail to be exported: writes mailboxes and messages as a Maildir++ or as mbox files. Nothing that
// exists is written over, no name leads out of the folder, and what was written is on the disk when
// mail_target_finish returns. One thread; blocks on the disk.
//
// Line ends: LF, as other programs on the same machine expect; CRLF is kept with `keep_crlf`, and
// for a message that could not be read back otherwise (an LF without CR, or CR CR LF).
#ifndef MAILFILE_MAIL_TARGET_H
#define MAILFILE_MAIL_TARGET_H

#include "base/err.h"
#include "mailfile/mailfile.h"
#include "mailfile/spool.h"

enum mail_target_format { MAIL_TARGET_MAILDIR, MAIL_TARGET_MBOX };

struct mail_target_options {
    enum mail_target_format format;
    bool is_single; // one mailbox: `path` is its Maildir or its mbox file
    bool keep_crlf;
};

struct mail_target;

// Makes `path`; a folder may be there already when it is empty. ERR_EXISTS, ERR_NOT_FOUND (no such
// parent), ERR_DENIED, ERR_NOSPACE, ERR_IO; `*out_reason` says it in words (static text).
enum err mail_target_create(const char *path, const struct mail_target_options *o,
                            struct mail_target **out, const char **out_reason);
void mail_target_destroy(struct mail_target *t); // NULL is allowed

// What follows belongs to this mailbox (UTF-8, levels separated by '/').
enum err mail_target_mailbox(struct mail_target *t, struct span name, bool is_subscribed);
// `is_irregular`: see line_end.h.
enum err mail_target_message(struct mail_target *t, struct spool *bytes, bool is_irregular,
                             const struct mail_meta *meta);
// Writes what belongs beside the mail and sees to it that everything is on the disk.
enum err mail_target_finish(struct mail_target *t);

// Keywords that the format had no room for (a Maildir folder knows 26).
uint64_t mail_target_keywords_dropped(const struct mail_target *t);

// Appends the name of the file or folder for one level of a mailbox name, so that mail_source reads
// the level back from it: no '/', no leading dot, at most 240 bytes.
void mail_target_level(struct span level, struct buf *out);

#endif
