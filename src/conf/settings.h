// SPDX-License-Identifier: Apache-2.0
//
// The settings a process works with: read once, never changed, counted. A reload makes a new set;
// whoever needs the values of one moment takes a reference. Anybody may read, on any thread.
//
// A value is asked for by its row in settings_table.h, with the getter of the row's type:
//     size_t max = conf_value_bytes(settings, SETTING_MESSAGE_MAX);
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

enum setting_id {
#define SETTING(ID, name, type, def, min, max, when, help) SETTING_##ID,
#include "conf/settings_table.h"
#undef SETTING
    SETTING__COUNT
};

enum setting_type {
    SETTING_TYPE_BOOL,
    SETTING_TYPE_COUNT,
    SETTING_TYPE_BYTES,
    SETTING_TYPE_TIME,
    SETTING_TYPE_TEXT,
    SETTING_TYPE_CHOICE,
    SETTING_TYPE_LIST,
    SETTING_TYPE_ADDRESSES,
    SETTING_TYPE_NETWORKS,
};

enum setting_when { SETTING_WHEN_LIVE, SETTING_WHEN_START };

struct setting_row {
    const char *name, *default_text, *help;
    enum setting_type type;
    enum setting_when when;
    uint64_t min, max;
};

const struct setting_row *setting_row(enum setting_id id);
// False when there is no such setting.
bool setting_find(struct span name, enum setting_id *out);

struct settings;

struct settings *settings_ref(struct settings *s); // returns s
void settings_unref(struct settings *s);           // NULL is allowed

// Getters. Asking with the wrong type is a bug of ours and stops the process.
bool conf_value_bool(const struct settings *s, enum setting_id id);
uint64_t conf_value_count(const struct settings *s, enum setting_id id);
uint64_t conf_value_bytes(const struct settings *s, enum setting_id id);
int64_t conf_value_ms(const struct settings *s, enum setting_id id); // milliseconds
// Text lives as long as `s`; there is a NUL behind its last byte.
struct span conf_value_text(const struct settings *s, enum setting_id id);
// A choice as its place in the row's words (log_level: 0 is error) and as the word itself.
unsigned conf_value_choice(const struct settings *s, enum setting_id id);
struct span conf_value_choice_text(const struct settings *s, enum setting_id id);
size_t conf_value_list_size(const struct settings *s, enum setting_id id);
struct span conf_value_list_item(const struct settings *s, enum setting_id id, size_t index);

// Where a value comes from: 0 is the default, otherwise the line of the file.
unsigned conf_value_line(const struct settings *s, enum setting_id id);
unsigned conf_value_column(const struct settings *s, enum setting_id id); // from 1; the same
// Appends a value as it would be written in the file ("50 MB", "30 min", quoted text).
void conf_value_print(const struct settings *s, enum setting_id id, struct buf *out);

#endif
