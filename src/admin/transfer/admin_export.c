// SPDX-License-Identifier: Apache-2.0
//
// export: hands an account's mailboxes and messages to the asker.
//
//     {"mailbox":..,"special_use":[..],"subscribed":bool,"messages":n}
//     {"message":uid,"bytes":n,"flags":n,"keywords":[..],"date":n,"zone":n} and its bytes
//     {"lost":uid,"why":..}   instead of the bytes, or instead of the rest of them
//
// A bounded piece is copied out of a view, the view closed, the piece sent: whoever reads slowly
// holds nothing. Messages that arrive meanwhile are left out, those that go may be missing.
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "store/placement.h"

#include "base/banned.h"

#define PIECE_BYTES    (1u << 20)
#define BATCH_MESSAGES 256

struct exported {
    uint32_t uid;
    body_id body;
    uint64_t bytes;
    json_t *item;
};

struct export
{
    struct admin_call *call;
    account_id account;
    struct exported batch[BATCH_MESSAGES];
    size_t batch_count;
    uint64_t done, total, lost;
    uint64_t bytes; // handed out
    struct buf piece;
};

static json_t *keywords_json(const struct placement *p, const struct span *names, size_t count)
{
    json_t *out = json_array();

    for (size_t i = 0; i < 64 && i < count; i++) {
        if (p->keywords & (1ull << i)) {
            json_array_append_new(out, admin_json_text(names[i]));
        }
    }
    for (size_t i = 0; i < p->more_keyword_count; i++) {
        if (p->more_keywords[i] < count) {
            json_array_append_new(out, admin_json_text(names[p->more_keywords[i]]));
        }
    }
    return out;
}

static json_t *message_json(const struct placement *p, const struct span *names, size_t count)
{
    return json_pack("{s:I, s:I, s:i, s:o, s:I, s:i}", "message", (json_int_t)p->uid, "bytes",
                     (json_int_t)p->bytes, "flags", (int)p->flags, "keywords",
                     keywords_json(p, names, count), "date", (json_int_t)p->internal_date, "zone",
                     (int)p->zone_minutes);
}

// The next messages with a UID in [from, to].
static enum err batch_read(struct export *x, mailbox_id mailbox, uint32_t from, uint32_t to)
{
    struct placement_scan *scan;
    const struct span *names;
    struct placement p;
    struct view *v;
    size_t count;
    enum err e = view_open(x->call->admin->store, x->account, &v);

    x->batch_count = 0;
    if (e != ERR_OK) {
        return e;
    }
    e = view_keywords(v, mailbox, &names, &count);
    if (e == ERR_OK) {
        e = placement_scan_open(v, mailbox, from, to, 0, &scan);
    }
    if (e == ERR_OK) {
        while (x->batch_count < BATCH_MESSAGES && (e = placement_next(scan, &p)) == ERR_OK) {
            x->batch[x->batch_count++] =
                (struct exported){p.uid, p.body, p.bytes, message_json(&p, names, count)};
        }
        placement_scan_close(scan);
    }
    view_close(v);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static void batch_clear(struct export *x)
{
    for (size_t i = 0; i < x->batch_count; i++) {
        json_decref(x->batch[i].item);
    }
    x->batch_count = 0;
}

// A piece of a body into x->piece, under a view of its own.
static enum err piece_read(struct export *x, body_id body, uint64_t at)
{
    struct view *v;
    enum err e = view_open(x->call->admin->store, x->account, &v);

    buf_clear(&x->piece);
    if (e == ERR_OK) {
        e = body_read(view_snapshot(v), body, at, PIECE_BYTES, &x->piece);
        view_close(v);
    }
    return e;
}

static enum err message_send(struct export *x, struct exported *m)
{
    enum err e = admin_item(x->call, json_incref(m->item));

