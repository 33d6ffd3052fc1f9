// SPDX-License-Identifier: Apache-2.0
#include "base/pack.h"

#include "base/log.h"

#include "base/banned.h"

void pack_u64(struct pack *k, uint64_t v)
{
    ASSERT(k->cap - k->n >= VARINT_BYTES_MAX);
    k->n += varint_put(k->p + k->n, v);
}

void pack_i64(struct pack *k, int64_t v)
{
    pack_u64(k, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

void pack_bytes(struct pack *k, const void *p, size_t n)
{
    ASSERT(k->cap - k->n >= n);
    if (n) {
        memcpy(k->p + k->n, p, n);
    }
    k->n += n;
}

void pack_str(struct pack *k, struct span s)
{
    pack_u64(k, s.n);
    pack_bytes(k, s.p, s.n);
}

bool unpack_u64(struct span *s, uint64_t max, uint64_t *out)
{
    uint64_t v;

    if (!varint_get(s, &v) || v > max) {
        return false;
    }
    *out = v;
    return true;
}

bool unpack_u32(struct span *s, uint32_t *out)
{
    uint64_t v;

    if (!unpack_u64(s, UINT32_MAX, &v)) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

bool unpack_i64(struct span *s, int64_t *out)
{
    uint64_t v;

    if (!varint_get(s, &v)) {
        return false;
    }
    *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    return true;
}

bool unpack_str(struct span *s, size_t max, struct span *out)
{
    uint64_t n;

    return unpack_u64(s, max, &n) && bytes_take(s, n, out);
}

enum err unpack_version_of(struct span *s, char version)
{
    if (s->n == 0) {
        return ERR_CORRUPT;
    }
    if (s->p[0] != version) {
        return ERR_UNSUPPORTED;
    }
    *s = span_skip(*s, 1);
    return ERR_OK;
}
