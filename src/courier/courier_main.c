// SPDX-License-Identifier: Apache-2.0
//
// The courier's start and end, and its conversations with the supervisor, keep and the gate.
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "courier/courier.h"
#include "courier/courier_peer.h"
#include "courier/filter/courier_filter.h"
#include "courier/place/place.h"
#include "courier/post/alert_post.h"
#include "courier/relay/courier_relay.h"
#include "courier/vouch/ldap.h"
#include "courier/vouch/oidc.h"
#include "courier/vouch/vouch.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"

#include "base/banned.h"

#define DNS_OPEN_MAX   2000
#define DNS_TIMEOUT_MS 20000
#define TIDY_EVERY_MS  1000
#define OIDC_THREADS   8 // questions about tokens at a time
#define STOP_EVERY_MS  20
#define WEBHOOK_MS     20000
#define VOUCH_WAITING  256 // questions without a thread
#define LAST_WORDS_MS  500 // of the time for a stop: to tell keep and to end

struct courier {
    struct child_start start;
    struct loop *loop;
    struct child *child;
    struct lookup *lookup;
    struct courier_relay *relay;
    struct courier_filter *filter; // NULL: there are no filters
    struct ldap_authority *ldap;   // NULL: there is no directory
    struct vouch *vouch;
    struct alert_post *alerts; // NULL: there is no webhook
    struct oidc *oidc;         // NULL: the settings name no issuer
    struct places places;
    struct courier_peers peers;
    struct timer tidy, stop;
    int64_t stop_at_ms;
};

// ---- the supervisor -----------------------------------------------------------------------------

static enum err on_reload(void *arg, struct settings *settings, const struct child_pem *pem,
                          char problem[256])
{
    (void)arg;
    (void)pem;
    (void)problem;
    settings_unref(settings); // all that concerns us takes a restart
    return ERR_OK;
}

static void on_places(void *arg, int fd)
{
    struct courier *m = arg;

    places_take(&m->places, fd);
}

static void on_link(void *arg, enum ipc_process peer, int fd)
{
    struct courier *m = arg;

    if (courier_peers_attach(&m->peers, peer, fd) != ERR_OK) {
        log_error("the new conversation with %s could not be opened", ipc_process_name(peer));
        close(fd);
    }
}

// Transactions that run may end, and answers of the DNS come for them through the loop.
static void on_stop_timer(struct timer *t)
{
    struct courier *m = LIST_ITEM(t, struct courier, stop);
    int64_t now = clock_monotonic_ms();

    if (courier_relay_running(m->relay) == 0 || now >= m->stop_at_ms ||
        loop_timer_set(m->loop, t, now + STOP_EVERY_MS) != ERR_OK) {
        loop_stop(m->loop);
    }
}

static void on_stop(void *arg, int64_t timeout_ms)
{
    struct courier *m = arg;
    int64_t now = clock_monotonic_ms();

    m->stop_at_ms = now + (timeout_ms > LAST_WORDS_MS ? timeout_ms - LAST_WORDS_MS : 0);
    courier_relay_stop(m->relay, m->stop_at_ms);
    if (m->filter) {
        courier_filter_stop(m->filter);
    }
    vouch_stop(m->vouch);
    alert_post_stop(m->alerts);
    on_stop_timer(&m->stop);
}

static void on_status(void *arg, struct ipc_status *out)
{
    struct courier *m = arg;
    struct courier_relay_counts counts;

    courier_relay_count(m->relay, &counts);
    out->connections = courier_relay_running(m->relay);
    out->failures = counts.failed + counts.deferred;
}

static void on_tidy(struct timer *t)
{
    struct courier *m = LIST_ITEM(t, struct courier, tidy);

    courier_relay_tidy(m->relay);
    loop_timer_set(m->loop, t, clock_monotonic_ms() + TIDY_EVERY_MS);
}

// ---- start and end ------------------------------------------------------------------------------

// What reads files, so before the sandbox.
static enum err create_lookup(struct courier *m)
{
    const struct settings *s = m->start.settings;
    struct span servers[8];
    size_t n = conf_value_list_size(s, SETTING_DNS_SERVERS);

    for (size_t i = 0; i < n && i < 8; i++) {
        servers[i] = conf_value_list_item(s, SETTING_DNS_SERVERS, i);
    }
    struct lookup_options o = {
        .servers = servers,
        .server_n = n,
        .trust_anchor = conf_value_text(s, SETTING_DNS_TRUST_ANCHOR).p,
        .dnssec = (enum lookup_dnssec)conf_value_choice(s, SETTING_DNS_DNSSEC),
        .open_max = DNS_OPEN_MAX,
        .timeout_ms = DNS_TIMEOUT_MS,
    };

    return lookup_create(&o, &m->lookup);
}

