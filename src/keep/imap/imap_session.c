// SPDX-License-Identifier: Apache-2.0
//
// The machine that drives one session: finds commands in the input, runs them one after the other,
// tells what changed, answers. Never waits: every function here does what it can and returns.
#include "keep/imap/imap_session.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/imap/imap_context.h"
#include "keep/imap/imap_limit.h"
#include "keep/imap/imap_notify.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/imap_recent.h"
#include "keep/imap/imap_session_internal.h"
#include "keep/imap/imap_updates.h"

#include "base/banned.h"

// How long one run may go on before others get their turn.
#define RUN_US 20000
// A waiting session may keep so much in its arena.
#define WAITING_BYTES 8192
// The same when it may be read no more: who has no right is told of no mailbox.
#define GONE_TEXT "The selected mailbox was deleted"

enum progress { GO_ON, WAIT_INPUT, OVER };

void imap_server_options_default(struct imap_server_options *o)
{
    *o = (struct imap_server_options){
        .line_bytes_max = imap_framer_limits_after_login.line_bytes,
        .literal_bytes_max = imap_framer_limits_after_login.literal_bytes,
        .separator = '/',
        .append_bytes_max = 50u << 20,
        .idle_timeout_s = 30 * 60,
        .bad_commands_max = 20,
        .search_cpu_ms = 30000,
        .progress_ms = 10000,
        .compress = true,
        .metadata = {64u << 10, 100, 10u << 20},
    };
}

struct imap_server_options imap_server_options_of(const struct settings *s)
{
    struct imap_server_options o;

    imap_server_options_default(&o);
    o.separator = *conf_value_choice_text(s, SETTING_HIERARCHY_SEPARATOR).p;
    o.append_bytes_max = conf_value_bytes(s, SETTING_MESSAGE_MAX);
    o.idle_timeout_s = (uint32_t)(conf_value_ms(s, SETTING_IMAP_IDLE_TIMEOUT) / 1000);
    o.line_bytes_max = (uint32_t)conf_value_bytes(s, SETTING_IMAP_LINE_MAX);
    o.literal_bytes_max = (uint32_t)conf_value_bytes(s, SETTING_IMAP_LITERAL_MAX);
    o.bad_commands_max = (uint32_t)conf_value_count(s, SETTING_IMAP_BAD_COMMANDS_MAX);
    o.search_cpu_ms = (uint32_t)conf_value_ms(s, SETTING_IMAP_SEARCH_TIME);
    o.messages_max = conf_value_bool(s, SETTING_IMAP_MESSAGE_LIMIT)
                         ? (uint32_t)conf_value_count(s, SETTING_IMAP_MESSAGES_MAX)
                         : 0;
    o.compress = conf_value_bool(s, SETTING_IMAP_COMPRESS);
    o.metadata.value_bytes = conf_value_bytes(s, SETTING_IMAP_METADATA_VALUE_MAX);
    o.metadata.entries = (uint32_t)conf_value_count(s, SETTING_IMAP_METADATA_ENTRIES_MAX);
    o.metadata.account_bytes = conf_value_bytes(s, SETTING_IMAP_METADATA_ACCOUNT_MAX);
    return o;
}

enum err imap_server_create(struct store *store, const struct imap_server_options *options,
                            struct imap_server **out)
{
    struct imap_server *server = calloc(1, sizeof(*server));

    if (!server) {
        return ERR_NOMEM;
    }
    server->store = store;
    server->options = *options;
    server->idle_timeout_s = options->idle_timeout_s;
    lock_init(&server->lock, LOCK_LEAF);
    enum err e = imap_recent_create(&server->recent);

    e = e ? e : imap_orders_create(IMAP_ORDERS_BYTES_MAX, &server->orders);
    if (e) {
        imap_recent_destroy(server->recent);
        lock_finish(&server->lock);
        free(server);
        return e;
    }
    *out = server;
    return ERR_OK;
}

void imap_server_destroy(struct imap_server *server)
{
    if (server) {
        imap_recent_destroy(server->recent);
        imap_orders_destroy(server->orders);
        imap_clients_destroy(server->clients);
        lock_finish(&server->lock);
        free(server);
    }
}

void imap_server_set_options(struct imap_server *server, const struct imap_server_options *options)
{
    lock_take(&server->lock);
    char separator = server->options.separator;

    server->options = *options;
    server->options.separator = separator;
    atomic_store(&server->idle_timeout_s, options->idle_timeout_s);
    atomic_fetch_add(&server->options_version, 1);
    lock_release(&server->lock);
}

