// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_alerts.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "keep/keep_chore.h"

#include "base/banned.h"

#define KEY_BYTES_MIN 16
#define ROUND_MS      60000 // without anything new: what is still due is tried again

struct keep_alerts {
    struct keep_chore *chore;
    struct alert_watch *watch;
    struct store *store;
};

static uint32_t off_of(const struct settings *s)
{
    uint32_t off = 0;
    enum alert_kind kind;

    for (size_t i = 0; i < conf_value_list_size(s, SETTING_ALERTS_OFF); i++) {
        if (alert_kind_parse(conf_value_list_item(s, SETTING_ALERTS_OFF, i), &kind)) {
            off |= 1u << kind;
        }
    }
    return off;
}

static void read_settings(const struct settings *s, struct alert_watch_options *o)
{
    alert_settings_default(&o->rules);
    o->rules.off = off_of(s);
    o->rules.exact_networks =
        span_eq(conf_value_choice_text(s, SETTING_ALERT_NETWORKS), SPAN("exact"));
    o->rules.learn_s = conf_value_ms(s, SETTING_ALERT_LEARN) / 1000;
    o->rules.failures = conf_value_count(s, SETTING_ALERT_FAILURES);
    o->rules.folders = conf_value_count(s, SETTING_ALERT_FOLDERS);
    o->rules.deleted = conf_value_count(s, SETTING_ALERT_DELETED);
    o->rules.download = conf_value_bytes(s, SETTING_ALERT_DOWNLOAD);
    o->rules.speed = conf_value_count(s, SETTING_ALERT_TRAVEL_SPEED);
    o->rules.window_ms = conf_value_ms(s, SETTING_ALERT_WINDOW);
    o->rules.pause_ms = conf_value_ms(s, SETTING_ALERT_PAUSE);
    o->rules.per_day = (unsigned)conf_value_count(s, SETTING_ALERT_PER_DAY);
    o->is_on = conf_value_bool(s, SETTING_ALERTS);
    o->keep_ms = conf_value_ms(s, SETTING_SIGNINS_KEEP);
}

static void wake(void *arg, int64_t delay_ms)
{
    struct keep_alerts *k = arg;

    keep_chore_wake(k->chore, delay_ms);
}

static bool is_stopping(void *arg)
{
    struct keep_alerts *k = arg;

    return keep_chore_is_stopping(k->chore);
}

static void take_turn(void *arg)
{
    struct keep_alerts *k = arg;

    alert_watch_turn(k->watch);
}

enum err keep_alerts_prepare(const struct settings *s, struct buf *key)
{
    struct span path = conf_value_text(s, SETTING_ALERT_WEBHOOK_KEY_FILE);

    if (!conf_value_text(s, SETTING_ALERT_WEBHOOK).n) {
        return ERR_OK;
    }
    enum err e = path.n ? file_read_whole(AT_FDCWD, path.p, key) : ERR_INVALID;

    if (e == ERR_OK) {
        struct span rest = buf_span(key);

        key->n = span_trim(span_split(&rest, '\n')).n;
        e = key->n >= KEY_BYTES_MIN ? ERR_OK : ERR_INVALID;
    }
    if (e != ERR_OK) {
        log_error("alert_webhook is set, and its key cannot be read from alert_webhook_key_file: "
                  "%s; that is a file whose first line has at least %d characters",
                  err_name(e), KEY_BYTES_MIN);
    }
    return e;
}

enum err keep_alerts_start(const struct keep_alerts_options *ko, struct keep_alerts **out)
{
    struct store *s = ko->store;
    const struct settings *settings = ko->settings;
    struct keep_alerts *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    struct alert_watch_options o = {
        .store = s, .server = ko->server, .wake = wake, .is_stopping = is_stopping, .arg = k};
    const struct keep_chore_options chore = {
        .name = "keep-alerts", .run = take_turn, .arg = k, .interval_ms = ROUND_MS};

    k->store = s;
    read_settings(settings, &o);
    if (ko->key.n) {
        o.hook_send = ko->send;
        o.hook_arg = ko->arg;
        o.hook_key = ko->key;
    }
    enum err e = alert_watch_create(&o, &k->watch);

    e = e == ERR_OK ? keep_chore_start(&chore, &k->chore) : e;
    if (e != ERR_OK) {
        alert_watch_destroy(k->watch);
        free(k);
        return e;
    }
    store_watch_all(s, alert_watch_note, k->watch);
    keep_chore_wake(k->chore, 0); // now that no change is missed
    *out = k;
    return ERR_OK;
}

void keep_alerts_set(struct keep_alerts *k, const struct settings *s)
{
    struct alert_watch_options o = {.store = NULL};

    read_settings(s, &o);
    alert_watch_set(k->watch, &o);
}

enum err keep_alerts_posted(struct keep_alerts *k, struct span fields)
{
    return k ? alert_watch_posted(k->watch, fields) : ERR_OK;
}

void keep_alerts_lost(struct keep_alerts *k)
{
    if (k) {
        alert_watch_lost(k->watch);
    }
}

void keep_alerts_wake(struct keep_alerts *k)
{
    alert_watch_due(k->watch);
}

void keep_alerts_read(struct keep_alerts *k, const struct alert_read *r)
{
    alert_watch_read(k->watch, r);
}

void keep_alerts_stop(struct keep_alerts *k)
{
    if (!k) {
        return;
    }
    store_watch_all(k->store, NULL, NULL);
    keep_chore_stop(k->chore);
    alert_watch_save(k->watch);
    alert_watch_destroy(k->watch);
    free(k);
}
