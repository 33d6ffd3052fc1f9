// SPDX-License-Identifier: Apache-2.0
//
// mailbench: a load generator for IMAP servers, to compare them. Prints one JSON line a row and
// ends with 3 when an answer was wrong. See --help; tests/bench/run drives it.
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"

struct options opt = {.label = "server",
                      .host = "127.0.0.1",
                      .user = "u",
                      .password = "pass",
                      .box = "INBOX",
                      .port = 143,
                      .connections = 16,
                      .first_user = 1,
                      .users = 16,
                      .watchers = 2000,
                      .trials = 20,
                      .batch = 100,
                      .range = 10000,
                      .settle_ms = 2000,
                      .smtp_port = 25,
                      .sink_port = 2525,
                      .recipients = 1,
                      .notify = 500,
                      .boxes = 5,
                      .domain = "@bench.example",
                      .count = 5000,
                      .size = 4000,
                      .seconds = 20};

static const struct {
    const char *name;
    void (*run)(void);
    const char *help;
} measures[] = {
    {"append", measure_append, "APPEND of --count messages over --connections"},
    {"login", measure_login, "connect, LOGIN, LOGOUT; --count times, --connections at a time"},
    {"mixed", measure_mixed, "a mixed day of --connections clients for --seconds"},
    {"big", measure_big, "a mailbox of --count messages; --only open,fetch,search,resync,change"},
    {"smtp", measure_smtp,
     "--count messages to --recipients of --users each over --connections; --lmtp; --slow N "
     "others"},
    {"drain", measure_drain,
     "--count messages into a queue held by --hold-command, then out to a sink on --sink-port"},
    {"idle", measure_idle, "--watchers in IDLE over --users accounts; memory and latency"},
    {"crowd", measure_crowd,
     "--watchers in IDLE and --notify with NOTIFY over --users accounts of --boxes mailboxes, "
     "while "
     "--connections writers deliver --count"},
    {"notify", measure_notify, "--notify with NOTIFY on one account of --boxes mailboxes; latency"},
};

enum {
    O_LABEL = 256,
    O_HOST,
    O_PORT,
    O_USER,
    O_PASSWORD,
    O_BOX,
    O_PID,
    O_RESTART,
    O_ONLY,
    O_CONNECTIONS,
    O_FIRST,
    O_USERS,
    O_WATCHERS,
    O_TRIALS,
    O_BATCH,
    O_RANGE,
    O_COUNT,
    O_SIZE,
    O_SECONDS,
    O_SETTLE,
    O_SMTP_PORT,
    O_SINK_PORT,
    O_FROM,
    O_HOLD,
    O_RELEASE,
    O_RECIPIENTS,
    O_SLOW,
    O_NOTIFY,
    O_BOXES,
    O_DOMAIN,
    O_LMTP,
    O_TLS,
    O_DROP
};
static const struct option long_options[] = {{"label", 1, 0, O_LABEL},
                                             {"host", 1, 0, O_HOST},
                                             {"port", 1, 0, O_PORT},
                                             {"user", 1, 0, O_USER},
                                             {"password", 1, 0, O_PASSWORD},
                                             {"box", 1, 0, O_BOX},
                                             {"pid-command", 1, 0, O_PID},
                                             {"restart-command", 1, 0, O_RESTART},
                                             {"only", 1, 0, O_ONLY},
                                             {"connections", 1, 0, O_CONNECTIONS},
                                             {"first-user", 1, 0, O_FIRST},
                                             {"users", 1, 0, O_USERS},
                                             {"watchers", 1, 0, O_WATCHERS},
                                             {"trials", 1, 0, O_TRIALS},
                                             {"batch", 1, 0, O_BATCH},
                                             {"range", 1, 0, O_RANGE},
                                             {"count", 1, 0, O_COUNT},
                                             {"size", 1, 0, O_SIZE},
                                             {"seconds", 1, 0, O_SECONDS},
                                             {"settle-ms", 1, 0, O_SETTLE},
                                             {"smtp-port", 1, 0, O_SMTP_PORT},
                                             {"sink-port", 1, 0, O_SINK_PORT},
                                             {"from", 1, 0, O_FROM},
                                             {"hold-command", 1, 0, O_HOLD},
                                             {"release-command", 1, 0, O_RELEASE},
                                             {"recipients", 1, 0, O_RECIPIENTS},
                                             {"slow", 1, 0, O_SLOW},
                                             {"notify", 1, 0, O_NOTIFY},
                                             {"boxes", 1, 0, O_BOXES},
                                             {"domain", 1, 0, O_DOMAIN},
                                             {"lmtp", 0, 0, O_LMTP},
                                             {"tls", 0, 0, O_TLS},
                                             {"drop-caches", 0, 0, O_DROP},
                                             {0, 0, 0, 0}};

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: mailbench MEASURE [--option value ...]\n");
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        fprintf(stderr, "  %-7s %s\n", measures[i].name, measures[i].help);
    fprintf(stderr, "options:");
    for (const struct option *o = long_options; o->name; o++)
        fprintf(stderr, " --%s", o->name);
    fputc('\n', stderr);
    exit(2);
}

