// SPDX-License-Identifier: Apache-2.0
//
// account device add, list, set, block, unblock, remove.
#include <openssl/crypto.h>
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "auth/app_password.h"
#include "auth/scram_credentials.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "store/access/device.h"

#include "base/banned.h"

static const struct {
    const char *word;
    unsigned scope;
} words[] = {
    {"imap", DEVICE_IMAP},   {"smtp", DEVICE_SUBMISSION}, {"pop3", DEVICE_POP3},
    {"sieve", DEVICE_SIEVE}, {"jmap", DEVICE_JMAP},       {"web", DEVICE_WEB},
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static json_t *device_json(const struct device *d)
{
    json_t *services = json_array(), *networks = json_array();

    for (size_t i = 0; i < WORDS; i++) {
        if (d->scope & words[i].scope) {
            json_array_append_new(services, json_string(words[i].word));
        }
    }
    for (size_t i = 0; i < d->network_count; i++) {
        json_array_append_new(networks, admin_json_text(d->networks[i]));
    }
    json_t *j = json_pack("{s:I, s:o, s:s, s:o, s:b, s:o}", "id", (json_int_t)d->id, "device",
                          admin_json_text(d->name), "state",
                          d->state == DEVICE_BLOCKED ? "blocked" : "active", "for", services,
                          "read_only", (d->scope & DEVICE_READ_ONLY) != 0, "networks", networks);

    if (j) {
        admin_json_time(j, "created", d->created);
        if (d->until) {
            admin_json_time(j, "until", d->until);
            json_object_set_new(j, "is_over", json_boolean(d->until <= clock_real_ms() / 1000));
        }
        if (d->blocked) {
            admin_json_time(j, "blocked", d->blocked);
        }
    }
    return j;
}

// ---- arguments ----------------------------------------------------------------------------------

static enum err services_arg(struct admin_call *c, unsigned *scope)
{
    const json_t *list = json_object_get(c->args, "for");
    unsigned services = 0;

    if (list) {
        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *word = json_string_value(json_array_get(list, i));
            unsigned one = word && strcmp(word, "mail") == 0 ? DEVICE_MAIL : 0;

            for (size_t w = 0; word && w < WORDS; w++) {
                one |= strcmp(word, words[w].word) == 0 ? words[w].scope : 0;
            }
            if (!one) {
                return admin_fail(c, ERR_INVALID,
                                  "\"%s\" is nothing a device can be for: imap, smtp, pop3, sieve, "
                                  "jmap, web, or mail for all but web.",
                                  word ? word : "");
            }
            services |= one;
        }
        if (!services) {
            return admin_fail(c, ERR_INVALID, "A device is for one thing at least.");
        }
        *scope = (*scope & DEVICE_READ_ONLY) | services;
    }
    if (json_object_get(c->args, "read_only")) {
        *scope = admin_bool(c, "read_only") ? *scope | DEVICE_READ_ONLY
                                            : *scope & ~(unsigned)DEVICE_READ_ONLY;
    }
    return ERR_OK;
}

static enum err networks_arg(struct admin_call *c, struct device *d)
{
    const json_t *list = json_object_get(c->args, "networks");
    size_t n = json_array_size(list);
    struct span *networks = arena_zalloc(&c->arena, DEVICE_NETWORKS_MAX, sizeof(*networks));

    if (!list) {
        return ERR_OK;
    }
    if (!networks || n > DEVICE_NETWORKS_MAX) {
        return admin_fail(c, ERR_LIMIT, "A device has %d networks at most.", DEVICE_NETWORKS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);

        networks[i] =
            span_of(json_is_string(one) ? json_string_value(one) : "", json_string_length(one));
        if (!device_network_is_valid(networks[i])) {
            return admin_fail(c, ERR_INVALID,
                              "\"%.*s\" is no network: write it like 192.0.2.0/24 or "
                              "2001:db8::/32.",
                              SPAN_ARG(networks[i]));
        }
    }
    d->networks = networks;
    d->network_count = n;
    return ERR_OK;
}

// What is not said stays as it is in `d`.
static enum err device_args(struct admin_call *c, struct device *d)
{
    const json_t *until = json_object_get(c->args, "until");
    enum err e = services_arg(c, &d->scope);

    e = e == ERR_OK ? networks_arg(c, d) : e;
    if (e == ERR_OK && until) {
        d->until = json_is_integer(until) ? (int64_t)json_integer_value(until) : 0;
        if (!json_is_null(until) && d->until <= clock_real_ms() / 1000) {
            e = admin_fail(c, ERR_INVALID, "The time until when it is good has passed already.");
        }
    }
    return e;
}

