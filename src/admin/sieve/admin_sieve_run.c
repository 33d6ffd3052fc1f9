// SPDX-License-Identifier: Apache-2.0
//
// sieve run: the rules on mail that is stored already. Says what they would do with each message of
// a mailbox; with "apply" moves, copies and marks. Nothing leaves the account: what would be sent
// on, answered or refused is only said, and what would be thrown away goes to Trash.
#include "admin/admin_internal.h"
#include "base/clock.h"
#include "delivery/rules/rules.h"
#include "mime/mime_header.h"
#include "sieve/sieve_words.h"
#include "store/placement.h"

#include "base/banned.h"

#define AT_ONCE    64 // messages looked up under one view
#define PIECE      65536
#define ROOM_BYTES (64u << 20) // for what the store answers when it moves one message

struct stored {
    uint32_t uid;
    body_id body;
    uint64_t bytes;
};

struct rules_run {
    struct admin_call *call;
    struct account account;
    struct span script;
    mailbox_id mailbox, trash;
    bool applies;
    struct stored batch[AT_ONCE];
    size_t count;
    uint64_t messages, changed;
    // The message being looked at.
    const struct stored *message;
    struct buf text;
    struct span sender;
};

// ---- messages -----------------------------------------------------------------------------------

static enum err find_mailbox(struct rules_run *r)
{
    struct span given = admin_text(r->call, "mailbox"), name;
    const struct mailbox *const *all;
    const struct mailbox *m;
    const char *reason;
    struct view *v;
    size_t n;

    if (mailbox_name_check(&r->call->arena, given, &name, &reason) != ERR_OK) {
        return admin_fail(r->call, ERR_INVALID, "\"%.*s\" is no name of a mailbox: %s.",
                          SPAN_ARG(span_first(given, 100)), reason);
    }
    enum err e = view_open(r->call->admin->store, r->account.id, &v);

    if (e != ERR_OK) {
        return e;
    }
    e = view_mailbox_by_name(v, name, &m);
    if (e == ERR_NOT_FOUND) {
        e = admin_no_mailbox(r->call, v, name);
    } else if (e == ERR_OK) {
        r->mailbox = m->id;
        e = view_mailboxes(v, &all, &n);
        for (size_t i = 0; e == ERR_OK && i < n; i++) {
            r->trash = all[i]->special_use & USE_TRASH ? all[i]->id : r->trash;
        }
    }
    view_close(v);
    return e;
}

static enum err read_batch(struct rules_run *r, uint32_t from, uint32_t to)
{
    struct placement_scan *scan;
    struct placement p;
    struct view *v;
    enum err e = view_open(r->call->admin->store, r->account.id, &v);

    r->count = 0;
    if (e != ERR_OK) {
        return e;
    }
    e = placement_scan_open(v, r->mailbox, from, to, 0, &scan);
    if (e == ERR_OK) {
        while (r->count < AT_ONCE && (e = placement_next(scan, &p)) == ERR_OK) {
            r->batch[r->count++] = (struct stored){p.uid, p.body, p.bytes};
        }
        placement_scan_close(scan);
    }
    view_close(v);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// Up to RULES_SHOWN_BYTES_MAX of it. The whole, also for rules that look at the header only: this
// is no delivery that others wait for.
static enum err read_text(struct rules_run *r)
{
    struct view *v;
    enum err e = view_open(r->call->admin->store, r->account.id, &v);

    buf_clear(&r->text);
    if (e != ERR_OK) {
        return e;
    }
    while (e == ERR_OK && r->text.n < r->message->bytes && r->text.n < RULES_SHOWN_BYTES_MAX) {
        size_t before = r->text.n;

        e = body_read(view_snapshot(v), r->message->body, before, PIECE, &r->text);
        e = e == ERR_OK && r->text.n == before ? ERR_CORRUPT : e;
    }
    view_close(v);
    return e;
}

static enum err show(void *arg, bool whole, struct span *out, uint64_t *out_more)
{
    const struct rules_run *r = arg;

