// SPDX-License-Identifier: Apache-2.0
//
// What every unit test includes: cmocka and a few assertions on our own types.
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

// cmocka wants these four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/span.h"

// `got` is a span, `want` a C string.
#define assert_span(got, want)                                                                     \
    do {                                                                                           \
        struct span got_ = (got), want_ = span_from_str(want);                                     \
        if (!span_eq(got_, want_)) {                                                               \
            print_error("%s:%d: got \"%.*s\", want \"%s\"\n", __FILE__, __LINE__, SPAN_ARG(got_),  \
                        want_.p);                                                                  \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#define assert_err(got, want)                                                                      \
    do {                                                                                           \
        enum err got_ = (got), want_ = (want);                                                     \
        if (got_ != want_) {                                                                       \
            print_error("%s:%d: got \"%s\", want \"%s\"\n", __FILE__, __LINE__, err_name(got_),    \
                        err_name(want_));                                                          \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#define assert_ok(got) assert_err(got, ERR_OK)

#endif
