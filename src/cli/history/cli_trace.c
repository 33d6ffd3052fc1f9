// SPDX-License-Identifier: Apache-2.0
//
// mailkeep trace: the whole way of a message, or the latest mail of an address.
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

struct tracer {
    struct cli *cli;
    char mail[20]; // printed last
    unsigned count;
};

static void print_time(const json_t *item, const char *name, const char *label)
{
    int64_t moment;

    if (cli_time_parse(cli_get_text(item, name), clock_real_s(), &moment)) {
        printf("%s%s\n", label, cli_time_text(moment).s);
    }
}

static void print_line(const json_t *item, const char *name, const char *label)
{
    const char *text = cli_get_text(item, name);
    char plain[2200];

    if (text[0]) {
        printf("%s%s\n", label, cli_plain(text, plain, sizeof(plain)));
    }
}

void cli_trace_event(const json_t *item)
{
    char plain[4200];
    int64_t moment = 0;

    cli_time_parse(cli_get_text(item, "time"), clock_real_s(), &moment);
    printf("  %s  %s\n", cli_time_text(moment).s,
           cli_plain(cli_get_text(item, "text"), plain, sizeof(plain)));
    print_line(item, "why", "      ");
    print_line(item, "advice", "      ");
    print_time(item, "not_before", "      not to leave before ");
    print_time(item, "next_try", "      next try: ");
    print_line(item, "brought_forth", "      this is mail ");
}

// A mail begins: which it is.
static void print_mail(struct tracer *t, const json_t *item)
{
    const char *mail = cli_get_text(item, "mail"), *id = cli_get_text(item, "message_id");
    char plain[1000];

    if (strcmp(mail, t->mail) == 0) {
        return;
    }
    snprintf(t->mail, sizeof(t->mail), "%s", mail);
    printf("%sMail %s", t->count++ ? "\n" : "", mail);
    if (id[0]) {
        printf(", %s", cli_plain(id, plain, sizeof(plain)));
    }
    if (cli_get_text(item, "about")[0]) {
        printf(", about mail %s", cli_get_text(item, "about"));
    }
    printf("\n");
}

static void print_listed(const json_t *item)
{
    const json_t *to = json_object_get(item, "to");
    char from[400], address[400], id[1000];
    int64_t moment = 0;

    cli_time_parse(cli_get_text(item, "time"), clock_real_s(), &moment);
    printf("%s  %-5s  from %s to ", cli_time_text(moment).s, cli_get_text(item, "direction"),
           cli_get_text(item, "from")[0] ? cli_plain(cli_get_text(item, "from"), from, sizeof(from))
                                         : "<>");
    for (size_t i = 0; i < json_array_size(to); i++) {
        printf("%s%s", i ? ", " : "",
               cli_plain(json_string_value(json_array_get(to, i)), address, sizeof(address)));
    }
    printf(": %s\n", cli_get_text(item, "result"));
    printf("    mail %s%s%s\n", cli_get_text(item, "mail"),
           cli_get_text(item, "message_id")[0] ? ", " : "",
           cli_plain(cli_get_text(item, "message_id"), id, sizeof(id)));
    print_line(item, "reply", "    ");
}

static void on_item(void *arg, const json_t *item)
{
    struct tracer *t = arg;

    if (t->cli->json) {
        cli_print_json(json_deep_copy(item));
    } else if (json_object_get(item, "event")) {
        print_mail(t, item);
        cli_trace_event(item);
    } else {
        print_listed(item);
    }
}

// --since and --limit into the arguments.
static int add_options(struct cli *c, const char *since, const char *limit, json_t *args)
{
    uint64_t n;
    int code = cli_since_put(c, since, args);

    if (code != CLI_OK) {
        return code;
    }
    if (limit && (!span_to_u64(span_from_str(limit), 1000, &n) || n == 0)) {
        return cli_fail(c, CLI_USAGE, "--limit %s: give a number from 1 to 1000", limit);
    }
    if (limit) {
        json_object_set_new(args, "limit", json_integer((json_int_t)n));
    }
    return CLI_OK;
}

int cli_trace(struct cli *c, int argc, char **argv)
{
    const char *since = cli_option(&argc, argv, "--since");
    const char *limit = cli_option(&argc, argv, "--limit");
    bool address = cli_flag(&argc, argv, "--address");
    struct tracer t = {.cli = c};
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:s, s:b}", "what", argv[1], "address", address);

    code = add_options(c, since, limit, args);
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    return cli_link_run(c, "trace", args, on_item, &t, NULL);
}
