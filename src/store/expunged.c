// SPDX-License-Identifier: Apache-2.0
//
// Messages without a placement: listed, put back, forgotten.
#include "store/expunged.h"

#include <stdlib.h>

#include "store/store_internal.h"

#include "base/banned.h"

#define FORGET_AT_ONCE 20000

// ---- listing ------------------------------------------------------------------------------------

struct list_args {
    struct view *view;
    expunged_fn *fn;
    void *arg;
};

static enum err list_one(void *arg, struct span key, struct span value)
{
    const struct list_args *l = arg;
    struct message_record m;
    struct expunged out;

    (void)value;
    if (!key_read_expunged(key, &out.expunged_at, &out.message)) {
        return ERR_CORRUPT;
    }
    enum err e = view_message_record(l->view, out.message, &m);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    }
    out.body = m.body;
    out.mailbox_name = m.from_name;
    out.bytes = (uint32_t)m.bytes;
    return l->fn(l->arg, &out) ? ERR_OK : ERR_EOF;
}

enum err expunged_list(struct view *v, expunged_fn *fn, void *arg)
{
    struct list_args l = {.view = v, .fn = fn, .arg = arg};
    struct key prefix = key_plain(KEY_EXPUNGED);

    return view_each(v, &prefix, list_one, &l);
}

// ---- putting back -------------------------------------------------------------------------------

struct restore_args {
    const message_id *messages;
    size_t count;
    mailbox_id mailbox;
};

struct restore_item {
    message_id message;
    struct message_record record;
    struct edit_mailbox *to;
};

static enum err restore_target(struct edit *ed, const struct message_record *m, mailbox_id wanted,
                               struct edit_mailbox **out)
{
    mailbox_id id;

    if (wanted) {
        return edit_mailbox_with_messages(ed, wanted, out);
    }
    enum err e = edit_mailbox_with_messages(ed, m->from, out);

    if (e != ERR_NOT_FOUND) {
        return e;
    }
    // The mailbox has gone; perhaps there is another of that name, perhaps made a moment ago.
    for (struct edit_mailbox *b = ed->mailboxes; b; b = b->next) {
        if (span_eq(b->record.is.name, m->from_name) && !b->record.is.is_no_select) {
            *out = b;
            return ERR_OK;
        }
    }
    e = view_name_lookup(&ed->view, m->from_name, &id);
    e = e != ERR_OK ? e : edit_mailbox_with_messages(ed, id, out);
    return e == ERR_NOT_FOUND ? edit_make_mailbox(ed, m->from_name, 0, false, out) : e;
}

static int by_target(const void *a, const void *b)
{
    const struct restore_item *x = a, *y = b;
    mailbox_id p = x->to->record.is.id, q = y->to->record.is.id;

    if (p != q) {
        return p < q ? -1 : 1;
    }
    return x->message < y->message ? -1 : x->message > y->message;
}

// Loads the messages and finds where each goes; sorted by mailbox, doubles left in.
static enum err restore_plan(struct edit *ed, const struct restore_args *a,
                             struct restore_item *items)
{
    for (size_t i = 0; i < a->count; i++) {
        struct restore_item *item = &items[i];
        enum err e = view_message_record(&ed->view, a->messages[i], &item->record);

        if (e == ERR_OK && item->record.placements) {
            e = ERR_NOT_FOUND;
        }
        e = e != ERR_OK ? e : restore_target(ed, &item->record, a->mailbox, &item->to);
        if (e != ERR_OK) {
            return e;
        }
        item->message = a->messages[i];
    }
    qsort(items, a->count, sizeof(*items), by_target);
    return ERR_OK;
}

static enum err restore_keywords(struct edit *ed, const struct restore_item *item,
                                 struct keyword_set *out)
{
    struct span names[KEYWORDS_PER_MESSAGE_MAX], rest = item->record.keywords_packed;
    size_t n = 0;

    while (n < item->record.keyword_count && unpack_str(&rest, KEYWORD_BYTES_MAX, &names[n])) {
        n++;
    }
    return edit_keywords(ed, item->to, names, n, true, out);
}

