// SPDX-License-Identifier: Apache-2.0
//
// Checks what readers have seen. Which messages are there can be derived; what somebody has seen
// cannot, so a row that cannot be read goes, and they have seen what was \Seen before. Rows that
// count for nothing (of a mailbox that went, of a switch that was off meanwhile, of an account that
// was removed) are no damage; they go with --repair.
#include "store/check/check_internal.h"
#include "store/metadata/metadata.h"
#include "store/seen/seen.h"

#include "base/banned.h"

struct seen_check {
    struct check *c;
    struct check_mailbox *m;
    // The block of UIDs being collected.
    bool has_block;
    uint32_t block;
    unsigned char bits[SEEN_BLOCK_BYTES];
    // Whose row was looked at last.
    account_id who;
    bool is_known;
};

static void row_bits(const struct seen_row *row, unsigned char *bits)
{
    memset(bits, 0, SEEN_BLOCK_BYTES);
    if (row->bits.n) {
        memcpy(bits + row->first, row->bits.p, row->bits.n);
    }
}

static enum err put_row(struct check *c, const struct key *k, modseq since,
                        const unsigned char *bits)
{
    char room[SEEN_ROW_BYTES_MAX];

    return c->ed ? edit_put(c->ed, k, seen_row_encode(since, bits, room)) : ERR_OK;
}

// ---- the messages that are there ----------------------------------------------------------------

static enum err check_block(struct seen_check *s)
{
    const struct mailbox *b = &s->m->record.is;
    unsigned char bits[SEEN_BLOCK_BYTES];
    struct seen_row row;

    if (!s->has_block) {
        return ERR_OK;
    }
    struct key k = seen_key(b->id, SEEN_THERE, s->block);
    enum err e = view_seen_row(s->c->v, b->id, b->seen_since, SEEN_THERE, s->block, &row);

    if (e != ERR_OK) {
        return e;
    }
    row_bits(&row, bits);
    if (memcmp(bits, s->bits, sizeof(bits)) == 0) {
        return ERR_OK;
    }
    check_problem(s->c, true, "mailbox \"%.*s\": what readers count as there from UID %u on is not",
                  SPAN_ARG(b->name), s->block * SEEN_BLOCK_UIDS);
    return put_row(s->c, &k, b->seen_since, s->bits);
}

static enum err collect_chunk(struct seen_check *s, const struct chunk_view *view)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; i < view->count && e == ERR_OK; i++) {
        uint32_t uid = chunk_view_uid(view, i);

        if (!s->has_block || s->block != uid / SEEN_BLOCK_UIDS) {
            e = check_block(s);
            s->has_block = true;
            s->block = uid / SEEN_BLOCK_UIDS;
            memset(s->bits, 0, sizeof(s->bits));
        }
        s->bits[uid % SEEN_BLOCK_UIDS / 8] |= (unsigned char)(1u << uid % 8);
    }
    return e;
}

static enum err check_there(struct check *c, struct check_mailbox *m)
{
    struct seen_check s = {.c = c, .m = m};
    struct chunk_walk w;
    struct chunk_view view;
    struct span value;
    uint32_t key_uid;
    enum err e;

    chunk_walk_begin(&w, c->v, m->record.is.id, &uid_set_all);
    while ((e = chunk_walk_next(&w, &key_uid, &value, &view)) == ERR_OK) {
        e = collect_chunk(&s, &view);
        if (e != ERR_OK) {
            break;
        }
    }
    chunk_walk_end(&w);
    // A chunk that cannot be read was told of already.
    return e == ERR_NOT_FOUND ? check_block(&s) : e == ERR_CORRUPT ? ERR_OK : e;
}

// ---- all rows -----------------------------------------------------------------------------------

static enum err drop(struct check *c, struct span key)
{
    if (!c->ed) {
        return ERR_OK;
    }
    c->ed->is_changed = true; // also when it is no damage
    return batch_delete(c->ed->batch, key);
}

// UIDs are never given twice: nobody can have seen one that is still to come.
static bool has_future(const struct mailbox *b, uint32_t block, unsigned char *bits)
{
    uint64_t first = (uint64_t)block * SEEN_BLOCK_UIDS;
    bool found = false;

    for (size_t i = 0; i < SEEN_BLOCK_UIDS; i++) {
        unsigned char mask = (unsigned char)(1u << i % 8);

        if (first + i >= b->uid_next && bits[i / 8] & mask) {
            found = true;
            bits[i / 8] &= (unsigned char)~mask;
        }
    }
    return found;
}

