// SPDX-License-Identifier: Apache-2.0
#include "keep/scim/keep_scim.h"

#include <stdlib.h>

#include "auth/provision.h"
#include "auth/throttle.h"
#include "base/clock.h"
#include "base/log.h"
#include "keep/scim/scim_internal.h"

#include "base/banned.h"

#define THREADS       4
#define WAITING_MAX   64
#define ARENA_BYTES   (16u << 20)
#define THROTTLE_NAME "scim" // all tokens together: which one is guessed at, nobody can say

static enum err check_only(struct scim_call *c)
{
    c->status = 204;
    return ERR_OK;
}

static const struct {
    const char *name;
    scim_fn *run;
    bool changes;
} questions[] = {
    {"check", check_only, false},     {"config", scim_config, false},  {"types", scim_types, false},
    {"schemas", scim_schemas, false}, {"list", scim_list, false},      {"get", scim_get, false},
    {"create", scim_create, true},    {"replace", scim_replace, true}, {"patch", scim_patch, true},
    {"delete", scim_delete, true},
};

// ---- arguments and answers ----------------------------------------------------------------------

struct span scim_arg(const struct scim_call *c, const char *name)
{
    const char *text = control_arg_text(c->call, name);

    return span_from_str(text ? text : "");
}

json_t *scim_arg_json(const struct scim_call *c, const char *name)
{
    return json_object_get(control_args(c->call), name);
}

enum err scim_put_json(struct scim_call *c, const json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);

    if (!text) {
        return ERR_NOMEM;
    }
    buf_put_str(&c->body, text);
    buf_put_byte(&c->body, '\n');
    free(text);
    return buf_result(&c->body);
}

// What went wrong, as an answer.
static void put_error(struct scim_call *c, enum err e)
{
    struct scim_error *error = &c->error;

    if (e == ERR_NOT_FOUND) {
        scim_fail(error, 404, NULL, "There is nobody of that id here.");
    } else if (e != ERR_INVALID || error->status == 0) {
        log_warn("an identity provider's request (%s) failed: %s",
                 log_text(scim_arg(c, "question")).s, err_name(e));
        scim_fail(error,
                  e == ERR_NOSPACE   ? 507
                  : e == ERR_CORRUPT ? 500
                                     : 503,
                  NULL, "The server cannot do this now: %s.", err_name(e));
    }
    buf_clear(&c->body);
    c->version[0] = '\0';
    c->location = SPAN("");
    c->status = error->status;
    scim_error_put(&c->body, error->status, error->type, span_from_str(error->detail));
}

// ---- who asks -----------------------------------------------------------------------------------

static enum err refuse_stranger(struct scim_call *c)
{
    return scim_fail(&c->error, 401, NULL, "This token is not known here.");
}

static enum err find_token(struct scim_call *c, struct span text)
{
    unsigned char digest[SCIM_TOKEN_DIGEST_BYTES];

    if (!provision_token_is(text)) {
        return ERR_NOT_FOUND;
    }
    enum err e = provision_token_digest(text, digest);

    return e == ERR_OK ? scim_token_find(c->admin.store, span_of(digest, sizeof(digest)), &c->arena,
                                         &c->token)
                       : e;
}

static enum err let_in(struct scim_call *c)
{
    struct span text = scim_arg(c, "token"), remote = scim_arg(c, "remote");
    int64_t now_ms = clock_monotonic_ms();

    if (throttle_wait(c->admin.throttle, SPAN(THROTTLE_NAME), remote, now_ms) > 0) {
        return scim_fail(&c->error, 429, NULL, "Too many wrong tokens; try again later.");
    }
    enum err e = find_token(c, text);

    if (e == ERR_NOT_FOUND) {
        log_info("a provisioning token that is not known here came from %s", log_text(remote).s);
        throttle_failed(c->admin.throttle, SPAN(THROTTLE_NAME), remote, text, now_ms);
        return refuse_stranger(c);
    }
    if (e != ERR_OK) {
        return e;
    }
    throttle_passed(c->admin.throttle, SPAN(THROTTLE_NAME), remote);
    e = scim_token_used(c->admin.store, &c->token);
    if (e != ERR_OK) {
        log_warn("when the provisioning token %s was used could not be written: %s",
                 log_text(c->token.name).s, err_name(e));
    }
    c->provisioner = (struct admin_provisioner){
        .name = c->token.name, .domains = c->token.domains, .domain_count = c->token.domain_count};
    c->caller = (struct admin_caller){.provisioner = &c->provisioner, .address = remote};
    return ERR_OK;
}

// ---- the server ---------------------------------------------------------------------------------

static enum err answer(struct scim_call *c)
{
    const char *what = control_arg_text(c->call, "question");

    for (size_t i = 0; what && i < sizeof(questions) / sizeof(questions[0]); i++) {
        if (strcmp(what, questions[i].name) != 0) {
            continue;
        }
        if (!questions[i].changes) {
            return questions[i].run(c);
        }
        lock_take(&c->scim->lock);
        enum err e = questions[i].run(c);

        lock_release(&c->scim->lock);
        return e;
    }
    return ERR_UNSUPPORTED;
}

// "201 W/"..." /Users/17" and a line end, then the body. "-" for what is not there.
static enum err send_answer(struct scim_call *c)
{
    struct buf head;

    buf_init(&head, 200);
    buf_printf(&head, "%u %s %.*s\n", c->status, c->version[0] ? c->version : "-",
               SPAN_ARG(c->location.n > 0 ? c->location : SPAN("-")));
    enum err e = control_write_chunk(c->call, buf_span(&head));

    buf_finish(&head);
    return e == ERR_OK ? control_write_chunk(c->call, buf_span(&c->body)) : e;
}

static void run(struct control_call *call, void *arg)
{
    struct keep_scim *k = arg;
    struct scim_call c = {.scim = k, .call = call, .location = SPAN("")};

    k->options.lend(k->options.arg, &c.admin);
    arena_init(&c.arena, ARENA_BYTES);
    buf_init(&c.body, SCIM_ANSWER_BYTES_MAX);
    enum err e = let_in(&c);

    e = e == ERR_OK ? answer(&c) : e;
    if (e != ERR_OK) {
        put_error(&c, e);
    }
    e = send_answer(&c);
    if (e == ERR_OK) {
        control_reply(call, NULL);
    } else {
        control_fail(call, e, "This could not be answered: %s", err_name(e));
    }
    buf_finish(&c.body);
    arena_finish(&c.arena);
    settings_unref(c.admin.settings);
}

enum err keep_scim_create(const struct keep_scim_options *o, struct keep_scim **out)
{
    static const struct control_command commands[] = {{"scim", run}, {NULL, NULL}};
    struct keep_scim *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    k->options = *o;
    lock_init(&k->lock, LOCK_PROVISION);
    enum err e = control_server_create_bare(THREADS, WAITING_MAX, commands, k, &k->server);

    if (e != ERR_OK) {
        keep_scim_destroy(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void keep_scim_destroy(struct keep_scim *k)
{
    if (k) {
        control_server_destroy(k->server);
        lock_finish(&k->lock);
        free(k);
    }
}

void keep_scim_take(struct keep_scim *k, int fd)
{
    control_server_take(k->server, fd);
}
