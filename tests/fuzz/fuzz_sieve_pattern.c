// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions and wildcards. Input: a byte of options, the pattern, a NUL, the text. Groups
// must lie in the text, and the steps used be no more than the product of both.
#include "fuzz.h"
#include "sieve/pattern/sieve_glob.h"
#include "sieve/pattern/sieve_regex.h"

#define STEPS 20000000u

static void check_groups(const struct sieve_group_span *g, size_t n, struct span text, bool nested)
{
    CHECK(n >= 1 && n <= SIEVE_GROUPS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (g[i].from == SIZE_MAX) {
            CHECK(i > 0 && g[i].to == SIZE_MAX);
            continue;
        }
        CHECK(g[i].from <= g[i].to && g[i].to <= text.n);
        CHECK(!nested || (g[i].from >= g[0].from && g[i].to <= g[0].to));
    }
}

static void regex(uint8_t options, struct span pattern, struct span text)
{
    struct arena arena;
    const struct sieve_regex *r;
    const char *problem = NULL;
    struct sieve_group_span groups[SIEVE_GROUPS_MAX];
    uint64_t steps = STEPS;
    size_t n = 0;

    arena_init(&arena, 64 << 20);
    enum err e = sieve_regex_compile(&arena, pattern, options & 2, options & 4, &r, &problem);

    CHECK(e == ERR_OK || (e == ERR_INVALID && problem));
    if (e == ERR_OK) {
        e = sieve_regex_match(r, text, &arena, &steps, groups, &n);
        CHECK(e == ERR_OK || e == ERR_NOT_FOUND || e == ERR_LIMIT);
        if (e == ERR_OK) {
            check_groups(groups, n, text, true);
        }
    }
    arena_finish(&arena);
}

static void glob(uint8_t options, struct span pattern, struct span text)
{
    struct arena arena;
    struct sieve_group_span groups[SIEVE_GROUPS_MAX];
    uint64_t steps = UINT64_MAX;
    size_t n = 0;

    arena_init(&arena, 64 << 20);
    enum err e = sieve_glob(pattern, text, options & 2, &arena, &steps, groups, &n);

    CHECK(e == ERR_OK || e == ERR_NOT_FOUND);
    CHECK(UINT64_MAX - steps <= (pattern.n + 1) * (text.n + 1) + pattern.n + 1);
    if (e == ERR_OK) {
        check_groups(groups, n, text, false);
        CHECK(groups[0].from == 0 && groups[0].to == text.n);
    }
    arena_finish(&arena);
}

static void fold(struct span text)
{
    struct buf once, twice;

    buf_init(&once, text.n * 64 + 16);
    buf_init(&twice, text.n * 64 * 4 + 16);
    sieve_fold_unicode(&once, text);
    sieve_fold_unicode(&twice, buf_span(&once));
    CHECK(!once.failed && !twice.failed);
    buf_finish(&twice);
    buf_finish(&once);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span text = span_of(data, n), pattern;

    if (n < 1 || n > 20000) {
        return 0;
    }
    text = span_skip(text, 1);
    pattern = span_split(&text, '\0');
    if (data[0] & 1) {
        regex(data[0], pattern, text);
    } else {
        glob(data[0], pattern, text);
    }
    fold(text);
    return 0;
}
