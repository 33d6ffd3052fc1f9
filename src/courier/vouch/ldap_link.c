// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/ldap_link.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openldap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#include "base/banned.h"

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define TLS_1_2        ((3 << 8) + 3)

struct server {
    char url[LDAP_SERVER_BYTES + 32]; // scheme, host and port
    char host[LDAP_SERVER_BYTES];
    uint16_t port;
    bool is_tls; // from the first byte
};

struct ldap_links {
    struct lookup *lookup;
    struct server servers[LDAP_SERVERS_MAX];
    size_t server_n;
    bool start_tls;
    struct buf bind_dn, bind_password;
    int64_t timeout_ms;
    struct lock lock; // guards what follows
    struct list waiting[LDAP_USES];
    unsigned waiting_n;
};

// ---- opening ------------------------------------------------------------------------------------

static struct timeval time_of(int64_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static int64_t step_ms(const struct ldap_links *l, int64_t until_ms)
{
    int64_t left = until_ms - clock_monotonic_ms();

    return left < l->timeout_ms ? left : l->timeout_ms;
}

static enum err wait_connected(int fd, int64_t timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int problem = 0;
    socklen_t n = sizeof(problem);

    if (poll(&p, 1, (int)timeout_ms) != 1) {
        errno = ETIMEDOUT;
        return ERR_TIMEOUT;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &n) < 0 || problem) {
        errno = problem;
        return ERR_IO;
    }
    return ERR_OK;
}

// The descriptor waits no longer than that by itself, whatever the library does with it.
static enum err connect_to(const struct address *a, int64_t timeout_ms, int *out)
{
    struct timeval tv = time_of(timeout_ms);
    int one = 1, fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return ERR_LIMIT;
    }
    enum err e = connect(fd, &a->u.sa, a->n) == 0 ? ERR_OK
                 : errno == EINPROGRESS           ? wait_connected(fd, timeout_ms)
                                                  : ERR_IO;

    if (e != ERR_OK) {
        close(fd);
        return e;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    *out = fd;
    return ERR_OK;
}

static bool set_limits(LDAP *ld, int64_t timeout_ms)
{
    struct timeval tv = time_of(timeout_ms);
    int version = LDAP_VERSION3, time_limit = (int)((timeout_ms + 999) / 1000);

    return ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_TIMELIMIT, &time_limit) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &tv) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_TIMEOUT, &tv) == LDAP_OPT_SUCCESS;
}

// What the library says beside the code: that a certificate is not good, and why.
static void say(const struct server *s, LDAP *ld, const char *what, int code, char *words,
                size_t size)
{
    char *more = NULL;

    ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    snprintf(words, size, "%s: %s: %s%s%s", s->url, what, ldap_err2string(code),
             more && *more ? ": " : "", more ? more : "");
    ldap_memfree(more);
}

static enum err secure(const struct ldap_links *l, const struct server *s, LDAP *ld, char *words,
                       size_t size)
{
    int code = s->is_tls      ? ldap_install_tls(ld)
               : l->start_tls ? ldap_start_tls_s(ld, NULL, NULL)
                              : LDAP_SUCCESS;

    if (code == LDAP_SUCCESS && (s->is_tls || l->start_tls) && !ldap_tls_inplace(ld)) {
        code = LDAP_CONNECT_ERROR;
    }
    if (code != LDAP_SUCCESS) {
        say(s, ld, "TLS cannot be had", code, words, size);
        return ERR_UNAVAILABLE;
    }
    return ERR_OK;
}

static enum err bind_service(const struct ldap_links *l, const struct server *s, LDAP *ld,
                             char *words, size_t size)
{
    struct berval secret = {.bv_len = l->bind_password.n, .bv_val = l->bind_password.p};

    if (l->bind_dn.n <= 1) {
        return ERR_OK; // its NUL only: nobody
    }
    int code = ldap_sasl_bind_s(ld, l->bind_dn.p, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);

    if (code != LDAP_SUCCESS) {
        say(s, ld, "ldap_bind_dn is not let in", code, words, size);
        return ERR_UNAVAILABLE;
    }
    return ERR_OK;
}

