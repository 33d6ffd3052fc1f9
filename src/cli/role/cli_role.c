// SPDX-License-Identifier: Apache-2.0
//
// mailkeep role list, show, grant, revoke, add, remove.
#include <stdio.h>

#include "base/buf.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

#define TEXT_BYTES_MAX (64u << 10)

struct lister {
    struct cli *cli;
    struct cli_table *table;
    unsigned count;
};

// "see, passwords"; `none` for null. In the buffer, with a NUL.
static const char *joined(const json_t *list, const char *none, struct buf *b)
{
    char plain[300];

    buf_clear(b);
    for (size_t i = 0; i < json_array_size(list); i++) {
        buf_printf(b, "%s%s", i > 0 ? ", " : "",
                   cli_plain(json_string_value(json_array_get(list, i)), plain, sizeof(plain)));
    }
    if (!json_is_array(list)) {
        buf_put_str(b, none);
    }
    buf_put_byte(b, '\0');
    return b->failed ? "" : b->p;
}

// ---- list and show ------------------------------------------------------------------------------

static void on_role(void *arg, const json_t *item)
{
    struct lister *l = arg;
    char plain[400];
    struct buf b;

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    buf_init(&b, TEXT_BYTES_MAX);
    printf("%s: %s\n    %s\n", cli_get_text(item, "role"),
           cli_plain(cli_get_text(item, "words"), plain, sizeof(plain)),
           joined(json_object_get(item, "rights"), "", &b));
    buf_finish(&b);
}

int cli_role_list(struct cli *c, int argc, char **argv)
{
    struct lister l = {c, NULL, 0};
    int code = cli_words_check(c, &argc, argv, 0, 0);

    return code == CLI_OK ? cli_link_run(c, "role list", json_object(), on_role, &l, NULL) : code;
}

static const char *const grant_heads[] = {"ACCOUNT", "ROLE", "OVER", "RIGHTS", NULL};

static void on_grant(void *arg, const json_t *item)
{
    struct lister *l = arg;
    char plain[400];
    struct buf b;

    l->count++;
    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    if (!l->table) {
        l->table = cli_table_create(grant_heads);
    }
    buf_init(&b, TEXT_BYTES_MAX);
    cli_table_cell(l->table, cli_plain(cli_get_text(item, "account"), plain, sizeof(plain)));
    snprintf(plain, sizeof(plain), "%s%s", cli_get_text(item, "role"),
             json_is_true(json_object_get(item, "by_directory")) ? " (by the directory)" : "");
    cli_table_cell(l->table, plain);
    cli_table_cell(l->table, joined(json_object_get(item, "domains"), "all domains", &b));
    cli_table_cell(l->table, joined(json_object_get(item, "rights"), "", &b));
    buf_finish(&b);
}

