// SPDX-License-Identifier: Apache-2.0
//
// mailkeep account device add, list, set, block, unblock, remove.
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

// "imap,smtp" as an array.
static json_t *list_of(const char *text)
{
    json_t *list = json_array();
    struct span rest = span_from_str(text);

    while (rest.n) {
        struct span one = span_first(rest, span_find_byte(rest, ','));

        rest = span_skip(rest, one.n + 1);
        one = span_trim(one);
        if (one.n) {
            json_array_append_new(list, json_stringn(one.p, one.n));
        }
    }
    return list;
}

struct options {
    const char *services, *networks, *until, *certificate;
    bool read_only, read_write;
};

static void take_options(struct options *o, int *argc, char **argv)
{
    o->services = cli_option(argc, argv, "--for");
    o->networks = cli_option(argc, argv, "--from");
    o->until = cli_option(argc, argv, "--until");
    o->certificate = NULL;
    o->read_only = cli_flag(argc, argv, "--read-only");
    o->read_write = cli_flag(argc, argv, "--read-write");
}

static int put_options(struct cli *c, const struct options *o, json_t *args)
{
    int64_t until = 0;

    if (o->services) {
        json_object_set_new(args, "for", list_of(o->services));
    }
    if (o->certificate) {
        json_object_set_new(args, "certificate_sha256", json_string(o->certificate));
    }
    if (o->networks) {
        json_object_set_new(args, "networks",
                            strcmp(o->networks, "anywhere") == 0 ? json_array()
                                                                 : list_of(o->networks));
    }
    if (o->read_only || o->read_write) {
        json_object_set_new(args, "read_only", json_boolean(o->read_only));
    }
    if (!o->until) {
        return CLI_OK;
    }
    if (strcmp(o->until, "none") != 0 && !cli_time_parse(o->until, clock_real_s(), &until)) {
        return cli_fail(c, CLI_USAGE,
                        "--until %s: give a day like 2027-01-31, a day and a time, or none",
                        o->until);
    }
    json_object_set_new(args, "until", until ? json_integer((json_int_t)until) : json_null());
    return CLI_OK;
}

static int run_on_device(struct cli *c, const char *operation, char **argv, const struct options *o,
                         json_t **out)
{
    json_t *args = json_pack("{s:s, s:s}", "account", argv[1], "device", argv[2]);
    int code = o ? put_options(c, o, args) : CLI_OK;

    *out = NULL;
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    return cli_link_ask(c, operation, args, out);
}

// ---- add, list, set -----------------------------------------------------------------------------

int cli_device_add(struct cli *c, int argc, char **argv)
{
    struct options o;
    json_t *result;

    take_options(&o, &argc, argv);
    o.certificate = cli_option(&argc, argv, "--certificate-sha256");
    int code = cli_words_check(c, &argc, argv, 2, 2);

    code = code == CLI_OK ? run_on_device(c, "account device add", argv, &o, &result) : code;
    if (code == CLI_OK && result && !json_object_get(result, "password")) {
        char plain[100];

        printf("The device \"%s\" of %s signs in by its certificate (SASL EXTERNAL).\n",
               cli_plain(cli_get_text(result, "device"), plain, sizeof(plain)),
               cli_get_text(result, "account"));
        json_decref(result);
    } else if (code == CLI_OK && result) {
        char plain[100];

        printf("The password for the device \"%s\" of %s:\n\n    %s\n\n"
               "It is shown this once. Put it into the device's mail program as the password; the "
               "name is the address as before.\n",
               cli_plain(cli_get_text(result, "device"), plain, sizeof(plain)),
               cli_get_text(result, "account"), cli_get_text(result, "password"));
        json_decref(result);
    }
    return code;
}

static void join(const json_t *list, char *into, size_t size)
{
    size_t n = 0;

    into[0] = '\0';
    for (size_t i = 0; i < json_array_size(list) && n < size; i++) {
        int wrote = snprintf(into + n, size - n, "%s%s", i ? "," : "",
                             json_string_value(json_array_get(list, i)));

        n += wrote > 0 ? (size_t)wrote : 0;
    }
}

