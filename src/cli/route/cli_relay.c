// SPDX-License-Identifier: Apache-2.0
//
// mailkeep route add, list, remove, show.
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

#define PASSWORD_BYTES_MAX 1024

// "for example.net" or "from @example.org".
static const char *whose(const json_t *route, char *room, size_t n)
{
    const char *from = json_string_value(json_object_get(route, "from"));
    char plain[300];

    snprintf(room, n, "%s %s", from ? "from" : "for",
             cli_plain(from ? from : cli_get_text(route, "destination"), plain, sizeof(plain)));
    return room;
}

// "leaves through smtp.example.com, port 587, TLS required, signed in as anna".
static void print_way(const json_t *route)
{
    const char *by = cli_get_text(route, "by");
    const char *user = json_string_value(json_object_get(route, "user"));
    char plain[1100];

    if (strcmp(by, "mx") == 0) {
        printf("leaves as the DNS says");
    } else if (strcmp(by, "refuse") == 0) {
        printf("is refused: %s", cli_plain(cli_get_text(route, "words"), plain, sizeof(plain)));
    } else {
        printf("leaves through %s, port %lld, TLS %s",
               cli_plain(cli_get_text(route, "host"), plain, sizeof(plain)),
               (long long)json_integer_value(json_object_get(route, "port")),
               cli_get_text(route, "tls"));
        if (user) {
            printf(", signed in as %s", cli_plain(user, plain, sizeof(plain)));
        }
    }
}

static int add_password(struct cli *c, bool from_stdin, const char *user, json_t *args)
{
    char prompt[320], plain[256];
    struct buf password;

    if (!from_stdin && !isatty(STDIN_FILENO)) {
        return cli_fail(c, CLI_USAGE,
                        "this is no terminal to ask for the password on. Give it on standard input "
                        "with --password-stdin");
    }
    buf_init(&password, PASSWORD_BYTES_MAX);
    buf_reserve(&password, PASSWORD_BYTES_MAX);
    snprintf(prompt, sizeof(prompt), "Password of %s there", cli_plain(user, plain, sizeof(plain)));
    int code = cli_read_password(c, prompt, false, &password);

    if (code == CLI_OK) {
        json_t *text = json_stringn(password.p, password.n);

        code = text ? CLI_OK : cli_fail(c, CLI_FAILED, "the password is no UTF-8");
        json_object_set_new(args, "password", text);
    }
    if (password.p) {
        explicit_bzero(password.p, password.cap);
    }
    buf_finish(&password);
    return code;
}

// The pattern: a word, or --from. NULL: none, or both.
static json_t *pattern_args(int argc, char **argv, const char *from)
{
    if ((argc == 2) == (from != NULL) || argc > 2) {
        return NULL;
    }
    return json_pack("{s:s}", from ? "from" : "destination", from ? from : argv[1]);
}

static void set(json_t *args, const char *name, const char *value)
{
    if (value) {
        json_object_set_new(args, name, json_string(value));
    }
}

int cli_route_add(struct cli *c, int argc, char **argv)
{
    const char *from = cli_option(&argc, argv, "--from"), *host = cli_option(&argc, argv, "--host");
    const char *port = cli_option(&argc, argv, "--port"), *tls = cli_option(&argc, argv, "--tls");
    const char *user = cli_option(&argc, argv, "--user");
    const char *refuse = cli_option(&argc, argv, "--refuse");
    bool mx = cli_flag(&argc, argv, "--mx"), in = cli_flag(&argc, argv, "--password-stdin");
    char text[400];
    int code = cli_words_check(c, &argc, argv, 0, 1);
    json_t *args = code == CLI_OK ? pattern_args(argc, argv, from) : NULL, *result = NULL;

    if (code != CLI_OK) {
        return code;
    }
    if (!args || (host != NULL) + (refuse != NULL) + mx != 1 || (!host && (port || tls || user))) {
        json_decref(args);
        return cli_usage(c);
    }
    set(args, "by", mx ? "mx" : refuse ? "refuse" : "host");
    set(args, "host", host);
    set(args, "tls", tls);
    set(args, "user", user);
    set(args, "words", refuse);
    if (port) {
        char *end;
        long n = strtol(port, &end, 10);

        json_object_set_new(args, "port", json_integer(*end || !*port ? 0 : n));
    }
    code = user ? add_password(c, in, user, args) : CLI_OK;
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    code = cli_link_ask(c, "route add", args, &result);
    if (result) {
        printf("Mail %s ", whose(result, text, sizeof(text)));
        print_way(result);
        printf(".\n");
    }
    json_decref(result);
    return code;
}

int cli_route_remove(struct cli *c, int argc, char **argv)
{
    const char *from = cli_option(&argc, argv, "--from");
    int code = cli_words_check(c, &argc, argv, 0, 1);
    json_t *args = code == CLI_OK ? pattern_args(argc, argv, from) : NULL;
    char plain[300];

    if (code != CLI_OK) {
        return code;
    }
    if (!args) {
        return cli_usage(c);
    }
    cli_plain(from ? from : argv[1], plain, sizeof(plain));
    code = cli_link_run(c, "route remove", args, NULL, NULL, NULL);
    if (code == CLI_OK && !c->json && !c->quiet) {
        printf("The route of mail %s %s is removed.\n", from ? "from" : "for", plain);
    }
    return code;
}

struct lister {
    struct cli *cli;
    unsigned count;
};

static void on_route(void *arg, const json_t *item)
{
    struct lister *l = arg;
    char text[400];

    l->count++;
    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    printf("%s ", whose(item, text, sizeof(text)));
    print_way(item);
    printf("\n");
}

int cli_route_list(struct cli *c, int argc, char **argv)
{
    struct lister l = {c, 0};
    int code = cli_words_check(c, &argc, argv, 0, 0);

    if (code == CLI_OK) {
        code = cli_link_run(c, "route list", json_object(), on_route, &l, NULL);
    }
    if (code == CLI_OK && !c->json && !c->quiet && l.count == 0) {
        printf("There are no routes: all mail leaves through relay_host of the settings, or, when "
               "that is not set, as the DNS says.\n");
    }
    return code;
}

int cli_route_show(struct cli *c, int argc, char **argv)
{
    const char *from = cli_option(&argc, argv, "--from");
    int code = cli_words_check(c, &argc, argv, 1, 1);
    json_t *result = NULL;
    char plain[300], text[400];

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:s}", "to", argv[1]);

    set(args, "from", from);
    code = cli_link_run(c, "route show", args, NULL, NULL, &result);
    if (code != CLI_OK || c->json) {
        if (code == CLI_OK) {
            cli_print_json(result);
        }
        return code;
    }
    const json_t *route = json_object_get(result, "route");

    printf("Mail to %s ", cli_plain(argv[1], plain, sizeof(plain)));
    if (json_is_object(route)) {
        print_way(route);
        printf(", by the route %s.\n", whose(route, text, sizeof(text)));
    } else {
        printf("has no route of its own: it leaves through relay_host of the settings, or, when "
               "that is not set, as the DNS says.\n");
    }
    json_decref(result);
    return code;
}
