// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
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

    *x = (struct index){.readers_max = readers_max};
    if (snprintf(x->path, sizeof(x->path), "%s", path) >= (int)sizeof(x->path)) {
        return ERR_LIMIT;
    }
    do {
        x->map_bytes = map_bytes;
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

static void reader_free(struct index_reader *r)
{
    if (r && r->txn) {
        mdb_txn_abort(r->txn);
    }
    free(r);
}

static void empty_pool(struct index *x)
{
    while (x->pool) {
        struct index_reader *r = x->pool;

        x->pool = r->next;
        x->open_count--;
        reader_free(r);
    }
}

void index_close(struct index *x)
{
    if (!x->env) {
        return;
    }
    empty_pool(x);
    ASSERT(x->open_count == 0);
    mdb_env_close(x->env);
    if (x->broken) {
        mdb_env_close(x->broken);
    }
    lock_finish(&x->lock);
}

// After a failed write of its own first page LMDB refuses even to read. Nobody writes any more, so
// a second environment without locks may read what the first one has. With the lock held.
static enum err reopen_for_reading(struct index *x)
{
    MDB_env *env = NULL;
    MDB_txn *t;
    int rc = x->broken ? MDB_PANIC : mdb_env_create(&env);

    if (rc == 0) {
        rc = mdb_env_set_mapsize(env, (size_t)x->map_bytes);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxreaders(env, x->readers_max);
    }
    if (rc == 0) {
        rc = mdb_env_open(env, x->path, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD, 0600);
    }
    if (rc == 0) {
        rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &t);
    }
    if (rc == 0) {
        rc = mdb_dbi_open(t, NULL, 0, &x->dbi); // gives the environment its order of keys
        mdb_txn_abort(t);
    }
    if (rc != 0) {
        if (env) {
            mdb_env_close(env);
        }
        return ERR_IO;
    }
    empty_pool(x);
    x->broken = x->env;
    x->env = env;
    return ERR_OK;
}

static struct index_reader *take_reader(struct index *x, MDB_env **out_env)
{
    lock_take(&x->lock);
    struct index_reader *r = x->pool;

    if (r) {
        x->pool = r->next;
    } else {
        x->open_count++;
    }
    *out_env = x->env;
    lock_release(&x->lock);
    return r;
}

static enum err recover_reading(struct index *x, const MDB_env *env)
{
    lock_take(&x->lock);
    x->open_count--;
    enum err e = x->env == env ? reopen_for_reading(x) : ERR_OK; // else somebody was faster

    lock_release(&x->lock);
    return e;
}

enum err index_read_begin(struct index *x, struct index_reader **out)
{
    MDB_env *env;
    struct index_reader *r = take_reader(x, &env);
    int rc = 0;

    if (r) {
        rc = mdb_txn_renew(r->txn);
    } else {
        r = calloc(1, sizeof(*r));
        rc = r ? mdb_txn_begin(env, NULL, MDB_RDONLY, &r->txn) : ENOMEM;
    }
    if (rc == 0) {
        r->env = env;
        *out = r;
        return ERR_OK;
    }
    reader_free(r);
    if (rc == MDB_PANIC) {
        enum err e = recover_reading(x, env);

        return e == ERR_OK ? index_read_begin(x, out) : e;
    }
    lock_take(&x->lock);
    x->open_count--;
    lock_release(&x->lock);
    return index_error(rc);
}

void index_read_end(struct index *x, struct index_reader *r)
{
    mdb_txn_reset(r->txn);
    lock_take(&x->lock);
    bool keep = r->env == x->env;

    if (keep) {
        r->next = x->pool;
        x->pool = r;
    } else {
        x->open_count--;
    }
    lock_release(&x->lock);
    if (!keep) {
        reader_free(r);
    }
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
