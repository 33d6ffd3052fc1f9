// SPDX-License-Identifier: Apache-2.0
//
// New messages into a mailbox, and one message to many accounts: what concerns one of these - its
// copies, what its rules remember, the words about it - is one commit; accounts share a sync.
//
// Crash story: the body is put first and becomes durable with the first commit that names it; the
// commit holds placement, message, counts, quota, thread index and change log together. Before it,
// nothing of the message is there; after it, everything.
#include "store/append.h"

#include <stdlib.h>

#include "base/log.h"
#include "store/belongings_internal.h"
#include "store/rules_internal.h"
#include "store/sent_internal.h"

#include "base/banned.h"

struct append_args {
    mailbox_id mailbox;
    const struct append_item *items;
    size_t count;
    struct append_result out;
    const struct append_replaced *replaced; // NULL: nothing
    bool is_missing;                        // ... is not there
};

enum err edit_add_message(struct edit *ed, const struct incoming *in, int64_t date,
                          uint32_t placements, message_id *out)
{
    message_id id = ed->header.next_message++;
    struct message_record m = {.body = in->body,
                               .bytes = in->bytes,
                               .sent = in->has_sent ? in->sent : date,
                               .placements = placements,
                               .thread_key_count = in->thread_key_count,
                               .sort_keys = span_of(in->sort_keys, in->sort_key_bytes)};

    memcpy(m.thread_keys, in->thread_keys, sizeof(m.thread_keys));
    enum err e = edit_thread_join(ed, id, &m);

    e = e != ERR_OK ? e : edit_put_message(ed, id, &m);
    e = e != ERR_OK ? e : batch_use_body(ed->batch, m.body);
    *out = id;
    return e;
}

// `filed`: the server's copy of the same message, whose flags go over; or NULL.
static enum err append_item(struct edit *ed, struct placer *placer, const struct append_item *item,
                            const struct sent_filed *filed)
{
    const struct incoming *in = item->message;
    int64_t now = edit_now_s(ed);
    struct keyword_set keywords;
    enum err e =
        edit_keywords(ed, placer->mailbox, item->keywords, item->keyword_count, true, &keywords);

    if (e != ERR_OK) {
        return e;
    }
    if (filed) {
        struct keyword_set all = keywords;

        keywords = keyword_set_add(&all, &filed->keywords) == ERR_OK ? all : keywords;
    }
    struct placement p = {.flags = item->flags | (filed ? filed->flags : 0),
                          .zone_minutes = item->zone_minutes,
                          .body = in->body,
                          .internal_date =
                              item->internal_date == INT64_MIN ? now : item->internal_date,
                          .saved = now,
                          .bytes = (uint32_t)in->bytes};

    keyword_set_to(&keywords, &p);
    e = edit_add_message(ed, in, p.internal_date, 1, &p.message);
    return e != ERR_OK ? e : placer_add_new(placer, &p);
}

static enum err append_log(struct edit *ed, const struct mailbox *b, uint32_t first_uid,
                           message_id first_message, size_t count)
{
    char packed[2 * VARINT_BYTES_MAX];
    struct pack k = {.p = packed, .cap = sizeof(packed)};
    struct uid_range range = {first_uid, b->uid_next - 1};
    struct change c = {.kind = CHANGE_ARRIVED, .mailbox = b->id, .uids = {&range, 1}};

    pack_i64(&k, (int64_t)first_message);
    pack_u64(&k, count);
    c.messages = pack_span(&k);
    return change_put(ed, &c);
}

static enum err take_out(struct edit *ed, struct append_args *a)
{
    struct uid_range range = {a->replaced->uid, a->replaced->uid};
    struct uid_set set = {&range, 1}, was;
    struct edit_mailbox *m;
    struct uid_builder gone;
    bool more;
    enum err e = edit_mailbox_with_messages(ed, a->replaced->mailbox, &m);

