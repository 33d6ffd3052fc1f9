// SPDX-License-Identifier: Apache-2.0
//
// How an account is changed: from a view to a batch, committed when nobody was faster.
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/belongings_internal.h"

#include "base/banned.h"

// With the writer lock held only another process or a delivery to many can be faster; this many
// times in a row means something else is wrong.
#define EDIT_TRIES 1000

// One entry's records before they are split into parts.
#define LOG_BYTES_MAX (1u << 20)

// ---- one writer an account ----------------------------------------------------------------------

struct account_lock {
    struct lock lock; // LOCK_STORE_ACCOUNT
    unsigned users;   // guarded by accounts_lock
};

static struct account_lock *account_lock_take(struct store *s, account_id account)
{
    struct span id = span_of(&account, sizeof(account));

    lock_take(&s->accounts_lock);
    struct account_lock *a = map_get(&s->accounts, id);

    if (!a) {
        a = calloc(1, sizeof(*a));
        if (a) {
            lock_init(&a->lock, LOCK_STORE_ACCOUNT);
        }
        if (a && map_put(&s->accounts, id, a, NULL) != ERR_OK) {
            lock_finish(&a->lock);
            free(a);
            a = NULL;
        }
    }
    if (a) {
        a->users++;
    }
    lock_release(&s->accounts_lock);
    if (a) {
        lock_take(&a->lock);
    }
    return a;
}

static void account_lock_release(struct store *s, account_id account, struct account_lock *a)
{
    lock_release(&a->lock);
    lock_take(&s->accounts_lock);
    if (--a->users == 0) {
        map_remove(&s->accounts, span_of(&account, sizeof(account)));
        lock_finish(&a->lock);
        free(a);
    }
    lock_release(&s->accounts_lock);
}

// ---- an edit ------------------------------------------------------------------------------------

static enum err edit_start(struct edit *ed, struct store *s, account_id account,
                           const struct actor *by)
{
    ed->store = s;
    ed->by = by;
    ed->header = ed->view.header;
    ed->modseq = ed->view.version + 1;
    ed->now_ms = clock_real_ms();
    ed->mailboxes = NULL;
    ed->threads = (struct thread_table){0};
    ed->log_parts = NULL;
    ed->log_part_count = 0;
    ed->is_changed = false;
    ed->batch = NULL;
    ed->rider = NULL;
    buf_init(&ed->log, LOG_BYTES_MAX);
    enum err e = batch_create(account, &ed->batch);

    if (e != ERR_OK) {
        view_end(&ed->view);
    }
    return e;
}

enum err edit_begin(struct edit *ed, struct store *s, account_id account, const struct actor *by)
{
    enum err e = view_begin(&ed->view, s, account);

    return e != ERR_OK ? e : edit_start(ed, s, account, by);
}

// A view of an account that has no header yet.
static enum err edit_begin_new(struct edit *ed, struct store *s, account_id account,
                               const struct actor *by)
{
    struct key k = key_plain(KEY_HEADER);
    struct view *v = &ed->view;
    struct span value;

    *v = (struct view){.store = s, .account = account};
    arena_init(&v->arena, VIEW_ARENA_BYTES_MAX);
    v->header = (struct header){.bytes_max = UINT64_MAX,
                                .messages_max = UINT64_MAX,
                                .next_mailbox = 1,
                                .next_message = 1,
                                .next_device = 1};
    enum err e = snapshot_open(s->engine, &v->snapshot);

    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_version(v->snapshot, account, &v->version);
    e = e != ERR_OK ? e : view_get(v, &k, &value);
    if (e != ERR_NOT_FOUND) {
        view_end(v);
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    v->header.known_since = v->version;
    return edit_start(ed, s, account, by);
}

void edit_end(struct edit *ed)
{
    batch_destroy(ed->batch);
    batch_destroy(ed->rider);
    ed->batch = ed->rider = NULL;
    buf_finish(&ed->log);
    view_end(&ed->view);
}

enum err edit_put(struct edit *ed, const struct key *k, struct span value)
{
    return batch_put(ed->batch, key_span(k), value);
}

enum err edit_delete(struct edit *ed, const struct key *k)
{
    return batch_delete(ed->batch, key_span(k));
}

// ---- mailboxes of an edit -----------------------------------------------------------------------

enum err edit_mailbox(struct edit *ed, mailbox_id id, struct edit_mailbox **out)
{
    for (struct edit_mailbox *m = ed->mailboxes; m; m = m->next) {
        if (m->record.is.id == id) {
            *out = m;
            return ERR_OK;
        }
    }
    struct edit_mailbox *m = arena_zalloc(&ed->view.arena, 1, sizeof(*m));

    if (!m) {
        return ERR_NOMEM;
    }
    enum err e = view_mailbox_record(&ed->view, id, &m->record);

    if (e != ERR_OK) {
        return e;
    }
    m->next = ed->mailboxes;
    ed->mailboxes = m;
    *out = m;
    return ERR_OK;
}

enum err edit_mailbox_with_messages(struct edit *ed, mailbox_id id, struct edit_mailbox **out)
{
    struct edit_mailbox *m;
    enum err e = edit_mailbox(ed, id, &m);

    if (e == ERR_OK && m->record.is.is_no_select) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        *out = m;
    }
    return e;
}

static enum err seal_keywords(struct edit *ed, const struct edit_mailbox *m)
{
    struct key k = key_u32(KEY_KEYWORDS, m->record.is.id);
    size_t room = 16;

