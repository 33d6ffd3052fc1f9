// SPDX-License-Identifier: Apache-2.0
//
// What the files of conf/ share: how values are kept and how texts become values.
#ifndef CONF_CONF_INTERNAL_H
#define CONF_CONF_INTERNAL_H

#include <stdatomic.h>

#include "base/arena.h"
#include "conf/conf.h"

#define CONF_LIST_ITEMS_MAX 64

struct conf_value {
    uint64_t number;   // BOOL, COUNT, BYTES, TIME, CHOICE (place among the words)
    struct span text;  // TEXT; NUL behind it
    struct span *list; // LIST, ADDRESSES, NETWORKS
    size_t list_n;
    unsigned line, column; // of the value in the file; 0: default
};

struct settings {
    _Atomic int refs;
    struct arena arena;
    struct conf_value values[SETTING__COUNT];
};

// Texts as the file has them, before the row's type is applied: one text, or the items of a list.
struct conf_raw {
    struct span items[CONF_LIST_ITEMS_MAX];
    unsigned columns[CONF_LIST_ITEMS_MAX], lines[CONF_LIST_ITEMS_MAX];
    size_t n;
};

// Makes the value of a row from its texts, in the settings' arena. On ERR_INVALID the reason is in
// `problem` and *out_item is the text that is wrong.
enum err conf_value_make(struct settings *s, const struct setting_row *row,
                         const struct conf_raw *raw, struct conf_value *out, char *problem,
                         size_t problem_bytes, size_t *out_item);

// The words of a choice: the i-th, or an empty span after the last.
struct span conf_choice_word(const struct setting_row *row, unsigned i);

// Adds a problem; counts it as dropped when there are too many.
void conf_problem(struct conf_report *r, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// The name nearest to `name`, or NULL when none is near.
const char *conf_nearest_name(struct span name);

// What single rows cannot say: settings that contradict each other.
void conf_check_conflicts(const struct settings *s, struct conf_report *r);
// Its part about directories.
void conf_check_ldap(const struct settings *s, struct conf_report *r);
// Of two values the one that stands later in the file.
const struct conf_value *conf_later(const struct settings *s, enum setting_id a, enum setting_id b);

// A set with every value at its default. ERR_NOMEM.
enum err conf_settings_create(struct settings **out);

bool setting_is_list(const struct setting_row *row);

#endif