static enum err name_arg(struct admin_call *c, const char *arg, struct span *out)
{
    *out = admin_text(c, arg);
    return device_name_is_valid(*out)
               ? ERR_OK
               : admin_fail(c, ERR_INVALID,
                            "A device needs a name of up to %d bytes, like \"phone\".",
                            DEVICE_NAME_BYTES_MAX);
}

static enum err fail(struct admin_call *c, enum err e, const struct account *account,
                     struct span name, const char *what)
{
    switch (e) {
    case ERR_EXISTS:
        return admin_fail(c, e, "%.*s has a device \"%.*s\" already. Give this one another name.",
                          SPAN_ARG(account->name), SPAN_ARG(name));
    case ERR_NOT_FOUND:
        return admin_fail(c, e,
                          "%.*s has no device \"%.*s\". To see those it has: mailkeep account "
                          "device list %.*s",
                          SPAN_ARG(account->name), SPAN_ARG(name), SPAN_ARG(account->name));
    case ERR_LIMIT:
        return admin_fail(c, e,
                          "%.*s has %d devices, which is as many as there may be. Remove one that "
                          "is not used any more.",
                          SPAN_ARG(account->name), DEVICES_MAX);
    default:
        return admin_fail_store(c, e, what);
    }
}

// The account and the device of the arguments.
static enum err device_arg(struct admin_call *c, struct account *account, struct device *out)
{
    struct span name;
    enum err e = admin_account(c, account);

    e = e == ERR_OK ? name_arg(c, "device", &name) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = device_by_name(c->admin->store, account->id, name, &c->arena, out);
    return e == ERR_OK ? e : fail(c, e, account, name, "Looking up the device");
}

static json_t *result_of(const struct account *account, struct span device)
{
    return json_pack("{s:o, s:o}", "account", admin_json_text(account->name), "device",
                     admin_json_text(device));
}

// ---- add, list, set -----------------------------------------------------------------------------

// The SHA-256 of a certificate, 64 digits, with or without colons. False: it is none.
static bool read_digest(struct span text, unsigned char out[DEVICE_DIGEST_BYTES])
{
    struct buf hex, bytes;

    buf_init(&hex, 2 * DEVICE_DIGEST_BYTES);
    buf_init(&bytes, DEVICE_DIGEST_BYTES);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != ':') {
            buf_put_byte(&hex, text.p[i]);
        }
    }
    bool ok = !hex.failed && hex_decode(&bytes, buf_span(&hex)) == ERR_OK &&
              bytes.n == DEVICE_DIGEST_BYTES;

    if (ok) {
        memcpy(out, bytes.p, DEVICE_DIGEST_BYTES);
    }
    buf_finish(&hex);
    buf_finish(&bytes);
    return ok;
}

// A device that shows a certificate has no password.
static enum err add_certificate(struct admin_call *c, const struct account *account,
                                struct device *d)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    unsigned char digest[DEVICE_DIGEST_BYTES];

    if (!read_digest(admin_text(c, "certificate_sha256"), digest)) {
        return admin_fail(c, ERR_INVALID,
                          "That is no SHA-256 of a certificate. To see it: openssl x509 -in FILE "
                          "-noout -fingerprint -sha256");
    }
    d->secret = span_of(digest, sizeof(digest));
    d->scram_keys = SPAN("");
    enum err e = device_add(c->admin->store, account->id, &by, d, &d->id);

    if (e == ERR_OK) {
        c->outcome->result = result_of(account, d->name);
        json_object_set_new(c->outcome->result, "id", json_integer((json_int_t)d->id));
    }
    return e == ERR_OK ? e : fail(c, e, account, d->name, "Adding the device");
}

static enum err add_with(struct admin_call *c, const struct account *account, struct device *d)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    char text[APP_PASSWORD_TEXT_BYTES], chars[APP_PASSWORD_CHARS];
    unsigned char digest[DEVICE_DIGEST_BYTES];
    char scram[SCRAM_KEY_PAIR_BYTES];

    app_password_make(text);
    ASSERT(app_password_read(span_of(text, sizeof(text)), chars));
    enum err e = app_password_digest(chars, digest);

    e = e == ERR_OK
            ? scram_device_keys(c->admin->store, account, span_of(text, sizeof(text)), scram)
            : e;
    d->secret = span_of(digest, sizeof(digest));
    d->scram_keys = span_of(scram, sizeof(scram));
    e = e == ERR_OK ? device_add(c->admin->store, account->id, &by, d, &d->id) : e;
    if (e == ERR_OK) {
        c->outcome->result = result_of(account, d->name);
        json_object_set_new(c->outcome->result, "id", json_integer((json_int_t)d->id));
        json_object_set_new(c->outcome->result, "password", json_stringn(text, sizeof(text)));
    }
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(chars, sizeof(chars));
    OPENSSL_cleanse(scram, sizeof(scram));
    return e == ERR_OK ? e : fail(c, e, account, d->name, "Adding the device");
}

