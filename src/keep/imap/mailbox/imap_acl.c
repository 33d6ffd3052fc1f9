// SPDX-License-Identifier: Apache-2.0
//
// MYRIGHTS, GETACL, SETACL, DELETEACL, LISTRIGHTS (RFC 4314 section 3). Identifiers are mail
// addresses of accounts and of groups here, or "anyone": every account of the owner's domain; "-"
// before one takes rights away (section 2). The owner has all rights and stands in no list.
#include "keep/imap/imap_place.h"
#include "store/directory.h"
#include "store/share/group.h"

#include "base/banned.h"

#define ANYONE             "anyone"
#define ACL_LINE_BYTES_MAX (2u << 20)

static void write_rights(struct buf *out, uint32_t rights)
{
    char room[ACL_RIGHTS_BYTES_MAX];
    struct span letters = acl_rights_format(rights, room);

    buf_put_byte(out, ' ');
    buf_put(out, letters.n ? letters : SPAN("\"\""));
}

static void write_identifier(struct imap_session *s, struct buf *out, bool negative,
                             struct span name)
{
    struct span text = negative ? imap_text(s, "-%.*s", SPAN_ARG(name)) : name;

    buf_put_byte(out, ' ');
    imap_write_astring(out, text, imap_is_utf8(s));
}

void imap_myrights_write(struct imap_session *s, struct span shown, uint32_t rights)
{
    OUT(s, "* MYRIGHTS ");
    imap_name_out(s, shown);
    write_rights(s->out, rights);
    OUT(s, "\r\n");
}

enum imap_step imap_run_myrights(struct imap_session *s)
{
    struct imap_place p;
    const char *why;
    enum err e = imap_place_open(s, s->command.mailbox, 0, true, &p, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    OUT(s, "* MYRIGHTS ");
    imap_write_mailbox(s->out, s->command.mailbox, imap_is_utf8(s));
    write_rights(s->out, p.rights);
    OUT(s, "\r\n");
    imap_place_close(&p);
    return imap_answer_ok(s, "MYRIGHTS completed");
}

// ---- identifiers --------------------------------------------------------------------------------

struct identifier {
    struct acl_who who;
    struct span name; // without "-"; in the arena
    bool is_negative, is_owner;
};

static enum err owner_address(struct imap_session *s, const struct imap_place *p, struct span *out)
{
    struct account owner;
    enum err e = directory_account_by_id(s->server->store, p->account, &s->arena, &owner);

    if (!e) {
        *out = owner.name;
    }
    return e;
}

// ERR_NOT_FOUND: nobody is called that. With `by` a group may stand in the list then (group.h).
static enum err read_identifier(struct imap_session *s, const struct imap_place *p,
                                const struct actor *by, struct identifier *out)
{
    struct span text = s->command.acl.identifier, owner;
    struct identifier i = {.is_negative = text.n && text.p[0] == '-'};
    const char *why;
    enum err e = owner_address(s, p, &owner);

    if (e) {
        return e;
    }
    text = span_skip(text, i.is_negative);
    if (span_eq(text, SPAN(ANYONE))) {
        i.who.kind = ACL_ANYONE;
        i.name = SPAN(ANYONE);
        *out = i;
        return ERR_OK;
    }
    e = directory_name_check(&s->arena, text, span_skip(owner, span_find_byte(owner, '@') + 1),
                             &i.name, &why);
    e = e == ERR_INVALID ? ERR_NOT_FOUND : e;
    e = e ? e : acl_who_find(s->server->store, by, i.name, &i.who);
    i.is_owner = !e && i.who.kind == ACL_ACCOUNT && i.who.id == p->account;
    if (!e) {
        *out = i;
    }
    return e;
}

static enum imap_step refuse_identifier(struct imap_session *s, enum err e)
{
    return e == ERR_NOT_FOUND ? imap_answer_no(s, "CANNOT", "Nobody here has that address")
                              : imap_answer_err(s, e);
}

// ---- looking ------------------------------------------------------------------------------------

static enum err write_entry(struct imap_session *s, struct buf *out, const struct acl_entry *entry)
{
    struct span name;
    enum err e = acl_who_name(s->server->store, &entry->who, &s->arena, &name);

    if (e) { // somebody who is no more has no rights
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    if (entry->given) {
        write_identifier(s, out, false, name);
        write_rights(out, entry->given);
    }
    if (entry->taken) {
        write_identifier(s, out, true, name);
        write_rights(out, entry->taken);
    }
    return ERR_OK;
}

static enum err write_acl(struct imap_session *s, struct imap_place *p)
{
    struct span owner;
    struct acl acl;
    struct buf line;
    enum err e = view_acl(p->view, p->mailbox->id, &s->arena, &acl);

