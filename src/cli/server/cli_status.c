// SPDX-License-Identifier: Apache-2.0
//
// mailkeep status.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

static void print_uptime(uint64_t s)
{
    unsigned long long d = s / 86400, h = s / 3600 % 24, m = s / 60 % 60;

    if (d > 0) {
        printf("%llu d %llu h", d, h);
    } else if (h > 0) {
        printf("%llu h %llu min", h, m);
    } else {
        printf("%llu min %llu s", m, (unsigned long long)s % 60);
    }
}

static void print_engine(const json_t *e)
{
    const char *state = cli_get_text(e, "state");

    printf("Store:      %s%s%s\n",
           strcmp(state, "ok") == 0          ? "in order"
           : strcmp(state, "full") == 0      ? "THE DISK IS FULL: reading and deleting goes on"
           : strcmp(state, "read-only") == 0 ? "READ-ONLY: writing has failed; see the log, then "
                                               "restart"
                                             : state,
           cli_get_text(e, "reason")[0] ? "; " : "", cli_get_text(e, "reason"));
    printf("Bodies:     %llu, %s", (unsigned long long)cli_get_number(e, "bodies"),
           cli_size_text(cli_get_number(e, "body_bytes")).s);
    printf("\nSegments:   %llu, %s", (unsigned long long)cli_get_number(e, "segments"),
           cli_size_text(cli_get_number(e, "segment_bytes")).s);
    printf(" (%s to be freed)\n", cli_size_text(cli_get_number(e, "dead_bytes")).s);
    printf("Commits:    %llu in %llu groups with %llu syncs since the start\n",
           (unsigned long long)cli_get_number(e, "commits"),
           (unsigned long long)cli_get_number(e, "commit_groups"),
           (unsigned long long)cli_get_number(e, "syncs"));
}

static void print_queue(const json_t *q)
{
    printf("Queue:      %llu messages to %llu recipients%s\n",
           (unsigned long long)cli_get_number(q, "messages"),
           (unsigned long long)cli_get_number(q, "recipients"),
           json_is_true(json_object_get(q, "expiry_paused"))
               ? "; VERY MUCH HAS WAITED TOO LONG: the rest is given up an hour later. Is the "
                 "clock right, and are other servers reached?"
               : "");
}

static void print_status(const json_t *s)
{
    bool running = json_is_true(json_object_get(s, "running"));

    printf("Mailkeep %s, %s", cli_get_text(s, "version"),
           running ? "running for " : "not running (looked into the store directly)");
    if (running) {
        print_uptime(cli_get_number(s, "uptime_s"));
    }
    printf("\nAccounts:   %llu in %llu domains\n",
           (unsigned long long)cli_get_number(s, "accounts"),
           (unsigned long long)cli_get_number(s, "domains"));
    if (running) {
        printf("Signed in:  %llu sessions of %llu users\n",
               (unsigned long long)cli_get_number(s, "sessions"),
               (unsigned long long)cli_get_number(s, "users"));
        printf("Logins:     %llu, and %llu that failed, since the start\n",
               (unsigned long long)cli_get_number(s, "logins"),
               (unsigned long long)cli_get_number(s, "failed_logins"));
        print_queue(json_object_get(s, "queue"));
    }
    print_engine(json_object_get(s, "engine"));
}

int cli_status(struct cli *c, int argc, char **argv)
{
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 0, 0);

    if (code == CLI_OK) {
        code = cli_link_run(c, "status", json_object(), NULL, NULL, &result);
    }
    if (code == CLI_OK && c->json) {
        cli_print_json(result);
    } else if (code == CLI_OK) {
        print_status(result);
        json_decref(result);
    }
    return code;
}
