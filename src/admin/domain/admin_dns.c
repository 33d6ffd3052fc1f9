// SPDX-License-Identifier: Apache-2.0
//
// domain dns: the records a mail domain needs, ready to paste; and whether they are in the DNS.
#include <stdarg.h>
#include <stdio.h>

#include "admin/admin_internal.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/dns_type.h"
#include "publish/publish.h"
#include "senderauth/dkim.h"
#include "senderauth/dmarc.h"
#include "store/route.h"
#include "store/secret.h"

#include "base/banned.h"

#define ROWS_MAX         (20 + SIGNING_KEYS_MAX)
#define NAME_BYTES       300
#define VALUE_BYTES      SIGNING_RECORD_BYTES_MAX
#define POLICY_BYTES_MAX 65536 // RFC 8461 section 3.3
#define FOUND_MAX        16    // records of a name that are shown

enum row_kind {
    ROW_MX,
    ROW_ADDRESS,
    ROW_SPF,
    ROW_SPF_SERVER,
    ROW_DKIM,
    ROW_DMARC,
    ROW_WANTED,
    ROW_STS,
    ROW_TLSRPT,
    ROW_SRV
};

struct row {
    enum row_kind kind;
    const char *what; // "where mail for the domain goes"
    const char *name, *value;
    uint16_t type;
    const char *state, *advice; // of --check
    json_t *found;
};

struct dns_call {
    struct admin_call *call;
    struct span domain, server;
    struct row rows[ROWS_MAX];
    size_t n;
    const char *policy, *policy_id; // MTA-STS
    const char *report_address;     // "": reports are not wanted
};

// Text in the call's arena; "" without memory.
static const char *text_of(struct admin_call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static const char *text_of(struct admin_call *c, const char *fmt, ...)
{
    char room[VALUE_BYTES + 1];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(room, sizeof(room), fmt, ap);
    va_end(ap);
    const char *s = arena_str(&c->arena, span_from_str(room));

    return s ? s : "";
}

// The one that is served (gate/http).
static const char *policy_of(struct admin_call *c, struct span domain)
{
    struct buf text;

    buf_init(&text, POLICY_BYTES_MAX);
    publish_sts_policy(&text, c->admin->settings, c->admin->server, domain);
    const char *policy = arena_str(&c->arena, buf_span(&text));

    buf_finish(&text);
    return policy ? policy : "";
}

static void add(struct dns_call *d, struct row row)
{
    if (d->n < ROWS_MAX) {
        d->rows[d->n++] = row;
    }
}

// ---- what should be there -----------------------------------------------------------------------

// A name for the policy that changes with it (RFC 8461 section 3.1): FNV-1a, which is the same on
// every machine and after every start.
static uint64_t policy_hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325ull;

    for (; *text; text++) {
        h = (h ^ (unsigned char)*text) * 0x100000001b3ull;
    }
    return h;
}

static void add_services(struct dns_call *d)
{
    static const struct {
        const char *service, *what;
        unsigned port;
    } services[] = {
        {"imaps", "where mail programs read mail (RFC 8314)", 993},
        {"submissions", "where mail programs send mail (RFC 8314)", 465},
        {"pop3s", "where mail programs fetch mail by POP3", 995},
        {"sieve", "where mail programs keep filter rules (RFC 5804)", 4190},
    };
    struct admin_call *c = d->call;

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        add(d, (struct row){
                   .kind = ROW_SRV,
                   .what = services[i].what,
                   .type = DNS_SRV,
                   .name = text_of(c, "_%s._tcp.%.*s", services[i].service, SPAN_ARG(d->domain)),
                   .value = text_of(c, "0 1 %u %.*s.", services[i].port, SPAN_ARG(d->server))});
    }
}

static bool serves_http(const struct admin_call *c)
{
    return conf_value_list_size(c->admin->settings, SETTING_LISTEN_HTTPS) > 0;
}

