// SPDX-License-Identifier: Apache-2.0
//
// The server's copy of what was sent (append.h): filing it, and taking it away for the program's.
//
// That a copy is the server's is known by a record of its own (docs/format/store.md, `w`), which
// names the copy by mailbox and UID. No client can write one, and a UID is never given twice: what
// is moved, copied or appended is never taken for a copy of the server's.
#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

#include "base/log.h"
#include "mime/mime_header.h"
#include "mime/mime_msgid.h"
#include "mime/mime_summary.h"
#include "store/sent_internal.h"

#include "base/banned.h"

#define RECORD_BYTES_MAX 64
#define LINES_BYTES_MAX  65536
#define CARRIED          (FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED)

// ---- Message-IDs --------------------------------------------------------------------------------

size_t sent_id_of(struct span header, char *room)
{
    struct span rest = mime_header_get(header, SPAN("Message-ID")), id;
    size_t n = 0;

    if (!rest.p || !mime_msgid_next(&rest, &id)) {
        return 0;
    }
    for (size_t i = 0; i < id.n; i++) {
        if (byte_is_space(id.p[i])) { // a fold
            continue;
        }
        if (n == SENT_ID_BYTES_MAX) {
            return 0;
        }
        room[n++] = id.p[i];
    }
    return n;
}

static struct span id_of(const struct incoming *m)
{
    return span_of(m->sent_id, m->sent_id_bytes);
}

// Whether a stored message has it. A summary that cannot be read, or has no room for the header,
// is of another message: at worst there are two copies.
static enum err has_id(struct edit *ed, body_id body, struct span id, bool *out)
{
    char room[SENT_ID_BYTES_MAX];
    struct mime_summary summary;
    struct span bytes;
    struct buf lines;
    enum err e = body_summary(ed->view.snapshot, body, &bytes);

    *out = false;
    if (e == ERR_NOMEM || e == ERR_IO) {
        return e;
    }
    if (e != ERR_OK || mime_summary_open(bytes, &summary) != ERR_OK) {
        return ERR_OK;
    }
    buf_init(&lines, LINES_BYTES_MAX);
    if (mime_summary_fields(&summary, mime_fields_bit(SPAN("Message-ID")), &lines) == ERR_OK) {
        *out = span_eq(span_of(room, sent_id_of(buf_span(&lines), room)), id);
    }
    buf_finish(&lines);
    return ERR_OK;
}

// Whether one of the newest messages has it.
static enum err is_there(struct edit *ed, const struct edit_mailbox *m, struct span id, bool *out)
{
    uint32_t next = m->record.is.uid_next, first = next > SENT_LOOK ? next - SENT_LOOK : 1;
    int64_t since = edit_now_s(ed) - SENT_SECONDS;
    struct placement_scan *scan;
    struct placement p;

    *out = false;
    if (!id.n || !m->record.is.exists) {
        return ERR_OK;
    }
    enum err e = placement_scan_open(&ed->view, m->record.is.id, first, next - 1, 0, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while (e == ERR_OK && !*out && (e = placement_next(scan, &p)) == ERR_OK) {
        e = p.saved >= since ? has_id(ed, p.body, id, out) : ERR_OK;
    }
    placement_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// ---- the record ---------------------------------------------------------------------------------

static struct key record_key(struct span id)
{
    char what[SENT_ID_BYTES_MAX + 16];
    struct pack p = {.p = what, .cap = sizeof(what)};

    pack_str(&p, SPAN("filed as sent"));
    memcpy(what + p.n, id.p, id.n);
    return key_u64(KEY_REMEMBERED, XXH3_64bits(what, p.n + id.n));
}

static enum err put_record(struct edit *ed, struct span id, mailbox_id mailbox, uint32_t uid)
{
    struct key k = record_key(id);
    char room[RECORD_BYTES_MAX];
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);

    pack_i64(&p, edit_now_s(ed) + SENT_SECONDS);
    pack_u64(&p, mailbox);
    pack_u64(&p, uid);
    return edit_put(ed, &k, pack_span(&p));
}

// The UID of the server's copy in this mailbox; 0: there is none.
static enum err get_record(struct edit *ed, const struct key *k, mailbox_id mailbox, uint32_t *out)
{
    uint64_t in, uid;
    struct span value;
    int64_t until;
    enum err e = view_get(&ed->view, k, &value);

