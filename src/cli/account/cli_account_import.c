// SPDX-License-Identifier: Apache-2.0
//
// mailkeep account import: a list of accounts as a spreadsheet saves it. The first line names the
// columns, in any order; docs/accounts.md says what each means.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "cli/account/csv.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

#define FILE_BYTES_MAX (16u << 20)

enum column {
    COLUMN_ADDRESS,
    COLUMN_NAME,
    COLUMN_PASSWORD,
    COLUMN_HASH,
    COLUMN_QUOTA,
    COLUMN_MESSAGES,
    COLUMN_ALIASES,
    COLUMN_DEVICE,
    COLUMN_SUSPENDED,
    COLUMNS
};
static const char *const column_names[COLUMNS] = {
    "address",  "name",    "password", "password_hash", "quota",
    "messages", "aliases", "device",   "suspended",
};

struct import {
    struct cli *cli;
    struct csv csv;
    int place[COLUMNS]; // among the fields; -1: there is no such column
    size_t width;       // fields of the first line
    bool allow_weak;
    unsigned long wrong; // lines that were not sent at all
    struct cli_link *link;
    struct cli_table *table; // of app passwords; NULL: none yet
};

// ---- the file -----------------------------------------------------------------------------------

static int file_read(struct cli *c, const char *path, struct buf *out)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    size_t n;

    if (!f) {
        return cli_fail(c, CLI_FAILED, "%s cannot be read (%s)", path,
                        err_name(err_from_errno(errno)));
    }
    do {
        n = buf_reserve(out, 65536) ? fread(out->p + out->n, 1, 65536, f) : 0;
        out->n += n;
    } while (n > 0);
    bool has_failed = ferror(f) != 0;

    if (f != stdin) {
        fclose(f);
    }
    if (out->failed) {
        return cli_fail(c, CLI_FAILED, "%s is larger than %u MB", path, FILE_BYTES_MAX >> 20);
    }
    return has_failed ? cli_fail(c, CLI_FAILED, "%s cannot be read", path) : CLI_OK;
}

// ---- the first line -----------------------------------------------------------------------------

static int columns_wrong(struct import *m, struct span name, const char *why)
{
    char text[256], plain[256];

    snprintf(text, sizeof(text), "%.*s", SPAN_ARG(span_first(name, 100)));
    return cli_fail(m->cli, CLI_FAILED,
                    "line 1: the column \"%s\" %s. Columns are address, name, password, "
                    "password_hash, quota, messages, aliases, device, suspended",
                    cli_plain(text, plain, sizeof(plain)), why);
}

static int take_columns(struct import *m)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        m->place[i] = -1;
    }
    if (csv_next(&m->csv) != ERR_OK) {
        return cli_fail(m->cli, CLI_FAILED, "line 1: %s",
                        m->csv.problem ? m->csv.problem : "the list is empty");
    }
    m->width = m->csv.count;
    for (size_t f = 0; f < m->csv.count; f++) {
        struct span name = span_trim(m->csv.fields[f]);
        size_t i = 0;

        while (i < COLUMNS && !span_eq_nocase(name, span_from_str(column_names[i]))) {
            i++;
        }
        if (i == COLUMNS) {
            return columns_wrong(m, name, "is none of those that there are");
        }
        if (m->place[i] >= 0) {
            return columns_wrong(m, name, "is there twice");
        }
        m->place[i] = (int)f;
    }
    return m->place[COLUMN_ADDRESS] >= 0
               ? CLI_OK
               : columns_wrong(m, SPAN("address"), "is missing, which says whose the line is");
}

// ---- a line -------------------------------------------------------------------------------------

// Without blanks around it, but passwords, which may have some. Empty: it says nothing.
static struct span field(const struct import *m, enum column i)
{
    struct span s = m->place[i] < 0 ? SPAN("") : m->csv.fields[m->place[i]];

    return i == COLUMN_PASSWORD ? s : span_trim(s);
}

static void put_text(const struct import *m, enum column i, json_t *item, const char *name)
{
    struct span s = field(m, i);

    if (s.n > 0) {
        json_object_set_new(item, name, json_stringn(s.p, s.n));
    }
}