// The names under which gate/http is asked (docs/protocol/http.md); other names of this server.
static void add_web_names(struct dns_call *d)
{
    static const struct {
        const char *label, *what;
    } names[] = {
        {"mta-sts", "where other servers fetch the policy of MTA-STS"},
        {"autoconfig", "where Thunderbird and others ask for their settings"},
        {"autodiscover", "where Outlook asks for its settings"},
    };
    struct admin_call *c = d->call;

    if (!serves_http(c)) {
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        add(d, (struct row){.kind = ROW_ADDRESS,
                            .what = names[i].what,
                            .type = DNS_A,
                            .name = text_of(c, "%s.%.*s", names[i].label, SPAN_ARG(d->domain)),
                            .value = text_of(c, "%.*s.", SPAN_ARG(d->server))});
    }
}

static bool add_key(void *arg, const struct signing_key *k)
{
    struct dns_call *d = arg;

    if (k->state != SIGNING_RETIRED) {
        add(d, (struct row){.kind = ROW_DKIM,
                            .what = k->state == SIGNING_ACTIVE
                                        ? "a key that signs mail (DKIM)"
                                        : "a key that will sign mail once it is activated (DKIM)",
                            .type = DNS_TXT,
                            .name = text_of(d->call, "%.*s._domainkey.%.*s", SPAN_ARG(k->selector),
                                            SPAN_ARG(k->domain)),
                            .value = text_of(d->call, "%.*s", SPAN_ARG(k->record))});
    }
    return true;
}

// Where reports about the domain go; "" when nobody wants them. Characters that end an address of
// a record are percent-encoded (RFC 7489 section 6.2).
static const char *report_address(struct dns_call *d)
{
    struct span a = conf_value_text(d->call->admin->settings, SETTING_REPORT_ADDRESS);
    struct buf b;

    buf_init(&b, 3 * NAME_BYTES);
    for (size_t i = 0; i < a.n; i++) {
        if (a.p[i] == ',' || a.p[i] == ';' || a.p[i] == '!' || a.p[i] == '%') {
            buf_printf(&b, "%%%02X", (unsigned char)a.p[i]);
        } else {
            buf_put_byte(&b, a.p[i]);
        }
    }
    if (a.n && span_find_byte(a, '@') == a.n) {
        buf_put_byte(&b, '@');
        buf_put(&b, d->domain);
    }
    const char *text = text_of(d->call, "%.*s", SPAN_ARG(buf_span(&b)));

    buf_finish(&b);
    return text;
}

// Of another organization its domain has to say that it wants them (RFC 7489 section 7.1).
static void add_wanted(struct dns_call *d, const char *domain)
{
    struct span address = span_from_str(d->report_address);
    struct domain_name ours, theirs;

    if (domain_name_parse(d->domain, &ours) == ERR_OK &&
        domain_name_parse(span_skip(address, span_find_byte(address, '@') + 1), &theirs) ==
            ERR_OK &&
        !span_eq(domain_name_organization(&ours), domain_name_organization(&theirs))) {
        add(d, (struct row){ROW_WANTED, "that reports about the domain are wanted there (DMARC)",
                            text_of(d->call, "%s._report._dmarc.%s", domain, theirs.text),
                            "v=DMARC1", DNS_TXT});
    }
}

static void add_dmarc(struct dns_call *d, const char *domain)
{
    struct admin_call *c = d->call;
    bool wanted = d->report_address[0];

    add(d, (struct row){ROW_DMARC,
                        wanted ? "what others do with forged mail, and whom they tell (DMARC)"
                               : "what others do with forged mail (DMARC)",
                        text_of(c, "_dmarc.%s", domain),
                        text_of(c, "v=DMARC1; p=quarantine%s%s", wanted ? "; rua=mailto:" : "",
                                d->report_address),
                        DNS_TXT});
    if (wanted) {
        add_wanted(d, domain);
    }
}

static enum err add_rows(struct dns_call *d)
{
    struct admin_call *c = d->call;
    const char *domain = text_of(c, "%.*s", SPAN_ARG(d->domain));
    const char *server = text_of(c, "%.*s", SPAN_ARG(d->server));

