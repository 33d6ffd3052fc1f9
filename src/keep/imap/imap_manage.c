// SPDX-License-Identifier: Apache-2.0
//
// CREATE (with RFC 6154 special uses), DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 sections
// 6.3.4 to 6.3.8).
#include "keep/imap/imap_session_internal.h"

#include "base/banned.h"

// \All and \Flagged are views over other mailboxes, not mailboxes to put mail into.
#define USES_REFUSED (USE_ALL | USE_FLAGGED)

enum imap_step imap_run_create(struct imap_session *s)
{
    const struct imap_create *create = &s->command.create;
    struct actor by = imap_actor(s);
    const char *why;
    struct span name;
    mailbox_id id;

    if (imap_name_in(s, create->mailbox, &name, &why)) {
        return imap_answer_no(s, "CANNOT", why);
    }
    if (create->special_use & USES_REFUSED) {
        return imap_answer_no(s, "USEATTR", "A mailbox cannot have this use here");
    }
    enum err e =
        mailbox_create(s->server->store, s->account, &by, name, (uint8_t)create->special_use, &id);

    if (e == ERR_INVALID && create->special_use) {
        return imap_answer_no(s, "USEATTR", "Another mailbox has this use");
    }
    if (e == ERR_EXISTS) {
        return imap_answer_no(s, "ALREADYEXISTS", "The mailbox exists");
    }
    if (e) {
        return imap_answer_err(s, e);
    }
    return imap_answer(s, IMAP_OK, imap_text(s, "MAILBOXID (b%u)", (unsigned)id),
                       SPAN("CREATE completed"));
}

static bool is_selected(struct imap_session *s, struct span name)
{
    const struct mailbox *mailbox;
    struct view *v;
    bool same = false;

    if (s->selected && !view_open(s->server->store, s->account, &v)) {
        same = !view_mailbox_by_name(v, name, &mailbox) && mailbox->id == s->selected->mailbox;
        view_close(v);
    }
    return same;
}

enum imap_step imap_run_delete(struct imap_session *s)
{
    struct actor by = imap_actor(s);
    const char *why;
    struct span name;

    if (imap_name_in(s, s->command.mailbox, &name, &why)) {
        return imap_answer_no(s, "NONEXISTENT", why);
    }
    if (span_eq(name, SPAN("INBOX"))) {
        return imap_answer_no(s, "CANNOT", "INBOX cannot be deleted");
    }
    bool was_selected = is_selected(s, name);
    enum err e = mailbox_delete(s->server->store, s->account, &by, name);

    if (e == ERR_DENIED) {
        return imap_answer_no(s, "HASCHILDREN", "There are mailboxes below it");
    }
    if (e) {
        return e == ERR_NOT_FOUND ? imap_answer_no_mailbox(s, false) : imap_answer_err(s, e);
    }
    if (was_selected) {
        imap_forget_selected(s, true);
    }
    return imap_answer_ok(s, "DELETE completed");
}

enum imap_step imap_run_rename(struct imap_session *s)
{
    struct actor by = imap_actor(s);
    const char *why;
    struct span from, to;

    if (imap_name_in(s, s->command.rename.from, &from, &why)) {
        return imap_answer_no(s, "NONEXISTENT", why);
    }
    if (imap_name_in(s, s->command.rename.to, &to, &why)) {
        return imap_answer_no(s, "CANNOT", why);
    }
    enum err e = mailbox_rename(s->server->store, s->account, &by, from, to);

    switch (e) {
    case ERR_OK:
        return imap_answer_ok(s, "RENAME completed");
    case ERR_NOT_FOUND:
        return imap_answer_no_mailbox(s, false);
    case ERR_EXISTS:
        return imap_answer_no(s, "ALREADYEXISTS", "There is a mailbox of the new name");
    case ERR_INVALID:
        return imap_answer_no(s, "CANNOT", "A mailbox cannot be moved into itself");
    default:
        return imap_answer_err(s, e);
    }
}

enum imap_step imap_run_subscribe(struct imap_session *s)
{
    bool subscribe = s->command.id == IMAP_SUBSCRIBE;
    struct actor by = imap_actor(s);
    const char *why;
    struct span name;

    if (imap_name_in(s, s->command.mailbox, &name, &why)) {
        return imap_answer_no(s, "NONEXISTENT", why);
    }
    enum err e = mailbox_subscribe(s->server->store, s->account, &by, name, subscribe);

    if (e == ERR_NOT_FOUND && !subscribe) {
        e = ERR_OK; // not subscribed is what was wanted
    }
    if (e) {
        return e == ERR_NOT_FOUND ? imap_answer_no_mailbox(s, false) : imap_answer_err(s, e);
    }
    return imap_answer_ok(s, subscribe ? "SUBSCRIBE completed" : "UNSUBSCRIBE completed");
}
