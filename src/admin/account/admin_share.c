// SPDX-License-Identifier: Apache-2.0
//
// mailbox share, mailbox shares, mailbox seen: who besides the owner may use a mailbox (RFC 4314),
// as an administrator sets it up for a team. What is set is in the owner's history.
#include "admin/admin_internal.h"
#include "store/metadata/metadata.h"
#include "store/share/group.h"

#include "base/banned.h"

#define ANYONE "anyone"

static const struct {
    const char *word;
    uint32_t rights;
} words[] = {
    {"none", 0},
    {"read", ACL_LOOKUP | ACL_READ | ACL_SEEN},
    {"write",
     ACL_LOOKUP | ACL_READ | ACL_SEEN | ACL_WRITE | ACL_INSERT | ACL_DELETE_MESSAGE | ACL_EXPUNGE},
    {"manage", ACL_ALL & ~(uint32_t)ACL_ADMINISTER},
    {"all", ACL_ALL},
};

// "read", or letters.
static enum err read_rights(struct admin_call *c, uint32_t *out)
{
    struct span text = admin_text(c, "rights");

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (span_eq(text, span_from_str(words[i].word))) {
            *out = words[i].rights;
            return ERR_OK;
        }
    }
    if (text.n && acl_rights_parse(text, out) == ERR_OK) {
        return ERR_OK;
    }
    return admin_fail(c, ERR_INVALID,
                      "rights are none, read, write, manage or all, or letters out of lrswipkxtea");
}

static const char *word_of(uint32_t rights)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (words[i].rights == rights) {
            return words[i].word;
        }
    }
    return NULL;
}

// ---- listing ------------------------------------------------------------------------------------

static enum err entry_item(struct admin_call *c, const struct mailbox *m,
                           const struct acl_entry *entry)
{
    char given[ACL_RIGHTS_BYTES_MAX], taken[ACL_RIGHTS_BYTES_MAX];
    struct span who;
    enum err e = acl_who_name(c->admin->store, &entry->who, &c->arena, &who);

    if (e != ERR_OK) { // somebody who is no more
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    const char *word = entry->taken ? NULL : word_of(entry->given);
    json_t *item = json_pack("{s:o, s:o, s:o, s:o}", "mailbox", admin_json_text(m->name), "person",
                             admin_json_text(who), "rights",
                             admin_json_text(acl_rights_format(entry->given, given)), "taken",
                             admin_json_text(acl_rights_format(entry->taken, taken)));

    if (word) {
        json_object_set_new(item, "word", json_string(word));
    }
    if (entry->who.kind == ACL_GROUP) {
        json_object_set_new(item, "group", json_true());
    }
    return admin_item(c, item);
}

static enum err list_one(struct admin_call *c, struct view *v, const struct mailbox *m,
                         uint64_t *count)
{
    struct acl acl;
    enum err e = view_acl(v, m->id, &c->arena, &acl);

    for (size_t i = 0; i < acl.n && e == ERR_OK; i++) {
        e = entry_item(c, m, &acl.entries[i]);
        ++*count;
    }
    return e;
}

enum err admin_mailbox_shares(struct admin_call *c)
{
    const struct mailbox *const *boxes;
    struct account account;
    struct view *v;
    uint64_t count = 0;
    size_t n = 0;
    enum err e = admin_account(c, &account);

    e = e == ERR_OK ? view_open(c->admin->store, account.id, &v) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = view_mailboxes(v, &boxes, &n);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = list_one(c, v, boxes[i], &count);
    }
    view_close(v);
    c->outcome->result = json_pack("{s:I}", "shares", (json_int_t)count);
    return e == ERR_CORRUPT ? admin_fail_store(c, e, "a list of rights") : e;
}

// ---- setting ------------------------------------------------------------------------------------

// A person, a group, or all.
static enum err find_person(struct admin_call *c, const struct account *owner,
                            struct acl_change *out)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    enum err e;

    if (span_eq(admin_text(c, "person"), SPAN(ANYONE))) {
        out->who.kind = ACL_ANYONE;
        out->name = SPAN(ANYONE);
        return ERR_OK;
    }
    e = admin_address(c, "person", &out->name);
    e = e == ERR_OK ? acl_who_find(c->admin->store, out->rights ? &by : NULL, out->name, &out->who)
                    : e;
    if (e == ERR_NOT_FOUND) {
        return admin_no_account(c, out->name);
    }
    if (e == ERR_OK && out->who.kind == ACL_ACCOUNT && out->who.id == owner->id) {
        return admin_fail(c, ERR_INVALID, "%.*s is the owner and has all rights already",
                          SPAN_ARG(out->name));
    }
    return e;
}