static void on_device(void *arg, const json_t *item)
{
    struct cli_table *t = arg;
    char text[256], plain[300];
    int64_t when = 0;

    cli_table_cell(t, cli_plain(cli_get_text(item, "device"), plain, sizeof(plain)));
    cli_table_cell(t, json_is_true(json_object_get(item, "is_over")) ? "over"
                                                                     : cli_get_text(item, "state"));
    join(json_object_get(item, "for"), text, sizeof(text));
    snprintf(plain, sizeof(plain), "%s%s", text,
             json_is_true(json_object_get(item, "read_only")) ? ", reading only" : "");
    cli_table_cell(t, plain);
    join(json_object_get(item, "networks"), text, sizeof(text));
    cli_table_cell(t, text[0] ? text : "anywhere");
    cli_time_parse(cli_get_text(item, "created"), clock_real_s(), &when);
    cli_table_cell(t, cli_time_text(when).s);
    when = 0;
    cli_time_parse(cli_get_text(item, "until"), clock_real_s(), &when);
    cli_table_cell(t, when ? cli_time_text(when).s : "");
}

static void print_item(void *arg, const json_t *item)
{
    (void)arg;
    cli_print_json(json_deep_copy(item));
}

int cli_device_list(struct cli *c, int argc, char **argv)
{
    static const char *const heads[] = {"device", "state", "for", "from", "added", "until", NULL};
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    struct cli_table *t = c->json ? NULL : cli_table_create(heads);

    code = cli_link_run(c, "account device list", json_pack("{s:s}", "account", argv[1]),
                        c->json ? print_item : on_device, t, &result);
    if (code == CLI_OK && !c->json && cli_get_number(result, "devices") == 0) {
        printf("%s has no devices: everything signs in with its own password.\n",
               cli_get_text(result, "account"));
    } else if (code == CLI_OK) {
        cli_table_print(t);
    }
    json_decref(result);
    return code;
}

static void say(const json_t *result, const char *done)
{
    unsigned long long ended = cli_get_number(result, "sessions_ended"),
                       held = cli_get_number(result, "messages_held");
    char plain[100];

    printf("The device \"%s\" of %s %s.\n",
           cli_plain(cli_get_text(result, "device"), plain, sizeof(plain)),
           cli_get_text(result, "account"), done);
    if (ended) {
        printf("%llu open session%s ended.\n", ended, ended == 1 ? " was" : "s were");
    }
    if (held) {
        printf("%llu message%s that it has sent %s held. Look at them with: mailkeep queue list\n",
               held, held == 1 ? "" : "s", held == 1 ? "is" : "are");
    }
}

int cli_device_set(struct cli *c, int argc, char **argv)
{
    const char *name = cli_option(&argc, argv, "--name");
    struct options o;
    json_t *result = NULL;

    take_options(&o, &argc, argv);
    int code = cli_words_check(c, &argc, argv, 2, 2);

    if (code != CLI_OK) {
        return code;
    }
    if (!name && !o.services && !o.networks && !o.until && !o.read_only && !o.read_write) {
        return cli_usage(c);
    }
    json_t *args = json_pack("{s:s, s:s}", "account", argv[1], "device", argv[2]);

    if (name) {
        json_object_set_new(args, "to", json_string(name));
    }
    code = put_options(c, &o, args);
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    code = cli_link_ask(c, "account device set", args, &result);
    if (code == CLI_OK && result) {
        say(result, "is set");
        json_decref(result);
    }
    return code;
}

// ---- block, unblock, remove ---------------------------------------------------------------------

static int change(struct cli *c, int argc, char **argv, const char *operation, const char *done)
{
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 2, 2);

    code = code == CLI_OK ? run_on_device(c, operation, argv, NULL, &result) : code;
    if (code == CLI_OK && result) {
        say(result, done);
        json_decref(result);
    }
    return code;
}

int cli_device_block(struct cli *c, int argc, char **argv)
{
    return change(c, argc, argv, "account device block",
                  "is blocked: nothing gets in with its password");
}

int cli_device_unblock(struct cli *c, int argc, char **argv)
{
    return change(c, argc, argv, "account device unblock", "may sign in again");
}

int cli_device_remove(struct cli *c, int argc, char **argv)
{
    return change(c, argc, argv, "account device remove",
                  "is removed; what it did stays in the history");
}
