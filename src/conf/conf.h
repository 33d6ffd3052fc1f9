// SPDX-License-Identifier: Apache-2.0
//
// Reads mailkeep.conf into `struct settings` and says exactly what is wrong with it.
//
// The file is lines of `name = value`, `#` starts a comment. Values are words, numbers, sizes
// (50 MB), durations (30 min), yes/no, "quoted text" and lists (a, b or [a, b], the latter over
// several lines). A line `[imap]` puts `imap_` before the names that follow, `[]` ends that.
//
// Parsing is pure; conf_load reads one file and may block. Any thread.
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "conf/settings.h"

#define CONF_FILE_BYTES_MAX (256u << 10)
#define CONF_PROBLEMS_MAX   20 // kept; the others are counted

struct conf_problem {
    unsigned line, column; // from 1; 0, 0 when it is about the whole file
    char text[240];        // what is wrong and what would be right
};

struct conf_report {
    struct conf_problem problems[CONF_PROBLEMS_MAX];
    size_t count;   // problems kept
    size_t dropped; // problems beyond CONF_PROBLEMS_MAX
};

// Makes settings from the text of a file; an empty text gives the defaults. ERR_INVALID with the
// problems in `*report` (which is filled in any case), ERR_NOMEM. The caller owns one reference.
enum err conf_parse(struct span text, struct conf_report *report, struct settings **out);

// Reads and parses a file; ERR_NOT_FOUND and other file errors are also put into the report.
enum err conf_load(const char *path, struct conf_report *report, struct settings **out);

// The same, but settings come also from a file with problems, or from none: what can be read, and
// defaults for the rest. Only to find out where a server is, never to run one. ERR_NOMEM.
enum err conf_load_partly(const char *path, struct conf_report *report, struct settings **out);

// Appends the settings that are not at their default as text that conf_parse reads back.
void conf_write(const struct settings *s, struct buf *out);
// Appends a commented file with every setting at its default.
void conf_write_default(struct buf *out);
// Appends the section of mailkeep.conf(5) about the settings (man macros).
void conf_write_manual(struct buf *out);

// Calls `fn` for each setting that differs, with both values as they would be written in the file.
typedef void conf_change_fn(void *arg, const struct setting_row *row, struct span now,
                            struct span next);
void conf_changes(const struct settings *now, const struct settings *next, conf_change_fn *fn,
                  void *arg);
// For a reload: gives `next` the values of `now` where a change takes a restart, so that a set is
// always one that a process can work with. Nobody else may have `next` yet. ERR_NOMEM.
enum err conf_keep_start_values(const struct settings *now, struct settings *next);

#endif
