// SPDX-License-Identifier: Apache-2.0
//
// Apps without a browser (RFC 8628): they show a code, which their person types on a page.
#include "base/clock.h"
#include "base/log.h"
#include "keep/oauth/oauth_internal.h"

#include "base/banned.h"

#define CODES "(user code)" // how the throttle calls those who type codes; no account's name

static enum err begin(struct oauth_call *c, const struct oauth_client *client, unsigned scope,
                      char code[OAUTH_CODE_TEXT_BYTES], char user[OAUTH_USER_CODE_CHARS])
{
    struct oauth_pending_item item = {.is_device = true, .state = OAUTH_WAITING, .scope = scope};
    char digest[OAUTH_DIGEST_BYTES];
    enum err e = ERR_EXISTS;

    span_copy_text(client->id, item.client, sizeof(item.client));
    span_copy_text(oauth_arg(c, "remote"), item.remote, sizeof(item.remote));
    oauth_code_make('d', code);
    oauth_digest(span_of(code, OAUTH_CODE_TEXT_BYTES), digest);
    for (int i = 0; e == ERR_EXISTS && i < 10; i++) {
        oauth_user_code_make(user);
        memcpy(item.user_code, user, OAUTH_USER_CODE_CHARS);
        e = oauth_pending_add(c->oauth->pending, digest, &item);
    }
    return e;
}

void oauth_device_begin(struct oauth_call *c)
{
    char code[OAUTH_CODE_TEXT_BYTES], user[OAUTH_USER_CODE_CHARS];
    char shown[OAUTH_USER_CODE_TEXT_BYTES];
    struct oauth_client client;
    unsigned scope;

    if (!oauth_call_client(c, &client) || !oauth_call_scope(c, &scope)) {
        return;
    }
    enum err e = begin(c, &client, scope, code, user);

    if (e == ERR_LIMIT) {
        oauth_error(c, "temporarily_unavailable", "Too many codes wait already; try again later");
    } else if (e != ERR_OK) {
        oauth_trouble(c, e);
    } else {
        oauth_user_code_show(user, shown);
        oauth_put(c, "device_code", span_of(code, sizeof(code)));
        oauth_put(c, "user_code", span_of(shown, sizeof(shown)));
        oauth_put_number(c, "expires_in", OAUTH_DEVICE_CODE_MS / 1000);
        oauth_put_number(c, "interval", OAUTH_POLL_MS / 1000);
    }
}

static void refuse_code(struct oauth_call *c, const char *words)
{
    oauth_put_str(c, "refused", words);
    oauth_put_str(c, "refused_at", "user_code");
}

// Codes are short, so guessing is slowed down as it is for passwords.
static bool find(struct oauth_call *c, char code[OAUTH_USER_CODE_CHARS],
                 struct oauth_pending_item *item)
{
    struct throttle *t = auth_throttle(c->oauth->options.auth);
    struct span remote = oauth_arg(c, "remote"), typed = oauth_arg(c, "user_code");
    int64_t now = clock_monotonic_ms();

    if (throttle_wait(t, SPAN(CODES), remote, now) > 0) {
        refuse_code(c, "There were too many wrong codes; try again later");
        return false;
    }
    if (oauth_user_code_read(typed, code) &&
        oauth_pending_find(c->oauth->pending, code, item) == ERR_OK) {
        return true;
    }
    if (typed.n && throttle_failed(t, SPAN(CODES), remote, typed, now)) {
        log_warn("too many wrong codes of devices from %s", log_text(remote).s);
    }
    refuse_code(c, "No device waits with this code: look again, or let it show you a new one");
    return false;
}

// What is said of the app, whose person looks at the page.
static bool put_item(struct oauth_call *c, const struct oauth_pending_item *item)
{
    struct oauth_client client;
    enum err e =
        oauth_client_get(c->oauth->options.store, span_from_str(item->client), &c->arena, &client);

    if (e != ERR_OK) {
        refuse_code(c, "This app is not known here any more");
        return false;
    }
    oauth_put(c, "client_name", client.name);
    oauth_put_scope(c, item->scope);
    return true;
}

void oauth_device_look(struct oauth_call *c)
{
    char code[OAUTH_USER_CODE_CHARS];
    struct oauth_pending_item item;

    if (find(c, code, &item)) {
        put_item(c, &item);
    }
}

static bool is_decided(struct oauth_call *c, enum err e)
{
    if (e != ERR_OK) {
        refuse_code(c, "This code is not good any more: let the device show you a new one");
    }
    return e == ERR_OK;
}

void oauth_device_allow(struct oauth_call *c)
{
    char code[OAUTH_USER_CODE_CHARS];
    struct oauth_pending_item item;
    struct auth_grant grant;

    if (!find(c, code, &item) || !put_item(c, &item)) {
        return;
    }
    if (oauth_arg(c, "read_only").n) {
        item.scope = (item.scope & ~(unsigned)DEVICE_SUBMISSION) | DEVICE_READ_ONLY;
    }
    if (!(item.scope & DEVICE_MAIL)) {
        refuse_code(c, "This app wants to send only, so for reading it is no use");
        return;
    }
    if (oauth_sign_in(c, &grant) &&
        is_decided(c, oauth_pending_decide(c->oauth->pending, code, &grant, item.scope))) {
        oauth_put_str(c, "done", "1");
    }
}

void oauth_device_deny(struct oauth_call *c)
{
    char code[OAUTH_USER_CODE_CHARS];
    struct oauth_pending_item item;

    if (find(c, code, &item) && put_item(c, &item) &&
        is_decided(c, oauth_pending_decide(c->oauth->pending, code, NULL, 0))) {
        oauth_put_str(c, "done", "1");
    }
}
