// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/local/index_internal.h"

#include "base/banned.h"

#define MAP_BYTES_MIN ((uint64_t)64 << 20)

enum err index_error(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return ERR_OK;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_MAP_FULL:
        return ERR_NOSPACE;
    case MDB_READERS_FULL:
        return ERR_UNAVAILABLE;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return ERR_CORRUPT;
    case MDB_VERSION_MISMATCH:
        return ERR_UNSUPPORTED;
    case ENOENT: // a file vanished: not an answer to a question
        return ERR_IO;
    default:
        return rc > 0 ? err_from_errno(rc) : ERR_IO;
    }
}

static enum err env_open(struct index *x, const char *path, uint64_t map_bytes,
                         unsigned readers_max)
{
    MDB_txn *t;
    int rc = mdb_env_create(&x->env);

    if (rc == 0) {
        rc = mdb_env_set_mapsize(x->env, (size_t)map_bytes);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxreaders(x->env, readers_max);
    }
    // Pages are read at random; reading ahead would push mail out of the page cache.
    if (rc == 0) {
        rc = mdb_env_open(x->env, path, MDB_NOTLS | MDB_NORDAHEAD, 0600);
    }
    if (rc == 0) {
        rc = mdb_txn_begin(x->env, NULL, 0, &t);
    }
    if (rc == 0) {
        rc = mdb_dbi_open(t, NULL, 0, &x->dbi);
        if (rc == 0) {
            rc = mdb_txn_commit(t);
        } else {
            mdb_txn_abort(t);
        }
    }
    if (rc != 0) {
        mdb_env_close(x->env); // also after a failed open
        x->env = NULL;
    }
    return index_error(rc);
}

enum err index_open(struct index *x, const char *path, uint64_t map_bytes, unsigned readers_max)
{
    enum err e;

    *x = (struct index){0};
    do {
        e = env_open(x, path, map_bytes, readers_max);
        map_bytes /= 2;
    } while (e == ERR_NOMEM && map_bytes >= MAP_BYTES_MIN);
    if (e == ERR_OK) {
        int dead;

        lock_init(&x->lock, LOCK_LEAF);
        mdb_reader_check(x->env, &dead); // slots of killed processes would keep pages from reuse
    }
    return e;
}

void index_close(struct index *x)
{
    if (!x->env) {
        return;
    }
    while (x->pool) {
        struct index_reader *r = x->pool;

        x->pool = r->next;
        mdb_txn_abort(r->txn);
        free(r);
        x->open_count--;
    }
    ASSERT(x->open_count == 0);
    mdb_env_close(x->env);
    lock_finish(&x->lock);
}

enum err index_read_begin(struct index *x, struct index_reader **out)
{
    lock_take(&x->lock);
    struct index_reader *r = x->pool;

    if (r) {
        x->pool = r->next;
    } else {
        x->open_count++;
    }
    lock_release(&x->lock);
    int rc = 0;

    if (r) {
        rc = mdb_txn_renew(r->txn);
    } else {
        r = calloc(1, sizeof(*r));
        rc = r ? mdb_txn_begin(x->env, NULL, MDB_RDONLY, &r->txn) : ENOMEM;
    }
    if (rc == 0) {
        *out = r;
        return ERR_OK;
    }
    lock_take(&x->lock);
    x->open_count--;
    lock_release(&x->lock);
    if (r && r->txn) {
        mdb_txn_abort(r->txn);
    }
    free(r);
    return index_error(rc);
}

void index_read_end(struct index *x, struct index_reader *r)
{
    mdb_txn_reset(r->txn);
    lock_take(&x->lock);
    r->next = x->pool;
    x->pool = r;
    lock_release(&x->lock);
}

enum err index_write_begin(struct index *x, MDB_txn **out)
{
    return index_error(mdb_txn_begin(x->env, NULL, 0, out));
}

enum err index_write_commit(MDB_txn *t)
{
    return index_error(mdb_txn_commit(t));
}

enum err index_get(const struct index *x, MDB_txn *t, struct span key, struct span *out)
{
    MDB_val k = index_val(key), v;
    enum err e = index_error(mdb_get(t, x->dbi, &k, &v));

    if (e == ERR_OK) {
        *out = index_span(&v);
    }
    return e;
}

enum err index_put(const struct index *x, MDB_txn *t, struct span key, struct span value)
{
    MDB_val k = index_val(key), v = index_val(value);

    return index_error(mdb_put(t, x->dbi, &k, &v, 0));
}

enum err index_delete(const struct index *x, MDB_txn *t, struct span key)
{
    MDB_val k = index_val(key);
    int rc = mdb_del(t, x->dbi, &k, NULL);

    return rc == MDB_NOTFOUND ? ERR_OK : index_error(rc);
}
