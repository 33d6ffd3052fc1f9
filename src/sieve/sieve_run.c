// SPDX-License-Identifier: Apache-2.0
//
// Executes instructions. Each costs steps; the work they cause costs more; when the steps are used
// up the run fails, whatever the script, and the message is kept.
#include "sieve/sieve_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

bool sieve_fail(struct run *r, const char *format, ...)
{
    char text[400];
    va_list args;

    if (!sieve_is_on(r)) {
        return false;
    }
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);

    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        n = sizeof(text) - 1;
    }
    r->state = RUN_FAILED;
    r->result->has_error = true;
    if (r->frame) {
        r->result->error_line = r->frame->line;
        r->result->error_script = r->frame->name;
    }
    struct buf clean; // a value may have been cut in a character

    buf_init(&clean, sizeof(text) * 3);
    utf8_sanitize(&clean, span_of(text, (size_t)n));
    struct span copy = arena_dup(r->out, buf_span(&clean));

    buf_finish(&clean);
    r->result->error_text = copy.p ? copy : SPAN("the script used too much memory");
    return false;
}

bool sieve_fail_budget(struct run *r, const char *what)
{
    if (sieve_is_on(r)) {
        sieve_fail(r, "the script used too much %s", what);
        r->result->is_over_budget = true;
    }
    return false;
}

bool sieve_fail_memory(struct run *r)
{
    return sieve_fail_budget(r, "memory");
}

bool sieve_spend(struct run *r, uint64_t steps)
{
    if (!sieve_is_on(r)) {
        return false;
    }
    if (r->budget->steps_left < steps) {
        r->budget->steps_left = 0;
        return sieve_fail_budget(r, "time");
    }
    r->budget->steps_left -= steps;
    return true;
}

void sieve_note(struct run *r, enum sieve_trace_kind kind, bool result, const char *format, ...)
{
    va_list args;
    char line[2000];

    if (!r->env->trace || !r->frame) {
        return;
    }
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);

    va_end(args);
    n = n < 0 ? 0 : (size_t)n >= sizeof(line) ? (int)sizeof(line) - 1 : n;
    for (int i = 0; i < n; i++) {
        line[i] = byte_is_ctl(line[i]) ? ' ' : line[i]; // one line, whatever the message says
    }
    buf_clear(&r->trace);
    utf8_sanitize(&r->trace, span_of(line, (size_t)n));
    struct sieve_trace trace = {.kind = kind,
                                .script = r->frame->name,
                                .line = r->frame->line,
                                .result = result,
                                .text = buf_span(&r->trace)};

    r->env->trace(r->env->context, &trace);
}

typedef bool (*test_function)(struct run *, const struct sieve_call *);
typedef void (*act_function)(struct run *, const struct sieve_call *);

static const test_function tests[ID__COUNT] = {
    [ID_ADDRESS] = sieve_test_address,
    [ID_ENVELOPE] = sieve_test_envelope,
    [ID_EXISTS] = sieve_test_exists,
    [ID_HEADER] = sieve_test_header,
    [ID_SIZE] = sieve_test_size,
    [ID_BODY] = sieve_test_body,
    [ID_DATE] = sieve_test_date,
    [ID_CURRENTDATE] = sieve_test_currentdate,
    [ID_HASFLAG] = sieve_test_hasflag,
    [ID_STRING] = sieve_test_string,
    [ID_MAILBOXEXISTS] = sieve_test_mailbox,
    [ID_MAILBOXIDEXISTS] = sieve_test_mailbox,
    [ID_SPECIALUSE_EXISTS] = sieve_test_special_use,
    [ID_METADATA] = sieve_test_metadata,
    [ID_METADATAEXISTS] = sieve_test_metadata,
    [ID_SERVERMETADATA] = sieve_test_metadata,
    [ID_SERVERMETADATAEXISTS] = sieve_test_metadata,
    [ID_DUPLICATE] = sieve_test_duplicate,
    [ID_ENVIRONMENT] = sieve_test_environment,
    [ID_SPAMTEST] = sieve_test_verdict,
    [ID_VIRUSTEST] = sieve_test_verdict,
    [ID_VALID_NOTIFY_METHOD] = sieve_test_notify,
    [ID_NOTIFY_METHOD_CAPABILITY] = sieve_test_notify,
};

static void act_error(struct run *r, const struct sieve_call *call)
{
    struct span text = sieve_expand(r, &call->args[0].strings[0]);

    sieve_fail(r, "%.*s", SHOWN(text));
}

