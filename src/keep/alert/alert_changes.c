// SPDX-License-Identifier: Apache-2.0
//
// The change log, read for alerts: what each record counts for.
#include "base/encode.h"
#include "base/log.h"
#include "keep/alert/alert_watch_internal.h"
#include "store/change.h"
#include "store/mailbox.h"

#include "base/banned.h"

#define BACK_RECORDS_MAX 20000

// "the administrator (hilde@example.org)", or the owner's device or program.
static struct span by_whom(struct look *l, const struct actor *by)
{
    struct buf text;

    buf_init(&text, ALERT_TEXT_BYTES_MAX);
    if (by->kind == ACTOR_ADMIN) {
        buf_put_str(&text, "the administrator");
    }
    if (by->device.n) {
        buf_printf(&text, text.n ? " %.*s" : "%.*s", SPAN_ARG(by->device));
    }
    if (by->origin.n) {
        buf_printf(&text, text.n ? ", from %.*s" : "from %.*s", SPAN_ARG(by->origin));
    }
    struct span kept = arena_dup(l->arena, buf_span(&text));

    buf_finish(&text);
    return kept.p ? kept : SPAN("");
}

static void counted(struct look *l, enum alert_kind kind, const struct change *c, uint64_t count)
{
    look_found(l, &(struct alert){.kind = kind,
                                  .trigger = c->number,
                                  .when_ms = c->when_ms,
                                  .count = count,
                                  .by = by_whom(l, &c->by),
                                  .words = kind == ALERT_FOLDERS ? c->before : SPAN("")});
}

static uint8_t uses_of(struct view *v, mailbox_id id)
{
    const struct mailbox *m;

    return id && view_mailbox(v, id, &m) == ERR_OK ? m->special_use : 0;
}

// Messages that the owner's client has deleted: expunged, or put into the folder for that. What
// leaves that folder, or the one for junk, was deleted before.
static uint64_t deleted_by(struct view *v, const struct change *c)
{
    bool was_rubbish = uses_of(v, c->mailbox) & (USE_TRASH | USE_JUNK);

    if (was_rubbish ||
        (c->kind == CHANGE_MOVED_OUT && !(uses_of(v, c->other_mailbox) & USE_TRASH))) {
        return 0;
    }
    uint64_t n = 0;

    for (size_t i = 0; i < c->uids.count; i++) {
        n += (uint64_t)c->uids.ranges[i].last - c->uids.ranges[i].first + 1;
    }
    return n;
}

// A rename of a folder with others in it is one deed, and one entry.
static uint64_t folders_by(const struct change *c, modseq *last)
{
    if (c->kind == CHANGE_MAILBOX_RENAMED && *last == c->number) {
        return 0;
    }
    *last = c->number;
    return 1;
}

struct reading {
    struct look *look;
    struct view *view;
    modseq last_folders;
    bool is_counting_only; // nothing is found: it was looked at before
};

static void count(struct reading *r, const struct change *c, struct alert_meter *m,
                  enum alert_kind kind, uint64_t by, uint64_t limit)
{
    if (by == 0) {
        return;
    }
    uint64_t sum = alert_meter_add(m, r->look->w->o.rules.window_ms, c->when_ms, by);

    if (sum >= limit) {
        alert_meter_clear(m);
        if (!r->is_counting_only) {
            counted(r->look, kind, c, sum);
        }
    }
}

static void take_device(struct look *l, const struct change *c)
{
    struct span name = c->after;

    // store/access/device.c: device "NAME" added
    if (!span_starts(name, SPAN("device \"")) || !span_ends(name, SPAN("\" added"))) {
        return;
    }
    name = span_of(name.p + 8, name.n - 8 - 7);
    look_found(l, &(struct alert){.kind = ALERT_DEVICE,
                                  .trigger = c->number,
                                  .when_ms = c->when_ms,
                                  .device = name,
                                  .by = by_whom(l, &c->by)});
}

