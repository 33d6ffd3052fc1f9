// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <time.h>

#include "base/banned.h"

static _Atomic int64_t fixed_real_s = -1;

static int64_t now_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return now_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_monotonic_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

int64_t clock_real_s(void)
{
    return clock_real_ms() / 1000;
}

int64_t clock_real_ms(void)
{
    int64_t fixed_s = fixed_real_s;

    return fixed_s >= 0 ? fixed_s * 1000 : now_us(CLOCK_REALTIME) / 1000;
}

void clock_test_fix_real(int64_t seconds)
{
    fixed_real_s = seconds;
}
