// SPDX-License-Identifier: Apache-2.0
//
// mailkeep dkim create, list, show, activate, retire, remove.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

// ---- create and show ----------------------------------------------------------------------------

struct shower {
    struct cli *cli;
    unsigned count;
};

static void on_key(void *arg, const json_t *item)
{
    struct shower *s = arg;

    if (s->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    printf("%s; key %s of %s (%s), %s, made %s\n; %s.\n%s\n", s->count ? "\n" : "",
           cli_get_text(item, "selector"), cli_get_text(item, "domain"),
           cli_get_text(item, "algorithm"), cli_get_text(item, "state"),
           cli_get_text(item, "created"), cli_get_text(item, "what_to_do"),
           cli_get_text(item, "zone"));
    s->count++;
}

int cli_dkim_create(struct cli *c, int argc, char **argv)
{
    const char *algorithm = cli_option(&argc, argv, "--algorithm");
    const char *selector = cli_option(&argc, argv, "--selector");
    struct shower s = {c, 0};
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    code = cli_link_run(c, "dkim create",
                        json_pack("{s:s, s:s, s:s}", "domain", argv[1], "algorithm",
                                  algorithm ? algorithm : "", "selector", selector ? selector : ""),
                        on_key, &s, NULL);
    if (code == CLI_OK && !c->json && !c->quiet) {
        printf(
            "\nPut these records into the DNS. The server looks for them there, and the keys sign "
            "as soon as it sees them. To look yourself: mailkeep domain dns %s --check\n",
            argv[1]);
    }
    return code;
}

int cli_dkim_show(struct cli *c, int argc, char **argv)
{
    struct shower s = {c, 0};
    int code = cli_words_check(c, &argc, argv, 1, 2);

    if (code != CLI_OK) {
        return code;
    }
    code = cli_link_run(
        c, "dkim list",
        json_pack("{s:s, s:s}", "domain", argv[1], "selector", argc > 2 ? argv[2] : ""), on_key, &s,
        NULL);
    if (code == CLI_OK && !c->json && !c->quiet && s.count == 0) {
        printf("No keys. Make some: mailkeep dkim create %s\n", argv[1]);
    }
    return code;
}

// ---- list ---------------------------------------------------------------------------------------

struct lister {
    struct cli *cli;
    struct cli_table *table;
};

static void on_listed(void *arg, const json_t *item)
{
    static const char *const columns[] = {"domain", "selector", "algorithm",
                                          "state",  "created",  "what_to_do"};
    struct lister *l = arg;

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        cli_table_cell(l->table, cli_get_text(item, columns[i]));
    }
}

int cli_dkim_list(struct cli *c, int argc, char **argv)
{
    static const char *const heads[] = {"DOMAIN", "SELECTOR", "ALGORITHM", "STATE",
                                        "MADE",   "",         NULL};
    struct lister l = {c, NULL};
    int code = cli_words_check(c, &argc, argv, 0, 1);

    if (code == CLI_OK) {
        l.table = cli_table_create(heads);
        code = cli_link_run(c, "dkim list",
                            argc > 1 ? json_pack("{s:s}", "domain", argv[1]) : json_object(),
                            on_listed, &l, NULL);
        cli_table_print(l.table);
    }
    return code;
}

// ---- changing -----------------------------------------------------------------------------------

static int change(struct cli *c, const char *operation, char **argv, const char *selector,
                  const char *done)
{
    json_t *result;
    int code = cli_link_ask(
        c, operation, json_pack("{s:s, s:s}", "domain", argv[1], "selector", selector), &result);
    const json_t *list = json_object_get(result, "selectors");
    char plain[300];

    for (size_t i = 0; i < json_array_size(list); i++) {
        printf("Key %s of %s %s.\n",
               cli_plain(json_string_value(json_array_get(list, i)), plain, sizeof(plain)),
               cli_get_text(result, "domain"), done);
    }
    json_decref(result);
    return code;
}

int cli_dkim_activate(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 1, 2);

    return code == CLI_OK ? change(c, "dkim activate", argv, argc > 2 ? argv[2] : "",
                                   "signs outgoing mail from now on")
                          : code;
}

int cli_dkim_retire(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 2, 2);

    return code == CLI_OK ? change(c, "dkim retire", argv, argv[2],
                                   "signs no more; leave its record in the DNS for another week")
                          : code;
}

int cli_dkim_remove(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 2, 2);

    return code == CLI_OK ? change(c, "dkim remove", argv, argv[2], "is forgotten for good") : code;
}
