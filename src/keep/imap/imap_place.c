// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/imap_place.h"

#include "store/directory.h"

#include "base/banned.h"

#define ACTOR_BYTES 64

static const struct span others = {IMAP_OTHERS "/", sizeof(IMAP_OTHERS)};

// "Other Users/anna@example.org" and what is below it. Another second level is the user's own:
// somebody may have had a mailbox "Other Users" before it meant anything.
static bool is_others(struct span name, struct span *out_address, struct span *out_rest)
{
    if (!span_starts(name, others)) {
        return false;
    }
    struct span rest = span_skip(name, others.n);
    size_t n = span_find_byte(rest, '/');

    *out_address = span_first(rest, n);
    *out_rest = span_skip(rest, n == rest.n ? n : n + 1);
    return span_find_byte(*out_address, '@') < n;
}

bool imap_place_is_reserved(struct span name)
{
    return span_starts(name, others) || span_eq(name, SPAN(IMAP_OTHERS));
}

static struct span domain_of(struct span address)
{
    return span_skip(address, span_find_byte(address, '@') + 1);
}

struct imap_who imap_place_who(const struct imap_session *s)
{
    return (struct imap_who){s->account, span_from_str(s->user), session_is_reader(&s->device)};
}

// Makes the address what it is called.
static enum err find_account(struct imap_session *s, const struct imap_who *who,
                             struct span *address, account_id *out)
{
    const char *why;

    if (directory_name_check(&s->arena, *address, SPAN(""), address, &why) != ERR_OK) {
        return ERR_NOT_FOUND;
    }
    enum err e = directory_id_by_name(s->server->store, *address, out);

    return e == ERR_OK && *out == who->account ? ERR_NOT_FOUND : e;
}

// "Other Users/anna@example.org/INBOX": whose, and what.
static enum err find_other(struct imap_session *s, const struct imap_who *who, struct span address,
                           struct span rest, struct imap_place *p, const char **out_why)
{
    // Who reads somebody's mail as an administrator does not read what others share with them.
    enum err e =
        rest.n && !who->is_reader ? find_account(s, who, &address, &p->account) : ERR_NOT_FOUND;

    // The INBOX of somebody else is one in any case of letters, too.
    e = e ? e : mailbox_name_check(&s->arena, rest, &p->name, out_why);
    if (e) {
        return e;
    }
    p->is_same_domain = span_eq_nocase(domain_of(address), domain_of(who->address));
    struct span full = imap_place_name(s, p->account, address, p->name);

    if (!full.p) {
        return ERR_NOMEM;
    }
    p->full = full;
    return ERR_OK;
}

static void look_at_rights(const struct imap_who *who, struct imap_place *p)
{
    p->rights = ACL_ALL;
    if (!p->is_own) {
        p->rights = p->mailbox
                        ? view_acl_rights(p->view, p->mailbox->id, who->account, p->is_same_domain)
                        : 0;
        if (!(p->rights & IMAP_RIGHTS_KNOWN)) {
            p->mailbox = NULL;
            p->rights = 0;
        }
    }
}

static enum err find_for(struct imap_session *s, const struct imap_who *who, struct span wire,
                         struct imap_place *out, const char **out_why)
{
    struct imap_place p = {.account = who->account, .is_own = true};
    struct span address, rest;
    enum err e = imap_name_in(s, wire, &p.name, out_why);

    p.full = p.name;
    if (!e && is_others(p.name, &address, &rest)) {
        p.is_own = false;
        e = find_other(s, who, address, rest, &p, out_why);
    }
    *out = p;
    e = e ? e : view_open_for(s->server->store, p.account, who->account, &p.view);
    if (e) {
        return e;
    }
    e = view_mailbox_by_name(p.view, p.name, &p.mailbox);
    if (e == ERR_NOT_FOUND) {
        p.mailbox = NULL;
        e = ERR_OK;
    }
    if (!e) {
        look_at_rights(who, &p);
    }
    *out = p;
    if (e) {
        imap_place_close(out);
    }
    return e;
}

enum err imap_place_find(struct imap_session *s, struct span wire, struct imap_place *out,
                         const char **out_why)
{
    const struct imap_who who = imap_place_who(s);

    return find_for(s, &who, wire, out, out_why);
}

void imap_place_close(struct imap_place *p)
{
    view_close(p->view);
    p->view = NULL;
}

