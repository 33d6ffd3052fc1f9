// SPDX-License-Identifier: Apache-2.0
//
// SETMETADATA (RFC 5464 section 4.3): all entries of a command or none. Those of one's own are one
// commit. On somebody else's mailbox, and of the server, /private and /shared entries are in two
// accounts: the private ones come first and are put back as they were when the others are refused.
#include "keep/imap/imap_place.h"
#include "keep/imap/metadata/imap_metadata.h"
#include "store/directory/role.h"

#include "base/banned.h"

// The changes that go into one account.
struct part {
    account_id account;
    struct metadata_where where;
    struct metadata_change *changes;
    size_t n;
};

// ---- refusing -----------------------------------------------------------------------------------

static enum imap_step refuse(struct imap_session *s, enum err e)
{
    switch (e) {
    case ERR_LIMIT:
        return imap_answer_no(s, "METADATA TOOMANY", "There are as many entries as there may be");
    case ERR_QUOTA:
        return imap_answer_no(s, "OVERQUOTA", "The account's metadata would take too much room");
    case ERR_NOT_FOUND:
        return imap_answer_no_mailbox(s, false);
    default:
        return imap_answer_err(s, e);
    }
}

// STEP_MORE: all of them may be set.
static enum imap_step check_values(struct imap_session *s)
{
    const struct imap_metadata_set *set = &s->command.setmetadata;
    uint64_t max = s->options.metadata.value_bytes;
    const char *why;

    for (size_t i = 0; i < set->n; i++) {
        const struct imap_pair *pair = &set->values[i];
        struct span filter;

        if (!metadata_name_is_valid(pair->name, false)) {
            return imap_answer_bad(s, "That cannot be an entry: expected a name such as "
                                      "/shared/comment");
        }
        if (pair->value.n > max) {
            return imap_answer(s, IMAP_NO,
                               imap_text(s, "METADATA MAXSIZE %llu", (unsigned long long)max),
                               SPAN("The value is too large"));
        }
        if (set->mailbox.n && metadata_name_is_seen(pair->name) &&
            !metadata_seen_is_good(pair->value)) {
            return imap_answer_no(s, "CANNOT", "It is \"own\" or \"shared\"");
        }
        if (!set->mailbox.n && pair->value.p && filter_entry(pair->name, &filter) &&
            !filter_is_good(s, filter, pair->value, &why)) {
            return imap_answer_no(s, "CANNOT", why);
        }
    }
    return STEP_MORE;
}

// ---- setting ------------------------------------------------------------------------------------

// What was there before may be there again, whatever the limits are now.
static const struct metadata_limits no_limits = {METADATA_VALUE_BYTES_MAX, METADATA_ENTRIES_MAX,
                                                 METADATA_ACCOUNT_BYTES_MAX};

static enum err apply(struct imap_session *s, const struct part *p,
                      const struct metadata_limits *limits)
{
    struct actor by = imap_actor_in(s, p->account);

    return p->n
               ? metadata_set(s->server->store, p->account, &by, p->where, p->changes, p->n, limits)
               : ERR_OK;
}

// What the entries are before, to put them back.
static enum err remember(struct imap_session *s, const struct part *p, struct part *out)
{
    struct view *v;
    enum err e = imap_view_open(s, p->account, &v);

    *out = *p;
    if (e) {
        return e;
    }
    out->changes = arena_zalloc(&s->arena, p->n, sizeof(*out->changes));
    e = out->changes ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; !e && i < p->n; i++) {
        struct metadata_entry entry;

        out->changes[i].name = p->changes[i].name;
        e = view_metadata(v, p->where, p->changes[i].name, &entry);
        if (!e) {
            out->changes[i].value = arena_dup(&s->arena, entry.value);
            e = out->changes[i].value.p ? ERR_OK : ERR_NOMEM;
        } else if (e == ERR_NOT_FOUND || e == ERR_CORRUPT) {
            e = ERR_OK;
        }
    }
    view_close(v);
    return e;
}

