// SPDX-License-Identifier: Apache-2.0
#include "gate/client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/client_internal.h"
#include "gate/count/gate_count.h"
#include "net/stream_channel.h"

#include "base/banned.h"

#define READ_BYTES      4096
#define KEEP_MS         600000 // for keep to answer, after which nobody knows
#define NOT_SEEN        UINT64_MAX
#define READ_ROUNDS_MAX 8            // then others have their turn
#define ENDING_MS       5000         // to take in the last words
#define DRAIN_MS        3000         // and to stop talking
#define DRAIN_STOP_MS   200          // when the server stops
#define DRAIN_BYTES_MAX (256u << 10) // then the line was not listened to anyway
#define HELD_TEXT_MAX   512
#define TICKET_MAX      64
#define LAST_WORDS_MAX  4096

struct client *client_of_link(struct list *l)
{
    return LIST_ITEM(l, struct client, link);
}

static struct tls_context *tls_of(const struct client *c)
{
    return c->config->tls[service_protocol_index(c->service->protocol)];
}

void client_deadline(struct client *c, int64_t at_ms)
{
    if (loop_timer_set(c->worker->loop, &c->timer, at_ms) != ERR_OK) {
        c->phase = CLIENT_GONE; // without a deadline it could stay for ever
    }
}

static void deadline_in(struct client *c, int64_t ms)
{
    client_deadline(c, clock_monotonic_ms() + ms);
}

static struct limits *limits_of(const struct client *c)
{
    return &c->worker->gate->limits[c->service->limits];
}

void client_uncount(struct client *c)
{
    if (c->is_counted) {
        limits_leave(limits_of(c), &c->peer);
        c->is_counted = false;
    }
}

void client_destroy(struct client *c)
{
    client_forget_question(c);
    client_uncount(c);
    list_remove(&c->link);
    loop_remove(&c->source);
    loop_timer_cancel(c->worker->loop, &c->timer);
    client_pair_close(c);
    dialogue_finish(&c->dialogue);
    stream_finish(&c->stream);
    buf_finish(&c->held_text);
    buf_finish(&c->ticket);
    buf_finish(&c->front);
    gate_config_unref(c->config);
    gate_count_closed(c->service->ipc_protocol);
    atomic_fetch_sub(&c->worker->gate->connections, 1);
    free(c);
}

static void flush(struct client *c)
{
    struct buf *out = &c->dialogue.out;

    while (out->n && c->phase != CLIENT_GONE) {
        size_t taken;
        enum err e = stream_write(&c->stream, buf_span(out), &taken);

        if (e == ERR_AGAIN) {
            return;
        }
        if (e != ERR_OK) {
            c->phase = CLIENT_GONE;
            return;
        }
        buf_consume(out, taken);
    }
    buf_release(out);
}

// ---- the end ------------------------------------------------------------------------------------

static void ending_begin(struct client *c)
{
    if (c->phase != CLIENT_GONE) {
        client_pair_say_rest(c); // why a message was refused
        client_pair_close(c);
        c->phase = CLIENT_ENDING;
        deadline_in(c, ENDING_MS);
    }
}

static void drain_go_on(struct client *c)
{
    if (stream_drain(c->stream.fd, &c->drain_budget) != ERR_AGAIN) {
        c->phase = CLIENT_GONE;
    }
}

static void drain_begin(struct client *c)
{
    bool stopping = atomic_load(&c->worker->gate->is_stopping);

    stream_shutdown(&c->stream);
    c->phase = CLIENT_DRAINING;
    c->drain_budget = DRAIN_BYTES_MAX;
    deadline_in(c, stopping ? DRAIN_STOP_MS : DRAIN_MS);
    if (c->phase == CLIENT_DRAINING) {
        drain_go_on(c);
    }
}

void client_goodbye(struct client *c)
{
    if (c->phase == CLIENT_DIALOGUE) {
        client_step(c);
    } else if (c->phase == CLIENT_HANDSHAKE || c->phase == CLIENT_HELD ||
               c->phase == CLIENT_QUIET || c->phase == CLIENT_FRONT) {
        c->phase = CLIENT_GONE;
    } else if (c->phase == CLIENT_DRAINING) {
        deadline_in(c, DRAIN_STOP_MS);
    }
    client_settle(c);
}