// Over a connected descriptor, which is taken over.
static enum err set_up(const struct ldap_links *l, unsigned server, enum ldap_use use, int fd,
                       int64_t timeout_ms, LDAP **out, char *words, size_t size)
{
    const struct server *s = &l->servers[server];
    LDAP *ld = NULL;

    if (ldap_init_fd(fd, LDAP_PROTO_TCP, s->url, &ld) != LDAP_SUCCESS) {
        close(fd);
        snprintf(words, size, "%s: no memory", s->url);
        return ERR_NOMEM;
    }
    enum err e = set_limits(ld, timeout_ms) ? ERR_OK : ERR_NOMEM;

    e = e == ERR_OK ? secure(l, s, ld, words, size) : e;
    e = e == ERR_OK && use == LDAP_FOR_SEARCH ? bind_service(l, s, ld, words, size) : e;
    if (e != ERR_OK) {
        ldap_unbind_ext(ld, NULL, NULL);
        return e;
    }
    *out = ld;
    return ERR_OK;
}

static enum err open_server(const struct ldap_links *l, unsigned server, enum ldap_use use,
                            int64_t until_ms, LDAP **out, char *words, size_t size)
{
    const struct server *s = &l->servers[server];
    struct lookup_addresses found;
    enum err e = ERR_UNAVAILABLE;
    int fd;

    lookup_addresses(l->lookup, span_from_str(s->host), s->port, &found);
    snprintf(words, size, "%s: its address is not known", s->url);
    for (size_t i = 0; i < found.n && e != ERR_OK && step_ms(l, until_ms) > 0; i++) {
        int64_t ms = step_ms(l, until_ms);

        e = connect_to(&found.items[i], ms, &fd);
        if (e != ERR_OK) {
            snprintf(words, size, "%s: %s: %s", s->url, address_text(&found.items[i]).s,
                     strerrordesc_np(errno));
        } else {
            e = set_up(l, server, use, fd, ms, out, words, size);
        }
    }
    return e;
}

static enum err open_new(struct ldap_links *l, enum ldap_use use, int64_t until_ms,
                         struct ldap_link **out, char *words, size_t size)
{
    struct ldap_link *k = calloc(1, sizeof(*k));
    enum err e = ERR_UNAVAILABLE;

    if (!k) {
        snprintf(words, size, "no memory");
        return ERR_NOMEM;
    }
    list_init(&k->entry);
    k->use = use;
    k->is_fresh = true;
    for (unsigned i = 0; i < l->server_n && e != ERR_OK && step_ms(l, until_ms) > 0; i++) {
        k->server = i;
        e = open_server(l, i, use, until_ms, &k->ld, words, size);
        if (e != ERR_OK) {
            log_warn("directory: %s", log_text(span_from_str(words)).s);
        }
    }
    if (e != ERR_OK) {
        free(k);
        return ERR_UNAVAILABLE;
    }
    *out = k;
    return ERR_OK;
}

// ---- those that wait ----------------------------------------------------------------------------

enum err ldap_links_get(struct ldap_links *l, enum ldap_use use, int64_t until_ms,
                        struct ldap_link **out, char *words, size_t words_size)
{
    struct ldap_link *k = NULL;

    lock_take(&l->lock);
    if (!list_is_empty(&l->waiting[use])) {
        k = LIST_ITEM(l->waiting[use].next, struct ldap_link, entry);
        list_remove(&k->entry);
        l->waiting_n--;
    }
    lock_release(&l->lock);
    if (!k) {
        return open_new(l, use, until_ms, out, words, words_size);
    }
    k->is_fresh = false;
    *out = k;
    return ERR_OK;
}

void ldap_links_put(struct ldap_links *l, struct ldap_link *k)
{
    bool is_kept = false;

    lock_take(&l->lock);
    if (l->waiting_n < LDAP_LINKS_KEPT_MAX) {
        list_append(&l->waiting[k->use], &k->entry);
        l->waiting_n++;
        is_kept = true;
    }
    lock_release(&l->lock);
    if (!is_kept) {
        ldap_link_close(k);
    }
}

void ldap_link_close(struct ldap_link *k)
{
    ldap_unbind_ext(k->ld, NULL, NULL);
    free(k);
}

// ---- start and end ------------------------------------------------------------------------------

static enum err read_server(struct span text, struct server *out)
{
    char url[LDAP_SERVER_BYTES];
    LDAPURLDesc *u = NULL;

