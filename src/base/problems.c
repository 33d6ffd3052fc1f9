// SPDX-License-Identifier: Apache-2.0
#include "base/problems.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

void problems_add(struct problems *p, const char *fmt, ...)
{
    char line[300];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    p->n++;
    p->fn(p->arg, line);
}