    uid_builder_init(&gone, &ed->view.arena);
    e = e == ERR_OK ? edit_expunge(ed, m, &set, true, 1, &gone, &more) : e;
    e = e == ERR_OK ? uid_builder_finish(&gone, &was) : e;
    if (e == ERR_OK && !was.count) {
        e = ERR_NOT_FOUND;
    }
    a->is_missing = e == ERR_NOT_FOUND;
    return e;
}

// What a mail program puts among the sent mail takes the place of copies that the server has filed.
static enum err append_begin(struct edit *ed, struct append_args *a, struct edit_mailbox **m,
                             struct sent_filed ***filed)
{
    uint64_t bytes = 0;
    enum err e = edit_mailbox_with_messages(ed, a->mailbox, m);

    *filed = NULL;
    if (e == ERR_OK && a->replaced) {
        e = take_out(ed, a);
    } else if (e == ERR_OK && ((*m)->record.is.special_use & USE_SENT) &&
               ed->by->kind == ACTOR_USER) {
        e = sent_replace(ed, *m, a->items, a->count, filed);
    }
    for (size_t i = 0; i < a->count; i++) {
        bytes += a->items[i].message->bytes;
    }
    return e != ERR_OK ? e : edit_quota_check(ed, bytes, a->count);
}

static enum err append_edit(struct edit *ed, void *arg)
{
    struct append_args *a = arg;
    struct sent_filed **filed;
    struct edit_mailbox *m;
    struct placer placer;
    enum err e = append_begin(ed, a, &m, &filed);

    if (e != ERR_OK) {
        return e;
    }
    message_id first_message = ed->header.next_message;

    a->out.first_uid = m->record.is.uid_next;
    a->out.uid_validity = m->record.is.uid_validity;
    if (filed || (a->replaced && a->replaced->mailbox == a->mailbox)) {
        placer_begin_fresh(&placer, ed, m);
    } else {
        placer_begin(&placer, ed, m);
    }
    for (size_t i = 0; i < a->count && e == ERR_OK; i++) {
        e = append_item(ed, &placer, &a->items[i], filed ? filed[i] : NULL);
    }
    e = e != ERR_OK ? e : placer_finish(&placer);
    return e != ERR_OK ? e
                       : append_log(ed, &m->record.is, a->out.first_uid, first_message, a->count);
}

static enum err items_check(const struct append_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ASSERT(items[i].message->is_finished);
        if (items[i].message->failed != ERR_OK) {
            return items[i].message->failed;
        }
    }
    return count ? ERR_OK : ERR_INVALID;
}

enum err store_append(struct store *s, account_id account, const struct actor *by,
                      mailbox_id mailbox, const struct append_item *items, size_t count,
                      struct append_result *out)
{
    struct append_args a = {.mailbox = mailbox, .items = items, .count = count};
    enum err e = items_check(items, count);

    if (e == ERR_OK && mailbox == 0) {
        e = ERR_NOT_FOUND;
    }
    e = e != ERR_OK ? e : store_edit(s, account, by, append_edit, &a, &a.out.version);
    if (e == ERR_OK) {
        *out = a.out;
    }
    return e;
}

enum err store_replace(struct store *s, account_id account, const struct actor *by,
                       mailbox_id mailbox, const struct append_item *item,
                       const struct append_replaced *replaced, struct append_result *out,
                       bool *out_missing)
{
    struct append_args a = {.mailbox = mailbox, .items = item, .count = 1, .replaced = replaced};
    enum err e = items_check(item, 1);

    e = e == ERR_OK && mailbox == 0 ? ERR_NOT_FOUND : e;
    e = e == ERR_OK ? store_edit(s, account, by, append_edit, &a, &a.out.version) : e;
    *out_missing = a.is_missing;
    if (e == ERR_OK) {
        *out = a.out;
    }
    return e;
}

// ---- one message to many accounts ---------------------------------------------------------------

// Recipients whose commits share a sync.
#define DELIVER_AT_ONCE 32

struct delivery {
    struct store *store;
    const struct actor *by;
    struct incoming *message;
    struct span verdict;
    struct edit *edits; // DELIVER_AT_ONCE
};

