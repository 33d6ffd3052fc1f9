// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "keep/managesieve/managesieve_check.h"
#include "keep/managesieve/managesieve_session_internal.h"
#include "sieve/sieve.h"
#include "store/rules.h"
#include "wire/managesieve/managesieve_offer.h"

#include "base/banned.h"

#define PROBLEM_BYTES 4096

typedef enum managesieve_step command_fn(struct managesieve_session *s,
                                         const struct managesieve_command *c);

static struct actor actor_of(const struct managesieve_session *s)
{
    return session_actor(&s->device, SPAN("ManageSieve"), span_from_str(s->origin));
}

static enum managesieve_step ok(struct managesieve_session *s, const char *text)
{
    managesieve_say(s, MANAGESIEVE_OK, NULL, text);
    return MANAGESIEVE_STEP_DONE;
}

static enum managesieve_step no(struct managesieve_session *s, const char *code, const char *text)
{
    managesieve_say(s, MANAGESIEVE_NO, code, text);
    return MANAGESIEVE_STEP_DONE;
}

// OK, or what the store says in ManageSieve's words (RFC 5804 section 1.3).
static enum managesieve_step answer(struct managesieve_session *s, enum err e, const char *done)
{
    switch (e) {
    case ERR_OK:
        return ok(s, done);
    case ERR_NOT_FOUND:
        return no(s, "NONEXISTENT", "There is no script of that name");
    case ERR_EXISTS:
        return no(s, "ALREADYEXISTS", "There is a script of that name already");
    case ERR_DENIED:
        return no(s, "ACTIVE", "The script is active; make another one active first");
    case ERR_INVALID:
        return no(s, NULL, "That cannot be the name of a script");
    case ERR_LIMIT:
        return no(s, "QUOTA/MAXSCRIPTS", "There are as many scripts as there may be");
    case ERR_QUOTA:
        return no(s, "QUOTA", "The account is full");
    default:
        log_warn("managesieve: %s: %s", s->user, err_name(e));
        return no(s, "TRYLATER", "The server is short of something; try again later");
    }
}

// ---- about scripts in general -------------------------------------------------------------------

static enum managesieve_step do_capability(struct managesieve_session *s,
                                           const struct managesieve_command *c)
{
    struct buf extensions;

    (void)c;
    buf_init(&extensions, 4096);
    sieve_extensions_put(&extensions);
    const struct managesieve_offer offer = {
        .extensions = buf_span(&extensions),
        .redirects_max = sieve_limits_default.redirects_max,
        .mechanisms = SPAN("PLAIN"), // what got them here was maybe another
        .owner = span_from_str(s->user),
    };

    managesieve_capabilities_put(s->out, &offer);
    buf_finish(&extensions);
    return ok(s, "");
}

// The script is good, or why not is said.
static bool check(struct managesieve_session *s, struct span text)
{
    struct buf problem;

    buf_init(&problem, PROBLEM_BYTES);
    enum err e = managesieve_check(text, &problem);

    if (e == ERR_INVALID) {
        struct span words = span_trim(buf_span(&problem));

        managesieve_result_put(s->out, MANAGESIEVE_NO, NULL, (struct span){NULL, 0},
                               words.n ? words : SPAN("The script is not valid"));
    } else if (e) {
        answer(s, e, "");
    }
    buf_finish(&problem);
    return e == ERR_OK;
}

static enum managesieve_step do_checkscript(struct managesieve_session *s,
                                            const struct managesieve_command *c)
{
    if (c->content.n > SCRIPT_BYTES_MAX) {
        return no(s, "QUOTA/MAXSIZE", "The script is too large");
    }
    return check(s, c->content) ? ok(s, "The script is valid") : MANAGESIEVE_STEP_DONE;
}

struct counting {
    struct span name;
    unsigned others;
};

static bool count_other(void *arg, const struct script *script)
{
    struct counting *k = arg;

    k->others += !span_eq(script->name, k->name);
    return true;
}

static enum managesieve_step do_havespace(struct managesieve_session *s,
                                          const struct managesieve_command *c)
{
    struct counting k = {.name = c->name};

    if (c->bytes > SCRIPT_BYTES_MAX) {
        return no(s, "QUOTA/MAXSIZE", "The script would be too large");
    }
    enum err e = script_list(s->server->store, s->account, count_other, &k);

    return answer(s, !e && k.others >= SCRIPTS_MAX ? ERR_LIMIT : e, "There is room");
}

// ---- one script ---------------------------------------------------------------------------------

static enum managesieve_step do_putscript(struct managesieve_session *s,
                                          const struct managesieve_command *c)
{
    struct actor by = actor_of(s);

    if (c->content.n > SCRIPT_BYTES_MAX) {
        return no(s, "QUOTA/MAXSIZE", "The script is too large");
    }
    if (!check(s, c->content)) {
        return MANAGESIEVE_STEP_DONE;
    }
    return answer(s, script_put(s->server->store, s->account, &by, c->name, c->content), "Stored");
}

