// SPDX-License-Identifier: Apache-2.0
//
// The rows as a table, the counted set of values, and the getters.
#include "conf/settings.h"

#include <stdlib.h>

#include "base/log.h"
#include "conf/conf_internal.h"

#include "base/banned.h"

static const struct setting_row rows[SETTING__COUNT] = {
#define SETTING(ID, name, type, def, min, max, when, help)                                         \
    [SETTING_##ID] = {#name, def, help, SETTING_TYPE_##type, SETTING_WHEN_##when, min, max},
#include "conf/settings_table.h"
#undef SETTING
};

const struct setting_row *setting_row(enum setting_id id)
{
    ASSERT((unsigned)id < SETTING__COUNT);
    return &rows[id];
}

bool setting_find(struct span name, enum setting_id *out)
{
    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        if (span_eq(span_from_str(rows[i].name), name)) {
            *out = (enum setting_id)i;
            return true;
        }
    }
    return false;
}

bool setting_is_list(const struct setting_row *row)
{
    return row->type == SETTING_TYPE_LIST || row->type == SETTING_TYPE_ADDRESSES ||
           row->type == SETTING_TYPE_NETWORKS;
}

struct settings *settings_ref(struct settings *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void settings_unref(struct settings *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        arena_finish(&s->arena);
        free(s);
    }
}

static const struct conf_value *value_of(const struct settings *s, enum setting_id id,
                                         enum setting_type type)
{
    ASSERT((unsigned)id < SETTING__COUNT && rows[id].type == type);
    return &s->values[id];
}

bool conf_value_bool(const struct settings *s, enum setting_id id)
{
    return value_of(s, id, SETTING_TYPE_BOOL)->number != 0;
}

uint64_t conf_value_count(const struct settings *s, enum setting_id id)
{
    return value_of(s, id, SETTING_TYPE_COUNT)->number;
}

uint64_t conf_value_bytes(const struct settings *s, enum setting_id id)
{
    return value_of(s, id, SETTING_TYPE_BYTES)->number;
}

int64_t conf_value_ms(const struct settings *s, enum setting_id id)
{
    return (int64_t)value_of(s, id, SETTING_TYPE_TIME)->number;
}

struct span conf_value_text(const struct settings *s, enum setting_id id)
{
    return value_of(s, id, SETTING_TYPE_TEXT)->text;
}

unsigned conf_value_choice(const struct settings *s, enum setting_id id)
{
    return (unsigned)value_of(s, id, SETTING_TYPE_CHOICE)->number;
}

struct span conf_value_choice_text(const struct settings *s, enum setting_id id)
{
    return conf_choice_word(&rows[id], conf_value_choice(s, id));
}

size_t conf_value_list_size(const struct settings *s, enum setting_id id)
{
    ASSERT((unsigned)id < SETTING__COUNT && setting_is_list(&rows[id]));
    return s->values[id].list_n;
}

struct span conf_value_list_item(const struct settings *s, enum setting_id id, size_t index)
{
    ASSERT(index < conf_value_list_size(s, id));
    return s->values[id].list[index];
}

unsigned conf_value_line(const struct settings *s, enum setting_id id)
{
    ASSERT((unsigned)id < SETTING__COUNT);
    return s->values[id].line;
}

unsigned conf_value_column(const struct settings *s, enum setting_id id)
{
    ASSERT((unsigned)id < SETTING__COUNT);
    return s->values[id].column;
}
