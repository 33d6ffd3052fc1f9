// SPDX-License-Identifier: Apache-2.0
//
// COPY and MOVE with their UID forms (RFC 9051 sections 6.4.7 and 6.4.8): one commit, all or none.
// Messages that are gone already are passed over; COPYUID says which ones were done.
#include "keep/imap/imap_limit.h"
#include "keep/imap/imap_place.h"

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

// What moving takes out of a mailbox (RFC 4314 section 4, RFC 6851 section 4.4).
#define RIGHTS_TO_MOVE (ACL_DELETE_MESSAGE | ACL_EXPUNGE)

// Between two accounts moving is copying first, and then removing what was copied.
static enum err carry_across(struct imap_session *s, const struct imap_place *to,
                             mailbox_id mailbox, struct uid_set uids, struct copy_result *out,
                             bool *out_missing)
{
    const struct imap_selected *sel = s->selected;
    struct copy_across c = {.from_account = sel->account,
                            .to_account = to->account,
                            .reader = s->account,
                            .from = sel->mailbox,
                            .to = mailbox,
                            .uids = uids,
                            .flags = imap_flags_allowed(to->rights),
                            .keywords = to->rights & ACL_WRITE};
    struct actor by = imap_actor_in(s, to->account);
    struct uid_set gone;
    modseq version;
    enum err e = placement_copy_across(s->server->store, &by, &c, &s->arena, out, out_missing);

    if (e || s->command.id != IMAP_MOVE || !out->from.count) {
        return e;
    }
    by = imap_actor_in(s, sel->account);
    e = placement_expunge(s->server->store, sel->account, &by, sel->mailbox, &out->from, true,
                          &s->arena, &gone, &version);
    out->version = e ? out->version : version;
    return e == ERR_NOT_FOUND ? ERR_OK : e; // the mailbox went meanwhile, and all in it
}

static enum err copy_to(struct imap_session *s, const struct imap_place *to, mailbox_id mailbox,
                        struct uid_set uids, struct copy_result *out, bool *out_missing)
{
    struct imap_selected *sel = s->selected;
    struct actor by = imap_actor_in(s, sel->account);

    if (!uids.count) {
        return ERR_OK;
    }
    if (to->account != sel->account) {
        return carry_across(s, to, mailbox, uids, out, out_missing);
    }
    struct copy_within c = {.from = sel->mailbox,
                            .to = mailbox,
                            .uids = uids,
                            .move = s->command.id == IMAP_MOVE,
                            .flags = imap_flags_allowed(to->rights),
                            .keywords = to->rights & ACL_WRITE};

    // RFC 4314 section 4: what one may not set there stays behind, as with APPEND.
    return placement_copy_within(s->server->store, sel->account, &by, &c, &s->arena, out,
                                 out_missing);
}

enum imap_step imap_run_copy(struct imap_session *s)
{
    const struct imap_copy *copy = &s->command.copy;
    bool is_move = s->command.id == IMAP_MOVE, missing_target = false;
    struct copy_result result = {0};
    struct imap_place to;
    struct uid_set uids;
    const char *why = "";
    mailbox_id mailbox = 0;

    if (is_move && s->selected->is_read_only) {
        return imap_answer_no(s, "READ-ONLY", "The mailbox was opened for reading only");
    }
    if (is_move && (s->selected->rights & RIGHTS_TO_MOVE) != RIGHTS_TO_MOVE) {
        return imap_place_refuse(s, ERR_DENIED, "", false);
    }
    enum err e = imap_selected_uids(s->selected, &copy->set, s->command.uid, &s->arena, &uids);

    if (e) {
        return e == ERR_INVALID ? imap_answer_bad(s, "There is no message of that number")
                                : imap_answer_err(s, e);
    }
    if (is_move) {
        e = imap_limit_cut(s, &uids);
        if (e) {
            return imap_answer_err(s, e);
        }
    } else if (!imap_limit_allows(s, uids)) {
        return STEP_DONE;
    }
    e = imap_place_open(s, copy->mailbox, ACL_INSERT, false, &to, &why);
    if (!e) {
        mailbox = to.mailbox->id;
        imap_place_close(&to);
        e = copy_to(s, &to, mailbox, uids, &result, &missing_target);
    } else {
        missing_target = true;
    }
    return e ? imap_place_refuse(s, e, why, missing_target) : copied(s, &result);
}
