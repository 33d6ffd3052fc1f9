// SPDX-License-Identifier: Apache-2.0
#include "cli/cli_link.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/admin_record.h"
#include "base/clock.h"
#include "cli/cli_offline.h"
#include "cli/cli_text.h"
#include "ipc/control_client.h"
#include "ipc/data_lock.h"

#include "base/banned.h"

#define OUT_BYTES_MAX  (1u << 20)
#define OUT_BYTES_SEND (48u << 10)
#define START_WAIT_MS  10000
#define LOOK_EVERY_NS  20000000

struct cli_link {
    struct cli *cli;
    struct control_client *client;
    struct cli_offline *offline; // NULL: a server
    struct admin_reader reader;
    struct buf out;
    json_t *item;    // the last one handed out
    enum err failed; // of sending
};

void cli_link_close(struct cli_link *l)
{
    if (l) {
        control_disconnect(l->client);
        cli_offline_end(l->offline);
        admin_reader_finish(&l->reader);
        buf_finish(&l->out);
        json_decref(l->item);
        free(l);
    }
}

bool cli_link_is_offline(const struct cli_link *l)
{
    return l->offline;
}

// ---- opening ------------------------------------------------------------------------------------

static int connect_failed(struct cli *c, enum err e)
{
    if (e == ERR_DENIED) {
        return cli_fail(c, CLI_UNAVAILABLE,
                        "you may not administer the server in %s. Run this as root (sudo) or as "
                        "the user it runs as",
                        cli_data_dir(c));
    }
    return cli_fail(c, CLI_UNAVAILABLE, "the server in %s does not answer: %s. See its log",
                    cli_data_dir(c), err_name(e));
}

enum err cli_connect(struct cli *c, struct control_client **out)
{
    const char *data_dir = cli_data_dir(c);
    int64_t until = clock_monotonic_ms() + START_WAIT_MS;
    enum err e = control_connect(data_dir, out);
    int pid;

    while (e == ERR_UNAVAILABLE && clock_monotonic_ms() < until &&
           data_lock_is_taken(data_dir, &pid)) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
        e = control_connect(data_dir, out);
    }
    return e;
}

static int link_connect(struct cli_link *l)
{
    enum err e = cli_connect(l->cli, &l->client);
    int code = CLI_OK;

    if (e == ERR_UNAVAILABLE) {
        int fd = -1;

        code = cli_offline_start(l->cli, &fd, &l->offline);
        e = code == CLI_OK ? control_client_adopt(fd, &l->client) : ERR_OK;
    }
    return e == ERR_OK ? code : connect_failed(l->cli, e);
}

int cli_link_open(struct cli *c, const char *operation, json_t *args, struct cli_link **out)
{
    struct cli_link *l = calloc(1, sizeof(*l));
    int code = l ? cli_settings(c) : cli_fail(c, CLI_FAILED, "there is not enough memory");

    args = args ? args : json_object();
    // Never as root instead.
    if (code == CLI_OK && c->as && json_object_set_new(args, "as", json_string(c->as)) != 0) {
        code = cli_fail(c, CLI_USAGE, "--as: this is no address");
    }
    if (code == CLI_OK) {
        l->cli = c;
        admin_reader_init(&l->reader);
        buf_init(&l->out, OUT_BYTES_MAX);
        code = link_connect(l);
    }
    if (code == CLI_OK) {
        l->failed = control_request(l->client, operation, args);
        *out = l;
    } else {
        cli_link_close(l);
    }
    json_decref(args);
    return code;
}

// ---- sending ------------------------------------------------------------------------------------

static void link_flush(struct cli_link *l)
{
    if (l->failed == ERR_OK) {
        l->failed = buf_result(&l->out);
    }
    if (l->failed == ERR_OK && l->out.n > 0) {
        l->failed = control_send_chunk(l->client, buf_span(&l->out));
    }
    buf_clear(&l->out);
}

void cli_link_send_item(struct cli_link *l, json_t *item)
{
    enum err e = item ? admin_record_put_item(&l->out, item) : ERR_NOMEM;

    json_decref(item);
    if (e != ERR_OK && l->failed == ERR_OK) {
        l->failed = e;
    }
    if (l->out.n >= OUT_BYTES_SEND) {
        link_flush(l);
    }
}

void cli_link_send_data(struct cli_link *l, struct span bytes)
{
    while (bytes.n > 0 && l->failed == ERR_OK) {
        admin_record_put(&l->out, ADMIN_DATA, span_first(bytes, ADMIN_RECORD_DATA_MAX));
        bytes = span_skip(bytes, ADMIN_RECORD_DATA_MAX);
        if (l->out.n >= OUT_BYTES_SEND) {
            link_flush(l);
        }
    }
}

void cli_link_send_end(struct cli_link *l)
{
    link_flush(l);
    if (l->failed == ERR_OK) {
        l->failed = control_send_end(l->client);
    }
}

