// SPDX-License-Identifier: Apache-2.0
//
// mailkeep queue list, show, retry, hold, release, remove; pause, resume, destinations.
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

// ---- in words -----------------------------------------------------------------------------------

// A moment of an item as local time; "" when it is not there.
static struct cli_time time_of(const json_t *j, const char *name)
{
    const char *text = cli_get_text(j, name);
    int64_t moment;

    if (!cli_time_parse(text, clock_real_s(), &moment)) {
        return (struct cli_time){""};
    }
    return cli_time_text(moment);
}

static void print_line(const json_t *j, const char *name, const char *label)
{
    char plain[1200];
    const char *text = cli_get_text(j, name);

    if (text[0] != '\0') {
        printf("%s%s\n", label, cli_plain(text, plain, sizeof(plain)));
    }
}

static void print_time(const json_t *j, const char *name, const char *label)
{
    struct cli_time t = time_of(j, name);

    if (t.s[0] != '\0') {
        printf("%s%s\n", label, t.s);
    }
}

static const char *sender_of(const json_t *j, char *room, size_t size)
{
    const char *from = cli_get_text(j, "from");

    return from[0] ? cli_plain(from, room, size) : "<> (a notice)";
}

// One recipient, as a person reads it.
static void print_recipient(const json_t *item)
{
    char plain[400];

    printf("  to %s: %s\n", cli_plain(cli_get_text(item, "to"), plain, sizeof(plain)),
           cli_get_text(item, "state"));
    print_line(item, "why", "    ");
    print_line(item, "advice", "    ");
    print_line(item, "host", "    asked:     ");
    print_line(item, "reply", "    answer:    ");
    if (cli_get_number(item, "attempts") > 0) {
        printf("    tried:     %llu times, last %s\n",
               (unsigned long long)cli_get_number(item, "attempts"), time_of(item, "last_try").s);
    }
    print_time(item, "next_try", "    next try:  ");
    const json_t *history = json_object_get(item, "history");

    for (size_t i = 0; i < json_array_size(history); i++) {
        cli_trace_event(json_array_get(history, i));
    }
}

// ---- list and show ------------------------------------------------------------------------------

struct lister {
    struct cli *cli;
    char id[20]; // of the message printed last
    unsigned long long messages, recipients;
};

static void on_listed(void *arg, const json_t *item)
{
    struct lister *l = arg;
    const char *id = cli_get_text(item, "id");
    char plain[400];

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    if (strcmp(id, l->id) != 0) {
        printf("%s%s  from %s, %s, since %s\n", l->messages ? "\n" : "", id,
               sender_of(item, plain, sizeof(plain)),
               cli_size_text(cli_get_number(item, "bytes")).s, time_of(item, "since").s);
        snprintf(l->id, sizeof(l->id), "%s", id);
        l->messages++;
    }
    print_recipient(item);
    l->recipients++;
}

// --to, --from, --state into the arguments.
static json_t *filters(int *argc, char **argv)
{
    const char *to = cli_option(argc, argv, "--to"), *from = cli_option(argc, argv, "--from");
    json_t *args = json_object();

    if (to) {
        json_object_set_new(args, "to", json_string(to));
    }
    if (from) {
        json_object_set_new(args, "from", json_string(from));
    }
    return args;
}

int cli_queue_list(struct cli *c, int argc, char **argv)
{
    struct lister l = {.cli = c};
    json_t *args = filters(&argc, argv);

    if (cli_flag(&argc, argv, "--held")) {
        json_object_set_new(args, "state", json_string("held"));
    }
    if (cli_flag(&argc, argv, "--history")) {
        json_object_set_new(args, "history", json_true());
    }
    int code = cli_words_check(c, &argc, argv, 0, 0);

    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    code = cli_link_run(c, "queue list", args, on_listed, &l, NULL);
    if (code == CLI_OK && !c->json && !c->quiet) {
        if (l.messages == 0) {
            printf("Nothing waits.\n");
        } else {
            printf("\n%llu %s to %llu %s.\n", l.messages, l.messages == 1 ? "message" : "messages",
                   l.recipients, l.recipients == 1 ? "recipient" : "recipients");
        }
    }
    return code;
}

static void on_shown(void *arg, const json_t *item)
{
    json_array_append_new(arg, json_deep_copy(item));
}

static void print_message(const json_t *m)
{
    char plain[400];

    printf("%s\n", cli_get_text(m, "id"));
    printf("from:        %s\n", sender_of(m, plain, sizeof(plain)));
    print_line(m, "account", "account:     ");
    print_line(m, "device", "device:      ");
    print_line(m, "origin", "sent from:   ");
    print_line(m, "message_id", "Message-ID:  ");
    printf("size:        %s\n", cli_size_text(cli_get_number(m, "bytes")).s);
    print_time(m, "since", "since:       ");
    print_time(m, "expires", "given up at: ");
}

int cli_queue_show(struct cli *c, int argc, char **argv)
{
    json_t *recipients = json_array(), *result = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK) {
        code = cli_link_run(c, "queue show", json_pack("{s:s}", "id", argv[1]), on_shown,
                            recipients, &result);
    }
    if (code == CLI_OK && c->json) {
        json_object_set(result, "recipients", recipients);
        cli_print_json(result);
    } else if (code == CLI_OK) {
        print_message(result);
        for (size_t i = 0; i < json_array_size(recipients); i++) {
            print_recipient(json_array_get(recipients, i));
        }
        json_decref(result);
    }
    json_decref(recipients);
    return code;
}

// ---- acting -------------------------------------------------------------------------------------

struct verb {
    const char *operation, *done;
};

