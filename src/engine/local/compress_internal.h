// SPDX-License-Identifier: Apache-2.0
//
// zstd with trained dictionaries. Compressing belongs to the thread that compacts; decompressing is
// for any thread.
#ifndef ENGINE_LOCAL_COMPRESS_INTERNAL_H
#define ENGINE_LOCAL_COMPRESS_INTERNAL_H

#include "engine/local/local_internal.h"

struct compressor;

// Reads the dictionaries from the index; a damaged one is left out. ERR_NOMEM.
enum err compressor_create(struct local_engine *e, struct compressor **out);
void compressor_destroy(struct compressor *c); // NULL is allowed

// Whether there is such a dictionary and it is whole.
bool compressor_has(struct compressor *c, uint32_t dictionary);

// Appends the decompressed bytes, exactly `raw_n`. ERR_CORRUPT when they are not that.
enum err compressor_decompress(struct compressor *c, uint32_t dictionary, struct span stored,
                               size_t raw_n, struct buf *out);

// Compresses with the newest dictionary; *out_dictionary is what it takes to decompress. False
// when that saves too little, or anything fails: store it as it is.
bool compressor_compress(struct compressor *c, struct span raw, struct buf *out,
                         uint32_t *out_dictionary);

// Collects samples; when there are enough and no dictionary fits yet, trains one and stores it
// durably. One thread.
bool compressor_wants_samples(const struct compressor *c);
void compressor_sample(struct compressor *c, struct span raw);
enum err compressor_train(struct compressor *c);

#endif
