// SPDX-License-Identifier: Apache-2.0
//
// CREATE (with RFC 6154 special uses), DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 sections
// 6.3.4 to 6.3.8).
#include "keep/imap/imap_objectid.h"
#include "keep/imap/imap_place.h"

#include "base/banned.h"

// \All and \Flagged are views over other mailboxes, not mailboxes to put mail into.
#define USES_REFUSED (USE_ALL | USE_FLAGGED)

// Nobody who may know of it has the name, and one may make a mailbox there.
static enum err place_for_new(struct imap_session *s, struct span wire, struct imap_place *p,
                              const char **out_why)
{
    enum err e = imap_place_find(s, wire, p, out_why);

    if (e) {
        return e;
    }
    if (p->is_own && imap_place_is_reserved(p->name)) {
        *out_why = "What is below \"" IMAP_OTHERS "\" belongs to others";
        e = ERR_INVALID;
    } else if (!(imap_place_rights_above(s, p) & ACL_CREATE)) {
        // Who may not even look at the level above hears that it is not there.
        e = imap_place_rights_above(s, p) & IMAP_RIGHTS_KNOWN ? ERR_DENIED : ERR_NOT_FOUND;
    }
    imap_place_close(p);
    return e;
}

static enum imap_step refuse_new(struct imap_session *s, enum err e, const char *why)
{
    return e == ERR_INVALID ? imap_answer_no(s, "CANNOT", why)
                            : imap_place_refuse(s, e, why, false);
}

enum imap_step imap_run_create(struct imap_session *s)
{
    const struct imap_create *create = &s->command.create;
    struct imap_place p;
    const char *why = "";
    mailbox_id id;
    enum err e = place_for_new(s, create->mailbox, &p, &why);

    if (e) {
        return refuse_new(s, e, why);
    }
    if (create->special_use & USES_REFUSED || (create->special_use && !p.is_own)) {
        return imap_answer_no(s, "USEATTR", "A mailbox cannot have this use here");
    }
    struct actor by = imap_actor_in(s, p.account);

    e = mailbox_create(s->server->store, p.account, &by, p.name, (uint8_t)create->special_use, &id);
    if (e == ERR_INVALID && create->special_use) {
        return imap_answer_no(s, "USEATTR", "Another mailbox has this use");
    }
    if (e == ERR_EXISTS) {
        return imap_answer_no(s, "ALREADYEXISTS", "The mailbox exists");
    }
    if (e) {
        return imap_answer_err(s, e);
    }
    struct buf code;

    buf_init(&code, 64);
    buf_put_str(&code, "MAILBOXID (");
    imap_objectid_write(&code, imap_owner(s, p.account), OBJECT_MAILBOX, id);
    buf_put_byte(&code, ')');
    struct span text = arena_dup(&s->arena, buf_span(&code));

    buf_finish(&code);
    return imap_answer(s, IMAP_OK, text, SPAN("CREATE completed"));
}

// An existing mailbox, also one that is only a level.
static enum err place_of(struct imap_session *s, struct span wire, uint32_t needs,
                         struct imap_place *p, mailbox_id *out_id, const char **out_why)
{
    enum err e = imap_place_open(s, wire, needs, true, p, out_why);

    if (!e) {
        *out_id = p->mailbox->id;
        imap_place_close(p);
    }
    return e;
}

enum imap_step imap_run_delete(struct imap_session *s)
{
    struct imap_place p;
    const char *why = "";
    mailbox_id id;
    enum err e = place_of(s, s->command.mailbox, ACL_DELETE_MAILBOX, &p, &id, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    if (span_eq(p.name, SPAN("INBOX"))) {
        return imap_answer_no(s, "CANNOT", "INBOX cannot be deleted");
    }
    struct actor by = imap_actor_in(s, p.account);
    bool was_selected =
        s->selected && s->selected->account == p.account && s->selected->mailbox == id;

    e = mailbox_delete(s->server->store, p.account, &by, p.name);
    if (e == ERR_DENIED) {
        return imap_answer_no(s, "HASCHILDREN", "There are mailboxes below it");
    }
    if (e) {
        return imap_place_refuse(s, e, "", false);
    }
    if (was_selected) {
        imap_forget_selected(s, true);
    }
    return imap_answer_ok(s, "DELETE completed");
}

enum imap_step imap_run_rename(struct imap_session *s)
{
    struct imap_place from, to;
    const char *why = "";
    mailbox_id id;
    enum err e = place_of(s, s->command.rename.from, ACL_DELETE_MAILBOX, &from, &id, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    e = place_for_new(s, s->command.rename.to, &to, &why);
    if (e) {
        return refuse_new(s, e, why);
    }
    if (from.account != to.account) {
        return imap_answer_no(s, "CANNOT", "A mailbox cannot move to somebody else");
    }
    struct actor by = imap_actor_in(s, from.account);

    e = mailbox_rename(s->server->store, from.account, &by, from.name, to.name);
    switch (e) {
    case ERR_OK:
        return imap_answer_ok(s, "RENAME completed");
    case ERR_EXISTS:
        return imap_answer_no(s, "ALREADYEXISTS", "There is a mailbox of the new name");
    case ERR_INVALID:
        return imap_answer_no(s, "CANNOT", "A mailbox cannot be moved into itself");
    default:
        return imap_place_refuse(s, e, "", false);
    }
}

// What somebody subscribes to is their own, also a name of somebody else's mailbox.
enum imap_step imap_run_subscribe(struct imap_session *s)
{
    bool subscribe = s->command.id == IMAP_SUBSCRIBE;
    struct actor by = imap_actor(s);
    struct imap_place p;
    const char *why = "";
    enum err e = imap_place_find(s, s->command.mailbox, &p, &why);
    bool is_there = !e && p.mailbox && (p.rights & ACL_LOOKUP);

    imap_place_close(&p);
    if (e && (e != ERR_NOT_FOUND || subscribe)) {
        return imap_place_refuse(s, e, why, false);
    }
    if (p.is_own) {
        e = mailbox_subscribe(s->server->store, s->account, &by, p.full, subscribe);
    } else {
        e = subscribe && !is_there
                ? ERR_NOT_FOUND
                : mailbox_subscribe_other(s->server->store, s->account, &by, p.full, subscribe);
    }
    if (e == ERR_NOT_FOUND && !subscribe) {
        e = ERR_OK; // not subscribed is what was wanted
    }
    if (e) {
        return imap_place_refuse(s, e, "", false);
    }
    return imap_answer_ok(s, subscribe ? "SUBSCRIBE completed" : "UNSUBSCRIBE completed");
}