static enum err apply_both(struct imap_session *s, const struct part *own,
                           const struct part *shared)
{
    struct part before = {0};
    enum err e = own->n && shared->n ? remember(s, own, &before) : ERR_OK;

    e = e ? e : apply(s, own, &s->options.metadata);
    if (e) {
        return e;
    }
    e = apply(s, shared, &s->options.metadata);
    if (e && own->n) {
        (void)apply(s, &before, &no_limits);
    }
    return e;
}

static enum err split(struct imap_session *s, struct part *own, struct part *shared)
{
    const struct imap_metadata_set *set = &s->command.setmetadata;

    own->changes = arena_zalloc(&s->arena, set->n, sizeof(*own->changes));
    shared->changes = arena_zalloc(&s->arena, set->n, sizeof(*shared->changes));
    if (!own->changes || !shared->changes) {
        return ERR_NOMEM;
    }
    bool is_one = own->account == shared->account && own->where.mailbox == shared->where.mailbox;

    for (size_t i = 0; i < set->n; i++) {
        const struct imap_pair *pair = &set->values[i];
        struct part *p = is_one || metadata_name_is_private(pair->name) ? own : shared;

        p->changes[p->n++] = (struct metadata_change){pair->name, pair->value};
    }
    return ERR_OK;
}

static bool has_shared(const struct imap_metadata_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        if (!metadata_name_is_private(set->values[i].name)) {
            return true;
        }
    }
    return false;
}

// Whose \Seen is whose is as much for who administers the mailbox as the rights in it.
static bool has_switch(const struct imap_metadata_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        if (metadata_name_is_seen(set->values[i].name)) {
            return true;
        }
    }
    return false;
}

// ---- the server ---------------------------------------------------------------------------------

// What all accounts see is changed by who may change the server.
static enum err may_change_server(struct imap_session *s)
{
    struct role_holder holder;
    enum err e = role_holder_get(s->server->store, s->account, &s->arena, &holder);

    return e ? e : role_rights_everywhere(&holder) & RIGHT_SERVER ? ERR_OK : ERR_DENIED;
}

static enum imap_step set_server(struct imap_session *s)
{
    struct part own = {.account = s->account}, shared = {.account = 0};
    enum err e = has_shared(&s->command.setmetadata) ? may_change_server(s) : ERR_OK;

    if (e == ERR_DENIED) {
        return imap_answer_no(s, "NOPERM",
                              "What everybody sees is changed by who administers the server");
    }
    e = e ? e : split(s, &own, &shared);
    e = e ? e : apply_both(s, &own, &shared);
    return e ? refuse(s, e) : imap_answer_ok(s, "SETMETADATA completed");
}

// ---- a mailbox ----------------------------------------------------------------------------------

static enum imap_step set_mailbox(struct imap_session *s)
{
    const struct imap_metadata_set *set = &s->command.setmetadata;
    struct part own = {.account = s->account}, shared = {0};
    struct imap_place p;
    const char *why = NULL;
    enum err e = imap_place_annotate(s, set->mailbox, has_shared(set), &p, &why);

    if (!e && has_switch(set) && !(p.rights & ACL_ADMINISTER)) {
        imap_place_close(&p);
        e = ERR_DENIED;
    }
    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    shared.account = p.account;
    shared.where = own.where = (struct metadata_where){.mailbox = p.mailbox->id};
    own.where.owner = imap_owner(s, p.account);
    imap_place_close(&p);
    e = split(s, &own, &shared);
    e = e ? e : apply_both(s, &own, &shared);
    return e ? refuse(s, e) : imap_answer_ok(s, "SETMETADATA completed");
}

enum imap_step imap_run_setmetadata(struct imap_session *s)
{
    enum imap_step step = check_values(s);

    if (step == STEP_DONE) {
        return step;
    }
    return s->command.setmetadata.mailbox.n ? set_mailbox(s) : set_server(s);
}
