// SPDX-License-Identifier: Apache-2.0
//
// The machine that drives one session: takes commands off the input, runs them one after the other.
#include "keep/managesieve/managesieve_session.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/managesieve/managesieve_session_internal.h"
#include "store/rules.h"

#include "base/banned.h"

#define RUN_US      20000      // how long one run may go on before others get their turn
#define ARENA_BYTES (8u << 20) // a script as sent, its quoted form undone, and answers

enum progress { GO_ON, WAIT_INPUT, OVER };

// Together below what a connection buffers: the whole of a command is looked at at once.
static const struct managesieve_limits limits = {
    .line_bytes = 8 * 1024,
    .literal_bytes = SCRIPT_BYTES_MAX + 2 * MANAGESIEVE_NAME_BYTES_MAX,
    .skip_bytes = 64u << 20,
};

// ---- the server ---------------------------------------------------------------------------------

void managesieve_server_options_default(struct managesieve_server_options *o)
{
    *o = (struct managesieve_server_options){.idle_timeout_s = 1800, .bad_commands_max = 20};
}

enum err managesieve_server_create(struct store *store, const struct managesieve_server_options *o,
                                   struct managesieve_server **out)
{
    struct managesieve_server *server = calloc(1, sizeof(*server));

    if (!server) {
        return ERR_NOMEM;
    }
    server->store = store;
    server->options = *o;
    *out = server;
    return ERR_OK;
}

void managesieve_server_destroy(struct managesieve_server *server)
{
    free(server);
}

// ---- start and end ------------------------------------------------------------------------------

static enum err session_create(void *server, const struct session_start *start,
                               const struct session_io *io, void *io_arg, void **out)
{
    struct managesieve_session *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    s->server = server;
    s->io = io;
    s->io_arg = io_arg;
    s->account = start->account;
    s->device = start->device;
    span_copy_text(start->user, s->user, sizeof(s->user));
    span_copy_text(start->last, s->last, sizeof(s->last));
    span_copy_text(start->remote, s->origin, sizeof(s->origin));
    managesieve_framer_init(&s->framer, &limits);
    arena_init(&s->arena, ARENA_BYTES);
    s->heard_ms = clock_monotonic_ms();
    *out = s;
    return ERR_OK;
}

static void session_destroy(void *session)
{
    struct managesieve_session *s = session;

    arena_finish(&s->arena);
    free(s);
}

// ---- the machine --------------------------------------------------------------------------------

void managesieve_say(struct managesieve_session *s, enum managesieve_result result,
                     const char *code, const char *text)
{
    managesieve_result_put(s->out, result, code, (struct span){NULL, 0}, span_from_str(text));
}

static enum progress say_bye(struct managesieve_session *s, const char *code, const char *text)
{
    managesieve_say(s, MANAGESIEVE_BYE, code, text);
    s->is_over = true;
    return OVER;
}

static enum progress run_command(struct managesieve_session *s, struct span text)
{
    enum managesieve_step step = managesieve_run(s, text);

    arena_reset(&s->arena);
    if (step == MANAGESIEVE_STEP_CLOSE) {
        s->is_over = true;
        return OVER;
    }
    if (step == MANAGESIEVE_STEP_DONE) {
        s->bad_commands = 0;
        s->heard_ms = clock_monotonic_ms();
    } else if (++s->bad_commands >= s->server->options.bad_commands_max) {
        return say_bye(s, NULL, "Too many commands that make no sense");
    }
    return GO_ON;
}

static enum progress input_more(struct managesieve_session *s)
{
    enum err e = s->io->read(s->io_arg);

    if (e == ERR_OK) {
        return GO_ON;
    }
    if (e == ERR_AGAIN) {
        return WAIT_INPUT;
    }
    s->is_over = true;
    return OVER;
}

static enum progress command_next(struct managesieve_session *s)
{
    struct span text;
    size_t bytes = 0;
    enum progress p = GO_ON;

    switch (managesieve_frame(&s->framer, s->io->input(s->io_arg), &text, &bytes)) {
    case MANAGESIEVE_MORE:
        return input_more(s);
    case MANAGESIEVE_COMMAND:
        p = run_command(s, text);
        break;
    case MANAGESIEVE_SKIP:
        s->heard_ms = clock_monotonic_ms();
        break;
    case MANAGESIEVE_TOO_BIG:
        managesieve_say(s, MANAGESIEVE_NO, "QUOTA/MAXSIZE", "The script is too large");
        break;
    case MANAGESIEVE_BROKEN:
        return say_bye(s, NULL, "That is no ManageSieve; see RFC 5804 section 4");
    }
    s->io->consume(s->io_arg, bytes);
    return p;
}

static enum progress advance(struct managesieve_session *s, enum session_stop stop)
{
    if (!s->is_greeted) {
        s->is_greeted = true;
        struct span last = span_from_str(s->last);

        // RFC 5804 section 2.1.
        managesieve_result_put(s->out, MANAGESIEVE_OK, last.n ? "SASL" : NULL, last,
                               SPAN("Logged in"));
        return GO_ON;
    }
    if (s->is_over) {
        return OVER;
    }
    if (stop != SESSION_GOES_ON) {
        return say_bye(s, stop == SESSION_STOP_SERVER ? "TRYLATER" : NULL, session_stop_text(stop));
    }
    return command_next(s);
}

static void session_run(void *session, enum session_stop stop, struct session_wait *out)
{
    struct managesieve_session *s = session;
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
            log_error("managesieve: %s: an answer did not fit into memory", s->user);
            s->is_over = true;
            p = OVER;
        }
    }
    out->deadline_ms = s->heard_ms + (int64_t)s->server->options.idle_timeout_s * 1000;
    if (p == WAIT_INPUT) {
        arena_finish(&s->arena);
        if (clock_monotonic_ms() >= out->deadline_ms) {
            p = say_bye(s, NULL, "Nothing was heard for too long");
        }
    }
    out->closed = p == OVER;
    out->input = p == WAIT_INPUT;
    s->out = NULL;
}

const struct session_protocol managesieve_session_protocol = {session_create, session_run,
                                                              session_destroy};