static const act_function actions[ID__COUNT] = {
    [ID_ERROR] = act_error,
    [ID_KEEP] = sieve_act_keep,
    [ID_DISCARD] = sieve_act_discard,
    [ID_FILEINTO] = sieve_act_fileinto,
    [ID_REDIRECT] = sieve_act_redirect,
    [ID_REJECT] = sieve_act_reject,
    [ID_EREJECT] = sieve_act_reject,
    [ID_SET] = sieve_set,
    [ID_VACATION] = sieve_act_vacation,
    [ID_SETFLAG] = sieve_flags_change,
    [ID_ADDFLAG] = sieve_flags_change,
    [ID_REMOVEFLAG] = sieve_flags_change,
    [ID_ADDHEADER] = sieve_act_addheader,
    [ID_DELETEHEADER] = sieve_act_deleteheader,
    [ID_NOTIFY] = sieve_act_notify,
    [ID_EXTRACTTEXT] = sieve_act_extracttext,
    [ID_REPLACE] = sieve_act_replace,
    [ID_ENCLOSE] = sieve_act_enclose,
};

static bool run_test(struct run *r, const struct sieve_call *call)
{
    bool result = tests[call->spec->id](r, call) && sieve_is_on(r);

    if (r->env->trace && sieve_is_on(r)) {
        sieve_note(r, SIEVE_TRACE_TEST, result, "the test \"%s\" is %s", call->spec->name,
                   result ? "true" : "false");
    }
    return result;
}

// foreverypart: over the whole message, or over what is in the part of the loop around it.
static void begin_loop(struct run *r)
{
    struct loop *outer = sieve_loop(r);
    struct loop *loop = &r->frame->loops[r->frame->loop_n];
    struct mail *mail = outer ? outer->mail : r->mail;
    const struct mime_message *m = sieve_mail_mime(r, mail);

    if (!m) {
        return;
    }
    *loop = (struct loop){.mail = mail, .generation = outer ? outer->generation : r->generation};
    loop->top = outer ? outer->part : &m->parts[0];
    loop->is_over = outer && (outer->skips_children || outer->part->child_count == 0);
    r->frame->loop_n++;
}

// False at the end of the loop, which is then over.
static bool next_part(struct run *r)
{
    struct loop *loop = &r->frame->loops[r->frame->loop_n - 1];
    struct loop *outer = NULL;

    if (loop->part) {
        loop->part = sieve_mail_next_part(loop->top, loop->part, loop->skips_children);
        loop->is_over = !loop->part;
    } else if (!loop->is_over) {
        outer = sieve_loop(r); // the part itself is not in it when the loop is an inner one
        loop->part = outer ? sieve_mail_next_part(loop->top, loop->top, false) : loop->top;
        loop->is_over = !loop->part;
    }
    loop->skips_children = false;
    if (!loop->is_over) {
        NOTE(r, "now at the part %.*s/%.*s", SHOWN(loop->part->type), SHOWN(loop->part->subtype));
    }
    return !loop->is_over;
}

static void end_loops(struct run *r, uint32_t n)
{
    r->frame->loop_n -= n;
    if (!sieve_loop(r)) {
        sieve_mail_settle(r);
    }
}

static void run_program(struct run *r, const struct sieve_program *program, struct span name,
                        bool is_global);

static struct script *find_script(struct run *r, struct span name, bool is_global)
{
    for (uint32_t i = 0; i < r->script_n; i++) {
        if (r->scripts[i].is_global == is_global && span_eq(r->scripts[i].name, name)) {
            return &r->scripts[i];
        }
    }
    return NULL;
}

static void compile_script(struct run *r, struct script *s, struct span text)
{
    struct sieve_problems problems;
    enum err e = ERR_NOMEM;

    if (sieve_spend(r, 1000 + text.n * 20)) {
        e = sieve_compile(r->limits, text, &r->programs, &s->program, &problems);
    }
    if (e == ERR_INVALID) {
        struct buf words;

        buf_init(&words, 400);
        buf_printf(&words, "line %u: ", problems.list[0].line);
        buf_put(&words, problems.list[0].text);
        s->problem = arena_dup(&r->programs, buf_span(&words));
        buf_finish(&words);
    } else if (e != ERR_OK) {
        sieve_fail_memory(r);
    }
}

// Asks for a script by name and compiles it, once a run. NULL: it is not there, or the run failed.
static struct script *load_script(struct run *r, struct span name, bool is_global)
{
    struct script *s = find_script(r, name, is_global);
    struct span text;

