// SPDX-License-Identifier: Apache-2.0
//
// Changing what readers have seen. An edit touches two kinds of rows of a mailbox: that of the
// messages that are there, and those of the reader who makes the change; with the switch that of
// what was \Seen before. Nobody else's rows are ever written: what goes from a mailbox stays in
// them and counts for nothing, since UIDs are never given twice. All of it is in the edit's commit.
#include "store/metadata/metadata.h"
#include "store/seen/seen.h"

#include "base/banned.h"

// Rows of readers removed with a mailbox or the switch. More of them stay behind, which no reader
// looks at any more; `mailkeep check --repair` takes them out.
#define FORGET_MAX 20000

enum row_kind { ROWS_THERE, ROWS_READER, ROWS_START, ROW_KINDS };

struct block {
    struct block *next;
    uint32_t number;
    bool is_dirty;
    unsigned char bits[SEEN_BLOCK_BYTES];
};

struct seen_edit {
    struct block *lists[ROW_KINDS]; // the highest block first: it is mostly asked for
    enum err failed;
};

static account_id who_of(const struct edit *ed, enum row_kind kind)
{
    return kind == ROWS_THERE ? SEEN_THERE : kind == ROWS_START ? SEEN_START : ed->by->reader;
}

// ---- blocks -------------------------------------------------------------------------------------

static enum err block_load(struct edit *ed, const struct edit_mailbox *m, enum row_kind kind,
                           struct block *b)
{
    modseq since = m->record.is.seen_since;
    struct seen_row row;

    if (since == ed->modseq) { // switched on by this edit: rows that are there are older
        return ERR_OK;
    }
    enum err e =
        view_seen_row(&ed->view, m->record.is.id, since, who_of(ed, kind), b->number, &row);

    if (e == ERR_OK && row.bits.n) {
        memcpy(b->bits + row.first, row.bits.p, row.bits.n);
    }
    return e;
}

// NULL after a failure, which edit_seal tells.
static struct block *block_get(struct edit *ed, struct edit_mailbox *m, enum row_kind kind,
                               uint32_t number)
{
    static struct seen_edit no_memory = {.failed = ERR_NOMEM};

    if (!m->seen) {
        m->seen = arena_zalloc(&ed->view.arena, 1, sizeof(*m->seen));
        m->seen = m->seen ? m->seen : &no_memory;
    }
    struct seen_edit *s = m->seen;
    struct block **at = &s->lists[kind];

    while (*at && (*at)->number > number) {
        at = &(*at)->next;
    }
    if (s->failed != ERR_OK || (*at && (*at)->number == number)) {
        return s->failed == ERR_OK ? *at : NULL;
    }
    struct block *b = arena_zalloc(&ed->view.arena, 1, sizeof(*b));

    if (!b) {
        s->failed = ERR_NOMEM;
        return NULL;
    }
    b->number = number;
    s->failed = block_load(ed, m, kind, b);
    if (s->failed != ERR_OK) {
        return NULL;
    }
    b->next = *at;
    *at = b;
    return b;
}

static bool bit_put(struct edit *ed, struct edit_mailbox *m, enum row_kind kind, uint32_t uid,
                    bool on)
{
    struct block *b = block_get(ed, m, kind, uid / SEEN_BLOCK_UIDS);
    unsigned char mask = (unsigned char)(1u << uid % 8);
    unsigned char *at = b ? &b->bits[uid % SEEN_BLOCK_UIDS / 8] : NULL;

    if (!at || !!(*at & mask) == on) {
        return false;
    }
    *at ^= mask;
    b->is_dirty = true;
    return true;
}

void seen_edit_there(struct edit *ed, struct edit_mailbox *m, uint32_t uid, bool is_there)
{
    if (m->record.is.seen_since) {
        (void)bit_put(ed, m, ROWS_THERE, uid, is_there);
    }
}

bool seen_edit_has(struct edit *ed, struct edit_mailbox *m, uint32_t uid)
{
    const struct block *b = block_get(ed, m, ROWS_READER, uid / SEEN_BLOCK_UIDS);

    return b && b->bits[uid % SEEN_BLOCK_UIDS / 8] >> uid % 8 & 1;
}

bool seen_edit_put(struct edit *ed, struct edit_mailbox *m, uint32_t uid, bool seen)
{
    return bit_put(ed, m, ROWS_READER, uid, seen);
}

// ---- writing ------------------------------------------------------------------------------------

static bool is_empty(const struct block *b)
{
    for (size_t i = 0; i < sizeof(b->bits); i++) {
        if (b->bits[i]) {
            return false;
        }
    }
    return true;
}

// A reader's empty row stays: without it they would have seen what was \Seen before.
static enum err block_write(struct edit *ed, const struct edit_mailbox *m, enum row_kind kind,
                            const struct block *b)
{
    struct key k = seen_key(m->record.is.id, who_of(ed, kind), b->number);
    char room[SEEN_ROW_BYTES_MAX];

    if (kind != ROWS_READER && is_empty(b)) {
        return edit_delete(ed, &k);
    }
    return edit_put(ed, &k, seen_row_encode(m->record.is.seen_since, b->bits, room));
}

