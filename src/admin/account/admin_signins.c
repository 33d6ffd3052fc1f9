// SPDX-License-Identifier: Apache-2.0
//
// account signins: the sign-in history, oldest day first.
#include <stdio.h>

#include "admin/admin_internal.h"
#include "base/clock.h"
#include "store/access/device.h"
#include "store/access/signin.h"

#include "base/banned.h"

#define SINCE_DEFAULT_S (30ll * 86400)

static const char *service_name(enum signin_service s)
{
    static const char *const names[] = {
        [SIGNIN_IMAP] = "imap", [SIGNIN_SUBMISSION] = "submission",
        [SIGNIN_POP3] = "pop3", [SIGNIN_SIEVE] = "sieve",
        [SIGNIN_JMAP] = "jmap", [SIGNIN_WEB] = "web",
    };

    return names[s];
}

struct collect {
    json_t *items;
    json_t *devices; // their names by id
    int64_t since_s;
};

static bool name_device(void *arg, const struct device *d)
{
    struct collect *c = arg;
    char id[12];

    snprintf(id, sizeof(id), "%u", d->id);
    json_object_set_new(c->devices, id, admin_json_text(d->name));
    return true;
}

// "device_name", unless it has been removed meanwhile.
static void put_device_name(const struct collect *c, uint32_t device, json_t *into)
{
    char id[12];

    snprintf(id, sizeof(id), "%u", device);
    json_t *name = json_object_get(c->devices, id);

    if (name) {
        json_object_set(into, "device_name", name);
    }
}

static void put_country(const struct signin_place *p, json_t *into)
{
    if (p->code[0]) {
        json_object_set_new(into, "country", admin_json_text(span_of(p->code, sizeof(p->code))));
        json_object_set_new(into, "country_name", admin_json_text(signin_place_name(p)));
    }
}

static bool collect(void *arg, const struct signin *i)
{
    struct collect *c = arg;

    if (i->last < c->since_s) {
        return true;
    }
    json_t *j =
        json_pack("{s:I, s:I, s:I, s:I, s:s, s:o, s:o, s:I}", "first_ms",
                  (json_int_t)i->first * 1000, "last_ms", (json_int_t)i->last * 1000, "count",
                  (json_int_t)i->count, "failures", (json_int_t)i->failures, "service",
                  service_name(i->service), "network", admin_json_text(i->network), "client",
                  admin_json_text(i->client), "device", (json_int_t)i->device);

    if (j && i->device == SIGNIN_BY_READER) {
        json_object_set_new(j, "device", json_integer(0));
        json_object_set_new(j, "client", json_string(""));
        json_object_set_new(j, "opened_by", admin_json_text(i->client));
    }
    if (j) {
        admin_json_time(j, "first", i->first);
        admin_json_time(j, "last", i->last);
        put_device_name(c, i->device, j);
        put_country(&i->place, j);
    }
    return json_array_append_new(c->items, j) == 0;
}

enum err admin_account_signins(struct admin_call *c)
{
    struct collect all = {.items = json_array(),
                          .devices = json_object(),
                          .since_s = clock_real_s() - SINCE_DEFAULT_S};
    struct account account;
    uint64_t since_ms;
    enum err e = admin_account(c, &account);

    if (e == ERR_OK && admin_number(c, "since_ms", &since_ms)) {
        all.since_s = (int64_t)(since_ms / 1000);
    }
    if (e == ERR_OK) {
        e = device_list(c->admin->store, account.id, name_device, &all);
        e = e == ERR_OK ? signin_list(c->admin->store, account.id, all.since_s, collect, &all) : e;
        e = e == ERR_OK ? e : admin_fail_store(c, e, "Reading the sign-in history");
    }
    size_t n = json_array_size(all.items);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(all.items, i)));
    }
    json_decref(all.items);
    json_decref(all.devices);
    c->outcome->result = json_pack("{s:I}", "rows", (json_int_t)n);
    return e;
}
