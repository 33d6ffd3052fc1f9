// SPDX-License-Identifier: Apache-2.0
//
// mailkeep log: an account's change log, or the server's, in plain words.
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

static void on_record(void *arg, const json_t *item)
{
    struct cli *c = arg;
    char who[512], what[4096];

    if (c->json) {
        cli_print_json(json_deep_copy(item));
    } else {
        printf("%s  %s %s\n", cli_time_text((int64_t)cli_get_number(item, "when_ms") / 1000).s,
               cli_plain(cli_get_text(item, "who"), who, sizeof(who)),
               cli_plain(cli_get_text(item, "what"), what, sizeof(what)));
    }
    // Whoever follows wants to see it now.
    fflush(stdout);
}

// The options that say where to begin and to end, into the arguments.
static int add_start(struct cli *c, const char *since, const char *until, const char *last,
                     json_t *args)
{
    uint64_t n;
    int code = cli_since_put(c, since, args);

    code = code == CLI_OK ? cli_until_put(c, until, args) : code;
    if (code != CLI_OK) {
        return code;
    }
    if (last && !span_to_u64(span_from_str(last), INT32_MAX, &n)) {
        return cli_fail(c, CLI_USAGE, "--last %s: give a number", last);
    }
    if (last) {
        json_object_set_new(args, "last", json_integer((json_int_t)n));
    }
    return CLI_OK;
}

int cli_log(struct cli *c, int argc, char **argv)
{
    const char *since = cli_option(&argc, argv, "--since");
    const char *last = cli_option(&argc, argv, "--last");
    const char *until = cli_option(&argc, argv, "--until");
    const char *device = cli_option(&argc, argv, "--device");
    bool follow = cli_flag(&argc, argv, "--follow") || cli_flag(&argc, argv, "-f");
    bool server = cli_flag(&argc, argv, "--server");
    int code = cli_words_check(c, &argc, argv, !server, !server);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:s, s:b, s:b}", "account", server ? "" : argv[1], "server", server,
                             "follow", follow);

    if (device) {
        json_object_set_new(args, "device", json_string(device));
    }
    code = add_start(c, since, until, last, args);
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    return cli_link_run(c, "log", args, on_record, c, NULL);
}