// One account's part.
struct account_run {
    struct edit *ed;
    const struct delivery *delivery;
    struct delivery_target *target;
    struct delivery_copy *copies;
    size_t count;
    struct edit_mailbox **mailboxes; // of each copy
    message_id *messages;            // of each copy
};

// ---- where to -----------------------------------------------------------------------------------

static enum err make_mailbox(struct edit *ed, const struct delivery_copy *c,
                             struct edit_mailbox **out)
{
    uint8_t use = c->special_use;
    enum err e = edit_use_check(ed, use, 0);

    if (e == ERR_INVALID) { // another mailbox has it
        use = 0;
        e = ERR_OK;
    }
    e = e == ERR_OK ? edit_make_mailbox(ed, c->name, use, true, out) : e;
    return e == ERR_LIMIT ? ERR_NOT_FOUND : e;
}

static enum err find_named(struct edit *ed, const struct delivery_copy *c,
                           struct edit_mailbox **out)
{
    mailbox_id id;
    enum err e = edit_name_lookup(ed, c->name, &id);

    e = e == ERR_OK ? edit_mailbox_with_messages(ed, id, out) : e;
    return e == ERR_NOT_FOUND && c->is_created ? make_mailbox(ed, c, out) : e;
}

static enum err find_mailbox(struct edit *ed, const struct delivery_copy *c,
                             struct edit_mailbox **out)
{
    mailbox_id id;
    enum err e = c->mailbox  ? edit_mailbox_with_messages(ed, c->mailbox, out)
                 : c->name.n ? find_named(ed, c, out)
                             : ERR_NOT_FOUND;

    if (e != ERR_NOT_FOUND) {
        return e;
    }
    e = view_name_lookup(&ed->view, mailbox_inbox, &id);
    return e == ERR_OK ? edit_mailbox_with_messages(ed, id, out) : e;
}

// ---- the messages -------------------------------------------------------------------------------

static const struct incoming *message_of(const struct account_run *r, size_t i)
{
    return r->copies[i].message ? r->copies[i].message : r->delivery->message;
}

static bool is_first_of_message(const struct account_run *r, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (message_of(r, k) == message_of(r, i)) {
            return false;
        }
    }
    return true;
}

// One record for all copies of the same bytes.
static enum err add_message(struct account_run *r, size_t first)
{
    uint32_t placements = 0;
    message_id id;

    for (size_t i = first; i < r->count; i++) {
        placements += message_of(r, i) == message_of(r, first);
    }
    enum err e = edit_add_message(r->ed, message_of(r, first), edit_now_s(r->ed), placements, &id);

    for (size_t i = first; i < r->count && e == ERR_OK; i++) {
        if (message_of(r, i) == message_of(r, first)) {
            r->messages[i] = id;
        }
    }
    return e;
}

static enum err prepare(struct account_run *r)
{
    uint64_t bytes = 0;
    enum err e = ERR_OK;

    r->mailboxes = arena_zalloc(&r->ed->view.arena, r->count, sizeof(struct edit_mailbox *));
    r->messages = arena_zalloc(&r->ed->view.arena, r->count, sizeof(message_id));
    if (!r->mailboxes || !r->messages) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
        ASSERT(message_of(r, i)->is_finished);
        bytes += message_of(r, i)->bytes;
        e = message_of(r, i)->failed;
    }
    e = e == ERR_OK ? edit_quota_check(r->ed, bytes, r->count) : e;
    for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
        e = find_mailbox(r->ed, &r->copies[i], &r->mailboxes[i]);
    }
    for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
        e = is_first_of_message(r, i) ? add_message(r, i) : ERR_OK;
    }
    return e;
}

// ---- into the mailboxes -------------------------------------------------------------------------

