// SPDX-License-Identifier: Apache-2.0
//
// The machine that drives one session: takes lines off the input, runs them one after the other.
#include "keep/pop3/pop3_session.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/pop3/pop3_session_internal.h"

#include "base/banned.h"

#define RUN_US 20000 // how long one run may go on before others get their turn

enum progress { GO_ON, WAIT_INPUT, OVER };

// ---- the server ---------------------------------------------------------------------------------

void pop3_server_options_default(struct pop3_server_options *o)
{
    *o = (struct pop3_server_options){
        .mark_seen = true, .idle_timeout_s = 600, .bad_commands_max = 20};
}

struct pop3_server_options pop3_server_options_of(const struct settings *s)
{
    struct pop3_server_options o;

    pop3_server_options_default(&o);
    o.delete_to_trash = span_eq(conf_value_choice_text(s, SETTING_POP3_DELETE), SPAN("trash"));
    o.mark_seen = conf_value_bool(s, SETTING_POP3_MARK_SEEN);
    return o;
}

enum err pop3_server_create(struct store *store, const struct pop3_server_options *o,
                            struct pop3_server **out)
{
    struct pop3_server *server = calloc(1, sizeof(*server));

    if (!server) {
        return ERR_NOMEM;
    }
    server->store = store;
    server->options = *o;
    lock_init(&server->lock, LOCK_LEAF);
    *out = server;
    return ERR_OK;
}

void pop3_server_set_options(struct pop3_server *server, const struct pop3_server_options *o)
{
    lock_take(&server->lock);
    server->options = *o;
    lock_release(&server->lock);
}

void pop3_server_destroy(struct pop3_server *server)
{
    if (server) {
        lock_finish(&server->lock);
        free(server);
    }
}

struct pop3_server_options pop3_options_of(const struct pop3_session *s)
{
    lock_take(&s->server->lock);
    struct pop3_server_options o = s->server->options;

    lock_release(&s->server->lock);
    return o;
}

// ---- start and end ------------------------------------------------------------------------------

static enum err session_create(void *server, const struct session_start *start,
                               const struct session_io *io, void *io_arg, void **out)
{
    struct pop3_session *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    s->server = server;
    s->io = io;
    s->io_arg = io_arg;
    s->account = start->account;
    s->device = start->device;
    session_meter_init(&s->meter, start, &s->device);
    span_copy_text(start->user, s->user, sizeof(s->user));
    span_copy_text(start->remote, s->origin, sizeof(s->origin));
    s->heard_ms = clock_monotonic_ms();
    *out = s;
    return ERR_OK;
}

void pop3_meter_tell(struct pop3_session *s)
{
    session_meter_tell(&s->meter, SPAN("POP3"), span_from_str(s->origin));
}

static void session_destroy(void *session)
{
    struct pop3_session *s = session;

    pop3_meter_tell(s);
    pop3_update_seen(s);
    pop3_list_finish(&s->list);
    free(s);
}

struct actor pop3_actor(const struct pop3_session *s)
{
    return session_actor(&s->device, SPAN("POP3"), span_from_str(s->origin));
}

// ---- answers ------------------------------------------------------------------------------------

void pop3_say_ok(struct pop3_session *s, const char *text)
{
    pop3_ok_put(s->out, span_from_str(text), true);
}

void pop3_say_err(struct pop3_session *s, const char *code, const char *text)
{
    pop3_err_put(s->out, code, span_from_str(text), true);
}

enum pop3_step pop3_say_failure(struct pop3_session *s, enum err e)
{
    log_warn("pop3: %s: %s", s->user, err_name(e));
    pop3_say_err(s, "SYS/TEMP", "The server is short of something; try again later");
    return POP3_STEP_DONE;
}

static enum progress say_last(struct pop3_session *s, const char *code, const char *text)
{
    pop3_say_err(s, code, text);
    s->phase = POP3_PHASE_OVER;
    return OVER;
}

// ---- the machine --------------------------------------------------------------------------------

