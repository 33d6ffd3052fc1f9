// SPDX-License-Identifier: Apache-2.0
//
// DMARC records: RFC 7489 sections 6.3 and 6.4, RFC 9091.
#include "senderauth/dmarc.h"
#include "senderauth/tag_list.h"

#include "base/banned.h"

#define INTERVAL_DEFAULT_S     86400
#define REPORT_BYTES_SHIFT_MAX 40

const char *dmarc_policy_name(enum dmarc_policy p)
{
    return p == DMARC_REJECT ? "reject" : p == DMARC_QUARANTINE ? "quarantine" : "none";
}

static bool take_policy(struct span value, enum dmarc_policy *out)
{
    static const enum dmarc_policy all[] = {DMARC_POLICY_NONE, DMARC_QUARANTINE, DMARC_REJECT};

    for (size_t i = 0; value.p && i < 3; i++) {
        if (span_eq_nocase(value, span_from_str(dmarc_policy_name(all[i])))) {
            *out = all[i];
            return true;
        }
    }
    return false;
}

static bool has_address(struct span list)
{
    return list.p && span_starts_nocase(span_trim(list), SPAN("mailto:"));
}

// A tag that cannot be understood counts as not there (section 6.3).
static void take_options(const struct tag_list *tags, struct dmarc_record *r)
{
    struct span strict = SPAN("s");
    uint64_t v = 0;

    r->is_dkim_strict = span_eq_nocase(tag_list_get(tags, "adkim"), strict);
    r->is_spf_strict = span_eq_nocase(tag_list_get(tags, "aspf"), strict);
    r->percent = span_to_u64(tag_list_get(tags, "pct"), 100, &v) ? (unsigned)v : 100;
    r->interval_s =
        span_to_u64(tag_list_get(tags, "ri"), UINT32_MAX, &v) ? (uint32_t)v : INTERVAL_DEFAULT_S;
    r->aggregate = tag_list_get(tags, "rua");
    r->failure = tag_list_get(tags, "ruf");
    r->failure_options = tag_list_get(tags, "fo");
}

enum err dmarc_record_parse(struct span text, struct dmarc_record *out)
{
    struct dmarc_record r = {0};
    struct tag_list tags;

    if (tag_list_parse(text, &tags) != ERR_OK || !span_eq(tags.tags[0].name, SPAN("v")) ||
        !span_eq(tags.tags[0].value, SPAN("DMARC1"))) {
        return ERR_INVALID;
    }
    take_options(&tags, &r);
    bool is_known = take_policy(tag_list_get(&tags, "p"), &r.policy);
    struct span sub = tag_list_get(&tags, "sp"), missing = tag_list_get(&tags, "np");

    r.subdomain_policy = r.policy;
    is_known &= !sub.p || take_policy(sub, &r.subdomain_policy);
    r.has_missing_policy = take_policy(missing, &r.missing_policy);
    if (!is_known) { // section 6.6.3, step 6
        if (!has_address(r.aggregate)) {
            return ERR_INVALID;
        }
        r.policy = r.subdomain_policy = r.missing_policy = DMARC_POLICY_NONE;
    }
    *out = r;
    return ERR_OK;
}

// "!10m" at the end of an address.
static uint64_t take_size(struct span *s)
{
    static const char units[] = "kmgt";
    size_t at = s->n;
    uint64_t v = 0;
    unsigned shift = 0;

    while (at && s->p[at - 1] != '!') {
        at--;
    }
    if (at == 0) {
        return 0;
    }
    struct span size = span_skip(*s, at);
    const char *unit = size.n ? strchr(units, byte_lower(size.p[size.n - 1])) : NULL;

    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        size.n--;
    }
    s->n = at - 1;
    if (!span_to_u64(size, UINT64_MAX >> REPORT_BYTES_SHIFT_MAX, &v)) {
        return 0;
    }
    return v << shift;
}

// Takes percent signs off; p NULL when what comes out is no address to send to.
static struct span decode(struct arena *arena, struct span s)
{
    char *p = arena_alloc(arena, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; p && i < s.n; i++) {
        char c = s.p[i];

        if (c == '%' && i + 2 < s.n && byte_hex(s.p[i + 1]) >= 0 && byte_hex(s.p[i + 2]) >= 0) {
            c = (char)(byte_hex(s.p[i + 1]) << 4 | byte_hex(s.p[i + 2]));
            i += 2;
        }
        if ((unsigned char)c <= 32 || (unsigned char)c > 126 || strchr("<>,;", c)) {
            return (struct span){NULL, 0};
        }
        p[n++] = c;
    }
    return span_of(p, n);
}

bool dmarc_next_address(struct arena *arena, struct span *list, struct dmarc_address *out)
{
    while (list->n) {
        struct span item = span_trim(span_split(list, ','));

        if (!span_starts_nocase(item, SPAN("mailto:"))) {
            continue;
        }
        item = span_skip(item, 7);
        uint64_t bytes_max = take_size(&item);
        struct span address = decode(arena, span_first(item, span_find_byte(item, '?')));
        size_t at = span_find_byte(address, '@');

        if (address.p && at && at + 1 < address.n) {
            *out = (struct dmarc_address){address, bytes_max};
            return true;
        }
    }
    return false;
}
