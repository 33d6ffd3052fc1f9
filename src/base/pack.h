// SPDX-License-Identifier: Apache-2.0
//
// Packed values: fields one after the other, without tags, as stored records have them. A record
// starts with the version of its layout. Pure; any thread.
//
// Packing writes into the caller's room, which must hold the largest record, and cannot fail.
// Unpacking takes a field off the front of a span: false when it is cut, or above its maximum.
#ifndef BASE_PACK_H
#define BASE_PACK_H

#include "base/bytes.h"
#include "base/err.h"

struct pack {
    char *p;
    size_t n, cap;
};

// Starts a record at `room` with its version byte.
static inline struct pack pack_record(char *room, size_t cap, char version)
{
    room[0] = version;
    return (struct pack){.p = room, .n = 1, .cap = cap};
}
void pack_u64(struct pack *k, uint64_t v); // varint
void pack_i64(struct pack *k, int64_t v);  // zigzag varint
void pack_str(struct pack *k, struct span s);
void pack_bytes(struct pack *k, const void *p, size_t n);
static inline struct span pack_span(const struct pack *k)
{
    return span_of(k->p, k->n);
}

// Takes the version byte: ERR_CORRUPT when there is none, ERR_UNSUPPORTED when it is another.
enum err unpack_version_of(struct span *s, char version);
bool unpack_u64(struct span *s, uint64_t max, uint64_t *out);
bool unpack_u32(struct span *s, uint32_t *out);
bool unpack_i64(struct span *s, int64_t *out);
bool unpack_str(struct span *s, size_t max, struct span *out);

#endif