    for (size_t i = 0; i < m->keywords.count; i++) {
        room += m->keywords.names[i].n + VARINT_BYTES_MAX;
    }
    struct pack p = {.p = arena_alloc(&ed->view.arena, room), .cap = room};

    if (!p.p) {
        return ERR_NOMEM;
    }
    p.p[p.n++] = SCHEMA_VERSION;
    pack_u64(&p, m->keywords.count);
    for (size_t i = 0; i < m->keywords.count; i++) {
        pack_str(&p, m->keywords.names[i]);
    }
    return edit_put(ed, &k, pack_span(&p));
}

static enum err seal_mailboxes(struct edit *ed)
{
    enum err e = ERR_OK;

    for (struct edit_mailbox *m = ed->mailboxes; m && e == ERR_OK; m = m->next) {
        if (m->is_dirty) {
            struct key k = key_u32(KEY_MAILBOX, m->record.is.id);

            e = edit_put(ed, &k, mailbox_encode(&m->record, ed->room));
        }
        if (e == ERR_OK && m->keywords_dirty) {
            e = seal_keywords(ed, m);
        }
        e = e == ERR_OK && m->seen ? seen_edit_seal(ed, m) : e;
    }
    return e;
}

enum err edit_seal(struct edit *ed)
{
    struct key k = key_plain(KEY_HEADER);
    enum err e = seal_mailboxes(ed);

    e = e != ERR_OK ? e : edit_log_seal(ed);
    return e != ERR_OK ? e : edit_put(ed, &k, header_encode(&ed->header, ed->room));
}

// ---- who made it --------------------------------------------------------------------------------

void actor_made(struct actor_entries *e, account_id account, modseq number)
{
    if (!e) {
        return;
    }
    unsigned newest = (e->next + ACTOR_ENTRIES_MAX - 1) % ACTOR_ENTRIES_MAX;

    if (e->made[newest].account == account && e->made[newest].last + 1 == number) {
        e->made[newest].last = number;
        return;
    }
    e->made[e->next].account = account;
    e->made[e->next].first = e->made[e->next].last = number;
    e->next = (e->next + 1) % ACTOR_ENTRIES_MAX;
}

bool actor_has_made(const struct actor_entries *e, account_id account, modseq number)
{
    for (unsigned i = 0; i < ACTOR_ENTRIES_MAX; i++) {
        if (e->made[i].account == account && e->made[i].first <= number &&
            number <= e->made[i].last) {
            return true;
        }
    }
    return false;
}

// ---- running it ---------------------------------------------------------------------------------

static enum err edit_run(struct edit *ed, edit_fn *fn, void *arg, modseq *out_version)
{
    enum err e = fn(ed, arg);
    modseq version = ed->view.version;

    if (e == ERR_OK && ed->is_changed) {
        e = edit_seal(ed);
        e = e != ERR_OK ? e : engine_commit(ed->store->engine, ed->batch, ed->view.version);
        version = ed->modseq;
        if (e == ERR_OK) {
            actor_made(ed->by->entries, ed->view.account, version);
        }
    }
    edit_end(ed);
    if (e == ERR_OK && out_version) {
        *out_version = version;
    }
    return e;
}

typedef enum err edit_begin_fn(struct edit *ed, struct store *s, account_id account,
                               const struct actor *by);

static enum err edit_loop(struct store *s, account_id account, const struct actor *by,
                          edit_begin_fn *begin, edit_fn *fn, void *arg, modseq *out_version)
{
    struct account_lock *lock = account_lock_take(s, account);
    enum err e = ERR_CONFLICT;

    if (!lock) {
        return ERR_NOMEM;
    }
    for (unsigned i = 0; i < EDIT_TRIES && e == ERR_CONFLICT; i++) {
        struct edit ed;

        e = begin(&ed, s, account, by);
        if (e == ERR_OK) {
            e = edit_run(&ed, fn, arg, out_version);
        }
    }
    account_lock_release(s, account, lock);
    return e == ERR_CONFLICT ? ERR_UNAVAILABLE : e;
}

enum err store_edit(struct store *s, account_id account, const struct actor *by, edit_fn *fn,
                    void *arg, modseq *out_version)
{
    return edit_loop(s, account, by, edit_begin, fn, arg, out_version);
}

enum err store_edit_new(struct store *s, account_id account, const struct actor *by, edit_fn *fn,
                        void *arg)
{
    return edit_loop(s, account, by, edit_begin_new, fn, arg, NULL);
}

// ---- small steps shared by many edits -----------------------------------------------------------

uint32_t edit_uid_validity(struct edit *ed)
{
    int64_t now = edit_now_s(ed);
    uint32_t v = ed->header.uid_validity_max + 1;

    if (now > v && now <= UINT32_MAX) {
        v = (uint32_t)now;
    }
    ed->header.uid_validity_max = v;
    return v;
}

enum err edit_quota_check(const struct edit *ed, uint64_t bytes, uint64_t messages)
{
    const struct header *h = &ed->header;
    bool fits = bytes <= UINT64_MAX - h->bytes && h->bytes + bytes <= h->bytes_max &&
                h->messages + messages <= h->messages_max;

    return fits ? ERR_OK : ERR_QUOTA;
}

enum err edit_put_message(struct edit *ed, message_id id, const struct message_record *m)
{
    struct key k = key_u64(KEY_MESSAGE, id);

    _Static_assert(MESSAGE_BYTES_MAX <= CHUNK_BYTES_MAX, "a message record fits the room");
    return edit_put(ed, &k, message_encode(m, ed->room));
}
