// SPDX-License-Identifier: Apache-2.0
//
// dkim create, list, show, activate, retire, remove: the keys that sign what leaves. Their private
// halves never come out.
#include <stdio.h>
#include <time.h>

#include "admin/admin_internal.h"
#include "base/clock.h"
#include "senderauth/dkim.h"
#include "store/route.h"
#include "store/secret.h"

#include "base/banned.h"

#define RSA_BITS        2048 // what every verifier takes (RFC 8301) and one TXT record holds
#define ZONE_STRING_MAX 255

// ---- names --------------------------------------------------------------------------------------

// The argument "domain": one of ours, under any of its names, as the DNS writes it.
static enum err our_domain(struct admin_call *c, struct span *out)
{
    struct domain_name *name = arena_zalloc(&c->arena, 1, sizeof(*name));
    struct span domain;
    bool ours = false;
    enum err e = name ? admin_domain(c, "domain", &domain) : ERR_NOMEM;

    e = e == ERR_OK ? route_domain_is_ours(c->admin->store, domain, &c->arena, &ours, NULL) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (!ours) {
        return admin_fail(c, ERR_NOT_FOUND,
                          "There is no domain \"%.*s\". All domains: mailkeep "
                          "domain list",
                          SPAN_ARG(domain));
    }
    if (domain_name_parse(domain, name) != ERR_OK) {
        return admin_fail(c, ERR_INVALID, "The DNS cannot hold the name \"%.*s\".",
                          SPAN_ARG(domain));
    }
    *out = domain_name_span(name);
    return ERR_OK;
}

static const char *const state_names[] = {
    [SIGNING_PREPARED] = "prepared", [SIGNING_ACTIVE] = "active", [SIGNING_RETIRED] = "retired"};

static const char *state_words(const struct signing_key *k)
{
    switch (k->state) {
    case SIGNING_PREPARED:
        return "Publish its record: it signs as soon as the DNS shows it";
    case SIGNING_ACTIVE:
        return "It signs. Its record must be in the DNS";
    case SIGNING_RETIRED:
        return clock_real_s() - k->changed < SIGNING_RETIRED_S
                   ? "It signs no more. Leave its record for a week after it was retired"
                   : "It signs no more. Take its record out of the DNS: then it is forgotten";
    }
    return "";
}

void admin_put_zone_txt(struct buf *out, struct span name, struct span text)
{
    buf_put(out, name);
    buf_put_str(out, ". IN TXT (");
    for (struct span rest = text; rest.n > 0; rest = span_skip(rest, ZONE_STRING_MAX)) {
        struct span part = span_first(rest, ZONE_STRING_MAX);

        buf_put_str(out, " \"");
        for (size_t i = 0; i < part.n; i++) {
            if (part.p[i] == '"' || part.p[i] == '\\') {
                buf_put_byte(out, '\\');
            }
            buf_put_byte(out, part.p[i]);
        }
        buf_put_byte(out, '"');
    }
    buf_put_str(out, " )");
}

static json_t *key_json(const struct signing_key *k)
{
    char name_bytes[300], zone_bytes[SIGNING_RECORD_BYTES_MAX * 2];
    struct buf name = {.p = name_bytes, .cap = sizeof(name_bytes), .max = sizeof(name_bytes)};
    struct buf zone = {.p = zone_bytes, .cap = sizeof(zone_bytes), .max = sizeof(zone_bytes)};

    buf_printf(&name, "%.*s._domainkey.%.*s", SPAN_ARG(k->selector), SPAN_ARG(k->domain));
    admin_put_zone_txt(&zone, buf_span(&name), k->record);
    json_t *j = json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:s}", "domain",
                          admin_json_text(k->domain), "selector", admin_json_text(k->selector),
                          "algorithm", dkim_algorithm_name((enum dkim_algorithm)k->algorithm),
                          "state", state_names[k->state], "name", admin_json_text(buf_span(&name)),
                          "record", admin_json_text(k->record), "zone",
                          admin_json_text(buf_span(&zone)), "what_to_do", state_words(k));

    if (j) {
        admin_json_time(j, "created", k->created);
        admin_json_time(j, "changed", k->changed);
    }
    return j;
}

// ---- create -------------------------------------------------------------------------------------

// "20261125r": when it was made, and by which algorithm. `n` above 1 is added when that is taken.
static struct span dated_selector(struct admin_call *c, enum dkim_algorithm algorithm, unsigned n)
{
    time_t now = (time_t)clock_real_s();
    char day[16] = "", text[40];
    struct tm tm;

    if (gmtime_r(&now, &tm)) {
        strftime(day, sizeof(day), "%Y%m%d", &tm);
    }
    snprintf(text, sizeof(text), "%s%c", day, algorithm == DKIM_RSA_SHA256 ? 'r' : 'e');
    if (n > 1) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u", n);
    }
    return arena_dup(&c->arena, span_from_str(text));
}