    if (s || !r->env->script) {
        return s;
    }
    if (r->script_n >= SIEVE_INCLUDES_MAX) {
        sieve_fail(r, "more than %u scripts are included", SIEVE_INCLUDES_MAX);
        return NULL;
    }
    enum err e = r->env->script(r->env->context, is_global, name, &r->programs, &text);

    if (e != ERR_OK) {
        r->error = e == ERR_NOT_FOUND ? r->error : e;
        return NULL;
    }
    s = &r->scripts[r->script_n];
    *s = (struct script){.name = arena_dup(r->out, name), .is_global = is_global};
    if (!s->name.p) {
        sieve_fail_memory(r);
        return NULL;
    }
    compile_script(r, s, text);
    r->script_n++;
    return s;
}

static bool is_running(const struct run *r, struct span name, bool is_global)
{
    for (const struct frame *f = r->frame; f; f = f->parent) {
        if (f->is_global == is_global && span_eq(f->name, name)) {
            return true;
        }
    }
    return false;
}

static void include(struct run *r, const struct sieve_call *call)
{
    struct span name = sieve_expand(r, &call->args[0].strings[0]);
    bool is_global = sieve_call_tag(call, TAG_GLOBAL) != NULL;

    if (!sieve_script_name_is_valid(name)) {
        sieve_fail(r, "\"%.*s\" cannot be the name of a script", SHOWN(name));
        return;
    }
    if (sieve_call_tag(call, TAG_ONCE) && find_script(r, name, is_global)) {
        NOTE(r, "the script \"%.*s\" was included before", SHOWN(name));
        return;
    }
    if (is_running(r, name, is_global)) {
        sieve_fail(r, "the script \"%.*s\" includes itself", SHOWN(name));
        return;
    }
    if (r->frame->depth >= SIEVE_INCLUDE_DEPTH_MAX) {
        sieve_fail(r, "scripts include each other too deeply");
        return;
    }
    struct script *s = load_script(r, name, is_global);

    if (!sieve_is_on(r)) {
        return;
    }
    if (!s) {
        if (!sieve_call_tag(call, TAG_OPTIONAL)) {
            sieve_fail(r, "there is no script \"%.*s\" to include", SHOWN(name));
        }
        NOTE(r, "there is no script \"%.*s\"", SHOWN(name));
        return;
    }
    if (!s->program) {
        sieve_fail(r, "the included script \"%.*s\" has an error: %.*s", SHOWN(name),
                   SHOWN(s->problem));
        return;
    }
    NOTE(r, "now the script \"%.*s\" is run", SHOWN(name));
    run_program(r, s->program, s->name, is_global);
}

// Executes one instruction at `*pc`, which is moved; false when the script ends.
static bool step(struct run *r, const struct sieve_insn *insn, uint32_t *pc, bool *flag)
{
    switch (insn->op) {
    case OP_TEST:
        *flag = run_test(r, insn->call);
        break;
    case OP_CONSTANT:
        *flag = insn->target != 0;
        break;
    case OP_NOT:
        *flag = !*flag;
        break;
    case OP_JUMP:
        *pc = insn->target;
        break;
    case OP_JUMP_TRUE:
        *pc = *flag ? insn->target : *pc;
        break;
    case OP_JUMP_FALSE:
        *pc = *flag ? *pc : insn->target;
        break;
    case OP_ACTION:
        actions[insn->call->spec->id](r, insn->call);
        break;
    case OP_LOOP:
        begin_loop(r);
        break;
    case OP_LOOP_NEXT:
        if (!next_part(r)) {
            end_loops(r, 1);
            *pc = insn->target;
        }
        break;
    case OP_BREAK:
        end_loops(r, insn->count);
        *pc = insn->target;
        break;
    case OP_INCLUDE:
        include(r, insn->call);
        break;
    case OP_RETURN:
        return false;
    case OP_STOP:
        r->state = RUN_STOPPED;
        break;
    case OP_FAIL:
        sieve_fail(r, "%.*s", SHOWN(insn->text));
        break;
    }
    return true;
}

static void execute(struct run *r)
{
    const struct sieve_program *program = r->frame->program;
    bool flag = false;
    uint32_t pc = 0;

    while (sieve_is_on(r) && pc < program->code_n) {
        const struct sieve_insn *insn = &program->code[pc++];

        r->frame->line = insn->line;
        if (!sieve_spend(r, 10) || !step(r, insn, &pc, &flag)) {
            break;
        }
        if (insn->op != OP_INCLUDE) {
            arena_reset(&r->scratch);
        }
    }
    if (r->frame->loop_n) { // return or stop inside of a loop
        end_loops(r, r->frame->loop_n);
    }
}

