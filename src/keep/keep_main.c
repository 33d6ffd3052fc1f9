// SPDX-License-Identifier: Apache-2.0
//
// keep's start and end, in the order in which things are opened and closed.
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/token_own.h"
#include "base/clock.h"
#include "base/dns_type.h"
#include "base/log.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"
#include "keep/admin/keep_api.h"
#include "keep/imap/imap_session.h"
#include "keep/inbound/inbound.h"
#include "keep/keep.h"
#include "keep/keep_alerts.h"
#include "keep/keep_chore.h"
#include "keep/keep_control.h"
#include "keep/keep_directory.h"
#include "keep/keep_directory_person.h"
#include "keep/keep_keys.h"
#include "keep/keep_mail.h"
#include "keep/keep_proofs.h"
#include "keep/keep_reload.h"
#include "keep/keep_report_sender.h"
#include "keep/keep_signins.h"
#include "keep/keep_store.h"
#include "keep/keep_upkeep.h"
#include "keep/login/keep_link.h"
#include "keep/login/keep_places.h"
#include "keep/login/keep_vouch.h"
#include "keep/managesieve/managesieve_session.h"
#include "keep/oauth/keep_oauth.h"
#include "keep/outbound/outbound.h"
#include "keep/pop3/pop3_session.h"
#include "keep/scim/keep_scim.h"
#include "mime/mime_charset.h"

#include "base/banned.h"

#define END_PATIENCE_MS 500   // until a session that is told to end is dropped
#define DNS_ASK_MS      10000 // an administrator waits no longer for one answer
#define READERS_MS      1000  // between looks at who reads another's account
#define RELOAD_ASK_MS   3000  // to wait longer for a reload than it may take
#define VOUCH_MS        20000 // for a directory or an issuer of tokens to answer
#define VOUCH_OPEN_MAX  32    // questions of logins to them at a time
#define VOUCH_OTHERS    16    // and of others
#define PLACE_MS        1000  // for the courier to say where a network is

struct keep {
    struct child_start start;
    struct settings *settings;
    struct loop *loop;
    struct child *child;
    struct keep_store opened;
    struct store *store; // the one opened
    struct keep_mail mail;
    struct keep_vouch *vouch;
    struct keep_places *places;
    struct keep_directory *directory;
    struct auth *auth;
    struct keep_tickets *tickets;
    struct keep_sessions *sessions;
    struct conn_pool *pool;
    struct imap_server *imap;
    struct pop3_server *pop3;
    struct managesieve_server *managesieve;
    struct keep_link *link;
    struct keep_upkeep *upkeep;
    struct keep_keys *keys;
    struct keep_signins *signins;
    struct keep_proofs *proofs;       // what sessions rest on
    struct keep_readers *readers;     // who reads another's account
    struct keep_chore *reader_checks; // of those
    struct keep_alerts *alerts;
    struct buf alert_key;
    struct keep_report_sender *report_sender;
    struct keep_control *control;
    struct keep_api *api;
    struct keep_oauth *oauth;
    struct keep_scim *scim;
    struct keep_reload *reload;
    int64_t started_ms, stop_timeout_ms, stop_at_ms;
};

// ---- what control commands ask of a running server ----------------------------------------------

static void add_status(void *arg, json_t *into)
{
    struct keep *k = arg;
    struct keep_session_counts sessions;
    struct keep_link_counts logins;
    struct queue_counts queue;

    keep_sessions_count(k->sessions, &sessions);
    keep_link_count(k->link, &logins);
    json_object_set_new(into, "uptime_s",
                        json_integer((clock_monotonic_ms() - k->started_ms) / 1000));
    json_object_set_new(into, "sessions", json_integer(sessions.sessions));
    json_object_set_new(into, "users", json_integer(sessions.users));
    json_object_set_new(into, "sessions_since_start",
                        json_integer((json_int_t)sessions.since_start));
    json_object_set_new(into, "logins", json_integer((json_int_t)logins.logins));
    json_object_set_new(into, "failed_logins", json_integer((json_int_t)logins.failures));
    queue_count(k->mail.queue, &queue);
    json_object_set_new(into, "queue",
                        json_pack("{s:I, s:I, s:b}", "messages", (json_int_t)queue.messages,
                                  "recipients", (json_int_t)queue.recipients, "expiry_paused",
                                  queue.is_expiry_paused));
}

