// SPDX-License-Identifier: Apache-2.0
//
// L25, L56, L58. What somebody says in a filter and in the name of an entry, and what a directory
// says of groups and quotas: whatever it is, a value stays a value, a name has one spelling, and an
// item of ldap_roles names a group. Lines: a pattern, what is said, and another name.
#include <string.h>

#include "base/dn.h"
#include "conf/conf_ldap.h"
#include "courier/vouch/ldap_text.h"
#include "fuzz.h"

// No byte that means something in a filter but escaped.
static void check_filter_value(struct span said)
{
    struct buf b;

    buf_init(&b, 3 * said.n + 1);
    ldap_escape_put(&b, said);
    CHECK(!b.failed);
    for (size_t i = 0; i < b.n; i++) {
        unsigned char c = (unsigned char)b.p[i];

        CHECK(c >= 0x20 && c < 0x7f && !strchr("*()", c));
        if (c == '\\') {
            CHECK(i + 2 < b.n);
            i += 2;
        }
    }
    buf_finish(&b);
}

// As a value between two others it is one, and comes back as it was but for blanks and case.
static void check_dn_value(struct span said)
{
    struct buf b, once, twice;

    buf_init(&b, 3 * said.n + 64);
    buf_init(&once, 4 * said.n + 64);
    buf_init(&twice, 4 * said.n + 64);
    buf_put_str(&b, "uid=");
    dn_escape_put(&b, said);
    buf_put_str(&b, ",dc=x");
    CHECK(dn_normal_put(&once, buf_span(&b)) == ERR_OK);
    CHECK(once.n >= 9 && memcmp(once.p, "uid=", 4) == 0);
    CHECK(memcmp(once.p + once.n - 5, ",dc=x", 5) == 0);
    for (size_t i = 4; i + 5 < once.n; i++) {
        CHECK(!strchr(",+;\"<>", once.p[i]) || !once.p[i]);
    }
    CHECK(dn_normal_put(&twice, buf_span(&once)) == ERR_OK);
    CHECK(span_eq(buf_span(&once), buf_span(&twice)));
    buf_finish(&b);
    buf_finish(&once);
    buf_finish(&twice);
}

static void check_patterns(struct span pattern, struct span said, struct span dn)
{
    struct buf b;

    buf_init(&b, 65536);
    ldap_filter_put(&b, pattern, said);
    buf_clear(&b);
    ldap_group_filter_put(&b, pattern, said, dn);
    buf_clear(&b);
    ldap_dn_put(&b, pattern, said);
    buf_finish(&b);
    // A template of one RDN more than its base stays so, whatever the name.
    buf_init(&b, 65536);
    if (ldap_dn_put(&b, SPAN("uid=%u,ou=%d,dc=x"), said) == ERR_OK) {
        size_t commas = 0;

        for (size_t i = 0; i < b.n; i++) {
            commas += b.p[i] == ',';
        }
        CHECK(commas == 2);
    }
    buf_finish(&b);
}

static void check_name(struct span dn)
{
    struct buf once, twice;

    buf_init(&once, DN_BYTES_MAX);
    buf_init(&twice, DN_BYTES_MAX);
    if (dn_normal_put(&once, dn) == ERR_OK) {
        CHECK(dn_normal_put(&twice, buf_span(&once)) == ERR_OK);
        CHECK(span_eq(buf_span(&once), buf_span(&twice)));
        CHECK(dn_eq(dn, buf_span(&once)));
    } else {
        CHECK(!dn_eq(dn, dn));
    }
    buf_finish(&once);
    buf_finish(&twice);
}

static void check_role(struct span item)
{
    struct conf_ldap_role r;
    struct span domain;

    if (!conf_ldap_role_read(item, &r)) {
        return;
    }
    CHECK(dn_eq(r.group, r.group) && r.role.n > 0 && memchr(r.role.p, ' ', r.role.n) == NULL);
    CHECK(memchr(r.role.p, '=', r.role.n) == NULL);
    while (conf_ldap_role_domain(&r.domains, &domain)) {
        CHECK(domain.n > 0 && memchr(domain.p, ' ', domain.n) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span rest = span_of(data, n < 4096 ? n : 4096), pattern = span_split(&rest, '\n'),
                said = span_split(&rest, '\n'), dn = span_split(&rest, '\n');
    uint64_t quota;

    check_filter_value(said);
    check_dn_value(said);
    check_patterns(pattern, said, dn);
    check_name(dn);
    check_name(pattern);
    check_role(pattern);
    if (ldap_quota_read(said, &quota) == ERR_OK) {
        CHECK(quota > 0 && (quota <= INT64_MAX || quota == UINT64_MAX));
    }
    ldap_mail_is(said, dn);
    return 0;
}
