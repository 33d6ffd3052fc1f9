// SPDX-License-Identifier: Apache-2.0
//
// A reload: settings and certificate are read and checked, given to all processes, and taken back
// from all when one of them cannot use them. All or nothing changes. What there is to say goes into
// the log and, when it was asked for through keep, back to who asked.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "supervisor/supervisor_internal.h"

#include "base/banned.h"

#define ITEMS_BYTES_MAX (3u << 20) // all settings changed, all values at their longest: less
#define ITEM_TEXT_MAX   1024       // as in RELOAD_ITEM
#define ITEM_NAME_MAX   4096

// ---- what there is to say -----------------------------------------------------------------------

static void tell(struct supervisor *s, struct ipc_reload_item m)
{
    m.number = s->reload.answers;
    m.name = span_first(m.name, ITEM_NAME_MAX);
    m.was = span_first(m.was, ITEM_TEXT_MAX);
    m.now = span_first(m.now, ITEM_TEXT_MAX);
    m.text = span_first(m.text, ITEM_TEXT_MAX);
    if (ipc_reload_item_encode(&m, 0, &s->reload.items) != ERR_OK) {
        log_warn("no memory for all that a reload has to tell");
    }
}

static void tell_problems(struct supervisor *s, const struct conf_report *r)
{
    struct span path = span_from_str(s->options.config_path);
    char more[60];

    for (size_t i = 0; i < r->count; i++) {
        const struct conf_problem *p = &r->problems[i];

        log_error("%s:%u:%u: %s", log_text(path).s, p->line, p->column, p->text);
        tell(s, (struct ipc_reload_item){.kind = IPC_RELOAD_PROBLEM,
                                         .name = path,
                                         .line = p->line,
                                         .column = p->column,
                                         .text = span_from_str(p->text)});
    }
    if (r->dropped) {
        snprintf(more, sizeof(more), "and %zu more problems", r->dropped);
        log_error("%s: %s", log_text(path).s, more);
        tell(s, (struct ipc_reload_item){
                    .kind = IPC_RELOAD_PROBLEM, .name = path, .text = span_from_str(more)});
    }
}

static void tell_change(void *arg, const struct setting_row *row, struct span now, struct span next)
{
    bool waits = row->when == SETTING_WHEN_START;

    if (waits) {
        log_warn("a restart is needed for the change of %s (%s, in use: %.*s)", row->name,
                 log_text(next).s, SPAN_ARG(span_first(now, LOG_TEXT_MAX)));
    } else {
        log_info("%s is %s now (it was %.*s)", row->name, log_text(next).s,
                 SPAN_ARG(span_first(now, LOG_TEXT_MAX)));
    }
    tell(arg, (struct ipc_reload_item){.kind = waits ? IPC_RELOAD_RESTART : IPC_RELOAD_CHANGE,
                                       .name = span_from_str(row->name),
                                       .was = now,
                                       .now = next});
}

static void tell_certificate_problem(struct supervisor *s, const struct settings *settings,
                                     const struct setup_certificate *c)
{
    unsigned line = conf_value_line(settings, c->about);

    log_error("%s", c->problem);
    tell(s, (struct ipc_reload_item){
                .kind = IPC_RELOAD_PROBLEM,
                .name = line ? span_from_str(s->options.config_path)
                             : conf_value_text(settings, c->about),
                .line = line,
                .column = conf_value_column(settings, c->about),
                .text = span_from_str(c->problem),
            });
}

static void tell_certificate(struct supervisor *s, const struct settings *settings, bool is_new,
                             const struct setup_certificate *c)
{
    struct span path = conf_value_text(settings, SETTING_TLS_CERT);
    struct setup_time until = setup_time_text(c->expires);

    if (is_new) {
        log_info("a new certificate: %s, valid until %s", log_text(path).s, until.s);
    }
    tell(s, (struct ipc_reload_item){.kind = IPC_RELOAD_CERTIFICATE,
                                     .state = is_new,
                                     .name = path,
                                     .now = span_from_str(until.s)});
}

static void tell_processes(struct supervisor *s)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        const struct process *p = &s->processes[i];

        tell(s, (struct ipc_reload_item){.kind = IPC_RELOAD_PROCESS,
                                         .state = (uint8_t)p->reload_state,
                                         .name = span_from_str(p->name),
                                         .text = span_from_str(p->reload_text)});
    }
}