static enum session_end end_why(enum admin_session_end why)
{
    static const enum session_end whys[] = {
        [ADMIN_SUSPENDED] = SESSION_SUSPENDED,
        [ADMIN_REMOVED] = SESSION_REMOVED,
        [ADMIN_PASSWORD] = SESSION_PASSWORD,
        [ADMIN_DEVICE_BLOCKED] = SESSION_BLOCKED,
        [ADMIN_DEVICE_CHANGED] = SESSION_CHANGED,
        [ADMIN_SECOND_FACTOR] = SESSION_SECOND_FACTOR,
        [ADMIN_FACTOR_WANTED] = SESSION_FACTOR_WANTED,
    };

    return whys[why];
}

static unsigned end_sessions(void *arg, account_id account, uint32_t device,
                             enum admin_session_end why)
{
    struct keep *k = arg;

    return keep_sessions_end(k->sessions, account,
                             device == ADMIN_ALL_DEVICES ? KEEP_SESSIONS_ALL : device, end_why(why),
                             END_PATIENCE_MS);
}

static unsigned end_sessions_of(void *arg, const account_id *accounts, size_t count,
                                enum admin_session_end why)
{
    struct keep *k = arg;

    return keep_sessions_end_of(k->sessions, accounts, count, KEEP_SESSIONS_OURS, end_why(why),
                                END_PATIENCE_MS);
}

static void alerts_wake(void *arg)
{
    struct keep *k = arg;

    keep_alerts_wake(k->alerts);
}

static void session_read(void *arg, const struct session_read *r)
{
    const struct keep *k = arg;
    const struct alert_read read = {.account = r->account,
                                    .device = r->device,
                                    .client = r->reader.n ? SPAN("") : r->client,
                                    .remote = r->reader.n ? SPAN("") : r->remote,
                                    .by = r->reader,
                                    .bytes = r->bytes};

    keep_alerts_read(k->alerts, &read);
}

static void admin_read(void *arg, account_id account, struct span by, uint64_t bytes)
{
    const struct keep *k = arg;
    const struct alert_read read = {
        .account = account, .by = by.n ? by : SPAN("the administrator"), .bytes = bytes};

    keep_alerts_read(k->alerts, &read);
}

static enum err directory_ask(void *arg, struct span name, struct span password, struct arena *a,
                              struct auth_vouch_answer *out)
{
    struct keep *k = arg;
    const struct auth_vouch_question q = {.kind = password.n ? AUTH_VOUCH_PASSWORD
                                                             : AUTH_VOUCH_STILL_THERE,
                                          .name = name,
                                          .secret = password};

    return keep_vouch_ask(k->vouch, &q, a, out);
}

static enum err directory_sync(void *arg, bool force, struct admin_directory_counts *out)
{
    struct keep *k = arg;

    if (conf_value_text(k->settings, SETTING_LDAP_BIND_TEMPLATE).n > 0) {
        return ERR_UNSUPPORTED; // nobody can be looked up
    }
    return keep_directory_sync(k->directory, force, out);
}

static void directory_end_sessions(void *arg, account_id account)
{
    struct keep *k = arg;

    keep_sessions_end(k->sessions, account, KEEP_SESSIONS_ALL, SESSION_SUSPENDED, END_PATIENCE_MS);
}

// ---- settings -----------------------------------------------------------------------------------

static enum err ask_vouch(void *arg, const struct auth_vouch_question *q, struct arena *a,
                          struct auth_vouch_answer *out)
{
    struct keep *k = arg;

    return keep_vouch_ask(k->vouch, q, a, out);
}

static enum err make_account(void *arg, struct span name)
{
    struct keep *k = arg;

    return keep_directory_make(k->directory, name);
}

static void directory_said(void *arg, struct span name, const struct auth_vouch_answer *answer)
{
    struct keep *k = arg;

    keep_directory_said(k->directory, name, answer);
}

static bool has_directory(const struct settings *s)
{
    return conf_value_list_size(s, SETTING_LDAP_SERVERS) > 0;
}

static struct auth_vouch vouch_of(struct keep *k, const struct settings *s)
{
    bool makes = has_directory(s) && conf_value_bool(s, SETTING_LDAP_CREATE_ACCOUNTS);

    return (struct auth_vouch){.ask = ask_vouch,
                               .make = makes ? make_account : NULL,
                               .said = has_directory(s) ? directory_said : NULL,
                               .arg = k};
}

static struct auth_options auth_options_of(struct keep *k, const struct settings *s)
{
    struct auth_options o;

