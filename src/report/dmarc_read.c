// SPDX-License-Identifier: Apache-2.0
//
// The elements of a DMARC report by their place in the document. Expat reads the XML; it knows
// nothing of other files, and a document type ends the reading before any entity is declared.
#include <arpa/inet.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "report/report_read.h"

#include "base/banned.h"

#define NAME_BYTES_MAX 40 // of an element; longer ones are cut, and known to nobody
#define PATH_BYTES_MAX (REPORT_DEPTH_MAX * (NAME_BYTES_MAX + 1) + 1)
#define FEED_BYTES_MAX (1u << 20)
#define TIME_MAX       253402300799 // the year 9999

struct text {
    size_t n;
    char p[REPORT_TEXT_BYTES_MAX];
};

// Numbers, and words of which there are few.
enum value {
    VALUE_BEGIN,
    VALUE_END,
    VALUE_COUNT,
    VALUE_DISPOSITION,
    VALUE_DKIM,
    VALUE_SPF,
    VALUE_P,
    VALUE_SP,
    VALUE_NP,
    VALUE_PCT,
    VALUE_ADKIM,
    VALUE_ASPF,
    VALUE_FO,
    VALUE_METHOD_DOMAIN, // of one result of DKIM or SPF
    VALUE_METHOD_SELECTOR,
    VALUE_METHOD_RESULT,
    VALUE_REASON_TYPE,
    VALUE_REASON_COMMENT,
    VALUES,
};

struct dmarc_reader {
    XML_Parser parser;
    struct report_sink sink;
    enum err error;
    char path[PATH_BYTES_MAX];
    size_t path_n, parents[REPORT_DEPTH_MAX];
    unsigned depth;
    bool is_feedback;
    struct text text, texts[REPORT_TEXTS], values[VALUES];
    struct report report;
};

size_t report_clean(struct span text, char *room, size_t cap)
{
    struct buf out = {.p = room, .cap = cap, .max = cap};
    uint32_t c;

    text = span_trim(text);
    while (text.n) {
        if (!utf8_next(&text, &c)) {
            c = '?';
        }
        c = c < 32 || (c >= 127 && c < 160) ? ' ' : c;
        if (out.n + 4 > cap) {
            break;
        }
        if (c != ' ' || out.n) {
            utf8_put(&out, c);
        }
    }
    return span_trim(buf_span(&out)).n; // there may be blanks at its end that were none
}

// ---- where what goes ----------------------------------------------------------------------------

#define ROW     "/feedback/record/row"
#define META    "/feedback/report_metadata"
#define POLICY  "/feedback/policy_published"
#define RESULTS "/feedback/record/auth_results"

static const struct {
    const char *path;
    enum report_text text; // or 0:
    enum value value;
} elements[] = {
    {META "/org_name", REPORT_ORGANIZATION, 0},
    {META "/email", REPORT_CONTACT, 0},
    {META "/report_id", REPORT_ID, 0},
    {META "/date_range/begin", 0, VALUE_BEGIN},
    {META "/date_range/end", 0, VALUE_END},
    {POLICY "/domain", REPORT_DOMAIN, 0},
    {POLICY "/p", 0, VALUE_P},
    {POLICY "/sp", 0, VALUE_SP},
    {POLICY "/np", 0, VALUE_NP},
    {POLICY "/pct", 0, VALUE_PCT},
    {POLICY "/adkim", 0, VALUE_ADKIM},
    {POLICY "/aspf", 0, VALUE_ASPF},
    {POLICY "/fo", 0, VALUE_FO},
    {ROW "/source_ip", REPORT_SOURCE, 0},
    {ROW "/count", 0, VALUE_COUNT},
    {ROW "/policy_evaluated/disposition", 0, VALUE_DISPOSITION},
    {ROW "/policy_evaluated/dkim", 0, VALUE_DKIM},
    {ROW "/policy_evaluated/spf", 0, VALUE_SPF},
    {ROW "/policy_evaluated/reason/type", 0, VALUE_REASON_TYPE},
    {ROW "/policy_evaluated/reason/comment", 0, VALUE_REASON_COMMENT},
    {"/feedback/record/identifiers/header_from", REPORT_HEADER_FROM, 0},
    {"/feedback/record/identifiers/envelope_from", REPORT_ENVELOPE_FROM, 0},
    {RESULTS "/dkim/domain", 0, VALUE_METHOD_DOMAIN},
    {RESULTS "/dkim/selector", 0, VALUE_METHOD_SELECTOR},
    {RESULTS "/dkim/result", 0, VALUE_METHOD_RESULT},
    {RESULTS "/spf/domain", 0, VALUE_METHOD_DOMAIN},
    {RESULTS "/spf/result", 0, VALUE_METHOD_RESULT},
};

static struct span value_of(const struct dmarc_reader *r, enum value v)
{
    return span_of(r->values[v].p, r->values[v].n);
}

static bool value_is(const struct dmarc_reader *r, enum value v, const char *word)
{
    return span_eq_nocase(value_of(r, v), span_from_str(word));
}

