// SPDX-License-Identifier: Apache-2.0
//
// route add, list, remove, show: by which way mail leaves for other servers. Passwords go in and
// never come out.
#include "admin/admin_internal.h"
#include "store/directory/relay_route.h"

#include "base/banned.h"

#define PORT_SUBMISSION  587
#define PORT_SUBMISSIONS 465

static const char *const kind_names[] = {
    [RELAY_BY_HOST] = "host", [RELAY_BY_MX] = "mx", [RELAY_REFUSE] = "refuse"};
static const char *const tls_names[] = {[RELAY_ROUTE_OPPORTUNISTIC] = "opportunistic",
                                        [RELAY_ROUTE_REQUIRED] = "required",
                                        [RELAY_ROUTE_IMPLICIT] = "implicit"};

static bool is_sender(struct span pattern)
{
    return span_find_byte(pattern, '@') < pattern.n;
}

static json_t *route_json(const struct relay_route *r)
{
    json_t *j = json_pack("{s:o, s:s}", is_sender(r->pattern) ? "from" : "destination",
                          admin_json_text(r->pattern), "by", kind_names[r->kind]);

    if (j && r->kind == RELAY_BY_HOST) {
        json_object_set_new(j, "host", admin_json_text(r->host));
        json_object_set_new(j, "port", json_integer(r->port));
        json_object_set_new(j, "tls", json_string(tls_names[r->tls]));
        json_object_set_new(j, "user", r->user.n > 0 ? admin_json_text(r->user) : json_null());
    }
    if (j && r->kind == RELAY_REFUSE) {
        json_object_set_new(j, "words", admin_json_text(r->words));
    }
    if (j) {
        admin_json_time(j, "changed", r->changed);
    }
    return j;
}

// The argument "destination", or "from" with a domain alone taken for all of its senders.
static enum err pattern_of(struct admin_call *c, struct span *out)
{
    struct span destination = admin_text(c, "destination"), from = admin_text(c, "from"), given;
    const char *reason = "";

    if ((destination.n > 0) == (from.n > 0)) {
        return admin_fail(c, ERR_INVALID, "Name a destination, or a sender: one of the two.");
    }
    if (is_sender(destination)) {
        return admin_fail(c, ERR_INVALID,
                          "A route is for a whole domain: \"%.*s\" is an address. For what this "
                          "address sends: --from.",
                          SPAN_ARG(destination));
    }
    given = destination;
    if (from.n > 0 && !is_sender(from)) {
        struct buf b;

        buf_init(&b, RELAY_PATTERN_BYTES_MAX + 1);
        buf_put_byte(&b, '@');
        buf_put(&b, from);
        given = arena_dup(&c->arena, buf_span(&b));
        buf_finish(&b);
    } else if (from.n > 0) {
        given = from;
    }
    enum err e = given.p ? relay_pattern_check(&c->arena, given, out, &reason) : ERR_NOMEM;

    return e == ERR_INVALID
               ? admin_fail(c, e, "\"%.*s\" cannot have a route: %s.", SPAN_ARG(given), reason)
               : e;
}

