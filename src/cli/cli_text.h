// SPDX-License-Identifier: Apache-2.0
//
// Words in and words out: the arguments left after the options, sizes, times, tables. One thread.
#ifndef CLI_CLI_TEXT_H
#define CLI_CLI_TEXT_H

#include <stdint.h>

#include "base/span.h"
#include "cli/cli.h"

// After the options were taken out: between `min` and `max` words are left and none looks like an
// option. CLI_OK, or CLI_USAGE when it was explained. A "--" is dropped.
int cli_words_check(struct cli *c, int *argc, char **argv, int min, int max);

// "512", "10 MB", "2GB", "none" (UINT64_MAX); units of 1024. False: no size.
bool cli_size_parse(const char *text, uint64_t *out);

// "3.4 MB"; at most 15 bytes.
struct cli_size {
    char s[16];
};
struct cli_size cli_size_text(uint64_t bytes);

// Seconds since 1970 as local time, "2026-11-23 10:12:05".
struct cli_time {
    char s[24];
};
struct cli_time cli_time_text(int64_t seconds);
// "2026-11-23", "2026-11-23 10:12", "2026-11-23T10:12:05Z", "2h", "30min", "3d" (ago), "today",
// "yesterday". False: no moment.
bool cli_time_parse(const char *text, int64_t now, int64_t *out);

// A table on standard output: the columns as wide as what is in them.
struct cli_table;
#define CLI_TABLE_COLUMNS 8
// `heads`, ended by NULL; one that starts with '>' is aligned to the right (without the '>').
struct cli_table *cli_table_create(const char *const *heads); // NULL without memory
void cli_table_cell(struct cli_table *t, const char *text);   // row by row
void cli_table_print(struct cli_table *t);                    // and destroy it; NULL is allowed

// Text from outside for a terminal: control characters become '?'. In the caller's buffer.
const char *cli_plain(const char *text, char *into, size_t size);

// JSON of an item.
const char *cli_get_text(const json_t *j, const char *name); // "" when it is not there
uint64_t cli_get_number(const json_t *j, const char *name);

#endif