    *out = 0;
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    if (unpack_version(&value) != ERR_OK || !unpack_i64(&value, &until) ||
        !unpack_u64(&value, UINT32_MAX, &in) || !unpack_u64(&value, UINT32_MAX, &uid)) {
        return ERR_OK; // one of the rules, or damage, which the check names
    }
    if (until > edit_now_s(ed) && in == mailbox) {
        *out = (uint32_t)uid;
    }
    return ERR_OK;
}

// ---- replacing ----------------------------------------------------------------------------------

static enum err note(struct edit *ed, struct span words)
{
    struct change c = {.kind = CHANGE_SENT, .after = words};

    return change_put(ed, &c);
}

static enum err take_placement(struct edit *ed, mailbox_id mailbox, uint32_t uid, struct span id,
                               struct sent_filed *f, bool *out)
{
    struct placement_scan *scan;
    struct placement p;
    enum err e = placement_scan_open(&ed->view, mailbox, uid, uid, 0, &scan);

    *out = false;
    if (e != ERR_OK) {
        return e;
    }
    e = placement_next(scan, &p);
    e = e == ERR_OK ? has_id(ed, p.body, id, out) : e;
    if (e == ERR_OK && *out) {
        f->uid = uid;
        f->flags = p.flags & CARRIED;
        keyword_set_of(&p, &f->keywords);
    }
    placement_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err find_filed(struct edit *ed, mailbox_id mailbox, struct span id,
                           struct sent_filed **out)
{
    struct key k = record_key(id);
    struct sent_filed *f;
    uint32_t uid;
    bool found;
    enum err e = get_record(ed, &k, mailbox, &uid);

    *out = NULL;
    if (e != ERR_OK || !uid) {
        return e;
    }
    f = arena_zalloc(&ed->view.arena, 1, sizeof(*f));
    if (!f) {
        return ERR_NOMEM;
    }
    f->key = k;
    e = take_placement(ed, mailbox, uid, id, f, &found);
    *out = e == ERR_OK && found ? f : NULL;
    return e;
}

static int by_uid(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static enum err remove_all(struct edit *ed, struct edit_mailbox *m, uint32_t *uids, size_t n)
{
    struct uid_builder wanted, gone;
    struct uid_set set;
    bool more;

    qsort(uids, n, sizeof(*uids), by_uid);
    uid_builder_init(&wanted, &ed->view.arena);
    uid_builder_init(&gone, &ed->view.arena);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || uids[i] != uids[i - 1]) { // two of one Message-ID replace the same
            uid_builder_add(&wanted, uids[i], uids[i]);
        }
    }
    enum err e = uid_builder_finish(&wanted, &set);

    e = e == ERR_OK ? edit_expunge(ed, m, &set, true, EXPUNGE_AT_ONCE, &gone, &more) : e;
    return e == ERR_OK ? note(ed, SPAN("the copy of a sent message made way for that of the mail "
                                       "program"))
                       : e;
}

enum err sent_replace(struct edit *ed, struct edit_mailbox *m, const struct append_item *items,
                      size_t count, struct sent_filed ***out)
{
    struct sent_filed **found = arena_zalloc(&ed->view.arena, count, sizeof(struct sent_filed *));
    uint32_t *uids = arena_zalloc(&ed->view.arena, count, sizeof(*uids));
    enum err e = found && uids ? ERR_OK : ERR_NOMEM;
    size_t n = 0;

    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        struct span id = id_of(items[i].message);

        e = id.n ? find_filed(ed, m->record.is.id, id, &found[i]) : ERR_OK;
        if (e == ERR_OK && found[i]) {
            uids[n++] = found[i]->uid;
            e = edit_delete(ed, &found[i]->key);
        }
    }
    *out = e == ERR_OK && n ? found : NULL;
    return e == ERR_OK && n ? remove_all(ed, m, uids, n) : e;
}