    if (text.n >= sizeof(url)) {
        return ERR_INVALID;
    }
    span_copy_text(text, url, sizeof(url));
    bool is_good = ldap_url_parse(url, &u) == LDAP_URL_SUCCESS && u->lud_host && *u->lud_host &&
                   (strcmp(u->lud_scheme, "ldap") == 0 || strcmp(u->lud_scheme, "ldaps") == 0);

    if (is_good) {
        bool is_v6 = strchr(u->lud_host, ':') != NULL;

        out->is_tls = strcmp(u->lud_scheme, "ldaps") == 0;
        out->port = (uint16_t)(u->lud_port ? u->lud_port : out->is_tls ? 636 : 389);
        snprintf(out->host, sizeof(out->host), "%s", u->lud_host);
        snprintf(out->url, sizeof(out->url), "%s://%s%s%s:%u", u->lud_scheme, is_v6 ? "[" : "",
                 u->lud_host, is_v6 ? "]" : "", out->port);
    }
    ldap_free_urldesc(u);
    return is_good ? ERR_OK : ERR_INVALID;
}

// Nobody's own ldap.conf or environment counts, and a certificate is always looked at.
static enum err set_up_library(const char *ca_file)
{
    int demand = LDAP_OPT_X_TLS_DEMAND, least = TLS_1_2, is_server = 0;
    const char *file = *ca_file ? ca_file : SYSTEM_CA_FILE;

    setenv("LDAPNOINIT", "1", 1);
    if (access(file, R_OK) != 0) {
        log_error("ldap_ca_file: %s cannot be read: %s", file, strerrordesc_np(errno));
        return ERR_INVALID;
    }
    if (ldap_set_option(NULL, LDAP_OPT_X_TLS_CACERTFILE, file) != LDAP_OPT_SUCCESS ||
        ldap_set_option(NULL, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != LDAP_OPT_SUCCESS ||
        ldap_set_option(NULL, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least) != LDAP_OPT_SUCCESS ||
        ldap_set_option(NULL, LDAP_OPT_X_TLS_NEWCTX, &is_server) != LDAP_OPT_SUCCESS) {
        log_error("ldap_ca_file: %s has no certificates that could be used", file);
        return ERR_INVALID;
    }
    return ERR_OK;
}

enum err ldap_links_create(const struct ldap_links_options *o, struct ldap_links **out)
{
    struct ldap_links *l = calloc(1, sizeof(*l));
    enum err e = l ? set_up_library(o->ca_file) : ERR_NOMEM;

    if (!l) {
        return e;
    }
    l->lookup = o->lookup;
    l->start_tls = o->start_tls;
    l->timeout_ms = o->timeout_ms;
    lock_init(&l->lock, LOCK_LEAF);
    for (unsigned u = 0; u < LDAP_USES; u++) {
        list_init(&l->waiting[u]);
    }
    buf_init(&l->bind_dn, 4096);
    buf_init(&l->bind_password, 4096);
    buf_put(&l->bind_dn, o->bind_dn);
    buf_put_byte(&l->bind_dn, '\0');
    buf_put(&l->bind_password, o->bind_password);
    for (size_t i = 0; i < o->server_n && i < LDAP_SERVERS_MAX && e == ERR_OK; i++) {
        e = read_server(o->servers[i], &l->servers[l->server_n++]);
        if (e != ERR_OK) {
            log_error("ldap_servers: %s is no server, as in ldaps://ldap.example.org",
                      log_text(o->servers[i]).s);
        }
    }
    e = e == ERR_OK && (l->bind_dn.failed || l->bind_password.failed) ? ERR_NOMEM : e;
    if (e != ERR_OK) {
        ldap_links_destroy(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

void ldap_links_destroy(struct ldap_links *l)
{
    if (!l) {
        return;
    }
    for (unsigned u = 0; u < LDAP_USES; u++) {
        while (!list_is_empty(&l->waiting[u])) {
            struct ldap_link *k = LIST_ITEM(l->waiting[u].next, struct ldap_link, entry);

            list_remove(&k->entry);
            ldap_link_close(k);
        }
    }
    if (l->bind_password.p) {
        explicit_bzero(l->bind_password.p, l->bind_password.n);
    }
    buf_finish(&l->bind_password);
    buf_finish(&l->bind_dn);
    lock_finish(&l->lock);
    free(l);
}