static const char *put_limit(const struct import *m, enum column i, json_t *item, const char *name)
{
    struct span s = field(m, i);
    char text[64];
    uint64_t v;

    if (s.n == 0) {
        return NULL;
    }
    snprintf(text, sizeof(text), "%.*s", SPAN_ARG(span_first(s, sizeof(text) - 1)));
    if (s.n >= sizeof(text) || !cli_size_parse(text, &v) || v == 0) {
        return "a quota is a number above 0, like 500MB or 10GB, or none";
    }
    json_object_set_new(item, name, v == UINT64_MAX ? json_null() : json_integer((json_int_t)v));
    return NULL;
}

// Other addresses, with blanks, commas or semicolons between them.
static void put_aliases(const struct import *m, json_t *item)
{
    struct span s = field(m, COLUMN_ALIASES);
    json_t *list = json_array();

    while (s.n > 0) {
        size_t n = 0;

        while (n < s.n && !strchr(" \t\r\n,;", s.p[n])) {
            n++;
        }
        if (n > 0) {
            json_array_append_new(list, json_stringn(s.p, n));
        }
        s = span_skip(s, n + 1);
    }
    json_object_set_new(item, "aliases", list);
}

static const char *put_suspended(const struct import *m, json_t *item)
{
    static const char *const words[] = {"no", "false", "0", "yes", "true", "1"};
    struct span s = field(m, COLUMN_SUSPENDED);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (span_eq_nocase(s, span_from_str(words[i]))) {
            json_object_set_new(item, "suspended", json_boolean(i >= 3));
            return NULL;
        }
    }
    return s.n ? "suspended is yes or no" : NULL;
}

static const char *line_item(const struct import *m, json_t *item)
{
    const char *problem;

    if (m->csv.count != m->width) {
        return m->csv.count < m->width ? "it has fewer fields than the first line"
                                       : "it has more fields than the first line";
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        struct span s = field(m, (enum column)i);

        if (!utf8_is_valid(s) || memchr(s.p, 0, s.n)) {
            return "it is no UTF-8; save the list as UTF-8";
        }
    }
    if (field(m, COLUMN_ADDRESS).n == 0) {
        return "the address is missing";
    }
    if (field(m, COLUMN_PASSWORD).n > 0 && field(m, COLUMN_HASH).n > 0) {
        return "give a password or its hash, not both";
    }
    put_text(m, COLUMN_ADDRESS, item, "account");
    put_text(m, COLUMN_NAME, item, "name");
    put_text(m, COLUMN_PASSWORD, item, "password");
    put_text(m, COLUMN_HASH, item, "password_hash");
    put_text(m, COLUMN_DEVICE, item, "device");
    put_aliases(m, item);
    problem = put_limit(m, COLUMN_QUOTA, item, "bytes");
    problem = problem ? problem : put_limit(m, COLUMN_MESSAGES, item, "messages");
    return problem ? problem : put_suspended(m, item);
}

static void line_failed(struct import *m, const char *problem)
{
    m->wrong++;
    if (m->cli->json) {
        cli_print_json(json_pack("{s:I, s:s}", "line", (json_int_t)m->csv.line, "error", problem));
    } else {
        fprintf(stderr, "line %lu: %s.\n", m->csv.line, problem);
    }
}

static void print_answer(struct import *m, json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    const json_t *did = json_object_get(answer, "did");
    char one[512], two[512];

    if (m->cli->json) {
        cli_print_json(json_deep_copy(answer));
    } else if (error) {
        fprintf(stderr, "line %llu: %s\n", (unsigned long long)cli_get_number(answer, "line"),
                cli_plain(error, one, sizeof(one)));
    } else if (!m->cli->quiet && json_array_size(did) > 0) {
        printf("%s:", cli_plain(cli_get_text(answer, "account"), one, sizeof(one)));
        for (size_t i = 0; i < json_array_size(did); i++) {
            printf("%s %s", i ? "," : "",
                   cli_plain(json_string_value(json_array_get(did, i)), two, sizeof(two)));
        }
        printf("\n");
    }
    if (!m->cli->json && json_object_get(answer, "password")) { // shown once, quiet or not
        static const char *const heads[] = {"ACCOUNT", "DEVICE", "APP PASSWORD", NULL};

        m->table = m->table ? m->table : cli_table_create(heads);
        cli_table_cell(m->table, cli_get_text(answer, "account"));
        cli_table_cell(m->table, cli_get_text(answer, "device"));
        cli_table_cell(m->table, cli_get_text(answer, "password"));
    }
}

