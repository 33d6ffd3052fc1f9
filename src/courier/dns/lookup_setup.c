// SPDX-License-Identifier: Apache-2.0
//
// How libunbound is set up.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "courier/dns/lookup_internal.h"
#include "net/address.h"

#include "base/banned.h"

#define ANCHOR_BYTES_MAX 65536
#define LINE_BYTES_MAX   4096

static const struct {
    const char *name, *value;
} options[] = {
    {"qname-minimisation:", "yes"},
    {"harden-below-nxdomain:", "yes"},
    {"harden-referral-path:", "no"},
    {"edns-buffer-size:", "1232"}, // no fragments, which can be forged
    {"msg-cache-size:", "16m"},
    {"rrset-cache-size:", "32m"},
    {"key-cache-size:", "4m"},
    {"neg-cache-size:", "2m"},
    {"cache-max-ttl:", "86400"},
    {"num-queries-per-thread:", "2048"},
    {"outgoing-range:", "1024"},
    {"use-syslog:", "no"},
};

static enum err set(struct ub_ctx *c, const char *name, const char *value)
{
    int r = ub_ctx_set_option(c, name, value);

    if (r != 0) {
        log_error("libunbound does not take %s %s: %s", name, value, ub_strerror(r));
        return ERR_INVALID;
    }
    return ERR_OK;
}

// "192.0.2.1", "[2001:db8::1]:5353" to libunbound's "2001:db8::1@5353".
static enum err add_server(struct ub_ctx *c, struct span text)
{
    char with_port[ADDRESS_TEXT_MAX], server[ADDRESS_TEXT_MAX + 8];
    struct address a;
    bool bare_six = text.n && text.p[0] != '[' && span_find(text, SPAN("::")) < text.n;

    if (address_parse(text, &a) != ERR_OK || bare_six) {
        snprintf(with_port, sizeof(with_port), bare_six ? "[%.*s]:53" : "%.*s:53",
                 SPAN_ARG(span_first(text, 50)));
        if (address_parse(span_from_str(with_port), &a) != ERR_OK) {
            log_error("dns_servers: %s is no address", log_text(text).s);
            return ERR_INVALID;
        }
    }
    snprintf(server, sizeof(server), "%s@%u", address_host_text(&a).s, address_port(&a));
    return ub_ctx_set_fwd(c, server) == 0 ? ERR_OK : ERR_INVALID;
}

static enum err add_servers(struct ub_ctx *c, const struct lookup_options *o)
{
    enum err e = ERR_OK;

    if (o->server_n == 1 && span_eq(o->servers[0], SPAN("root"))) {
        return ERR_OK;
    }
    // A resolver on this machine is what is recommended.
    e = set(c, "do-not-query-localhost:", "no");
    if (o->server_n == 0) {
        if (e == ERR_OK && ub_ctx_resolvconf(c, NULL) != 0) {
            log_warn("/etc/resolv.conf cannot be read: the DNS is asked from its root");
        }
        return e;
    }
    for (size_t i = 0; i < o->server_n && e == ERR_OK; i++) {
        e = add_server(c, o->servers[i]);
    }
    return e;
}

// One record a line; comments and blank lines are not libunbound's in this form.
static enum err add_anchor(struct ub_ctx *c, struct span text)
{
    char line[LINE_BYTES_MAX];

    while (text.n) {
        struct span record = span_split(&text, '\n');

        record = span_trim(span_first(record, span_find_byte(record, ';')));
        if (record.n == 0 || record.p[0] == '$') {
            continue;
        }
        if (record.n >= sizeof(line)) {
            return ERR_INVALID;
        }
        snprintf(line, sizeof(line), "%.*s", SPAN_ARG(record));
        if (ub_ctx_add_ta(c, line) != 0) {
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

enum err lookup_context(const struct lookup_options *o, struct span anchor, struct ub_ctx **out)
{
    struct ub_ctx *c = ub_ctx_create();
    enum err e = c ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && e == ERR_OK; i++) {
        e = set(c, options[i].name, options[i].value);
    }
    if (e == ERR_OK) {
        e = add_servers(c, o);
    }
    if (e == ERR_OK) {
        e = add_anchor(c, anchor);
        if (e != ERR_OK) {
            log_error("dns_trust_anchor: not a file of DNSKEY or DS records, one a line");
        }
    }
    if (e == ERR_OK && ub_ctx_async(c, 1) != 0) {
        e = ERR_INVALID;
    }
    if (e != ERR_OK) {
        if (c) {
            ub_ctx_delete(c);
        }
        return e;
    }
    *out = c;
    return ERR_OK;
}

enum err lookup_read_anchor(const char *path, struct buf *out)
{
    out->max = ANCHOR_BYTES_MAX;
    enum err e = file_read_whole(AT_FDCWD, path, out);

    if (e != ERR_OK) {
        log_error("dns_trust_anchor = %s: %s (Debian has it in the package dns-root-data)",
                  log_text(span_from_str(path)).s, err_name(e));
    }
    return e;
}
