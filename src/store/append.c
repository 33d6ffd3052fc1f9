// SPDX-License-Identifier: Apache-2.0
//
// New messages into a mailbox, and one message to many accounts.
//
// Crash story: the body is put first and becomes durable with the first commit that names it; the
// commit holds placement, message, counts, quota, thread index and change log together. Before it,
// nothing of the message is there; after it, everything.
#include "store/append.h"

#include <stdlib.h>

#include "base/log.h"
#include "store/store_internal.h"

#include "base/banned.h"

struct append_args {
    mailbox_id mailbox; // 0: INBOX
    const struct append_item *items;
    size_t count;
    struct append_result out;
};

static enum err target_mailbox(struct edit *ed, mailbox_id id, struct edit_mailbox **out)
{
    if (id == 0) {
        enum err e = view_name_lookup(&ed->view, mailbox_inbox, &id);

        if (e != ERR_OK) {
            return e;
        }
    }
    return edit_mailbox_with_messages(ed, id, out);
}

static enum err append_message(struct edit *ed, const struct incoming *in, int64_t date,
                               message_id *out)
{
    message_id id = ed->header.next_message++;
    struct message_record m = {.body = in->body,
                               .bytes = in->bytes,
                               .sent = in->has_sent ? in->sent : date,
                               .placements = 1,
                               .thread_key_count = in->thread_key_count};

    memcpy(m.thread_keys, in->thread_keys, sizeof(m.thread_keys));
    enum err e = edit_thread_join(ed, id, &m);

    e = e != ERR_OK ? e : edit_put_message(ed, id, &m);
    e = e != ERR_OK ? e : batch_use_body(ed->batch, m.body);
    *out = id;
    return e;
}

static enum err append_item(struct edit *ed, struct placer *placer, const struct append_item *item)
{
    const struct incoming *in = item->message;
    int64_t now = edit_now_s(ed);
    struct keyword_set keywords;
    enum err e =
        edit_keywords(ed, placer->mailbox, item->keywords, item->keyword_count, true, &keywords);

    if (e != ERR_OK) {
        return e;
    }
    struct placement p = {.flags = item->flags,
                          .zone_minutes = item->zone_minutes,
                          .body = in->body,
                          .internal_date =
                              item->internal_date == INT64_MIN ? now : item->internal_date,
                          .saved = now,
                          .bytes = (uint32_t)in->bytes};

    keyword_set_to(&keywords, &p);
    e = append_message(ed, in, p.internal_date, &p.message);
    return e != ERR_OK ? e : placer_add(placer, &p);
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

static enum err append_edit(struct edit *ed, void *arg)
{
    struct append_args *a = arg;
    struct edit_mailbox *m;
    struct placer placer;
    uint64_t bytes = 0;
    enum err e = target_mailbox(ed, a->mailbox, &m);

    for (size_t i = 0; i < a->count; i++) {
        bytes += a->items[i].message->bytes;
    }
    e = e != ERR_OK ? e : edit_quota_check(ed, bytes, a->count);
    if (e != ERR_OK) {
        return e;
    }
    message_id first_message = ed->header.next_message;

    a->out.first_uid = m->record.is.uid_next;
    a->out.uid_validity = m->record.is.uid_validity;
    placer_begin(&placer, ed, m);
    for (size_t i = 0; i < a->count && e == ERR_OK; i++) {
        e = append_item(ed, &placer, &a->items[i]);
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

// ---- one message to many accounts ---------------------------------------------------------------

// Recipients whose commits share a sync.
#define DELIVER_AT_ONCE 32

struct delivery {
    struct store *store;
    const struct actor *by;
    struct incoming *message;
    struct edit *edits; // DELIVER_AT_ONCE
};

static struct append_item delivery_item(const struct delivery *d,
                                        const struct delivery_target *target)
{
    return (struct append_item){
        .message = d->message, .flags = target->flags, .internal_date = INT64_MIN};
}

static void deliver_alone(const struct delivery *d, struct delivery_target *target)
{
    struct append_item item = delivery_item(d, target);
    struct append_args a = {.mailbox = target->mailbox, .items = &item, .count = 1};

    target->result = store_edit(d->store, target->account, d->by, append_edit, &a, NULL);
    target->uid = a.out.first_uid;
}

// Makes the batch; the edit is open when the result is ERR_OK.
static void deliver_prepare(const struct delivery *d, struct delivery_target *target,
                            struct edit *ed)
{
    struct append_item item = delivery_item(d, target);
    struct append_args a = {.mailbox = target->mailbox, .items = &item, .count = 1};

    target->result = edit_begin(ed, d->store, target->account, d->by);
    if (target->result != ERR_OK) {
        return;
    }
    target->result = append_edit(ed, &a);
    if (target->result == ERR_OK) {
        target->result = edit_seal(ed);
    }
    target->uid = a.out.first_uid;
    view_end(&ed->view); // many snapshots at once help nobody
    if (target->result != ERR_OK) {
        edit_end(ed);
    }
}

// Without the accounts' locks: who is overtaken by another writer is done again with it.
static void deliver_group(const struct delivery *d, struct delivery_target *targets, size_t count)
{
    struct batch *batches[DELIVER_AT_ONCE];
    uint64_t expected[DELIVER_AT_ONCE];
    enum err results[DELIVER_AT_ONCE];
    size_t open[DELIVER_AT_ONCE], n = 0;

    for (size_t i = 0; i < count; i++) {
        deliver_prepare(d, &targets[i], &d->edits[i]);
        if (targets[i].result == ERR_OK) {
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
        edit_end(&d->edits[open[i]]);
    }
    for (size_t i = 0; i < count; i++) {
        if (targets[i].result == ERR_CONFLICT) {
            deliver_alone(d, &targets[i]);
        }
    }
}

enum err store_deliver(struct store *s, const struct actor *by, struct incoming *m,
                       struct delivery_target *targets, size_t count)
{
    struct delivery d = {.store = s, .by = by, .message = m};

    ASSERT(m->is_finished);
    if (m->failed != ERR_OK) {
        return m->failed;
    }
    if (count == 1) {
        deliver_alone(&d, targets);
        return targets->result;
    }
    d.edits = malloc(DELIVER_AT_ONCE * sizeof(*d.edits));
    if (!d.edits) {
        return ERR_NOMEM;
    }
    enum err worst = ERR_OK;

    for (size_t i = 0; i < count; i += DELIVER_AT_ONCE) {
        deliver_group(&d, targets + i, count - i < DELIVER_AT_ONCE ? count - i : DELIVER_AT_ONCE);
    }
    for (size_t i = 0; i < count; i++) {
        worst = targets[i].result != ERR_OK ? targets[i].result : worst;
    }
    free(d.edits);
    return worst;
}
