// SPDX-License-Identifier: Apache-2.0
//
// EXPUNGE and UID EXPUNGE (RFC 9051 sections 6.4.3 and 6.4.9). The EXPUNGE responses come from
// imap_updates.c, for our own expunges as for those of others.
#include "keep/imap/imap_place.h"

#include "base/banned.h"

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
