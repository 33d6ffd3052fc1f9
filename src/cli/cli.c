// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "ipc/control_client.h"

#include "base/banned.h"

#define CONFIG_PATH "/etc/mailkeep/mailkeep.conf"

// ---- options ------------------------------------------------------------------------------------

static void take_out(int *argc, char **argv, int at, int n)
{
    for (int i = at; i + n <= *argc; i++) {
        argv[i] = argv[i + n]; // the NULL behind the last moves along
    }
    *argc -= n;
}

const char *cli_option(int *argc, char **argv, const char *name)
{
    size_t n = strlen(name);

    for (int i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], name) == 0 && i + 1 < *argc) {
            const char *value = argv[i + 1];

            take_out(argc, argv, i, 2);
            return value;
        }
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=') {
            const char *value = argv[i] + n + 1;

            take_out(argc, argv, i, 1);
            return value;
        }
    }
    return NULL;
}

bool cli_flag(int *argc, char **argv, const char *name)
{
    for (int i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], name) == 0) {
            take_out(argc, argv, i, 1);
            return true;
        }
    }
    return false;
}

// ---- saying things ------------------------------------------------------------------------------

void cli_print_json(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);

    if (text) {
        puts(text);
    }
    free(text);
    json_decref(object);
}

int cli_fail(struct cli *c, enum cli_exit code, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    cli_progress_end(c);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (c->json) {
        json_t *object = json_pack("{s:s}", "error", text);

        cli_print_json(object ? object : json_pack("{s:s}", "error", "not UTF-8"));
    } else {
        fprintf(stderr, "mailkeep%s%s: %s\n", c->command ? " " : "", c->command ? c->command : "",
                text);
    }
    return code;
}

static const struct cli_command *find_row(const char *name)
{
    const struct cli_command *row = cli_commands;

    while (row->name && strcmp(row->name, name) != 0) {
        row++;
    }
    return row->name ? row : NULL;
}

int cli_usage(struct cli *c)
{
    const struct cli_command *row = c->command ? find_row(c->command) : NULL;

    if (row) {
        fprintf(stderr, "usage: mailkeep %s%s%s\n", row->name, row->args[0] ? " " : "", row->args);
    } else {
        fprintf(stderr, "usage: mailkeep COMMAND ...; `mailkeep help` lists the commands\n");
    }
    return CLI_USAGE;
}

static void print_help(void)
{
    printf("Mailkeep %s, a mail server\n\nusage: mailkeep [-c FILE] [--json] [--quiet] [--as "
           "ADDRESS] COMMAND "
           "...\n\n",
           MAILKEEP_VERSION);
    for (const struct cli_command *row = cli_commands; row->name; row++) {
        printf("  %-18s %s\n", row->name, row->summary);
    }
    printf("\n`mailkeep help COMMAND` says more about one; see also mailkeep(8).\n");
}

// `help account`: the commands that begin with the word. False when there are none.
static bool help_group(const char *word)
{
    size_t n = strlen(word);
    bool any = false;

    for (const struct cli_command *row = cli_commands; row->name; row++) {
        if (strncmp(row->name, word, n) == 0 && row->name[n] == ' ') {
            printf("%smailkeep %s%s%s\n    %s.\n", any ? "\n" : "", row->name,
                   row->args[0] ? " " : "", row->args, row->summary);
            any = true;
        }
    }
    return any;
}

static int help(struct cli *c, int argc, char **argv)
{
    char name[64] = "";
    size_t n = 0;

    for (int i = 1; i < argc; i++) {
        n += (size_t)snprintf(name + n, sizeof(name) - n, "%s%s", n ? " " : "", argv[i]);
        if (n >= sizeof(name)) {
            break;
        }
    }
    if (!n) {
        print_help();
        return CLI_OK;
    }
    const struct cli_command *row = find_row(name);

    if (!row && help_group(name)) {
        return CLI_OK;
    }
    if (!row) {
        return cli_fail(c, CLI_USAGE, "there is no command \"%s\"; `mailkeep help` lists them",
                        name);
    }
    printf("usage: mailkeep %s%s%s\n\n%s.\n", row->name, row->args[0] ? " " : "", row->args,
           row->summary);
    return CLI_OK;
}

// ---- settings -----------------------------------------------------------------------------------

static void print_problems(const struct cli *c, const struct conf_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct conf_problem *p = &r->problems[i];

        if (p->line) {
            fprintf(stderr, "%s:%u:%u: %s\n", c->config_path, p->line, p->column, p->text);
        } else {
            fprintf(stderr, "%s: %s\n", c->config_path, p->text);
        }
    }
    if (r->dropped) {
        fprintf(stderr, "%s: and %zu more problems\n", c->config_path, r->dropped);
    }
}

static json_t *problems_json(const struct cli *c, const struct conf_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->count; i++) {
        const struct conf_problem *p = &r->problems[i];

        json_array_append_new(list,
                              json_pack("{s:s, s:i, s:i, s:s}", "file", c->config_path, "line",
                                        (int)p->line, "column", (int)p->column, "text", p->text));
    }
    return json_pack("{s:s, s:o}", "error", "the settings file has problems", "problems", list);
}