enum err imap_server_set_clients(struct imap_server *server, const struct span *rules, size_t n)
{
    struct imap_clients *clients;
    enum err e = imap_clients_create(rules, n, &clients);

    if (e) {
        return e;
    }
    lock_take(&server->lock);
    struct imap_clients *before = server->clients;

    server->clients = clients;
    lock_release(&server->lock);
    imap_clients_destroy(before);
    return ERR_OK;
}

enum err imap_server_apply(struct imap_server *server, const struct settings *s)
{
    struct imap_server_options options = imap_server_options_of(s);
    struct span rules[IMAP_CLIENT_RULES_MAX];
    size_t n = conf_value_list_size(s, SETTING_IMAP_CLIENT_WITHOUT);

    imap_server_set_options(server, &options);
    n = n < IMAP_CLIENT_RULES_MAX ? n : IMAP_CLIENT_RULES_MAX;
    for (size_t i = 0; i < n; i++) {
        rules[i] = conf_value_list_item(s, SETTING_IMAP_CLIENT_WITHOUT, i);
    }
    return imap_server_set_clients(server, rules, n);
}

// Between two commands only: what a command began with holds until its end.
static void options_take(struct imap_session *s)
{
    lock_take(&s->server->lock);
    s->options = s->server->options;
    s->options_version = atomic_load(&s->server->options_version);
    lock_release(&s->server->lock);
    s->limits = imap_framer_limits_after_login;
    s->limits.line_bytes = s->options.line_bytes_max;
    s->limits.literal_bytes = s->options.literal_bytes_max;
    s->limits.message_bytes = s->options.append_bytes_max;
    s->limits.nonsync_bytes = s->options.append_bytes_max;
    s->limits.stream_append = true;
}

static void options_look(struct imap_session *s)
{
    bool is_between = s->phase == PHASE_COMMAND && imap_framer_is_idle(&s->framer);

    if (is_between && atomic_load(&s->server->options_version) != s->options_version) {
        options_take(s);
    }
}

static char *copy_text(struct span s)
{
    char *p = malloc(s.n + 1);

    if (p) {
        if (s.n) {
            memcpy(p, s.p, s.n);
        }
        p[s.n] = '\0';
    }
    return p;
}

static void command_forget(struct imap_session *s)
{
    if (s->cleanup) {
        s->cleanup(s->state);
    }
    s->cleanup = NULL;
    s->state = NULL;
    s->handler = NULL;
    arena_reset(&s->arena);
}

void imap_meter_tell(struct imap_session *s)
{
    session_meter_tell(&s->meter, span_of(s->client, s->client_n), span_of(s->origin, s->origin_n));
}

static void session_destroy(void *session)
{
    struct imap_session *s = session;

    imap_meter_tell(s);
    command_forget(s);
    imap_notify_destroy(s->notify);
    imap_selected_destroy(s->selected);
    arena_finish(&s->arena);
    free(s->user);
    free(s->login_tag);
    free(s);
}

static enum err session_create(void *server, const struct session_start *start,
                               const struct session_io *io, void *io_arg, void **out)
{
    struct imap_session *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    s->server = server;
    s->io = io;
    s->io_arg = io_arg;
    s->account = start->account;
    s->user = copy_text(start->user);
    s->login_tag = start->tag.n ? copy_text(start->tag) : NULL;
    if (!s->user || (start->tag.n && !s->login_tag)) {
        session_destroy(s);
        return ERR_NOMEM;
    }
    struct span origin = span_first(start->remote, sizeof(s->origin));

    memcpy(s->origin, origin.p ? origin.p : "", origin.n);
    s->origin_n = (uint8_t)origin.n;
    imap_client_from_list(s, start->client_id);
    s->device = start->device;
    session_meter_init(&s->meter, start, &s->device);
    arena_init(&s->arena, IMAP_COMMAND_BYTES);
    options_take(s);
    imap_framer_init(&s->framer, &s->limits);
    s->heard_ms = clock_monotonic_ms();
    *out = s;
    return ERR_OK;
}

size_t imap_session_memory(const struct imap_session *s)
{
    return sizeof(*s) + s->arena.used + imap_notify_memory(s->notify) +
           (s->selected ? imap_selected_memory(s->selected) : 0);
}

// ---- input --------------------------------------------------------------------------------------

