// SPDX-License-Identifier: Apache-2.0
//
// Shows the message on standard input to one filter: filter-tool "milter 127.0.0.1:8891" SENDER
// RECIPIENT... Prints what it says, one line each.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "courier/filter/milter_client.h"
#include "courier/filter/rspamd_client.h"
#include "courier/https/https.h"
#include "supervisor/supervisor_internal.h"

#define TIME_MS 30000

static struct settings *settings; // with the one filter in them

// As the supervisor does for the courier.
static enum err ask_connection(void *arg, uint8_t place, int fd)
{
    (void)arg;
    socket_hand_out(settings, place, fd);
    return ERR_OK;
}

static enum err read_settings(const char *filter)
{
    struct conf_report report;
    char text[600];

    snprintf(text, sizeof(text), "filters = [\"%s\"]\n", filter);
    return conf_parse(span_from_str(text), &report, &settings);
}

static void print_result(enum err e, const struct filter_result *r)
{
    printf("result %s\naction %d\ncode %u\nenhanced %s\ntext %s\nsubject %d %.*s\nwords %.*s\n",
           err_name(e), (int)r->action, r->code, r->enhanced, r->text, r->has_subject,
           SPAN_ARG(buf_span(&r->subject)), SPAN_ARG(buf_span(&r->words)));
    printf("lines\n%.*s", SPAN_ARG(buf_span(&r->lines)));
}

static void read_input(struct buf *out)
{
    char *at;
    ssize_t n;

    while ((at = buf_reserve(out, 65536)) != NULL && (n = read(STDIN_FILENO, at, 65536)) > 0) {
        out->n += (size_t)n;
    }
}

int main(int argc, char **argv)
{
    static struct filter_message m;
    static atomic_bool is_stopping;
    struct filter_limits limits = {clock_monotonic_ms() + TIME_MS, &is_stopping, ask_connection,
                                   NULL};
    struct filter_result r;
    struct filter f;
    struct buf message;

    if (argc < 3 || filter_parse(span_from_str(argv[1]), &f) != ERR_OK ||
        read_settings(argv[1]) != ERR_OK || https_init() != ERR_OK) {
        fprintf(stderr, "usage: filter-tool FILTER SENDER RECIPIENT... <MESSAGE\n");
        return 2;
    }
    buf_init(&message, 64u << 20);
    read_input(&message);
    filter_result_init(&r);
    m.server_name = SPAN("mx.example.net");
    m.remote = SPAN("192.0.2.1");
    m.remote_port = 4025;
    m.helo = SPAN("mail.example.org");
    m.sender = span_from_str(argv[2]);
    m.bytes = buf_span(&message);
    for (int i = 3; i < argc && m.recipient_count < FILTER_RCPTS_MAX; i++) {
        m.recipients[m.recipient_count++] = span_from_str(argv[i]);
    }
    print_result(f.kind == FILTER_MILTER ? milter_client_run(&f, &m, &limits, &r)
                                         : rspamd_client_run(&f, &m, &limits, &r),
                 &r);
    filter_result_finish(&r);
    settings_unref(settings);
    buf_finish(&message);
    return 0;
}
