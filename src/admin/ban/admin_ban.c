// SPDX-License-Identifier: Apache-2.0
//
// ban list, ban lift: who is locked out for guessing (auth/throttle.h), and who not any more.
#include <stdio.h>

#include "admin/admin_internal.h"
#include "base/clock.h"

#include "base/banned.h"

#define BANS_BYTES_MAX (64u << 20)

static const char *const kind_names[THROTTLE_KINDS] = {
    [THROTTLE_PAIR] = "account", [THROTTLE_NETWORK] = "network", [THROTTLE_NAME] = "watched"};

static enum err no_server(struct admin_call *c)
{
    return admin_fail(c, ERR_UNAVAILABLE,
                      "No server runs here. What is locked out is forgotten when it stops.");
}

static const char *in_a_row(unsigned times)
{
    return times > 1 ? ", again and again" : "";
}

static json_t *why(const struct throttle_ban *ban)
{
    if (ban->kind == THROTTLE_NETWORK) {
        return json_sprintf("%u different wrong passwords from there%s; who has signed in from "
                            "there before still can",
                            ban->failures, in_a_row(ban->times));
    }
    if (ban->kind == THROTTLE_NAME) {
        return json_sprintf("wrong passwords from %u networks%s; a network that is new to it has "
                            "%d tries, and a right password is taken from anywhere",
                            ban->failures, in_a_row(ban->times), THROTTLE_WATCHED_MAX);
    }
    return json_sprintf("%u different wrong passwords%s", ban->failures, in_a_row(ban->times));
}

static json_t *item_of(const struct throttle_ban *ban, int64_t now_s)
{
    json_t *j = json_object();
    int64_t until = now_s + (ban->left_ms + 999) / 1000;

    json_object_set_new(j, "kind", json_string(kind_names[ban->kind]));
    if (ban->name.n) {
        json_object_set_new(j, "name", admin_json_text(ban->name));
    }
    if (ban->network.n) {
        json_object_set_new(j, "network", admin_json_text(ban->network));
    }
    admin_json_time(j, "since", until - ban->length_ms / 1000);
    admin_json_time(j, "until", until);
    json_object_set_new(j, "failures", json_integer(ban->failures));
    json_object_set_new(j, "times", json_integer(ban->times));
    json_object_set_new(j, "why", why(ban));
    return j;
}

enum err admin_ban_list(struct admin_call *c)
{
    struct throttle_ban *bans;
    struct arena arena;
    size_t n = 0;

    if (!c->admin->throttle) {
        return no_server(c);
    }
    arena_init(&arena, BANS_BYTES_MAX);
    enum err e = throttle_bans(c->admin->throttle, clock_monotonic_ms(), &arena, &bans, &n);
    int64_t now_s = clock_real_s();

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        bool sees = bans[i].name.n ? admin_sees(c, bans[i].name) : admin_sees_all(c);

        e = sees ? admin_item(c, item_of(&bans[i], now_s)) : ERR_OK;
    }
    arena_finish(&arena);
    return e;
}

// What is to be lifted, from the arguments. Over a name one needs the right over its domain, over
// a network for everybody the right over all.
static enum err wanted(struct admin_call *c, struct span *name, struct span *network)
{
    struct network ignored;
    enum err e = ERR_OK;

    *network = admin_text(c, "network");
    *name = SPAN("");
    if (admin_text(c, "name").n) {
        e = admin_address(c, "name", name);
    } else if (!network->n && !admin_bool(c, "all")) {
        e = admin_fail(c, ERR_INVALID, "Say whose ban to lift: a name, a network, or all.");
    }
    if (e == ERR_OK && !(name->n ? admin_sees(c, *name) : admin_sees_all(c))) {
        e = admin_fail(
            c, ERR_DENIED,
            "You may not do this: it takes the right passwords over the account, or over "
            "all domains where a network or all bans are meant.");
    }
    if (e == ERR_OK && network->n && network_parse(*network, &ignored) != ERR_OK) {
        e = admin_fail(c, ERR_INVALID,
                       "\"%.*s\" is no address and no network, as in 192.0.2.7 or 192.0.2.0/24.",
                       SPAN_ARG(*network));
    }
    return e;
}

enum err admin_ban_lift(struct admin_call *c)
{
    struct span name, network;
    enum err e = wanted(c, &name, &network);

    if (e == ERR_OK && !c->admin->throttle) {
        e = no_server(c);
    }
    if (e != ERR_OK) {
        return e;
    }
    unsigned lifted = throttle_lift(c->admin->throttle, name, network, clock_monotonic_ms());

    c->outcome->result = json_pack("{s:i}", "lifted", (int)lifted);
    return ERR_OK;
}