static enum err add_named(struct admin_call *c, struct signing_key *k, struct span selector)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    enum err e = ERR_EXISTS;

    if (selector.n > 0) {
        k->selector = selector;
        e = signing_key_add(c->admin->store, &by, k);
    }
    for (unsigned n = 1; selector.n == 0 && e == ERR_EXISTS && n <= SIGNING_KEYS_MAX; n++) {
        k->selector = dated_selector(c, (enum dkim_algorithm)k->algorithm, n);
        e = signing_key_add(c->admin->store, &by, k);
    }
    switch (e) {
    case ERR_EXISTS:
        return admin_fail(c, e, "The selector \"%.*s\" is taken.", SPAN_ARG(k->selector));
    case ERR_LIMIT:
        return admin_fail(c, e,
                          "The domain has too many keys, or the names are too long. Remove "
                          "some: mailkeep dkim remove");
    case ERR_INVALID:
        return admin_fail(c, e, "\"%.*s\" cannot be a selector: letters, digits and hyphens.",
                          SPAN_ARG(k->selector));
    default:
        return e == ERR_OK ? e : admin_fail_store(c, e, "Storing the key");
    }
}

static enum err create_one(struct admin_call *c, struct span domain, struct span selector,
                           enum dkim_algorithm algorithm)
{
    struct signing_key k = {.domain = domain,
                            .algorithm = algorithm,
                            .state = SIGNING_PREPARED,
                            .created = clock_real_s(),
                            .changed = clock_real_s()};
    struct dkim_private_key *key = NULL;
    struct buf pem, record;
    enum err e = dkim_key_generate(algorithm, RSA_BITS, &key);

    buf_init(&pem, SIGNING_PEM_BYTES_MAX);
    buf_init(&record, SIGNING_RECORD_BYTES_MAX);
    e = e == ERR_OK ? dkim_key_put_pem(&pem, key) : e;
    e = e == ERR_OK ? dkim_key_put_record(&record, key) : e;
    if (e == ERR_OK) {
        k.pem = buf_span(&pem);
        k.record = buf_span(&record);
        e = add_named(c, &k, selector);
    } else {
        admin_fail(c, e, "No key could be made (%s).", err_name(e));
    }
    if (e == ERR_OK) {
        e = admin_item(c, key_json(&k));
    }
    if (pem.p) {
        explicit_bzero(pem.p, pem.n);
    }
    buf_finish(&pem);
    buf_finish(&record);
    dkim_key_destroy(key);
    return e;
}

enum err admin_dkim_create(struct admin_call *c)
{
    struct span domain, selector = admin_text(c, "selector"), kind = admin_text(c, "algorithm");
    bool rsa = kind.n == 0 || span_eq(kind, SPAN("rsa"));
    bool ed25519 = kind.n == 0 || span_eq(kind, SPAN("ed25519"));
    enum err e = our_domain(c, &domain);

    if (e != ERR_OK) {
        return e;
    }
    if (!rsa && !ed25519) {
        return admin_fail(c, ERR_INVALID, "The algorithm is rsa or ed25519.");
    }
    if (selector.n > 0 && rsa && ed25519) {
        return admin_fail(c, ERR_INVALID,
                          "Two keys cannot have one selector. Say which algorithm it is for.");
    }
    e = rsa ? create_one(c, domain, selector, DKIM_RSA_SHA256) : ERR_OK;
    e = e == ERR_OK && ed25519 ? create_one(c, domain, selector, DKIM_ED25519_SHA256) : e;
    c->outcome->result = json_pack("{s:o}", "domain", admin_json_text(domain));
    return e;
}

// ---- list and show ------------------------------------------------------------------------------

struct key_lister {
    struct span selector; // empty: all
    json_t *items;        // sent after the walk
};

static bool key_collect(void *arg, const struct signing_key *k)
{
    struct key_lister *l = arg;

    return (l->selector.n > 0 && !span_eq_nocase(l->selector, k->selector)) ||
           json_array_append_new(l->items, key_json(k)) == 0;
}

enum err admin_dkim_list(struct admin_call *c)
{
    struct key_lister l = {admin_text(c, "selector"), json_array()};
    struct span domain = SPAN("");
    enum err e = admin_text(c, "domain").n > 0 ? our_domain(c, &domain) : ERR_OK;

    e = e == ERR_OK ? signing_key_list(c->admin->store, domain, key_collect, &l) : e;
    for (size_t i = 0; i < json_array_size(l.items) && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(l.items, i)));
    }
    if (e == ERR_OK && l.selector.n > 0 && json_array_size(l.items) == 0) {
        e = admin_fail(c, ERR_NOT_FOUND, "The domain %.*s has no key \"%.*s\".", SPAN_ARG(domain),
                       SPAN_ARG(l.selector));
    }
    c->outcome->result = json_pack("{s:I}", "keys", (json_int_t)json_array_size(l.items));
    json_decref(l.items);
    return e;
}

