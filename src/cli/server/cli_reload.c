// SPDX-License-Identifier: Apache-2.0
//
// mailkeep reload: lets the running server read its settings and certificate again and tells what
// became of it. The server reads the file it was started with, with the rights it was started with;
// ours is looked into only to find the server, so that it may be wrong.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"
#include "conf/conf.h"
#include "ipc/control_client.h"
#include "ipc/data_lock.h"

#include "base/banned.h"

#define RESERVE_MS 5000 // beyond what keep waits for the supervisor

// ---- telling ------------------------------------------------------------------------------------

static const json_t *list(const json_t *report, const char *name)
{
    return json_object_get(report, name);
}

static void print_settings(const json_t *report)
{
    size_t i;
    json_t *j;

    json_array_foreach(list(report, "changed"), i, j)
    {
        printf("%s is %s now (it was %s)\n", cli_get_text(j, "name"), cli_get_text(j, "now"),
               cli_get_text(j, "was"));
    }
    json_array_foreach(list(report, "restart"), i, j)
    {
        printf("%s = %s needs a restart; %s stays in use until then\n", cli_get_text(j, "name"),
               cli_get_text(j, "wanted"), cli_get_text(j, "in_use"));
    }
    json_array_foreach(list(report, "certificates"), i, j)
    {
        if (json_is_true(json_object_get(j, "new"))) {
            printf("A new certificate is served: %s, valid until %s\n", cli_get_text(j, "file"),
                   cli_get_text(j, "valid_until"));
        }
    }
}

static bool has_new_certificate(const json_t *report)
{
    size_t i;
    json_t *j;

    json_array_foreach(list(report, "certificates"), i, j)
    {
        if (json_is_true(json_object_get(j, "new"))) {
            return true;
        }
    }
    return false;
}

// Processes that do what most do are not worth a line.
static void print_processes(const json_t *report)
{
    size_t i;
    json_t *j;

    json_array_foreach(list(report, "processes"), i, j)
    {
        if (strcmp(cli_get_text(j, "uses"), "starting") == 0) {
            printf("%s is being started, and starts with what is in force\n",
                   cli_get_text(j, "process"));
        }
    }
}

static void print_report(const json_t *report)
{
    print_settings(report);
    if (json_array_size(list(report, "changed")) == 0 && !has_new_certificate(report)) {
        printf("No setting that a reload applies has changed, nor has the certificate\n");
    }
    print_processes(report);
}

// What is wrong, in the form in which compilers say it.
static void complain(const json_t *report)
{
    size_t i;
    json_t *j;

    json_array_foreach(list(report, "problems"), i, j)
    {
        unsigned line = (unsigned)cli_get_number(j, "line");

        if (line) {
            fprintf(stderr, "%s:%u:%u: %s\n", cli_get_text(j, "file"), line,
                    (unsigned)cli_get_number(j, "column"), cli_get_text(j, "text"));
        } else {
            fprintf(stderr, "%s: %s\n", cli_get_text(j, "file"), cli_get_text(j, "text"));
        }
    }
    json_array_foreach(list(report, "warnings"), i, j)
    {
        fprintf(stderr, "warning: %s\n", json_string_value(j));
    }
}

// ---- what became of it --------------------------------------------------------------------------

#define TEXT_MAX 900

// Names the processes in this state, each with what it said.
static void put_processes(const json_t *report, const char *state, bool only_with_reason,
                          struct buf *out)
{
    size_t i;
    json_t *j;

    json_array_foreach(list(report, "processes"), i, j)
    {
        const char *text = cli_get_text(j, "text");

        if (strcmp(cli_get_text(j, "uses"), state) == 0 && (text[0] || !only_with_reason)) {
            buf_printf(out, "%s%s%s%s%s", out->n ? ", " : "", cli_get_text(j, "process"),
                       text[0] ? " (" : "", text, text[0] ? ")" : "");
        }
    }
}

static void put_refused(const json_t *report, struct buf *out)
{
    struct buf stuck;

    put_processes(report, "old", true, out);
    buf_put_str(out, " cannot use the new settings: all have gone back to the old ones");
    buf_init(&stuck, TEXT_MAX);
    put_processes(report, "new", false, &stuck);
    if (stuck.n) {
        buf_printf(out, ", except %.*s; restart the server", SPAN_ARG(buf_span(&stuck)));
    }
    buf_clear(&stuck);
    put_processes(report, "silent", false, &stuck);
    if (stuck.n) {
        buf_printf(out, "; %.*s has not answered in time", SPAN_ARG(buf_span(&stuck)));
    }
    buf_finish(&stuck);
}