    auth_options_default(&o);
    o.params = keep_password_params(s);
    o.default_domain = conf_value_text(s, SETTING_DEFAULT_DOMAIN);
    o.hashes_max = (unsigned)conf_value_count(s, SETTING_ARGON2_CONCURRENT);
    o.waiting_max = (unsigned)conf_value_count(s, SETTING_AUTH_QUEUE_MAX);
    o.throttle.failures_max = (unsigned)conf_value_count(s, SETTING_AUTH_FAILURES_MAX);
    o.throttle.network_max = (unsigned)conf_value_count(s, SETTING_AUTH_NETWORK_FAILURES_MAX);
    network_list_read(s, SETTING_AUTH_TRUSTED_NETWORKS, &o.throttle.trusted[0]);
    network_list_read(s, SETTING_PROXY_NETWORKS, &o.throttle.trusted[1]);
    o.throttle.time_ms = conf_value_ms(s, SETTING_AUTH_FAILURES_TIME);
    o.remember_ms = conf_value_ms(s, SETTING_AUTH_CACHE_TIME);
    o.own_token = auth_token_own;
    o.vouch = vouch_of(k, s);
    o.vouch_max = VOUCH_OPEN_MAX;
    o.reads_as = conf_value_bool(s, SETTING_READ_AS);
    o.scram_own = span_eq(conf_value_choice_text(s, SETTING_AUTH_SCRAM), SPAN("all"));
    return o;
}

static uint32_t expunged_keep_s(const struct settings *s)
{
    return (uint32_t)conf_value_count(s, SETTING_EXPUNGED_KEEP_DAYS) * 86400;
}

static enum err dns_ask(void *arg, struct span name, uint16_t type, struct arena *a,
                        struct span *out_records)
{
    struct keep *k = arg;
    struct ipc_dns_answer answer;
    enum err e = outbound_ask(k->mail.outbound, name, type, DNS_ASK_MS, a, &answer);

    if (e != ERR_OK || answer.status == IPC_DNS_TEMPORARY || answer.status == IPC_DNS_BOGUS) {
        return e == ERR_NOMEM ? e : ERR_AGAIN;
    }
    *out_records = answer.status == IPC_DNS_OK ? answer.records : SPAN("");
    return ERR_OK;
}

static enum err ask_for_key(void *arg, struct span name, struct arena *a, struct span *out_records)
{
    return dns_ask(arg, name, DNS_TXT, a, out_records);
}

static enum err ask_supervisor(void *arg, uint64_t number)
{
    struct keep *k = arg;

    return child_ask_reload(k->child, number);
}

// One reload may run before ours, and each may have to be undone: four times the time for one.
static enum err admin_reload(void *arg, const struct admin_io *io, int64_t timeout_ms,
                             json_t **out_report)
{
    struct keep *k = arg;

    return keep_reload_run(k->reload, timeout_ms * 4 + RELOAD_ASK_MS, io->cancelled, io->arg,
                           out_report);
}

// What a control command works with.
static struct admin admin_of(struct keep *k)
{
    struct admin a;

    keep_store_admin(k->settings, &k->opened, &a);
    // The domain takes a restart; the settings of the start live as long as the process.
    a.default_domain = conf_value_text(k->start.settings, SETTING_DEFAULT_DOMAIN);
    a.queue = k->mail.queue;
    a.trail = k->mail.trail;
    a.server = span_from_str(k->mail.server);
    a.dns_ask = dns_ask;
    a.throttle = auth_throttle(k->auth);
    a.add_status = add_status;
    a.end_sessions = end_sessions;
    a.end_sessions_of = end_sessions_of;
    a.alerts_wake = alerts_wake;
    a.mail_read = admin_read;
    a.reload = admin_reload;
    a.directory_ask = directory_ask;
    a.directory_sync = directory_sync;
    a.arg = k;
    return a;
}

static void oauth_lives(struct keep *k)
{
    if (k->oauth) {
        keep_oauth_set_lives(k->oauth, conf_value_ms(k->settings, SETTING_OAUTH_ACCESS_LIFE) / 1000,
                             conf_value_ms(k->settings, SETTING_OAUTH_REFRESH_LIFE) / 1000);
    }
}

