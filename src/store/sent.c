// SPDX-License-Identifier: Apache-2.0
#include "store/sent.h"

#include "base/clock.h"
#include "mime/mime_header.h"
#include "store/rules.h"

#include "base/banned.h"

#define HEADER_BYTES_MAX 32768 // of a message that is looked at
#define KNOWN_S          3600
#define ID_BYTES_MAX     900
#define ARENA_BYTES_MAX  (1u << 20)

static struct span memory(struct buf *out, const char *kind, struct span id)
{
    buf_clear(out);
    buf_put_str(out, kind);
    buf_put(out, id);
    return buf_span(out);
}

static struct span filed(struct buf *out, struct span id)
{
    return memory(out, "filed in Sent ", id);
}

// ---- looking ------------------------------------------------------------------------------------

static const struct mailbox *sent_mailbox(struct view *v)
{
    const struct mailbox *const *all;
    size_t n;

    if (view_mailboxes(v, &all, &n) != ERR_OK) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (all[i]->special_use & USE_SENT && !all[i]->is_no_select) {
            return all[i];
        }
    }
    return NULL;
}

// Sets the Message-ID, which lies in `room`; empty: it has none, or cannot be read.
static enum err look_at(struct view *v, body_id body, struct buf *room, struct span *out_id,
                        bool *out_is_filed)
{
    buf_clear(room);
    enum err e = body_read(view_snapshot(v), body, 0, HEADER_BYTES_MAX, room);
    struct span text = buf_span(room);

    *out_is_filed = span_starts_nocase(text, SPAN("Received:"));
    *out_id = span_first(span_trim(mime_header_get(text, SPAN("Message-ID"))), ID_BYTES_MAX);
    return e;
}

struct search {
    mailbox_id mailbox;
    struct span id;
    uint32_t but_uid;
    bool is_filed; // by the server, or not
};

// The UID of the newest that fits, or 0.
static enum err search(struct view *v, const struct search *s, uint32_t *out_uid)
{
    struct placement_scan *scan;
    const struct mailbox *mailbox;
    struct placement p;
    struct span id;
    struct buf room;
    bool is_filed;

    *out_uid = 0;
    enum err e = view_mailbox(v, s->mailbox, &mailbox);
    uint32_t last = e == ERR_OK ? mailbox->uid_next - 1 : 0;

    e = e == ERR_OK ? placement_scan_open(v, s->mailbox,
                                          last > SENT_LOOKED_AT ? last - SENT_LOOKED_AT + 1 : 1,
                                          UINT32_MAX, 0, &scan)
                    : e;
    if (e != ERR_OK) {
        return e;
    }
    buf_init(&room, HEADER_BYTES_MAX);
    while ((e = placement_next(scan, &p)) == ERR_OK) {
        if (p.uid != s->but_uid && look_at(v, p.body, &room, &id, &is_filed) == ERR_OK &&
            is_filed == s->is_filed && span_eq(id, s->id)) {
            *out_uid = p.uid;
        }
    }
    buf_finish(&room);
    placement_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err search_in(struct store *s, account_id account, const struct search *what,
                          uint32_t *out_uid)
{
    struct view *v;
    enum err e = view_open(s, account, &v);

    if (e == ERR_OK) {
        e = search(v, what, out_uid);
        view_close(v);
    }
    return e;
}

// ---- of two, one goes ---------------------------------------------------------------------------

// Both who put a copy there may look at the same time: it is done once.
static enum err remove_filed(struct store *s, account_id account, const struct actor *by,
                             mailbox_id mailbox, uint32_t uid, struct span id)
{
    struct uid_range range = {uid, uid};
    struct uid_set uids = {&range, 1}, gone;
    struct arena arena;
    struct buf what;
    modseq version;
    bool is_first = false;

    buf_init(&what, ID_BYTES_MAX + 64);
    enum err e =
        rules_remember(s, account, memory(&what, "gave way in Sent ", id),
                       SPAN("a mail program put its own copy into Sent; the server's goes"),
                       clock_real_s() + KNOWN_S, &is_first);

    buf_finish(&what);
    if (e != ERR_OK || !is_first) {
        return e;
    }
    arena_init(&arena, ARENA_BYTES_MAX);
    e = placement_expunge(s, account, by, mailbox, &uids, true, &arena, &gone, &version);
    arena_finish(&arena);
    return e;
}

static enum err id_of(struct store *s, account_id account, mailbox_id mailbox, uint32_t uid,
                      struct buf *room, struct span *out)
{
    struct placement_scan *scan;
    struct placement p;
    struct view *v;
    bool is_filed = true;
    enum err e = view_open(s, account, &v);

