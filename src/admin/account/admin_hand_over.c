// SPDX-License-Identifier: Apache-2.0
//
// account hand-over: somebody leaves, and another person gets their mail, in mailboxes below
// "Handed over/ADDRESS". All of it is looked at before anything happens: whether it fits, and under
// which names. What has gone is marked, so an operation that was cut off is asked for again and
// goes on (store/placement/hand_over.h).
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "base/utf8.h"
#include "store/placement/hand_over.h"
#include "store/quota.h"
#include "store/route.h"
#include "store/rules.h"

#include "base/banned.h"

#define FOLDER           "Handed over/"
#define REASON_BYTES_MAX 200
#define WORDS_BYTES      1024

struct source {
    mailbox_id id;
    struct span name; // of the mailbox it goes to
};

struct run {
    struct admin_call *call;
    struct account leaver, person;
    struct span reason;
    bool addresses;
    struct source *sources; // those with something to go, in the call's arena
    size_t source_count;
    struct hand_over_counts left, done;
    size_t mailboxes;
    unsigned sessions_ended;
    json_t *aliases, *aliases_left;
};

// ---- who to whom, and why -----------------------------------------------------------------------

static enum err person_arg(struct run *r)
{
    struct admin_call *c = r->call;
    struct span name;
    enum err e = admin_address(c, "to", &name);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_account_by_name(c->admin->store, name, &c->arena, &r->person);
    if (e == ERR_NOT_FOUND) {
        return admin_no_account(c, name);
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Looking up the account");
    }
    if (!admin_sees(c, r->person.name)) {
        return admin_fail(c, ERR_DENIED,
                          "%.*s may not do this: handing mail over to %.*s takes the rights "
                          "accounts and read-mail over that domain, too.",
                          SPAN_ARG(c->caller_name), SPAN_ARG(r->person.name));
    }
    if (r->person.id == r->leaver.id) {
        return admin_fail(c, ERR_INVALID, "That is the same account.");
    }
    return r->person.state == ACCOUNT_ACTIVE
               ? ERR_OK
               : admin_fail(c, ERR_INVALID, "%.*s is suspended: nobody could read the mail there.",
                            SPAN_ARG(r->person.name));
}

static enum err reason_arg(struct run *r)
{
    struct span reason = span_trim(admin_text(r->call, "reason"));
    bool ok = reason.n > 0 && reason.n <= REASON_BYTES_MAX && utf8_is_valid(reason);

    for (size_t i = 0; ok && i < reason.n; i++) {
        ok = (unsigned char)reason.p[i] >= ' ' && reason.p[i] != 0x7f;
    }
    r->reason = reason;
    return ok ? ERR_OK
              : admin_fail(
                    r->call, ERR_INVALID,
                    "Mail is handed over for a reason, which is written into both histories: "
                    "say it in one line of at most %d bytes (--reason).",
                    REASON_BYTES_MAX);
}

// ---- what goes, and does it fit -----------------------------------------------------------------

static enum err source_add(struct run *r, const struct mailbox *m)
{
    struct admin_call *c = r->call;
    struct hand_over_counts counts;
    const char *why = NULL;
    struct buf name;
    enum err e = hand_over_left(c->admin->store, r->leaver.id, r->person.id, m->id, &counts);

    if (e != ERR_OK || counts.messages == 0) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    struct source *s = &r->sources[r->source_count++];

    s->id = m->id;
    buf_init(&name, 4096);
    buf_printf(&name, FOLDER "%.*s/%.*s", SPAN_ARG(r->leaver.name), SPAN_ARG(m->name));
    e = name.failed ? ERR_INVALID : mailbox_name_check(&c->arena, buf_span(&name), &s->name, &why);
    buf_finish(&name);
    if (e == ERR_INVALID) {
        return admin_fail(c, e,
                          "The mailbox \"%.*s\" cannot be kept below \"" FOLDER "%.*s\": %s. Give "
                          "it another name first.",
                          SPAN_ARG(m->name), SPAN_ARG(r->leaver.name),
                          why ? why : "the name is too long");
    }
    r->left.messages += counts.messages;
    r->left.bytes += counts.bytes;
    return e;
}