// Appends to a text what fits.
static void add(struct text *t, struct span s)
{
    struct buf out = {.p = t->p, .n = t->n, .cap = sizeof(t->p), .max = sizeof(t->p)};

    if (s.n <= sizeof(t->p) - t->n) {
        buf_put(&out, s);
        t->n = out.n;
    }
}

static void add_str(struct text *t, const char *s)
{
    add(t, span_from_str(s));
}

static void end_method(struct dmarc_reader *r, const char *method)
{
    struct text *t = &r->texts[REPORT_CHECKS], one = {.n = 0};

    add_str(&one, t->n ? ", " : "");
    add_str(&one, method);
    add_str(&one, "=");
    add(&one, r->values[VALUE_METHOD_RESULT].n ? value_of(r, VALUE_METHOD_RESULT) : SPAN("?"));
    if (r->values[VALUE_METHOD_DOMAIN].n) {
        add_str(&one, " ");
        add(&one, value_of(r, VALUE_METHOD_DOMAIN));
    }
    if (r->values[VALUE_METHOD_SELECTOR].n) {
        add_str(&one, " (");
        add(&one, value_of(r, VALUE_METHOD_SELECTOR));
        add_str(&one, ")");
    }
    add(t, span_of(one.p, one.n));
    r->values[VALUE_METHOD_DOMAIN].n = r->values[VALUE_METHOD_SELECTOR].n =
        r->values[VALUE_METHOD_RESULT].n = 0;
}

static void end_reason(struct dmarc_reader *r)
{
    struct text *t = &r->texts[REPORT_REASON];

    add_str(t, t->n ? ", " : "");
    add(t, value_of(r, VALUE_REASON_TYPE));
    if (r->values[VALUE_REASON_COMMENT].n) {
        add_str(t, " (");
        add(t, value_of(r, VALUE_REASON_COMMENT));
        add_str(t, ")");
    }
    r->values[VALUE_REASON_TYPE].n = r->values[VALUE_REASON_COMMENT].n = 0;
}

static void end_policy(struct dmarc_reader *r)
{
    static const struct {
        enum value value;
        const char *name;
    } tags[] = {{VALUE_P, "p"},         {VALUE_SP, "sp"},     {VALUE_NP, "np"}, {VALUE_PCT, "pct"},
                {VALUE_ADKIM, "adkim"}, {VALUE_ASPF, "aspf"}, {VALUE_FO, "fo"}};
    struct text *t = &r->texts[REPORT_POLICY];

    t->n = 0;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (r->values[tags[i].value].n) {
            add_str(t, t->n ? " " : "");
            add_str(t, tags[i].name);
            add_str(t, "=");
            add(t, span_first(value_of(r, tags[i].value), 100));
        }
    }
}

// ---- rows ---------------------------------------------------------------------------------------

static enum report_disposition disposition_of(const struct dmarc_reader *r)
{
    return value_is(r, VALUE_DISPOSITION, "reject")       ? REPORT_REJECT
           : value_is(r, VALUE_DISPOSITION, "quarantine") ? REPORT_QUARANTINE
                                                          : REPORT_NONE;
}

static bool is_address(struct span text)
{
    char room[INET6_ADDRSTRLEN + 1] = "";
    unsigned char bytes[16];

    if (!text.n || text.n > INET6_ADDRSTRLEN) {
        return false;
    }
    memcpy(room, text.p, text.n);
    return inet_pton(AF_INET, room, bytes) == 1 || inet_pton(AF_INET6, room, bytes) == 1;
}

// A row that names no sender or no number says nothing and is left out.
static enum err end_record(struct dmarc_reader *r)
{
    struct report_row row = {.disposition = disposition_of(r),
                             .is_dkim_pass = value_is(r, VALUE_DKIM, "pass"),
                             .is_spf_pass = value_is(r, VALUE_SPF, "pass")};
    enum err e = ERR_OK;

    for (unsigned i = REPORT_SOURCE; i < REPORT_TEXTS; i++) {
        row.texts[i] = span_of(r->texts[i].p, r->texts[i].n);
    }
    if (span_to_u64(value_of(r, VALUE_COUNT), REPORT_COUNT_MAX, &row.count) &&
        is_address(row.texts[REPORT_SOURCE])) {
        *(row.is_dkim_pass || row.is_spf_pass ? &r->report.good : &r->report.bad) += row.count;
        r->report.rows++;
        e = r->sink.row(r->sink.arg, &row);
    }
    for (unsigned i = REPORT_SOURCE; i < REPORT_TEXTS; i++) {
        r->texts[i].n = 0;
    }
    for (unsigned i = VALUE_COUNT; i <= VALUE_SPF; i++) {
        r->values[i].n = 0;
    }
    return e;
}

// ---- elements -----------------------------------------------------------------------------------