    add(d, (struct row){ROW_MX, "where mail for the domain goes", domain,
                        text_of(c, "10 %s.", server), DNS_MX});
    add(d, (struct row){ROW_ADDRESS, "the server's address", server, "", DNS_A});
    add(d, (struct row){ROW_SPF, "who may send for the domain (SPF)", domain, "v=spf1 mx -all",
                        DNS_TXT});
    enum err e = signing_key_list(c->admin->store, d->domain, add_key, d);

    add_dmarc(d, domain);
    add(d, (struct row){ROW_STS, "that mail comes encrypted only (MTA-STS)",
                        text_of(c, "_mta-sts.%s", domain),
                        text_of(c, "v=STSv1; id=%s", d->policy_id), DNS_TXT});
    if (d->report_address[0]) { // a record without an address is none (RFC 8460 section 3)
        add(d, (struct row){ROW_TLSRPT, "whom others tell when that fails (TLS reports)",
                            text_of(c, "_smtp._tls.%s", domain),
                            text_of(c, "v=TLSRPTv1; rua=mailto:%s", d->report_address), DNS_TXT});
    }
    if (!span_eq_nocase(d->server, d->domain)) { // RFC 7208 section 2.4: who has no sender is HELO
        add(d,
            (struct row){ROW_SPF_SERVER,
                         "who may send in the server's name: notices, which have no sender (SPF)",
                         server, "v=spf1 a -all", DNS_TXT});
    }
    add_services(d);
    add_web_names(d);
    return e;
}

// ---- what is there ------------------------------------------------------------------------------

struct found {
    struct span text[FOUND_MAX]; // as a zone file has it, TXT joined
    size_t n;
};

// A name in the DNS's own form as text with a dot at its end.
static struct span wire_name(struct admin_call *c, struct span wire)
{
    struct buf b;

    buf_init(&b, 1024);
    while (wire.n > 0 && wire.p[0] != 0 && (size_t)(unsigned char)wire.p[0] < wire.n) {
        size_t n = (unsigned char)wire.p[0];

        buf_put(&b, span_first(span_skip(wire, 1), n));
        buf_put_byte(&b, '.');
        wire = span_skip(wire, n + 1);
    }
    struct span s = arena_dup(&c->arena, buf_span(&b));

    buf_finish(&b);
    return s.p && s.n > 0 ? s : SPAN(".");
}

static struct span record_text(struct admin_call *c, uint16_t type, struct span data)
{
    if (type == DNS_MX && data.n >= 2) {
        return span_from_str(
            text_of(c, "%u %.*s.", get_le16(data.p), SPAN_ARG(span_skip(data, 2))));
    }
    if (type == DNS_SRV && data.n >= 7) {
        const unsigned char *p = (const unsigned char *)data.p;

        return span_from_str(text_of(c, "%u %u %u %.*s", p[0] << 8 | p[1], p[2] << 8 | p[3],
                                     p[4] << 8 | p[5], SPAN_ARG(wire_name(c, span_skip(data, 6)))));
    }
    return type == DNS_TXT ? arena_dup(&c->arena, data) : SPAN("an address");
}

static enum err ask(struct dns_call *d, const char *name, uint16_t type, struct found *out)
{
    const struct admin *a = d->call->admin;
    struct span rest;
    enum err e = a->dns_ask(a->arg, span_from_str(name), type, &d->call->arena, &rest);

    out->n = 0;
    while (e == ERR_OK && rest.n >= 2 && out->n < FOUND_MAX) {
        size_t n = get_le16(rest.p);

        out->text[out->n++] = record_text(d->call, type, span_first(span_skip(rest, 2), n));
        rest = span_skip(rest, 2 + n);
    }
    return e;
}

static bool names_server(struct span record, struct span server)
{
    size_t at = record.n; // the last word, without its dot

    while (at > 0 && record.p[at - 1] != ' ') {
        at--;
    }
    struct span name = span_skip(record, at);

    return name.n > 0 && span_eq_nocase(span_first(name, name.n - 1), server);
}