// ---- receiving ----------------------------------------------------------------------------------

static void event_failed(struct cli_link *l, const struct control_event *e,
                         struct cli_link_event *out)
{
    const char *text = json_string_value(json_object_get(e->json, "text"));
    const char *code = json_string_value(json_object_get(e->json, "code"));

    *out = (struct cli_link_event){.kind = CLI_LINK_FAILED, .code = cli_exit_of(code)};
    cli_fail(l->cli, (enum cli_exit)out->code, "%s", text ? text : "the server refused");
}

static void event_lost(struct cli_link *l, enum err e, struct cli_link_event *out)
{
    *out = (struct cli_link_event){.kind = CLI_LINK_FAILED, .code = CLI_UNAVAILABLE};
    cli_fail(l->cli, CLI_UNAVAILABLE,
             l->offline ? "the store could not be worked on to the end (%s). What was reported as "
                          "done is done"
                        : "the server went away before the command had ended (%s). What was "
                          "reported as done is done; see its log",
             err_name(e));
}

// A whole record from what was received. False: there is none yet.
static bool event_record(struct cli_link *l, struct cli_link_event *out)
{
    enum admin_record_type type;
    struct span payload;
    enum err e = admin_reader_next(&l->reader, &type, &payload);

    if (e == ERR_AGAIN) {
        return false;
    }
    if (e == ERR_OK && type == ADMIN_DATA) {
        *out = (struct cli_link_event){.kind = CLI_LINK_DATA, .data = payload};
        return true;
    }
    json_decref(l->item);
    l->item = e == ERR_OK ? json_loadb(payload.p, payload.n, 0, NULL) : NULL;
    *out = (struct cli_link_event){.kind = CLI_LINK_ITEM, .json = l->item};
    if (!l->item) {
        event_lost(l, ERR_INVALID, out);
    }
    return true;
}

static void progress(struct cli *c, const json_t *j)
{
    const char *text = json_string_value(json_object_get(j, "text"));

    cli_progress(c, (unsigned long long)json_integer_value(json_object_get(j, "done")),
                 (unsigned long long)json_integer_value(json_object_get(j, "total")),
                 text ? text : "");
}

void cli_link_next(struct cli_link *l, struct cli_link_event *out)
{
    struct control_event event;

    link_flush(l);
    while (!event_record(l, out)) {
        enum err e = control_next(l->client, &event);

        if (e != ERR_OK) {
            event_lost(l, e, out);
            return;
        }
        if (event.kind == CONTROL_CHUNK) {
            buf_put(&l->reader.in, event.chunk);
        } else if (event.kind == CONTROL_PROGRESS) {
            progress(l->cli, event.json);
        } else if (event.kind == CONTROL_RESULT) {
            cli_progress_end(l->cli);
            *out = (struct cli_link_event){.kind = CLI_LINK_RESULT, .json = event.json};
            return;
        } else {
            event_failed(l, &event, out);
            return;
        }
    }
}

int cli_link_run(struct cli *c, const char *operation, json_t *args, cli_item_fn *on_item,
                 void *arg, json_t **out_result)
{
    struct cli_link_event event;
    struct cli_link *l;
    int code = cli_link_open(c, operation, args, &l);

    if (code != CLI_OK) {
        return code;
    }
    for (cli_link_next(l, &event); event.kind == CLI_LINK_ITEM || event.kind == CLI_LINK_DATA;
         cli_link_next(l, &event)) {
        if (event.kind == CLI_LINK_ITEM && on_item) {
            on_item(arg, event.json);
        }
    }
    if (event.kind == CLI_LINK_RESULT && out_result) {
        *out_result = json_incref(event.json);
    }
    code = event.kind == CLI_LINK_RESULT ? CLI_OK : event.code;
    cli_link_close(l);
    return code;
}

int cli_link_ask(struct cli *c, const char *operation, json_t *args, json_t **out)
{
    json_t *result = NULL;
    int code = cli_link_run(c, operation, args, NULL, NULL, &result);

    *out = NULL;
    if (code == CLI_OK && c->json) {
        cli_print_json(result);
    } else if (code == CLI_OK && c->quiet) {
        json_decref(result);
    } else if (code == CLI_OK) {
        *out = result;
    }
    return code;
}

int cli_since_put(struct cli *c, const char *since, json_t *args)
{
    int64_t moment;

    if (since && !cli_time_parse(since, clock_real_s(), &moment)) {
        return cli_fail(c, CLI_USAGE,
                        "--since %s: give a moment, like 2026-11-23, \"2026-11-23 10:12\", "
                        "yesterday or 2h",
                        since);
    }
    if (since) {
        json_object_set_new(args, "since_ms", json_integer((json_int_t)moment * 1000));
    }
    return CLI_OK;
}