// An exit code; what is wrong with one line is said and does not end it.
static int send_lines(struct import *m)
{
    struct cli_link_event event;
    enum err e;

    while ((e = csv_next(&m->csv)) != ERR_EOF) {
        if (e == ERR_NOMEM) {
            return cli_fail(m->cli, CLI_FAILED, "there is not enough memory");
        }
        json_t *item =
            json_pack("{s:I, s:b}", "line", (json_int_t)m->csv.line, "allow_weak", m->allow_weak);
        const char *problem = e == ERR_OK ? line_item(m, item) : m->csv.problem;

        if (problem) {
            line_failed(m, problem);
            json_decref(item);
            continue;
        }
        cli_link_send_item(m->link, item);
        cli_link_next(m->link, &event);
        if (event.kind != CLI_LINK_ITEM) {
            return event.kind == CLI_LINK_FAILED ? event.code : CLI_FAILED;
        }
        print_answer(m, event.json);
    }
    return CLI_OK;
}

// ---- all of it ----------------------------------------------------------------------------------

static int finish(struct import *m, bool is_trial)
{
    struct cli_link_event event;

    cli_link_send_end(m->link);
    cli_link_next(m->link, &event);
    if (event.kind != CLI_LINK_RESULT) {
        return event.kind == CLI_LINK_FAILED ? event.code : CLI_FAILED;
    }
    json_int_t failed = (json_int_t)cli_get_number(event.json, "failed") + (json_int_t)m->wrong;

    if (m->cli->json) {
        json_t *result = json_deep_copy(event.json);

        json_object_set_new(result, "failed", json_integer(failed));
        cli_print_json(result);
    } else if (!m->cli->quiet) {
        printf("%llu accounts added, %llu changed, %llu as they were, %lld lines not taken.%s\n",
               (unsigned long long)cli_get_number(event.json, "added"),
               (unsigned long long)cli_get_number(event.json, "changed"),
               (unsigned long long)cli_get_number(event.json, "unchanged"), (long long)failed,
               is_trial ? " Nothing was done: this was a trial." : "");
    }
    return failed > 0 ? CLI_FAILED : CLI_OK;
}

static int import(struct import *m, bool is_trial, bool passwords)
{
    int code = take_columns(m);

    if (code == CLI_OK) {
        code = cli_settings(m->cli);
    }
    if (code == CLI_OK) {
        code = cli_link_open(m->cli, "account import",
                             json_pack("{s:b, s:b}", "dry_run", is_trial, "passwords", passwords),
                             &m->link);
    }
    if (code == CLI_OK) {
        code = send_lines(m);
        code = code == CLI_OK ? finish(m, is_trial) : code;
        cli_table_print(m->table); // whatever became of the others: these are made
    }
    cli_link_close(m->link);
    return code;
}

int cli_account_import(struct cli *c, int argc, char **argv)
{
    bool is_trial = cli_flag(&argc, argv, "--dry-run");
    bool passwords = cli_flag(&argc, argv, "--passwords");
    struct import m = {.cli = c, .allow_weak = cli_flag(&argc, argv, "--allow-weak-password")};
    struct buf text;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    buf_init(&text, FILE_BYTES_MAX);
    code = file_read(c, argv[1], &text);
    if (code == CLI_OK) {
        csv_init(&m.csv, buf_span(&text));
        code = import(&m, is_trial, passwords);
        csv_finish(&m.csv);
    }
    if (text.p) {
        explicit_bzero(text.p, text.cap);
    }
    buf_finish(&text);
    return code;
}