static enum err input_read(struct imap_session *s)
{
    enum err e = s->input_ended ? ERR_EOF : s->io->read(s->io_arg);

    if (!e) {
        s->heard_ms = clock_monotonic_ms();
        return ERR_OK;
    }
    if (e == ERR_AGAIN) {
        return ERR_AGAIN;
    }
    s->input_ended = true;
    return ERR_EOF;
}

enum err imap_input_frame(struct imap_session *s, size_t line_max, struct imap_frame *out)
{
    for (;;) {
        struct span in = s->io->input(s->io_arg);

        if (line_max) {
            imap_framer_line(&s->framer, in, line_max, out);
        } else {
            imap_framer_next(&s->framer, in, out);
        }
        if (out->kind != IMAP_FRAME_MORE) {
            return ERR_OK;
        }
        enum err e = input_read(s);

        if (e) {
            return e;
        }
    }
}

enum err imap_input_bytes(struct imap_session *s, uint64_t max, struct span *out)
{
    struct span in = s->io->input(s->io_arg);

    if (!in.n) {
        enum err e = input_read(s);

        if (e) {
            return e;
        }
        in = s->io->input(s->io_arg);
    }
    *out = max < in.n ? span_first(in, (size_t)max) : in;
    return ERR_OK;
}

void imap_input_consume(struct imap_session *s, size_t n)
{
    if (n) {
        s->io->consume(s->io_arg, n);
    }
}

// Does the text begin with this word, as far as it goes?
static bool may_be_word(struct span text, const char *word)
{
    struct span w = span_from_str(word);

    if (text.n <= w.n) {
        return span_starts_nocase(w, text);
    }
    return span_starts_nocase(text, w) && text.p[w.n] == ' ';
}

bool imap_input_uses_numbers(struct imap_session *s)
{
    static const char *const words[] = {"FETCH", "STORE",   "SEARCH", "COPY",
                                        "MOVE",  "REPLACE", "SORT",   "THREAD"};
    struct span rest = span_skip(s->io->input(s->io_arg), s->held);

    if (!rest.n) {
        return false;
    }
    size_t space = span_find_byte(rest, ' ');

    rest = span_skip(rest, space + 1);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (may_be_word(rest, words[i])) {
            return true;
        }
    }
    return false;
}

enum err imap_input_release(struct imap_session *s)
{
    struct span tag = arena_dup(&s->arena, s->command.tag);

    if (!tag.p) {
        return ERR_NOMEM;
    }
    s->command.tag = tag;
    imap_input_consume(s, s->held);
    s->held = 0;
    return ERR_OK;
}

void imap_wait_lightly(struct imap_session *s)
{
    struct arena small;

    if (s->arena.used <= WAITING_BYTES || imap_notify_is_inside(s) ||
        imap_contexts_are_inside(s->selected)) {
        return;
    }
    arena_init(&small, IMAP_COMMAND_BYTES);
    struct span tag = s->handler ? arena_dup(&small, s->command.tag) : SPAN("");

    if (tag.p) {
        arena_finish(&s->arena);
        s->arena = small;
        s->command.tag = tag;
    }
}

// ---- answers to what is no command --------------------------------------------------------------

static enum progress say_bye(struct imap_session *s, struct span code, const char *text)
{
    imap_write_status_line(s->out, (struct span){0}, IMAP_BYE, code, span_from_str(text));
    s->phase = PHASE_OVER;
    return OVER;
}

static enum progress say_farewell(struct imap_session *s)
{
    static const char *const codes[] = {
        [SESSION_STOP_SUSPENDED] = "CONTACTADMIN", [SESSION_STOP_REMOVED] = "CONTACTADMIN",
        [SESSION_STOP_PASSWORD] = "EXPIRED",       [SESSION_STOP_BLOCKED] = "CONTACTADMIN",
        [SESSION_STOP_CHANGED] = "EXPIRED",        [SESSION_STOP_SECOND_FACTOR] = "EXPIRED",
        [SESSION_STOP_TOKEN] = "EXPIRED",          [SESSION_STOP_FACTOR_WANTED] = "CONTACTADMIN",
        [SESSION_STOP_READER] = "EXPIRED",         [SESSION_STOP_OVER] = "EXPIRED",
        [SESSION_STOP_SERVER] = "UNAVAILABLE",
    };

    return say_bye(s, span_from_str(codes[s->stop]), session_stop_text(s->stop));
}

