// SPDX-License-Identifier: Apache-2.0
//
// A dictionary is trained once, on the first messages there are to compress, and again never: old
// bodies need theirs for ever, and the gain of a fresher one is small against a sure read.
#include <stdlib.h>
#include <zdict.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/local/compress_internal.h"

#include "base/banned.h"

#define LEVEL             3
#define DICTIONARY_BYTES  (110u << 10)
#define SAMPLES_MIN       500
#define SAMPLES_MAX       4000
#define SAMPLE_BYTES      (16u << 10) // of one message: what repeats is at the front
#define SAMPLES_BYTES_MAX (16u << 20)
#define SAVES_PERCENT     10 // below that it is not worth decompressing

struct dictionary {
    struct dictionary *next;
    uint32_t id;
    ZSTD_DDict *d;
};

struct context {
    struct context *next;
    ZSTD_DCtx *d;
};

struct compressor {
    struct local_engine *engine;
    struct lock lock; // of the pool and the list of dictionaries
    struct dictionary *dictionaries;
    struct context *contexts;
    // The compacting thread's own.
    ZSTD_CCtx *c;
    ZSTD_CDict *newest;
    uint32_t newest_id; // 0: none yet
    struct buf samples;
    size_t *sizes;
    size_t sample_count;
};

// ---- dictionaries -------------------------------------------------------------------------------

static enum err add_dictionary(struct compressor *c, uint32_t id, struct span bytes)
{
    struct dictionary *d = calloc(1, sizeof(*d));
    ZSTD_CDict *newest = ZSTD_createCDict(bytes.p, bytes.n, LEVEL);

    if (d) {
        d->id = id;
        d->d = ZSTD_createDDict(bytes.p, bytes.n);
    }
    if (!d || !d->d || !newest) {
        ZSTD_freeCDict(newest);
        free(d);
        return ERR_NOMEM;
    }
    lock_take(&c->lock);
    d->next = c->dictionaries;
    c->dictionaries = d;
    lock_release(&c->lock);
    ZSTD_freeCDict(c->newest);
    c->newest = newest;
    c->newest_id = id;
    return ERR_OK;
}

static struct span dictionary_key(struct index_key *key, uint32_t id)
{
    key->bytes[0] = 'z';
    put_be32(key->bytes + 1, id);
    key->n = 5;
    return key_span(key);
}

static enum err load_dictionaries(struct compressor *c)
{
    struct local_engine *e = c->engine;
    struct index_reader *r;
    enum err error = index_read_begin(&e->index, &r);

    if (error != ERR_OK) {
        return error;
    }
    for (uint32_t id = DICTIONARY_NONE + 1; error == ERR_OK; id++) {
        struct index_key key;
        struct span v;

        error = index_get(&e->index, r->txn, dictionary_key(&key, id), &v);
        if (error == ERR_OK && (v.n < 8 || frame_hash(span_skip(v, 8)) != get_le64(v.p))) {
            // What was compressed with it cannot be read, all else can. Its number stays taken.
            log_error("storage: dictionary %u of the index is damaged", id);
            c->newest_id = id;
        } else if (error == ERR_OK) {
            error = add_dictionary(c, id, span_skip(v, 8));
        }
    }
    index_read_end(&e->index, r);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

enum err compressor_create(struct local_engine *e, struct compressor **out)
{
    struct compressor *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    c->engine = e;
    lock_init(&c->lock, LOCK_LEAF);
    buf_init(&c->samples, SAMPLES_BYTES_MAX);
    enum err error = load_dictionaries(c);

    if (error != ERR_OK) {
        compressor_destroy(c);
        return error;
    }
    *out = c;
    return ERR_OK;
}

void compressor_destroy(struct compressor *c)
{
    if (!c) {
        return;
    }
    while (c->dictionaries) {
        struct dictionary *d = c->dictionaries;

        c->dictionaries = d->next;
        ZSTD_freeDDict(d->d);
        free(d);
    }
    while (c->contexts) {
        struct context *x = c->contexts;

        c->contexts = x->next;
        ZSTD_freeDCtx(x->d);
        free(x);
    }
    ZSTD_freeCDict(c->newest);
    ZSTD_freeCCtx(c->c);
    buf_finish(&c->samples);
    free(c->sizes);
    lock_finish(&c->lock);
    free(c);
}

// ---- decompressing ------------------------------------------------------------------------------

static struct context *take_context(struct compressor *c)
{
    lock_take(&c->lock);
    struct context *x = c->contexts;