    e = e ? e : owner_address(s, p, &owner);
    if (e) {
        return e;
    }
    buf_init(&line, ACL_LINE_BYTES_MAX);
    buf_put_str(&line, "* ACL ");
    imap_write_mailbox(&line, s->command.mailbox, imap_is_utf8(s));
    write_identifier(s, &line, false, owner);
    write_rights(&line, ACL_ALL);
    for (size_t i = 0; i < acl.n && !e; i++) {
        e = write_entry(s, &line, &acl.entries[i]);
    }
    buf_put_str(&line, "\r\n");
    if (!e && line.failed) {
        e = ERR_NOMEM;
    }
    if (!e) {
        buf_put(s->out, buf_span(&line));
    }
    buf_finish(&line);
    return e;
}

enum imap_step imap_run_getacl(struct imap_session *s)
{
    struct imap_place p;
    const char *why;
    enum err e = imap_place_open(s, s->command.mailbox, ACL_ADMINISTER, true, &p, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    e = write_acl(s, &p);
    imap_place_close(&p);
    return e ? imap_answer_err(s, e) : imap_answer_ok(s, "GETACL completed");
}

enum imap_step imap_run_listrights(struct imap_session *s)
{
    static const char optional[] = "lrswipkxteacd";
    const struct imap_acl *acl = &s->command.acl;
    struct identifier who;
    struct imap_place p;
    const char *why;
    enum err e = imap_place_open(s, acl->mailbox, ACL_ADMINISTER, true, &p, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    e = read_identifier(s, &p, NULL, &who);
    imap_place_close(&p);
    if (e) {
        return refuse_identifier(s, e);
    }
    OUT(s, "* LISTRIGHTS ");
    imap_write_mailbox(s->out, acl->mailbox, imap_is_utf8(s));
    write_identifier(s, s->out, false, acl->identifier);
    write_rights(s->out, who.is_owner ? ACL_ALL : 0);
    for (const char *c = optional; *c && !who.is_owner; c++) {
        buf_put_byte(s->out, ' ');
        buf_put_byte(s->out, *c);
    }
    OUT(s, "\r\n");
    return imap_answer_ok(s, "LISTRIGHTS completed");
}

// ---- changing -----------------------------------------------------------------------------------

// "lrs", "+w", "-t" (section 3.1).
static bool read_rights(struct span text, struct acl_change *out)
{
    char sign = text.n ? text.p[0] : '\0';

    out->how = sign == '+' ? ACL_ADD : sign == '-' ? ACL_REMOVE : ACL_SET;
    return acl_rights_parse(span_skip(text, out->how == ACL_SET ? 0 : 1), &out->rights) == ERR_OK;
}

static enum imap_step change_acl(struct imap_session *s, struct acl_change *c, const char *done)
{
    struct identifier who;
    struct imap_place p;
    const char *why;

    if (session_is_reader(&s->device)) { // it would outlast the right to read
        return imap_answer_no(s, "NOPERM", "Only the owner shares a mailbox");
    }
    enum err e = imap_place_open(s, s->command.acl.mailbox, ACL_ADMINISTER, false, &p, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    struct actor by = imap_actor_in(s, p.account);

    c->mailbox = p.mailbox->id;
    e = read_identifier(s, &p, c->rights && c->how != ACL_REMOVE ? &by : NULL, &who);
    imap_place_close(&p);
    if (e) {
        return refuse_identifier(s, e);
    }
    if (who.is_owner) {
        return imap_answer_no(s, "CANNOT", "The owner has all rights, always");
    }
    if (who.who.kind == ACL_GROUP && !who.who.id) { // no list has ever named it
        return imap_answer_ok(s, done);
    }
    c->who = who.who;
    c->name = who.name;
    c->is_negative = who.is_negative;
    e = acl_set(s->server->store, p.account, &by, c);
    return e ? imap_place_refuse(s, e, "", false) : imap_answer_ok(s, done);
}

enum imap_step imap_run_setacl(struct imap_session *s)
{
    struct acl_change c = {.how = ACL_SET};

    if (!read_rights(s->command.acl.rights, &c)) {
        return imap_answer_bad(s, "Expected rights out of lrswipkxteacd");
    }
    return change_acl(s, &c, "SETACL completed");
}

enum imap_step imap_run_deleteacl(struct imap_session *s)
{
    struct acl_change c = {.how = ACL_SET};

    return change_acl(s, &c, "DELETEACL completed");
}