static enum progress count_bad(struct imap_session *s)
{
    if (++s->bad_commands >= s->options.bad_commands_max) {
        log_warn("imap: %s: too many bad commands", s->user);
        return say_bye(s, (struct span){0}, "Too many bad commands");
    }
    return GO_ON;
}

static enum progress refuse_line(struct imap_session *s, const struct imap_frame *f)
{
    imap_write_status_line(s->out, imap_peek_tag(f->text), IMAP_BAD, (struct span){0},
                           SPAN("A command holds no NUL and no bare CR"));
    imap_input_consume(s, f->bytes);
    return count_bad(s);
}

static enum progress refuse_literal(struct imap_session *s, const struct imap_frame *f)
{
    if (!f->sync) {
        return say_bye(s, SPAN("TOOBIG"), "The literal is larger than allowed");
    }
    imap_write_status_line(s->out, imap_peek_tag(f->text), IMAP_NO, SPAN("TOOBIG"),
                           SPAN("The literal is larger than allowed"));
    imap_input_consume(s, f->bytes);
    return GO_ON;
}

// ---- commands -----------------------------------------------------------------------------------

static void command_begin(struct imap_session *s)
{
    s->handler = imap_handler_of(s, s->command.id);
    s->progress_due_ms = clock_monotonic_ms() + s->options.progress_ms;
    s->limited_at = 0;
    s->phase = PHASE_RUN;
}

void imap_parse_options_of(const struct imap_session *s, struct imap_parse_options *out)
{
    *out = (struct imap_parse_options){
        .utf8 = imap_is_enabled(s, IMAP_ENABLE_UTF8_ACCEPT),
        .rev2 = imap_is_rev2(s),
        .uid_only = imap_is_uid_only(s),
        .separator = s->options.separator,
        .state = s->selected ? IMAP_STATE_SELECTED : IMAP_STATE_AUTHENTICATED,
    };
}

static enum progress command_refused(struct imap_session *s, const struct imap_parse_error *error)
{
    imap_write_parse_error(s->out, error);
    imap_input_consume(s, s->held);
    s->held = 0;
    command_forget(s);
    return error->fault <= IMAP_FAULT_STATE ? count_bad(s) : GO_ON;
}

// As for a command that nobody knows, with the reason for whoever looks for it.
static enum progress refuse_without(struct imap_session *s, const char *name)
{
    imap_write_status_line(
        s->out, s->command.tag, IMAP_BAD, (struct span){0},
        imap_text(s, "%s is switched off for this account or mail program", name));
    imap_input_consume(s, s->held);
    s->held = 0;
    command_forget(s);
    return count_bad(s);
}

// SELECT of a name that can be none fails like any other: nothing is selected then (RFC 9051
// section 6.3.2). Apple Mail leaves a mailbox so where it is not told of UNSELECT.
static bool is_select(struct span text, struct span tag)
{
    struct span rest = span_skip(text, tag.n + 1);

    return span_starts_nocase(rest, SPAN("SELECT ")) || span_starts_nocase(rest, SPAN("EXAMINE "));
}

static enum progress command_parse(struct imap_session *s, const struct imap_frame *f)
{
    struct imap_parse_options options;
    struct imap_parse_error error;

    s->held = f->bytes;
    s->text = f->text;
    imap_parse_options_of(s, &options);
    if (imap_parse(f->text, &s->arena, &options, &s->command, &error)) {
        if (error.fault == IMAP_FAULT_CANNOT && is_select(f->text, error.tag)) {
            imap_forget_selected(s, true);
        }
        return command_refused(s, &error);
    }
    const char *without = imap_without_refusal(s);

    if (without) {
        return refuse_without(s, without);
    }
    command_begin(s);
    return GO_ON;
}

// The text is copied: the message is taken off the input while the command runs.
static enum progress append_parse(struct imap_session *s, const struct imap_frame *f)
{
    struct imap_parse_options options;
    struct imap_parse_error error;
    struct span text = arena_dup(&s->arena, f->text);

    if (!text.p) {
        return say_bye(s, SPAN("UNAVAILABLE"), "No memory");
    }
    imap_parse_options_of(s, &options);
    enum err e = imap_parse(text, &s->arena, &options, &s->command, &error);

    imap_input_consume(s, f->bytes);
    s->held = 0;
    if (e && f->sync) {
        imap_framer_refuse(&s->framer);
        return command_refused(s, &error);
    }
    if (!imap_append_begin(s, f, e ? &error : NULL)) {
        return say_bye(s, SPAN("UNAVAILABLE"), "No memory");
    }
    command_begin(s);
    return GO_ON;
}

