// SPDX-License-Identifier: Apache-2.0
//
// The mail filter language Sieve (RFC 5228 and the extensions in docs/protocol/sieve.md): a script
// is checked and compiled once, when it is stored, into a program that sieve_run.h executes for
// each message. Pure: no files, no sockets, no store. A program is immutable; any number of threads
// may run it at a time.
#ifndef SIEVE_SIEVE_H
#define SIEVE_SIEVE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define SIEVE_PROBLEMS_MAX   20
#define SIEVE_NAME_BYTES_MAX 512 // of a script's name (RFC 5804 section 1.6)

struct sieve_limits {
    uint32_t script_bytes_max;
    uint32_t depth_max;     // blocks in blocks, tests in tests
    uint32_t nodes_max;     // commands and tests in one script
    uint32_t list_max;      // strings in one list
    uint32_t redirects_max; // redirect commands executed for one message (used when it runs)
};

// 1 MiB, depth 32, 16,384 commands and tests, 4,096 strings in a list, 4 redirects.
extern const struct sieve_limits sieve_limits_default;

// An arena of this size holds the program and the problems of any script under the default limits.
#define SIEVE_PROGRAM_BYTES_MAX (64u << 20)

// What is wrong with a script, in words for its author. Lines and columns count from 1; a column
// is a character.
struct sieve_problem {
    uint32_t line, column;
    struct span text;
};

struct sieve_problems {
    struct sieve_problem list[SIEVE_PROBLEMS_MAX]; // in order; more are not told
    size_t n;
};

struct sieve_program;

// Compiles. `limits` NULL: the defaults. ERR_INVALID with `out_problems` set (and nothing else):
// the script is not stored; ERR_NOMEM. Program and problems live in `arena`. The script's bytes are
// not needed afterwards. Linear in the script.
enum err sieve_compile(const struct sieve_limits *limits, struct span script, struct arena *arena,
                       const struct sieve_program **out_program,
                       struct sieve_problems *out_problems);

// Appends "LINE:COLUMN: TEXT\n" for each problem.
void sieve_problems_put(struct buf *out, const struct sieve_problems *problems);

// Appends the names of all extensions, separated by blanks, as ManageSieve announces them
// (RFC 5804 section 1.7).
void sieve_extensions_put(struct buf *out);

// The program has a command that needs the extension (also when only an `ihave` test asks for it).
bool sieve_program_uses(const struct sieve_program *program, struct span extension);

// Calls `fn` for each address that the program may send the message on to, as it is written.
// `is_known` false: it is put together when the script runs. `fn` returns false to stop.
typedef bool sieve_redirect_fn(void *arg, struct span address, bool is_known);
void sieve_program_redirects(const struct sieve_program *program, sieve_redirect_fn *fn, void *arg);
// It runs other scripts of the account.
bool sieve_program_includes(const struct sieve_program *program);

// A name a script may have (RFC 5804 section 1.6, and no '/': it is never a path).
bool sieve_script_name_is_valid(struct span name);

#endif