static void stop(struct dmarc_reader *r, enum err e)
{
    if (r->error == ERR_OK) {
        r->error = e;
    }
    XML_StopParser(r->parser, XML_FALSE);
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
    struct dmarc_reader *r = arg;
    const char *colon = strrchr(name, ':');
    struct span local = span_first(span_from_str(colon ? colon + 1 : name), NAME_BYTES_MAX);

    (void)attributes;
    if (r->depth == REPORT_DEPTH_MAX) {
        stop(r, ERR_LIMIT);
        return;
    }
    r->parents[r->depth++] = r->path_n;
    r->path[r->path_n++] = '/';
    memcpy(r->path + r->path_n, local.p, local.n);
    r->path_n += local.n;
    r->is_feedback |= r->depth == 1 && span_eq(local, SPAN("feedback"));
    r->text.n = 0;
}

static void XMLCALL on_text(void *arg, const char *text, int n)
{
    struct dmarc_reader *r = arg;
    size_t room = sizeof(r->text.p) - r->text.n;
    size_t more = (size_t)n < room ? (size_t)n : room;

    memcpy(r->text.p + r->text.n, text, more);
    r->text.n += more;
}

static void end_element(struct dmarc_reader *r, struct span path)
{
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        if (span_eq(path, span_from_str(elements[i].path))) {
            struct text *t =
                elements[i].text ? &r->texts[elements[i].text] : &r->values[elements[i].value];

            t->n = report_clean(span_of(r->text.p, r->text.n), t->p, sizeof(t->p));
            return;
        }
    }
    if (span_eq(path, SPAN(RESULTS "/dkim")) || span_eq(path, SPAN(RESULTS "/spf"))) {
        end_method(r, path.p[path.n - 1] == 'm' ? "dkim" : "spf");
    } else if (span_eq(path, SPAN(ROW "/policy_evaluated/reason"))) {
        end_reason(r);
    } else if (span_eq(path, SPAN(POLICY))) {
        end_policy(r);
    } else if (span_eq(path, SPAN("/feedback/record"))) {
        enum err e = end_record(r);

        if (e != ERR_OK) {
            stop(r, e);
        }
    }
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct dmarc_reader *r = arg;

    (void)name;
    end_element(r, span_of(r->path, r->path_n));
    r->path_n = r->parents[--r->depth];
    r->text.n = 0;
}

// A report needs no document type, and who sends one wants entities.
static void XMLCALL on_doctype(void *arg, const char *name, const char *sysid, const char *pubid,
                               int has_internal_subset)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)has_internal_subset;
    stop(arg, ERR_INVALID);
}

static void XMLCALL on_entity(void *arg, const char *name, int is_parameter, const char *value,
                              int value_length, const char *base, const char *system_id,
                              const char *public_id, const char *notation)
{
    (void)name;
    (void)is_parameter;
    (void)value;
    (void)value_length;
    (void)base;
    (void)system_id;
    (void)public_id;
    (void)notation;
    stop(arg, ERR_INVALID);
}

// ---- the reader ---------------------------------------------------------------------------------

enum err dmarc_reader_create(const struct report_sink *sink, struct dmarc_reader **out)
{
    struct dmarc_reader *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    r->sink = *sink;
    r->report.kind = REPORT_DMARC;
    r->parser = XML_ParserCreate(NULL);
    if (!r->parser) {
        free(r);
        return ERR_NOMEM;
    }
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    XML_SetEntityDeclHandler(r->parser, on_entity);
    *out = r;
    return ERR_OK;
}

void dmarc_reader_destroy(struct dmarc_reader *r)
{
    if (r) {
        XML_ParserFree(r->parser);
        free(r);
    }
}

static enum err parse(struct dmarc_reader *r, struct span bytes, bool is_last)
{
    if (r->error == ERR_OK &&
        XML_Parse(r->parser, bytes.p, (int)bytes.n, is_last) != XML_STATUS_OK &&
        r->error == ERR_OK) {
        r->error = XML_GetErrorCode(r->parser) == XML_ERROR_NO_MEMORY ? ERR_NOMEM : ERR_INVALID;
    }
    return r->error;
}

enum err dmarc_reader_feed(struct dmarc_reader *r, struct span bytes)
{
    enum err e = r->error;

    while (bytes.n && e == ERR_OK) {
        struct span piece = span_first(bytes, FEED_BYTES_MAX);

        e = parse(r, piece, false);
        bytes = span_skip(bytes, piece.n);
    }
    return e;
}

enum err dmarc_reader_end(struct dmarc_reader *r, struct arena *a, struct report *out)
{
    struct report report = r->report;
    uint64_t begin, end;
    enum err e = parse(r, SPAN(""), true);

    report = r->report;
    if (e != ERR_OK) {
        return e;
    }
    if (!r->is_feedback || !r->texts[REPORT_ORGANIZATION].n || !r->texts[REPORT_DOMAIN].n ||
        !span_to_u64(value_of(r, VALUE_BEGIN), TIME_MAX, &begin) ||
        !span_to_u64(value_of(r, VALUE_END), TIME_MAX, &end)) {
        return ERR_INVALID;
    }
    report.begin_s = (int64_t)begin;
    report.end_s = (int64_t)end;
    for (unsigned i = 1; i < REPORT_SENDER; i++) {
        report.texts[i] = arena_dup(a, span_of(r->texts[i].p, r->texts[i].n));
        if (!report.texts[i].p) {
            return ERR_NOMEM;
        }
    }
    *out = report;
    return ERR_OK;
}