static enum err create_relay(struct courier *m)
{
    const struct settings *s = m->start.settings;
    struct courier_relay_options o = {
        .lookup = m->lookup,
        .threads = (unsigned)conf_value_count(s, SETTING_RELAY_CONNECTIONS_MAX),
        .port = (uint16_t)conf_value_count(s, SETTING_RELAY_PORT),
        .sts_port = 443,
        .allow_private = conf_value_bool(s, SETTING_RELAY_ALLOW_PRIVATE),
        .ca_file = conf_value_text(s, SETTING_RELAY_CA_FILE).p,
        .connect_ms = conf_value_ms(s, SETTING_RELAY_CONNECT_TIMEOUT),
        .command_ms = conf_value_ms(s, SETTING_RELAY_TIMEOUT),
        .data_ms = conf_value_ms(s, SETTING_RELAY_DATA_TIMEOUT),
        .keep_open_ms = conf_value_ms(s, SETTING_RELAY_KEEP_OPEN),
    };

    return courier_relay_create(&o, &m->relay);
}

static enum err create_alerts(struct courier *m)
{
    const struct settings *s = m->start.settings;
    const struct alert_post_options o = {
        .lookup = m->lookup,
        .url = conf_value_text(s, SETTING_ALERT_WEBHOOK),
        .ca_file = conf_value_text(s, SETTING_ALERT_WEBHOOK_CA_FILE).p,
        .timeout_ms = WEBHOOK_MS,
    };
    enum err e = o.url.n ? alert_post_create(&o, &m->alerts) : ERR_OK;

    if (e != ERR_OK) {
        log_error("alert_webhook, or alert_webhook_ca_file, cannot be used: %s; it is to be like "
                  "https://host.example/path",
                  err_name(e));
    }
    return e;
}

static enum err ask_connection(void *arg, uint8_t place, int fd)
{
    struct courier *m = arg;

    return child_ask_connection(m->child, place, fd);
}

static enum err create_filter(struct courier *m)
{
    const struct settings *s = m->start.settings;
    struct span filters[FILTERS_MAX];
    size_t n = conf_value_list_size(s, SETTING_FILTERS);

    for (size_t i = 0; i < n && i < FILTERS_MAX; i++) {
        filters[i] = conf_value_list_item(s, SETTING_FILTERS, i);
    }
    struct courier_filter_options o = {
        .loop = m->loop,
        .filters = filters,
        .filter_count = n,
        .threads = (unsigned)conf_value_count(s, SETTING_FILTER_THREADS),
        .timeout_ms = conf_value_ms(s, SETTING_FILTER_TIMEOUT),
        .message_max = conf_value_bytes(s, SETTING_FILTER_MESSAGE_MAX),
        .memory_max = conf_value_bytes(s, SETTING_FILTER_MEMORY),
        .ask_connection = ask_connection, // messages come later than the child below
        .arg = m,
    };

    return n ? courier_filter_create(&o, &m->filter) : ERR_OK;
}

// What reads files, so before the sandbox.
static enum err create_ldap(struct courier *m)
{
    const struct settings *s = m->start.settings;
    struct span servers[8];
    size_t n = conf_value_list_size(s, SETTING_LDAP_SERVERS);

    for (size_t i = 0; i < n && i < 8; i++) {
        servers[i] = conf_value_list_item(s, SETTING_LDAP_SERVERS, i);
    }
    struct ldap_options o = {
        .lookup = m->lookup,
        .servers = servers,
        .server_n = n,
        .start_tls = conf_value_bool(s, SETTING_LDAP_START_TLS),
        .ca_file = conf_value_text(s, SETTING_LDAP_CA_FILE).p,
        .bind_password_file = conf_value_text(s, SETTING_LDAP_BIND_PASSWORD_FILE).p,
        .bind_dn = conf_value_text(s, SETTING_LDAP_BIND_DN),
        .base = conf_value_text(s, SETTING_LDAP_BASE),
        .filter = conf_value_text(s, SETTING_LDAP_FILTER),
        .mail_attribute = conf_value_text(s, SETTING_LDAP_MAIL_ATTRIBUTE),
        .name_attribute = conf_value_text(s, SETTING_LDAP_NAME_ATTRIBUTE),
        .group_attribute = conf_value_text(s, SETTING_LDAP_GROUP_ATTRIBUTE),
        .quota_attribute = conf_value_text(s, SETTING_LDAP_QUOTA_ATTRIBUTE),
        .group_filter = conf_value_text(s, SETTING_LDAP_GROUP_FILTER),
        .group_base = conf_value_text(s, SETTING_LDAP_GROUP_BASE),
        .bind_template = conf_value_text(s, SETTING_LDAP_BIND_TEMPLATE),
        .timeout_ms = conf_value_ms(s, SETTING_LDAP_TIMEOUT),
    };

    return n ? ldap_authority_create(&o, &m->ldap) : ERR_OK;
}

static enum err create_oidc(struct courier *m)
{
    const struct settings *s = m->start.settings;
    struct span issuers[OIDC_ISSUERS_MAX];
    size_t n = conf_value_list_size(s, SETTING_OAUTH_ISSUERS);

