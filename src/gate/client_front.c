// SPDX-License-Identifier: Apache-2.0
//
// Whom a connection is from, and what follows from it: networks, and fronts (balancers, proxies)
// that speak for others, by a PROXY header before anything else or by XCLIENT. Only addresses that
// the settings list are believed.
#include <errno.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "gate/client_internal.h"
#include "wire/proxy.h"

#include "base/banned.h"

#define PROBE_BYTES 16 // of version 2, before its addresses; version 1 has no fewer than 15

void client_know_peer(struct client *c)
{
    struct dialogue_peer *p = &c->dialogue.peer;
    struct address_text text = address_host_text(&c->peer);
    bool is_lmtp = c->service->ipc_protocol == IPC_LMTP;

    memcpy(p->address, text.s, sizeof(p->address));
    p->port = address_port(&c->peer);
    c->dialogue.is_loopback = address_is_loopback(&c->peer);
    p->may_relay = network_list_has(&c->config->relays, &c->peer);
    p->may_rename = network_list_has(&c->config->renamers, &c->peer);
    p->is_known = c->dialogue.is_loopback || p->may_relay || is_lmtp;
}

static struct address address_of(bool is_six, const unsigned char *b, uint16_t port)
{
    struct address a = {.n = is_six ? sizeof(a.u.in6) : sizeof(a.u.in4)};

    if (is_six) {
        a.u.in6.sin6_family = AF_INET6;
        a.u.in6.sin6_port = htons(port);
        memcpy(&a.u.in6.sin6_addr, b, 16);
    } else {
        a.u.in4.sin_family = AF_INET;
        a.u.in4.sin_port = htons(port);
        memcpy(&a.u.in4.sin_addr, b, 4);
    }
    return a;
}

// An IPv4 address in IPv6 clothes is the IPv4 address.
static void use_address(struct client *c, const struct address *a)
{
    if (address_from_sockaddr(&a->u.sa, a->n, &c->peer) == ERR_OK) {
        client_know_peer(c);
    }
}

// ---- PROXY --------------------------------------------------------------------------------------

bool client_is_front(const struct client *c)
{
    return network_list_has(&c->config->fronts, &c->peer);
}

// How many bytes more belong to the header for sure: what follows it is not ours to read yet.
static size_t missing(struct span have)
{
    bool is_binary = have.n >= 12 && have.p[0] == '\r';

    if (have.n < PROBE_BYTES) {
        return have.n && have.p[0] != '\r' ? 1 : PROBE_BYTES - have.n;
    }
    if (!is_binary) {
        return 1;
    }
    size_t all = PROBE_BYTES + ((size_t)(unsigned char)have.p[14] << 8) + (unsigned char)have.p[15];

    return all > have.n ? all - have.n : 1;
}

static void believe(struct client *c, const struct proxy_header *h)
{
    if (h->family == PROXY_IPV4 || h->family == PROXY_IPV6) {
        struct address a = address_of(h->family == PROXY_IPV6, h->source, h->source_port);

        use_address(c, &a);
        c->dialogue.peer.local_port = h->target_port;
    }
    buf_release(&c->front);
    client_welcome(c);
}

static void header_moved(struct client *c)
{
    struct proxy_header h;
    size_t bytes;

    switch (proxy_read(buf_span(&c->front), &h, &bytes)) {
    case ERR_AGAIN:
        break;
    case ERR_OK:
        believe(c, &h);
        break;
    default:
        log_warn("%s is in proxy_networks, and sent no PROXY header that could be read",
                 c->dialogue.peer.address);
        c->phase = CLIENT_GONE;
        break;
    }
}

void client_front_go_on(struct client *c)
{
    while (c->phase == CLIENT_FRONT) {
        size_t want = missing(buf_span(&c->front));
        char *at = buf_reserve(&c->front, want);
        ssize_t n = at ? recv(c->stream.fd, at, want, MSG_DONTWAIT) : 0;

        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            c->phase = CLIENT_GONE;
            return;
        }
        c->front.n += (size_t)n;
        header_moved(c);
    }
}

void client_front_begin(struct client *c)
{
    c->phase = CLIENT_FRONT;
    buf_init(&c->front, PROXY_HEADER_BYTES_MAX);
    client_deadline(c, clock_monotonic_ms() +
                           conf_value_ms(c->dialogue.settings, SETTING_TLS_TIMEOUT));
    if (c->phase == CLIENT_FRONT) {
        client_front_go_on(c);
    }
}

// ---- XCLIENT ------------------------------------------------------------------------------------

void client_rename(struct client *c)
{
    const struct dialogue_peer claim = c->dialogue.claim;
    struct network n;
    enum dialogue_end why;

    if (!c->dialogue.peer.may_rename || network_parse(span_from_str(claim.address), &n) != ERR_OK) {
        dialogue_renamed(&c->dialogue, false);
        return;
    }
    struct address a = address_of(n.is_six, n.b, claim.port);

    client_uncount(c);
    use_address(c, &a);
    c->dialogue.peer.local_port = claim.local_port;
    if (client_admit(c, &why)) {
        dialogue_renamed(&c->dialogue, true);
    } else {
        dialogue_end(&c->dialogue, why);
    }
}
