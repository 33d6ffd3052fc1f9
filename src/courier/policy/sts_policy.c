// SPDX-License-Identifier: Apache-2.0
#include "courier/policy/sts_policy.h"

#include "base/banned.h"

#define PATTERN_BYTES_MAX 255

void sts_policy_finish(struct sts_policy *p)
{
    buf_finish(&p->mx);
}

// ---- the TXT record -----------------------------------------------------------------------------

static bool is_id(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i])) {
            return false;
        }
    }
    return s.n > 0 && s.n <= STS_ID_BYTES_MAX;
}

enum err sts_record_read(struct span txt, struct span *out_id)
{
    struct span rest = txt, version = span_trim(span_split(&rest, ';')), id = {NULL, 0};

    // Case and the lack of spaces around "=" are the grammar's.
    if (!span_eq(version, SPAN("v=STSv1")) || (version.p != txt.p)) {
        return ERR_NOT_FOUND;
    }
    while (rest.n) {
        struct span field = span_trim(span_split(&rest, ';'));

        if (span_starts(field, SPAN("id=")) && !id.p) {
            id = span_skip(field, 3);
        }
    }
    if (!id.p || !is_id(id)) {
        return ERR_INVALID;
    }
    *out_id = id;
    return ERR_OK;
}

// ---- the policy ---------------------------------------------------------------------------------

static bool is_pattern(struct span s)
{
    if (span_starts(s, SPAN("*."))) {
        s = span_skip(s, 2);
    }
    if (s.n == 0 || s.n > PATTERN_BYTES_MAX || s.p[0] == '.' || s.p[s.n - 1] == '.') {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.' && s.p[i] != '_') {
            return false;
        }
    }
    return true;
}

static enum err put_pattern(struct buf *out, struct span s)
{
    if (!is_pattern(s)) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < s.n; i++) {
        buf_put_byte(out, byte_lower(s.p[i]));
    }
    buf_put_byte(out, '\n');
    return buf_result(out);
}

enum { HAS_VERSION = 1, HAS_MODE = 2, HAS_AGE = 4, HAS_MX = 8 };

static enum err read_mode(struct span value, enum sts_mode *out)
{
    static const char *const names[] = {"none", "testing", "enforce"};

    for (unsigned i = 0; i < 3; i++) {
        if (span_eq(value, span_from_str(names[i]))) {
            *out = (enum sts_mode)i;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

static enum err read_age(struct span value, uint32_t *out)
{
    uint64_t n;

    if (value.n > 10 || !span_to_u64(value, UINT64_MAX, &n)) {
        return ERR_INVALID;
    }
    *out = n > STS_AGE_S_MAX ? STS_AGE_S_MAX : (uint32_t)n;
    return ERR_OK;
}

static enum err read_field(struct span name, struct span value, struct sts_policy *p, unsigned *has)
{
    if (span_eq(name, SPAN("mx"))) {
        *has |= HAS_MX;
        return put_pattern(&p->mx, value);
    }
    if (span_eq(name, SPAN("version")) && !(*has & HAS_VERSION)) {
        *has |= HAS_VERSION;
        return span_eq(value, SPAN("STSv1")) ? ERR_OK : ERR_INVALID;
    }
    if (span_eq(name, SPAN("mode")) && !(*has & HAS_MODE)) {
        *has |= HAS_MODE;
        return read_mode(value, &p->mode);
    }
    if (span_eq(name, SPAN("max_age")) && !(*has & HAS_AGE)) {
        *has |= HAS_AGE;
        return read_age(value, &p->max_age_s);
    }
    return ERR_OK;
}

enum err sts_policy_read(struct span text, struct sts_policy *out)
{
    struct sts_policy p = {.mode = STS_NONE};
    unsigned has = 0;
    enum err e = text.n > STS_POLICY_BYTES_MAX ? ERR_INVALID : ERR_OK;

    buf_init(&p.mx, STS_POLICY_BYTES_MAX);
    while (text.n && e == ERR_OK) {
        struct span line = span_trim(span_split(&text, '\n'));
        size_t colon = span_find_byte(line, ':');

        if (line.n == 0) {
            continue;
        }
        e = colon == line.n ? ERR_INVALID
                            : read_field(span_trim(span_first(line, colon)),
                                         span_trim(span_skip(line, colon + 1)), &p, &has);
    }
    unsigned needed = HAS_VERSION | HAS_MODE | HAS_AGE | (p.mode == STS_NONE ? 0 : HAS_MX);

    if (e != ERR_OK || (has & needed) != needed) {
        sts_policy_finish(&p);
        return ERR_INVALID;
    }
    *out = p;
    return ERR_OK;
}

bool sts_policy_allows(const struct sts_policy *p, struct span host)
{
    struct span patterns = buf_span(&p->mx);
    struct span parent = span_skip(host, span_find_byte(host, '.'));
    bool has_first_label = parent.n > 1 && parent.n < host.n;

    while (patterns.n) {
        struct span pattern = span_split(&patterns, '\n');

        if (span_starts(pattern, SPAN("*."))
                ? has_first_label && span_eq_nocase(span_skip(pattern, 1), parent)
                : span_eq_nocase(pattern, host)) {
            return true;
        }
    }
    return false;
}