    (void)whole;
    *out = buf_span(&r->text);
    *out_more = r->message->bytes - r->text.n;
    return ERR_OK;
}

// The envelope's sender, as the delivery has written it down.
static void find_sender(struct rules_run *r)
{
    struct span path = mime_header_get(buf_span(&r->text), SPAN("Return-Path"));

    r->sender = path.n > 2 && path.p[0] == '<' && path.p[path.n - 1] == '>'
                    ? span_of(path.p + 1, path.n - 2)
                    : SPAN("");
}

// ---- doing it -----------------------------------------------------------------------------------

static enum err make_place(struct rules_run *r, const struct rules_place *p, mailbox_id *out)
{
    struct actor by = admin_actor(r->call, ACTOR_ADMIN);
    const struct mailbox *m;
    struct view *v;

    *out = p->mailbox;
    if (p->mailbox || !p->name.n) {
        return ERR_OK;
    }
    enum err e = view_open(r->call->admin->store, r->account.id, &v);

    if (e != ERR_OK) {
        return e;
    }
    e = view_mailbox_by_name(v, p->name, &m); // an earlier message may have made it
    *out = e == ERR_OK ? m->id : 0;
    view_close(v);
    if (e == ERR_NOT_FOUND && p->is_created) {
        e = mailbox_create(r->call->admin->store, r->account.id, &by, p->name, p->special_use, out);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err mark(struct rules_run *r, const struct rules_place *p, struct uid_set uids,
                     struct arena *a)
{
    struct actor by = admin_actor(r->call, ACTOR_ADMIN);
    struct flag_request q = {.mailbox = r->mailbox,
                             .uids = uids,
                             .how = FLAGS_ADD,
                             .flags = p->flags,
                             .keywords = p->keywords,
                             .keyword_count = p->keyword_count,
                             .unchanged_since = UINT64_MAX};
    struct flag_result result;

    return p->flags || p->keyword_count
               ? placement_flags(r->call->admin->store, r->account.id, &by, &q, a, &result)
               : ERR_OK;
}

static enum err put_into(struct rules_run *r, mailbox_id to, bool moves, struct uid_set uids,
                         struct arena *a)
{
    struct actor by = admin_actor(r->call, ACTOR_ADMIN);
    struct copy_result result;
    bool missing;

    return to && to != r->mailbox
               ? placement_copy(r->call->admin->store, r->account.id, &by, r->mailbox, uids, to,
                                moves, a, &result, &missing)
               : ERR_OK;
}

// The mailboxes it goes to; the last is a move, unless it stays here as well.
static enum err apply(struct rules_run *r, const struct rules_decision *d, struct arena *a)
{
    struct uid_range range = {r->message->uid, r->message->uid};
    struct uid_set uids = {&range, 1};
    mailbox_id *to = arena_zalloc(a, d->result.action_n + 1, sizeof(*to));
    bool stays = false, leaves = false;
    size_t n = 0;
    enum err e = to ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < d->result.action_n && e == ERR_OK; i++) {
        enum sieve_action_kind kind = d->result.actions[i].kind;

        stays |= kind == SIEVE_KEEP || kind == SIEVE_REJECT || kind == SIEVE_EREJECT ||
                 kind == SIEVE_REDIRECT;
        leaves |= kind == SIEVE_DISCARD;
        if (kind != SIEVE_KEEP && kind != SIEVE_FILEINTO) {
            continue;
        }
        e = mark(r, &d->places[i], uids, a);
        e = e == ERR_OK && kind == SIEVE_FILEINTO ? make_place(r, &d->places[i], &to[n]) : e;
        stays |= kind == SIEVE_FILEINTO && (to[n] == 0 || to[n] == r->mailbox);
        n += kind == SIEVE_FILEINTO && to[n] && to[n] != r->mailbox;
    }
    if (n == 0 && leaves && !stays) {
        to[n++] = r->trash;
    }
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = put_into(r, to[i], !stays && i + 1 == n, uids, a);
    }
    r->changed += n > 0;
    return e;
}

// ---- one message --------------------------------------------------------------------------------

static json_t *message_json(const struct rules_run *r, const struct rules_decision *d)
{
    struct span subject = mime_header_get(buf_span(&r->text), SPAN("Subject"));
    json_t *actions = json_array();
    struct buf words;

    buf_init(&words, 8192);
    for (size_t i = 0; i < d->result.action_n; i++) {
        const struct sieve_action *a = &d->result.actions[i];

        buf_clear(&words);
        sieve_action_words(&words, a);
        json_array_append_new(actions,
                              json_pack("{s:s, s:i, s:o}", "action", sieve_action_name(a), "line",
                                        (int)a->line, "text", admin_json_text(buf_span(&words))));
    }
    buf_clear(&words);
    mime_header_text(&words, span_first(subject, 1000));
    json_t *j = json_pack("{s:I, s:o, s:o}", "uid", (json_int_t)r->message->uid, "subject",
                          admin_json_text(buf_span(&words)), "actions", actions);

    if (d->result.has_error) {
        json_object_set_new(j, "problem", admin_json_text(d->result.error_text));
        json_object_set_new(j, "line", json_integer(d->result.error_line));
    }
    buf_finish(&words);
    return j;
}

static enum err decide(struct rules_run *r, struct arena *a, struct rules_decision *out)
{
    struct sieve_budget budget = {SIEVE_STEPS_DEFAULT};
    struct rules_case c = {.store = r->call->admin->store,
                           .account = r->account.id,
                           .owner = r->account.name,
                           .sender = r->sender,
                           .server = SPAN("localhost"),
                           .detail = '+',
                           .hierarchy = '/',
                           .now_s = clock_real_s(),
                           .script_name = r->script,
                           .budget = &budget,
                           .show = show,
                           .arg = r};