// In somebody else's mailbox each command asks anew what one may do.
static bool may_go_on(struct imap_session *s)
{
    struct view *v;

    if (s->selected && s->selected->account != s->account &&
        !imap_view_open(s, s->selected->account, &v)) {
        imap_place_refresh(s, v);
        view_close(v);
    }
    return !s->selected || !s->selected->is_gone;
}

// ---- telling ------------------------------------------------------------------------------------

void imap_session_changed(struct imap_session *s)
{
    // One wake-up for any number of changes until the session has looked.
    if (atomic_load(&s->is_watching) && !atomic_exchange(&s->was_woken, true)) {
        s->io->wake(s->io_arg);
    }
}

enum imap_step imap_tell(struct imap_session *s, enum imap_telling telling)
{
    // Numbers may not change under a response that is half written.
    if (s->selected && !imap_notify_is_inside(s) &&
        (telling != TELL_NOTHING || imap_contexts_are_inside(s->selected))) {
        enum imap_step step = imap_updates_step(s, telling);

        if (step != STEP_DONE) {
            return step;
        }
    }
    return s->selected && s->selected->is_gone ? STEP_DONE : imap_notify_step(s);
}

// Nothing is in the input, or a response is half written: what NOTIFY asked for.
static enum progress tell_between(struct imap_session *s)
{
    switch (imap_tell(s, imap_notify_telling(s))) {
    case STEP_MORE:
        return GO_ON;
    case STEP_CLOSE:
        s->phase = PHASE_OVER;
        return OVER;
    default:
        imap_wait_lightly(s);
        return s->selected && s->selected->is_gone ? say_bye(s, (struct span){0}, GONE_TEXT)
                                                   : WAIT_INPUT;
    }
}

// ---- from command to command --------------------------------------------------------------------

static enum progress command_next(struct imap_session *s)
{
    struct imap_frame f;

    if (imap_notify_is_inside(s) || imap_contexts_are_inside(s->selected)) {
        return tell_between(s) == OVER ? OVER : GO_ON;
    }

    if (s->stop != SESSION_GOES_ON) {
        return say_farewell(s);
    }
    if (!may_go_on(s)) {
        return say_bye(s, (struct span){0}, GONE_TEXT);
    }
    options_look(s);
    enum err e = imap_input_frame(s, 0, &f);

    if (e == ERR_AGAIN && s->notify && imap_framer_is_idle(&s->framer)) {
        return tell_between(s);
    }
    if (e) {
        s->phase = e == ERR_EOF ? PHASE_OVER : s->phase;
        return e == ERR_EOF ? OVER : WAIT_INPUT;
    }
    switch (f.kind) {
    case IMAP_FRAME_CONTINUE:
        OUT(s, "+ OK\r\n");
        return GO_ON;
    case IMAP_FRAME_COMMAND:
        return command_parse(s, &f);
    case IMAP_FRAME_APPEND_HEAD:
        return append_parse(s, &f);
    case IMAP_FRAME_BAD_LINE:
        return refuse_line(s, &f);
    case IMAP_FRAME_LITERAL_TOO_BIG:
        return refuse_literal(s, &f);
    default:
        return say_bye(s, (struct span){0}, "The command line is too long");
    }
}

static enum progress command_step(struct imap_session *s)
{
    switch (s->handler->run(s)) {
    case STEP_MORE:
        return GO_ON;
    case STEP_INPUT:
        return s->stop != SESSION_GOES_ON ? say_farewell(s) : WAIT_INPUT;
    case STEP_DONE:
        s->phase = PHASE_UPDATES;
        return GO_ON;
    case STEP_CLOSE:
        break;
    }
    s->phase = PHASE_OVER;
    return OVER;
}

// The command's text is off the input, and its answer goes where answers went until now.
static void compression_begin(struct imap_session *s)
{
    s->compression = s->io->compress(s->io_arg) ? COMPRESSION_NONE : COMPRESSION_ACTIVE;
    if (s->compression == COMPRESSION_NONE) {
        imap_answer_err(s, ERR_NOMEM);
    }
}

static enum progress command_end(struct imap_session *s)
{
    if (s->compression == COMPRESSION_BEGINS) {
        compression_begin(s);
    }
    enum imap_condition condition = s->result.condition;