// The names are copied: views come and go later.
static enum err sources_find(struct run *r)
{
    struct admin_call *c = r->call;
    const struct mailbox *const *boxes;
    struct view *v;
    size_t count = 0;
    enum err e = view_open(c->admin->store, r->leaver.id, &v);

    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Looking at the mailboxes");
    }
    e = view_mailboxes(v, &boxes, &count);
    r->sources = arena_zalloc(&c->arena, count + 1, sizeof(*r->sources));
    e = e == ERR_OK && !r->sources ? ERR_NOMEM : e;
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        e = boxes[i]->is_no_select ? ERR_OK : source_add(r, boxes[i]);
    }
    view_close(v);
    return e == ERR_OK || c->outcome->text[0] ? e
                                              : admin_fail_store(c, e, "Looking at the mailboxes");
}

static enum err check_room(struct run *r)
{
    struct admin_call *c = r->call;
    struct quota q;
    struct view *v;
    enum err e = view_open(c->admin->store, r->person.id, &v);

    if (e == ERR_OK) {
        e = view_quota(v, &q);
        view_close(v);
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Reading the quota");
    }
    if (q.bytes <= q.bytes_max && r->left.bytes <= q.bytes_max - q.bytes &&
        q.messages <= q.messages_max && r->left.messages <= q.messages_max - q.messages) {
        return ERR_OK;
    }
    return admin_fail(c, ERR_QUOTA,
                      "%.*s has no room for it: %llu messages with %llu bytes are to come, and the "
                      "quota leaves less. Nothing was done. To give more room: mailkeep account "
                      "quota %.*s --bytes SIZE",
                      SPAN_ARG(r->person.name), (unsigned long long)r->left.messages,
                      (unsigned long long)r->left.bytes, SPAN_ARG(r->person.name));
}

// ---- the leaver is out, and new mail goes to the person -----------------------------------------

static enum err note_both(struct run *r)
{
    struct admin_call *c = r->call;
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    char words[WORDS_BYTES];
    struct buf b = {.p = words, .cap = sizeof(words), .max = sizeof(words)};

    buf_printf(&b, "its mail is handed over to %.*s, because: %.*s", SPAN_ARG(r->person.name),
               SPAN_ARG(r->reason));
    enum err e = directory_account_note(c->admin->store, &by, r->leaver.id, buf_span(&b));

    buf_clear(&b);
    buf_printf(&b, "the mail of %.*s is handed over to it, because: %.*s", SPAN_ARG(r->leaver.name),
               SPAN_ARG(r->reason));
    if (e == ERR_OK) {
        e = directory_account_note(c->admin->store, &by, r->person.id, buf_span(&b));
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Writing into the histories");
}

// A suspension that is there stays as it is, but for mail that is to be forwarded.
static enum err suspend(struct run *r)
{
    struct admin_call *c = r->call;
    const struct admin *a = c->admin;
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account_suspension how = {.takes_mail = r->addresses};
    bool is_out = r->leaver.state == ACCOUNT_SUSPENDED;

    if (is_out) {
        how = r->leaver.suspension;
        how.takes_mail |= r->addresses;
    }
    enum err e = directory_account_suspend(a->store, &by, r->leaver.id, &how);

    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Suspending the account");
    }
    if (!is_out && a->end_sessions) {
        r->sessions_ended =
            a->end_sessions(a->arg, r->leaver.id, ADMIN_ALL_DEVICES, ADMIN_SUSPENDED);
    }
    return ERR_OK;
}

struct alias {
    struct alias *next;
    struct span address, *targets;
    size_t count;
};

struct aliases {
    struct run *run;
    struct alias *first;
    bool failed;
};

