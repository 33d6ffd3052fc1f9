// SPDX-License-Identifier: Apache-2.0
//
// mailkeep account list and show.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

struct lister {
    struct cli *cli;
    struct cli_table *table;
};

static void cell_number(struct cli_table *t, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    cli_table_cell(t, text);
}

static const char *limit_text(const json_t *item, const char *name, struct cli_size *size)
{
    const json_t *v = json_object_get(item, name);

    if (!json_is_integer(v)) {
        return "none";
    }
    *size = cli_size_text((uint64_t)json_integer_value(v));
    return size->s;
}

static void on_account(void *arg, const json_t *item)
{
    struct lister *l = arg;
    struct cli_size size;

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    cli_table_cell(l->table, cli_get_text(item, "account"));
    cli_table_cell(l->table, cli_get_text(item, "state"));
    cell_number(l->table, cli_get_number(item, "messages"));
    cli_table_cell(l->table, cli_size_text(cli_get_number(item, "bytes")).s);
    cli_table_cell(l->table, limit_text(item, "bytes_max", &size));
}

int cli_account_list(struct cli *c, int argc, char **argv)
{
    static const char *const heads[] = {"ACCOUNT", "STATE", ">MESSAGES", ">SIZE", ">QUOTA", NULL};
    struct lister l = {c, NULL};
    int code = cli_words_check(c, &argc, argv, 0, 1);

    if (code == CLI_OK) {
        json_t *args = argc > 1 ? json_pack("{s:s}", "domain", argv[1]) : json_object();

        l.table = cli_table_create(heads);
        code = cli_link_run(c, "account list", args, on_account, &l, NULL);
        cli_table_print(l.table);
    }
    return code;
}

static void print_forwarding(const json_t *a)
{
    const json_t *list = json_object_get(a, "forward");
    char plain[300];

    for (size_t i = 0; i < json_array_size(list); i++) {
        printf("%s%s", i > 0 ? ", " : "Forwarded:  ",
               cli_plain(json_string_value(json_array_get(list, i)), plain, sizeof(plain)));
    }
    if (json_array_size(list) > 0) {
        printf(json_is_true(json_object_get(a, "forward_keeps_copy")) ? " (a copy is kept)\n"
                                                                      : " (no copy is kept)\n");
    }
}

static void print_roles(const json_t *a)
{
    const json_t *roles = json_object_get(a, "roles");
    char plain[300];

    for (size_t i = 0; i < json_array_size(roles); i++) {
        const json_t *role = json_array_get(roles, i), *domains = json_object_get(role, "domains");

        printf("%s%s over ", i > 0 ? "            " : "Roles:      ", cli_get_text(role, "role"));
        for (size_t d = 0; d < json_array_size(domains); d++) {
            printf("%s%s", d > 0 ? ", " : "",
                   cli_plain(json_string_value(json_array_get(domains, d)), plain, sizeof(plain)));
        }
        printf("%s\n", json_is_array(domains) ? "" : "all domains");
    }
}

static void print_account(const json_t *a)
{
    struct cli_size size;
    const json_t *limit = json_object_get(a, "messages_max");

    printf("Account:    %s\nState:      %s\nPassword:   %s\nCreated:    %s\n",
           cli_get_text(a, "account"), cli_get_text(a, "state"),
           json_is_true(json_object_get(a, "has_password")) ? "set" : "none (cannot sign in)",
           cli_get_text(a, "created"));
    if (json_object_get(a, "takes_mail")) {
        printf("New mail:   %s\n", json_is_true(json_object_get(a, "team")) ? "arrives for a team"
                                   : json_is_true(json_object_get(a, "takes_mail"))
                                       ? "still arrives"
                                       : "is refused");
    }
    if (json_object_get(a, "remove_at")) {
        printf("Removed:    %s, unless it is resumed before\n", cli_get_text(a, "remove_at"));
    }
    printf("Mailboxes:  %llu\nMessages:   %llu", (unsigned long long)cli_get_number(a, "mailboxes"),
           (unsigned long long)cli_get_number(a, "messages"));
    if (json_is_integer(limit)) {
        printf(" of %llu", (unsigned long long)json_integer_value(limit));
    }
    printf("\nSize:       %s", cli_size_text(cli_get_number(a, "bytes")).s);
    if (json_is_integer(json_object_get(a, "bytes_max"))) {
        printf(" of %s", limit_text(a, "bytes_max", &size));
    }
    printf("\nChanges:    %llu\n", (unsigned long long)cli_get_number(a, "changes"));
    print_forwarding(a);
    print_roles(a);
}

int cli_account_show(struct cli *c, int argc, char **argv)
{
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK) {
        code = cli_link_run(c, "account show", json_pack("{s:s}", "account", argv[1]), NULL, NULL,
                            &result);
    }
    if (code == CLI_OK && c->json) {
        cli_print_json(result);
    } else if (code == CLI_OK) {
        print_account(result);
        json_decref(result);
    }
    return code;
}
