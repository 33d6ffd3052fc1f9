// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_alerts.h"

#include <stdlib.h>

#include "keep/keep_chore.h"

#include "base/banned.h"

#define LOOK_MS  1000  // what happens meanwhile is looked at together
#define ROUND_MS 60000 // without anything new: what is still due is tried again

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
    o->rules.window_ms = conf_value_ms(s, SETTING_ALERT_WINDOW);
    o->rules.pause_ms = conf_value_ms(s, SETTING_ALERT_PAUSE);
    o->rules.per_day = (unsigned)conf_value_count(s, SETTING_ALERT_PER_DAY);
    o->is_on = conf_value_bool(s, SETTING_ALERTS);
    o->keep_ms = conf_value_ms(s, SETTING_SIGNINS_KEEP);
}

static void wake(void *arg)
{
    struct keep_alerts *k = arg;

    keep_chore_wake(k->chore, LOOK_MS);
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

enum err keep_alerts_start(struct store *s, const struct settings *settings, struct span server,
                           struct keep_alerts **out)
{
    struct keep_alerts *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    struct alert_watch_options o = {
        .store = s, .server = server, .wake = wake, .is_stopping = is_stopping, .arg = k};
    const struct keep_chore_options chore = {
        .name = "keep-alerts", .run = take_turn, .arg = k, .interval_ms = ROUND_MS};

    k->store = s;
    read_settings(settings, &o);
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

void keep_alerts_wake(struct keep_alerts *k)
{
    alert_watch_due(k->watch);
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