// Whatever k->settings say that can change while the process runs.
static void apply_live(struct keep *k)
{
    const struct settings *s = k->settings;
    struct pop3_server_options pop3 = pop3_server_options_of(s);
    struct admin admin = admin_of(k);
    struct keep_session_limits limits = {
        .per_user = (unsigned)conf_value_count(s, SETTING_CONNECTIONS_PER_USER),
        .per_user_and_address = (unsigned)conf_value_count(s, SETTING_CONNECTIONS_PER_USER_ADDRESS),
        .all = (unsigned)conf_value_count(s, SETTING_SESSIONS_MAX),
    };

    log_set_level((enum log_level)conf_value_choice(s, SETTING_LOG_LEVEL));
    keep_sessions_set_limits(k->sessions, &limits);
    conn_pool_set_write_timeout(k->pool, conf_value_ms(s, SETTING_CLIENT_WRITE_TIMEOUT));
    store_set_limits(k->store, conf_value_bytes(s, SETTING_MESSAGE_MAX) + KEEP_TRACE_BYTES,
                     (uint32_t)conf_value_count(s, SETTING_MAILBOXES_MAX));
    (void)imap_server_apply(k->imap, s); // without memory the clients stay what they were
    pop3_server_set_options(k->pop3, &pop3);
    keep_mail_apply(s, &k->mail);
    keep_link_set_auth_queue(k->link, (unsigned)conf_value_count(s, SETTING_AUTH_QUEUE_MAX));
    keep_upkeep_set(k->upkeep, expunged_keep_s(s));
    keep_upkeep_set_signins(k->upkeep, conf_value_ms(s, SETTING_SIGNINS_KEEP));
    keep_places_set(k->places, conf_value_text(s, SETTING_GEO_DATABASE).n > 0);
    keep_signins_set(k->signins, conf_value_ms(s, SETTING_SIGNINS_KEEP));
    keep_alerts_set(k->alerts, s);
    keep_keys_set(k->keys, conf_value_ms(s, SETTING_DKIM_CHECK_INTERVAL));
    keep_control_set(k->control, &admin);
    oauth_lives(k);
}

static void wake_if_idle_timeout_changed(struct keep *k, const struct settings *before)
{
    if (conf_value_ms(before, SETTING_IMAP_IDLE_TIMEOUT) !=
        conf_value_ms(k->settings, SETTING_IMAP_IDLE_TIMEOUT)) {
        conn_pool_wake_all(k->pool); // those that wait do so for the old one
    }
}

static enum err on_reload(void *arg, struct settings *settings, const struct child_pem *pem,
                          char problem[256])
{
    struct keep *k = arg;
    struct settings *before = k->settings;
    struct auth_options auth = auth_options_of(k, settings);
    enum err e = auth_set_options(k->auth, &auth);

    (void)pem;
    if (e != ERR_OK) {
        snprintf(problem, 256, "no password can be hashed with these argon2_ settings: %s",
                 err_name(e));
        settings_unref(settings);
        return e;
    }
    k->settings = settings;
    apply_live(k);
    wake_if_idle_timeout_changed(k, before);
    settings_unref(before);
    return ERR_OK;
}

static void on_link(void *arg, enum ipc_process peer, int fd)
{
    struct keep *k = arg;
    enum err e = peer == IPC_GATE      ? keep_link_attach(k->link, fd)
                 : peer == IPC_COURIER ? outbound_attach(k->mail.outbound, fd)
                                       : ERR_UNSUPPORTED;

    if (e != ERR_OK) {
        log_error("the new conversation with %s could not be opened: %s", ipc_process_name(peer),
                  err_name(e));
        close(fd);
    }
}

static void on_stop(void *arg, int64_t timeout_ms)
{
    struct keep *k = arg;

    k->stop_timeout_ms = timeout_ms;
    loop_stop(k->loop);
}

static void on_reload_item(void *arg, const struct ipc_reload_item *m)
{
    struct keep *k = arg;

    keep_reload_item(k->reload, m);
}

static void on_reload_end(void *arg, const struct ipc_reload_end *m)
{
    struct keep *k = arg;

    keep_reload_end(k->reload, m);
}

static void on_status(void *arg, struct ipc_status *out)
{
    struct keep *k = arg;
    struct keep_session_counts sessions;
    struct keep_link_counts logins;

    keep_sessions_count(k->sessions, &sessions);
    keep_link_count(k->link, &logins);
    out->connections = sessions.sessions;
    out->logins = logins.logins;
    out->failures = logins.failures;
}

// ---- start, one step a function -----------------------------------------------------------------

static enum err open_store(struct keep *k)
{
    struct buf why;

    buf_init(&why, 1024);
    enum err e = keep_store_open(k->settings, &k->opened, &why);

    if (e == ERR_OK) {
        k->store = k->opened.store;
        e = keep_upkeep_start(k->store, expunged_keep_s(k->settings), &k->upkeep);
    } else {
        log_error("the store in %s cannot be opened: %s%s%.*s",
                  log_text(conf_value_text(k->settings, SETTING_DATA_DIR)).s, err_name(e),
                  why.n ? ": " : "", SPAN_ARG(buf_span(&why)));
    }
    buf_finish(&why);
    return e;
}

