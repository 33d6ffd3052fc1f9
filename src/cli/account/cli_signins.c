// SPDX-License-Identifier: Apache-2.0
//
// mailkeep account signins: who signed in, when, how and from where, in plain words.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

struct signins {
    struct cli *cli;
    bool any;
};

static const char *service_words(const char *service)
{
    static const struct {
        const char *name, *words;
    } all[] = {{"imap", "by IMAP"}, {"submission", "to send mail"},
               {"pop3", "by POP3"}, {"sieve", "to change rules (ManageSieve)"},
               {"jmap", "by JMAP"}, {"web", "on the web"}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i].name, service) == 0) {
            return all[i].words;
        }
    }
    return service;
}

static void print_times(unsigned long long count, const char *one, const char *many)
{
    if (count == 1) {
        printf("%s", one);
    } else {
        printf("%s %llu times", many, count);
    }
}

static void print_how(const json_t *item)
{
    const char *name = cli_get_text(item, "device_name");
    const char *country = cli_get_text(item, "country_name");
    char opened_by[512], client[512], network[128], device_name[100], country_name[400];
    unsigned long long device = cli_get_number(item, "device");

    cli_plain(cli_get_text(item, "opened_by"), opened_by, sizeof(opened_by));
    cli_plain(cli_get_text(item, "client"), client, sizeof(client));
    cli_plain(cli_get_text(item, "network"), network, sizeof(network));
    if (opened_by[0]) {
        printf(" by %s, another who opened the account,", opened_by);
    }
    printf(" %s from %s", service_words(cli_get_text(item, "service")),
           network[0] ? network : "many other networks");
    if (!country[0]) {
        country = cli_get_text(item, "country");
    }
    if (country[0]) {
        printf(" in %s", cli_plain(country, country_name, sizeof(country_name)));
    }
    if (client[0]) {
        printf(" with %s", client);
    }
    if (device && name[0]) {
        printf(" (%s)", cli_plain(name, device_name, sizeof(device_name)));
    } else if (device) {
        printf(" (device %llu, removed since)", device);
    }
}

static void on_row(void *arg, const json_t *item)
{
    struct signins *s = arg;
    int64_t first = (int64_t)cli_get_number(item, "first_ms") / 1000,
            last = (int64_t)cli_get_number(item, "last_ms") / 1000;
    unsigned long long count = cli_get_number(item, "count"),
                       failures = cli_get_number(item, "failures");

    s->any = true;
    if (s->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    printf("%s", cli_time_text(first).s);
    if (last != first) {
        printf(" to %s", cli_time_text(last).s + 11); // of the same day: the hour is enough
    }
    printf("  ");
    if (count) {
        print_times(count, "signed in", "signed in");
    }
    if (failures) {
        printf("%s", count ? ", and " : "");
        print_times(failures, "failed", "failed");
    }
    print_how(item);
    putchar('\n');
}

int cli_account_signins(struct cli *c, int argc, char **argv)
{
    const char *since = cli_option(&argc, argv, "--since");
    struct signins s = {.cli = c};
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:s}", "account", argv[1]);

    code = cli_since_put(c, since, args);
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    code = cli_link_run(c, "account signins", args, on_row, &s, NULL);
    if (code == CLI_OK && !s.any && !c->json) {
        printf("Nobody has signed in%s, or tried to.\n", since ? " since then" : " lately");
    }
    return code;
}
