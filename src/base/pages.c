// SPDX-License-Identifier: Apache-2.0
#include "base/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/banned.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define MALLOC_ONLY
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define MALLOC_ONLY
#endif

#ifdef MALLOC_ONLY

void *pages_alloc(size_t n)
{
    return malloc(n);
}

void pages_free(void *p, size_t n)
{
    (void)n;
    free(p);
}

#else

static size_t mapped(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (n + page - 1) & ~(page - 1);
}

void *pages_alloc(size_t n)
{
    if (n < PAGES_LARGE) {
        return malloc(n);
    }
    if (n > SIZE_MAX / 2) {
        return NULL;
    }
    size_t size = mapped(n);
    char *all =
        mmap(NULL, size + PAGES_LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (all == MAP_FAILED) {
        return NULL;
    }
    size_t before = -(uintptr_t)all & (PAGES_LARGE - 1);

    if (before) {
        munmap(all, before);
    }
    munmap(all + before + size, PAGES_LARGE - before);
    madvise(all + before, size, MADV_HUGEPAGE); // refused: small pages do as well
    return all + before;
}

void pages_free(void *p, size_t n)
{
    if (n < PAGES_LARGE) {
        free(p);
    } else if (p) {
        munmap(p, mapped(n));
    }
}

#endif
