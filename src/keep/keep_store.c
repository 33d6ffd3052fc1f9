// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_store.h"

#include <fcntl.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "engine/local/local.h"

#include "base/banned.h"

static enum err open_engine(const struct settings *s, struct engine **out, struct buf *why)
{
    struct engine_local_options o = ENGINE_LOCAL_DEFAULTS;
    struct buf path;
    int dir CLEANUP_FD = -1;

    buf_init(&path, 8192);
    buf_printf(&path, "%s/" ENGINE_LOCAL_FOLDER, conf_value_text(s, SETTING_DATA_DIR).p);
    buf_put_byte(&path, '\0');
    o.path = path.p;
    o.checkpoint_ms = (uint32_t)conf_value_ms(s, SETTING_CHECKPOINT_INTERVAL);
    o.segment_bytes = conf_value_bytes(s, SETTING_SEGMENT_SIZE);
    o.memtable_bytes = conf_value_bytes(s, SETTING_MEMORY_TABLE_MAX);
    o.compress_after_s = (uint32_t)(conf_value_ms(s, SETTING_COMPRESS_AFTER) / 1000);
    o.compact_dead_pct = (uint32_t)conf_value_count(s, SETTING_COMPACT_DEAD_PERCENT);
    o.compact_ms = (uint32_t)conf_value_ms(s, SETTING_COMPACT_INTERVAL);
    o.map_bytes = conf_value_bytes(s, SETTING_DATABASE_SIZE_MAX);
    enum err e = file_open_dir(AT_FDCWD, o.path, true, &dir);

    if (e == ERR_OK) {
        e = engine_local_open(dir, &o, out, why);
    }
    buf_finish(&path);
    return e;
}

enum err keep_store_open(const struct settings *s, struct keep_store *out, struct buf *why)
{
    struct keep_store k = {.engine = NULL};
    struct store_options o;
    enum err e = open_engine(s, &k.engine, why);

    if (e != ERR_OK) {
        return e;
    }
    store_options_default(&o);
    o.separator = *conf_value_choice_text(s, SETTING_HIERARCHY_SEPARATOR).p;
    o.message_bytes_max = conf_value_bytes(s, SETTING_MESSAGE_MAX) + KEEP_TRACE_BYTES;
    o.mailboxes_max = (uint32_t)conf_value_count(s, SETTING_MAILBOXES_MAX);
    e = store_open(k.engine, &o, &k.store);
    if (e != ERR_OK) {
        engine_close(k.engine);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void keep_store_close(struct keep_store *k)
{
    store_close(k->store);
    engine_close(k->engine);
    *k = (struct keep_store){.engine = NULL};
}

struct password_params keep_password_params(const struct settings *s)
{
    return (struct password_params){
        .memory_kib = (uint32_t)(conf_value_bytes(s, SETTING_ARGON2_MEMORY) / 1024),
        .passes = (uint32_t)conf_value_count(s, SETTING_ARGON2_PASSES),
        .lanes = (uint32_t)conf_value_count(s, SETTING_ARGON2_LANES),
    };
}

void keep_store_admin(struct settings *s, const struct keep_store *k, struct admin *out)
{
    *out = (struct admin){
        .store = k->store,
        .settings = s,
        .password_params = keep_password_params(s),
        .default_domain = conf_value_text(s, SETTING_DEFAULT_DOMAIN),
        .quota_bytes = conf_value_bytes(s, SETTING_QUOTA_BYTES),
        .quota_messages = conf_value_count(s, SETTING_QUOTA_MESSAGES),
        .message_bytes_max = conf_value_bytes(s, SETTING_MESSAGE_MAX),
    };
}
