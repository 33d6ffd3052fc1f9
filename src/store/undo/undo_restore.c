// SPDX-License-Identifier: Apache-2.0
//
// Bringing expunged messages back with the flags they had when they went, also those of which
// another mailbox still has a copy.
#include "store/undo/undo_internal.h"

#include "base/banned.h"

struct restore {
    mailbox_id to;
    struct undo_item *items; // in order of message
    size_t count;
    struct message_record *records; // of the items
    struct edit_mailbox *box;
    struct placer placer;
    struct change_draft log;
};

static struct undo_item *find_item(struct restore *r, message_id id)
{
    size_t low = 0, high = r->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (r->items[middle].message < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < r->count && r->items[low].message == id ? &r->items[low] : NULL;
}

// The dates of messages that still have a placement somewhere: a copy of them was removed, and the
// other was not. Into the first item of each.
static enum err find_dates(struct edit *ed, struct restore *r)
{
    const struct mailbox *const *all;
    size_t n;
    enum err e = view_mailboxes(&ed->view, &all, &n);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct placement_scan *scan;
        struct placement one;

        e = placement_scan_open(&ed->view, all[i]->id, 1, UINT32_MAX, 0, &scan);
        if (e != ERR_OK) {
            break;
        }
        while ((e = placement_next(scan, &one)) == ERR_OK) {
            struct undo_item *item = find_item(r, one.message);

            if (item) {
                item->date = one.internal_date;
                item->zone_minutes = one.zone_minutes;
            }
        }
        placement_scan_close(scan);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    return e;
}

static enum err load(struct edit *ed, struct restore *r)
{
    bool any_there = false;

    r->records = arena_zalloc(&ed->view.arena, r->count, sizeof(*r->records));
    for (size_t i = 0; r->records && i < r->count; i++) {
        struct undo_item *item = &r->items[i];
        struct message_record *m = &r->records[i];
        enum err e = view_message_record(&ed->view, item->message, m);

        item->is_missing = e == ERR_NOT_FOUND;
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            return e;
        }
        any_there |= e == ERR_OK && m->placements > 0;
        item->date = m->placements ? m->sent : m->internal_date;
        item->zone_minutes = m->placements ? 0 : m->zone_minutes;
    }
    return !r->records ? ERR_NOMEM : any_there ? find_dates(ed, r) : ERR_OK;
}

static enum err keywords_of(struct edit *ed, struct restore *r, const struct undo_item *item,
                            const struct message_record *m, struct keyword_set *out)
{
    struct span names[KEYWORDS_PER_MESSAGE_MAX], rest = m->keywords_packed;
    size_t n = 0;

    if (item->has_keywords) {
        return edit_keywords(ed, r->box, item->keywords, item->keyword_count, true, out);
    }
    while (m->placements == 0 && n < m->keyword_count &&
           unpack_str(&rest, KEYWORD_BYTES_MAX, &names[n])) {
        n++;
    }
    return edit_keywords(ed, r->box, names, n, true, out);
}

static enum err message_gains(struct edit *ed, message_id id, struct message_record m,
                              uint32_t placements)
{
    struct key k = key_expunged(m.expunged_at, id);
    enum err e = ERR_OK;

    if (m.placements == 0) {
        e = edit_delete(ed, &k);
        ed->header.expunged--;
        ed->header.expunged_bytes -= m.bytes;
    }
    m.placements += placements;
    return e == ERR_OK ? edit_put_message(ed, id, &m) : e;
}

static enum err restore_one(struct edit *ed, struct restore *r, const struct undo_item *item,
                            const struct undo_item *first, const struct message_record *m)
{
    struct keyword_set keywords;
    struct placement p = {.flags = item->flags,
                          .zone_minutes = first->zone_minutes,
                          .message = item->message,
                          .body = m->body,
                          .internal_date = first->date,
                          .saved = edit_now_s(ed),
                          .bytes = (uint32_t)m->bytes};
    enum err e = keywords_of(ed, r, item, m, &keywords);

    if (e != ERR_OK) {
        return e;
    }
    keyword_set_to(&keywords, &p);
    e = placer_add(&r->placer, &p);
    if (e == ERR_OK) {
        change_draft_add(&r->log, p.uid, p.message, NULL);
    }
    return e;
}

// The items from `i` on of one message, which may have been in the mailbox more than once.
static enum err restore_message(struct edit *ed, struct restore *r, size_t i, size_t *out_n)
{
    struct undo_item *first = &r->items[i];
    enum err e = ERR_OK;
    size_t n = 0;

    while (i + n < r->count && r->items[i + n].message == first->message && e == ERR_OK) {
        e = first->is_missing ? ERR_OK
                              : restore_one(ed, r, &r->items[i + n], first, &r->records[i]);
        n++;
    }
    *out_n = n;
    return e != ERR_OK || first->is_missing
               ? e
               : message_gains(ed, first->message, r->records[i], (uint32_t)n);
}

static enum err restore_edit(struct edit *ed, void *arg)
{
    struct restore *r = arg;
    enum err e = edit_mailbox_with_messages(ed, r->to, &r->box);

    if (e != ERR_OK) {
        return e;
    }
    e = load(ed, r);
    if (e != ERR_OK) {
        return e;
    }
    placer_begin(&r->placer, ed, r->box);
    change_draft_begin(&r->log, ed, CHANGE_RESTORED, r->to, 0);
    for (size_t i = 0, n = 1; i < r->count && e == ERR_OK; i += n) {
        e = restore_message(ed, r, i, &n);
    }
    e = e == ERR_OK ? placer_finish(&r->placer) : e;
    e = change_draft_end(&r->log, e);
    return e == ERR_OK ? edit_quota_check(ed, 0, 0) : e; // the counts have them already
}

enum err undo_restore(struct store *s, account_id account, const struct actor *by, mailbox_id to,
                      struct undo_item *items, size_t count)
{
    struct restore r = {.to = to, .items = items, .count = count};

    return store_edit(s, account, by, restore_edit, &r, NULL);
}