enum err imap_place_open(struct imap_session *s, struct span wire, uint32_t needs, bool any,
                         struct imap_place *out, const char **out_why)
{
    const struct imap_who who = imap_place_who(s);

    return imap_place_open_for(s, &who, wire, needs, any, out, out_why);
}

enum err imap_place_open_for(struct imap_session *s, const struct imap_who *who, struct span wire,
                             uint32_t needs, bool any, struct imap_place *out, const char **out_why)
{
    enum err e = find_for(s, who, wire, out, out_why);

    if (e) {
        return e;
    }
    if (!out->mailbox || (out->mailbox->is_no_select && !any)) {
        e = ERR_NOT_FOUND;
    } else if ((out->rights & needs) != needs) {
        e = ERR_DENIED;
    }
    if (e) {
        imap_place_close(out);
    }
    return e;
}

// RFC 5464 section 3.3. That w lets one change what all see is a choice within it: r alone is often
// given to many.
bool imap_place_may_annotate(uint32_t rights)
{
    return rights & ACL_LOOKUP &&
           rights & (ACL_READ | ACL_SEEN | ACL_WRITE | ACL_INSERT | ACL_POST);
}

enum err imap_place_annotate(struct imap_session *s, struct span wire, bool shared,
                             struct imap_place *out, const char **out_why)
{
    enum err e = imap_place_open(s, wire, shared ? ACL_WRITE : 0, true, out, out_why);

    if (!e && !imap_place_may_annotate(out->rights)) {
        imap_place_close(out);
        e = ERR_DENIED;
    }
    return e;
}

enum imap_step imap_place_refuse(struct imap_session *s, enum err e, const char *why,
                                 bool try_create)
{
    switch (e) {
    case ERR_NOT_FOUND:
        return imap_answer_no_mailbox(s, try_create);
    case ERR_INVALID:
        return imap_answer_no(s, try_create ? "CANNOT" : "NONEXISTENT", why);
    case ERR_DENIED:
        return imap_answer_no(s, "NOPERM", "The mailbox's owner has not given you this right");
    default:
        return imap_answer_err(s, e);
    }
}

uint32_t imap_place_rights_above(const struct imap_session *s, const struct imap_place *p)
{
    struct span name = p->name;
    const struct mailbox *above;

    if (p->is_own) {
        return ACL_ALL;
    }
    for (size_t n = name.n; n > 0; n--) {
        if (name.p[n - 1] == '/' &&
            view_mailbox_by_name(p->view, span_first(name, n - 1), &above) == ERR_OK) {
            return view_acl_rights(p->view, above->id, s->account, p->is_same_domain);
        }
    }
    return 0;
}

struct span imap_place_name(struct imap_session *s, account_id account, struct span address,
                            struct span name)
{
    if (account == s->account) {
        return name;
    }
    size_t n = others.n + address.n + 1 + name.n;
    char *p = arena_alloc(&s->arena, n);

    if (!p) {
        return (struct span){0};
    }
    memcpy(p, others.p, others.n);
    memcpy(p + others.n, address.p, address.n);
    p[others.n + address.n] = '/';
    memcpy(p + others.n + address.n + 1, name.p, name.n);
    return span_of(p, n);
}

void imap_place_refresh(struct imap_session *s, struct view *v)
{
    struct imap_selected *sel = s->selected;

    if (sel->account == s->account) {
        return;
    }
    sel->rights = view_acl_rights(v, sel->mailbox, s->account, sel->is_same_domain);
    if (!(sel->rights & ACL_READ)) {
        sel->is_gone = true;
    }
}

enum err imap_view_open(const struct imap_session *s, account_id account, struct view **out)
{
    return view_open_for(s->server->store, account, s->account, out);
}

struct actor imap_actor_in(const struct imap_session *s, account_id account)
{
    struct actor by = imap_actor(s);

    if (account != s->account) {
        by.device = span_first(span_from_str(s->user), ACTOR_BYTES);
        by.device_id = 0;
        by.reader = s->account;
    }
    return by;
}

uint16_t imap_flags_allowed(uint32_t rights)
{
    return (uint16_t)((rights & ACL_SEEN ? FLAG_SEEN : 0) |
                      (rights & ACL_DELETE_MESSAGE ? FLAG_DELETED : 0) |
                      (rights & ACL_WRITE ? FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DRAFT : 0));
}