// ---- filing -------------------------------------------------------------------------------------

struct file_args {
    struct incoming *message;
    enum sent_outcome outcome;
};

static enum err find_mailbox(struct edit *ed, struct edit_mailbox **out)
{
    const struct mailbox *const *all;
    size_t n;
    enum err e = view_mailboxes(&ed->view, &all, &n);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if ((all[i]->special_use & USE_SENT) && !all[i]->is_no_select) {
            return edit_mailbox_with_messages(ed, all[i]->id, out);
        }
    }
    e = e == ERR_OK ? edit_use_check(ed, USE_SENT, 0) : e;
    e = e == ERR_OK ? edit_make_mailbox(ed, SPAN("Sent"), USE_SENT, true, out) : e;
    return e == ERR_EXISTS || e == ERR_LIMIT || e == ERR_INVALID ? ERR_NOT_FOUND : e;
}

static enum err place(struct edit *ed, struct edit_mailbox *m, struct incoming *in)
{
    struct placer placer;
    struct change_draft log;
    struct placement p;
    int64_t now = edit_now_s(ed);
    enum err e;

    p = (struct placement){.flags = FLAG_SEEN,
                           .body = in->body,
                           .internal_date = now,
                           .saved = now,
                           .bytes = (uint32_t)in->bytes};
    e = edit_add_message(ed, in, now, 1, &p.message);
    placer_begin(&placer, ed, m);
    change_draft_begin(&log, ed, CHANGE_ARRIVED, m->record.is.id, 0);
    log.is.after = SPAN(SENT_FILED_WORDS);
    e = e == ERR_OK ? placer_add(&placer, &p) : e;
    if (e == ERR_OK) {
        change_draft_add(&log, p.uid, p.message, NULL);
    }
    e = e == ERR_OK ? placer_finish(&placer) : e;
    e = change_draft_end(&log, e);
    return e == ERR_OK && in->sent_id_bytes ? put_record(ed, id_of(in), m->record.is.id, p.uid) : e;
}

static enum err file_edit(struct edit *ed, void *arg)
{
    struct file_args *a = arg;
    struct edit_mailbox *m;
    bool there;
    enum err e = find_mailbox(ed, &m);

    a->outcome = SENT_FILED;
    if (e == ERR_NOT_FOUND) {
        a->outcome = SENT_NO_MAILBOX;
        return note(ed, SPAN("a sent message was not filed: no mailbox is for sent mail, and none "
                             "could be made"));
    }
    e = e == ERR_OK ? is_there(ed, m, id_of(a->message), &there) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (there) {
        a->outcome = SENT_THERE;
        return ERR_OK;
    }
    e = edit_quota_check(ed, a->message->bytes, 1);
    return e == ERR_OK ? place(ed, m, a->message) : e;
}

static enum err full_edit(struct edit *ed, void *arg)
{
    (void)arg;
    return note(ed, SPAN("a sent message was not filed: the mailbox is full"));
}

enum err sent_file(struct store *s, account_id account, const struct actor *by, struct incoming *m,
                   enum sent_outcome *out)
{
    struct file_args a = {.message = m};

    ASSERT(m->is_finished);
    enum err e = m->failed != ERR_OK ? m->failed : store_edit(s, account, by, file_edit, &a, NULL);

    if (e == ERR_OK) {
        *out = a.outcome;
    } else if (e == ERR_QUOTA) {
        enum err noted = store_edit(s, account, by, full_edit, NULL, NULL);

        e = noted == ERR_OK ? e : noted;
    }
    return e;
}