    for (size_t i = 0; i < n && i < OIDC_ISSUERS_MAX; i++) {
        issuers[i] = conf_value_list_item(s, SETTING_OAUTH_ISSUERS, i);
    }
    const struct oidc_options o = {
        .lookup = m->lookup,
        .issuers = issuers,
        .issuer_count = n,
        .ca_file = conf_value_text(s, SETTING_OAUTH_CA_FILE).p,
        .secrets_file = conf_value_text(s, SETTING_OAUTH_SECRETS_FILE).p,
        .check_ms = conf_value_ms(s, SETTING_OAUTH_CHECK_EVERY),
        .life_max_ms = conf_value_ms(s, SETTING_OAUTH_TOKEN_LIFE_MAX),
    };

    return n ? oidc_create(&o, &m->oidc) : ERR_OK;
}

static enum err create_vouch(struct courier *m)
{
    const struct vouch_authority ldap = {
        .answer = ldap_authority_answer,
        .arg = m->ldap,
        .threads = (unsigned)conf_value_count(m->start.settings, SETTING_LDAP_CONNECTIONS),
        .waiting_max = VOUCH_WAITING};
    const struct vouch_authority tokens = {.answer = oidc_answer,
                                           .arg = m->oidc,
                                           .threads = OIDC_THREADS,
                                           .waiting_max = VOUCH_WAITING};
    enum err e = vouch_create(m->loop, &m->vouch);

    if (e == ERR_OK && m->ldap) {
        e = vouch_set(m->vouch, 1u << IPC_VOUCH_PASSWORD | 1u << IPC_VOUCH_STILL_THERE, &ldap);
    }
    return e == ERR_OK && m->oidc ? vouch_set(m->vouch, 1u << IPC_VOUCH_TOKEN, &tokens) : e;
}

static enum err open_peers(struct courier *m)
{
    enum err e = ERR_OK;

    m->peers.loop = m->loop;
    m->peers.lookup = m->lookup;
    m->peers.relay = m->relay;
    m->peers.filter = m->filter;
    m->peers.vouch = m->vouch;
    m->peers.alerts = m->alerts;
    m->peers.places = &m->places;
    courier_peers_init(&m->peers);
    for (unsigned i = 0; i < IPC_PROCESSES && e == ERR_OK; i++) {
        if (m->start.link_fds[i] >= 0) {
            e = courier_peers_attach(&m->peers, (enum ipc_process)i, m->start.link_fds[i]);
            m->start.link_fds[i] = e == ERR_OK ? -1 : m->start.link_fds[i];
        }
    }
    return e;
}

static enum err courier_open(struct courier *m, int supervisor_fd)
{
    enum err e = child_start(supervisor_fd, "courier", &m->start);

    places_init(&m->places);
    e = e == ERR_OK ? create_lookup(m) : e;
    e = e == ERR_OK ? create_relay(m) : e;
    e = e == ERR_OK ? create_alerts(m) : e;
    e = e == ERR_OK ? create_ldap(m) : e;
    e = e == ERR_OK ? create_oidc(m) : e;
    e = e == ERR_OK ? sandbox_enter(SANDBOX_COURIER, NULL) : e;
    e = e == ERR_OK ? loop_create(&m->loop) : e;
    e = e == ERR_OK ? lookup_start(m->lookup, m->loop) : e;
    e = e == ERR_OK ? courier_relay_start(m->relay) : e;
    e = e == ERR_OK ? create_filter(m) : e;
    e = e == ERR_OK && m->alerts ? alert_post_start(m->alerts, m->loop) : e;
    e = e == ERR_OK ? create_vouch(m) : e;
    e = e == ERR_OK ? open_peers(m) : e;
    m->tidy.fire = on_tidy;
    m->stop.fire = on_stop_timer;
    return e == ERR_OK ? loop_timer_set(m->loop, &m->tidy, clock_monotonic_ms() + TIDY_EVERY_MS)
                       : e;
}

static void courier_close(struct courier *m)
{
    courier_peers_close(&m->peers);
    places_close(&m->places);
    if (m->lookup) {
        lookup_stop(m->lookup); // whoever still waits for an answer
    }
    courier_relay_destroy(m->relay);
    courier_filter_destroy(m->filter);
    vouch_destroy(m->vouch);
    alert_post_destroy(m->alerts);
    ldap_authority_destroy(m->ldap);
    oidc_destroy(m->oidc);
    child_detach(m->child); // its threads may have asked the supervisor
    lookup_destroy(m->lookup);
    loop_destroy(m->loop);
    child_start_finish(&m->start);
}

int courier_main(int supervisor_fd)
{
    static const struct child_handler handler = {
        .reload = on_reload,
        .link = on_link,
        .stop = on_stop,
        .status = on_status,
        .places = on_places,
    };
    static struct courier m; // one of a process
    enum err e = courier_open(&m, supervisor_fd);

    if (e == ERR_OK) {
        e = child_attach(&m.start, m.loop, &handler, &m, &m.child);
    }
    if (e == ERR_OK) {
        e = child_ready(m.child);
    }
    if (e == ERR_OK) {
        loop_run(m.loop);
    } else {
        log_error("the courier cannot start: %s", err_name(e));
    }
    courier_close(&m);
    return e == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
