// SPDX-License-Identifier: Apache-2.0
//
// mailkeep sieve list, show, put, activate, remove, run: the filter scripts of an account.
#include <errno.h>
#include <stdio.h>

#include "base/buf.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

// An account, or with --global everybody's; then the first word is not an account's. The words
// that follow start at *out_next.
static json_t *whose(bool global, char **argv, int *out_next)
{
    *out_next = global ? 1 : 2;
    return global ? json_pack("{s:b}", "global", 1) : json_pack("{s:s}", "account", argv[1]);
}

static int check_words(struct cli *c, int *argc, char **argv, bool global, int min, int max)
{
    int first = global ? 0 : 1;

    return cli_words_check(c, argc, argv, first + min, first + max);
}

// A change that ends with one sentence; takes the reference to `args`.
static int change(struct cli *c, const char *operation, json_t *args, const char *sentence)
{
    json_t *result;
    int code = cli_link_ask(c, operation, args, &result);
    char script[600], account[300];

    if (result) {
        printf(sentence, cli_plain(cli_get_text(result, "script"), script, sizeof(script)),
               cli_plain(cli_get_text(result, "account"), account, sizeof(account)));
    }
    json_decref(result);
    return code;
}

struct lister {
    struct cli *cli;
    struct cli_table *table;
};

static void on_script(void *arg, const json_t *item)
{
    struct lister *l = arg;
    char plain[600];

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    cli_table_cell(l->table, cli_plain(cli_get_text(item, "script"), plain, sizeof(plain)));
    cli_table_cell(l->table, cli_size_text(cli_get_number(item, "bytes")).s);
    cli_table_cell(l->table, cli_get_text(item, "changed"));
    cli_table_cell(l->table, json_is_true(json_object_get(item, "active")) ? "active" : "");
}

int cli_sieve_list(struct cli *c, int argc, char **argv)
{
    static const char *const heads[] = {"SCRIPT", ">SIZE", "CHANGED", "", NULL};
    bool global = cli_flag(&argc, argv, "--global");
    struct lister l = {c, NULL};
    int next, code = check_words(c, &argc, argv, global, 0, 0);

    if (code == CLI_OK) {
        l.table = cli_table_create(heads);
        code = cli_link_run(c, "sieve list", whose(global, argv, &next), on_script, &l, NULL);
        cli_table_print(l.table);
    }
    return code;
}

static int print_script(struct cli *c, struct cli_link *l)
{
    struct cli_link_event e;
    struct buf text;

    buf_init(&text, 2u << 20);
    for (cli_link_next(l, &e); e.kind == CLI_LINK_DATA; cli_link_next(l, &e)) {
        buf_put(&text, e.data);
    }
    if (e.kind == CLI_LINK_RESULT && c->json) {
        json_t *j = json_deep_copy(e.json);

        json_object_set_new(j, "text", json_stringn(text.n ? text.p : "", text.n));
        cli_print_json(j);
    } else if (e.kind == CLI_LINK_RESULT) {
        fwrite(text.n ? text.p : "", 1, text.n, stdout);
    }
    buf_finish(&text);
    return e.kind == CLI_LINK_RESULT ? CLI_OK : e.code;
}

int cli_sieve_show(struct cli *c, int argc, char **argv)
{
    bool global = cli_flag(&argc, argv, "--global");
    struct cli_link *l = NULL;
    int next, code = check_words(c, &argc, argv, global, global ? 1 : 0, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = whose(global, argv, &next);

    if (next < argc) {
        json_object_set_new(args, "script", json_string(argv[next]));
    }
    code = cli_link_open(c, "sieve show", args, &l);
    if (code == CLI_OK) {
        cli_link_send_end(l);
        code = print_script(c, l);
        cli_link_close(l);
    }
    return code;
}

// "-" is standard input.
static int send_file(struct cli *c, struct cli_link *l, const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char piece[65536];
    size_t n;

    if (!f) {
        return cli_fail(c, CLI_FAILED, "%s: %s", path, err_name(err_from_errno(errno)));
    }
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0) {
        cli_link_send_data(l, span_of(piece, n));
    }
    int code = ferror(f) ? cli_fail(c, CLI_FAILED, "%s cannot be read", path) : CLI_OK;

    if (f != stdin) {
        fclose(f);
    }
    return code;
}