// With the person instead of the leaver, each once.
static bool take_alias(void *arg, struct span address, const struct span *targets, size_t count)
{
    struct aliases *l = arg;
    struct arena *arena = &l->run->call->arena;
    bool is_theirs = false, has_person = false;

    for (size_t i = 0; i < count; i++) {
        is_theirs |= span_eq(targets[i], l->run->leaver.name);
        has_person |= span_eq(targets[i], l->run->person.name);
    }
    if (!is_theirs) {
        return true;
    }
    struct alias *x = arena_zalloc(arena, 1, sizeof(*x));
    struct span *to = arena_zalloc(arena, count, sizeof(*to));

    l->failed = !x || !to;
    if (l->failed) {
        return false;
    }
    x->targets = to;
    x->address = arena_dup(arena, address);
    for (size_t i = 0; i < count; i++) {
        if (!span_eq(targets[i], l->run->leaver.name)) {
            to[x->count++] = arena_dup(arena, targets[i]);
        } else if (!has_person) {
            to[x->count++] = l->run->person.name;
        }
    }
    x->next = l->first;
    l->first = x;
    for (size_t i = 0; i < x->count; i++) {
        l->failed |= !to[i].p;
    }
    l->failed |= !x->address.p;
    return !l->failed;
}

// Of a domain that the caller looks after?
static bool may_addresses(const struct admin_call *c, struct span alias)
{
    struct span domain = span_skip(alias, span_find_byte(alias, '@') + 1);

    return c->may_everything || (role_rights_over(&c->roles, domain) & RIGHT_ADDRESSES);
}

static enum err take_aliases(struct run *r)
{
    struct admin_call *c = r->call;
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct aliases l = {.run = r};
    enum err e = route_alias_list(c->admin->store, SPAN(""), take_alias, &l);

    e = l.failed ? ERR_NOMEM : e;
    for (const struct alias *x = l.first; x && e == ERR_OK; x = x->next) {
        if (!may_addresses(c, x->address)) {
            json_array_append_new(r->aliases_left, admin_json_text(x->address));
            continue;
        }
        e = route_alias_set(c->admin->store, &by, x->address, x->targets, x->count);
        if (e == ERR_OK) {
            json_array_append_new(r->aliases, admin_json_text(x->address));
        }
    }
    return e;
}

// The account's own address stays its name, so its mail is sent on; its aliases are the person's.
static enum err take_addresses(struct run *r)
{
    struct admin_call *c = r->call;
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    const struct forwarding f = {.targets = &r->person.name, .count = 1};
    enum err e = forwarding_set(c->admin->store, r->leaver.id, &by, &f);

    e = e == ERR_OK ? take_aliases(r) : e;
    return e == ERR_OK ? e : admin_fail_store(c, e, "Changing where new mail goes");
}

// Mail that came back to the leaver would go round for ever.
static enum err check_way(struct run *r)
{
    struct admin_call *c = r->call;
    struct forwarding f = {.count = 0};
    enum err e = forwarding_get(c->admin->store, r->person.id, &c->arena, &f);

    e = e == ERR_NOT_FOUND ? ERR_OK : e;
    for (size_t i = 0; e == ERR_OK && !f.keeps_copy && i < f.count; i++) {
        if (span_eq(f.targets[i], r->leaver.name)) {
            return admin_fail(c, ERR_INVALID,
                              "The mail of %.*s is forwarded to %.*s: end that first (mailkeep "
                              "account forward %.*s --off).",
                              SPAN_ARG(r->person.name), SPAN_ARG(r->leaver.name),
                              SPAN_ARG(r->person.name));
        }
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Looking at the forwarding");
}

// ---- the mail -----------------------------------------------------------------------------------

static enum err stopped(struct run *r, enum err e)
{
    struct admin_call *c = r->call;
    unsigned long long done = r->done.messages, all = r->left.messages;
    const char *why = e == ERR_UNAVAILABLE ? "the server is stopping, or nobody waits any more"
                      : e == ERR_QUOTA     ? "the quota is used up"
                      : e == ERR_LIMIT     ? "the account has as many mailboxes as it may have"
                      : e == ERR_NOSPACE   ? "the disk is full"
                      : e == ERR_NOT_FOUND ? "the account, or a message, is not there any more"
                      : e == ERR_CORRUPT   ? "the store is damaged (mailkeep check says where)"
                                           : err_name(e);