// To keep, if it is still the one that asked.
static void send_answer(struct supervisor *s)
{
    struct reload *r = &s->reload;
    bool none = s->options.config_optional && access(s->options.config_path, F_OK) != 0;
    struct ipc_reload_end m = {
        .number = r->answers,
        .result = (uint8_t)r->result,
        .file = none ? SPAN("") : span_first(span_from_str(s->options.config_path), ITEM_NAME_MAX),
    };

    if (r->answers > r->answered && ipc_reload_end_encode(&m, 0, &r->items) == ERR_OK) {
        process_send(&s->processes[IPC_KEEP], &r->items);
    }
    r->answered = r->answers;
}

// ---- reading ------------------------------------------------------------------------------------

// What was read, and is not in force yet.
struct fresh {
    struct settings *settings; // NULL: there are problems
    bool has_certificate;      // another than the one in use
    struct buf cert, key;
    bool has_authorities; // for certificates of clients; the same
    struct buf client_ca;
};

static void wipe(struct buf *b)
{
    if (b->p) {
        explicit_bzero(b->p, b->n);
    }
    buf_finish(b);
}

// Settings as the file has them; without a file, where none is needed, those in use.
static enum ipc_reload_result read_file(struct supervisor *s, struct settings **out)
{
    struct conf_report report;

    if (s->options.config_optional && access(s->options.config_path, F_OK) != 0) {
        *out = settings_ref(s->settings);
        return IPC_RELOAD_DONE;
    }
    enum err e = conf_load(s->options.config_path, &report, out);

    if (e == ERR_OK) {
        return IPC_RELOAD_DONE;
    }
    tell_problems(s, &report);
    return e == ERR_NOMEM ? IPC_RELOAD_FAILED : IPC_RELOAD_BAD_SETTINGS;
}

// A new one that cannot be served is refused. The one in use stays whatever has become of it: to
// refuse settings for its sake would help nobody, so it is only spoken of.
static enum ipc_reload_result read_certificate(struct supervisor *s, struct fresh *f)
{
    struct setup_certificate c;
    enum err e = setup_read_certificate(f->settings, &f->cert, &f->key, &c);

    if (e == ERR_NOT_FOUND && s->cert_pem.n == 0) {
        return IPC_RELOAD_DONE; // there is none, and nobody wants one
    }
    if (e == ERR_NOT_FOUND) {
        c.about = SETTING_TLS_CERT;
        snprintf(c.problem, sizeof(c.problem), "tls_cert = %s, tls_key = %s: not found",
                 log_text(conf_value_text(f->settings, SETTING_TLS_CERT)).s,
                 log_text(conf_value_text(f->settings, SETTING_TLS_KEY)).s);
    }
    if (e != ERR_OK) {
        tell_certificate_problem(s, f->settings, &c);
        return IPC_RELOAD_BAD_CERTIFICATE;
    }
    f->has_certificate = !span_eq(buf_span(&f->cert), buf_span(&s->cert_pem)) ||
                         !span_eq(buf_span(&f->key), buf_span(&s->key_pem));
    bool current = setup_certificate_is_current(f->settings, &c);

    if (!current && f->has_certificate) {
        tell_certificate_problem(s, f->settings, &c);
        return IPC_RELOAD_BAD_CERTIFICATE;
    }
    if (!current) {
        log_warn("%s", c.problem);
        tell(s, (struct ipc_reload_item){.kind = IPC_RELOAD_WARNING,
                                         .text = span_from_str(c.problem)});
    }
    tell_certificate(s, f->settings, f->has_certificate, &c);
    return IPC_RELOAD_DONE;
}

static enum ipc_reload_result read_authorities(struct supervisor *s, struct fresh *f)
{
    struct setup_certificate c;
    enum err e = setup_read_client_authorities(f->settings, &f->client_ca, &c);

    if (e != ERR_OK) {
        tell_certificate_problem(s, f->settings, &c);
        return IPC_RELOAD_BAD_CERTIFICATE;
    }
    f->has_authorities = !span_eq(buf_span(&f->client_ca), buf_span(&s->client_ca_pem));
    if (f->has_authorities) {
        log_info("authorities for certificates of clients, or what they have revoked, are new");
    }
    return IPC_RELOAD_DONE;
}

static enum ipc_reload_result read_all(struct supervisor *s, struct fresh *f)
{
    enum ipc_reload_result result = read_file(s, &f->settings);

    if (result == IPC_RELOAD_DONE) {
        result = read_certificate(s, f);
    }
    if (result == IPC_RELOAD_DONE) {
        result = read_authorities(s, f);
    }
    if (result != IPC_RELOAD_DONE) {
        return result;
    }
    conf_changes(s->settings, f->settings, tell_change, s);
    // What takes a restart keeps its value: a child that is started anew works with what the others
    // do. The settings in use are shared, and have these values already.
    if (f->settings != s->settings && conf_keep_start_values(s->settings, f->settings) != ERR_OK) {
        log_error("no memory for new settings");
        buf_clear(&s->reload.items);
        return IPC_RELOAD_FAILED;
    }
    return IPC_RELOAD_DONE;
}