static int finish_put(struct cli *c, struct cli_link *l, bool activate)
{
    struct cli_link_event e;
    char script[600], account[300];

    cli_link_send_end(l);
    cli_link_next(l, &e);
    if (e.kind != CLI_LINK_RESULT) {
        return e.code;
    }
    if (c->json) {
        cli_print_json(json_deep_copy(e.json));
    } else if (!c->quiet) {
        printf("The script \"%s\" of %s is stored%s.\n",
               cli_plain(cli_get_text(e.json, "script"), script, sizeof(script)),
               cli_plain(cli_get_text(e.json, "account"), account, sizeof(account)),
               activate ? " and active" : "");
    }
    return CLI_OK;
}

int cli_sieve_put(struct cli *c, int argc, char **argv)
{
    bool global = cli_flag(&argc, argv, "--global");
    bool activate = cli_flag(&argc, argv, "--activate");
    struct cli_link *l = NULL;
    int next, code = check_words(c, &argc, argv, global, 2, 2);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = whose(global, argv, &next);

    json_object_set_new(args, "script", json_string(argv[next]));
    json_object_set_new(args, "activate", json_boolean(activate));
    code = cli_link_open(c, "sieve put", args, &l);
    if (code == CLI_OK) {
        code = send_file(c, l, argv[next + 1]);
        code = code == CLI_OK ? finish_put(c, l, activate) : code;
        cli_link_close(l);
    }
    return code;
}

int cli_sieve_activate(struct cli *c, int argc, char **argv)
{
    bool none = cli_flag(&argc, argv, "--none");
    int code = cli_words_check(c, &argc, argv, none ? 1 : 2, none ? 1 : 2);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = none ? json_pack("{s:s, s:b}", "account", argv[1], "none", 1)
                        : json_pack("{s:s, s:s}", "account", argv[1], "script", argv[2]);

    return change(c, "sieve activate", args,
                  none ? "No script%s of %s is active now.\n"
                       : "The script \"%s\" of %s is active now.\n");
}

int cli_sieve_remove(struct cli *c, int argc, char **argv)
{
    bool global = cli_flag(&argc, argv, "--global");
    int next, code = check_words(c, &argc, argv, global, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = whose(global, argv, &next);

    json_object_set_new(args, "script", json_string(argv[next]));
    return change(c, "sieve remove", args, "The script \"%s\" of %s is removed.\n");
}

static void on_message(void *arg, const json_t *item)
{
    const json_t *actions = json_object_get(item, "actions");
    struct cli *c = arg;
    char plain[4200];

    if (c->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    printf("%llu  %s\n", (unsigned long long)cli_get_number(item, "uid"),
           cli_plain(cli_get_text(item, "subject"), plain, sizeof(plain)));
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *a = json_array_get(actions, i);

        printf("      %s\n", cli_plain(cli_get_text(a, "text"), plain, sizeof(plain)));
    }
    if (json_array_size(actions) == 0) {
        printf("      thrown away\n");
    }
    if (*cli_get_text(item, "problem")) {
        printf("      the script stopped at line %llu: %s\n",
               (unsigned long long)cli_get_number(item, "line"),
               cli_plain(cli_get_text(item, "problem"), plain, sizeof(plain)));
    }
}

int cli_sieve_run(struct cli *c, int argc, char **argv)
{
    bool apply = cli_flag(&argc, argv, "--apply");
    const char *script = cli_option(&argc, argv, "--script");
    const char *reason = cli_option(&argc, argv, "--reason");
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 2, 2);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args =
        json_pack("{s:s, s:s, s:b}", "account", argv[1], "mailbox", argv[2], "apply", apply);

    if (script) {
        json_object_set_new(args, "script", json_string(script));
    }
    if (reason) {
        json_object_set_new(args, "reason", json_string(reason));
    }
    code = cli_link_run(c, "sieve run", args, on_message, c, &result);
    if (code == CLI_OK && c->json) {
        cli_print_json(result);
        return code;
    }
    if (code == CLI_OK && !c->quiet) {
        unsigned long long all = cli_get_number(result, "messages");

        if (apply) {
            printf("%llu of %llu messages were moved or copied.\n",
                   (unsigned long long)cli_get_number(result, "moved"), all);
        } else {
            printf("Nothing was changed (%llu messages looked at). With --apply it is done.\n",
                   all);
        }
    }
    json_decref(result);
    return code;
}
