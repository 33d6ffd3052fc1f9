// SPDX-License-Identifier: Apache-2.0
#include "report/report_write.h"

#include <zlib.h>

#include "base/utf8.h"

#include "base/banned.h"

#define DAY_S      86400
#define PACK_LEVEL 9
#define GZIP_BITS  (MAX_WBITS + 16)

// ---- XML ----------------------------------------------------------------------------------------

// Text as XML 1.0 has it; what that has no place for is replaced.
static void put_text(struct buf *out, struct span text)
{
    uint32_t c;

    while (text.n) {
        c = utf8_next(&text, &c) ? c : UTF8_REPLACEMENT;
        if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'') {
            buf_printf(out, "&#%u;", c);
        } else if (c < 32 || c == 127 || c == 0xfffe || c == 0xffff) {
            buf_put_byte(out, '?');
        } else {
            utf8_put(out, c);
        }
    }
}

static void put(struct buf *out, const char *element, struct span text)
{
    buf_printf(out, "<%s>", element);
    put_text(out, text);
    buf_printf(out, "</%s>\n", element);
}

static void put_number(struct buf *out, const char *element, uint64_t n)
{
    buf_printf(out, "<%s>%llu</%s>\n", element, (unsigned long long)n, element);
}

static struct span policy_word(unsigned p)
{
    static const char *const words[] = {"none", "quarantine", "reject"};

    return span_from_str(words[p <= REPORT_POLICY_REJECT ? p : 0]);
}

static struct span result_word(bool pass)
{
    return pass ? SPAN("pass") : SPAN("fail");
}

static struct span alignment_word(bool strict)
{
    return strict ? SPAN("s") : SPAN("r");
}

static void put_metadata(struct buf *out, const struct report_owed *o,
                         const struct report_author *by)
{
    buf_put_str(out, "<report_metadata>\n");
    put(out, "org_name", by->organization);
    put(out, "email", by->contact);
    put(out, "report_id", by->id);
    buf_put_str(out, "<date_range>\n");
    put_number(out, "begin", (uint64_t)o->day * DAY_S);
    put_number(out, "end", (uint64_t)o->day * DAY_S + DAY_S - 1);
    buf_put_str(out, "</date_range>\n</report_metadata>\n");
}

static void put_policy(struct buf *out, const struct report_owed *o, const struct report_seen *p)
{
    buf_put_str(out, "<policy_published>\n");
    put(out, "domain", span_of(o->domain, o->domain_n));
    put(out, "adkim", alignment_word(p->strict & 1));
    put(out, "aspf", alignment_word(p->strict & 2));
    put(out, "p", policy_word(p->policy));
    put(out, "sp", policy_word(p->subdomain_policy));
    put_number(out, "pct", p->percent);
    // We make no failure reports, whatever the record asks for.
    put(out, "fo", SPAN("0"));
    buf_put_str(out, "</policy_published>\n");
}

// DKIM's before SPF's, as the schema has them.
static void put_checks(struct buf *out, struct span checks, struct span wanted)
{
    bool dkim = span_eq(wanted, SPAN("dkim"));

    while (checks.n) {
        struct span line = span_split(&checks, '\n'), method = span_split(&line, '\t'),
                    result = span_split(&line, '\t'), domain = span_split(&line, '\t');

        if (!span_eq(method, wanted)) {
            continue;
        }
        buf_put_str(out, dkim ? "<dkim>\n" : "<spf>\n");
        put(out, "domain", domain);
        if (line.n) {
            put(out, dkim ? "selector" : "scope", line);
        }
        put(out, "result", result);
        buf_put_str(out, dkim ? "</dkim>\n" : "</spf>\n");
    }
}

static void put_record(struct buf *out, const struct report_count *c)
{
    const struct report_seen *s = &c->seen;

    buf_put_str(out, "<record>\n<row>\n");
    put(out, "source_ip", s->source);
    put_number(out, "count", c->count);
    buf_put_str(out, "<policy_evaluated>\n");
    put(out, "disposition", policy_word(s->disposition));
    put(out, "dkim", result_word(s->aligned & 1));
    put(out, "spf", result_word(s->aligned & 2));
    if (s->reason.n) {
        buf_put_str(out, "<reason>\n");
        put(out, "type", s->reason);
        buf_put_str(out, "</reason>\n");
    }
    buf_put_str(out, "</policy_evaluated>\n</row>\n<identifiers>\n");
    put(out, "envelope_from", s->envelope_from);
    put(out, "header_from", s->header_from);
    buf_put_str(out, "</identifiers>\n<auth_results>\n");
    put_checks(out, s->checks, SPAN("dkim"));
    put_checks(out, s->checks, SPAN("spf"));
    buf_put_str(out, "</auth_results>\n</record>\n");
}

enum err dmarc_report_write(const struct report_owed *o, const struct report_day *day,
                            const struct report_author *by, struct buf *out)
{
    buf_put_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback>\n"
                     "<version>1.0</version>\n");
    put_metadata(out, o, by);
    put_policy(out, o, &day->policy);
    for (size_t i = 0; i < day->n; i++) {
        put_record(out, &day->rows[i]);
    }
    buf_put_str(out, "</feedback>\n");
    return buf_result(out);
}

// ---- gzip ---------------------------------------------------------------------------------------

enum err report_pack(struct span bytes, struct buf *out)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)bytes.p, // zlib's type knows no const
                  .avail_in = (uInt)bytes.n};

    if (deflateInit2(&z, PACK_LEVEL, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return ERR_NOMEM;
    }
    size_t bound = deflateBound(&z, bytes.n);
    char *room = buf_reserve(out, bound);
    int r = Z_BUF_ERROR;

    if (room) {
        z.next_out = (unsigned char *)room;
        z.avail_out = (uInt)bound;
        r = deflate(&z, Z_FINISH);
        out->n += r == Z_STREAM_END ? z.total_out : 0;
    }
    deflateEnd(&z);
    return r == Z_STREAM_END ? ERR_OK : ERR_LIMIT;
}