    return rules_decide(&c, a, out);
}

static enum err run_one(struct rules_run *r)
{
    struct rules_decision d;
    struct arena a;
    enum err e = read_text(r);

    if (e != ERR_OK) {
        return e;
    }
    find_sender(r);
    arena_init(&a, SIEVE_RESULT_BYTES_MAX + ROOM_BYTES);
    e = decide(r, &a, &d);
    if (e == ERR_NOT_FOUND || (e == ERR_OK && !d.has_script)) {
        e = admin_fail(r->call, ERR_NOT_FOUND,
                       r->script.n ? "There is no such script. See: mailkeep sieve "
                                     "list"
                                   : "No script of the account is active.");
    }
    e = e == ERR_OK ? admin_item(r->call, message_json(r, &d)) : e;
    if (e == ERR_OK && r->applies && !d.result.has_error) {
        e = apply(r, &d, &a);
    }
    arena_finish(&a);
    r->messages++;
    return e;
}

// What comes in meanwhile is not looked at: moving could go on for ever.
static enum err last_uid(struct rules_run *r, uint32_t *out)
{
    const struct mailbox *m;
    struct view *v;
    enum err e = view_open(r->call->admin->store, r->account.id, &v);

    if (e != ERR_OK) {
        return e;
    }
    e = view_mailbox(v, r->mailbox, &m);
    if (e == ERR_OK) {
        *out = m->uid_next - 1;
    }
    view_close(v);
    return e;
}

static enum err run_all(struct rules_run *r)
{
    uint32_t from = 1, to = 0;
    enum err e = last_uid(r, &to);

    while (e == ERR_OK && from <= to && !admin_is_cancelled(r->call)) {
        e = read_batch(r, from, to);
        if (e != ERR_OK || r->count == 0) {
            break;
        }
        for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
            r->message = &r->batch[i];
            e = run_one(r);
        }
        from = r->batch[r->count - 1].uid + 1;
        e = e == ERR_OK ? admin_flush(r->call) : e;
    }
    return e;
}

enum err admin_sieve_run(struct admin_call *c)
{
    struct rules_run *r = arena_zalloc(&c->arena, 1, sizeof(*r));
    enum err e = r ? admin_account(c, &r->account) : ERR_NOMEM;

    if (e != ERR_OK) {
        return e;
    }
    r->call = c;
    r->script = admin_text(c, "script");
    r->applies = admin_bool(c, "apply");
    buf_init(&r->text, RULES_SHOWN_BYTES_MAX + PIECE);
    e = find_mailbox(r);
    e = e == ERR_OK ? run_all(r) : e;
    buf_finish(&r->text);
    if (e == ERR_OK) {
        c->outcome->result = json_pack("{s:I, s:I}", "messages", (json_int_t)r->messages, "moved",
                                       (json_int_t)r->changed);
    }
    return e;
}
