// SPDX-License-Identifier: Apache-2.0
//
// What a check finds, counted and told one by one, each as a line for the operator. One thread at a
// time.
#ifndef BASE_PROBLEMS_H
#define BASE_PROBLEMS_H

#include <stdint.h>

struct problems {
    void (*fn)(void *arg, const char *line);
    void *arg;
    uint64_t n;
};

// The line is cut at 300 bytes.
void problems_add(struct problems *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