static struct buf *find_global(struct run *r, struct span name)
{
    for (uint32_t i = 0; i < r->global_n; i++) {
        if (span_eq(r->globals[i].name, name)) {
            return &r->globals[i].value;
        }
    }
    if (r->global_n >= SIEVE_GLOBALS_MAX) {
        sieve_fail(r, "there are more than %d global variables", SIEVE_GLOBALS_MAX);
        return NULL;
    }
    struct global *g = &r->globals[r->global_n];

    g->name = arena_dup(&r->programs, name);
    if (!g->name.p) {
        sieve_fail_memory(r);
        return NULL;
    }
    buf_init(&g->value, SIEVE_VALUE_BYTES_MAX);
    r->global_n++;
    return &g->value;
}

static void bind_variables(struct run *r, struct frame *f)
{
    for (uint32_t i = 0; i < f->program->variable_n && sieve_is_on(r); i++) {
        const struct sieve_variable *v = &f->program->variables[i];

        f->variables[i] = v->is_global ? find_global(r, v->name) : &f->locals[i];
    }
}

static void run_program(struct run *r, const struct sieve_program *program, struct span name,
                        bool is_global)
{
    uint32_t n = program->variable_n;
    struct frame *f = calloc(1, sizeof(*f));
    struct buf *locals = calloc(n + 1, sizeof(*locals));
    struct buf **variables = calloc(n + 1, sizeof(*variables));

    if (f && locals && variables) {
        *f = (struct frame){.parent = r->frame,
                            .program = program,
                            .name = name,
                            .is_global = is_global,
                            .locals = locals,
                            .variables = variables,
                            .depth = r->frame ? r->frame->depth + 1 : 0};
        buf_init(&f->groups.text, (size_t)SIEVE_GROUPS_MAX * SIEVE_VALUE_BYTES_MAX);
        for (uint32_t i = 0; i < n; i++) {
            buf_init(&locals[i], SIEVE_VALUE_BYTES_MAX);
        }
        r->frame = f;
        bind_variables(r, f);
        execute(r);
        r->frame = f->parent;
        buf_finish(&f->groups.text);
        for (uint32_t i = 0; i < n; i++) {
            buf_finish(&locals[i]);
        }
    } else {
        r->error = ERR_NOMEM;
    }
    free(f);
    free(locals);
    free(variables);
}

static void run_all(struct run *r, const struct sieve_program *program)
{
    r->globals = calloc(SIEVE_GLOBALS_MAX, sizeof(*r->globals));
    if (!r->globals) {
        r->error = ERR_NOMEM;
        return;
    }
    if (sieve_mail_begin(r)) {
        run_program(r, program, SPAN(""), false);
    }
    if (r->error != ERR_OK) {
        return;
    }
    if (r->state == RUN_FAILED) {
        sieve_act_failed_keep(r);
        return;
    }
    r->state = RUN_ON;
    sieve_mail_settle(r);
    sieve_act_implicit_keep(r);
    if (r->state == RUN_FAILED) {
        sieve_act_failed_keep(r);
    }
}

enum err sieve_run(const struct sieve_program *program, const struct sieve_env *env,
                   struct sieve_budget *budget, struct arena *arena, struct sieve_result *out)
{
    struct sieve_result result = {.action_n = 0};
    struct run *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    r->env = env;
    r->limits = env->limits.script_bytes_max ? &env->limits : &sieve_limits_default;
    r->budget = budget;
    r->out = arena;
    r->result = &result;
    r->is_kept = true;
    arena_init(&r->scratch, SIEVE_SCRATCH_BYTES);
    arena_init(&r->programs, 2 * (size_t)SIEVE_PROGRAM_BYTES_MAX);
    buf_init(&r->flags, SIEVE_VALUE_BYTES_MAX);
    buf_init(&r->trace, 8000);
    run_all(r, program);
    enum err e = r->error;

    result.actions = r->actions;
    result.action_n = r->action_n;
    result.tracks = r->tracks;
    result.track_n = r->track_n;
    for (uint32_t i = 0; i < r->global_n; i++) {
        buf_finish(&r->globals[i].value);
    }
    free(r->globals);
    free(r->pending);
    buf_finish(&r->trace);
    buf_finish(&r->flags);
    arena_finish(&r->programs);
    arena_finish(&r->scratch);
    free(r);
    if (e == ERR_OK) {
        *out = result;
    }
    return e;
}
