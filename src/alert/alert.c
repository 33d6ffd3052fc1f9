// SPDX-License-Identifier: Apache-2.0
//
// Kinds of alerts, what is counted, quota, and how many of a kind are told.
#include "alert/alert.h"

#include <string.h>

#include "base/banned.h"

#define DAY_MS 86400000ll

static const char *const names[ALERT_KINDS] = {
    [ALERT_NEW_NETWORK] = "new-network",
    [ALERT_NEW_COUNTRY] = "new-country",
    [ALERT_TRAVEL] = "travel",
    [ALERT_GUESSED] = "guessed",
    [ALERT_MAIL_OUT] = "mail-out",
    [ALERT_FOLDERS] = "folders",
    [ALERT_DOWNLOAD] = "download",
    [ALERT_DELETION] = "deletion",
    [ALERT_QUOTA] = "quota",
    [ALERT_DEVICE] = "device",
    [ALERT_SECOND_FACTOR] = "second-factor",
    [ALERT_TEST] = "test",
    [ALERT_OPENED] = "opened",
};

const char *alert_kind_name(enum alert_kind kind)
{
    return (unsigned)kind < ALERT_KINDS ? names[kind] : NULL;
}

bool alert_kind_parse(struct span name, enum alert_kind *out)
{
    for (unsigned i = 1; i < ALERT_KINDS; i++) {
        if (span_eq(name, span_from_str(names[i]))) {
            *out = (enum alert_kind)i;
            return true;
        }
    }
    return false;
}

void alert_settings_default(struct alert_settings *o)
{
    *o = (struct alert_settings){
        .learn_s = 7 * 86400,
        .failures = 10,
        .folders = 10,
        .deleted = 1000,
        .download = 1ull << 30,
        .speed = 1000,
        .window_ms = 3600000,
        .pause_ms = 3600000,
        .per_day = 5,
    };
}

// ---- counting -----------------------------------------------------------------------------------

uint64_t alert_meter_add(struct alert_meter *m, int64_t window_ms, int64_t when_ms, uint64_t by)
{
    int64_t length = window_ms / ALERT_METER_PARTS, part = when_ms / (length > 0 ? length : 1);
    uint64_t sum = 0;

    if (part - m->part >= ALERT_METER_PARTS) {
        memset(m->counts, 0, sizeof(m->counts));
    } else {
        for (int64_t p = m->part + 1; p <= part; p++) {
            m->counts[(uint64_t)p % ALERT_METER_PARTS] = 0;
        }
    }
    m->part = part > m->part ? part : m->part; // a clock that went back counts into the newest
    m->counts[(uint64_t)m->part % ALERT_METER_PARTS] += by;
    for (size_t i = 0; i < ALERT_METER_PARTS; i++) {
        sum += m->counts[i];
    }
    return sum;
}

void alert_meter_clear(struct alert_meter *m)
{
    memset(m->counts, 0, sizeof(m->counts));
}

// ---- quota --------------------------------------------------------------------------------------

static bool is_at(uint64_t used, uint64_t max, unsigned percent)
{
    return used >= max / 100 * percent + (max % 100 * percent + 99) / 100;
}

unsigned alert_quota_level(uint64_t used, uint64_t max, unsigned before)
{
    if (max == UINT64_MAX || max == 0) {
        return 0;
    }
    if (is_at(used, max, before >= 95 ? 90 : 95)) {
        return 95;
    }
    return is_at(used, max, before >= 80 ? 75 : 80) ? 80 : 0;
}

// ---- limits -------------------------------------------------------------------------------------

bool alert_may_be_told(const struct alert_settings *o, enum alert_kind kind, int64_t now_ms,
                       int64_t last_ms, unsigned told)
{
    if (kind == ALERT_TEST) {
        return true;
    }
    // A clock that was set back does not silence anything for longer than a day.
    bool is_pause = last_ms && now_ms - last_ms < o->pause_ms && last_ms - now_ms < DAY_MS;

    return !is_pause && told < o->per_day;
}