static void take_account(struct look *l, const struct change *c)
{
    // store/access/totp_row.c; auth/read_as.c
    if (span_eq(c->after, SPAN("second factor: removed"))) {
        counted(l, ALERT_SECOND_FACTOR, c, 0);
    } else if (c->by.kind == ACTOR_ADMIN && span_starts(c->after, SPAN("opened the "))) {
        look_found(l, &(struct alert){.kind = ALERT_OPENED,
                                      .trigger = c->number,
                                      .when_ms = c->when_ms,
                                      .words = span_skip(c->after, 7),
                                      .by = c->by.origin});
    }
}

static void take_rules(struct look *l, const struct change *c)
{
    l->rules_changed = true;
    l->rules_by = by_whom(l, &c->by);
    l->rules_ms = c->when_ms;
    l->rules_number = c->number;
}

static void take(struct reading *r, const struct change *c)
{
    const struct alert_settings *o = &r->look->w->o.rules;
    struct seen *s = r->look->seen;

    switch (c->kind) {
    case CHANGE_MAILBOX_DELETED:
    case CHANGE_MAILBOX_RENAMED:
        if (c->by.kind == ACTOR_USER) {
            count(r, c, &s->folders, ALERT_FOLDERS, folders_by(c, &r->last_folders), o->folders);
        }
        break;
    case CHANGE_EXPUNGED:
    case CHANGE_MOVED_OUT:
        if (c->by.kind == ACTOR_USER) {
            count(r, c, &s->deleted, ALERT_DELETION, deleted_by(r->view, c), o->deleted);
        }
        break;
    case CHANGE_DEVICE:
        if (!r->is_counting_only) {
            take_device(r->look, c);
        }
        break;
    case CHANGE_ACCOUNT:
        if (!r->is_counting_only) {
            take_account(r->look, c);
        }
        break;
    case CHANGE_RULES:
        if (!r->is_counting_only && c->by.kind != ACTOR_DELIVERY) {
            take_rules(r->look, c);
        }
        break;
    default:
        break;
    }
}

enum err look_at_changes(struct look *l, struct view *v, bool *out_more)
{
    struct reading r = {.look = l, .view = v};
    struct change_scan *scan;
    struct change c;
    size_t n = 0;
    enum err e = change_scan_open(v, l->seen->cursor.seen, false, &scan);

    *out_more = false;
    if (e != ERR_OK) {
        return e;
    }
    while ((e = change_next(scan, &c)) == ERR_OK) {
        // An entry is taken whole; one more than enough of them ends the look before it.
        if ((n >= RECORDS_MAX || l->found_n + 2 >= FOUND_MAX) && c.number > l->seen->cursor.seen) {
            *out_more = true;
            break;
        }
        n++;
        l->seen->cursor.seen = c.number;
        take(&r, &c);
    }
    change_scan_close(scan);
    l->seen->is_unsaved |= n > 0;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// The number of the first entry within the window before the newest that was looked at.
static enum err window_begin(struct look *l, struct view *v, modseq *out)
{
    struct change_scan *scan;
    struct change c;
    int64_t newest_ms = 0;
    modseq begin = l->seen->cursor.seen;
    size_t n = 0;
    enum err e = change_scan_open(v, 0, true, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while (n < BACK_RECORDS_MAX && (e = change_next(scan, &c)) == ERR_OK) {
        if (c.number > l->seen->cursor.seen) {
            continue;
        }
        newest_ms = newest_ms ? newest_ms : c.when_ms;
        if (newest_ms - c.when_ms > l->w->o.rules.window_ms) {
            break;
        }
        begin = c.number - 1;
        n++;
    }
    change_scan_close(scan);
    *out = begin;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err look_back(struct look *l, struct view *v)
{
    struct reading r = {.look = l, .view = v, .is_counting_only = true};
    struct change_scan *scan;
    struct change c;
    modseq from;
    enum err e = window_begin(l, v, &from);

    e = e == ERR_OK ? change_scan_open(v, from, false, &scan) : e;
    if (e != ERR_OK) {
        return e;
    }
    while ((e = change_next(scan, &c)) == ERR_OK && c.number <= l->seen->cursor.seen) {
        take(&r, &c);
    }
    change_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}