static enum err restore_one(struct edit *ed, struct placer *placer, struct change_draft *log,
                            const struct restore_item *item)
{
    struct message_record m = item->record;
    struct key k = key_expunged(m.expunged_at, item->message);
    struct keyword_set keywords;
    struct placement p = {.flags = m.flags & (uint16_t)~FLAG_DELETED,
                          .zone_minutes = m.zone_minutes,
                          .message = item->message,
                          .body = m.body,
                          .internal_date = m.internal_date,
                          .saved = edit_now_s(ed),
                          .bytes = (uint32_t)m.bytes};
    enum err e = restore_keywords(ed, item, &keywords);

    keyword_set_to(&keywords, &p);
    e = e != ERR_OK ? e : placer_add(placer, &p);
    e = e != ERR_OK ? e : edit_delete(ed, &k);
    if (e != ERR_OK) {
        return e;
    }
    change_draft_add(log, p.uid, p.message, NULL);
    m.placements = 1;
    ed->header.expunged--;
    ed->header.expunged_bytes -= m.bytes;
    return edit_put_message(ed, item->message, &m);
}

// All items of one mailbox: [from, to).
static enum err restore_group(struct edit *ed, const struct restore_item *items, size_t count)
{
    struct placer placer;
    struct change_draft log;
    enum err e = ERR_OK;

    placer_begin(&placer, ed, items->to);
    change_draft_begin(&log, ed, CHANGE_RESTORED, items->to->record.is.id, 0);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        if (i == 0 || items[i].message != items[i - 1].message) {
            e = restore_one(ed, &placer, &log, &items[i]);
        }
    }
    e = e != ERR_OK ? e : placer_finish(&placer);
    return change_draft_end(&log, e);
}

static enum err restore_edit(struct edit *ed, void *arg)
{
    const struct restore_args *a = arg;
    struct restore_item *items = arena_zalloc(&ed->view.arena, a->count, sizeof(*items));
    enum err e = items ? restore_plan(ed, a, items) : ERR_NOMEM;

    for (size_t i = 0; i < a->count && e == ERR_OK;) {
        size_t n = 1;

        while (i + n < a->count && items[i + n].to == items[i].to) {
            n++;
        }
        e = restore_group(ed, items + i, n);
        i += n;
    }
    return e != ERR_OK ? e : edit_quota_check(ed, 0, 0); // the counts have them already
}

enum err expunged_restore(struct store *s, account_id account, const struct actor *by,
                          const message_id *messages, size_t count, mailbox_id mailbox)
{
    struct restore_args a = {.messages = messages, .count = count, .mailbox = mailbox};

    return count ? store_edit(s, account, by, restore_edit, &a, NULL) : ERR_OK;
}

// ---- forgetting ---------------------------------------------------------------------------------

struct forget_args {
    int64_t before_s;
    size_t limit;
    struct edit *ed;
    uint64_t count;
    bool more;
};

static enum err forget_one(void *arg, struct span key, struct span value)
{
    struct forget_args *a = arg;
    struct edit *ed = a->ed;
    struct message_record m;
    int64_t when;
    message_id id;

    (void)value;
    if (!key_read_expunged(key, &when, &id)) {
        return ERR_CORRUPT;
    }
    if (when >= a->before_s) {
        return ERR_EOF;
    }
    if (a->count == a->limit) {
        a->more = true;
        return ERR_EOF;
    }
    struct key k = key_u64(KEY_MESSAGE, id);
    enum err e = view_message_record(&ed->view, id, &m);

    if (e != ERR_OK || m.placements) {
        return e == ERR_OK || e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    }
    e = edit_thread_leave(ed, &m);
    e = e != ERR_OK ? e : batch_delete(ed->batch, key);
    e = e != ERR_OK ? e : edit_delete(ed, &k);
    e = e != ERR_OK ? e : batch_drop_body(ed->batch, m.body);
    ed->header.expunged--;
    ed->header.expunged_bytes -= m.bytes;
    a->count++;
    return e;
}

static enum err forget_edit(struct edit *ed, void *arg)
{
    struct forget_args *a = arg;
    struct key prefix = key_plain(KEY_EXPUNGED);

    a->ed = ed;
    a->count = 0;
    a->more = false;
    enum err e = view_each(&ed->view, &prefix, forget_one, a);

    if (e != ERR_OK || a->count == 0) {
        return e;
    }
    struct change c = {.kind = CHANGE_FORGOTTEN, .value = a->count};

    return change_put(ed, &c);
}

enum err expunged_forget(struct store *s, account_id account, int64_t before_s, size_t limit,
                         bool *out_more)
{
    struct actor by = {.kind = ACTOR_SYSTEM};
    struct forget_args a = {.before_s = before_s,
                            .limit = limit < FORGET_AT_ONCE ? limit : FORGET_AT_ONCE};
    enum err e = store_edit(s, account, &by, forget_edit, &a, NULL);

    if (e == ERR_OK) {
        *out_more = a.more;
    }
    return e;
}
