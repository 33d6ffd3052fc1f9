// SPDX-License-Identifier: Apache-2.0
//
// A message is taken in once. Its client may not have heard of that, because we or the connection
// ended first, and sends it again (RFC 1047); or we ended between the commit here and the one in a
// mailbox, and what rules send on would leave with each try.
#include "queue/queue_internal.h"

#include "base/banned.h"

#define SWEPT_AT_ONCE 8 // more than come in, so that they don't pile up

unsigned queue_once_shard(struct span once)
{
    return (unsigned char)once.p[0] % QUEUE_SHARDS;
}

// Until when it is known. ERR_NOT_FOUND.
static enum err get_until(struct queue_edit *ed, struct span once, int64_t *out_ms)
{
    struct queue_key k = queue_key_once(once);
    struct span value;
    enum err e =
        snapshot_get(ed->snapshot, queue_shard_account(ed->shard), queue_key_span(&k), &value);

    return e == ERR_OK ? queue_until_decode(value, out_ms) : e;
}

static enum err drop(struct queue_edit *ed, struct span once, int64_t until_ms)
{
    struct queue_key o = queue_key_once(once), u = queue_key_until(until_ms, once);
    enum err e = batch_delete(ed->batch, queue_key_span(&o));

    ed->is_changed = true;
    return e == ERR_OK ? batch_delete(ed->batch, queue_key_span(&u)) : e;
}

static enum err put(struct queue_edit *ed, struct span once, int64_t until_ms)
{
    struct queue_key o = queue_key_once(once), u = queue_key_until(until_ms, once);
    char room[QUEUE_UNTIL_BYTES_MAX];
    enum err e = batch_put(ed->batch, queue_key_span(&o), queue_until_encode(until_ms, room));

    ed->is_changed = true;
    return e == ERR_OK ? queue_put_mark(ed, &u) : e;
}

// Some of those whose time has come.
static enum err sweep(struct queue_edit *ed, int64_t now_ms)
{
    struct queue_key from = queue_key_plain(QUEUE_KEY_UNTIL), to = queue_key_after(from);
    struct scan *scan;
    struct span key, value, once;
    int64_t until;
    enum err e = scan_open(ed->snapshot, queue_shard_account(ed->shard), queue_key_span(&from),
                           queue_key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    for (unsigned i = 0; i < SWEPT_AT_ONCE && (e = scan_next(scan, &key, &value)) == ERR_OK; i++) {
        if (!queue_until_read(key, &until, &once)) {
            continue; // queue_check names it
        }
        if (until > now_ms) {
            break;
        }
        e = drop(ed, once, until);
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err queue_once_take(struct queue_edit *ed, const struct queue_message *m, bool *out_was_there)
{
    int64_t until = INT64_MIN;

    *out_was_there = false;
    if (!m->once.n) {
        return ERR_OK;
    }
    enum err e = get_until(ed, m->once, &until);

    if (e == ERR_OK && until > m->accepted_ms) {
        *out_was_there = true;
        return ERR_OK;
    }
    if (e == ERR_OK) {
        e = drop(ed, m->once, until);
    } else if (e == ERR_NOT_FOUND) {
        e = ERR_OK;
    }
    e = e == ERR_OK ? sweep(ed, m->accepted_ms) : e;
    return e == ERR_OK ? put(ed, m->once, m->once_until_ms) : e;
}

enum err queue_once_forget(struct queue_edit *ed, const struct queue_message *m)
{
    int64_t until;
    enum err e = m->once.n ? get_until(ed, m->once, &until) : ERR_NOT_FOUND;

    return e == ERR_OK ? drop(ed, m->once, until) : e == ERR_NOT_FOUND ? ERR_OK : e;
}