// Says that one word of an SPF record lets the server send.
static bool spf_allows(struct span record, struct span server)
{
    while (record.n > 0) {
        struct span word = span_split(&record, ' ');

        if (word.n > 0 && word.p[0] == '+') {
            word = span_skip(word, 1);
        }
        if (span_eq_nocase(word, SPAN("mx")) ||
            (span_starts_nocase(word, SPAN("a:")) && span_eq_nocase(span_skip(word, 2), server)) ||
            span_starts_nocase(word, SPAN("include:")) ||
            span_starts_nocase(word, SPAN("redirect="))) {
            return true;
        }
    }
    return false;
}

// Keeps of the TXT records of a name those of a kind.
static void only_starting(struct found *f, const char *start)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        if (span_starts_nocase(f->text[i], span_from_str(start))) {
            f->text[n++] = f->text[i];
        }
    }
    f->n = n;
}

static void differs(struct row *r, const char *advice)
{
    r->state = "differs";
    r->advice = advice;
}

static void judge_mx(struct dns_call *d, struct row *r, const struct found *f)
{
    bool ours = false;

    for (size_t i = 0; i < f->n; i++) {
        ours |= names_server(f->text[i], d->server);
    }
    if (!ours) {
        differs(r, "Mail for the domain goes elsewhere. When it is to come here, put our record in "
                   "place of those that are there");
    } else if (f->n > 1) {
        r->advice = "Other servers are named, too. They must hand mail on to this one";
    }
}

static void judge_spf(struct dns_call *d, struct row *r, const struct found *f)
{
    if (f->n > 1) {
        differs(r, "There may be only one record that starts with v=spf1: others refuse both");
    } else if (!spf_allows(f->text[0], d->server)) {
        differs(r, "Our server is not named in it: add mx to it");
    }
}

// Addresses it may name are not ours to know, behind a translation.
static void judge_spf_server(struct dns_call *d, struct row *r, const struct found *f)
{
    struct span rest = f->text[0];
    bool allows = spf_allows(rest, d->server);

    while (rest.n > 0 && !allows) {
        struct span word = span_split(&rest, ' ');

        word = word.n > 0 && word.p[0] == '+' ? span_skip(word, 1) : word;
        allows = span_eq_nocase(word, SPAN("a")) || span_starts_nocase(word, SPAN("ip4:")) ||
                 span_starts_nocase(word, SPAN("ip6:"));
    }
    if (f->n > 1) {
        differs(r, "There may be only one record that starts with v=spf1: others refuse both");
    } else if (!allows) {
        differs(r, "Our server is not named in it: add a to it");
    }
}

static void judge_dkim(struct row *r, const struct found *f)
{
    if (f->n > 1) {
        differs(r, "There may be only one record of this name");
    } else if (!dkim_record_same_key(f->text[0], span_from_str(r->value))) {
        differs(r, "Another key is published under this name: signatures by ours do not hold");
    }
}

static void judge_dmarc(struct row *r, const struct found *f)
{
    struct dmarc_record record;

    if (f->n > 1) {
        differs(r, "There may be only one record of this name: others take no notice of both");
    } else if (dmarc_record_parse(f->text[0], &record) != ERR_OK) {
        differs(r, "Others cannot read it");
    } else if (record.policy == DMARC_POLICY_NONE) {
        r->advice = "It only watches: forged mail is not stopped. That is right for a start";
    }
}

static void judge_sts(struct row *r, const struct found *f)
{
    if (f->n > 1) {
        differs(r, "There may be only one record of this name");
    } else if (!span_eq_but_blanks(f->text[0], span_from_str(r->value))) {
        r->advice = "Its id is not ours. That is right when the policy that is published is not "
                    "the one below";
    }
}

static void judge_srv(struct row *r, const struct found *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (span_eq_but_blanks(f->text[i], span_from_str(r->value))) {
            return;
        }
    }
    differs(r, "Mail programs that look for their settings are sent elsewhere");
}