enum err admin_device_add(struct admin_call *c)
{
    struct device d = {.scope = DEVICE_MAIL};
    struct account account;
    enum err e = admin_account(c, &account);

    e = e == ERR_OK ? name_arg(c, "device", &d.name) : e;
    e = e == ERR_OK ? device_args(c, &d) : e;
    if (e != ERR_OK) {
        return e;
    }
    return admin_text(c, "certificate_sha256").p ? add_certificate(c, &account, &d)
                                                 : add_with(c, &account, &d);
}

struct lister {
    struct admin_call *call;
    json_t *items;
};

static bool list_one(void *arg, const struct device *d)
{
    struct lister *l = arg;

    json_array_append_new(l->items, device_json(d));
    return true;
}

enum err admin_device_list(struct admin_call *c)
{
    struct lister l = {.call = c};
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    l.items = json_array();
    e = device_list(c->admin->store, account.id, list_one, &l);
    for (size_t i = 0; e == ERR_OK && i < json_array_size(l.items); i++) {
        e = admin_item(c, json_incref(json_array_get(l.items, i)));
    }
    if (e == ERR_OK) {
        c->outcome->result = json_pack("{s:o, s:I}", "account", admin_json_text(account.name),
                                       "devices", (json_int_t)json_array_size(l.items));
    }
    json_decref(l.items);
    return e == ERR_OK ? e : admin_fail_store(c, e, "Listing the devices");
}

// The device is changed: the result, with the sessions that are ended. ERR_OK.
static enum err changed(struct admin_call *c, const struct account *account, const struct device *d,
                        enum admin_session_end why)
{
    const struct admin *a = c->admin;
    json_int_t ended =
        a->end_sessions ? (json_int_t)a->end_sessions(a->arg, account->id, d->id, why) : 0;

    c->outcome->result = result_of(account, d->name);
    json_object_set_new(c->outcome->result, "sessions_ended", json_integer(ended));
    return ERR_OK;
}

enum err admin_device_set(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    struct device d;
    enum err e = device_arg(c, &account, &d);

    e = e == ERR_OK ? device_args(c, &d) : e;
    if (e == ERR_OK && json_object_get(c->args, "to")) {
        e = name_arg(c, "to", &d.name);
    }
    if (e != ERR_OK) {
        return e;
    }
    e = device_change(c->admin->store, account.id, &by, &d);
    return e == ERR_OK ? changed(c, &account, &d, ADMIN_DEVICE_CHANGED)
                       : fail(c, e, &account, d.name, "Changing the device");
}

// ---- block, unblock, remove ---------------------------------------------------------------------

enum err admin_device_block(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    struct device d;
    uint64_t held = 0;
    enum err e = device_arg(c, &account, &d);

    if (e != ERR_OK) {
        return e;
    }
    e = device_set_state(c->admin->store, account.id, &by, d.id, DEVICE_BLOCKED);
    if (e != ERR_OK) {
        return fail(c, e, &account, d.name, "Blocking the device");
    }
    changed(c, &account, &d, ADMIN_DEVICE_BLOCKED);
    // After its sessions, which could send more.
    e = c->admin->queue ? queue_hold_device(c->admin->queue, account.id, d.id, &held) : ERR_OK;
    if (e != ERR_OK) {
        json_decref(c->outcome->result);
        c->outcome->result = NULL;
        return admin_fail(
            c, e,
            "The device is blocked, but what it has sent could not be held (%s). See: "
            "mailkeep queue list --from %.*s",
            err_name(e), SPAN_ARG(account.name));
    }
    json_object_set_new(c->outcome->result, "messages_held", json_integer((json_int_t)held));
    return ERR_OK;
}

enum err admin_device_unblock(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    struct device d;
    enum err e = device_arg(c, &account, &d);

    if (e != ERR_OK) {
        return e;
    }
    e = device_set_state(c->admin->store, account.id, &by, d.id, DEVICE_ACTIVE);
    if (e != ERR_OK) {
        return fail(c, e, &account, d.name, "Letting the device in again");
    }
    c->outcome->result = result_of(&account, d.name);
    return ERR_OK;
}

enum err admin_device_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    struct device d;
    enum err e = device_arg(c, &account, &d);

    if (e != ERR_OK) {
        return e;
    }
    e = device_remove(c->admin->store, account.id, &by, d.id);
    return e == ERR_OK ? changed(c, &account, &d, ADMIN_DEVICE_CHANGED)
                       : fail(c, e, &account, d.name, "Removing the device");
}
