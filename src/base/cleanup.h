// SPDX-License-Identifier: Apache-2.0
//
// Scope-exit helpers: what a variable so marked holds is closed or freed when its scope ends.
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_fd(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

#define CLEANUP(function) __attribute__((cleanup(function)))
#define CLEANUP_FD        CLEANUP(cleanup_fd)   // int fd CLEANUP_FD = -1;
#define CLEANUP_FREE      CLEANUP(cleanup_free) // char *p CLEANUP_FREE = NULL;

#endif
