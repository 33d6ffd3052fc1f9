// SPDX-License-Identifier: Apache-2.0
//
// mailkeep alias add, list, remove; domain alias add, list, remove; domain catch-all; account
// forward.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

// The words from argv[first] on.
static json_t *words(int first, int argc, char **argv)
{
    json_t *list = json_array();

    for (int i = first; i < argc; i++) {
        json_array_append_new(list, json_string(argv[i]));
    }
    return list;
}

static void print_targets(const json_t *j, const char *name)
{
    const json_t *list = json_object_get(j, name);
    char plain[300];

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *t = json_string_value(json_array_get(list, i));

        printf("%s%s", i > 0 ? ", " : "", cli_plain(t ? t : "", plain, sizeof(plain)));
    }
}

// "team@example.org stands for anna@example.org, bob@example.org."
static int change_alias(struct cli *c, const char *operation, json_t *args, const char *stands,
                        const char *nothing)
{
    char plain[300];
    json_t *result;
    int code = cli_link_ask(c, operation, args, &result);

    if (result) {
        const char *name = cli_plain(cli_get_text(result, "alias"), plain, sizeof(plain));

        if (json_array_size(json_object_get(result, "targets")) > 0) {
            printf("%s %s ", name, stands);
            print_targets(result, "targets");
            printf(".\n");
        } else {
            printf("%s %s.\n", name, nothing);
        }
    }
    json_decref(result);
    return code;
}

int cli_alias_add(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 2, 2001);

    if (code != CLI_OK) {
        return code;
    }
    return change_alias(c, "alias add",
                        json_pack("{s:s, s:o}", "alias", argv[1], "targets", words(2, argc, argv)),
                        "stands for", "stands for nobody");
}

int cli_alias_remove(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 1, 2001);

    if (code != CLI_OK) {
        return code;
    }
    return change_alias(c, "alias remove",
                        json_pack("{s:s, s:o}", "alias", argv[1], "targets", words(2, argc, argv)),
                        "stands for", "removed");
}

int cli_domain_catch_all(struct cli *c, int argc, char **argv)
{
    bool none = cli_flag(&argc, argv, "--none");
    int code = cli_words_check(c, &argc, argv, 1, none ? 1 : 2001);

    if (code != CLI_OK) {
        return code;
    }
    return change_alias(c, "domain catch-all",
                        json_pack("{s:s, s:b, s:o}", "domain", argv[1], "none", none, "targets",
                                  words(2, argc, argv)),
                        "(all that nobody has) goes to", "(all that nobody has) is refused");
}

struct lister {
    struct cli *cli;
    unsigned long long count;
};

static void on_alias(void *arg, const json_t *item)
{
    struct lister *l = arg;
    char plain[300];

    l->count++;
    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    printf("%s -> ", cli_plain(cli_get_text(item, "alias"), plain, sizeof(plain)));
    print_targets(item, "targets");
    printf("\n");
}

int cli_alias_list(struct cli *c, int argc, char **argv)
{
    struct lister l = {c, 0};
    int code = cli_words_check(c, &argc, argv, 0, 1);

    if (code == CLI_OK) {
        code = cli_link_run(c, "alias list",
                            argc > 1 ? json_pack("{s:s}", "domain", argv[1]) : json_object(),
                            on_alias, &l, NULL);
    }
    if (code == CLI_OK && !c->json && !c->quiet && l.count == 0) {
        printf("There are no aliases.\n");
    }
    return code;
}

// ---- other names of domains ---------------------------------------------------------------------

int cli_domain_alias_add(struct cli *c, int argc, char **argv)
{
    char name[300], target[300];
    json_t *result;
    int code = cli_words_check(c, &argc, argv, 2, 2);

    if (code != CLI_OK) {
        return code;
    }
    code = cli_link_ask(c, "domain alias add",
                        json_pack("{s:s, s:s}", "domain", argv[1], "target", argv[2]), &result);
    if (result) {
        printf("Domain %s is another name of %s.\n",
               cli_plain(cli_get_text(result, "domain"), name, sizeof(name)),
               cli_plain(cli_get_text(result, "target"), target, sizeof(target)));
    }
    json_decref(result);
    return code;
}

int cli_domain_alias_remove(struct cli *c, int argc, char **argv)
{
    char name[300];
    json_t *result;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    code = cli_link_ask(c, "domain alias remove", json_pack("{s:s}", "domain", argv[1]), &result);
    if (result) {
        printf("Name %s removed.\n", cli_plain(cli_get_text(result, "domain"), name, sizeof(name)));
    }
    json_decref(result);
    return code;
}

static void on_name(void *arg, const json_t *item)
{
    const struct cli *c = arg;
    char name[300], target[300];

    if (c->json) {
        cli_print_json(json_deep_copy(item));
    } else {
        printf("%s -> %s\n", cli_plain(cli_get_text(item, "domain"), name, sizeof(name)),
               cli_plain(cli_get_text(item, "target"), target, sizeof(target)));
    }
}

int cli_domain_alias_list(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 0, 0);

    return code == CLI_OK ? cli_link_run(c, "domain alias list", json_object(), on_name, c, NULL)
                          : code;
}

// ---- forwarding ---------------------------------------------------------------------------------

int cli_account_forward(struct cli *c, int argc, char **argv)
{
    bool keep = cli_flag(&argc, argv, "--keep"), off = cli_flag(&argc, argv, "--off");
    char plain[300];
    json_t *result;
    int code = cli_words_check(c, &argc, argv, 1, off ? 1 : 21);

    if (code != CLI_OK) {
        return code;
    }
    if (keep && argc == 2) {
        return cli_usage(c);
    }
    code = cli_link_ask(c, "account forward",
                        json_pack("{s:s, s:b, s:b, s:o}", "account", argv[1], "keep", keep, "off",
                                  off, "targets", words(2, argc, argv)),
                        &result);
    if (result) {
        printf("Mail for %s ", cli_plain(cli_get_text(result, "account"), plain, sizeof(plain)));
        if (json_array_size(json_object_get(result, "targets")) > 0) {
            printf("goes to ");
            print_targets(result, "targets");
            printf(json_is_true(json_object_get(result, "keeps_copy"))
                       ? "; the account keeps a copy.\n"
                       : "; the account keeps no copy.\n");
        } else {
            printf("stays there.\n");
        }
    }
    json_decref(result);
    return code;
}
