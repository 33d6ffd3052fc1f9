// SPDX-License-Identifier: Apache-2.0
//
// mailkeep domain add, list, remove.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

static int change(struct cli *c, int argc, char **argv, const char *operation, const char *done)
{
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK) {
        code = cli_link_ask(c, operation, json_pack("{s:s}", "domain", argv[1]), &result);
    }
    if (result) {
        printf("Domain %s %s.\n", cli_get_text(result, "domain"), done);
    }
    json_decref(result);
    return code;
}

int cli_domain_add(struct cli *c, int argc, char **argv)
{
    return change(c, argc, argv, "domain add", "added");
}

int cli_domain_remove(struct cli *c, int argc, char **argv)
{
    return change(c, argc, argv, "domain remove", "removed");
}

struct lister {
    struct cli *cli;
    struct cli_table *table;
};

static void on_domain(void *arg, const json_t *item)
{
    struct lister *l = arg;
    char number[24];

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    snprintf(number, sizeof(number), "%llu", (unsigned long long)cli_get_number(item, "accounts"));
    cli_table_cell(l->table, cli_get_text(item, "domain"));
    cli_table_cell(l->table, number);
}

int cli_domain_list(struct cli *c, int argc, char **argv)
{
    static const char *const heads[] = {"DOMAIN", ">ACCOUNTS", NULL};
    struct lister l = {c, NULL};
    int code = cli_words_check(c, &argc, argv, 0, 0);

    if (code == CLI_OK) {
        l.table = cli_table_create(heads);
        code = cli_link_run(c, "domain list", json_object(), on_domain, &l, NULL);
        cli_table_print(l.table);
    }
    return code;
}