    *out = SPAN("");
    if (e != ERR_OK) {
        return e;
    }
    e = placement_scan_open(v, mailbox, uid, uid, 0, &scan);
    if (e == ERR_OK) {
        e = placement_next(scan, &p);
        placement_scan_close(scan);
    }
    e = e == ERR_OK ? look_at(v, p.body, room, out, &is_filed) : e;
    *out = is_filed ? SPAN("") : *out;
    view_close(v);
    return e;
}

enum err sent_give_way(struct store *s, account_id account, const struct actor *by,
                       mailbox_id mailbox, uint32_t uid)
{
    struct buf room, what;
    struct search other = {.mailbox = mailbox, .but_uid = uid, .is_filed = true};
    uint32_t found = 0;
    bool is_known = false;

    buf_init(&room, HEADER_BYTES_MAX);
    buf_init(&what, ID_BYTES_MAX + 64);
    enum err e = id_of(s, account, mailbox, uid, &room, &other.id);

    if (e == ERR_OK && other.id.n) {
        e = rules_is_remembered(s, account, filed(&what, other.id), &is_known);
    }
    if (e == ERR_OK && is_known) {
        e = search_in(s, account, &other, &found);
    }
    if (e == ERR_OK && found) {
        e = remove_filed(s, account, by, mailbox, found, other.id);
    }
    buf_finish(&what);
    buf_finish(&room);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// ---- filing -------------------------------------------------------------------------------------

// Where it goes, and whether one is there already.
static enum err look_before(struct store *s, account_id account, struct span id,
                            mailbox_id *out_mailbox, uint32_t *out_there)
{
    struct view *v;
    enum err e = view_open(s, account, &v);

    if (e != ERR_OK) {
        return e;
    }
    const struct mailbox *mailbox = sent_mailbox(v);

    *out_mailbox = mailbox ? mailbox->id : 0;
    *out_there = 0;
    if (mailbox && id.n) {
        struct search own = {.mailbox = mailbox->id, .id = id};

        e = search(v, &own, out_there);
    }
    view_close(v);
    return e;
}

enum err sent_file(struct store *s, account_id account, const struct actor *by, struct incoming *m,
                   struct span msgid)
{
    struct delivery_copy copy = {
        .name = SPAN("Sent"), .is_created = true, .special_use = USE_SENT, .flags = FLAG_SEEN};
    struct delivery_target t = {.account = account,
                                .copies = &copy,
                                .copy_count = 1,
                                .once_until_s = clock_real_s() + KNOWN_S,
                                .words = SPAN("a copy of a sent message")};
    struct search own = {.id = span_first(span_trim(msgid), ID_BYTES_MAX)};
    struct buf what;
    uint32_t there = 0;
    enum err e = look_before(s, account, own.id, &copy.mailbox, &there);

    if (e != ERR_OK || there) {
        return e;
    }
    buf_init(&what, ID_BYTES_MAX + 64);
    if (own.id.n) {
        t.once = filed(&what, own.id);
    }
    e = store_deliver(s, by, m, SPAN(""), &t, 1);
    e = e == ERR_OK ? t.result : e;
    buf_finish(&what);
    if (e != ERR_OK || t.was_there || !own.id.n) {
        return e;
    }
    own.mailbox = copy.stored;
    own.but_uid = copy.uid;
    if (search_in(s, account, &own, &there) == ERR_OK && there) {
        remove_filed(s, account, by, copy.stored, copy.uid, own.id);
    }
    return ERR_OK;
}