static bool is_meant(const struct mailbox *m, struct span name, bool below)
{
    bool is_below =
        below && m->name.n > name.n && span_starts(m->name, name) && m->name.p[name.n] == '/';

    return !m->is_no_select && (span_eq(m->name, name) || is_below);
}

// The mailbox and, when asked for, those below it; ids in the call's memory.
static enum err find_mailboxes(struct admin_call *c, account_id owner, mailbox_id **out, size_t *n)
{
    const struct mailbox *const *boxes;
    struct span name;
    const char *why;
    struct view *v;
    size_t count;
    enum err e = mailbox_name_check(&c->arena, admin_text(c, "mailbox"), &name, &why);

    *n = 0;
    if (e != ERR_OK) {
        return e == ERR_INVALID ? admin_fail(c, e, "%s", why) : e;
    }
    e = view_open(c->admin->store, owner, &v);
    if (e != ERR_OK) {
        return e;
    }
    e = view_mailboxes(v, &boxes, &count);
    *out = e == ERR_OK ? arena_zalloc(&c->arena, count + 1, sizeof(**out)) : NULL;
    e = e == ERR_OK && !*out ? ERR_NOMEM : e;
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        if (is_meant(boxes[i], name, admin_bool(c, "below"))) {
            (*out)[(*n)++] = boxes[i]->id;
        }
    }
    if (e == ERR_OK && *n == 0) {
        e = admin_no_mailbox(c, v, name);
    }
    view_close(v);
    return e;
}

enum err admin_mailbox_share(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct acl_change change = {.how = ACL_SET};
    char letters[ACL_RIGHTS_BYTES_MAX];
    struct account owner;
    mailbox_id *ids = NULL;
    size_t n = 0, done = 0;
    enum err e = admin_account(c, &owner);

    e = e == ERR_OK ? read_rights(c, &change.rights) : e;
    e = e == ERR_OK ? find_person(c, &owner, &change) : e;
    e = e == ERR_OK ? find_mailboxes(c, owner.id, &ids, &n) : e;
    if (e != ERR_OK) {
        return e;
    }
    // A group without a number stands in no list.
    bool is_nobody = change.who.kind == ACL_GROUP && !change.who.id;

    for (; done < n && e == ERR_OK && !is_nobody && !admin_is_cancelled(c); done++) {
        change.mailbox = ids[done];
        e = acl_set(c->admin->store, owner.id, &by, &change);
        e = e == ERR_NOT_FOUND ? ERR_OK : e; // it went meanwhile
    }
    c->outcome->result = json_pack("{s:o, s:o, s:o, s:I}", "account", admin_json_text(owner.name),
                                   "person", admin_json_text(change.name), "rights",
                                   admin_json_text(acl_rights_format(change.rights, letters)),
                                   "mailboxes", (json_int_t)done);
    return e == ERR_OK ? e : admin_fail_store(c, e, "the mailbox");
}

// ---- \Seen -------------------------------------------------------------------------------------

static const struct metadata_limits no_limits = {METADATA_VALUE_BYTES_MAX, METADATA_ENTRIES_MAX,
                                                 METADATA_ACCOUNT_BYTES_MAX};

enum err admin_mailbox_seen(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct metadata_change change = {.name = SPAN(METADATA_SEEN), .value = admin_text(c, "seen")};
    struct account owner;
    mailbox_id *ids = NULL;
    size_t n = 0, done = 0;
    enum err e = admin_account(c, &owner);

    if (e == ERR_OK && (!change.value.p || !metadata_seen_is_good(change.value))) {
        e = admin_fail(c, ERR_INVALID, "\\Seen is own or shared");
    }
    e = e == ERR_OK ? find_mailboxes(c, owner.id, &ids, &n) : e;
    if (e != ERR_OK) {
        return e;
    }
    for (; done < n && e == ERR_OK && !admin_is_cancelled(c); done++) {
        struct metadata_where where = {.mailbox = ids[done]};

        e = metadata_set(c->admin->store, owner.id, &by, where, &change, 1, &no_limits);
        e = e == ERR_NOT_FOUND ? ERR_OK : e; // it went meanwhile
    }
    c->outcome->result =
        json_pack("{s:o, s:o, s:I}", "account", admin_json_text(owner.name), "seen",
                  admin_json_text(change.value), "mailboxes", (json_int_t)done);
    return e == ERR_OK ? e : admin_fail_store(c, e, "the mailbox");
}
