// SPDX-License-Identifier: Apache-2.0
//
// mailkeep oauth-client add, list, remove.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

static void on_client(void *arg, const json_t *item)
{
    const struct cli *c = arg;
    const json_t *redirects = json_object_get(item, "redirects");
    char id[200], name[200], redirect[1600];

    if (c->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    cli_plain(cli_get_text(item, "client"), id, sizeof(id));
    cli_plain(cli_get_text(item, "name"), name, sizeof(name));
    printf("%s: %s%s\n", id, name,
           json_is_true(json_object_get(item, "built_in")) ? " (built in)" : "");
    for (size_t i = 0; i < json_array_size(redirects); i++) {
        const char *text = json_string_value(json_array_get(redirects, i));

        printf("    %s\n", cli_plain(text ? text : "", redirect, sizeof(redirect)));
    }
}

int cli_oauth_client_list(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 0, 0);

    return code == CLI_OK ? cli_link_run(c, "oauth-client list", json_object(), on_client, c, NULL)
                          : code;
}

// Runs it and prints its answer, or a line for a person.
static int run(struct cli *c, const char *operation, json_t *args, const char *line)
{
    json_t *result;
    int code = cli_link_ask(c, operation, args, &result);
    char id[200];

    if (result) {
        printf(line, cli_plain(cli_get_text(result, "client"), id, sizeof(id)));
    }
    json_decref(result);
    return code;
}

int cli_oauth_client_add(struct cli *c, int argc, char **argv)
{
    const char *name = cli_option(&argc, argv, "--name"), *redirect;
    json_t *redirects = json_array();

    while ((redirect = cli_option(&argc, argv, "--redirect")) != NULL) {
        json_array_append_new(redirects, json_string(redirect));
    }
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK || !name) {
        json_decref(redirects);
        return code != CLI_OK ? code : cli_usage(c);
    }
    return run(
        c, "oauth-client add",
        json_pack("{s:s, s:s, s:o}", "client", argv[1], "name", name, "redirects", redirects),
        "The app %s may ask for tokens now.\n");
}

int cli_oauth_client_remove(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 1, 1);

    return code == CLI_OK ? run(c, "oauth-client remove", json_pack("{s:s}", "client", argv[1]),
                                "The app %s gets no more tokens. Its devices stay until they are "
                                "removed or their time is over.\n")
                          : code;
}
