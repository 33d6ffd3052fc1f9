// SPDX-License-Identifier: Apache-2.0
//
// mailkeep account imap-without.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

#define NAMES_MAX 64

static void print(const json_t *result)
{
    const json_t *list = json_object_get(result, "without"), *value;
    char plain[300], word[100];
    size_t i;

    printf("IMAP sessions of %s go without ",
           cli_plain(cli_get_text(result, "account"), plain, sizeof(plain)));
    json_array_foreach(list, i, value)
    {
        printf("%s%s", i ? " " : "", cli_plain(json_string_value(value), word, sizeof(word)));
    }
    printf(json_array_size(list) ? ".\n" : "nothing.\n");
}

int cli_account_imap_without(struct cli *c, int argc, char **argv)
{
    bool nothing = cli_flag(&argc, argv, "--nothing");
    int code = cli_words_check(c, &argc, argv, 1, nothing ? 1 : 1 + NAMES_MAX);
    json_t *names, *result = NULL;

    if (code != CLI_OK) {
        return code;
    }
    names = json_array();
    for (int i = 2; i < argc; i++) {
        json_array_append_new(names, json_string(argv[i]));
    }
    code = cli_link_run(
        c, "account imap-without",
        json_pack("{s:s, s:b, s:o}", "account", argv[1], "nothing", nothing, "capabilities", names),
        NULL, NULL, &result);
    if (code == CLI_OK && c->json) {
        cli_print_json(result);
        return code;
    }
    if (result && !c->quiet) {
        print(result);
    }
    json_decref(result);
    return code;
}