// Why a reload was not all that it should be: a sentence. Empty: it was.
static void put_error(const json_t *report, const char *result, struct buf *out)
{
    static const char stays[] =
        "nothing has changed, the old settings and the old certificate stay "
        "in use";

    if (strcmp(result, "bad settings") == 0) {
        buf_printf(out, "the settings file has problems: %s", stays);
    } else if (strcmp(result, "bad certificate") == 0) {
        buf_printf(out, "the certificate cannot be used: %s", stays);
    } else if (strcmp(result, "refused") == 0) {
        put_refused(report, out);
    } else if (strcmp(result, "late") == 0) {
        put_processes(report, "silent", false, out);
        buf_put_str(out, " has not answered in time; the new settings are in force, and it takes "
                         "them when it goes on, or is killed and started with them");
    } else if (strcmp(result, "done") != 0) {
        buf_printf(out, "the server could not do it (%s): %s", result, stays);
    }
}

// Takes the report.
static int tell(struct cli *c, json_t *report)
{
    const char *result = cli_get_text(report, "result");
    int code = strcmp(result, "done") == 0           ? CLI_OK
               : strcmp(result, "bad settings") == 0 ? CLI_CONFIG
                                                     : CLI_FAILED;
    struct buf error;

    buf_init(&error, TEXT_MAX);
    put_error(report, result, &error);
    if (c->json) {
        if (error.n) {
            json_object_set_new(report, "error", json_stringn(error.p, error.n));
        }
        cli_print_json(json_incref(report));
    } else {
        complain(report);
        if (strcmp(result, "late") == 0 || (code == CLI_OK && !c->quiet)) {
            print_report(report);
        }
        if (error.n) {
            cli_fail(c, (enum cli_exit)code, "%.*s", SPAN_ARG(buf_span(&error)));
        }
    }
    buf_finish(&error);
    json_decref(report);
    return code;
}

// ---- asking -------------------------------------------------------------------------------------

static int failed(struct cli *c, enum err e, const struct conf_report *file)
{
    int pid = 0;

    if (e == ERR_UNAVAILABLE && data_lock_is_taken(cli_data_dir(c), &pid)) {
        return cli_fail(c, CLI_UNAVAILABLE,
                        "keep, which passes this on to the supervisor, is not there, but process "
                        "%d uses %s: a server that is starting keep, or starts it anew. Try again, "
                        "or see its log",
                        pid, cli_data_dir(c));
    }
    if (e == ERR_UNAVAILABLE && file->count) {
        return cli_config_problems(c, file); // which say best why no server was found
    }
    if (e == ERR_UNAVAILABLE) {
        return cli_fail(c, CLI_UNAVAILABLE, "no server runs on %s", cli_data_dir(c));
    }
    if (e == ERR_DENIED) {
        return cli_fail(c, CLI_UNAVAILABLE,
                        "you may not administer the server in %s. Run this as root (sudo) or as "
                        "the user it runs as",
                        cli_data_dir(c));
    }
    if (e == ERR_TIMEOUT) {
        return cli_fail(c, CLI_UNAVAILABLE,
                        "keep, which passes this on to the supervisor, does not answer: it hangs, "
                        "and the supervisor will start it anew. Nobody knows whether the settings "
                        "were read again; the server's log says");
    }
    return cli_fail(c, CLI_UNAVAILABLE,
                    "the server went away before it had said how the reload went (%s); its log "
                    "says",
                    err_name(e));
}

// The report, or the error that the server gave: *out_report is NULL, and the code is returned.
static enum err ask(struct cli *c, struct control_client *client, int *out_code,
                    json_t **out_report)
{
    struct control_event event = {.kind = CONTROL_PROGRESS};
    json_t *args = json_object();
    enum err e =
        !c->as || json_object_set_new(args, "as", json_string(c->as)) == 0 ? ERR_OK : ERR_INVALID;

    e = e == ERR_OK ? control_request(client, "reload", args) : e;
    json_decref(args);

    control_patience(client, conf_value_ms(c->settings, SETTING_RELOAD_TIMEOUT) * 4 + RESERVE_MS);
    while (e == ERR_OK && event.kind != CONTROL_RESULT && event.kind != CONTROL_ERROR) {
        e = control_next(client, &event);
    }
    if (e == ERR_OK && event.kind == CONTROL_RESULT) {
        *out_report = json_incref(event.json);
    } else if (e == ERR_OK) {
        *out_code = cli_exit_of(cli_get_text(event.json, "code"));
        cli_fail(c, (enum cli_exit) * out_code, "%s", cli_get_text(event.json, "text"));
    }
    return e;
}

int cli_reload(struct cli *c, int argc, char **argv)
{
    struct conf_report file = {.count = 0};
    struct control_client *client = NULL;
    json_t *report = NULL;
    int code = cli_words_check(c, &argc, argv, 0, 0);

    if (code != CLI_OK) {
        return code;
    }
    bool absent = !c->config_given && access(c->config_path, F_OK) != 0;
    enum err e = absent ? conf_parse(SPAN(""), &file, &c->settings)
                        : conf_load_partly(c->config_path, &file, &c->settings);

    if (e != ERR_OK) {
        return cli_fail(c, CLI_FAILED, "there is not enough memory");
    }
    e = cli_connect(c, &client);
    if (e == ERR_OK) {
        e = ask(c, client, &code, &report);
    }
    control_disconnect(client);
    if (e != ERR_OK) {
        return failed(c, e, &file);
    }
    return report ? tell(c, report) : code;
}
