// SPDX-License-Identifier: Apache-2.0
//
// Opening the store, and views of an account.
#include "store/store.h"

#include <stdlib.h>

#include "base/log.h"
#include "store/belongings_internal.h"
#include "store/store_internal.h"

#include "base/banned.h"

void store_options_default(struct store_options *o)
{
    *o = (struct store_options){
        .separator = '/',
        .message_bytes_max = 50ull << 20,
        .mailboxes_max = 10000,
        .changes_keep = 1000000,
    };
}

// Account 0 is made with the store; later opens only look at its schema version.
static enum err make_directory(struct edit *ed, void *arg)
{
    struct key k = key_plain(KEY_SCHEMA);
    char room[VARINT_BYTES_MAX + 1] = {SCHEMA_VERSION, SCHEMA_VERSION};
    struct change c = {.kind = CHANGE_ACCOUNT, .after = SPAN("store made")};

    (void)arg;
    ed->header.next_account = 1;
    enum err e = edit_put(ed, &k, span_of(room, 2));

    e = e == ERR_OK ? group_edit_begin(ed) : e;

    return e != ERR_OK ? e : change_put(ed, &c);
}

static enum err schema_check(struct store *s)
{
    struct actor by = {.kind = ACTOR_SYSTEM};
    struct key k = key_plain(KEY_SCHEMA);
    struct view v;
    struct span value;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_NOT_FOUND) {
        e = store_edit_new(s, 0, &by, make_directory, NULL);
        return e == ERR_EXISTS ? ERR_CORRUPT : e;
    }
    if (e != ERR_OK) {
        return e;
    }
    uint64_t schema;

    e = view_get(&v, &k, &value);
    e = e == ERR_NOT_FOUND ? ERR_CORRUPT : e != ERR_OK ? e : unpack_version(&value);
    if (e == ERR_OK && (!unpack_u64(&value, UINT64_MAX, &schema) || schema != SCHEMA_VERSION)) {
        e = ERR_UNSUPPORTED;
    }
    view_end(&v);
    return e;
}

enum err store_open(struct engine *e, const struct store_options *o, struct store **out)
{
    struct store *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    s->engine = e;
    s->options = *o;
    store_set_limits(s, o->message_bytes_max, o->mailboxes_max);
    lock_init(&s->accounts_lock, LOCK_STORE_ACCOUNTS);
    lock_init(&s->watch_lock, LOCK_STORE_WATCH);
    map_init(&s->accounts);
    map_init(&s->watches);
    engine_set_watch(e, store_watch_commit, s);
    enum err r = schema_check(s);

    // A disk that is full keeps nobody from their mail; groups wait for the next start.
    if (r == ERR_OK && group_resume(s) != ERR_OK) {
        log_warn(
            "store: who is in which alias could not be written down; groups may give too little");
    }
    r = r != ERR_OK ? r : directory_resume(s);
    if (r != ERR_OK) {
        store_close(s);
        return r;
    }
    *out = s;
    return ERR_OK;
}

void store_set_limits(struct store *s, uint64_t message_bytes_max, uint32_t mailboxes_max)
{
    // RFC822.SIZE has 32 bits
    atomic_store(&s->message_bytes_max,
                 message_bytes_max < UINT32_MAX ? message_bytes_max : UINT32_MAX);
    atomic_store(&s->mailboxes_max, mailboxes_max);
}

void store_close(struct store *s)
{
    if (!s) {
        return;
    }
    engine_set_watch(s->engine, NULL, NULL);
    store_watch_finish(s);
    ASSERT(s->accounts.n == 0);
    map_finish(&s->accounts);
    lock_finish(&s->accounts_lock);
    lock_finish(&s->watch_lock);
    free(s);
}

struct engine *store_engine(struct store *s)
{
    return s->engine;
}

// ---- views --------------------------------------------------------------------------------------

enum err view_begin(struct view *v, struct store *s, account_id account)
{
    struct key k = key_plain(KEY_HEADER);
    struct span value;

    *v = (struct view){.store = s, .account = account};
    arena_init(&v->arena, VIEW_ARENA_BYTES_MAX);
    enum err e = snapshot_open(s->engine, &v->snapshot);

    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_version(v->snapshot, account, &v->version);
    e = e != ERR_OK ? e : view_get(v, &k, &value);
    e = e != ERR_OK ? e : header_decode(value, &v->header);
    if (e != ERR_OK) {
        view_end(v);
    }
    return e;
}

void view_end(struct view *v)
{
    snapshot_close(v->snapshot);
    v->snapshot = NULL;
    arena_finish(&v->arena);
}

enum err view_open(struct store *s, account_id account, struct view **out)
{
    struct view *v = malloc(sizeof(*v));

    if (!v) {
        return ERR_NOMEM;
    }
    enum err e = view_begin(v, s, account);

    if (e != ERR_OK) {
        free(v);
        return e;
    }
    *out = v;
    return ERR_OK;
}

enum err view_open_for(struct store *s, account_id account, account_id reader, struct view **out)
{
    enum err e = view_open(s, account, out);

    if (e == ERR_OK) {
        (*out)->seen_of = reader == account ? 0 : reader;
    }
    return e;
}

void view_close(struct view *v)
{
    if (v) {
        view_end(v);
        free(v);
    }
}

modseq view_modseq(const struct view *v)
{
    return v->version;
}

account_id view_account(const struct view *v)
{
    return v->account;
}

struct snapshot *view_snapshot(struct view *v)
{
    return v->snapshot;
}

enum err view_get(struct view *v, const struct key *k, struct span *out)
{
    return snapshot_get(v->snapshot, v->account, key_span(k), out);
}

enum err view_each(struct view *v, const struct key *prefix, view_each_fn *fn, void *arg)
{
    struct key to = key_after(prefix);
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(v->snapshot, v->account, key_span(prefix), key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = fn(arg, key, value);
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND || e == ERR_EOF ? ERR_OK : e;
}

static enum err count_one(void *arg, struct span key, struct span value)
{
    (void)key;
    (void)value;
    ++*(size_t *)arg;
    return ERR_OK;
}

enum err view_count(struct view *v, const struct key *prefix, size_t *out)
{
    size_t n = 0;
    enum err e = view_each(v, prefix, count_one, &n);

    if (e == ERR_OK) {
        *out = n;
    }
    return e;
}

enum err store_each(struct store *s, const struct key *prefix, view_each_fn *fn, void *arg)
{
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = view_each(&v, prefix, fn, arg);
        view_end(&v);
    }
    return e;
}

enum err view_message_record(struct view *v, message_id id, struct message_record *out)
{
    struct key k = key_u64(KEY_MESSAGE, id);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e != ERR_OK ? e : message_decode(value, out);
}

enum err view_message(struct view *v, message_id id, struct message_info *out)
{
    struct message_record m;
    enum err e = view_message_record(v, id, &m);

    if (e != ERR_OK) {
        return e;
    }
    *out = (struct message_info){
        .body = m.body, .thread = m.thread, .sent_date = m.sent, .bytes = m.bytes};
    return ERR_OK;
}