static enum err send_to_courier(void *arg, struct span frame)
{
    struct keep *k = arg;

    return outbound_send(k->mail.outbound, frame);
}

static enum err on_courier_message(void *arg, const struct ipc_frame *frame)
{
    struct keep *k = arg;

    if (frame->type == IPC_ALERT_RESULT) {
        return keep_alerts_posted(k->alerts, frame->fields);
    }
    if (frame->type == IPC_PLACE_ANSWER) {
        return keep_places_answer(k->places, frame->fields);
    }
    return frame->type == IPC_VOUCH_ANSWER ? keep_vouch_answer(k->vouch, frame->fields)
                                           : ERR_INVALID;
}

static void on_courier_lost(void *arg)
{
    struct keep *k = arg;

    keep_vouch_lost(k->vouch);
    keep_places_lost(k->places);
    keep_alerts_lost(k->alerts);
}

static enum err open_vouch(struct keep *k)
{
    const struct keep_vouch_options o = {.send = send_to_courier,
                                         .arg = k,
                                         .timeout_ms = VOUCH_MS,
                                         .open_max = VOUCH_OPEN_MAX + VOUCH_OTHERS};
    const struct outbound_listener listener = {
        .message = on_courier_message, .lost = on_courier_lost, .arg = k};
    const struct keep_places_options places = {
        .send = send_to_courier, .arg = k, .timeout_ms = PLACE_MS};
    enum err e = keep_vouch_create(&o, &k->vouch);

    e = e == ERR_OK ? keep_places_create(&places, &k->places) : e;
    if (e == ERR_OK) {
        outbound_listen(k->mail.outbound, &listener);
    }
    return e;
}

static enum err open_mail(struct keep *k)
{
    int *link = &k->start.link_fds[IPC_COURIER];
    enum err e = keep_mail_open(k->settings, k->store, k->loop, &k->mail);

    e = e == ERR_OK ? open_vouch(k) : e;
    if (e == ERR_OK && *link >= 0) {
        e = outbound_attach(k->mail.outbound, *link);
        *link = e == ERR_OK ? -1 : *link;
    }
    if (e == ERR_OK) {
        const struct keep_report_sender_options o = {
            .settings = k->start.settings,
            .delivery = k->mail.delivery,
            .reports = k->mail.reports,
            .server = span_from_str(k->mail.server),
            .ask = ask_for_key,
            .arg = k,
        };
        e = keep_report_sender_start(&o, &k->report_sender);
    }
    if (e == ERR_OK) {
        e = keep_keys_start(k->store, conf_value_ms(k->settings, SETTING_DKIM_CHECK_INTERVAL),
                            ask_for_key, k, &k->keys);
    }
    return e;
}

static enum err open_auth(struct keep *k)
{
    struct auth_options o = auth_options_of(k, k->settings);

    enum err e = auth_create(k->store, &o, &k->auth);

    return e == ERR_OK
               ? keep_signins_start(k->store, k->places,
                                    conf_value_text(k->start.settings, SETTING_DEFAULT_DOMAIN),
                                    conf_value_ms(k->settings, SETTING_SIGNINS_KEEP), &k->signins)
               : e;
}

static enum err open_protocols(struct keep *k)
{
    struct imap_server_options imap = imap_server_options_of(k->settings);
    struct pop3_server_options pop3 = pop3_server_options_of(k->settings);
    struct managesieve_server_options managesieve;
    enum err e = imap_server_create(k->store, &imap, &k->imap);

    managesieve_server_options_default(&managesieve);
    e = e == ERR_OK ? imap_server_apply(k->imap, k->settings) : e;
    if (e == ERR_OK) {
        e = pop3_server_create(k->store, &pop3, &k->pop3);
    }
    if (e == ERR_OK) {
        e = managesieve_server_create(k->store, &managesieve, &k->managesieve);
    }
    return e;
}

static enum err open_sessions(struct keep *k)
{
    const struct settings *s = k->settings;
    struct conn_pool_options pool = {
        .thread_name = "keep-worker",
        .threads = (unsigned)conf_value_count(s, SETTING_KEEP_THREADS),
        // keep_sessions counts; a reload may allow more, but never more than the row does.
        .connections_max = (unsigned)setting_row(SETTING_SESSIONS_MAX)->max,
        .input_max = SESSION_CONN_INPUT_MAX,
        .output_soft = conf_value_bytes(s, SETTING_OUTPUT_BUFFER),
        .output_hard = SESSION_CONN_OUTPUT_HARD,
        .write_timeout_ms = conf_value_ms(s, SETTING_CLIENT_WRITE_TIMEOUT),
    };
    enum err e = conn_pool_create(&pool, &k->pool);