    if (x) {
        c->contexts = x->next;
    }
    lock_release(&c->lock);
    if (!x) {
        x = calloc(1, sizeof(*x));
        if (x && !(x->d = ZSTD_createDCtx())) {
            free(x);
            x = NULL;
        }
    }
    return x;
}

static void give_context(struct compressor *c, struct context *x)
{
    lock_take(&c->lock);
    x->next = c->contexts;
    c->contexts = x;
    lock_release(&c->lock);
}

static const struct dictionary *find_dictionary(struct compressor *c, uint32_t id)
{
    lock_take(&c->lock);
    const struct dictionary *d = c->dictionaries;

    while (d && d->id != id) {
        d = d->next;
    }
    lock_release(&c->lock);
    return d; // never removed while the engine is open
}

bool compressor_has(struct compressor *c, uint32_t dictionary)
{
    return find_dictionary(c, dictionary) != NULL;
}

enum err compressor_decompress(struct compressor *c, uint32_t dictionary, struct span stored,
                               size_t raw_n, struct buf *out)
{
    const struct dictionary *d = NULL;
    char *at = buf_reserve(out, raw_n);

    if (!at) {
        return ERR_LIMIT;
    }
    if (dictionary != DICTIONARY_NONE && !(d = find_dictionary(c, dictionary))) {
        return ERR_CORRUPT;
    }
    struct context *x = take_context(c);

    if (!x) {
        return ERR_NOMEM;
    }
    size_t n = d ? ZSTD_decompress_usingDDict(x->d, at, raw_n, stored.p, stored.n, d->d)
                 : ZSTD_decompressDCtx(x->d, at, raw_n, stored.p, stored.n);

    give_context(c, x);
    if (n != raw_n) { // errors are huge numbers
        return ERR_CORRUPT;
    }
    out->n += n;
    return ERR_OK;
}

// ---- compressing --------------------------------------------------------------------------------

bool compressor_compress(struct compressor *c, struct span raw, struct buf *out,
                         uint32_t *out_dictionary)
{
    size_t bound = ZSTD_compressBound(raw.n);
    char *at = buf_reserve(out, bound);

    if (!c->c) {
        c->c = ZSTD_createCCtx();
    }
    if (!at || !c->c) {
        return false;
    }
    size_t n = c->newest ? ZSTD_compress_usingCDict(c->c, at, bound, raw.p, raw.n, c->newest)
                         : ZSTD_compressCCtx(c->c, at, bound, raw.p, raw.n, LEVEL);

    if (ZSTD_isError(n) || n == 0 || n > raw.n - raw.n * SAVES_PERCENT / 100) {
        return false;
    }
    out->n += n;
    *out_dictionary = c->newest ? c->newest_id : DICTIONARY_NONE;
    return true;
}

bool compressor_wants_samples(const struct compressor *c)
{
    return c->newest_id == 0 && c->sample_count < SAMPLES_MAX && !c->samples.failed;
}

void compressor_sample(struct compressor *c, struct span raw)
{
    size_t before = c->samples.n;

    if (!c->sizes) {
        c->sizes = calloc(SAMPLES_MAX, sizeof(*c->sizes));
    }
    if (c->sizes && raw.n && compressor_wants_samples(c)) {
        buf_put(&c->samples, span_first(raw, SAMPLE_BYTES));
        c->sizes[c->sample_count] = c->samples.n - before;
        c->sample_count += c->samples.n > before;
    }
}

static enum err store_dictionary(struct compressor *c, uint32_t id, struct span bytes)
{
    struct local_engine *e = c->engine;
    struct index_key key;
    struct buf row;
    char hash[8];
    MDB_txn *t;
    enum err error = index_write_begin(&e->index, &t);

    if (error != ERR_OK) {
        return error;
    }
    buf_init(&row, bytes.n + 8);
    put_le64(hash, frame_hash(bytes));
    buf_put(&row, span_of(hash, 8));
    buf_put(&row, bytes);
    error =
        row.failed ? ERR_NOMEM : index_put(&e->index, t, dictionary_key(&key, id), buf_span(&row));
    buf_finish(&row);
    if (error != ERR_OK) {
        mdb_txn_abort(t);
        return error;
    }
    return index_write_commit(t);
}

enum err compressor_train(struct compressor *c)
{
    if (c->newest_id || c->sample_count < SAMPLES_MIN) {
        return ERR_OK;
    }
    char *bytes CLEANUP_FREE = malloc(DICTIONARY_BYTES);

    if (!bytes) {
        return ERR_NOMEM;
    }
    size_t n = ZDICT_trainFromBuffer(bytes, DICTIONARY_BYTES, c->samples.p, c->sizes,
                                     (unsigned)c->sample_count);

    buf_release(&c->samples);
    c->sample_count = 0;
    if (ZDICT_isError(n)) {
        return ERR_OK; // nothing repeats: there are messages like that
    }
    uint32_t id = DICTIONARY_NONE + 1;
    enum err e = store_dictionary(c, id, span_of(bytes, n));

    // Stored before the first use.
    return e == ERR_OK ? add_dictionary(c, id, span_of(bytes, n)) : e;
}
