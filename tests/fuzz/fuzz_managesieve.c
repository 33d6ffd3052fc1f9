// SPDX-License-Identifier: Apache-2.0
//
// A ManageSieve stream in two cuts; each command is parsed.
#include "fuzz.h"
#include "wire/managesieve/managesieve.h"

static void parse(struct span text)
{
    struct managesieve_command c;
    struct arena arena;
    struct span response;
    const char *why = NULL;

    arena_init(&arena, 1 << 20);
    if (managesieve_parse(text, &arena, &c, &why)) {
        CHECK(why != NULL);
    } else if (c.id != MANAGESIEVE_AUTHENTICATE && c.id != MANAGESIEVE_NOOP) {
        CHECK(c.name.n <= MANAGESIEVE_NAME_BYTES_MAX && c.to.n <= MANAGESIEVE_NAME_BYTES_MAX);
    }
    managesieve_parse_response(text, &arena, &response);
    arena_finish(&arena);
}

static uint64_t run(struct span in, size_t step)
{
    static const struct managesieve_limits limits = {200, 300, 1000};
    struct managesieve_framer f;
    size_t at = 0, have = 0;
    uint64_t seen = 0;

    managesieve_framer_init(&f, &limits);
    for (;;) {
        struct span text;
        size_t bytes = 0;
        enum managesieve_frame_kind kind =
            managesieve_frame(&f, span_of(in.p + at, have - at), &text, &bytes);

        if (kind == MANAGESIEVE_MORE) {
            if (have == in.n) {
                return seen;
            }
            have = have + step < in.n ? have + step : in.n;
            continue;
        }
        CHECK(kind == MANAGESIEVE_BROKEN || bytes > 0);
        at += bytes;
        CHECK(at <= have);
        if (kind != MANAGESIEVE_SKIP) {
            seen = seen * 31 + kind + (kind == MANAGESIEVE_COMMAND ? text.n : 0);
        }
        if (kind == MANAGESIEVE_COMMAND) {
            parse(text);
        }
        if (kind == MANAGESIEVE_BROKEN) {
            return seen;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of(data, n);

    CHECK(run(in, n + 1) == run(in, 1 + n % 7));
    return 0;
}
