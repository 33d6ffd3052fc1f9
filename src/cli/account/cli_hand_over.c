// SPDX-License-Identifier: Apache-2.0
//
// mailkeep account hand-over: somebody leaves, another person gets their mail.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

static void say_list(const json_t *list, const char *before)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        char plain[300];

        printf("%s%s", i ? ", " : before,
               cli_plain(json_string_value(json_array_get(list, i)), plain, sizeof(plain)));
    }
    puts(".");
}

static void say_aliases(const json_t *result, const char *person)
{
    const json_t *left = json_object_get(result, "aliases_left");

    printf("New mail for %s goes to %s from now on", cli_get_text(result, "account"), person);
    say_list(json_object_get(result, "aliases"), "; so does mail for ");
    if (json_array_size(left) > 0) {
        say_list(left, "Of domains that are not yours, and as they were: ");
    }
}

static void say(const json_t *result, bool is_dry, bool addresses)
{
    unsigned long long messages = cli_get_number(result, "messages"),
                       ended = cli_get_number(result, "sessions_ended"),
                       lost = cli_get_number(result, "lost"),
                       keywords = cli_get_number(result, "keywords_dropped");
    const char *person = cli_get_text(result, "to");

    printf("%llu message%s (%s) of %s %s handed over to %s, in \"%s\".\n", messages,
           messages == 1 ? "" : "s", cli_size_text(cli_get_number(result, "bytes")).s,
           cli_get_text(result, "account"),
           is_dry          ? "would be"
           : messages == 1 ? "was"
                           : "were",
           person, cli_get_text(result, "folder"));
    if (is_dry) {
        puts("Nothing was done: this was a trial.");
        return;
    }
    if (ended) {
        printf("%llu open session%s ended.\n", ended, ended == 1 ? " was" : "s were");
    }
    if (keywords) {
        printf("%llu without their keywords: a mailbox can have so many.\n", keywords);
    }
    if (lost) {
        printf("%llu could not be handed over: damaged on the disk. Run mailkeep check.\n", lost);
    }
    if (addresses) {
        say_aliases(result, person);
    }
}

int cli_account_hand_over(struct cli *c, int argc, char **argv)
{
    const char *reason = cli_option(&argc, argv, "--reason");
    bool addresses = cli_flag(&argc, argv, "--addresses");
    bool is_dry = cli_flag(&argc, argv, "--dry-run");
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 2, 2);

    if (code == CLI_OK && !reason) {
        code = cli_fail(c, CLI_USAGE, "say why: --reason TEXT. It is written into both histories");
    }
    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:s, s:s, s:s, s:b, s:b}", "account", argv[1], "to", argv[2],
                             "reason", reason, "addresses", addresses, "dry_run", is_dry);

    code = cli_link_ask(c, "account hand-over", args, &result);
    if (result) {
        say(result, is_dry, addresses);
    }
    json_decref(result);
    return code;
}
