// SPDX-License-Identifier: Apache-2.0
//
// How operations are asked for by HTTP: the half of operation_table.h that the gate reads. What
// runs them, and who may, is keep's. Pure; any thread.
#ifndef ADMIN_TABLE_OPERATION_H
#define ADMIN_TABLE_OPERATION_H

#include <stdbool.h>

#include "base/span.h"

enum operation_kind {
    OPERATION_PLAIN,     // gives a result
    OPERATION_LIST,      // items, and then a result
    OPERATION_TEXT_OUT,  // a text beside its result
    OPERATION_TEXT_IN,   // the field "text" is sent as data
    OPERATION_LINES_IN,  // takes items and data, each of its items answered by one
    OPERATION_LINES_OUT, // gives items and data
};

struct operation {
    const char *name;         // "account add"
    const char *method;       // "POST"
    const char *path;         // "/accounts/{account}"
    const char *fields;       // "account! bytes:limit"
    enum operation_kind kind; //
};

// In the order of the table; NULL behind the last.
const struct operation *operation_at(size_t i);

enum operation_type {
    OPERATION_TEXT,
    OPERATION_BOOL,
    OPERATION_NUMBER, // whole, from 0
    OPERATION_LIMIT,  // the same, or null: none
    OPERATION_TEXTS,
};
struct operation_field {
    struct span name;
    enum operation_type type;
    bool is_needed;
};
// Takes the next of `*rest`, which starts as the operation's `fields`. False: that was all.
bool operation_field_next(struct span *rest, struct operation_field *out);
bool operation_field_find(const struct operation *o, struct span name, struct operation_field *out);
const char *operation_type_name(enum operation_type t); // "text"

#define OPERATION_VALUES_MAX 2 // in a path

struct operation_match {
    const struct operation *operation;        // NULL: none takes this method there
    struct span names[OPERATION_VALUES_MAX];  // of the path's fields; in the table
    struct span values[OPERATION_VALUES_MAX]; // in the path that was looked for
    size_t value_n;
    unsigned others; // that are there for other methods
    char allow[64];  // those methods: "GET, POST"
};
// What stands at a path (below /admin/api, escapes undone). A value is never empty.
void operation_find(struct span method, struct span path, struct operation_match *out);

#endif
