// SPDX-License-Identifier: Apache-2.0
#include "keep/managesieve/managesieve_check.h"

#include "sieve/sieve.h"

#include "base/banned.h"

enum err managesieve_check(struct span text, struct buf *problem)
{
    const struct sieve_program *program;
    struct sieve_problems problems = {0};
    struct arena arena;

    arena_init(&arena, SIEVE_PROGRAM_BYTES_MAX);
    enum err e = sieve_compile(NULL, text, &arena, &program, &problems);

    if (e == ERR_INVALID) {
        sieve_problems_put(problem, &problems);
    }
    arena_finish(&arena);
    return e;
}
