// SPDX-License-Identifier: Apache-2.0
//
// mailkeep alert list, test, mute.
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

struct lister {
    struct cli *cli;
    unsigned long long count;
};

static void on_alert(void *arg, const json_t *item)
{
    struct lister *l = arg;
    char account[300], sentence[4096];
    const char *state = cli_get_text(item, "state");

    l->count++;
    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    printf("%s  %s  %s%s%s\n    %s\n",
           cli_time_text((int64_t)cli_get_number(item, "when_ms") / 1000).s,
           cli_plain(cli_get_text(item, "account"), account, sizeof(account)),
           cli_get_text(item, "kind"), strcmp(state, "told") == 0 ? "" : ": ",
           strcmp(state, "told") == 0  ? ""
           : strcmp(state, "due") == 0 ? "not in the mailbox yet"
                                       : state,
           cli_plain(cli_get_text(item, "sentence"), sentence, sizeof(sentence)));
}

int cli_alert_list(struct cli *c, int argc, char **argv)
{
    const char *since = cli_option(&argc, argv, "--since");
    struct lister l = {.cli = c};
    int code = cli_words_check(c, &argc, argv, 0, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_object();

    if (argc > 1) {
        json_object_set_new(args, "account", json_string(argv[1]));
    }
    code = cli_since_put(c, since, args);
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    code = cli_link_run(c, "alert list", args, on_alert, &l, NULL);
    if (code == CLI_OK && l.count == 0 && !c->json && !c->quiet) {
        printf("Nobody was warned of anything%s.\n", since ? " since then" : " lately");
    }
    return code;
}

int cli_alert_test(struct cli *c, int argc, char **argv)
{
    json_t *result = NULL;
    char account[300];
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK) {
        code = cli_link_ask(c, "alert test", json_pack("{s:s}", "account", argv[1]), &result);
    }
    if (result) {
        printf("%s gets a test message%s.\n",
               cli_plain(cli_get_text(result, "account"), account, sizeof(account)),
               json_is_true(json_object_get(result, "server_runs"))
                   ? " within seconds"
                   : " when the server runs again");
    }
    json_decref(result);
    return code;
}

// Day or time to come; false: none.
static bool until_put(const char *until, json_t *args)
{
    int64_t at;

    if (!until) {
        return true;
    }
    if (!cli_time_parse(until, clock_real_s(), &at) || at <= clock_real_s()) {
        return false;
    }
    json_object_set_new(args, "until", json_integer((json_int_t)at));
    return true;
}

static int mute(struct cli *c, json_t *args)
{
    json_t *result;
    char account[300];
    int code = cli_link_ask(c, "alert mute", args, &result);

    if (result) {
        printf("%s is %s.\n", cli_plain(cli_get_text(result, "account"), account, sizeof(account)),
               json_is_true(json_object_get(result, "muted"))
                   ? "not warned of that any more; `mailkeep alert list` shows it all the same"
                   : "warned of everything again");
    }
    json_decref(result);
    return code;
}

int cli_alert_mute(struct cli *c, int argc, char **argv)
{
    const char *until = cli_option(&argc, argv, "--until");
    bool off = cli_flag(&argc, argv, "--off");
    int code = cli_words_check(c, &argc, argv, 1, 12);

    if (code != CLI_OK) {
        return code;
    }
    if (off && (until || argc > 2)) {
        return cli_usage(c);
    }
    json_t *kinds = json_array();

    for (int i = 2; i < argc; i++) {
        json_array_append_new(kinds, json_string(argv[i]));
    }
    json_t *args = json_pack("{s:s, s:o, s:b}", "account", argv[1], "kinds", kinds, "off", off);

    if (!until_put(until, args)) {
        json_decref(args);
        return cli_fail(c, CLI_USAGE, "--until %s: give a day that is to come, like 2027-01-31",
                        until);
    }
    return mute(c, args);
}
