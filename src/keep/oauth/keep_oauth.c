// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/oauth/oauth_internal.h"
#include "wire/http/http_form.h"

#include "base/banned.h"

#define THREADS     4
#define WAITING_MAX 64
#define ARENA_BYTES (256u << 10)

static const struct {
    const char *name;
    oauth_fn *run;
} questions[] = {
    {"look", oauth_look},
    {"allow", oauth_allow},
    {"device begin", oauth_device_begin},
    {"device look", oauth_device_look},
    {"device allow", oauth_device_allow},
    {"device deny", oauth_device_deny},
    {"token", oauth_token},
    {"revoke", oauth_revoke},
    {"account look", oauth_account_look},
    {"account sign-in", oauth_account_sign_in},
    {"account sign-out", oauth_account_sign_out},
    {"account block", oauth_account_block},
    {"account add", oauth_account_add},
    {"account factor", oauth_account_factor},
    {"account confirm", oauth_account_confirm},
};

// ---- fields -------------------------------------------------------------------------------------

struct span oauth_arg(const struct oauth_call *c, const char *name)
{
    const char *text = control_arg_text(c->call, name);

    return span_from_str(text ? text : "");
}

void oauth_put(struct oauth_call *c, const char *name, struct span value)
{
    http_form_put(&c->answer, name, value);
}

void oauth_put_str(struct oauth_call *c, const char *name, const char *value)
{
    oauth_put(c, name, span_from_str(value));
}

void oauth_put_number(struct oauth_call *c, const char *name, int64_t value)
{
    struct buf b;

    buf_init(&b, 32);
    buf_put_u64(&b, (uint64_t)value);
    oauth_put(c, name, buf_span(&b));
    buf_finish(&b);
}

void oauth_put_scope(struct oauth_call *c, unsigned scope)
{
    struct buf b;

    buf_init(&b, 100);
    oauth_scope_put(&b, scope);
    oauth_put(c, "scope", buf_span(&b));
    buf_finish(&b);
}

void oauth_error(struct oauth_call *c, const char *error, const char *words)
{
    oauth_put_str(c, "error", error);
    oauth_put_str(c, "error_description", words);
}

void oauth_trouble(struct oauth_call *c, enum err e)
{
    log_warn("our authorization server cannot answer now: %s", err_name(e));
    oauth_error(c, "temporarily_unavailable", "The server cannot do this now");
}

bool oauth_call_client(struct oauth_call *c, struct oauth_client *out)
{
    enum err e =
        oauth_client_get(c->oauth->options.store, oauth_arg(c, "client_id"), &c->arena, out);

    if (e == ERR_NOT_FOUND) {
        oauth_error(c, "invalid_client", "There is no app of this client_id here");
    } else if (e != ERR_OK) {
        oauth_trouble(c, e);
    }
    return e == ERR_OK;
}

bool oauth_call_scope(struct oauth_call *c, unsigned *out)
{
    if (oauth_scope_read(oauth_arg(c, "scope"), out)) {
        return true;
    }
    oauth_error(c, "invalid_scope", "Scopes are imap, smtp, pop3, sieve, jmap, mail and read-only");
    return false;
}

// ---- signing in on a page -----------------------------------------------------------------------

static void note_signin(struct oauth_call *c, const struct auth_claim *claim, enum err e,
                        const struct auth_grant *grant)
{
    bool is_known = e == ERR_OK || grant->why;
    struct signin_event event = {.has_failed = e != ERR_OK,
                                 .account = is_known ? grant->account : 0,
                                 .name = claim->name,
                                 .device = grant->device,
                                 .service = SIGNIN_WEB,
                                 .remote = claim->remote,
                                 .client_id = SPAN("")};

    if (e == ERR_OK || e == ERR_DENIED) {
        signin_log_note(c->oauth->options.signins, &event);
    }
}

static void refuse(struct oauth_call *c, const char *words, const char *field)
{
    oauth_put_str(c, "refused", words);
    oauth_put_str(c, "refused_at", field);
}

bool oauth_sign_in(struct oauth_call *c, struct auth_grant *out)
{
    return oauth_sign_in_as(c, oauth_arg(c, "user"), false, out);
}

bool oauth_sign_in_as(struct oauth_call *c, struct span name, bool has_code, struct auth_grant *out)
{
    struct auth_claim claim = {.name = name,
                               .password = oauth_arg(c, "password"),
                               .code = oauth_arg(c, "second_code"),
                               .remote = oauth_arg(c, "remote"),
                               .service = AUTH_WEB};
    enum err e = auth_password(c->oauth->options.auth, &claim, out);

    if (e == ERR_DENIED && out->wants_code && has_code && !claim.code.n) {
        e = ERR_OK; // the password was right, and a code was said before
    }
    // A device may not make devices.
    if (e == ERR_OK && out->device) {
        e = ERR_DENIED;
        out->why = "Sign in with your own password, not with one of a device";
    }
    note_signin(c, &claim, e, out);
    if (e == ERR_DENIED && out->why) {
        refuse(c, out->why, out->wants_code ? "second_code" : "password");
    } else if (e == ERR_DENIED) {
        refuse(c, "This address and this password do not belong together", "password");
    } else if (e == ERR_LIMIT) {
        refuse(c, "There were too many wrong passwords; try again later", "password");
    } else if (e != ERR_OK) {
        refuse(c, "Nobody can sign in at this moment; try again in a minute", "password");
    }
    return e == ERR_OK;
}

// ---- the server ---------------------------------------------------------------------------------

static void run(struct control_call *call, void *arg)
{
    struct oauth_call c = {.oauth = arg, .call = call};
    const char *what = control_arg_text(call, "question");
    enum err e = ERR_UNSUPPORTED;

    arena_init_secret(&c.arena, ARENA_BYTES);
    buf_init_secret(&c.answer, OAUTH_ANSWER_BYTES_MAX);
    for (size_t i = 0; what && i < sizeof(questions) / sizeof(questions[0]); i++) {
        if (strcmp(what, questions[i].name) == 0) {
            questions[i].run(&c);
            e = buf_result(&c.answer);
            e = e == ERR_OK ? control_write_chunk(call, buf_span(&c.answer)) : e;
        }
    }
    if (e == ERR_OK) {
        control_reply(call, NULL);
    } else {
        control_fail(call, e, "This could not be answered: %s", err_name(e));
    }
    buf_finish(&c.answer);
    arena_finish(&c.arena);
}

enum err keep_oauth_create(const struct keep_oauth_options *o, struct keep_oauth **out)
{
    static const struct control_command commands[] = {{"oauth", run}, {NULL, NULL}};
    struct keep_oauth *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    k->options = *o;
    keep_oauth_set_lives(k, 3600, 90 * 86400);
    enum err e = oauth_pending_create(&k->pending);

    e = e == ERR_OK ? oauth_sessions_create(&k->sessions) : e;
    if (e == ERR_OK) {
        e = control_server_create_bare(THREADS, WAITING_MAX, commands, k, &k->server);
    }
    if (e != ERR_OK) {
        keep_oauth_destroy(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void keep_oauth_destroy(struct keep_oauth *k)
{
    if (k) {
        control_server_destroy(k->server);
        oauth_pending_destroy(k->pending);
        oauth_sessions_destroy(k->sessions);
        free(k);
    }
}

void keep_oauth_set_lives(struct keep_oauth *k, int64_t access_s, int64_t refresh_s)
{
    atomic_store(&k->access_s, access_s);
    atomic_store(&k->refresh_s, refresh_s);
}

void keep_oauth_take(struct keep_oauth *k, int fd)
{
    control_server_take(k->server, fd);
}