    imap_limit_tell(s);
    imap_write_status_line(s->out, s->command.tag, condition, s->result.code, s->result.text);
    imap_input_consume(s, s->held);
    s->held = 0;
    s->heard_ms = clock_monotonic_ms();
    command_forget(s);
    s->out = s->io->output(s->io_arg);
    s->phase = PHASE_COMMAND;
    if (condition == IMAP_BAD) {
        return count_bad(s);
    }
    s->bad_commands = 0;
    return GO_ON;
}

static enum progress command_updates(struct imap_session *s)
{
    enum imap_telling telling = s->command.uid ? s->handler->telling_uid : s->handler->telling;

    if (telling == TELL_ALL && imap_input_uses_numbers(s)) {
        telling = TELL_NO_GONE;
    }
    if (telling != TELL_NOTHING) {
        enum imap_step step = imap_tell(s, telling);

        if (step != STEP_DONE) {
            s->phase = step == STEP_CLOSE ? PHASE_OVER : s->phase;
            return step == STEP_CLOSE ? OVER : GO_ON;
        }
    }
    if (s->selected && s->selected->is_gone) {
        return say_bye(s, (struct span){0}, GONE_TEXT);
    }
    return command_end(s);
}

static enum progress greet(struct imap_session *s)
{
    imap_without_load(s);
    if (s->login_tag) {
        buf_put_str(s->out, s->login_tag);
        OUT(s, " OK [CAPABILITY ");
    } else {
        OUT(s, "* PREAUTH [CAPABILITY ");
    }
    imap_write_capabilities(s);
    OUT(s, "] Logged in\r\n");
    free(s->login_tag);
    s->login_tag = NULL;
    s->phase = PHASE_COMMAND;
    return GO_ON;
}

static enum progress advance(struct imap_session *s)
{
    switch (s->phase) {
    case PHASE_GREETING:
        return greet(s);
    case PHASE_COMMAND:
        return command_next(s);
    case PHASE_RUN:
        return command_step(s);
    case PHASE_UPDATES:
        return command_updates(s);
    case PHASE_OVER:
        break;
    }
    return OVER;
}

// Nobody answers any more when the output's cap was passed: what was lost cannot be made good.
static bool output_is_broken(struct imap_session *s)
{
    if (s->out->failed) {
        log_error("imap: %s: an answer did not fit into memory", s->user);
        s->phase = PHASE_OVER;
        return true;
    }
    return false;
}

static enum progress check_idle(struct imap_session *s, int64_t deadline_ms)
{
    if (clock_monotonic_ms() < deadline_ms) {
        return WAIT_INPUT;
    }
    return say_bye(s, (struct span){0}, "Disconnected: nothing was heard for too long");
}

// Who opens a mailbox nearly always asks for all flags next. The client has its answer by now.
static void fetch_ahead(struct imap_session *s)
{
    struct view *v;

    if (s->is_fresh && s->selected && imap_view_open(s, s->selected->account, &v) == ERR_OK) {
        view_prefetch(v, s->selected->mailbox);
        view_close(v);
    }
    s->is_fresh = false;
}

static void session_run(void *session, enum session_stop stop, struct session_wait *out)
{
    struct imap_session *s = session;
    int64_t until_us = clock_monotonic_us() + RUN_US;
    int64_t timeout_ms = (int64_t)atomic_load(&s->server->idle_timeout_s) * 1000;
    enum progress p = GO_ON;

    s->out = s->io->output(s->io_arg);
    *out = (struct session_wait){0};
    s->stop = stop;
    atomic_store(&s->was_woken, false);
    while (p == GO_ON) {
        if (s->io->output_full(s->io_arg)) {
            break;
        }
        if (clock_monotonic_us() > until_us) {
            out->again = true;
            break;
        }
        s->batch_end = s->out->n + IMAP_BATCH_BYTES;
        p = output_is_broken(s) ? OVER : advance(s);
    }
    if (p == WAIT_INPUT) {
        p = check_idle(s, s->heard_ms + timeout_ms);
    }
    if (p == WAIT_INPUT && s->phase == PHASE_COMMAND) {
        fetch_ahead(s);
        arena_finish(&s->arena);
    }
    out->closed = p == OVER;
    out->input = p == WAIT_INPUT;
    out->deadline_ms = s->heard_ms + timeout_ms;
    s->out = NULL;
}

const struct session_protocol imap_session_protocol = {session_create, session_run,
                                                       session_destroy};
