// SPDX-License-Identifier: Apache-2.0
//
// The LMDB environment: opening, transactions, errors as ours, and the keys of its tables
// (docs/format/index.md).
#ifndef ENGINE_LOCAL_INDEX_INTERNAL_H
#define ENGINE_LOCAL_INDEX_INTERNAL_H

#include <lmdb.h>

#include "base/bytes.h"
#include "base/lock.h"
#include "engine/engine.h"

struct index_reader {
    struct index_reader *next;
    MDB_txn *txn;
    MDB_env *env;
};

struct index {
    MDB_env *env;
    MDB_env *broken; // the one before, after LMDB gave it up
    MDB_dbi dbi;
    char path[512];
    uint64_t map_bytes;
    unsigned readers_max;
    struct lock lock;          // of the pool, and of env
    struct index_reader *pool; // transactions at rest
    size_t open_count;         // transactions in the pool and out of it
};

// `path` is the folder of data.mdb, which must exist. `map_bytes` is lowered when the system does
// not give that much address space.
enum err index_open(struct index *x, const char *path, uint64_t map_bytes, unsigned readers_max);
void index_close(struct index *x); // all transactions are at rest

// A read transaction from the pool, renewed; microseconds. ERR_UNAVAILABLE: too many are open.
// Works also after LMDB has given the environment up because a write failed.
enum err index_read_begin(struct index *x, struct index_reader **out);
void index_read_end(struct index *x, struct index_reader *r);

// Commit is durable. One writer at a time (LMDB's own lock); begin and end in the same thread.
enum err index_write_begin(struct index *x, MDB_txn **out);
enum err index_write_commit(MDB_txn *t);

enum err index_get(const struct index *x, MDB_txn *t, struct span key, struct span *out);
enum err index_put(const struct index *x, MDB_txn *t, struct span key, struct span value);
enum err index_delete(const struct index *x, MDB_txn *t, struct span key); // absent is fine

// LMDB's code as ours: ERR_NOSPACE also when the map is full.
enum err index_error(int rc);

static inline MDB_val index_val(struct span s)
{
    return (MDB_val){s.n, (void *)(uintptr_t)s.p};
}

static inline struct span index_span(const MDB_val *v)
{
    return (struct span){v->mv_data, v->mv_size};
}

// ---- keys ---------------------------------------------------------------------------------------

#define INDEX_KEY_MAX (9 + ENGINE_KEY_BYTES_MAX + 1)

struct index_key {
    size_t n;
    char bytes[INDEX_KEY_MAX];
};

static inline struct span key_span(const struct index_key *k)
{
    return (struct span){k->bytes, k->n};
}

// Table and number: `a` account, `b` body, `s` segment, `u` body.
static inline struct span key_number(struct index_key *k, char table, uint64_t number)
{
    k->bytes[0] = table;
    put_be64(k->bytes + 1, number);
    k->n = 9;
    return key_span(k);
}

static inline uint64_t key_to_number(struct span key)
{
    return key.n >= 9 ? get_be64(key.p + 1) : 0;
}

static inline struct span key_data(struct index_key *k, account_id account, struct span key)
{
    key_number(k, 'd', account);
    if (key.n) {
        memcpy(k->bytes + 9, key.p, key.n);
    }
    k->n = 9 + key.n;
    return key_span(k);
}

static inline struct span key_meta(struct index_key *k, const char *name)
{
    size_t n = strlen(name);

    k->bytes[0] = 'm';
    memcpy(k->bytes + 1, name, n);
    k->n = 1 + n;
    return key_span(k);
}

#endif