static bool put_listed(void *arg, const struct script *script)
{
    struct buf *out = arg;

    managesieve_string_put(out, script->name);
    buf_put_str(out, script->is_active ? " ACTIVE\r\n" : "\r\n");
    return true;
}

static enum managesieve_step do_listscripts(struct managesieve_session *s,
                                            const struct managesieve_command *c)
{
    (void)c;
    return answer(s, script_list(s->server->store, s->account, put_listed, s->out), "");
}

static enum managesieve_step do_setactive(struct managesieve_session *s,
                                          const struct managesieve_command *c)
{
    struct actor by = actor_of(s);
    enum err e = script_activate(s->server->store, s->account, &by, c->name);

    return answer(s, e, c->name.n ? "Active" : "No script is active");
}

static enum managesieve_step do_getscript(struct managesieve_session *s,
                                          const struct managesieve_command *c)
{
    struct script script;
    enum err e = script_get(s->server->store, s->account, c->name, &s->arena, &script);

    if (e) {
        return answer(s, e, "");
    }
    managesieve_literal_head_put(s->out, script.text.n);
    buf_put(s->out, script.text);
    buf_put(s->out, SPAN("\r\n"));
    return ok(s, "");
}

static enum managesieve_step do_deletescript(struct managesieve_session *s,
                                             const struct managesieve_command *c)
{
    struct actor by = actor_of(s);

    return answer(s, script_remove(s->server->store, s->account, &by, c->name), "Deleted");
}

static enum managesieve_step do_renamescript(struct managesieve_session *s,
                                             const struct managesieve_command *c)
{
    struct actor by = actor_of(s);

    return answer(s, script_rename(s->server->store, s->account, &by, c->name, c->to), "Renamed");
}

// ---- the others ---------------------------------------------------------------------------------

static enum managesieve_step do_noop(struct managesieve_session *s,
                                     const struct managesieve_command *c)
{
    managesieve_result_put(s->out, MANAGESIEVE_OK, c->name.p ? "TAG" : NULL, c->name, SPAN("Done"));
    return MANAGESIEVE_STEP_DONE;
}

static enum managesieve_step do_logout(struct managesieve_session *s,
                                       const struct managesieve_command *c)
{
    (void)c;
    managesieve_say(s, MANAGESIEVE_OK, NULL, "Goodbye");
    return MANAGESIEVE_STEP_CLOSE;
}

static enum managesieve_step do_too_late(struct managesieve_session *s,
                                         const struct managesieve_command *c)
{
    (void)c;
    managesieve_say(s, MANAGESIEVE_NO, NULL, "You are logged in already");
    return MANAGESIEVE_STEP_BAD;
}

// The connection belongs to the process that holds this account's mail; it cannot go back.
static enum managesieve_step do_unauthenticate(struct managesieve_session *s,
                                               const struct managesieve_command *c)
{
    (void)c;
    return no(s, NULL, "UNAUTHENTICATE is not done here; open another connection");
}

static command_fn *const commands[MANAGESIEVE_COMMAND__COUNT] = {
    [MANAGESIEVE_AUTHENTICATE] = do_too_late,
    [MANAGESIEVE_STARTTLS] = do_too_late,
    [MANAGESIEVE_LOGOUT] = do_logout,
    [MANAGESIEVE_CAPABILITY] = do_capability,
    [MANAGESIEVE_HAVESPACE] = do_havespace,
    [MANAGESIEVE_PUTSCRIPT] = do_putscript,
    [MANAGESIEVE_LISTSCRIPTS] = do_listscripts,
    [MANAGESIEVE_SETACTIVE] = do_setactive,
    [MANAGESIEVE_GETSCRIPT] = do_getscript,
    [MANAGESIEVE_DELETESCRIPT] = do_deletescript,
    [MANAGESIEVE_RENAMESCRIPT] = do_renamescript,
    [MANAGESIEVE_CHECKSCRIPT] = do_checkscript,
    [MANAGESIEVE_NOOP] = do_noop,
    [MANAGESIEVE_UNAUTHENTICATE] = do_unauthenticate,
};

static bool changes(enum managesieve_command_id id)
{
    return id == MANAGESIEVE_PUTSCRIPT || id == MANAGESIEVE_SETACTIVE ||
           id == MANAGESIEVE_DELETESCRIPT || id == MANAGESIEVE_RENAMESCRIPT;
}

enum managesieve_step managesieve_run(struct managesieve_session *s, struct span text)
{
    struct managesieve_command c;
    const char *why;

    if (managesieve_parse(text, &s->arena, &c, &why)) {
        managesieve_say(s, MANAGESIEVE_NO, NULL, why);
        return MANAGESIEVE_STEP_BAD;
    }
    if (s->device.is_read_only && changes(c.id)) {
        return no(s, NULL, session_read_only_text(&s->device));
    }
    return commands[c.id](s, &c);
}