// ---- to the processes ---------------------------------------------------------------------------

static void send_reload(struct supervisor *s, struct process *p)
{
    struct buf settings, frame;
    bool gate = p->id == IPC_GATE;

    p->reload_awaited = false;
    if (s->reload.phase == RELOAD_APPLY) {
        p->reload_text[0] = '\0'; // why one refused is told after the undoing
    }
    if (!p->channel) {
        p->reload_state = IPC_RELOAD_STARTING; // it gets them with its start
        return;
    }
    p->reload_state = IPC_RELOAD_SILENT;
    buf_init(&settings, CONF_FILE_BYTES_MAX);
    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    conf_write(s->settings, &settings);
    struct ipc_reload m = {.number = s->reload.number,
                           .settings = buf_span(&settings),
                           .cert_pem = gate ? buf_span(&s->cert_pem) : SPAN(""),
                           .key_pem = gate ? buf_span(&s->key_pem) : SPAN(""),
                           .client_ca_pem = gate ? buf_span(&s->client_ca_pem) : SPAN("")};

    if (ipc_reload_encode(&m, 0, &frame) == ERR_OK) {
        process_send(p, &frame);
        p->reload_awaited = true;
        if (p->id == IPC_COURIER) {
            places_hand_out(p);
        }
    }
    buf_finish(&settings);
    wipe(&frame);
}

static void send_to_all(struct supervisor *s, enum reload_phase phase, int64_t limit_ms)
{
    s->reload.phase = phase;
    s->reload.number++;
    log_set_level((enum log_level)conf_value_choice(s->settings, SETTING_LOG_LEVEL));
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        send_reload(s, &s->processes[i]);
    }
    loop_timer_set(s->loop, &s->reload.limit, clock_monotonic_ms() + limit_ms);
}

// The shorter of both, so that who asked knows from the settings of before how long it may take.
static int64_t limit_ms(const struct supervisor *s)
{
    int64_t now = conf_value_ms(s->settings, SETTING_RELOAD_TIMEOUT);
    int64_t before = conf_value_ms(s->reload.before, SETTING_RELOAD_TIMEOUT);

    return now < before ? now : before;
}

static void swap(struct buf *a, struct buf *b)
{
    struct buf was = *a;

    *a = *b;
    *b = was;
}

static void swap_certificates(struct supervisor *s)
{
    if (s->reload.has_certificate) {
        swap(&s->cert_pem, &s->reload.cert_before);
        swap(&s->key_pem, &s->reload.key_before);
    }
    if (s->reload.has_authorities) {
        swap(&s->client_ca_pem, &s->reload.client_ca_before);
    }
}

static void swap_settings(struct supervisor *s)
{
    struct settings *was = s->settings;

    s->settings = s->reload.before;
    s->reload.before = was;
}

// Takes over what was read.
static void apply(struct supervisor *s, struct fresh *f)
{
    struct reload *r = &s->reload;

    r->before = f->settings;
    r->has_certificate = f->has_certificate;
    r->cert_before = f->cert;
    r->key_before = f->key;
    r->has_authorities = f->has_authorities;
    r->client_ca_before = f->client_ca;
    swap_settings(s);
    swap_certificates(s);
    send_to_all(s, RELOAD_APPLY, limit_ms(s));
}

static void undo(struct supervisor *s)
{
    log_error("not all processes can use the new settings: all go back to the old ones");
    swap_settings(s);
    swap_certificates(s);
    s->reload.result = IPC_RELOAD_REFUSED;
    send_to_all(s, RELOAD_UNDO, limit_ms(s));
}

// ---- the end ------------------------------------------------------------------------------------

static void forget_before(struct reload *r)
{
    settings_unref(r->before);
    r->before = NULL;
    r->has_certificate = r->has_authorities = false;
    wipe(&r->cert_before);
    wipe(&r->key_before);
    wipe(&r->client_ca_before);
    buf_init(&r->cert_before, 0);
    buf_init(&r->key_before, 0);
    buf_init(&r->client_ca_before, 0);
}

static void end(struct supervisor *s)
{
    struct reload *r = &s->reload;

    r->phase = RELOAD_NONE;
    loop_timer_cancel(s->loop, &r->limit);
    forget_before(r);
    send_answer(s);
    buf_release(&r->items);
    if (s->announced) {
        notify_systemd("READY=1");
    }
}

static bool any(const struct supervisor *s, enum ipc_reload_state state)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (s->processes[i].reload_state == state) {
            return true;
        }
    }
    return false;
}