static enum err place(struct account_run *r, struct placer *placer, struct change_draft *log,
                      size_t i)
{
    struct delivery_copy *c = &r->copies[i];
    const struct incoming *in = message_of(r, i);
    int64_t now = edit_now_s(r->ed);
    struct keyword_set keywords;
    enum err e =
        edit_keywords(r->ed, placer->mailbox, c->keywords, c->keyword_count, true, &keywords);

    if (e == ERR_LIMIT || e == ERR_INVALID) {
        e = edit_keywords(r->ed, placer->mailbox, NULL, 0, true, &keywords);
    }
    if (e != ERR_OK) {
        return e;
    }
    struct placement p = {.flags = c->flags,
                          .body = in->body,
                          .internal_date = now,
                          .saved = now,
                          .bytes = (uint32_t)in->bytes,
                          .message = r->messages[i]};

    keyword_set_to(&keywords, &p);
    e = placer_add(placer, &p);
    if (e == ERR_OK) {
        change_draft_add(log, p.uid, p.message, NULL);
        c->uid = p.uid;
        c->stored = placer->mailbox->record.is.id;
    }
    return e;
}

// All copies for the mailbox of the one at `first`.
static enum err fill_mailbox(struct account_run *r, size_t first)
{
    struct edit_mailbox *m = r->mailboxes[first];
    struct placer placer;
    struct change_draft log;
    enum err e = ERR_OK;

    placer_begin(&placer, r->ed, m);
    change_draft_begin(&log, r->ed, CHANGE_ARRIVED, m->record.is.id, 0);
    log.is.after = r->delivery->verdict;
    for (size_t i = first; i < r->count && e == ERR_OK; i++) {
        if (r->mailboxes[i] == m) {
            e = place(r, &placer, &log, i);
        }
    }
    e = e == ERR_OK ? placer_finish(&placer) : e;
    return change_draft_end(&log, e);
}

static bool is_first_of_mailbox(const struct account_run *r, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (r->mailboxes[k] == r->mailboxes[i]) {
            return false;
        }
    }
    return true;
}

static enum err fill_mailboxes(struct account_run *r)
{
    enum err e = prepare(r);

    for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
        e = is_first_of_mailbox(r, i) ? fill_mailbox(r, i) : ERR_OK;
    }
    if (e == ERR_OK && r->count) {
        r->target->uid = r->copies[0].uid;
    }
    return e;
}

// ---- one account --------------------------------------------------------------------------------

static enum err remember_all(struct edit *ed, const struct delivery_target *t)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < t->memory_count && e == ERR_OK; i++) {
        const struct delivery_memory *m = &t->memories[i];
        bool is_known = false;

        e = m->is_prolonged ? ERR_OK : rules_edit_is_remembered(ed, m->what, &is_known);
        e = e == ERR_OK && !is_known ? rules_edit_remember(ed, m->what, m->until_s) : e;
    }
    return e == ERR_OK && t->once.n ? rules_edit_remember(ed, t->once, t->once_until_s) : e;
}

static enum err ride(struct account_run *r)
{
    struct delivery_target *t = r->target;
    struct span *names = arena_zalloc(&r->ed->view.arena, r->count ? r->count : 1, sizeof(*names));
    struct batch *rider = NULL;

    if (!t->ride || !names) {
        return names ? ERR_OK : ERR_NOMEM;
    }
    for (size_t i = 0; i < r->count && !t->was_there; i++) {
        names[i] = r->mailboxes[i]->record.is.name;
    }
    enum err e = t->ride(t->ride_arg, t->was_there, names, t->was_there ? 0 : r->count, &rider);

    batch_set_rider(r->ed->batch, rider);
    return e;
}

// Runs again when the account was changed meanwhile: starts from nothing.
struct deliver_args {
    const struct delivery *delivery;
    struct delivery_target *target;
};

static enum err deliver_edit(struct edit *ed, void *arg)
{
    const struct deliver_args *a = arg;
    struct delivery_target *t = a->target;
    struct delivery_copy one = {.mailbox = t->mailbox, .flags = t->flags};
    struct account_run r = {.ed = ed,
                            .delivery = a->delivery,
                            .target = t,
                            .copies = t->copies ? t->copies : &one,
                            .count = t->copies ? t->copy_count : 1};
    enum err e = ERR_OK;

