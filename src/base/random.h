// SPDX-License-Identifier: Apache-2.0
//
// Bytes nobody can guess, from the kernel. There is no weaker fallback: without the kernel's
// generator the process stops, since every token, salt and hash seed would be guessable.
// Any thread; may block only in the first moments after boot.
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t n);
uint64_t random_u64(void);

#endif
