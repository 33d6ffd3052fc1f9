// SPDX-License-Identifier: Apache-2.0
//
// Erases everything an account has, in batches of bounded size. The header goes first, so that from
// then on nobody can look into the account or change it; a crash in between leaves the rest for the
// next start (directory/directory_change.c).
#include "base/clock.h"
#include "store/store_internal.h"

#include "base/banned.h"

#define ERASE_AT_ONCE 2000

struct eraser {
    struct snapshot *snapshot;
    struct batch *batch;
    account_id account;
    size_t count;
};

static enum err erase_key(struct eraser *r, struct span key, struct span value)
{
    struct message_record m;
    enum err e = batch_delete(r->batch, key);

    r->count++;
    if (e == ERR_OK && key.p[0] == KEY_MESSAGE && message_decode(value, &m) == ERR_OK) {
        e = batch_drop_body(r->batch, m.body);
    }
    return e;
}

// Keys of the account into the batch, up to the limit.
static enum err erase_collect(struct eraser *r)
{
    struct key header = key_plain(KEY_HEADER);
    struct scan *scan;
    struct span key, value;
    enum err e = snapshot_get(r->snapshot, r->account, key_span(&header), &value);

    if (e == ERR_OK) {
        return erase_key(r, key_span(&header), value);
    }
    if (e != ERR_NOT_FOUND) {
        return e;
    }
    e = scan_open(r->snapshot, r->account, SPAN(""), SPAN(""), false, &scan);
    if (e != ERR_OK) {
        return e;
    }
    while (r->count < ERASE_AT_ONCE && (e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = erase_key(r, key, value);
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err erase_some(struct store *s, account_id account, size_t *out_count)
{
    struct eraser r = {.account = account};
    uint64_t version;
    enum err e = snapshot_open(s->engine, &r.snapshot);

    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_version(r.snapshot, account, &version);
    e = e != ERR_OK ? e : batch_create(account, &r.batch);
    e = e != ERR_OK ? e : erase_collect(&r);
    if (e == ERR_OK && r.count) {
        e = engine_commit(s->engine, r.batch, version);
    }
    batch_destroy(r.batch);
    snapshot_close(r.snapshot);
    *out_count = r.count;
    return e;
}

enum err account_erase(struct store *s, account_id account)
{
    size_t count;
    enum err e;

    do {
        e = erase_some(s, account, &count);
        if (e == ERR_CONFLICT) { // somebody was still writing
            e = ERR_OK;
            count = 1;
        }
    } while (e == ERR_OK && count);
    return e;
}
