// SPDX-License-Identifier: Apache-2.0
//
// mailkeep check: exit 0 all is well, 1 differences were found (also when they were repaired), 2
// the check could not run.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

#define CHECK_NOT_RUN 2

static void on_problem(void *arg, const json_t *item)
{
    struct cli *c = arg;
    char account[300], problem[1024];

    if (c->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    cli_progress_end(c);
    printf("%s: %s%s\n", cli_plain(cli_get_text(item, "account"), account, sizeof(account)),
           cli_plain(cli_get_text(item, "problem"), problem, sizeof(problem)),
           json_is_true(json_object_get(item, "repaired")) ? " (repaired)" : "");
}

static void print_totals(struct cli *c, json_t *t, bool repair)
{
    unsigned long long differences = cli_get_number(t, "differences");
    unsigned long long repaired = cli_get_number(t, "repaired");

    if (c->json) {
        cli_print_json(json_incref(t));
        return;
    }
    if (cli_get_number(t, "unlisted") > 0) {
        printf("... and %llu more\n", (unsigned long long)cli_get_number(t, "unlisted"));
    }
    if (c->quiet && differences == 0) {
        return;
    }
    printf("Checked %llu accounts, %llu mailboxes, %llu messages, %llu bodies, %llu changes.\n",
           (unsigned long long)cli_get_number(t, "accounts"),
           (unsigned long long)cli_get_number(t, "mailboxes"),
           (unsigned long long)cli_get_number(t, "placements"),
           (unsigned long long)cli_get_number(t, "bodies"),
           (unsigned long long)cli_get_number(t, "changes"));
    if (differences == 0) {
        printf("All is well.\n");
    } else {
        printf("%llu differences, %llu repaired.%s\n", differences, repaired,
               repair ? "" : " To repair what can be: mailkeep check --repair");
    }
}

int cli_check(struct cli *c, int argc, char **argv)
{
    bool read_bodies = cli_flag(&argc, argv, "--read-bodies");
    bool repair = cli_flag(&argc, argv, "--repair");
    json_t *totals = NULL;
    int code = cli_words_check(c, &argc, argv, 0, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:b, s:b}", "read_bodies", read_bodies, "repair", repair);

    if (argc > 1) {
        json_object_set_new(args, "account", json_string(argv[1]));
    }
    code = cli_link_run(c, "check", args, on_problem, c, &totals);
    if (code != CLI_OK) {
        return CHECK_NOT_RUN;
    }
    print_totals(c, totals, repair);
    code = cli_get_number(totals, "differences") > 0 ? CLI_FAILED : CLI_OK;
    json_decref(totals);
    return code;
}
