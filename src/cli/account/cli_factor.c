// SPDX-License-Identifier: Apache-2.0
//
// mailkeep domain second-factor, role second-factor.
#include <stdio.h>
#include <string.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

static void say(const json_t *result, const char *kind)
{
    const char *whose = strcmp(kind, "domain") == 0 ? "the accounts of" : "whoever has the role";
    char plain[300];

    cli_plain(cli_get_text(result, kind), plain, sizeof(plain));
    if (json_is_true(json_object_get(result, "required"))) {
        printf("A second factor is required of %s %s. Who has none yet can sign in nowhere before "
               "one is set up:\n    mailkeep account totp add ADDRESS\n",
               whose, plain);
        unsigned long long ended = cli_get_number(result, "sessions_ended");

        if (ended) {
            printf("%llu open session%s ended.\n", ended, ended == 1 ? " was" : "s were");
        }
    } else {
        printf("A second factor is optional for %s %s.\n", whose, plain);
    }
}

static int factor(struct cli *c, int argc, char **argv, const char *kind, const char *operation)
{
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 2);
    bool is_required = argc > 2 && strcmp(argv[2], "required") == 0;

    if (code == CLI_OK && argc > 2 && !is_required && strcmp(argv[2], "optional") != 0) {
        return cli_usage(c);
    }
    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:s}", kind, argv[1]);

    if (argc > 2) {
        json_object_set_new(args, "required", json_boolean(is_required));
    }
    code = cli_link_ask(c, operation, args, &result);
    if (result) {
        say(result, kind);
    }
    json_decref(result);
    return code;
}

int cli_domain_factor(struct cli *c, int argc, char **argv)
{
    return factor(c, argc, argv, "domain", "domain second-factor");
}

int cli_role_factor(struct cli *c, int argc, char **argv)
{
    return factor(c, argc, argv, "role", "role second-factor");
}