static int act_once(struct cli *c, const struct verb *v, json_t *args, json_t *sum)
{
    json_t *result = NULL;
    int code = cli_link_run(c, v->operation, args, NULL, NULL, &result);

    if (code == CLI_OK) {
        json_object_set_new(sum, "messages",
                            json_integer((json_int_t)(cli_get_number(sum, "messages") +
                                                      cli_get_number(result, "messages"))));
        json_object_set_new(sum, "recipients",
                            json_integer((json_int_t)(cli_get_number(sum, "recipients") +
                                                      cli_get_number(result, "recipients"))));
        json_decref(result);
    }
    return code;
}

// The messages named, or all that fit the options.
static int act_each(struct cli *c, const struct verb *v, int argc, char **argv, json_t *args,
                    json_t *sum)
{
    int code = argc == 1 ? act_once(c, v, json_incref(args), sum) : CLI_OK;

    for (int i = 1; i < argc && code == CLI_OK; i++) {
        json_object_set_new(args, "id", json_string(argv[i]));
        code = act_once(c, v, json_incref(args), sum);
    }
    return code;
}

static int act(struct cli *c, int argc, char **argv, const struct verb *v, json_t *args)
{
    bool all = cli_flag(&argc, argv, "--all");
    json_t *sum = json_object();
    int code = cli_words_check(c, &argc, argv, 0, 1000);

    if (all) {
        json_object_set_new(args, "all", json_true());
    }
    if (code == CLI_OK && argc == 1 && json_object_size(args) == 0) {
        code = cli_usage(c);
    }
    if (code == CLI_OK) {
        code = act_each(c, v, argc, argv, args, sum);
    }
    json_decref(args);
    if (code == CLI_OK && c->json) {
        cli_print_json(sum);
        return code;
    }
    if (code == CLI_OK && !c->quiet) {
        unsigned long long n = cli_get_number(sum, "recipients"),
                           m = cli_get_number(sum, "messages");

        printf("%llu %s of %llu %s %s.\n", n, n == 1 ? "recipient" : "recipients", m,
               m == 1 ? "message" : "messages", v->done);
    }
    json_decref(sum);
    return code;
}

int cli_queue_retry(struct cli *c, int argc, char **argv)
{
    static const struct verb v = {"queue retry", "will be tried now"};

    return act(c, argc, argv, &v, filters(&argc, argv));
}

int cli_queue_hold(struct cli *c, int argc, char **argv)
{
    static const struct verb v = {"queue hold", "held until released"};

    return act(c, argc, argv, &v, filters(&argc, argv));
}

int cli_queue_release(struct cli *c, int argc, char **argv)
{
    static const struct verb v = {"queue release", "released"};

    return act(c, argc, argv, &v, filters(&argc, argv));
}

int cli_queue_remove(struct cli *c, int argc, char **argv)
{
    static const struct verb quiet = {"queue remove", "removed; their senders are not told"},
                             told = {"queue remove", "given up; their senders will be told"};
    bool notify = cli_flag(&argc, argv, "--notify"), yes = cli_flag(&argc, argv, "--yes");
    json_t *args = filters(&argc, argv);
    bool many = argc == 1 || (argc == 2 && strcmp(argv[1], "--all") == 0);

    if (many && !yes) {
        json_decref(args);
        return cli_fail(c, CLI_USAGE,
                        "this removes mail that others wait for. To say that this is meant, name "
                        "the messages or add --yes; `mailkeep queue list` with the same options "
                        "shows them");
    }
    if (notify) {
        // No filter of its own: `act` still wants to know which.
        if (argc == 1 && json_object_size(args) == 0) {
            json_decref(args);
            return cli_usage(c);
        }
        json_object_set_new(args, "notify", json_true());
    }
    return act(c, argc, argv, notify ? &told : &quiet, args);
}

// ---- destinations -------------------------------------------------------------------------------

static int change_destination(struct cli *c, const char *operation, json_t *args, const char *done)
{
    json_t *result;
    int code = cli_link_ask(c, operation, args, &result);
    char plain[300];

    if (result) {
        printf("Mail to %s %s.\n",
               cli_plain(cli_get_text(result, "destination"), plain, sizeof(plain)), done);
    }
    json_decref(result);
    return code;
}

int cli_queue_pause(struct cli *c, int argc, char **argv)
{
    const char *reason = cli_option(&argc, argv, "--reason");
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    return change_destination(
        c, "queue pause",
        json_pack("{s:s, s:s}", "destination", argv[1], "reason", reason ? reason : ""),
        "waits until resumed");
}

int cli_queue_resume(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 1, 1);

    return code == CLI_OK
               ? change_destination(c, "queue resume", json_pack("{s:s}", "destination", argv[1]),
                                    "goes on")
               : code;
}

struct destination_lister {
    struct cli *cli;
    struct cli_table *table;
};

static void on_destination(void *arg, const json_t *item)
{
    struct destination_lister *l = arg;
    char number[24], why[600], name[300];

    if (l->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    snprintf(number, sizeof(number), "%llu", (unsigned long long)cli_get_number(item, "running"));
    cli_table_cell(l->table, cli_plain(cli_get_text(item, "destination"), name, sizeof(name)));
    cli_table_cell(l->table, number);
    cli_table_cell(l->table, cli_plain(cli_get_text(item, "why"), why, sizeof(why)));
}

int cli_queue_destinations(struct cli *c, int argc, char **argv)
{
    static const char *const heads[] = {"DESTINATION", ">SENDING", "STATE", NULL};
    struct destination_lister l = {c, NULL};
    int code = cli_words_check(c, &argc, argv, 0, 0);

    if (code == CLI_OK) {
        l.table = cli_table_create(heads);
        code = cli_link_run(c, "queue destinations", json_object(), on_destination, &l, NULL);
        cli_table_print(l.table);
    }
    return code;
}
