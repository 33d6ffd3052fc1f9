// SPDX-License-Identifier: Apache-2.0
//
// mailkeep domain dns.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

struct printer {
    struct cli *cli;
    bool check;
    json_t *items;
};

static void on_record(void *arg, const json_t *item)
{
    struct printer *p = arg;
    const json_t *found = json_object_get(item, "found");
    char plain[2600];

    if (p->cli->json) {
        json_array_append_new(p->items, json_deep_copy(item));
        return;
    }
    printf("; %s\n", cli_get_text(item, "what"));
    printf("%s\n", cli_plain(cli_get_text(item, "zone"), plain, sizeof(plain)));
    if (p->check) {
        printf("; => %s\n", strcmp(cli_get_text(item, "state"), "ok") == 0
                                ? "as it should be"
                                : cli_get_text(item, "state"));
    }
    if (p->check && strcmp(cli_get_text(item, "state"), "differs") == 0) {
        for (size_t i = 0; i < json_array_size(found); i++) {
            printf(";    there is: %s\n",
                   cli_plain(json_string_value(json_array_get(found, i)), plain, sizeof(plain)));
        }
    }
    if (cli_get_text(item, "advice")[0] != '\0') {
        printf(";    %s.\n", cli_get_text(item, "advice"));
    }
    printf("\n");
}

static void print_end(const json_t *result)
{
    const json_t *list = json_object_get(result, "notes");
    const char *policy = cli_get_text(result, "policy");

    bool is_served = json_is_true(json_object_get(result, "policy_served"));

    printf("; The policy for _mta-sts above, %s %s:\n",
           is_served ? "which this server serves as" : "to be served as", // by a web server
           cli_get_text(result, "policy_url"));
    for (const char *line = policy; *line;) {
        size_t n = strcspn(line, "\r\n");

        printf(";   %.*s\n", (int)n, line);
        line += n;
        line += strspn(line, "\r\n");
    }
    if (is_served) {
        printf(
            "; The certificate (tls_cert) must have the names mta-sts, autoconfig and autodiscover "
            "of the domain, too.\n");
    } else {
        printf(
            "; Without such a web server leave the _mta-sts record out, or let this server do it "
            "(listen_https).\n"
            "; For mail programs that look for autoconfig.%s: the SRV records above serve the "
            "same end.\n",
            cli_get_text(result, "domain"));
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        printf("; Note: %s.\n", json_string_value(json_array_get(list, i)));
    }
}

int cli_domain_dns(struct cli *c, int argc, char **argv)
{
    struct printer p = {c, cli_flag(&argc, argv, "--check"), json_array()};
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK) {
        code = cli_link_run(c, "domain dns",
                            json_pack("{s:s, s:b}", "domain", argv[1], "check", p.check), on_record,
                            &p, &result);
    }
    unsigned long long wrong = cli_get_number(result, "wrong");

    if (code == CLI_OK && c->json) {
        json_object_set(result, "records", p.items);
        cli_print_json(result);
    } else if (code == CLI_OK) {
        print_end(result);
        if (p.check && !c->quiet) {
            printf(wrong ? "; %llu records are not as they should be.\n" : "; All is well.\n",
                   wrong);
        }
        json_decref(result);
    }
    json_decref(p.items);
    return code == CLI_OK && wrong > 0 ? CLI_FAILED : code;
}
