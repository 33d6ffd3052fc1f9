// SPDX-License-Identifier: Apache-2.0
//
// COPY and MOVE with their UID forms (RFC 9051 sections 6.4.7 and 6.4.8): one commit, all or none.
// Messages that are gone already are passed over; COPYUID says which ones were done.
#include "keep/imap/imap_session_internal.h"

#include "base/banned.h"

static struct span copyuid(struct imap_session *s, const struct copy_result *r)
{
    struct buf code;

    buf_init(&code, 16u << 20);
    buf_put_str(&code, "COPYUID ");
    buf_put_u64(&code, r->uid_validity);
    buf_put_byte(&code, ' ');
    imap_seqset_write(&code, &(struct imap_seqset){
                                 .ranges = (const struct imap_range *)(const void *)r->from.ranges,
                                 .n = r->from.count});
    buf_put_byte(&code, ' ');
    imap_seqset_write(&code, &(struct imap_seqset){
                                 .ranges = (const struct imap_range *)(const void *)r->to.ranges,
                                 .n = r->to.count});
    struct span text = code.failed ? (struct span){0} : arena_dup(&s->arena, buf_span(&code));

    buf_finish(&code);
    return text;
}

static enum err find_mailbox(struct imap_session *s, struct span name, mailbox_id *out)
{
    const struct mailbox *mailbox;
    struct view *v;
    enum err e = view_open(s->server->store, s->account, &v);

    if (e) {
        return e;
    }
    e = view_mailbox_by_name(v, name, &mailbox);
    if (!e && mailbox->is_no_select) {
        e = ERR_NOT_FOUND;
    }
    if (!e) {
        *out = mailbox->id;
    }
    view_close(v);
    return e;
}

static enum imap_step copied(struct imap_session *s, const struct copy_result *r)
{
    bool is_move = s->command.id == IMAP_MOVE;

    if (!r->from.count) {
        return imap_answer_ok(s, "There was nothing to do");
    }
    if (!is_move) {
        return imap_answer(s, IMAP_OK, copyuid(s, r), SPAN("COPY completed"));
    }
    // RFC 6851 section 4.3: the numbers first, while the client still has the messages.
    imap_write_status_line(s->out, (struct span){0}, IMAP_OK, copyuid(s, r), SPAN("Moved"));
    struct span code = {0};

    if (s->selected->condstore) {
        code = imap_text(s, "HIGHESTMODSEQ %llu", (unsigned long long)r->version);
    }
    return imap_answer(s, IMAP_OK, code, SPAN("MOVE completed"));
}

enum imap_step imap_run_copy(struct imap_session *s)
{
    const struct imap_copy *copy = &s->command.copy;
    bool is_move = s->command.id == IMAP_MOVE, missing_target = false;
    struct actor by = imap_actor(s);
    struct copy_result result = {0};
    struct uid_set uids;
    mailbox_id to = 0;
    const char *why;
    struct span name;

    if (is_move && s->selected->is_read_only) {
        return imap_answer_no(s, "READ-ONLY", "The mailbox was opened with EXAMINE");
    }
    enum err e = imap_selected_uids(s->selected, &copy->set, s->command.uid, &s->arena, &uids);

    if (e == ERR_INVALID) {
        return imap_answer_bad(s, "There is no message of that number");
    }
    if (imap_name_in(s, copy->mailbox, &name, &why)) {
        return imap_answer_no(s, "CANNOT", why);
    }
    e = e ? e : find_mailbox(s, name, &to);
    if (e == ERR_NOT_FOUND) {
        return imap_answer_no_mailbox(s, true);
    }
    if (!e && uids.count) {
        e = placement_copy(s->server->store, s->account, &by, s->selected->mailbox, uids, to,
                           is_move, &s->arena, &result, &missing_target);
    }
    if (e == ERR_NOT_FOUND) {
        return imap_answer_no_mailbox(s, missing_target);
    }
    return e ? imap_answer_err(s, e) : copied(s, &result);
}
