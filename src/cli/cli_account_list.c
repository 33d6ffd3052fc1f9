// SPDX-License-Identifier: Apache-2.0
//
// account list and show, and account add --list.
#include "cli/cli_account_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/span.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

struct lister {
    struct cli *cli;
    struct cli_table *table;
};

static void cell_number(struct cli_table *t, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    cli_table_cell(t, text);
}

static const char *limit_text(const json_t *item, const char *name, struct cli_size *size)
{
    const json_t *v = json_object_get(item, name);

    if (!json_is_integer(v)) {
        return "none";
    }
    *size = cli_size_text((uint64_t)json_integer_value(v));
    return size->s;
}

static void on_account(void *arg, const json_t *item)
{
    struct lister *l = arg;
    struct cli_size size;

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    cli_table_cell(l->table, cli_get_text(item, "account"));
    cli_table_cell(l->table, cli_get_text(item, "state"));
    cell_number(l->table, cli_get_number(item, "messages"));
    cli_table_cell(l->table, cli_size_text(cli_get_number(item, "bytes")).s);
    cli_table_cell(l->table, limit_text(item, "bytes_max", &size));
}

int cli_account_list(struct cli *c, int argc, char **argv)
{
    static const char *const heads[] = {"ACCOUNT", "STATE", ">MESSAGES", ">SIZE", ">QUOTA", NULL};
    struct lister l = {c, NULL};
    int code = cli_words_check(c, &argc, argv, 0, 1);

    if (code == CLI_OK) {
        json_t *args = argc > 1 ? json_pack("{s:s}", "domain", argv[1]) : json_object();

        l.table = cli_table_create(heads);
        code = cli_link_run(c, "account list", args, on_account, &l, NULL);
        cli_table_print(l.table);
    }
    return code;
}

static void print_account(const json_t *a)
{
    struct cli_size size;
    const json_t *limit = json_object_get(a, "messages_max");

    printf("Account:    %s\nState:      %s\nPassword:   %s\nCreated:    %s\n",
           cli_get_text(a, "account"), cli_get_text(a, "state"),
           json_is_true(json_object_get(a, "has_password")) ? "set" : "none (cannot sign in)",
           cli_get_text(a, "created"));
    printf("Mailboxes:  %llu\nMessages:   %llu", (unsigned long long)cli_get_number(a, "mailboxes"),
           (unsigned long long)cli_get_number(a, "messages"));
    if (json_is_integer(limit)) {
        printf(" of %llu", (unsigned long long)json_integer_value(limit));
    }
    printf("\nSize:       %s", cli_size_text(cli_get_number(a, "bytes")).s);
    if (json_is_integer(json_object_get(a, "bytes_max"))) {
        printf(" of %s", limit_text(a, "bytes_max", &size));
    }
    printf("\nChanges:    %llu\n", (unsigned long long)cli_get_number(a, "changes"));
}

int cli_account_show(struct cli *c, int argc, char **argv)
{
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK) {
        code = cli_link_run(c, "account show", json_pack("{s:s}", "account", argv[1]), NULL, NULL,
                            &result);
    }
    if (code == CLI_OK && c->json) {
        cli_print_json(result);
    } else if (code == CLI_OK) {
        print_account(result);
        json_decref(result);
    }
    return code;
}

// ---- add --list ---------------------------------------------------------------------------------

// One line: the address, blanks, and the password, which may have blanks in it.
static int add_line(struct cli *c, struct span line, const json_t *args)
{
    size_t n = 0;

    while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t') {
        n++;
    }
    struct span address = span_first(line, n), password = span_trim(span_skip(line, n));
    json_t *own = json_copy((json_t *)(uintptr_t)args);

    json_object_set_new(own, "account", json_stringn(address.p, address.n));
    if (password.n > 0) {
        json_object_set_new(own, "password", json_stringn(password.p, password.n));
    } else {
        json_object_set_new(own, "no_password", json_true());
    }
    return cli_link_run(c, "account add", own, NULL, NULL, NULL);
}

int cli_account_add_list(struct cli *c, const char *path, json_t *args)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    unsigned long added = 0, failed = 0;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int code = CLI_OK;

    if (!f) {
        return cli_fail(c, CLI_FAILED, "%s cannot be read (%s)", path,
                        err_name(err_from_errno(errno)));
    }
    while (code != CLI_UNAVAILABLE && (n = getline(&line, &cap, f)) >= 0) {
        struct span s = span_trim(span_of(line, (size_t)n));

        if (s.n > 0 && s.p[0] != '#') {
            code = add_line(c, s, args);
            added += code == CLI_OK;
            failed += code != CLI_OK;
        }
        explicit_bzero(line, cap);
    }
    free(line);
    if (f != stdin) {
        fclose(f);
    }
    if (c->json) {
        cli_print_json(
            json_pack("{s:I, s:I}", "added", (json_int_t)added, "failed", (json_int_t)failed));
    } else if (!c->quiet) {
        printf("%lu accounts added, %lu not.\n", added, failed);
    }
    return failed > 0 ? CLI_FAILED : CLI_OK;
}
