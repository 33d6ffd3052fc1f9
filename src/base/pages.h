// SPDX-License-Identifier: Apache-2.0
//
// Memory in large pieces. A piece of PAGES_LARGE and more is aligned to the system's huge pages and
// asks for them: one fault then brings 2 MB instead of 4 KB. Smaller ones are malloc's. So are all
// of them under AddressSanitizer, which looks for pointers in memory of malloc only.
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stddef.h>

#define PAGES_LARGE ((size_t)2 << 20) // a huge page of x86-64, and of arm64 with pages of 4 KB

// `n` bytes (1 and more), aligned for any type, not cleared; NULL without memory. The caller gives
// them back by pages_free with the same `n`. Any thread; does not block (madvise(2),
// MADV_HUGEPAGE: only advice, small pages do as well).
void *pages_alloc(size_t n);

// Nothing for NULL.
void pages_free(void *p, size_t n);

#endif