static void judge(struct dns_call *d, struct row *r, struct found *f)
{
    static const char *const starts[] = {[ROW_SPF] = "v=spf1",
                                         [ROW_SPF_SERVER] = "v=spf1",
                                         [ROW_WANTED] = "v=DMARC1",
                                         [ROW_STS] = "v=STSv1",
                                         [ROW_TLSRPT] = "v=TLSRPTv1"};

    if (r->kind < sizeof(starts) / sizeof(starts[0]) && starts[r->kind]) {
        only_starting(f, starts[r->kind]);
    }
    r->found = json_array();
    for (size_t i = 0; i < f->n; i++) {
        json_array_append_new(r->found, admin_json_text(f->text[i]));
    }
    r->state = f->n > 0 ? "ok" : "missing";
    if (f->n == 0) {
        r->advice = r->kind == ROW_ADDRESS ? "Give the server's name an A or AAAA record"
                                           : "Put the record above into the DNS";
        return;
    }
    switch (r->kind) {
    case ROW_MX:
        judge_mx(d, r, f);
        break;
    case ROW_SPF:
        judge_spf(d, r, f);
        break;
    case ROW_SPF_SERVER:
        judge_spf_server(d, r, f);
        break;
    case ROW_DKIM:
        judge_dkim(r, f);
        break;
    case ROW_DMARC:
        judge_dmarc(r, f);
        break;
    case ROW_STS:
        judge_sts(r, f);
        break;
    case ROW_SRV:
        judge_srv(r, f);
        break;
    case ROW_ADDRESS:
    case ROW_WANTED:
    case ROW_TLSRPT:
        break;
    }
}

static enum err check_row(struct dns_call *d, struct row *r)
{
    struct found f;
    enum err e = ask(d, r->name, r->type, &f);

    if (e == ERR_OK && f.n == 0 && r->kind == ROW_ADDRESS) {
        e = ask(d, r->name, DNS_AAAA, &f);
    }
    if (e == ERR_AGAIN) {
        r->state = "unknown";
        r->advice = "The DNS could not be asked. Try again; see: mailkeep status";
        return ERR_OK;
    }
    if (e == ERR_OK) {
        judge(d, r, &f);
    }
    return e;
}

// ---- telling ------------------------------------------------------------------------------------

static json_t *row_json(struct admin_call *c, const struct row *r)
{
    static const char *const types[] = {
        [DNS_A] = "A", [DNS_MX] = "MX", [DNS_TXT] = "TXT", [DNS_SRV] = "SRV"};
    bool is_alias = r->kind == ROW_ADDRESS && r->value[0] != '\0';
    const char *type = is_alias ? "CNAME" : types[r->type];
    struct buf zone;

    buf_init(&zone, 3 * VALUE_BYTES);
    if (r->type == DNS_TXT) {
        admin_put_zone_txt(&zone, span_from_str(r->name), span_from_str(r->value));
    } else if (r->kind == ROW_ADDRESS && !is_alias) {
        buf_printf(&zone, "; %s. IN A and AAAA: the addresses of this server", r->name);
    } else {
        buf_printf(&zone, "%s. IN %s %s", r->name, type, r->value);
    }
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:o}", "what", r->what, "name", r->name, "type",
                          type, "value", r->value, "zone", admin_json_text(buf_span(&zone)));

    buf_finish(&zone);
    (void)c;
    if (j && r->state) {
        json_object_set_new(j, "state", json_string(r->state));
        json_object_set(j, "found", r->found ? r->found : json_null());
    }
    if (j && r->advice) {
        json_object_set_new(j, "advice", json_string(r->advice));
    }
    return j;
}