    t->was_there = false;
    if (t->once.n) {
        e = rules_edit_is_remembered(ed, t->once, &t->was_there);
    }
    if (e != ERR_OK) {
        return e;
    }
    if (t->was_there) {
        e = rules_edit_note(ed, SPAN("a second copy of a message was left out"));
        return e == ERR_OK ? ride(&r) : e;
    }
    e = fill_mailboxes(&r);
    e = e == ERR_OK ? remember_all(ed, t) : e;
    e = e == ERR_OK && t->words.n ? rules_edit_note(ed, t->words) : e;
    return e == ERR_OK ? ride(&r) : e;
}

static void deliver_alone(const struct delivery *d, struct delivery_target *target)
{
    struct deliver_args a = {d, target};

    target->result = store_edit(d->store, target->account, d->by, deliver_edit, &a, NULL);
}

// Makes the batch; the edit is open when the result is ERR_OK and there is something to commit.
static bool deliver_prepare(const struct delivery *d, struct delivery_target *target,
                            struct edit *ed)
{
    struct deliver_args a = {d, target};

    target->result = edit_begin(ed, d->store, target->account, d->by);
    if (target->result != ERR_OK) {
        return false;
    }
    target->result = deliver_edit(ed, &a);
    if (target->result == ERR_OK && ed->is_changed) {
        target->result = edit_seal(ed);
    }
    view_end(&ed->view); // many snapshots at once help nobody
    if (target->result != ERR_OK || !ed->is_changed) {
        edit_end(ed);
        return false;
    }
    return true;
}

// ---- many accounts ------------------------------------------------------------------------------

// Without the accounts' locks: who is overtaken by another writer is done again with it.
static void deliver_group(const struct delivery *d, struct delivery_target *targets, size_t count)
{
    struct batch *batches[DELIVER_AT_ONCE];
    uint64_t expected[DELIVER_AT_ONCE];
    enum err results[DELIVER_AT_ONCE];
    size_t open[DELIVER_AT_ONCE], n = 0;

    for (size_t i = 0; i < count; i++) {
        if (deliver_prepare(d, &targets[i], &d->edits[i])) {
            batches[n] = d->edits[i].batch;
            expected[n] = d->edits[i].modseq - 1;
            results[n] = ERR_UNAVAILABLE;
            open[n++] = i;
        }
    }
    if (n) {
        engine_commit_many(d->store->engine, batches, expected, n, results);
    }
    for (size_t i = 0; i < n; i++) {
        targets[open[i]].result = results[i];
        if (results[i] == ERR_OK) {
            actor_made(d->by->entries, targets[open[i]].account, expected[i] + 1);
        }
        edit_end(&d->edits[open[i]]);
    }
    for (size_t i = 0; i < count; i++) {
        if (targets[i].result == ERR_CONFLICT) {
            deliver_alone(d, &targets[i]);
        }
    }
}

static enum err fail_all(struct delivery_target *targets, size_t count, enum err e)
{
    for (size_t i = 0; i < count; i++) {
        targets[i].result = e;
    }
    return e;
}

static enum err deliver_all(struct delivery *d, struct delivery_target *targets, size_t count)
{
    enum err worst = ERR_OK;

    d->edits = malloc(DELIVER_AT_ONCE * sizeof(*d->edits));
    if (!d->edits) {
        return fail_all(targets, count, ERR_NOMEM);
    }
    for (size_t i = 0; i < count; i += DELIVER_AT_ONCE) {
        deliver_group(d, targets + i, count - i < DELIVER_AT_ONCE ? count - i : DELIVER_AT_ONCE);
    }
    for (size_t i = 0; i < count; i++) {
        worst = targets[i].result != ERR_OK ? targets[i].result : worst;
    }
    free(d->edits);
    return worst;
}

enum err store_deliver(struct store *s, const struct actor *by, struct incoming *m,
                       struct span verdict, struct delivery_target *targets, size_t count)
{
    struct delivery d = {.store = s, .by = by, .message = m, .verdict = verdict};

    ASSERT(m->is_finished);
    if (m->failed != ERR_OK) {
        return fail_all(targets, count, m->failed);
    }
    if (count == 1) {
        deliver_alone(&d, targets);
        return targets->result;
    }
    return deliver_all(&d, targets, count);
}
