// SPDX-License-Identifier: Apache-2.0
#include "delivery/rules/rules.h"

#include "delivery/rules/rules_world.h"
#include "store/rules.h"

#include "base/banned.h"

#define COMPILE_STEPS_A_BYTE 8 // so that a large script counts as work

// Nobody knows what a script that is included will look at.
static bool looks_into_body(const struct sieve_program *p)
{
    static const char *const extensions[] = {"body",    "foreverypart", "mime",   "extracttext",
                                             "replace", "enclose",      "include"};

    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        if (sieve_program_uses(p, span_from_str(extensions[i]))) {
            return true;
        }
    }
    return false;
}

// A script that does nothing but fail: one keep, and words for the owner.
static enum err set_failure(struct arena *a, uint32_t line, struct span text,
                            struct sieve_result *out)
{
    struct sieve_action *keep = arena_zalloc(a, 1, sizeof(*keep));

    if (!keep) {
        return ERR_NOMEM;
    }
    keep->kind = SIEVE_KEEP;
    keep->target.name = SPAN("INBOX");
    *out = (struct sieve_result){.actions = keep,
                                 .action_n = 1,
                                 .has_error = true,
                                 .error_line = line,
                                 .error_script = SPAN(""),
                                 .error_text = arena_dup(a, text)};
    return out->error_text.p ? ERR_OK : ERR_NOMEM;
}

static enum err place_one(struct rules_world *w, const struct sieve_action *action,
                          struct rules_place *out)
{
    const struct sieve_target *fcc = action->vacation ? &action->vacation->fcc
                                     : action->notify ? &action->notify->fcc
                                                      : NULL;

    if (action->kind == SIEVE_KEEP) {
        return rules_world_inbox(w, &action->target, out);
    }
    if (action->kind == SIEVE_FILEINTO) {
        return rules_world_place(w, &action->target, out);
    }
    return fcc && fcc->name.p ? rules_world_place(w, fcc, out) : ERR_OK;
}

static enum err place_all(struct rules_world *w, const struct sieve_result *r,
                          const struct rules_place **out)
{
    struct rules_place *places = arena_zalloc(w->arena, r->action_n + 1, sizeof(*places));
    enum err e = places ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < r->action_n && e == ERR_OK; i++) {
        e = place_one(w, &r->actions[i], &places[i]);
    }
    *out = places;
    return e;
}

static void trace(void *context, const struct sieve_trace *t)
{
    const struct rules_world *w = context;

    w->about->trace(w->about->arg, t);
}

// `program` NULL: the result is there already.
static enum err run(const struct rules_case *c, const struct sieve_program *program,
                    struct span text, uint64_t more, struct arena *a, struct rules_decision *out)
{
    struct rules_world w = {.about = c, .arena = a};
    struct sieve_env env;
    enum err e = view_open(c->store, c->account, &w.view);

    if (e != ERR_OK) {
        return e;
    }
    if (program) {
        rules_world_env(&w, text, more, &env);
        env.trace = c->trace ? trace : NULL;
        e = sieve_run(program, &env, c->budget, a, &out->result);
    }
    e = e == ERR_OK ? place_all(&w, &out->result, &out->places) : e;
    view_close(w.view);
    return e;
}

static bool spend_compile(struct sieve_budget *b, size_t bytes)
{
    uint64_t steps = (uint64_t)bytes * COMPILE_STEPS_A_BYTE;

    b->steps_left -= steps < b->steps_left ? steps : b->steps_left;
    return b->steps_left > 0;
}

// *out_program stays NULL, and the result is set, when it cannot be compiled.
static enum err compile(const struct rules_case *c, struct span text, struct arena *room,
                        struct arena *a, const struct sieve_program **out_program,
                        struct sieve_result *out)
{
    struct sieve_problems problems;
    enum err e = spend_compile(c->budget, text.n)
                     ? sieve_compile(NULL, text, room, out_program, &problems)
                     : set_failure(a, 0, SPAN("too much was used by the rules before"), out);

    if (e == ERR_INVALID) {
        *out_program = NULL;
        e = problems.n ? set_failure(a, problems.list[0].line, problems.list[0].text, out)
                       : set_failure(a, 0, SPAN("the script cannot be read"), out);
    }
    return e;
}

static enum err decide(const struct rules_case *c, const struct script *s, struct arena *a,
                       struct rules_decision *out)
{
    const struct sieve_program *program = NULL;
    struct arena room;
    uint64_t more = 0;

    arena_init(&room, SIEVE_PROGRAM_BYTES_MAX);
    enum err e = compile(c, s->text, &room, a, &program, &out->result);
    struct span text = SPAN("");

    if (e == ERR_OK) {
        e = c->show(c->arg, program && looks_into_body(program), &text, &more);
    }
    e = e == ERR_OK ? run(c, program, text, more, a, out) : e;
    arena_finish(&room);
    size_t crlf = span_find(text, SPAN("\r\n\r\n")), lf = span_find(text, SPAN("\n\n"));

    out->header = crlf < lf ? span_first(text, crlf + 2) : span_first(text, lf + 1);
    return e;
}

enum err rules_decide(const struct rules_case *c, struct arena *a, struct rules_decision *out)
{
    struct rules_decision d = {.has_script = true};
    struct script s;
    enum err e = script_get(c->store, c->account, c->script_name, a, &s);

    if (e == ERR_NOT_FOUND && c->script_name.n == 0) {
        *out = (struct rules_decision){.has_script = false};
        return ERR_OK;
    }
    d.script = s.name;
    e = e == ERR_OK ? decide(c, &s, a, &d) : e;
    if (e == ERR_OK) {
        *out = d;
    }
    return e;
}