int cli_role_show(struct cli *c, int argc, char **argv)
{
    struct lister l = {c, NULL, 0};
    int code = cli_words_check(c, &argc, argv, 0, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = argc > 1 ? json_pack("{s:s}", "account", argv[1]) : json_object();

    code = cli_link_run(c, "role show", args, on_grant, &l, NULL);
    if (code == CLI_OK && l.count == 0) {
        if (!c->json && !c->quiet) {
            printf("%s role. Root on this machine may do everything without one.\n",
                   argc > 1 ? "This account has no" : "Nobody has a");
        }
        return code;
    }
    cli_table_print(l.table);
    return code;
}

static const char *const can_heads[] = {"MAY DO", "OVER", NULL};

static void on_operation(void *arg, const json_t *item)
{
    struct lister *l = arg;
    struct buf b;

    l->count++;
    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    buf_init(&b, TEXT_BYTES_MAX);
    if (!l->table) {
        l->table = cli_table_create(can_heads);
    }
    cli_table_cell(l->table, cli_get_text(item, "operation"));
    cli_table_cell(l->table, joined(json_object_get(item, "domains"), "all domains", &b));
    buf_finish(&b);
}

int cli_role_can(struct cli *c, int argc, char **argv)
{
    struct lister l = {c, NULL, 0};
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    code =
        cli_link_run(c, "role can", json_pack("{s:s}", "account", argv[1]), on_operation, &l, NULL);
    if (code == CLI_OK && l.count == 0) {
        if (!c->json && !c->quiet) {
            printf("Nothing: this account has no role.\n");
        }
        return code;
    }
    cli_table_print(l.table);
    return code;
}

// ---- grant and revoke ---------------------------------------------------------------------------

// Takes each `--domain DOMAIN` out; NULL when there is none.
static json_t *domains_of(int *argc, char **argv)
{
    json_t *list = NULL;
    const char *domain;

    while ((domain = cli_option(argc, argv, "--domain"))) {
        list = list ? list : json_array();
        json_array_append_new(list, json_string(domain));
    }
    return list;
}

// Says what the account has of the role now.
static int change(struct cli *c, const char *operation, json_t *args)
{
    json_t *result;
    int code = cli_link_ask(c, operation, args, &result);
    const json_t *domains = json_object_get(result, "domains");
    char plain[300];
    struct buf b;

    if (!result) {
        return code;
    }
    buf_init(&b, TEXT_BYTES_MAX);
    if (json_is_array(domains) && json_array_size(domains) == 0) {
        printf("%s does not have the role %s any more.\n",
               cli_plain(cli_get_text(result, "account"), plain, sizeof(plain)),
               cli_get_text(result, "role"));
    } else {
        printf("%s has the role %s over %s.\n",
               cli_plain(cli_get_text(result, "account"), plain, sizeof(plain)),
               cli_get_text(result, "role"), joined(domains, "all domains", &b));
    }
    if (json_is_false(json_object_get(result, "second_factor"))) {
        printf("It is good for nothing before the account has a second factor:\n"
               "    mailkeep account totp add %s\n",
               cli_plain(cli_get_text(result, "account"), plain, sizeof(plain)));
    }
    buf_finish(&b);
    json_decref(result);
    return code;
}

static int grant_or_revoke(struct cli *c, int argc, char **argv, bool is_grant)
{
    json_t *domains = domains_of(&argc, argv);
    bool all = is_grant && cli_flag(&argc, argv, "--all-domains");
    int code = cli_words_check(c, &argc, argv, 2, 2);

    if (code == CLI_OK && is_grant && all == (domains != NULL)) {
        cli_fail(c, CLI_USAGE,
                 "over what? Give --domain DOMAIN, as often as needed, or "
                 "--all-domains");
        code = cli_usage(c);
    }
    if (code != CLI_OK) {
        json_decref(domains);
        return code;
    }
    json_t *args = json_pack("{s:s, s:s}", "account", argv[1], "role", argv[2]);

    if (domains) {
        json_object_set_new(args, "domains", domains);
    }
    return change(c, is_grant ? "role grant" : "role revoke", args);
}

int cli_role_grant(struct cli *c, int argc, char **argv)
{
    return grant_or_revoke(c, argc, argv, true);
}

int cli_role_revoke(struct cli *c, int argc, char **argv)
{
    return grant_or_revoke(c, argc, argv, false);
}

// ---- sets of one's own --------------------------------------------------------------------------

int cli_role_add(struct cli *c, int argc, char **argv)
{
    const char *words = cli_option(&argc, argv, "--words");
    int code = cli_words_check(c, &argc, argv, 2, 40);
    json_t *result = NULL;

    if (code != CLI_OK) {
        return code;
    }
    json_t *rights = json_array();

    for (int i = 2; i < argc; i++) {
        json_array_append_new(rights, json_string(argv[i]));
    }
    code = cli_link_ask(c, "role add",
                        json_pack("{s:s, s:s, s:o}", "role", argv[1], "words", words ? words : "",
                                  "rights", rights),
                        &result);
    if (result) {
        printf("There is a role %s now. To give it: mailkeep role grant ADDRESS %s\n",
               cli_get_text(result, "role"), cli_get_text(result, "role"));
    }
    json_decref(result);
    return code;
}

int cli_role_remove(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 1, 1);
    char plain[200];

    if (code == CLI_OK) {
        code =
            cli_link_run(c, "role remove", json_pack("{s:s}", "role", argv[1]), NULL, NULL, NULL);
    }
    if (code == CLI_OK && !c->json && !c->quiet) {
        printf("The role %s is removed.\n", cli_plain(argv[1], plain, sizeof(plain)));
    }
    return code;
}
