// SPDX-License-Identifier: Apache-2.0
//
// STATUS (RFC 9051 section 6.3.11) with HIGHESTMODSEQ (RFC 7162), MAILBOXID (RFC 8474), APPENDLIMIT
// (RFC 7889), SIZE (RFC 8438) and DELETED-STORAGE (RFC 9208). All but RECENT and DELETED-STORAGE
// are kept counts.
#include "keep/imap/imap_objectid.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/imap_recent.h"
#include "keep/imap/mailbox/imap_list.h"

#include "base/banned.h"

static uint64_t count_recent(struct imap_session *s, struct view *v, const struct mailbox *mailbox)
{
    uint32_t first = imap_recent_first(s->server->recent, v, mailbox->id, mailbox->uid_next, false);
    struct placement_scan *scan;
    struct placement p;
    uint64_t n = 0;

    if (first >= mailbox->uid_next ||
        placement_scan_open(v, mailbox->id, first, UINT32_MAX, 0, &scan)) {
        return 0;
    }
    while (!placement_next(scan, &p)) {
        n++;
    }
    placement_scan_close(scan);
    return n;
}

// Where readers have a \Seen of their own, and what they have seen cannot be read: nothing of it.
static uint32_t count_unseen(struct view *v, const struct mailbox *mailbox)
{
    uint32_t unseen;

    return view_unseen(v, mailbox, &unseen) == ERR_OK ? unseen : mailbox->exists;
}

// In units of 1,024 bytes, as STORAGE is.
static uint64_t deleted_storage(struct view *v, const struct mailbox *mailbox)
{
    struct placement_scan *scan;
    struct placement p;
    uint64_t bytes = 0;
    uint32_t left = mailbox->deleted;

    if (!left || placement_scan_open(v, mailbox->id, 1, UINT32_MAX, 0, &scan)) {
        return 0;
    }
    while (left && !placement_next(scan, &p)) {
        if (p.flags & FLAG_DELETED) {
            bytes += p.bytes;
            left--;
        }
    }
    placement_scan_close(scan);
    return (bytes + 1023) / 1024;
}

static void write_item(struct imap_session *s, struct view *v, const struct mailbox *mailbox,
                       uint32_t bit)
{
    switch (bit) {
    case IMAP_STATUS_MESSAGES:
        buf_put_u64(s->out, mailbox->exists);
        break;
    case IMAP_STATUS_RECENT:
        buf_put_u64(s->out, count_recent(s, v, mailbox));
        break;
    case IMAP_STATUS_UIDNEXT:
        buf_put_u64(s->out, mailbox->uid_next);
        break;
    case IMAP_STATUS_UIDVALIDITY:
        buf_put_u64(s->out, mailbox->uid_validity);
        break;
    case IMAP_STATUS_UNSEEN:
        buf_put_u64(s->out, count_unseen(v, mailbox));
        break;
    case IMAP_STATUS_DELETED:
        buf_put_u64(s->out, mailbox->deleted);
        break;
    case IMAP_STATUS_SIZE:
        buf_put_u64(s->out, mailbox->bytes);
        break;
    case IMAP_STATUS_HIGHESTMODSEQ:
        buf_put_u64(s->out, mailbox->highest_modseq);
        break;
    case IMAP_STATUS_MAILBOXID:
        buf_put_byte(s->out, '(');
        imap_objectid_write(s->out, imap_owner(s, view_account(v)), OBJECT_MAILBOX, mailbox->id);
        buf_put_byte(s->out, ')');
        break;
    case IMAP_STATUS_APPENDLIMIT:
        buf_put_u64(s->out, s->options.append_bytes_max);
        break;
    default:
        buf_put_u64(s->out, deleted_storage(v, mailbox));
        break;
    }
}

void imap_status_write(struct imap_session *s, struct view *v, const struct mailbox *mailbox,
                       struct span name, uint32_t items)
{
    const char *before = " (";

    OUT(s, "* STATUS ");
    imap_name_out(s, name);
    for (uint32_t left = items; left; left &= left - 1) {
        uint32_t bit = left & -left;

        buf_put_str(s->out, before);
        buf_put_str(s->out, imap_status_item_name(bit));
        buf_put_byte(s->out, ' ');
        write_item(s, v, mailbox, bit);
        before = " ";
    }
    OUT(s, ")\r\n");
}

enum imap_step imap_run_status(struct imap_session *s)
{
    const struct imap_status *status = &s->command.status;
    struct imap_place p;
    const char *why;

    if (status->items & IMAP_STATUS_HIGHESTMODSEQ) {
        imap_condstore_enable(s);
    }
    enum err e = imap_place_open(s, status->mailbox, ACL_READ, false, &p, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    imap_status_write(s, p.view, p.mailbox, p.full, status->items);
    imap_place_close(&p);
    return imap_answer_ok(s, "STATUS completed");
}