// postmaster has to be there (RFC 5321 section 4.5.1), and gets the reports.
static json_t *notes(struct dns_call *d, struct span domain)
{
    struct admin_call *c = d->call;
    json_t *list = json_array();
    struct route r;

    if (route_lookup(c->admin->store,
                     span_from_str(text_of(c, "postmaster@%.*s", SPAN_ARG(domain))), SPAN("+"),
                     &c->arena, &r) == ERR_OK &&
        r.kind == ROUTE_UNKNOWN) {
        json_array_append_new(
            list, json_string(text_of(c,
                                      "Nobody has the address postmaster@%.*s, to which others "
                                      "write about troubles: mailkeep alias add "
                                      "postmaster@%.*s ADDRESS",
                                      SPAN_ARG(domain), SPAN_ARG(domain))));
    }
    if (span_find_byte(d->server, '.') == d->server.n) {
        json_array_append_new(
            list, json_string("The server's name has no domain. Set server_name in mailkeep.conf "
                              "to the name that others know it by"));
    }
    return list;
}

static enum err dns_domain(struct admin_call *c, struct dns_call *d, struct span *out_spelled)
{
    struct domain_name *name = arena_zalloc(&c->arena, 1, sizeof(*name));
    bool ours = false;
    enum err e = name ? admin_domain(c, "domain", out_spelled) : ERR_NOMEM;

    e = e == ERR_OK ? route_domain_is_ours(c->admin->store, *out_spelled, &c->arena, &ours, NULL)
                    : e;
    if (e == ERR_OK && !ours) {
        return admin_fail(c, ERR_NOT_FOUND,
                          "There is no domain \"%.*s\". All domains: mailkeep domain list",
                          SPAN_ARG(*out_spelled));
    }
    if (e == ERR_OK && domain_name_parse(*out_spelled, name) != ERR_OK) {
        return admin_fail(c, ERR_INVALID, "The DNS cannot hold the name \"%.*s\".",
                          SPAN_ARG(*out_spelled));
    }
    d->domain = e == ERR_OK ? domain_name_span(name) : SPAN("");
    return e;
}

static enum err check_rows(struct dns_call *d, unsigned *out_wrong)
{
    struct admin_call *c = d->call;
    enum err e = ERR_OK;

    if (!c->admin->dns_ask) {
        return admin_fail(c, ERR_UNAVAILABLE,
                          "The DNS is asked by the server, and none runs here. Without --check the "
                          "records are printed.");
    }
    for (size_t i = 0; i < d->n && e == ERR_OK && !admin_is_cancelled(c); i++) {
        admin_progress(c, i, d->n, d->rows[i].name);
        e = check_row(d, &d->rows[i]);
        *out_wrong += d->rows[i].state && strcmp(d->rows[i].state, "ok") != 0;
    }
    return e;
}

enum err admin_domain_dns(struct admin_call *c)
{
    struct dns_call *d = arena_zalloc(&c->arena, 1, sizeof(*d));
    struct span spelled;
    unsigned wrong = 0;
    enum err e = d ? dns_domain(c, d, &spelled) : ERR_NOMEM;

    if (e != ERR_OK) {
        return e;
    }
    d->call = c;
    d->server = c->admin->server;
    d->report_address = report_address(d);
    d->policy = policy_of(c, d->domain);
    d->policy_id = text_of(c, "%016llx", (unsigned long long)policy_hash(d->policy));
    e = add_rows(d);
    e = e == ERR_OK && admin_bool(c, "check") ? check_rows(d, &wrong) : e;
    for (size_t i = 0; i < d->n; i++) {
        e = e == ERR_OK ? admin_item(c, row_json(c, &d->rows[i])) : e;
        json_decref(d->rows[i].found);
    }
    if (e != ERR_OK) {
        return e;
    }
    c->outcome->result =
        json_pack("{s:o, s:i, s:b, s:s, s:s, s:o}", "domain", admin_json_text(d->domain), "wrong",
                  (int)wrong, "policy_served", serves_http(c), "policy_url",
                  text_of(c, "https://mta-sts.%.*s/.well-known/mta-sts.txt", SPAN_ARG(d->domain)),
                  "policy", d->policy, "notes", notes(d, spelled));
    return c->outcome->result ? ERR_OK : ERR_NOMEM;
}
