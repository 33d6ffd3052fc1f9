// SPDX-License-Identifier: Apache-2.0
//
// What single rows cannot say: settings that contradict each other. A conflict is named at the
// later of the two lines, where whoever wrote it looks first.
#include "conf/conf_internal.h"

#include "base/banned.h"

const struct conf_value *conf_later(const struct settings *s, enum setting_id a, enum setting_id b)
{
    return s->values[a].line > s->values[b].line ? &s->values[a] : &s->values[b];
}

// The first may not be larger than the second.
static const struct {
    enum setting_id low, high;
} ordered[] = {
    {SETTING_TLS_TIMEOUT, SETTING_LOGIN_TIMEOUT},
};

#define LISTS 12

static void check_addresses(const struct settings *s, struct conf_report *r)
{
    static const enum setting_id lists[] = {
        SETTING_LISTEN_IMAP,       SETTING_LISTEN_IMAPS,       SETTING_LISTEN_POP3,
        SETTING_LISTEN_POP3S,      SETTING_LISTEN_SIEVE,       SETTING_LISTEN_SMTP,
        SETTING_LISTEN_SUBMISSION, SETTING_LISTEN_SUBMISSIONS, SETTING_LISTEN_LMTP,
        SETTING_LISTEN_HTTPS,      SETTING_LISTEN_HTTP,        SETTING_LISTEN_ADMIN};
    struct span seen[CONF_LIST_ITEMS_MAX * LISTS];
    size_t n = 0;

    for (size_t l = 0; l < LISTS; l++) {
        const struct conf_value *v = &s->values[lists[l]];

        for (size_t i = 0; i < v->list_n; i++) {
            for (size_t k = 0; k < n; k++) {
                if (span_eq(seen[k], v->list[i])) {
                    conf_problem(r, v->line, v->column, "%.*s is listened on twice",
                                 SPAN_ARG(v->list[i]));
                }
            }
            seen[n++] = v->list[i];
        }
    }
    if (n == 0) {
        const struct conf_value *v = &s->values[lists[0]];

        for (size_t l = 1; l < LISTS; l++) {
            v = s->values[lists[l]].line > v->line ? &s->values[lists[l]] : v;
        }
        conf_problem(r, v->line, v->column, "all listen_ settings are empty: nobody could connect");
    }
}

// "PATTERN: CAPABILITY ...".
static void check_clients(const struct settings *s, struct conf_report *r)
{
    const struct conf_value *v = &s->values[SETTING_IMAP_CLIENT_WITHOUT];

    for (size_t i = 0; i < v->list_n; i++) {
        size_t colon = span_find_byte(v->list[i], ':');

        if (!span_trim(span_first(v->list[i], colon)).n ||
            !span_trim(span_skip(v->list[i], colon + 1)).n) {
            conf_problem(r, v->line, v->column,
                         "%s: expected \"PATTERN: CAPABILITY ...\", not \"%.*s\"",
                         setting_row(SETTING_IMAP_CLIENT_WITHOUT)->name, SPAN_ARG(v->list[i]));
        }
    }
}

void conf_check_conflicts(const struct settings *s, struct conf_report *r)
{
    for (size_t i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++) {
        const struct conf_value *v = conf_later(s, ordered[i].low, ordered[i].high);

        if (s->values[ordered[i].low].number > s->values[ordered[i].high].number) {
            conf_problem(r, v->line, v->column, "%s may not be larger than %s",
                         setting_row(ordered[i].low)->name, setting_row(ordered[i].high)->name);
        }
    }
    const struct conf_value *memory = conf_later(s, SETTING_ARGON2_MEMORY, SETTING_ARGON2_LANES);

    if (s->values[SETTING_ARGON2_MEMORY].number / 8192 < s->values[SETTING_ARGON2_LANES].number) {
        conf_problem(r, memory->line, memory->column,
                     "argon2_memory must be at least 8 KB for each of argon2_lanes");
    }
    check_addresses(s, r);
    check_clients(s, r);
    conf_check_ldap(s, r);
}