    if (e != ERR_OK) {
        return e;
    }
    e = open_protocols(k);
    if (e == ERR_OK) {
        e = keep_tickets_create(&k->tickets);
    }
    if (e == ERR_OK) {
        e = keep_sessions_create(&k->sessions);
    }
    return e;
}

// When there are sessions to end.
static enum err open_directory(struct keep *k)
{
    const struct settings *s = k->settings;
    bool looks_up = has_directory(s) && conf_value_text(s, SETTING_LDAP_BIND_TEMPLATE).n == 0;
    struct span roles[DIRECTORY_RULES_MAX];
    size_t n = looks_up ? conf_value_list_size(s, SETTING_LDAP_ROLES) : 0;

    for (size_t i = 0; i < n && i < DIRECTORY_RULES_MAX; i++) {
        roles[i] = conf_value_list_item(s, SETTING_LDAP_ROLES, i);
    }
    const struct keep_directory_options o = {
        .store = k->store,
        .vouch = vouch_of(k, s),
        .quota_bytes = conf_value_bytes(s, SETTING_QUOTA_BYTES),
        .quota_messages = conf_value_count(s, SETTING_QUOTA_MESSAGES),
        .interval_ms = looks_up ? conf_value_ms(s, SETTING_LDAP_CHECK_INTERVAL) : 0,
        .roles = roles,
        .role_count = n,
        .end_sessions = directory_end_sessions,
        .arg = k,
    };

    return keep_directory_start(&o, &k->directory);
}

static enum err open_inbound(struct keep *k)
{
    return keep_mail_open_inbound(k->settings, k->store, k->sessions, &k->mail);
}

static enum err take_mail(void *arg, const struct ipc_mail *m, const struct keep_link_login *login,
                          int fd)
{
    struct keep *k = arg;

    return inbound_open(k->mail.inbound, m, login, fd);
}

static enum err start_protocol(void *arg, unsigned protocol, const struct session_start *start)
{
    struct keep *k = arg;

    switch (protocol) {
    case IPC_IMAP:
        return session_conn_open(&imap_session_protocol, k->imap, start);
    case IPC_POP3:
        return session_conn_open(&pop3_session_protocol, k->pop3, start);
    case IPC_MANAGESIEVE:
        return session_conn_open(&managesieve_session_protocol, k->managesieve, start);
    default:
        return ERR_UNSUPPORTED;
    }
}

static enum err take_api(void *arg, const struct ipc_api *m, const struct keep_link_login *login,
                         int fd)
{
    struct keep *k = arg;

    if (m->kind == IPC_API_OAUTH && k->oauth) {
        keep_oauth_take(k->oauth, fd);
        return ERR_OK;
    }
    if (m->kind == IPC_API_SCIM && k->scim) {
        keep_scim_take(k->scim, fd);
        return ERR_OK;
    }
    return k->api ? keep_api_take(k->api, m, login, fd) : ERR_UNAVAILABLE;
}

static void run_for(void *arg, struct control_call *call, const struct admin_caller *by)
{
    keep_control_run(arg, call, by);
}

static enum err open_alerts(struct keep *k)
{
    const struct keep_alerts_options o = {.settings = k->settings,
                                          .store = k->store,
                                          .server = span_from_str(k->mail.server),
                                          .key = buf_span(&k->alert_key),
                                          .send = send_to_courier,
                                          .arg = k};

    return keep_alerts_start(&o, &k->alerts);
}

static enum err open_proofs(struct keep *k)
{
    const struct keep_proofs_options o = {.settings = k->settings,
                                          .store = k->store,
                                          .auth = k->auth,
                                          .sessions = k->sessions,
                                          .patience_ms = END_PATIENCE_MS};

    return keep_proofs_start(&o, &k->proofs);
}

static void check_readers(void *arg)
{
    struct keep *k = arg;

    keep_readers_check(k->readers);
}

static void wake_readers(void *arg)
{
    struct keep *k = arg;

    keep_chore_wake(k->reader_checks, READERS_MS);
}