    for (uint64_t at = 0; at < m->bytes && e == ERR_OK;) {
        enum err got = piece_read(x, m->body, at);

        if (got == ERR_OK && x->piece.n == 0) {
            got = ERR_NOT_FOUND;
        }
        if (got != ERR_OK) {
            x->lost++;
            return admin_item(x->call,
                              json_pack("{s:I, s:s}", "lost", (json_int_t)m->uid, "why",
                                        got == ERR_NOT_FOUND ? "deleted meanwhile"
                                        : got == ERR_CORRUPT ? "damaged on the disk: run "
                                                               "mailkeep check --read-bodies"
                                                             : err_name(got)));
        }
        e = admin_data(x->call, span_first(buf_span(&x->piece), m->bytes - at));
        at += x->piece.n;
        x->bytes += x->piece.n;
    }
    return e;
}

static enum err mailbox_send(struct export *x, const struct mailbox *m)
{
    uint32_t from = 1;
    enum err e = admin_item(
        x->call, json_pack("{s:o, s:b, s:I}", "mailbox", admin_json_text(m->name), "subscribed",
                           m->is_subscribed, "messages", (json_int_t)m->exists));

    while (e == ERR_OK && from < m->uid_next) {
        e = batch_read(x, m->id, from, m->uid_next - 1);
        size_t count = x->batch_count;

        for (size_t i = 0; i < count && e == ERR_OK; i++) {
            e = admin_is_cancelled(x->call)
                    ? admin_fail(x->call, ERR_UNAVAILABLE, "The server is stopping.")
                    : message_send(x, &x->batch[i]);
            admin_progress(x->call, ++x->done, x->total, NULL);
        }
        from = count > 0 ? x->batch[count - 1].uid + 1 : UINT32_MAX;
        if (count < BATCH_MESSAGES) {
            from = UINT32_MAX;
        }
        batch_clear(x);
    }
    // The mailbox was deleted meanwhile: what was sent of it stays sent.
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// The mailboxes to export, copied: views come and go later.
static enum err mailboxes_pick(struct export *x, struct span only, struct mailbox **out,
                               size_t *out_count)
{
    const struct mailbox *const *boxes;
    struct view *v;
    size_t count = 0, kept = 0;
    struct span name = {"", 0};
    const char *reason = NULL;
    enum err e = view_open(x->call->admin->store, x->account, &v);

    if (e != ERR_OK) {
        return e;
    }
    if (only.n > 0 && mailbox_name_check(&x->call->arena, only, &name, &reason) != ERR_OK) {
        name = only;
    }
    e = view_mailboxes(v, &boxes, &count);
    struct mailbox *items = e == ERR_OK ? calloc(count + 1, sizeof(*items)) : NULL;

    for (size_t i = 0; items && i < count; i++) {
        if (!boxes[i]->is_no_select && (only.n == 0 || span_eq(boxes[i]->name, name))) {
            items[kept] = *boxes[i];
            items[kept].name = arena_dup(&x->call->arena, boxes[i]->name);
            x->total += boxes[i]->exists;
            kept += items[kept].name.p != NULL;
        }
    }
    if (e == ERR_OK && only.n > 0 && kept == 0) {
        e = admin_no_mailbox(x->call, v, name);
    }
    view_close(v);
    *out = items;
    *out_count = kept;
    return e == ERR_OK && !items ? ERR_NOMEM : e;
}

enum err admin_export(struct admin_call *c)
{
    struct export *x = calloc(1, sizeof(*x));
    struct mailbox *boxes = NULL;
    struct account account;
    size_t count = 0;

    if (!x) {
        return ERR_NOMEM;
    }
    x->call = c;
    buf_init(&x->piece, PIECE_BYTES);
    enum err e = admin_account(c, &account);

    if (e == ERR_OK) {
        x->account = account.id;
        e = mailboxes_pick(x, admin_text(c, "mailbox"), &boxes, &count);
    }
    if (e == ERR_OK && c->may_everything) { // others have been noted by the check
        e = admin_note_reading(c, account.id, "export");
    }
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = mailbox_send(x, &boxes[i]);
    }
    if (x->bytes && c->admin->mail_read) {
        c->admin->mail_read(c->admin->arg, account.id, admin_actor(c, ACTOR_ADMIN).origin,
                            x->bytes);
    }
    c->outcome->result = json_pack("{s:I, s:I, s:I}", "mailboxes", (json_int_t)count, "messages",
                                   (json_int_t)(x->done - x->lost), "lost", (json_int_t)x->lost);
    batch_clear(x);
    free(boxes);
    buf_finish(&x->piece);
    free(x);
    return e;
}