static enum err is_somebody(struct seen_check *s, account_id who, bool *out)
{
    struct key k = key_u64(KEY_ACCOUNT_ID, who);
    struct span value;
    enum err e = ERR_OK;

    if (who == SEEN_THERE || who == SEEN_START) {
        *out = true;
        return ERR_OK;
    }
    if (who != s->who) {
        e = snapshot_get(s->c->v->snapshot, 0, key_span(&k), &value);
        s->who = who;
        s->is_known = e == ERR_OK;
    }
    *out = s->is_known;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_row(void *arg, struct span key, struct span value)
{
    struct seen_check *s = arg;
    struct check *c = s->c;
    unsigned char bits[SEEN_BLOCK_BYTES];
    struct seen_row row;
    account_id who;
    uint32_t block;
    mailbox_id id;

    if (!seen_key_read(key, &id, &who, &block) || seen_row_decode(value, &row) != ERR_OK ||
        who == c->account) {
        check_problem(c, true, "a row of what a reader has seen cannot be read");
        return drop(c, key);
    }
    s->m = check_mailbox_find(c, id);
    bool is_known;
    enum err e = is_somebody(s, who, &is_known);

    if (e != ERR_OK) {
        return e;
    }
    if (!s->m || s->m->record.is.seen_since != row.since || !is_known) {
        return drop(c, key);
    }
    row_bits(&row, bits);
    if (who != SEEN_THERE && has_future(&s->m->record.is, block, bits)) {
        struct key k = seen_key(id, who, block);

        check_problem(c, true, "mailbox \"%.*s\": somebody has seen messages that are to come",
                      SPAN_ARG(s->m->record.is.name));
        return put_row(c, &k, row.since, bits);
    }
    return ERR_OK;
}

// ---- together -----------------------------------------------------------------------------------

// Of a block without a message there is no row.
static enum err check_empty(void *arg, struct span key, struct span value)
{
    struct seen_check *s = arg;
    struct seen_row row;
    account_id who;
    uint32_t block;
    mailbox_id id;

    if (!seen_key_read(key, &id, &who, &block) || who != SEEN_THERE) {
        return ERR_EOF;
    }
    struct uid_range range = {block * SEEN_BLOCK_UIDS,
                              block * SEEN_BLOCK_UIDS + (SEEN_BLOCK_UIDS - 1)};
    struct uid_set set = {&range, 1};
    struct chunk_walk w;
    struct chunk_view view;
    struct span chunk;
    uint32_t key_uid;
    bool found = false;

    chunk_walk_begin(&w, s->c->v, id, &set);
    while (!found && chunk_walk_next(&w, &key_uid, &chunk, &view) == ERR_OK) {
        for (unsigned i = 0; i < view.count && !found; i++) {
            found = chunk_view_uid(&view, i) / SEEN_BLOCK_UIDS == block;
        }
    }
    chunk_walk_end(&w);
    if (found || seen_row_decode(value, &row) != ERR_OK ||
        row.since != s->m->record.is.seen_since) {
        return ERR_OK;
    }
    check_problem(s->c, true, "mailbox \"%.*s\": readers count messages as there that are not",
                  SPAN_ARG(s->m->record.is.name));
    return drop(s->c, key);
}

static enum err check_one(struct check *c, struct check_mailbox *m)
{
    struct seen_check s = {.c = c, .m = m};
    struct key rows = seen_key(m->record.is.id, SEEN_THERE, 0);
    enum err e = check_there(c, m);

    rows.n -= sizeof(uint32_t);
    return e == ERR_OK ? view_each(c->v, &rows, check_empty, &s) : e;
}

enum err check_seen(struct check *c)
{
    struct seen_check s = {.c = c};
    struct key rows = key_plain(KEY_SEEN);
    enum err e = view_each(c->v, &rows, check_row, &s);

    for (size_t i = 0; i < c->mailbox_count && e == ERR_OK; i++) {
        if (c->mailboxes[i].record.is.seen_since && !c->mailboxes[i].is_broken) {
            e = check_one(c, &c->mailboxes[i]);
        }
    }
    return e;
}
