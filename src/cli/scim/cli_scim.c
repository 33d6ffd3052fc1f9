// SPDX-License-Identifier: Apache-2.0
//
// mailkeep scim-token add, list, remove.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

// "a.example, b.example".
static const char *domains_text(const json_t *item, char *into, size_t size)
{
    const json_t *domains = json_object_get(item, "domains");
    size_t n = 0;

    into[0] = '\0';
    for (size_t i = 0; i < json_array_size(domains) && n < size; i++) {
        const char *name = json_string_value(json_array_get(domains, i));
        int more = snprintf(into + n, size - n, "%s%s", i > 0 ? ", " : "", name ? name : "");

        n += more > 0 ? (size_t)more : 0;
    }
    return into;
}

static void on_token(void *arg, const json_t *item)
{
    const struct cli *c = arg;
    char name[200], all[4000], domains[4000];
    const char *used = cli_get_text(item, "used");

    if (c->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    printf("%s: over %s; made %s; %s%s\n",
           cli_plain(cli_get_text(item, "token"), name, sizeof(name)),
           cli_plain(domains_text(item, all, sizeof(all)), domains, sizeof(domains)),
           cli_get_text(item, "created"), used[0] ? "used last " : "never used", used);
}

int cli_scim_token_list(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 0, 0);

    return code == CLI_OK ? cli_link_run(c, "scim-token list", json_object(), on_token, c, NULL)
                          : code;
}

int cli_scim_token_add(struct cli *c, int argc, char **argv)
{
    const char *domain;
    json_t *domains = json_array(), *result = NULL;
    char text[200];

    while ((domain = cli_option(&argc, argv, "--domain")) != NULL) {
        json_array_append_new(domains, json_string(domain));
    }
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK || json_array_size(domains) == 0) {
        json_decref(domains);
        return code != CLI_OK ? code : cli_usage(c);
    }
    code = cli_link_run(c, "scim-token add",
                        json_pack("{s:s, s:o}", "token", argv[1], "domains", domains), NULL, NULL,
                        &result);
    if (code != CLI_OK) {
        return code;
    }
    if (c->json) {
        cli_print_json(result);
        return code;
    }
    printf("%s\n", cli_plain(cli_get_text(result, "secret"), text, sizeof(text)));
    if (!c->quiet) {
        fprintf(stderr, "This is the token, shown once. Paste it where the identity provider asks "
                        "for it; its address there is https://SERVER/scim/v2.\n");
    }
    json_decref(result);
    return code;
}

int cli_scim_token_remove(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 1, 1);
    json_t *result;
    char name[200];

    if (code != CLI_OK) {
        return code;
    }
    code = cli_link_ask(c, "scim-token remove", json_pack("{s:s}", "token", argv[1]), &result);
    if (result) {
        printf("The token %s opens nothing any more. The accounts stay as they are.\n",
               cli_plain(cli_get_text(result, "token"), name, sizeof(name)));
    }
    json_decref(result);
    return code;
}
