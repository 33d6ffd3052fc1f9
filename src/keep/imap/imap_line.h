// SPDX-License-Identifier: Apache-2.0
//
// The parts of a FETCH response that come from a placement, written fast: FETCH 1:* (FLAGS) over a
// large mailbox is made of nothing else. Only files of this folder.
#ifndef KEEP_IMAP_LINE_H
#define KEEP_IMAP_LINE_H

#include "base/buf.h"
#include "keep/imap/imap_selected.h"

// A mailbox's keywords, read once for each view.
struct imap_keywords {
    const struct span *names; // of the view
    size_t n;
};

enum err imap_keywords_of(struct view *v, mailbox_id mailbox, struct imap_keywords *out);

// "* 12 FETCH ("
void imap_line_begin(struct buf *out, uint32_t seq);
// The same for who has enabled UIDONLY: "* uid UIDFETCH (" (RFC 9586 section 3.3).
void imap_line_begin_uid(struct buf *out, uint32_t uid);
// "FLAGS (\Seen $Forwarded)"
void imap_line_flags(struct buf *out, const struct placement *p, bool is_recent,
                     const struct imap_keywords *keywords);
// "UID 12", "MODSEQ (12)"
void imap_line_uid(struct buf *out, uint32_t uid);
void imap_line_modseq(struct buf *out, modseq m);
// ")\r\n"
void imap_line_end(struct buf *out);

#endif