static bool is_clean(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

// A name or an address: what the courier can look up or connect to.
static bool is_host(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char x = s.p[i];
        bool letter = (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || (x >= '0' && x <= '9');

        if (!letter && x != '-' && x != '.' && x != '_' && x != ':' && x != '[' && x != ']') {
            return false;
        }
    }
    return s.n > 0 && s.n <= RELAY_HOST_BYTES_MAX && s.p[0] != '.';
}

static enum err host_of(struct admin_call *c, struct relay_route *r)
{
    struct span tls = admin_text(c, "tls");
    uint64_t port = 0;

    r->host = admin_text(c, "host");
    r->user = admin_text(c, "user");
    r->password = admin_text(c, "password");
    if (!is_host(r->host)) {
        return admin_fail(c, ERR_INVALID, "\"%.*s\" is no name of a host.", SPAN_ARG(r->host));
    }
    r->tls = RELAY_ROUTE_REQUIRED;
    for (unsigned i = 0; i < sizeof(tls_names) / sizeof(tls_names[0]); i++) {
        if (span_eq(tls, span_from_str(tls_names[i]))) {
            r->tls = (enum relay_route_tls)i;
            tls = SPAN("");
        }
    }
    if (tls.n > 0) {
        return admin_fail(c, ERR_INVALID, "TLS is required, implicit or opportunistic.");
    }
    if (json_object_get(c->args, "port") &&
        (!admin_number(c, "port", &port) || port == 0 || port > UINT16_MAX)) {
        return admin_fail(c, ERR_INVALID, "A port is a number from 1 to 65535.");
    }
    r->port = (uint16_t)port;
    if (port == 0) {
        r->port = r->tls == RELAY_ROUTE_IMPLICIT ? PORT_SUBMISSIONS : PORT_SUBMISSION;
    }
    if ((r->user.n > 0) != (r->password.n > 0)) {
        return admin_fail(c, ERR_INVALID, "A user needs a password, and a password a user.");
    }
    if (!is_clean(r->user) || !is_clean(r->password)) {
        return admin_fail(c, ERR_INVALID, "User and password must be free of control characters.");
    }
    if (r->user.n > 0 && r->tls == RELAY_ROUTE_OPPORTUNISTIC) {
        return admin_fail(c, ERR_INVALID,
                          "A password is not sent where TLS is opportunistic: anybody on the way "
                          "could ask for it. Use --tls required or --tls implicit.");
    }
    return ERR_OK;
}

enum err admin_route_add(struct admin_call *c)
{
    struct span by = admin_text(c, "by");
    struct relay_route r = {.kind = RELAY_BY_HOST};
    struct actor actor = admin_actor(c, ACTOR_ADMIN);
    enum err e = pattern_of(c, &r.pattern);

    if (e != ERR_OK) {
        return e;
    }
    if (span_eq(by, SPAN("mx"))) {
        r.kind = RELAY_BY_MX;
    } else if (span_eq(by, SPAN("refuse"))) {
        r.kind = RELAY_REFUSE;
        r.words = admin_text(c, "words");
        if (r.words.n > RELAY_WORDS_BYTES_MAX || !is_clean(r.words)) {
            return admin_fail(c, ERR_INVALID, "The reason is one line of at most %d bytes.",
                              RELAY_WORDS_BYTES_MAX);
        }
    } else {
        e = host_of(c, &r);
    }
    if (e != ERR_OK) {
        return e;
    }
    e = relay_route_set(c->admin->store, &actor, &r);
    if (e == ERR_LIMIT) {
        return admin_fail(c, e, "There are %d routes already, or a text is too long.",
                          RELAY_ROUTES_MAX);
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Storing the route");
    }
    c->outcome->result = route_json(&r);
    return ERR_OK;
}

enum err admin_route_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span pattern;
    enum err e = pattern_of(c, &pattern);

    if (e != ERR_OK) {
        return e;
    }
    e = relay_route_remove(c->admin->store, &by, pattern);
    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, e, "There is no route for \"%.*s\". All routes: mailkeep route list",
                          SPAN_ARG(pattern));
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Removing the route");
}

struct lister {
    struct admin_call *call;
    enum err error;
};

static bool list_one(void *arg, const struct relay_route *r)
{
    struct lister *l = arg;

    l->error = admin_item(l->call, route_json(r));
    return l->error == ERR_OK;
}

enum err admin_route_list(struct admin_call *c)
{
    struct lister l = {c, ERR_OK};
    enum err e = relay_route_list(c->admin->store, list_one, &l);

    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Reading the routes");
    }
    return l.error;
}

// Which route mail to "to" (an address or a domain) takes when "from" sends it.
enum err admin_route_show(struct admin_call *c)
{
    struct span to = admin_text(c, "to"), from = admin_text(c, "from"), domain;
    size_t at = span_find_byte(to, '@');
    const char *reason = "";
    account_id account = 0;
    struct relay_route r;
    enum err e =
        relay_pattern_check(&c->arena, at < to.n ? span_skip(to, at + 1) : to, &domain, &reason);

    if (e != ERR_OK) {
        return e == ERR_INVALID
                   ? admin_fail(c, e, "\"%.*s\" is no destination: %s.", SPAN_ARG(to), reason)
                   : e;
    }
    e = from.n > 0 ? directory_id_by_name(c->admin->store, from, &account) : ERR_OK;
    e = e == ERR_OK || e == ERR_NOT_FOUND || e == ERR_INVALID
            ? relay_route_find(c->admin->store, domain, from, account, &c->arena, &r)
            : e;
    if (e == ERR_NOT_FOUND) {
        c->outcome->result = json_pack("{s:n}", "route");
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Reading the routes");
    }
    if (r.password.n > 0) {
        explicit_bzero((char *)(uintptr_t)r.password.p, r.password.n);
    }
    c->outcome->result = json_pack("{s:o}", "route", route_json(&r));
    return ERR_OK;
}
