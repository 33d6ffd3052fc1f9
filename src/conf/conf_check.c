// SPDX-License-Identifier: Apache-2.0
//
// What single rows cannot say: settings that contradict each other. A conflict is named at the
// later of the two lines, where whoever wrote it looks first.
#include <arpa/inet.h>
#include <string.h>

#include "conf/conf_internal.h"

#include "base/banned.h"

static const struct conf_value *later(const struct settings *s, enum setting_id a,
                                      enum setting_id b)
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

// "ldap://HOST:PORT" whose host, as a whole, can be nowhere else.
static bool is_on_this_machine(struct span url)
{
    struct span host = span_skip(url, sizeof("ldap://") - 1);
    char text[INET_ADDRSTRLEN];
    unsigned char address[4];

    host = span_first(host, span_find_byte(host, '/'));
    if (span_eq(host, SPAN("[::1]")) || span_starts(host, SPAN("[::1]:"))) {
        return true;
    }
    host = span_first(host, span_find_byte(host, ':'));
    if (span_eq_nocase(host, SPAN("localhost"))) {
        return true;
    }
    if (host.n >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(AF_INET, text, address) == 1 && address[0] == 127;
}

// Where passwords of people would go in the clear, or nowhere.
static void check_ldap_servers(const struct settings *s, struct conf_report *r)
{
    const struct conf_value *servers = &s->values[SETTING_LDAP_SERVERS];
    const struct conf_value *at = later(s, SETTING_LDAP_SERVERS, SETTING_LDAP_START_TLS);

    for (size_t i = 0; i < servers->list_n; i++) {
        struct span url = servers->list[i];

        if (!span_starts(url, SPAN("ldap://")) && !span_starts(url, SPAN("ldaps://"))) {
            conf_problem(r, servers->line, servers->column,
                         "%.*s must begin with ldaps:// or ldap://", SPAN_ARG(url));
        } else if (span_starts(url, SPAN("ldap://")) &&
                   !conf_value_bool(s, SETTING_LDAP_START_TLS) && !is_on_this_machine(url)) {
            conf_problem(r, at->line, at->column,
                         "passwords would go to %.*s in the clear: say ldaps://, or leave "
                         "ldap_start_tls on",
                         SPAN_ARG(url));
        }
    }
}

static bool has(const struct settings *s, enum setting_id id)
{
    return conf_value_text(s, id).n > 0;
}

// "%n" or "%u", and no other letter than those of ldap_filter.
static const char *filter_problem(struct span filter)
{
    bool names_somebody = false;

    for (size_t i = 0; i + 1 < filter.n; i++) {
        if (filter.p[i] == '%') {
            char letter = filter.p[++i];

            if (!memchr("nud%", letter, 4)) {
                return "ldap_filter: only %n, %u, %d and %% may be used";
            }
            names_somebody |= letter == 'n' || letter == 'u';
        }
    }
    return names_somebody ? NULL
                          : "ldap_filter names nobody: it needs %n (the address) or %u (what "
                            "stands before its @)";
}

static void check_ldap(const struct settings *s, struct conf_report *r)
{
    const struct conf_value *servers = &s->values[SETTING_LDAP_SERVERS];
    const char *problem = filter_problem(conf_value_text(s, SETTING_LDAP_FILTER));

    if (problem) {
        const struct conf_value *v = &s->values[SETTING_LDAP_FILTER];

        conf_problem(r, v->line, v->column, "%s", problem);
    }
    if (has(s, SETTING_LDAP_BIND_DN) != has(s, SETTING_LDAP_BIND_PASSWORD_FILE)) {
        const struct conf_value *v =
            later(s, SETTING_LDAP_BIND_DN, SETTING_LDAP_BIND_PASSWORD_FILE);

        conf_problem(r, v->line, v->column,
                     "ldap_bind_dn and ldap_bind_password_file belong together");
    }
    if (servers->list_n && !has(s, SETTING_LDAP_BASE)) {
        conf_problem(r, servers->line, servers->column,
                     "ldap_servers needs ldap_base: where people are looked up");
    }
    check_ldap_servers(s, r);
}

void conf_check_conflicts(const struct settings *s, struct conf_report *r)
{
    for (size_t i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++) {
        const struct conf_value *v = later(s, ordered[i].low, ordered[i].high);

        if (s->values[ordered[i].low].number > s->values[ordered[i].high].number) {
            conf_problem(r, v->line, v->column, "%s may not be larger than %s",
                         setting_row(ordered[i].low)->name, setting_row(ordered[i].high)->name);
        }
    }
    const struct conf_value *memory = later(s, SETTING_ARGON2_MEMORY, SETTING_ARGON2_LANES);

    if (s->values[SETTING_ARGON2_MEMORY].number / 8192 < s->values[SETTING_ARGON2_LANES].number) {
        conf_problem(r, memory->line, memory->column,
                     "argon2_memory must be at least 8 KB for each of argon2_lanes");
    }
    check_addresses(s, r);
    check_ldap(s, r);
}
