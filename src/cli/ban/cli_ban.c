// SPDX-License-Identifier: Apache-2.0
//
// mailkeep ban list, lift.
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

struct lister {
    struct cli *cli;
    unsigned count;
};

static void on_ban(void *arg, const json_t *item)
{
    struct lister *l = arg;
    const char *name = cli_get_text(item, "name"), *network = cli_get_text(item, "network");
    bool is_watched = strcmp(cli_get_text(item, "kind"), "watched") == 0;
    char plain[400], net[100], why[400];
    int64_t until = 0;

    l->count++;
    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    cli_time_parse(cli_get_text(item, "until"), clock_real_s(), &until);
    cli_plain(name, plain, sizeof(plain));
    cli_plain(network, net, sizeof(net));
    printf("%s%s%s: %s until %s\n    %s\n", plain, name[0] && network[0] ? " from " : "", net,
           is_watched ? "guessed at," : "locked out", cli_time_text(until).s,
           cli_plain(cli_get_text(item, "why"), why, sizeof(why)));
}

int cli_ban_list(struct cli *c, int argc, char **argv)
{
    struct lister l = {.cli = c};
    int code = cli_words_check(c, &argc, argv, 0, 0);

    if (code == CLI_OK) {
        code = cli_link_run(c, "ban list", json_object(), on_ban, &l, NULL);
    }
    if (code == CLI_OK && l.count == 0 && !c->json && !c->quiet) {
        printf("Nobody is locked out.\n");
    }
    return code;
}

static int lift(struct cli *c, json_t *args)
{
    json_t *result;
    int code = cli_link_ask(c, "ban lift", args, &result);
    unsigned long long n = result ? cli_get_number(result, "lifted") : 0;

    if (result && n == 0) {
        printf("There was no such ban. What was counted towards one is forgotten.\n");
    } else if (result) {
        printf("%llu %s lifted.\n", n, n == 1 ? "ban" : "bans");
    }
    json_decref(result);
    return code;
}

int cli_ban_lift(struct cli *c, int argc, char **argv)
{
    const char *network = cli_option(&argc, argv, "--network");
    bool all = cli_flag(&argc, argv, "--all");
    int code = cli_words_check(c, &argc, argv, 0, 1);

    if (code != CLI_OK) {
        return code;
    }
    if (all ? network || argc > 1 : !network && argc == 1) {
        return cli_usage(c);
    }
    json_t *args = json_object();

    if (argc > 1) {
        json_object_set_new(args, "name", json_string(argv[1]));
    }
    if (network) {
        json_object_set_new(args, "network", json_string(network));
    }
    if (all) {
        json_object_set_new(args, "all", json_true());
    }
    return lift(c, args);
}
