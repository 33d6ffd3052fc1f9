// SPDX-License-Identifier: Apache-2.0
//
// Writes the change log: one entry a commit, in parts when it is large (docs/format/store.md).
#include "base/log.h"
#include "store/store_internal.h"

#include "base/banned.h"

#define PART_BYTES_MAX   (256u << 10)
#define RECORD_BYTES_MAX (64u << 10)  // a draft is split here
#define DRAFT_BYTES_MAX  (256u << 10) // cap of a draft's buffers
#define TRIM_SLACK       64           // trimming is done for many entries at once
#define TRIM_AT_ONCE     512

static void buf_u64(struct buf *b, uint64_t v)
{
    char *p = buf_reserve(b, VARINT_BYTES_MAX);

    if (p) {
        b->n += varint_put(p, v);
    }
}

static void buf_i64(struct buf *b, int64_t v)
{
    buf_u64(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

static void buf_str(struct buf *b, struct span s)
{
    buf_u64(b, s.n);
    buf_put(b, s);
}

// ---- records ------------------------------------------------------------------------------------

static void put_ranges(struct buf *b, const struct uid_set *set)
{
    uint32_t last = 0;

    buf_u64(b, set->count);
    for (size_t i = 0; i < set->count; i++) {
        buf_u64(b, set->ranges[i].first - last);
        buf_u64(b, set->ranges[i].last - set->ranges[i].first);
        last = set->ranges[i].last;
    }
}

// Puts the current part aside.
static enum err part_finish(struct edit *ed)
{
    struct log_part *p = arena_alloc(&ed->view.arena, sizeof(*p));

    if (!p) {
        return ERR_NOMEM;
    }
    p->body = arena_dup(&ed->view.arena, buf_span(&ed->log));
    p->next = ed->log_parts;
    if (!p->body.p) {
        return ERR_NOMEM;
    }
    ed->log_parts = p;
    ed->log_part_count++;
    buf_clear(&ed->log);
    return ed->log_part_count > UINT16_MAX ? ERR_LIMIT : ERR_OK;
}

enum err change_put(struct edit *ed, const struct change *c)
{
    struct buf *b = &ed->log;

    ed->is_changed = true;
    if (b->n > PART_BYTES_MAX - RECORD_BYTES_MAX) {
        enum err e = part_finish(ed);

        if (e != ERR_OK) {
            return e;
        }
    }
    buf_u64(b, c->kind);
    buf_u64(b, c->mailbox);
    buf_u64(b, c->other_mailbox);
    buf_u64(b, c->value);
    put_ranges(b, &c->uids);
    buf_str(b, c->before);
    buf_str(b, c->after);
    buf_str(b, c->flags_before);
    buf_str(b, c->messages);
    return b->failed ? ERR_NOMEM : ERR_OK;
}

// ---- drafts -------------------------------------------------------------------------------------

void change_draft_begin(struct change_draft *d, struct edit *ed, enum change_kind kind,
                        mailbox_id mailbox, mailbox_id other)
{
    d->ed = ed;
    d->is = (struct change){.kind = kind, .mailbox = mailbox, .other_mailbox = other};
    uid_builder_init(&d->uids, &ed->view.arena);
    buf_init(&d->flags, DRAFT_BYTES_MAX);
    buf_init(&d->messages, DRAFT_BYTES_MAX);
    d->run_count = 0;
    d->message_first = d->message_next = d->message_last = 0;
    d->failed = ERR_OK;
}

static void flags_flush(struct change_draft *d)
{
    if (!d->run_count) {
        return;
    }
    buf_u64(&d->flags, d->run_count);
    buf_u64(&d->flags, d->run.flags);
    buf_u64(&d->flags, d->run_keywords.low);
    buf_u64(&d->flags, d->run_keywords.count);
    for (unsigned i = 0; i < d->run_keywords.count; i++) {
        buf_u64(&d->flags, d->run_keywords.more[i]);
    }
    d->run_count = 0;
}

static void flags_add(struct change_draft *d, const struct placement *p)
{
    const struct keyword_set *k = &d->run_keywords;
    bool same = d->run_count && d->run.flags == p->flags && k->low == p->keywords &&
                k->count == p->more_keyword_count;

    if (same && k->count) {
        same = memcmp(k->more, p->more_keywords, k->count * sizeof(k->more[0])) == 0;
    }
    if (!same) {
        flags_flush(d);
        d->run.flags = p->flags;
        keyword_set_of(p, &d->run_keywords);
    }
    d->run_count++;
}

static void messages_flush(struct change_draft *d)
{
    if (d->message_first) {
        buf_i64(&d->messages, (int64_t)(d->message_first - d->message_last));
        buf_u64(&d->messages, d->message_next - d->message_first);
        d->message_last = d->message_next - 1;
        d->message_first = 0;
    }
}

static void messages_add(struct change_draft *d, message_id id)
{
    if (!d->message_first || id != d->message_next) {
        messages_flush(d);
        d->message_first = d->message_next = id;
    }
    d->message_next++;
}

static void draft_flush(struct change_draft *d)
{
    struct change *c = &d->is;

    flags_flush(d);
    messages_flush(d);
    enum err e = uid_builder_finish(&d->uids, &c->uids);

    if (e == ERR_OK && (d->flags.failed || d->messages.failed)) {
        e = ERR_NOMEM;
    }
    if (e == ERR_OK && c->uids.count) {
        c->flags_before = buf_span(&d->flags);
        c->messages = buf_span(&d->messages);
        e = change_put(d->ed, c);
    }
    d->failed = d->failed != ERR_OK ? d->failed : e;
    uid_builder_init(&d->uids, &d->ed->view.arena);
    buf_clear(&d->flags);
    buf_clear(&d->messages);
    d->message_last = 0;
}

void change_draft_add(struct change_draft *d, uint32_t uid, message_id message,
                      const struct placement *before)
{
    uid_builder_add(&d->uids, uid, uid);
    if (message) {
        messages_add(d, message);
    }
    if (before) {
        flags_add(d, before);
    }
    if (d->uids.set.count * 2 * 5 + d->flags.n + d->messages.n > RECORD_BYTES_MAX - 4096) {
        draft_flush(d);
    }
}

enum err change_draft_end(struct change_draft *d, enum err e)
{
    if (e == ERR_OK) {
        draft_flush(d);
        e = d->failed;
    }
    buf_finish(&d->flags);
    buf_finish(&d->messages);
    return e;
}

// ---- the entry ----------------------------------------------------------------------------------

static enum err part_write(struct edit *ed, uint16_t number, uint64_t parts, struct span body)
{
    struct key k = key_change(ed->modseq, number);
    size_t cap = body.n + DEVICE_BYTES_MAX + ORIGIN_BYTES_MAX + 64;
    struct pack p = {.p = arena_alloc(&ed->view.arena, cap), .cap = cap};

    if (!p.p) {
        return ERR_NOMEM;
    }
    p.p[p.n++] = ed->by->device_id ? CHANGE_VERSION_DEVICE : SCHEMA_VERSION;
    pack_u64(&p, parts);
    pack_i64(&p, ed->now_ms);
    pack_u64(&p, ed->by->kind);
    pack_str(&p, span_first(ed->by->device, DEVICE_BYTES_MAX));
    pack_str(&p, span_first(ed->by->origin, ORIGIN_BYTES_MAX));
    if (ed->by->device_id) {
        pack_u64(&p, ed->by->device_id);
    }
    pack_bytes(&p, body.p, body.n);
    return edit_put(ed, &k, pack_span(&p));
}

// Removes the oldest entries when there are more than changes_keep.
static enum err log_trim(struct edit *ed)
{
    modseq keep = ed->store->options.changes_keep, from = ed->header.known_since;

    if (ed->modseq - from <= keep + TRIM_SLACK) {
        return ERR_OK;
    }
    modseq until = ed->modseq - keep;

    if (until - from > TRIM_AT_ONCE) {
        until = from + TRIM_AT_ONCE;
    }
    struct key first = key_u64(KEY_CHANGE, from), last = key_u64(KEY_CHANGE, until + 1);
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(ed->view.snapshot, ed->view.account, key_span(&first), key_span(&last),
                           false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = batch_delete(ed->batch, key);
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    if (e != ERR_NOT_FOUND) {
        return e;
    }
    ed->header.known_since = until;
    return ERR_OK;
}

enum err edit_log_seal(struct edit *ed)
{
    unsigned parts = ed->log_part_count + 1;
    enum err e =
        part_write(ed, (uint16_t)ed->log_part_count, parts == 1 ? 1 : 0, buf_span(&ed->log));
    unsigned number = ed->log_part_count;

    for (struct log_part *p = ed->log_parts; p && e == ERR_OK; p = p->next) {
        number--;
        e = part_write(ed, (uint16_t)number, number == 0 ? parts : 0, p->body);
    }
    return e != ERR_OK ? e : log_trim(ed);
}