bool client_displace(struct client *c, const struct client *newcomer)
{
    bool is_near_its_end = c->phase == CLIENT_ASKING ||
                           (c->phase == CLIENT_DIALOGUE && c->dialogue.step == DIALOGUE_WAIT);

    if (is_near_its_end || !c->is_counted || c->service->limits != newcomer->service->limits) {
        return false;
    }
    if (c->phase == CLIENT_DIALOGUE) {
        dialogue_end(&c->dialogue, DIALOGUE_TOO_MANY_CLIENTS);
        flush(c);
    }
    client_destroy(c);
    return true;
}

static void count_turned_away(enum dialogue_end why)
{
    gate_count_turned_away(why == DIALOGUE_TOO_MANY_CLIENTS        ? GATE_AWAY_ALL_FULL
                           : why == DIALOGUE_TOO_MANY_FROM_ADDRESS ? GATE_AWAY_ADDRESS_FULL
                           : why == DIALOGUE_TOO_FAST              ? GATE_AWAY_TOO_FAST
                                                                   : GATE_AWAY_NOT_FROM_THERE);
}

void client_turn_away(int fd, const struct service *service, enum dialogue_end why)
{
    struct buf line;

    count_turned_away(why);
    buf_init(&line, LAST_WORDS_MAX);
    if (!service->has_implicit_tls) { // no handshake only to say goodbye
        dialogue_last_words(service->protocol, why, &line);
        (void)!send(fd, line.p, line.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    buf_finish(&line);
    close(fd);
}

// ---- the dialogue and TLS -----------------------------------------------------------------------

void client_dialogue_begin(struct client *c)
{
    c->phase = CLIENT_DIALOGUE;
    c->progress_seen = NOT_SEEN;
    client_deadline(c, c->login_until_ms);
}

// A dialogue that stays here has a time for each command, and a client that sends it byte by byte
// has no more of it.
static void renew_patience(struct client *c)
{
    const struct dialogue *d = &c->dialogue;
    bool waits = d->step == DIALOGUE_WAIT;

    if (c->phase != CLIENT_DIALOGUE || !d->protocol->patience_ms ||
        (d->progress == c->progress_seen && waits == c->was_waiting && !d->hold_until_ms)) {
        return;
    }
    int64_t ms = waits ? KEEP_MS : d->protocol->patience_ms(d);

    c->progress_seen = d->progress;
    c->was_waiting = waits;
    if (waits && d->hold_until_ms) {
        client_deadline(c, d->hold_until_ms);
        return;
    }
    client_deadline(c, ms < 0 ? c->login_until_ms : clock_monotonic_ms() + ms);
}

void client_step(struct client *c)
{
    while (c->phase == CLIENT_DIALOGUE &&
           (c->dialogue.step == DIALOGUE_ASK || c->dialogue.step == DIALOGUE_ASK_DOMAIN ||
            c->dialogue.step == DIALOGUE_ADMIT || c->dialogue.step == DIALOGUE_RENAME)) {
        if (c->dialogue.step == DIALOGUE_ASK) {
            client_ask(c);
        } else if (c->dialogue.step == DIALOGUE_ADMIT) {
            client_admit_proven(c);
        } else if (c->dialogue.step == DIALOGUE_ASK_DOMAIN) {
            client_ask_domain(c);
        } else {
            client_rename(c);
        }
    }
    if (c->phase != CLIENT_DIALOGUE) {
        return;
    }
    // Whoever waits for keep's word on a message gets it first: it may be kept already.
    if (c->dialogue.step != DIALOGUE_WAIT && atomic_load(&c->worker->gate->is_stopping)) {
        dialogue_end(&c->dialogue, DIALOGUE_STOPPING);
    }
    if (c->dialogue.step == DIALOGUE_CLOSE) {
        ending_begin(c);
    } else if (c->dialogue.step == DIALOGUE_DROP) {
        log_info("%s said what must not be said (bytes behind STARTTLS, most likely); dropped",
                 address_host_text(&c->peer).s);
        flush(c);
        c->phase = CLIENT_GONE;
    }
}

static bool must_log_in(const struct dialogue *d)
{
    return !d->protocol->patience_ms || d->protocol->patience_ms(d) < 0;
}

static void handshake_begin(struct client *c)
{
    int64_t until = clock_monotonic_ms() + conf_value_ms(c->dialogue.settings, SETTING_TLS_TIMEOUT);

    if (must_log_in(&c->dialogue) && until > c->login_until_ms) {
        until = c->login_until_ms;
    }
    c->phase = CLIENT_HANDSHAKE;
    client_deadline(c, until);
    if (stream_start_tls(&c->stream, tls_of(c)) != ERR_OK) {
        c->phase = CLIENT_GONE;
    }
}

static void channel_know(struct client *c)
{
    struct dialogue_channel *channel = &c->dialogue.channel;

    channel->exporter_n = stream_channel_exporter(&c->stream, channel->exporter);
    channel->server_point_n = stream_channel_server_point(&c->stream, channel->server_point);
}

static void certificate_know(struct client *c)
{
    struct dialogue_certificate *to = &c->dialogue.certificate;

    _Static_assert(STREAM_CLIENT_NAMES_MAX == DIALOGUE_CERTIFICATE_NAMES, "one for one");
    stream_client_of(&c->stream, &c->certificate);
    memcpy(to->digest, c->certificate.digest, sizeof(to->digest));
    to->name_count = c->certificate.name_count;
    for (size_t i = 0; i < to->name_count; i++) {
        to->names[i] = span_of(c->certificate.names[i], c->certificate.name_bytes[i]);
    }
}

static void handshake_go_on(struct client *c)
{
    enum err e = stream_handshake(&c->stream);

    if (e == ERR_AGAIN) {
        return;
    }
    if (e != ERR_OK) {
        gate_count_handshake(false);
        log_debug("TLS handshake with %s failed", address_host_text(&c->peer).s);
        c->phase = CLIENT_GONE;
        return;
    }
    struct stream_tls_text text = stream_tls_text(&c->stream);

    gate_count_handshake(true);
    memcpy(c->dialogue.peer.tls_text, text.s, sizeof(text.s));
    channel_know(c);
    certificate_know(c);
    client_dialogue_begin(c);
    if (c->greets) {
        c->dialogue.has_tls = true;
        dialogue_greet(&c->dialogue);
    } else {
        dialogue_tls_started(&c->dialogue); // RFC 9051 section 6.2.1: no greeting after STARTTLS
    }
}

// ---- before the greeting ------------------------------------------------------------------------

static void greet(struct client *c)
{
    client_dialogue_begin(c);
    dialogue_greet(&c->dialogue);
}

// Spam programs do not wait; servers do (RFC 5321 section 3.1).
static void quiet_begin(struct client *c)
{
    int64_t ms = conf_value_ms(c->dialogue.settings, SETTING_SMTP_GREET_DELAY);

    if (!c->service->is_for_strangers || c->dialogue.peer.is_known || ms == 0) {
        greet(c);
        return;
    }
    c->phase = CLIENT_QUIET;
    deadline_in(c, ms);
}

static void quiet_broken(struct client *c)
{
    char byte;
    ssize_t n = recv(c->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0) {
        log_info("%s spoke before it was greeted", c->dialogue.peer.address);
        client_dialogue_begin(c);
        dialogue_end(&c->dialogue, DIALOGUE_SPOKE_FIRST);
        client_step(c);
    } else if (n == 0 || errno != EAGAIN) {
        c->phase = CLIENT_GONE;
    }
}

// ---- events -------------------------------------------------------------------------------------

// A client that does not read what it is told is not listened to.
static bool wants_input(const struct client *c)
{
    return c->phase == CLIENT_DIALOGUE && c->dialogue.step == DIALOGUE_READ &&
           c->dialogue.out.n == 0;
}

static uint32_t events_wanted(const struct client *c)
{
    if (c->phase == CLIENT_DRAINING || c->phase == CLIENT_QUIET || c->phase == CLIENT_FRONT) {
        return EPOLLIN;
    }
    return stream_events(&c->stream, wants_input(c), c->dialogue.out.n > 0);
}

void client_settle(struct client *c)
{
    client_pair_go_on(c);
    if (c->phase != CLIENT_HANDSHAKE && c->phase != CLIENT_DRAINING) {
        flush(c);
    }
    if (c->phase == CLIENT_DIALOGUE && c->dialogue.step == DIALOGUE_START_TLS &&
        c->dialogue.out.n == 0) {
        handshake_begin(c);
    } else if (c->phase == CLIENT_ENDING && c->dialogue.out.n == 0) {
        drain_begin(c);
    }
    if (c->phase == CLIENT_GONE) {
        client_destroy(c);
        return;
    }
    if (c->dialogue.in.n == 0) {
        buf_release(&c->dialogue.in);
    }
    renew_patience(c);
    if (loop_change(&c->source, events_wanted(c)) != ERR_OK || client_pair_watch(c) != ERR_OK) {
        client_destroy(c);
    }
}

static size_t read_bytes(const struct dialogue *d)
{
    return d->protocol->read_bytes ? d->protocol->read_bytes(d) : READ_BYTES;
}

static void dialogue_read(struct client *c)
{
    // What TLS has decrypted already raises no event of the descriptor.
    for (int i = 0; i < READ_ROUNDS_MAX || stream_has_pending(&c->stream); i++) {
        flush(c);
        if (!wants_input(c)) {
            return;
        }
        enum err e = stream_read(&c->stream, &c->dialogue.in, read_bytes(&c->dialogue));

        if (e == ERR_AGAIN) {
            return;
        }
        if (e == ERR_OK) {
            dialogue_go_on(&c->dialogue);
        } else if (e == ERR_LIMIT) {
            dialogue_end(&c->dialogue, DIALOGUE_LINE_TOO_LONG);
        } else if (e == ERR_EOF) {
            ending_begin(c);
        } else {
            c->phase = CLIENT_GONE;
        }
        client_step(c);
        client_pair_go_on(c);
    }
}

// Nothing is read, so nothing will show the end but the event that comes again and again.
static bool hears_nothing(const struct client *c)
{
    return (c->phase != CLIENT_DIALOGUE && c->phase != CLIENT_HANDSHAKE) ||
           (c->phase == CLIENT_DIALOGUE && c->dialogue.step == DIALOGUE_WAIT);
}

static void on_ready(struct loop_source *s, uint32_t events)
{
    struct client *c = LIST_ITEM(s, struct client, source);

    if (events & EPOLLERR) {
        c->phase = CLIENT_GONE;
    } else if ((events & EPOLLHUP) && hears_nothing(c)) {
        c->phase = CLIENT_GONE;
    } else if (c->phase == CLIENT_HANDSHAKE) {
        handshake_go_on(c);
    } else if (c->phase == CLIENT_DRAINING) {
        drain_go_on(c);
    } else if (c->phase == CLIENT_QUIET) {
        quiet_broken(c);
    } else if (c->phase == CLIENT_FRONT) {
        client_front_go_on(c);
    }
    if (c->phase == CLIENT_DIALOGUE) {
        dialogue_read(c);
    }
    client_settle(c);
}

// Keep answers, or is restarted; twice the time to log in is enough for either.
static void asked_long_enough(struct client *c)
{
    if (!c->was_late) {
        c->was_late = true;
        deadline_in(c, conf_value_ms(c->dialogue.settings, SETTING_LOGIN_TIMEOUT));
    } else {
        client_unanswered(c);
    }
}

static void on_time(struct timer *t)
{
    struct client *c = LIST_ITEM(t, struct client, timer);

    switch (c->phase) {
    case CLIENT_QUIET:
        greet(c);
        break;
    case CLIENT_HELD:
        client_refused(c, DIALOGUE_BAD_PASSWORD, buf_span(&c->held_text));
        break;
    case CLIENT_DIALOGUE:
        if (c->dialogue.step == DIALOGUE_WAIT && c->dialogue.hold_until_ms) {
            c->dialogue.hold_until_ms = 0;
            dialogue_resume(&c->dialogue);
        } else if (c->dialogue.step == DIALOGUE_WAIT) {
            client_pair_close(c);
            dialogue_pair_lost(&c->dialogue);
        } else {
            dialogue_end(&c->dialogue, DIALOGUE_TIMEOUT);
        }
        client_step(c);
        break;
    case CLIENT_ASKING:
        asked_long_enough(c);
        break;
    default:
        c->phase = CLIENT_GONE;
        break;
    }
    client_settle(c);
}

// ---- start --------------------------------------------------------------------------------------

static uint16_t local_port_of(int fd)
{
    struct sockaddr_storage local;
    socklen_t n = sizeof(local);
    struct address a;
    bool ok = getsockname(fd, (struct sockaddr *)&local, &n) == 0 &&
              address_from_sockaddr((struct sockaddr *)&local, n, &a) == ERR_OK;

    return ok ? address_port(&a) : 0;
}

// May a message be begun?
static bool admit_message(struct dialogue *d)
{
    struct client *c = LIST_ITEM(d, struct client, dialogue);

    return !c->service->is_for_strangers || d->peer.is_known ||
           rates_admit(&c->worker->gate->messages, &c->peer,
                       conf_value_count(d->settings, SETTING_SMTP_MESSAGES_PER_MINUTE),
                       clock_monotonic_ms());
}

static struct client *client_create(struct gate_worker *w, int fd, const struct address *peer,
                                    const struct service *service)
{
    struct client *c = calloc(1, sizeof(*c));

    if (!c) {
        close(fd);
        atomic_fetch_sub(&w->gate->connections, 1);
        return NULL;
    }
    c->worker = w;
    c->service = service;
    c->config = gate_config_now(w->gate);
    c->peer = *peer;
    c->pair.fd = -1;
    c->source = (struct loop_source){.fd = fd, .ready = on_ready};
    c->timer.fire = on_time;
    c->login_until_ms =
        clock_monotonic_ms() + conf_value_ms(c->config->settings, SETTING_LOGIN_TIMEOUT);
    buf_init(&c->held_text, HELD_TEXT_MAX);
    buf_init(&c->ticket, TICKET_MAX);
    stream_init(&c->stream, fd);
    list_append(&w->clients, &c->link);
    gate_count_opened(service->ipc_protocol);
    if (dialogue_init(&c->dialogue, service->protocol, c->config->settings) != ERR_OK ||
        loop_add(w->loop, &c->source, EPOLLIN) != ERR_OK) {
        client_destroy(c);
        return NULL;
    }
    c->dialogue.has_certificate = tls_of(c) != NULL;
    c->dialogue.host = span_from_str(w->gate->host);
    c->dialogue.peer.local_port = local_port_of(fd);
    c->dialogue.checker = &client_checker;
    c->dialogue.admit_message = admit_message;
    client_know_peer(c);
    return c;
}

// When all places are taken the one who has waited longest makes room: filling them and then saying
// nothing keeps nobody out.
static enum err find_place(struct client *c, enum dialogue_end *out_why)
{
    struct limits *limits = limits_of(c);
    enum err e = limits_enter(limits, c->config->settings, &c->peer, out_why);

    if (e != ERR_OK && *out_why == DIALOGUE_TOO_MANY_CLIENTS && worker_make_room(c->worker, c)) {
        e = limits_enter(limits, c->config->settings, &c->peer, out_why);
    }
    c->is_counted = e == ERR_OK;
    return e;
}

static bool comes_too_often(struct client *c)
{
    return c->service->is_for_strangers && !c->dialogue.peer.is_known &&
           !rates_admit(&c->worker->gate->connects, &c->peer,
                        conf_value_count(c->dialogue.settings, SETTING_SMTP_CONNECTIONS_PER_MINUTE),
                        clock_monotonic_ms());
}

bool client_admit(struct client *c, enum dialogue_end *out_why)
{
    if (c->service->ipc_protocol == IPC_LMTP && !network_list_has(&c->config->lmtp, &c->peer)) {
        *out_why = DIALOGUE_NOT_FROM_THERE;
        return false;
    }
    if (comes_too_often(c)) {
        *out_why = DIALOGUE_TOO_FAST;
        return false;
    }
    if (c->service->limits == LIMITS_MAIL && c->dialogue.peer.is_known) {
        return true; // one of ours; all connections together are bounded
    }
    return find_place(c, out_why) == ERR_OK;
}

void client_welcome(struct client *c)
{
    enum dialogue_end why;
    bool is_in = client_admit(c, &why);

    if (!is_in) {
        count_turned_away(why);
    }

    if (c->service->has_implicit_tls && (!is_in || !c->dialogue.has_certificate)) {
        c->phase = CLIENT_GONE; // no handshake only to say goodbye
    } else if (c->service->has_implicit_tls) {
        c->greets = true;
        handshake_begin(c);
    } else if (is_in) {
        quiet_begin(c);
    } else {
        client_dialogue_begin(c);
        dialogue_end(&c->dialogue, why);
        client_step(c);
    }
}

void client_start(struct gate_worker *w, int fd, const struct address *peer,
                  const struct service *service)
{
    struct client *c = client_create(w, fd, peer, service);

    if (!c) {
        return;
    }
    if (client_is_front(c)) {
        client_front_begin(c);
    } else {
        client_welcome(c);
    }
    client_settle(c);
}
