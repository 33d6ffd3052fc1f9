// SPDX-License-Identifier: Apache-2.0
//
// Comma-separated values (RFC 4180), as spreadsheets write them: the separator may be a semicolon
// or a tab, lines may end in LF, a byte order mark may come first, blank lines mean nothing. Pure;
// one thread.
#ifndef CLI_ACCOUNT_CSV_H
#define CLI_ACCOUNT_CSV_H

#include "base/buf.h"
#include "base/err.h"

#define CSV_FIELDS_MAX 64

struct csv {
    struct span rest;
    char separator;
    unsigned long line;  // on which the last record begins, from 1
    unsigned long next;  // the line that `rest` begins on
    const char *problem; // static, after ERR_INVALID
    struct buf room;     // fields whose quotes had to be undone
    struct span fields[CSV_FIELDS_MAX];
    size_t count;
};

// `text` must outlive the reader. The separator is the one of , ; and tab that the first line has
// most of, outside of quotes.
void csv_init(struct csv *r, struct span text);
void csv_finish(struct csv *r);

// The next record: `fields` and `count`, which live until the next call. ERR_EOF: there is none.
// ERR_INVALID: `line` is not what the RFC allows, `problem` says why; the record ends where its
// line does, and the next call goes on after it. ERR_NOMEM.
enum err csv_next(struct csv *r);

#endif