enum err seen_edit_seal(struct edit *ed, struct edit_mailbox *m)
{
    enum err e = m->seen->failed;

    for (int kind = 0; kind < ROW_KINDS; kind++) {
        for (const struct block *b = m->seen->lists[kind]; b && e == ERR_OK; b = b->next) {
            e = b->is_dirty ? block_write(ed, m, (enum row_kind)kind, b) : ERR_OK;
        }
    }
    return e;
}

// ---- mailboxes that go, or are as they were -----------------------------------------------------

struct forget {
    struct edit *ed;
    size_t left;
};

static enum err forget_row(void *arg, struct span key, struct span value)
{
    struct forget *f = arg;

    (void)value;
    return f->left-- ? batch_delete(f->ed->batch, key) : ERR_EOF;
}

enum err seen_edit_forget(struct edit *ed, struct edit_mailbox *m)
{
    struct forget f = {ed, FORGET_MAX};
    struct key rows = key_u32(KEY_SEEN, m->record.is.id);

    if (!m->record.is.seen_since) {
        return ERR_OK;
    }
    m->record.is.seen_since = 0;
    m->is_dirty = true;
    m->seen = NULL;
    return view_each(&ed->view, &rows, forget_row, &f);
}

// ---- the switch ---------------------------------------------------------------------------------

static enum err start_chunk(struct edit *ed, struct edit_mailbox *m, uint32_t key_uid,
                            struct span value, struct change_draft *log)
{
    struct chunk c;
    enum err e = chunk_load(&c, key_uid, value);

    (void)log;
    for (unsigned i = 0; i < c.count && e == ERR_OK; i++) {
        struct chunk_flags f;

        chunk_flags_get(&c, i, &f);
        (void)bit_put(ed, m, ROWS_THERE, f.uid, true);
        if (f.flags & FLAG_SEEN) {
            (void)bit_put(ed, m, ROWS_START, f.uid, true);
        }
    }
    return e;
}

// Anybody may see another \Seen now.
static enum err touch_chunk(struct edit *ed, struct edit_mailbox *m, uint32_t key_uid,
                            struct span value, struct change_draft *log)
{
    struct key k = key_chunk(m->record.is.id, key_uid);
    struct chunk c;
    enum err e = chunk_load(&c, key_uid, value);

    for (unsigned i = 0; i < c.count && e == ERR_OK; i++) {
        struct chunk_flags f;

        chunk_flags_get(&c, i, &f);
        f.changed = ed->modseq;
        chunk_flags_set(&c, i, &f);
        change_draft_add(log, f.uid, 0, NULL);
        m->record.is.highest_modseq = ed->modseq;
    }
    return e == ERR_OK ? edit_put(ed, &k, chunk_encode(&c, ed->room)) : e;
}

typedef enum err chunk_fn(struct edit *ed, struct edit_mailbox *m, uint32_t key_uid,
                          struct span value, struct change_draft *log);

static enum err each_chunk(struct edit *ed, struct edit_mailbox *m, chunk_fn *fn)
{
    struct change_draft log;
    struct chunk_walk w;
    struct chunk_view view;
    struct span value;
    uint32_t key_uid;
    enum err e;

    change_draft_begin(&log, ed, CHANGE_SEEN, m->record.is.id, 0);
    chunk_walk_begin(&w, &ed->view, m->record.is.id, &uid_set_all);
    while ((e = chunk_walk_next(&w, &key_uid, &value, &view)) == ERR_OK) {
        e = fn(ed, m, key_uid, value, &log);
        if (e != ERR_OK) {
            break;
        }
    }
    chunk_walk_end(&w);
    return change_draft_end(&log, e == ERR_NOT_FOUND ? ERR_OK : e);
}

enum err seen_edit_switch(struct edit *ed, struct edit_mailbox *m, bool on)
{
    enum err e;

    if (on == (m->record.is.seen_since != 0)) {
        return ERR_OK;
    }
    if (on) {
        m->record.is.seen_since = ed->modseq;
        m->is_dirty = true;
        return each_chunk(ed, m, start_chunk);
    }
    e = seen_edit_forget(ed, m);
    return e == ERR_OK ? each_chunk(ed, m, touch_chunk) : e;
}

enum err seen_edit_inherit(struct edit *ed, struct edit_mailbox *m)
{
    struct span name = m->record.is.name;
    struct mailbox_record above;
    mailbox_id id;
    enum err e;

    // As with lists of rights, levels that this edit makes are passed over.
    do {
        name = mailbox_name_parent(name);
        e = name.n ? view_name_lookup(&ed->view, name, &id) : ERR_OK;
    } while (e == ERR_NOT_FOUND);
    if (e != ERR_OK || !name.n) {
        return e;
    }
    e = view_mailbox_record(&ed->view, id, &above);
    if (e != ERR_OK || !above.is.seen_since) {
        return e;
    }
    e = seen_edit_switch(ed, m, true);
    return e == ERR_OK ? metadata_edit_seen(ed, m->record.is.id, SPAN(METADATA_SEEN_OWN)) : e;
}