int cli_config_problems(struct cli *c, const struct conf_report *r)
{
    if (c->json) {
        cli_print_json(problems_json(c, r));
    } else {
        print_problems(c, r);
    }
    return CLI_CONFIG;
}

int cli_settings(struct cli *c)
{
    struct conf_report report;
    bool absent = !c->config_given && access(c->config_path, F_OK) != 0;

    if (c->settings) {
        return CLI_OK;
    }
    enum err e = absent ? conf_parse(SPAN(""), &report, &c->settings)
                        : conf_load(c->config_path, &report, &c->settings);

    return e == ERR_OK ? CLI_OK : cli_config_problems(c, &report);
}

const char *cli_data_dir(struct cli *c)
{
    return conf_value_text(c->settings, SETTING_DATA_DIR).p;
}

// ---- the server ---------------------------------------------------------------------------------

static void on_progress(void *arg, uint64_t done, uint64_t total, const char *text)
{
    cli_progress(arg, done, total, text);
}

enum cli_exit cli_exit_of(const char *code)
{
    if (code && strcmp(code, err_name(ERR_NOT_FOUND)) == 0) {
        return CLI_NOT_FOUND;
    }
    return code && strcmp(code, err_name(ERR_UNAVAILABLE)) == 0 ? CLI_UNAVAILABLE : CLI_FAILED;
}

int cli_call(struct cli *c, const char *command, json_t *args, json_t **out_json)
{
    json_t *answer = NULL;
    int code = cli_settings(c);

    if (code) {
        return code;
    }
    if (c->as && json_object_set_new(args, "as", json_string(c->as)) != 0) {
        return cli_fail(c, CLI_USAGE, "--as: this is no address");
    }
    enum err e = control_call_simple(cli_data_dir(c), command, args, on_progress, c, &answer);

    cli_progress_end(c);
    if (e == ERR_OK) {
        *out_json = answer;
        return CLI_OK;
    }
    if (e == ERR_UNAVAILABLE) {
        code = cli_fail(c, CLI_UNAVAILABLE, "no server runs on %s", cli_data_dir(c));
    } else if (answer) {
        const char *text = json_string_value(json_object_get(answer, "text"));
        const char *name = json_string_value(json_object_get(answer, "code"));

        code = cli_fail(c, cli_exit_of(name), "%s", text ? text : "the server refused");
    } else if (e == ERR_DENIED) {
        code = cli_fail(c, CLI_UNAVAILABLE,
                        "%s: not allowed; run this as root or as the user of "
                        "the server",
                        cli_data_dir(c));
    } else {
        code = cli_fail(c, CLI_UNAVAILABLE, "the server does not answer (%s)", err_name(e));
    }
    json_decref(answer);
    return code;
}

// ---- which command ------------------------------------------------------------------------------

// The row whose words, at most three, stand at the front; *out_words says how many.
static const struct cli_command *find_command(int argc, char **argv, int *out_words)
{
    const struct cli_command *row = NULL;

    for (int words = argc < 3 ? argc : 3; words > 0 && !row; words--) {
        char name[100] = "";
        size_t n = 0;

        for (int i = 0; i < words && n < sizeof(name); i++) {
            n += (size_t)snprintf(name + n, sizeof(name) - n, "%s%s", i ? " " : "", argv[i]);
        }
        row = find_row(name);
        *out_words = words;
    }
    return row;
}

static int unknown_command(struct cli *c, const char *word)
{
    bool first = true;
    size_t n = strlen(word);

    for (const struct cli_command *row = cli_commands; row->name; row++) {
        if (strncmp(row->name, word, n) == 0 && row->name[n] == ' ') {
            fprintf(stderr, "%smailkeep %s %s\n", first ? "usage: " : "       ", row->name,
                    row->args);
            first = false;
        }
    }
    return first ? cli_fail(c, CLI_USAGE, "there is no command \"%s\"; `mailkeep help` lists them",
                            word)
                 : CLI_USAGE;
}

int cli_main(int argc, char **argv)
{
    struct cli c = {.config_path = CONFIG_PATH};
    int words = 0;

    log_set_process("mailkeep");
    c.json = cli_flag(&argc, argv, "--json");
    c.quiet = cli_flag(&argc, argv, "--quiet");
    c.as = cli_option(&argc, argv, "--as");
    const char *path = cli_option(&argc, argv, "-c");

    if (!path) {
        path = cli_option(&argc, argv, "--config");
    }
    if (path) {
        c.config_path = path;
        c.config_given = true;
    }
    if (argc < 2) {
        print_help();
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        return help(&c, argc - 1, argv + 1);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("mailkeep %s\n", MAILKEEP_VERSION);
        return CLI_OK;
    }
    const struct cli_command *row = find_command(argc - 1, argv + 1, &words);

    if (!row) {
        return unknown_command(&c, argv[1]);
    }
    c.command = row->name;
    int code = row->run(&c, argc - words, argv + words);

    settings_unref(c.settings);
    return fflush(stdout) == 0 ? code : CLI_FAILED;
}