static enum progress mailbox_open(struct pop3_session *s)
{
    enum err e = pop3_list_open(s->server->store, s->account, &s->list);

    if (e) {
        pop3_say_failure(s, e);
        s->phase = POP3_PHASE_OVER;
        return OVER;
    }
    pop3_say_ok(s, "Logged in");
    s->phase = POP3_PHASE_COMMAND;
    return GO_ON;
}

static enum progress after_step(struct pop3_session *s, enum pop3_step step)
{
    switch (step) {
    case POP3_STEP_MORE:
        s->phase = POP3_PHASE_RUN;
        return GO_ON;
    case POP3_STEP_CLOSE:
        s->phase = POP3_PHASE_OVER;
        return OVER;
    case POP3_STEP_BAD:
        s->phase = POP3_PHASE_COMMAND;
        if (++s->bad_commands >= pop3_options_of(s).bad_commands_max) {
            return say_last(s, NULL, "Too many commands that make no sense");
        }
        return GO_ON;
    case POP3_STEP_DONE:
        break;
    }
    s->bad_commands = 0;
    s->phase = POP3_PHASE_COMMAND;
    s->heard_ms = clock_monotonic_ms();
    return GO_ON;
}

static enum progress input_more(struct pop3_session *s)
{
    enum err e = s->io->read(s->io_arg);

    if (e == ERR_OK) {
        return GO_ON;
    }
    if (e == ERR_AGAIN) {
        return WAIT_INPUT;
    }
    s->phase = POP3_PHASE_OVER; // no QUIT: nothing is deleted
    return OVER;
}

static enum progress command_next(struct pop3_session *s)
{
    struct span line;
    size_t bytes;
    enum pop3_step step;

    switch (line_next(&s->reader, s->io->input(s->io_arg), POP3_LINE_BYTES_MAX, &line, &bytes)) {
    case LINE_MORE:
        return input_more(s);
    case LINE_WHOLE:
        step = pop3_command_begin(s, line);
        s->io->consume(s->io_arg, bytes);
        return after_step(s, step);
    case LINE_TOO_LONG:
        return say_last(s, NULL, "The line is too long");
    default:
        return say_last(s, NULL, "A line ends in CR LF and has no CR, LF or NUL in it");
    }
}

static enum progress advance(struct pop3_session *s, enum session_stop stop)
{
    switch (s->phase) {
    case POP3_PHASE_OPEN:
        return mailbox_open(s);
    case POP3_PHASE_COMMAND:
        if (stop != SESSION_GOES_ON) {
            return say_last(s, stop == SESSION_STOP_SERVER ? "SYS/TEMP" : "AUTH",
                            session_stop_text(stop));
        }
        return command_next(s);
    case POP3_PHASE_RUN:
        return after_step(s, s->step(s));
    case POP3_PHASE_OVER:
        break;
    }
    return OVER;
}

static void session_run(void *session, enum session_stop stop, struct session_wait *out)
{
    struct pop3_session *s = session;
    int64_t until_us = clock_monotonic_us() + RUN_US;
    enum progress p = GO_ON;

    *out = (struct session_wait){0};
    s->out = s->io->output(s->io_arg);
    while (p == GO_ON && !s->io->output_full(s->io_arg)) {
        if (clock_monotonic_us() > until_us) {
            out->again = true;
            break;
        }
        p = advance(s, stop);
        if (s->out->failed) {
            log_error("pop3: %s: an answer did not fit into memory", s->user);
            s->phase = POP3_PHASE_OVER;
            p = OVER;
        }
    }
    out->deadline_ms = s->heard_ms + (int64_t)pop3_options_of(s).idle_timeout_s * 1000;
    if (p == WAIT_INPUT && clock_monotonic_ms() >= out->deadline_ms) {
        p = say_last(s, NULL, "Nothing was heard for too long; nothing was deleted");
    }
    out->closed = p == OVER;
    out->input = p == WAIT_INPUT;
    s->out = NULL;
}

const struct session_protocol pop3_session_protocol = {session_create, session_run,
                                                       session_destroy};