static bool is_awaited(const struct supervisor *s)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (s->processes[i].reload_awaited) {
            return true;
        }
    }
    return false;
}

static void log_silent(struct supervisor *s)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        struct process *p = &s->processes[i];

        if (p->reload_state == IPC_RELOAD_SILENT) {
            p->reload_awaited = false;
            log_error("%s has not answered to the reload in time: it takes the settings when it "
                      "goes on, or is killed and started with them",
                      p->name);
        }
    }
}

// Goes on when all have answered, or with `late` when there was time enough.
static void check(struct supervisor *s, bool late)
{
    struct reload *r = &s->reload;

    if (r->phase == RELOAD_NONE || (is_awaited(s) && !late)) {
        return;
    }
    if (r->phase == RELOAD_APPLY && any(s, IPC_RELOAD_USES_OLD)) {
        undo(s);
        if (is_awaited(s)) {
            return;
        }
    }
    log_silent(s);
    if (r->result == IPC_RELOAD_DONE && any(s, IPC_RELOAD_SILENT)) {
        r->result = IPC_RELOAD_LATE;
    }
    tell_processes(s);
    end(s);
}

// ---- the beginning ------------------------------------------------------------------------------

static void begin(struct supervisor *s)
{
    struct reload *r = &s->reload;
    struct fresh f = {.settings = NULL};
    char text[80];

    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)clock_monotonic_us());
    notify_systemd(text);
    r->by_signal = false;
    r->answers = r->asked;
    buf_init(&f.cert, s->cert_pem.max);
    buf_init(&f.key, s->key_pem.max);
    buf_init(&f.client_ca, s->client_ca_pem.max);
    r->result = read_all(s, &f);
    if (r->result == IPC_RELOAD_DONE) {
        apply(s, &f);
        check(s, false);
        return;
    }
    log_error("%s: the old settings stay in use",
              r->result == IPC_RELOAD_BAD_SETTINGS      ? "the settings file has problems"
              : r->result == IPC_RELOAD_BAD_CERTIFICATE ? "the certificate cannot be used"
                                                        : "nothing could be reloaded");
    settings_unref(f.settings);
    wipe(&f.cert);
    wipe(&f.key);
    wipe(&f.client_ca);
    end(s);
}

static void go(struct supervisor *s)
{
    struct reload *r = &s->reload;

    while (r->phase == RELOAD_NONE && !s->stopping && (r->by_signal || r->asked > r->answers)) {
        begin(s);
    }
}

static void on_limit(struct timer *t)
{
    struct supervisor *s = LIST_ITEM(t, struct supervisor, reload.limit);

    check(s, true);
    go(s);
}

void reload_by_signal(struct supervisor *s)
{
    s->reload.by_signal = true;
    go(s);
}

void reload_asked(struct supervisor *s, uint64_t number)
{
    if (number > s->reload.asked) {
        s->reload.asked = number;
    }
    go(s);
}

void reload_answered(struct process *p, const struct ipc_reloaded *m)
{
    struct supervisor *s = p->supervisor;
    bool undoing = s->reload.phase == RELOAD_UNDO;

    if (!p->reload_awaited || m->number != s->reload.number) {
        log_info("%s has answered to a reload after its time", p->name);
        return;
    }
    p->reload_awaited = false;
    p->reload_state = (m->ok != 0) == undoing ? IPC_RELOAD_USES_OLD : IPC_RELOAD_USES_NEW;
    if (!m->ok) {
        span_copy_text(m->text, p->reload_text, sizeof(p->reload_text));
        log_error("%s keeps its %s settings: %s", p->name, undoing ? "new" : "old",
                  log_text(m->text).s);
    } else {
        log_info("%s uses the %s settings%s", p->name, undoing ? "old" : "new",
                 undoing ? " again" : "");
    }
    check(s, false);
    go(s);
}

void reload_process_died(struct process *p)
{
    struct supervisor *s = p->supervisor;

    if (p->id == IPC_KEEP) {
        s->reload.asked = s->reload.answers = s->reload.answered = 0; // who asked is gone with it
    }
    if (p->reload_awaited) {
        p->reload_awaited = false;
        p->reload_state = IPC_RELOAD_STARTING;
        check(s, false);
    }
    go(s);
}

void reload_init(struct supervisor *s)
{
    struct reload *r = &s->reload;

    r->limit.fire = on_limit;
    buf_init(&r->items, ITEMS_BYTES_MAX);
    buf_init(&r->cert_before, 0);
    buf_init(&r->key_before, 0);
    buf_init(&r->client_ca_before, 0);
}

void reload_finish(struct supervisor *s)
{
    forget_before(&s->reload);
    buf_finish(&s->reload.items);
}