    return admin_fail(c, e,
                      "%llu of %llu messages are handed over, and the rest is not: %s. Ask for it "
                      "again to go on; nothing comes twice.",
                      done, all, why);
}

static enum err mailbox_go(struct run *r, const struct source *s)
{
    struct admin_call *c = r->call;
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    char words[WORDS_BYTES];
    struct buf b = {.p = words, .cap = sizeof(words), .max = sizeof(words)};
    bool more = true;
    enum err e = ERR_OK;

    buf_printf(&b, "handed over from %.*s", SPAN_ARG(r->leaver.name));
    const struct hand_over h = {.from = r->leaver.id,
                                .to = r->person.id,
                                .mailbox = s->id,
                                .name = s->name,
                                .words = buf_span(&b)};

    while (more && e == ERR_OK) {
        e = admin_still_allowed(c);
        if (e != ERR_OK) {
            return e;
        }
        if (admin_is_cancelled(c)) {
            return stopped(r, ERR_UNAVAILABLE);
        }
        e = hand_over_some(c->admin->store, &by, &h, &r->done, &more);
        admin_progress(c, r->done.messages, r->left.messages, NULL);
    }
    r->mailboxes += e == ERR_OK;
    return e == ERR_OK ? e : stopped(r, e);
}

static enum err all_go(struct run *r)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < r->source_count && e == ERR_OK; i++) {
        e = mailbox_go(r, &r->sources[i]);
    }
    return e;
}

// ---- the operation ------------------------------------------------------------------------------

static enum err tell(struct run *r, bool is_dry)
{
    const struct hand_over_counts *n = is_dry ? &r->left : &r->done;
    char folder[WORDS_BYTES];
    int length = snprintf(folder, sizeof(folder), FOLDER "%.*s", SPAN_ARG(r->leaver.name));

    r->call->outcome->result = json_pack(
        "{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:O, s:O}", "account",
        admin_json_text(r->leaver.name), "to", admin_json_text(r->person.name), "folder",
        admin_json_text(span_of(folder, (size_t)length)), "mailboxes",
        (json_int_t)(is_dry ? r->source_count : r->mailboxes), "messages", (json_int_t)n->messages,
        "bytes", (json_int_t)n->bytes, "lost", (json_int_t)n->lost, "keywords_dropped",
        (json_int_t)n->keywords_dropped, "sessions_ended", (json_int_t)r->sessions_ended, "aliases",
        r->aliases, "aliases_left", r->aliases_left);
    return r->call->outcome->result ? ERR_OK : ERR_NOMEM;
}

enum err admin_account_hand_over(struct admin_call *c)
{
    struct run r = {.call = c,
                    .addresses = admin_bool(c, "addresses"),
                    .aliases = json_array(),
                    .aliases_left = json_array()};
    bool is_dry = admin_bool(c, "dry_run");
    enum err e = admin_account(c, &r.leaver);

    e = e == ERR_OK ? person_arg(&r) : e;
    e = e == ERR_OK ? reason_arg(&r) : e;
    e = e == ERR_OK && r.addresses ? check_way(&r) : e;
    e = e == ERR_OK ? sources_find(&r) : e;
    e = e == ERR_OK ? check_room(&r) : e;
    if (e == ERR_OK && !is_dry) {
        e = note_both(&r);
        e = e == ERR_OK && r.addresses ? take_addresses(&r) : e;
        e = e == ERR_OK ? suspend(&r) : e;
        // What came while it was still open is looked at again.
        r.source_count = 0;
        r.left = (struct hand_over_counts){0};
        e = e == ERR_OK ? sources_find(&r) : e;
        e = e == ERR_OK ? all_go(&r) : e;
    }
    e = e == ERR_OK ? tell(&r, is_dry) : e;
    json_decref(r.aliases);
    json_decref(r.aliases_left);
    return e;
}
