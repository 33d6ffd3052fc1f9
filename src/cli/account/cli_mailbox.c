// SPDX-License-Identifier: Apache-2.0
//
// mailkeep mailbox list, share, shares.
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

static void on_mailbox(void *arg, const json_t *item)
{
    const json_t *uses = json_object_get(item, "special_use");
    struct lister *l = arg;
    char notes[200] = "";
    size_t n = 0;

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    for (size_t i = 0; i < json_array_size(uses) && n < sizeof(notes); i++) {
        n += (size_t)snprintf(notes + n, sizeof(notes) - n, "%s%s", n > 0 ? ", " : "",
                              json_string_value(json_array_get(uses, i)));
    }
    if (!json_is_true(json_object_get(item, "subscribed")) && n < sizeof(notes)) {
        n += (size_t)snprintf(notes + n, sizeof(notes) - n, "%snot subscribed", n > 0 ? ", " : "");
    }
    if (json_is_true(json_object_get(item, "no_select")) && n < sizeof(notes)) {
        snprintf(notes + n, sizeof(notes) - n, "%sholds no mail", n > 0 ? ", " : "");
    }
    cli_table_cell(l->table, cli_get_text(item, "mailbox"));
    cell_number(l->table, cli_get_number(item, "messages"));
    cell_number(l->table, cli_get_number(item, "unseen"));
    cli_table_cell(l->table, cli_size_text(cli_get_number(item, "bytes")).s);
    cli_table_cell(l->table, notes);
}

int cli_mailbox_list(struct cli *c, int argc, char **argv)
{
    static const char *const heads[] = {"MAILBOX", ">MESSAGES", ">UNREAD", ">SIZE", "", NULL};
    struct lister l = {c, NULL};
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK) {
        l.table = cli_table_create(heads);
        code = cli_link_run(c, "mailbox list", json_pack("{s:s}", "account", argv[1]), on_mailbox,
                            &l, NULL);
        cli_table_print(l.table);
    }
    return code;
}

// ---- sharing ------------------------------------------------------------------------------------

static void on_share(void *arg, const json_t *item)
{
    const char *word = cli_get_text(item, "word"), *taken = cli_get_text(item, "taken");
    struct lister *l = arg;
    char rights[80], who[300];

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    snprintf(rights, sizeof(rights), "%s%s%s%s%s%s", word, *word ? " (" : "",
             cli_get_text(item, "rights"), *word ? ")" : "", *taken ? ", never " : "", taken);
    cli_table_cell(l->table, cli_get_text(item, "mailbox"));
    snprintf(who, sizeof(who), "%s%s", cli_get_text(item, "person"),
             json_is_true(json_object_get(item, "group")) ? " (group)" : "");
    cli_table_cell(l->table, who);
    cli_table_cell(l->table, rights);
}

int cli_mailbox_shares(struct cli *c, int argc, char **argv)
{
    static const char *const heads[] = {"MAILBOX", "SHARED WITH", "RIGHTS", NULL};
    struct lister l = {c, NULL};
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK) {
        l.table = cli_table_create(heads);
        code = cli_link_run(c, "mailbox shares", json_pack("{s:s}", "account", argv[1]), on_share,
                            &l, NULL);
        cli_table_print(l.table);
    }
    return code;
}

static void print_share(const struct cli *c, const json_t *result)
{
    const char *rights = cli_get_text(result, "rights");
    uint64_t n = cli_get_number(result, "mailboxes");
    char person[300];

    if (c->json) {
        cli_print_json(json_deep_copy(result));
        return;
    }
    if (c->quiet) {
        return;
    }
    cli_plain(cli_get_text(result, "person"), person, sizeof(person));
    if (*rights) {
        printf("%llu %s shared with %s (%s).\n", (unsigned long long)n,
               n == 1 ? "mailbox is" : "mailboxes are", person, rights);
    } else {
        printf("%llu %s not shared with %s.\n", (unsigned long long)n,
               n == 1 ? "mailbox is" : "mailboxes are", person);
    }
}

int cli_mailbox_share(struct cli *c, int argc, char **argv)
{
    bool below = cli_flag(&argc, argv, "--below");
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 4, 4);

    if (code == CLI_OK) {
        code =
            cli_link_run(c, "mailbox share",
                         json_pack("{s:s, s:s, s:s, s:s, s:b}", "account", argv[1], "mailbox",
                                   argv[2], "person", argv[3], "rights", argv[4], "below", below),
                         NULL, NULL, &result);
    }
    if (result) {
        print_share(c, result);
        json_decref(result);
    }
    return code;
}

static void print_seen(const struct cli *c, const json_t *result)
{
    uint64_t n = cli_get_number(result, "mailboxes");
    bool is_own = strcmp(cli_get_text(result, "seen"), "own") == 0;

    if (c->json) {
        cli_print_json(json_deep_copy(result));
    } else if (!c->quiet) {
        printf("In %llu %s %s.\n", (unsigned long long)n, n == 1 ? "mailbox" : "mailboxes",
               is_own ? "everybody has a \\Seen of their own" : "one \\Seen is everybody's");
    }
}

int cli_mailbox_seen(struct cli *c, int argc, char **argv)
{
    bool below = cli_flag(&argc, argv, "--below");
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 3, 3);

    if (code == CLI_OK) {
        code = cli_link_run(c, "mailbox seen",
                            json_pack("{s:s, s:s, s:s, s:b}", "account", argv[1], "mailbox",
                                      argv[2], "seen", argv[3], "below", below),
                            NULL, NULL, &result);
    }
    if (result) {
        print_seen(c, result);
        json_decref(result);
    }
    return code;
}