static bool text_option(int o, const char *v)
{
    const char **to = o == O_LABEL      ? &opt.label
                      : o == O_HOST     ? &opt.host
                      : o == O_USER     ? &opt.user
                      : o == O_PASSWORD ? &opt.password
                      : o == O_BOX      ? &opt.box
                      : o == O_PID      ? &opt.pid_command
                      : o == O_RESTART  ? &opt.restart_command
                      : o == O_ONLY     ? &opt.only
                      : o == O_DOMAIN   ? &opt.domain
                      : o == O_FROM     ? &opt.from
                      : o == O_HOLD     ? &opt.hold_command
                      : o == O_RELEASE  ? &opt.release_command
                                        : NULL;
    if (to)
        *to = v;
    return to != NULL;
}

static bool number_option(int o, long v)
{
    int *to = o == O_PORT          ? &opt.port
              : o == O_CONNECTIONS ? &opt.connections
              : o == O_FIRST       ? &opt.first_user
              : o == O_USERS       ? &opt.users
              : o == O_WATCHERS    ? &opt.watchers
              : o == O_TRIALS      ? &opt.trials
              : o == O_BATCH       ? &opt.batch
              : o == O_RANGE       ? &opt.range
              : o == O_SETTLE      ? &opt.settle_ms
              : o == O_SMTP_PORT   ? &opt.smtp_port
              : o == O_SINK_PORT   ? &opt.sink_port
              : o == O_RECIPIENTS  ? &opt.recipients
              : o == O_SLOW        ? &opt.slow
              : o == O_NOTIFY      ? &opt.notify
              : o == O_BOXES       ? &opt.boxes
                                   : NULL;
    if (v <= 0)
        fail("an option wants a number above 0");
    if (to)
        *to = (int)v;
    else if (o == O_COUNT)
        opt.count = v;
    else if (o == O_SIZE)
        opt.size = v;
    else if (o == O_SECONDS)
        opt.seconds = (double)v;
    else
        return false;
    return true;
}

static void many_descriptors(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        usage();
    const char *name = argv[1];
    argv[1] = argv[0];
    for (int o; (o = getopt_long(argc - 1, argv + 1, "", long_options, NULL)) != -1;) {
        if (o == O_DROP)
            opt.drop_caches = true;
        else if (o == O_LMTP)
            opt.lmtp = true;
        else if (o == O_TLS)
            opt.tls = true;
        else if (o == '?' || (!text_option(o, optarg) && !number_option(o, atol(optarg))))
            usage();
    }
    signal(SIGPIPE, SIG_IGN);
    many_descriptors();
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        if (strcmp(measures[i].name, name) == 0) {
            measures[i].run();
            return rows_wrong ? 3 : 0;
        }
    usage();
}
