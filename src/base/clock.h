// SPDX-License-Identifier: Apache-2.0
//
// The two clocks. Deadlines and measurements use the monotonic one, what people see uses the real
// one. Tests may replace both. Any thread; never blocks.
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

// Milliseconds since some fixed moment; never goes back.
int64_t clock_monotonic_ms(void);
// Microseconds of the same clock.
int64_t clock_monotonic_us(void);
// Seconds since 1970-01-01 UTC; may jump.
int64_t clock_real_s(void);
// Milliseconds since 1970-01-01 UTC; may jump.
int64_t clock_real_ms(void);

// For tests: fixes the real clock at `seconds` since 1970, or lets it run again with a negative
// value. Any thread.
void clock_test_fix_real(int64_t seconds);

#endif