static enum err open_readers(struct keep *k)
{
    const struct keep_readers_options o = {.auth = k->auth,
                                           .sessions = k->sessions,
                                           .patience_ms = END_PATIENCE_MS,
                                           .wake = wake_readers,
                                           .arg = k};
    const struct keep_chore_options chore = {
        .name = "keep-readers", .run = check_readers, .arg = k};
    enum err e = keep_readers_create(&o, &k->readers);

    return e == ERR_OK ? keep_chore_start(&chore, &k->reader_checks) : e;
}

static enum err open_link(struct keep *k)
{
    struct keep_link_options o = {
        .loop = k->loop,
        .store = k->store,
        .auth = k->auth,
        .tickets = k->tickets,
        .sessions = k->sessions,
        .pool = k->pool,
        .tokens = keep_proofs_tokens(k->proofs),
        .readers = k->readers,
        .signins = keep_signins_log(k->signins),
        // Also when all questions to others that may be open are, there are threads for passwords.
        .auth_threads = (unsigned)conf_value_count(k->settings, SETTING_ARGON2_CONCURRENT) + 4 +
                        (has_directory(k->settings) ? VOUCH_OPEN_MAX : 0),
        .auth_queue_max = (unsigned)conf_value_count(k->settings, SETTING_AUTH_QUEUE_MAX),
        .start = start_protocol,
        .start_arg = k,
        .read = session_read,
        .read_arg = k,
        .mail = take_mail,
        .mail_arg = k,
        .api = take_api,
        .api_arg = k,
    };
    enum err e = keep_link_create(&o, &k->link);

    int *link = &k->start.link_fds[IPC_GATE];
    if (e == ERR_OK && *link >= 0) {
        e = keep_link_attach(k->link, *link);
        *link = e == ERR_OK ? -1 : *link;
    }
    return e;
}

static void end_device(void *arg, account_id account, uint32_t device, enum session_end why)
{
    const struct keep *k = arg;
    uint64_t held = 0;

    keep_sessions_end(k->sessions, account, device, why, END_PATIENCE_MS);
    if (why != SESSION_BLOCKED) {
        return;
    }
    // After its sessions, which could send more.
    enum err e = queue_hold_device(k->mail.queue, account, device, &held);

    if (held || e != ERR_OK) {
        log_warn(
            "%llu messages of device %u of account %llu are held%s%s; see: mailkeep queue list",
            (unsigned long long)held, device, (unsigned long long)account,
            e == ERR_OK ? "" : ", and more may leave: ", e == ERR_OK ? "" : err_name(e));
    }
}

static enum err open_oauth(struct keep *k)
{
    const struct keep_oauth_options o = {.store = k->store,
                                         .auth = k->auth,
                                         .signins = keep_signins_log(k->signins),
                                         .end_sessions = end_device,
                                         .arg = k};
    enum err e = keep_oauth_create(&o, &k->oauth);

    oauth_lives(k);
    return e;
}

static void lend_admin(void *arg, struct admin *out)
{
    const struct keep *k = arg;

    keep_control_lend(k->control, out);
}

static enum err open_scim(struct keep *k)
{
    const struct keep_scim_options o = {.lend = lend_admin, .arg = k};

    return keep_scim_create(&o, &k->scim);
}

static enum err open_control(struct keep *k, int fd)
{
    struct admin admin = admin_of(k);
    const struct keep_metrics metrics = {.store = k->store,
                                         .queue = k->mail.queue,
                                         .sessions = k->sessions,
                                         .link = k->link,
                                         .auth = k->auth,
                                         .started_ms = k->started_ms};
    enum err e = keep_reload_create(ask_supervisor, k, &k->reload);

    if (e == ERR_OK) {
        e = keep_control_start(k->loop, fd, &admin, &k->control);
    }
    const struct keep_api_options api = {
        .metrics = metrics, .store = k->store, .run = run_for, .run_arg = k->control};

    e = e == ERR_OK ? keep_api_create(&api, &k->api) : e;
    e = e == ERR_OK ? open_oauth(k) : e;
    return e == ERR_OK ? open_scim(k) : e;
}

// With 4 arenas, two of three calls of futex were for memory. One that is used costs some 60 KB.
static void tune_memory(void)
{
    mallopt(M_ARENA_MAX, 64);
    // A page from the system costs a fault. What is larger goes back at once: a password's hash,
    // say, which may be worked out in any of many threads.
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
    mallopt(M_MMAP_THRESHOLD, 8 << 20);
}

static enum err keep_open(struct keep *k, int supervisor_fd)
{
    int control_fd = -1;
    enum err e = child_start(supervisor_fd, "keep", &k->start);

