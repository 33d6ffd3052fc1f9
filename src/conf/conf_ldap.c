// SPDX-License-Identifier: Apache-2.0
//
// What single rows cannot say about a directory: settings that contradict each other, and the
// little language of ldap_roles.
#include "conf/conf_ldap.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/dn.h"
#include "conf/conf_internal.h"

#include "base/banned.h"

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
    const struct conf_value *at = conf_later(s, SETTING_LDAP_SERVERS, SETTING_LDAP_START_TLS);

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

// "%n" or "%u", and no other letter than those; with `has_dn` also "%D".
static const char *pattern_problem(struct span pattern, bool has_dn)
{
    bool names_somebody = false;

    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] == '%') {
            char letter = ++i < pattern.n ? pattern.p[i] : '\0';

            if (!letter || !strchr(has_dn ? "nudD%" : "nud%", letter)) {
                return has_dn ? "only %n, %u, %d, %D and %% may be used"
                              : "only %n, %u, %d and %% may be used";
            }
            names_somebody |= letter == 'n' || letter == 'u' || letter == 'D';
        }
    }
    return names_somebody ? NULL
           : has_dn ? "it names nobody: it needs %D (the name of the person's entry), %n or %u"
                    : "it names nobody: it needs %n (the address) or %u (what stands before "
                      "its @)";
}

static void check_pattern(const struct settings *s, struct conf_report *r, enum setting_id id,
                          bool has_dn)
{
    const struct conf_value *v = &s->values[id];
    const char *problem = has(s, id) ? pattern_problem(v->text, has_dn) : NULL;

    if (problem) {
        conf_problem(r, v->line, v->column, "%s: %s", setting_row(id)->name, problem);
    }
}

// ---- roles --------------------------------------------------------------------------------------

bool conf_ldap_role_read(struct span item, struct conf_ldap_role *out)
{
    struct span rest = span_trim(item);
    size_t end = rest.n;

    // The name of the group ends with the last word that has a "=" in it.
    while (end > 0 && rest.p[end - 1] != '=') {
        end--;
    }
    end += span_find_byte(span_skip(rest, end), ' ');
    out->group = span_first(rest, end);
    rest = span_trim(span_skip(rest, end));
    out->role = span_split(&rest, ' ');
    out->domains = span_trim(rest);
    return dn_eq(out->group, out->group) && out->role.n > 0;
}

bool conf_ldap_role_domain(struct span *domains, struct span *out)
{
    *domains = span_trim(*domains);
    *out = span_split(domains, ' ');
    return out->n > 0;
}

static bool is_role_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!(c >= 'a' && c <= 'z') && !byte_is_digit(c) && c != '-') {
            return false;
        }
    }
    return name.n > 0 && name.n <= 64;
}

static void check_roles(const struct settings *s, struct conf_report *r)
{
    const struct conf_value *v = &s->values[SETTING_LDAP_ROLES];

    for (size_t i = 0; i < v->list_n; i++) {
        struct conf_ldap_role role;

        if (!conf_ldap_role_read(v->list[i], &role) || !is_role_name(role.role)) {
            conf_problem(r, v->line, v->column,
                         "ldap_roles: \"%.*s\" must be the name of a group, a role, and perhaps "
                         "domains, with blanks between them (a blank in the last part of the name: "
                         "\\\\20)",
                         SPAN_ARG(v->list[i]));
        }
    }
    if (v->list_n && !has(s, SETTING_LDAP_GROUP_ATTRIBUTE) && !has(s, SETTING_LDAP_GROUP_FILTER)) {
        conf_problem(
            r, v->line, v->column,
            "ldap_roles needs ldap_group_attribute or ldap_group_filter: who is in a group");
    }
}

// ---- what cannot be together --------------------------------------------------------------------

// Who binds at once is not looked up, and nobody could say who has gone or left a group.
static void check_template(const struct settings *s, struct conf_report *r)
{
    static const enum setting_id others[] = {SETTING_LDAP_BIND_DN, SETTING_LDAP_BASE,
                                             SETTING_LDAP_GROUP_FILTER, SETTING_LDAP_GROUP_BASE,
                                             SETTING_LDAP_ROLES};
    const struct conf_value *v = &s->values[SETTING_LDAP_BIND_TEMPLATE];
    struct span text = conf_value_text(s, SETTING_LDAP_BIND_TEMPLATE);

    check_pattern(s, r, SETTING_LDAP_BIND_TEMPLATE, false);
    if (!dn_eq(text, text)) { // with its letters it reads like any other
        conf_problem(r, v->line, v->column,
                     "ldap_bind_template is no name of an entry, as in "
                     "uid=%%u,ou=people,dc=example,dc=org");
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        const struct conf_value *at = conf_later(s, SETTING_LDAP_BIND_TEMPLATE, others[i]);

        if (s->values[others[i]].text.n || s->values[others[i]].list_n) {
            conf_problem(r, at->line, at->column,
                         "ldap_bind_template is for servers where nobody may search: it cannot be "
                         "together with %s",
                         setting_row(others[i])->name);
        }
    }
}

void conf_check_ldap(const struct settings *s, struct conf_report *r)
{
    const struct conf_value *servers = &s->values[SETTING_LDAP_SERVERS];

    check_pattern(s, r, SETTING_LDAP_FILTER, false);
    check_pattern(s, r, SETTING_LDAP_GROUP_FILTER, true);
    if (has(s, SETTING_LDAP_BIND_DN) != has(s, SETTING_LDAP_BIND_PASSWORD_FILE)) {
        const struct conf_value *v =
            conf_later(s, SETTING_LDAP_BIND_DN, SETTING_LDAP_BIND_PASSWORD_FILE);

        conf_problem(r, v->line, v->column,
                     "ldap_bind_dn and ldap_bind_password_file belong together");
    }
    if (has(s, SETTING_LDAP_BIND_TEMPLATE)) {
        check_template(s, r);
    } else if (servers->list_n && !has(s, SETTING_LDAP_BASE)) {
        conf_problem(r, servers->line, servers->column,
                     "ldap_servers needs ldap_base: where people are looked up; or "
                     "ldap_bind_template");
    }
    check_roles(s, r);
    check_ldap_servers(s, r);
}