// ---- changing -----------------------------------------------------------------------------------

static enum err changed(struct admin_call *c, enum err e, struct span domain, struct span selector)
{
    switch (e) {
    case ERR_OK:
        return ERR_OK;
    case ERR_NOT_FOUND:
        return admin_fail(c, e,
                          "The domain %.*s has no key \"%.*s\". Its keys: mailkeep dkim list %.*s",
                          SPAN_ARG(domain), SPAN_ARG(selector), SPAN_ARG(domain));
    case ERR_DENIED:
        return admin_fail(c, e,
                          "The key \"%.*s\" signs mail. Retire it first: mailkeep dkim retire %.*s "
                          "%.*s",
                          SPAN_ARG(selector), SPAN_ARG(domain), SPAN_ARG(selector));
    default:
        return admin_fail_store(c, e, "Changing the key");
    }
}

// The items of `l` that are in `state` get another.
static enum err set_all(struct admin_call *c, struct span domain, const char *from,
                        enum signing_state to, const json_t *items, json_t *done)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    enum err e = ERR_OK;

    for (size_t i = 0; i < json_array_size(items) && e == ERR_OK; i++) {
        const json_t *k = json_array_get(items, i);
        const char *selector = json_string_value(json_object_get(k, "selector"));

        if (strcmp(json_string_value(json_object_get(k, "state")), from) == 0) {
            e = changed(
                c, signing_key_set_state(c->admin->store, &by, domain, span_from_str(selector), to),
                domain, span_from_str(selector));
            json_array_append_new(done, json_string(selector));
        }
    }
    return e;
}

enum err admin_dkim_activate(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct key_lister l = {SPAN(""), json_array()};
    struct span domain, selector = admin_text(c, "selector");
    json_t *done = json_array();
    enum err e = our_domain(c, &domain);

    if (e == ERR_OK && selector.n > 0) {
        e = changed(c,
                    signing_key_set_state(c->admin->store, &by, domain, selector, SIGNING_ACTIVE),
                    domain, selector);
        json_array_append_new(done, admin_json_text(selector));
    } else if (e == ERR_OK) {
        e = signing_key_list(c->admin->store, domain, key_collect, &l);
        e = e == ERR_OK ? set_all(c, domain, "prepared", SIGNING_ACTIVE, l.items, done) : e;
        if (e == ERR_OK && json_array_size(done) == 0) {
            e = admin_fail(c, ERR_NOT_FOUND,
                           "The domain %.*s has no key that waits to be activated. Its keys: "
                           "mailkeep dkim list %.*s",
                           SPAN_ARG(domain), SPAN_ARG(domain));
        }
    }
    json_decref(l.items);
    if (e != ERR_OK) {
        json_decref(done);
        return e;
    }
    c->outcome->result =
        json_pack("{s:o, s:o}", "domain", admin_json_text(domain), "selectors", done);
    return ERR_OK;
}

// One named key; `remove`: for good.
static enum err end_key(struct admin_call *c, bool remove)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span domain, selector = admin_text(c, "selector");
    enum err e = our_domain(c, &domain);

    if (e != ERR_OK) {
        return e;
    }
    e = remove ? signing_key_remove(c->admin->store, &by, domain, selector)
               : signing_key_set_state(c->admin->store, &by, domain, selector, SIGNING_RETIRED);
    e = changed(c, e, domain, selector);
    if (e == ERR_OK) {
        c->outcome->result = json_pack("{s:o, s:[o]}", "domain", admin_json_text(domain),
                                       "selectors", admin_json_text(selector));
    }
    return e;
}

enum err admin_dkim_retire(struct admin_call *c)
{
    return end_key(c, false);
}

enum err admin_dkim_remove(struct admin_call *c)
{
    return end_key(c, true);
}

void admin_dkim_forget(struct admin_call *c, struct span domain)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct key_lister l = {SPAN(""), json_array()};
    struct domain_name name;

    if (domain_name_parse(domain, &name) == ERR_OK &&
        signing_key_list(c->admin->store, domain_name_span(&name), key_collect, &l) == ERR_OK) {
        for (size_t i = 0; i < json_array_size(l.items); i++) {
            struct span selector = span_from_str(
                json_string_value(json_object_get(json_array_get(l.items, i), "selector")));

            signing_key_set_state(c->admin->store, &by, domain_name_span(&name), selector,
                                  SIGNING_RETIRED);
            signing_key_remove(c->admin->store, &by, domain_name_span(&name), selector);
        }
    }
    json_decref(l.items);
}
