// SPDX-License-Identifier: Apache-2.0
//
// EXPUNGE and UID EXPUNGE (RFC 9051 sections 6.4.3 and 6.4.9). The EXPUNGE responses come from
// imap_updates.c, for our own expunges as for those of others.
#include "keep/imap/imap_limit.h"
#include "keep/imap/imap_place.h"

#include "base/banned.h"

// Counted are messages that will go. EXPUNGE without UIDs knows no limit (RFC 9738 section 3.1).
static enum err limit_deleted(struct imap_session *s, struct uid_set *uids)
{
    struct uid_set_builder b;
    struct view *v;
    enum err e = imap_view_open(s, s->selected->account, &v);

    if (e || uid_set_size(*uids) <= s->options.messages_max) {
        view_close(e ? NULL : v);
        return e;
    }
    uid_set_builder_init(&b, &s->arena);
    for (size_t i = 0; !e && i < uids->count; i++) {
        struct placement_scan *scan;
        struct placement p;

        e = placement_scan_open(v, s->selected->mailbox, uids->ranges[i].first,
                                uids->ranges[i].last, 0, &scan);
        while (!e && !(e = placement_next(scan, &p))) {
            e = p.flags & FLAG_DELETED ? uid_set_add(&b, p.uid, p.uid) : ERR_OK;
        }
        placement_scan_close(scan);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    view_close(v);
    *uids = b.set;
    return e ? e : imap_limit_cut(s, uids);
}

enum imap_step imap_run_expunge(struct imap_session *s)
{
    struct imap_selected *sel = s->selected;
    struct actor by = imap_actor_in(s, sel->account);
    struct uid_set uids, gone;
    modseq version;
    enum err e = ERR_OK;

    if (sel->is_read_only) {
        return imap_answer_no(s, "READ-ONLY", "The mailbox was opened for reading only");
    }
    if (!(sel->rights & ACL_EXPUNGE)) {
        return imap_place_refuse(s, ERR_DENIED, "", false);
    }
    if (s->command.uid) {
        e = imap_selected_uids(sel, &s->command.expunge, true, &s->arena, &uids);
    }
    if (!e && s->command.uid && s->options.messages_max) {
        e = limit_deleted(s, &uids);
    }
    if (!e && s->command.uid && !uids.count) {
        return imap_answer_ok(s, "EXPUNGE completed");
    }
    e = e ? e
          : placement_expunge(s->server->store, s->selected->account, &by, sel->mailbox,
                              s->command.uid ? &uids : NULL, false, &s->arena, &gone, &version);
    if (e == ERR_NOT_FOUND) {
        return imap_answer_ok(s, "EXPUNGE completed"); // the end of the mailbox is told next
    }
    if (e) {
        return imap_answer_err(s, e);
    }
    struct span code = {0};

    if (gone.count && sel->condstore) {
        code = imap_text(s, "HIGHESTMODSEQ %llu", (unsigned long long)version);
    }
    return imap_answer(s, IMAP_OK, code, SPAN("EXPUNGE completed"));
}
