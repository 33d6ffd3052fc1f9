// SPDX-License-Identifier: Apache-2.0
//
// mailkeep reports: what others report about our domains.
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

#define PLAIN_BYTES 4200

struct printer {
    struct cli *cli;
    unsigned long long n;
};

static struct cli_time time_of(const json_t *j, const char *name)
{
    int64_t moment = 0;

    cli_time_parse(cli_get_text(j, name), clock_real_s(), &moment);
    return cli_time_text(moment);
}

static unsigned long long number_of(const json_t *j, const char *name)
{
    return cli_get_number(j, name);
}

static bool is_dmarc(const json_t *j)
{
    return strcmp(cli_get_text(j, "kind"), "dmarc") == 0;
}

// ---- list ---------------------------------------------------------------------------------------

static void print_head(const json_t *j)
{
    char who[300], domain[300];

    printf("%s  %s  %-5s  %s about %s: ", cli_get_text(j, "report"), time_of(j, "received").s,
           is_dmarc(j) ? "DMARC" : "TLS",
           cli_plain(cli_get_text(j, "organization"), who, sizeof(who)),
           cli_plain(cli_get_text(j, "domain"), domain, sizeof(domain)));
    if (is_dmarc(j)) {
        printf("%llu passed, %llu failed\n", number_of(j, "passed"), number_of(j, "failed"));
    } else {
        printf("%llu connections good, %llu failed\n", number_of(j, "good"),
               number_of(j, "failed"));
    }
}

static void on_listed(void *arg, const json_t *item)
{
    struct printer *p = arg;

    p->n++;
    if (p->cli->json) {
        cli_print_json(json_deep_copy(item));
    } else {
        print_head(item);
    }
}

int cli_reports_list(struct cli *c, int argc, char **argv)
{
    const char *since = cli_option(&argc, argv, "--since");
    struct printer p = {.cli = c};
    int code = cli_words_check(c, &argc, argv, 0, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = argc > 1 ? json_pack("{s:s}", "domain", argv[1]) : json_object();

    code = cli_since_put(c, since, args);
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    code = cli_link_run(c, "reports list", args, on_listed, &p, NULL);
    if (code == CLI_OK && !p.n && !c->json && !c->quiet) {
        printf("No reports have come in that time.\n");
    }
    return code;
}

// ---- show ---------------------------------------------------------------------------------------

static void print_line(const json_t *item, const char *name, const char *label)
{
    const char *text = cli_get_text(item, name);
    char plain[PLAIN_BYTES];

    if (text[0]) {
        printf("%s%s\n", label, cli_plain(text, plain, sizeof(plain)));
    }
}

static void print_row(const json_t *j)
{
    char source[100], from[300], result[300], host[300];

    if (is_dmarc(j)) {
        printf("  %llu from %s as %s: DKIM %s, SPF %s, policy applied: %s\n",
               number_of(j, "messages"),
               cli_plain(cli_get_text(j, "source"), source, sizeof(source)),
               cli_plain(cli_get_text(j, "header_from"), from, sizeof(from)),
               json_is_true(json_object_get(j, "dkim")) ? "pass" : "fail",
               json_is_true(json_object_get(j, "spf")) ? "pass" : "fail",
               cli_get_text(j, "disposition"));
    } else if (json_is_true(json_object_get(j, "good"))) {
        printf("  %llu good\n", number_of(j, "sessions"));
    } else {
        printf("  %llu failed: %s %s\n", number_of(j, "sessions"),
               cli_plain(cli_get_text(j, "result"), result, sizeof(result)),
               cli_plain(cli_get_text(j, "host"), host, sizeof(host)));
    }
    print_line(j, "envelope_from", "      sender on the envelope: ");
    print_line(j, "checks", "      found: ");
    print_line(j, "reason", "      why less was done: ");
    print_line(j, "details", "      they say: ");
}

static void on_shown(void *arg, const json_t *item)
{
    struct printer *p = arg;

    if (p->cli->json) {
        cli_print_json(json_deep_copy(item));
    } else if (cli_get_text(item, "text")[0]) {
        print_line(item, "text", "");
        print_line(item, "checks", "    found: ");
        print_line(item, "reason", "    why less was done: ");
    } else {
        print_row(item);
    }
}

static void print_end(const json_t *j)
{
    const json_t *dmarc = json_object_get(j, "dmarc"), *tls = json_object_get(j, "tls");

    if (!dmarc) { // one report
        printf("\n");
        print_head(j);
        printf("    from %s to %s\n", time_of(j, "begin").s, time_of(j, "end").s);
        print_line(j, "policy", "    policy: ");
        print_line(j, "contact", "    contact: ");
        print_line(j, "report_id", "    their id: ");
        print_line(j, "from", "    sent by: ");
        return;
    }
    printf("\nDMARC: %llu messages passed, %llu failed (%llu reports)\n",
           number_of(dmarc, "passed"), number_of(dmarc, "failed"), number_of(dmarc, "reports"));
    printf("TLS: %llu connections good, %llu failed (%llu reports)\n", number_of(tls, "good"),
           number_of(tls, "failed"), number_of(tls, "reports"));
}

int cli_reports_show(struct cli *c, int argc, char **argv)
{
    const char *since = cli_option(&argc, argv, "--since");
    struct printer p = {.cli = c};
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:s}", "what", argv[1]);

    code = cli_since_put(c, since, args);
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    code = cli_link_run(c, "reports show", args, on_shown, &p, &result);
    if (code == CLI_OK && c->json) {
        cli_print_json(json_incref(result));
    } else if (code == CLI_OK) {
        print_end(result);
    }
    json_decref(result);
    return code;
}
