// SPDX-License-Identifier: Apache-2.0
//
// The compiler of the filter language. Input: a script. Problems must lie in the script and be
// text; the same script gives the same answer; a program that compiles ends on an empty message.
#include "base/utf8.h"
#include "fuzz.h"
#include "sieve/sieve_run.h"

static void check_problems(const struct sieve_problems *p, struct span script)
{
    uint32_t lines = 1;

    for (size_t i = 0; i < script.n; i++) {
        lines += script.p[i] == '\n';
    }
    CHECK(p->n > 0 && p->n <= SIEVE_PROBLEMS_MAX);
    for (size_t i = 0; i < p->n; i++) {
        CHECK(p->list[i].line >= 1 && p->list[i].line <= lines);
        CHECK(p->list[i].column >= 1 && p->list[i].column <= script.n + 1);
        CHECK(p->list[i].text.n && utf8_is_valid(p->list[i].text));
    }
}

static void run(const struct sieve_program *program)
{
    struct sieve_env env = {.message = SPAN("A: b\n\nc\n")};
    struct sieve_budget budget = {2000000};
    struct arena arena;
    struct sieve_result result;

    arena_init(&arena, 16 << 20);
    CHECK(sieve_run(program, &env, &budget, &arena, &result) == ERR_OK);
    CHECK(result.has_error ? result.action_n == 1 : true);
    arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span script = span_of(data, n);
    struct arena arena;
    const struct sieve_program *program = NULL;
    struct sieve_problems problems, again;

    arena_init(&arena, SIEVE_PROGRAM_BYTES_MAX);
    enum err e = sieve_compile(NULL, script, &arena, &program, &problems);

    CHECK(e == ERR_OK || e == ERR_INVALID);
    if (e == ERR_OK) {
        run(program);
    } else {
        check_problems(&problems, script);
        CHECK(sieve_compile(NULL, script, &arena, &program, &again) == ERR_INVALID);
        CHECK(again.n == problems.n && again.list[0].line == problems.list[0].line);
    }
    arena_finish(&arena);
    return 0;
}
