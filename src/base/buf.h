// SPDX-License-Identifier: Apache-2.0
//
// Growing bytes with a cap given at birth. Appending never fails loudly: when the cap or memory is
// reached the buffer keeps what it has, marks itself failed and ignores what follows, so a writer
// checks once at the end. Not thread-safe: one owner at a time.
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct buf {
    char *p;
    size_t n, cap, max; // bytes used, allocated, and the cap
    bool failed;        // something was left out; ERR_LIMIT or ERR_NOMEM
    bool is_secret;     // whatever is dropped is overwritten first
};

// Prepares an empty buffer in the caller's memory; allocates nothing yet.
void buf_init(struct buf *b, size_t max_bytes);

// The same for what may hold a password: no copy of it stays behind in memory that is given back,
// when the buffer grows, is cleared, or ends.
void buf_init_secret(struct buf *b, size_t max_bytes);

// Frees the bytes; the buffer may be used again as after buf_init.
void buf_finish(struct buf *b);

// Forgets the contents and the failure, keeps the memory.
void buf_clear(struct buf *b);

// Forgets the contents and gives the memory back (an idle connection owns no buffer).
void buf_release(struct buf *b);

// Room for `n` more bytes at b->p + b->n; the caller then raises b->n. NULL marks the buffer
// failed.
char *buf_reserve(struct buf *b, size_t n);

void buf_put(struct buf *b, struct span s);
void buf_put_byte(struct buf *b, char c);
void buf_put_str(struct buf *b, const char *s);
void buf_put_u64(struct buf *b, uint64_t v); // decimal digits
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Drops the first `n` bytes (n <= b->n) and moves the rest to the front.
void buf_consume(struct buf *b, size_t n);

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){b->p, b->n};
}

// ERR_OK, or ERR_LIMIT once anything was left out.
static inline enum err buf_result(const struct buf *b)
{
    return b->failed ? ERR_LIMIT : ERR_OK;
}

#endif