    if (e != ERR_OK) {
        return e;
    }
    k->settings = settings_ref(k->start.settings);
    k->stop_timeout_ms = conf_value_ms(k->settings, SETTING_STOP_TIMEOUT);
    k->started_ms = clock_monotonic_ms();
    tune_memory();
    const char *data_dir = conf_value_text(k->settings, SETTING_DATA_DIR).p;

    e = control_socket_open(data_dir, &control_fd);
    mime_charset_preload(); // iconv reads its tables from outside the data directory
    password_preload();
    if (e == ERR_OK) {
        e = keep_mail_prepare(k->settings, &k->mail);
    }
    buf_init(&k->alert_key, KEEP_ALERTS_KEY_BYTES_MAX);
    e = e == ERR_OK ? keep_alerts_prepare(k->settings, &k->alert_key) : e;
    if (e == ERR_OK) {
        e = sandbox_enter(SANDBOX_KEEP, data_dir);
    }
    if (e == ERR_OK) {
        e = loop_create(&k->loop);
    }
    enum err (*const steps[])(struct keep *) = {
        open_store,   open_mail,   open_auth,   open_sessions, open_directory,
        open_inbound, open_alerts, open_proofs, open_readers,  open_link};

    for (size_t i = 0; e == ERR_OK && i < sizeof(steps) / sizeof(steps[0]); i++) {
        e = steps[i](k);
    }
    return e == ERR_OK ? open_control(k, control_fd) : e;
}

// ---- end ----------------------------------------------------------------------------------------

// What is left of the time for a stop.
static int64_t left_ms(const struct keep *k)
{
    int64_t left = k->stop_at_ms - clock_monotonic_ms();

    return left > 0 ? left : 0;
}

static void keep_close(struct keep *k)
{
    k->stop_at_ms = clock_monotonic_ms() + k->stop_timeout_ms;
    if (k->mail.outbound) {
        outbound_end_questions(k->mail.outbound);
    }
    if (k->vouch) {
        keep_vouch_end(k->vouch);
    }
    if (k->places) {
        keep_places_end(k->places);
    }
    keep_reload_stop(k->reload);
    keep_scim_destroy(k->scim); // it borrows from the control socket's
    keep_api_destroy(k->api);   // it runs what it is asked for with the next
    keep_control_stop(k->control);
    keep_oauth_destroy(k->oauth);
    keep_reload_destroy(k->reload);
    keep_keys_stop(k->keys);
    keep_report_sender_stop(k->report_sender);
    keep_link_destroy(k->link);
    keep_directory_stop(k->directory);
    keep_proofs_stop(k->proofs);
    keep_chore_stop(k->reader_checks);
    keep_signins_stop(k->signins);
    if (k->pool) {
        conn_pool_stop(k->pool, left_ms(k));
        conn_pool_destroy(k->pool);
    }
    keep_mail_stop_inbound(&k->mail, left_ms(k));
    keep_alerts_stop(k->alerts);
    k->alerts = NULL;
    buf_finish(&k->alert_key);
    child_detach(k->child);
    imap_server_destroy(k->imap);
    pop3_server_destroy(k->pop3);
    managesieve_server_destroy(k->managesieve);
    keep_mail_close(&k->mail, left_ms(k));
    keep_upkeep_stop(k->upkeep);
    keep_sessions_destroy(k->sessions);
    keep_tickets_destroy(k->tickets);
    keep_proofs_destroy(k->proofs);
    keep_readers_destroy(k->readers);
    auth_destroy(k->auth);
    keep_vouch_destroy(k->vouch);
    keep_places_destroy(k->places);
    if (k->store) {
        keep_store_close(&k->opened);
    }
    loop_destroy(k->loop);
    settings_unref(k->settings);
    child_start_finish(&k->start);
}

int keep_main(int supervisor_fd)
{
    static const struct child_handler handler = {
        .reload = on_reload,
        .link = on_link,
        .stop = on_stop,
        .status = on_status,
        .reload_item = on_reload_item,
        .reload_end = on_reload_end,
    };
    struct keep k = {0};
    enum err e = keep_open(&k, supervisor_fd);

    if (e == ERR_OK) {
        apply_live(&k);
        e = child_attach(&k.start, k.loop, &handler, &k, &k.child);
    }
    if (e == ERR_OK) {
        e = child_ready(k.child);
    }
    if (e == ERR_OK) {
        loop_run(k.loop);
    } else {
        log_error("keep cannot start: %s", err_name(e));
    }
    keep_close(&k);
    return e == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
