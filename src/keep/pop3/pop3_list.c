// SPDX-License-Identifier: Apache-2.0
//
// Sizes: nearly every message is stored with CR LF ends only, its summary says so, and its size is
// the one stored. The others are read once through the writer that RETR uses.
#include "keep/pop3/pop3_list.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "mime/mime_summary.h"
#include "wire/dot.h"

#include "base/banned.h"

#define PIECE_BYTES (64u << 10)
#define TURN_US     10000

// ---- opening ------------------------------------------------------------------------------------

static enum err list_fill(struct view *v, const struct mailbox *inbox, struct pop3_list *l)
{
    struct placement_scan *scan;
    struct placement p;
    enum err e = placement_scan_open(v, inbox->id, 1, UINT32_MAX, 0, &scan);

    if (e) {
        return e;
    }
    while (!(e = placement_next(scan, &p)) && l->n < inbox->exists) {
        l->items[l->n++] = (struct pop3_item){.uid = p.uid, .bytes = p.bytes};
    }
    placement_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err pop3_list_open(struct store *store, account_id account, struct pop3_list *out)
{
    const struct mailbox *inbox;
    struct pop3_list l = {0};
    struct view *v;
    enum err e = view_open(store, account, &v);

    if (e) {
        return e;
    }
    e = view_mailbox_by_name(v, SPAN("INBOX"), &inbox);
    if (!e) {
        l.mailbox = inbox->id;
        l.uid_validity = inbox->uid_validity;
        l.items = calloc((size_t)inbox->exists + 1, sizeof(*l.items));
        e = l.items ? list_fill(v, inbox, &l) : ERR_NOMEM;
    }
    view_close(v);
    if (e) {
        pop3_list_finish(&l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

void pop3_list_finish(struct pop3_list *l)
{
    free(l->items);
    *l = (struct pop3_list){0};
}

// ---- sizes --------------------------------------------------------------------------------------

static bool is_crlf(struct view *v, body_id body)
{
    struct mime_summary_facts facts;
    struct mime_summary summary;
    struct span bytes;

    return !body_summary(view_snapshot(v), body, &bytes) && !mime_summary_open(bytes, &summary) &&
           !mime_summary_facts(&summary, &facts) && facts.is_crlf;
}

// As RETR will send it.
static enum err measure(struct view *v, body_id body, uint64_t *out)
{
    struct buf in, sent;
    struct dot_writer w;
    uint64_t at = 0;
    enum err e;

    buf_init(&in, PIECE_BYTES);
    buf_init(&sent, dot_room(PIECE_BYTES) + 8);
    dot_writer_init(&w, DOT_MEND);
    do {
        buf_clear(&in);
        buf_clear(&sent);
        e = body_read(view_snapshot(v), body, at, PIECE_BYTES, &in);
        e = e ? e : dot_write(&w, buf_span(&in), &sent);
        at += in.n;
    } while (!e && in.n);
    e = e ? e : dot_write_end(&w, &sent);
    buf_finish(&in);
    buf_finish(&sent);
    *out = w.content_bytes;
    return e;
}

static void size_one(struct view *v, struct pop3_item *item, body_id body)
{
    uint64_t bytes;

    if (item->marks & POP3_SIZED) {
        return;
    }
    if (!is_crlf(v, body)) {
        enum err e = measure(v, body, &bytes);

        if (e) {
            log_error("pop3: a message could not be read: %s", err_name(e));
        }
        item->bytes = e ? item->bytes : bytes;
    }
    item->marks |= POP3_SIZED;
}

static enum err size_in_view(struct view *v, struct pop3_list *l)
{
    int64_t until_us = clock_monotonic_us() + TURN_US;
    struct placement_scan *scan;
    struct placement p;
    enum err e = placement_scan_open(v, l->mailbox, l->items[l->sized].uid, UINT32_MAX, 0, &scan);

    while (!e && l->sized < l->n && (e = placement_next(scan, &p)) == ERR_OK) {
        while (l->sized < l->n && l->items[l->sized].uid < p.uid) {
            l->sized++; // gone: its size stays what it was
        }
        if (l->sized < l->n && l->items[l->sized].uid == p.uid) {
            size_one(v, &l->items[l->sized++], p.body);
        }
        if (clock_monotonic_us() > until_us) {
            break;
        }
    }
    placement_scan_close(scan);
    if (e == ERR_NOT_FOUND) {
        l->sized = l->n;
    }
    return e && e != ERR_NOT_FOUND ? e : l->sized < l->n ? ERR_AGAIN : ERR_OK;
}

enum err pop3_list_size_some(struct store *store, account_id account, struct pop3_list *l)
{
    struct view *v;

    if (l->sized == l->n) {
        return ERR_OK;
    }
    enum err e = view_open(store, account, &v);

    if (e) {
        return e;
    }
    e = size_in_view(v, l);
    view_close(v);
    return e;
}

enum err pop3_list_find(struct view *v, struct pop3_list *l, uint32_t index, body_id *out)
{
    struct pop3_item *item = &l->items[index];
    struct placement_scan *scan;
    struct placement p;
    enum err e = placement_scan_open(v, l->mailbox, item->uid, item->uid, 0, &scan);

    if (e) {
        return e;
    }
    e = placement_next(scan, &p);
    placement_scan_close(scan);
    if (!e) {
        size_one(v, item, p.body);
        *out = p.body;
    }
    return e;
}

// ---- all of them --------------------------------------------------------------------------------

void pop3_list_totals(const struct pop3_list *l, uint32_t *out_n, uint64_t *out_bytes)
{
    *out_n = 0;
    *out_bytes = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        if (!(l->items[i].marks & POP3_DELETED)) {
            ++*out_n;
            *out_bytes += l->items[i].bytes;
        }
    }
}

enum err pop3_list_uids(const struct pop3_list *l, enum pop3_mark mark, struct arena *a,
                        struct uid_set *out)
{
    size_t marked = 0, n = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        marked += (l->items[i].marks & mark) != 0;
    }
    struct uid_range *ranges = arena_zalloc(a, marked + 1, sizeof(*ranges));

    if (!ranges) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < l->n; i++) {
        uint32_t uid = l->items[i].uid;

        if (!(l->items[i].marks & mark)) {
            continue;
        }
        if (n && ranges[n - 1].last + 1 == uid) {
            ranges[n - 1].last = uid;
        } else {
            ranges[n++] = (struct uid_range){uid, uid};
        }
    }
    *out = (struct uid_set){ranges, n};
    return ERR_OK;
}
