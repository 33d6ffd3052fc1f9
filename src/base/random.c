// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/log.h"

#include "base/banned.h"

void random_bytes(void *out, size_t n)
{
    char *at = out;

    while (n) {
        ssize_t k = getrandom(at, n, 0);

        if (k > 0) {
            at += k;
            n -= (size_t)k;
        } else if (errno != EINTR) {
            log_panic("the kernel's random generator failed (errno %d); check that the sandbox "
                      "and the container allow getrandom",
                      errno);
        }
    }
}

uint64_t random_u64(void)
{
    uint64_t v;

    random_bytes(&v, sizeof(v));
    return v;
}
