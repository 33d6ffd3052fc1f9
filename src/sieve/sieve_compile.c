// SPDX-License-Identifier: Apache-2.0
//
// Commands to instructions. Jumps forward are chained through their targets until the place they
// go to is known.
#include "base/cleanup.h"
#include "base/utf8.h"
#include "sieve/sieve_compile_internal.h"

#include "base/banned.h"

#define NAME_ARG(s) (int)((s).n < 60 ? (s).n : 60), (s).p
#define NOWHERE     UINT32_MAX

const struct sieve_limits sieve_limits_default = {
    .script_bytes_max = 1u << 20,
    .depth_max = 32,
    .nodes_max = 16384,
    .list_max = 4096,
    .redirects_max = 4,
};

bool sieve_script_name_is_valid(struct span name)
{
    struct span rest = name;
    uint32_t c;

    if (name.n == 0 || name.n > SIEVE_NAME_BYTES_MAX || span_eq(name, SPAN(".")) ||
        span_eq(name, SPAN(".."))) {
        return false;
    }
    while (rest.n) {
        if (!utf8_next(&rest, &c) || c < 32 || (c >= 127 && c < 160) || c == 0x2028 ||
            c == 0x2029 || c == '/') {
            return false;
        }
    }
    return true;
}

// Adds an instruction and returns its index.
static uint32_t emit(struct compiler *c, struct sieve_insn insn)
{
    if (c->code_n == c->code_cap) {
        size_t cap = c->code_cap ? c->code_cap * 2 : 64;
        struct sieve_insn *more = realloc(c->code, cap * sizeof(*more));

        if (!more) {
            c->failed = ERR_NOMEM;
            return 0;
        }
        c->code = more;
        c->code_cap = cap;
    }
    c->code[c->code_n] = insn;
    return (uint32_t)c->code_n++;
}

// A jump whose target is not known yet; it joins the chain.
static void emit_jump(struct compiler *c, enum sieve_op op, uint32_t line, uint32_t *chain)
{
    uint32_t at = emit(c, (struct sieve_insn){.op = op, .line = line, .target = *chain});

    *chain = at;
}

// All of the chain go to the next instruction.
static void land(struct compiler *c, uint32_t chain)
{
    while (c->failed == ERR_OK && chain != NOWHERE) {
        uint32_t next = c->code[chain].target;

        c->code[chain].target = (uint32_t)c->code_n;
        chain = next;
    }
}

static bool wrong(struct compiler *c, struct sieve_place place, const char *text, struct span name)
{
    sieve_problem_add(c->problems, c->out, place, text, NAME_ARG(name));
    return false;
}

// The command or test cannot be run here: what follows from `ihave` is told when it is reached.
static void emit_soft(struct compiler *c, uint32_t line)
{
    if (c->is_soft) {
        emit(c, (struct sieve_insn){.op = OP_FAIL, .line = line, .text = c->soft_text});
        c->is_soft = false;
    }
}

static void compile_test(struct compiler *c, const struct sieve_node *node);

// allof and anyof: stop at the first test that decides.
static void compile_list(struct compiler *c, const struct sieve_node *node, enum sieve_op decide)
{
    uint32_t chain = NOWHERE;

    for (const struct sieve_node *t = node->tests; t; t = t->next) {
        compile_test(c, t);
        if (t->next) {
            emit_jump(c, decide, t->place.line, &chain);
        }
    }
    land(c, chain);
}

// True when all the extensions can be had; they are enabled for what follows in the text.
static bool compile_ihave(struct compiler *c, const struct sieve_call *call)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < call->args[0].n; i++) {
        enum sieve_ext ext = sieve_extension_find(call->args[0].strings[i].text);
        bool changes_grammar = ext == EXT_VARIABLES || ext == EXT_ENCODED_CHARACTER;

        if (ext == EXT_COUNT || (changes_grammar && !(c->enabled & EXT_BIT(ext)))) {
            return false;
        }
        bits |= EXT_BIT(ext);
    }
    c->enabled |= bits;
    return true;
}

static bool check_tests(struct compiler *c, const struct sieve_node *node, enum sieve_id id)
{
    bool wants_one = id == ID_NOT || id == ID_IF || id == ID_ELSIF;
    bool wants_list = id == ID_ALLOF || id == ID_ANYOF;

    if (wants_one && (node->test_n != 1 || node->is_list)) {
        return wrong(c, node->place, "\"%.*s\" needs exactly one test after it", node->name);
    }
    if (wants_list && !node->is_list) {
        return wrong(c, node->place, "\"%.*s\" needs tests in parentheses: (..., ...)", node->name);
    }
    if (!wants_one && !wants_list && node->test_n && !node->is_list &&
        node->tests->place.line != node->place.line) {
        return wrong(c, node->place, "a ; is missing after \"%.*s\"", node->name);
    }
    if (!wants_one && !wants_list && node->test_n) {
        return wrong(c, node->tests->place, "no test may follow \"%.*s\"", node->name);
    }
    return true;
}

static void emit_test(struct compiler *c, const struct sieve_call *call)
{
    struct sieve_insn insn = {.op = OP_TEST, .line = call->line, .call = call};

    if (call->spec->id == ID_TRUE || call->spec->id == ID_FALSE) {
        insn.op = OP_CONSTANT;
        insn.target = call->spec->id == ID_TRUE;
    } else if (call->spec->id == ID_IHAVE) {
        insn.op = OP_CONSTANT;
        insn.target = compile_ihave(c, call);
    }
    emit(c, insn);
}

static void compile_test(struct compiler *c, const struct sieve_node *node)
{
    const struct sieve_spec *spec = sieve_test_find(node->name);

    if (!spec) {
        sieve_soft_problem(c, node->place,
                           sieve_command_find(node->name)
                               ? "\"%.*s\" is a command; a test is needed here"
                               : "there is no test \"%.*s\"",
                           NAME_ARG(node->name));
        emit_soft(c, node->place.line);
        return;
    }
    if (!sieve_needs(c, node->place, spec->needs, "the test", node->name) ||
        !check_tests(c, node, spec->id)) {
        emit_soft(c, node->place.line);
        return;
    }
    const struct sieve_call *call = sieve_check(c, node, spec);

    if (!call) {
        emit_soft(c, node->place.line);
        return;
    }
    if (spec->id == ID_NOT) {
        compile_test(c, node->tests);
        emit(c, (struct sieve_insn){.op = OP_NOT, .line = call->line});
    } else if (spec->id == ID_ALLOF) {
        compile_list(c, node, OP_JUMP_FALSE);
    } else if (spec->id == ID_ANYOF) {
        compile_list(c, node, OP_JUMP_TRUE);
    } else {
        emit_test(c, call);
        emit_soft(c, node->place.line); // a string in it that cannot be had
    }
}

static void compile_block(struct compiler *c, const struct sieve_node *node, bool is_outer);

static bool is_branch(const struct sieve_node *node)
{
    return node &&
           (span_eq_nocase(node->name, SPAN("elsif")) || span_eq_nocase(node->name, SPAN("else")));
}

// One branch; what follows the block goes to the end by the chain.
static void compile_branch(struct compiler *c, const struct sieve_node *node, enum sieve_id id,
                           uint32_t *end)
{
    uint32_t next = NOWHERE;

    if (!node->has_block) {
        wrong(c, node->place, "after \"%.*s\" a block in { } is needed", node->name);
    }
    if (node->args) {
        wrong(c, node->args->place, "\"%.*s\" takes no values, only a test and a block",
              node->name);
    }
    if (check_tests(c, node, id) && id != ID_ELSE) {
        compile_test(c, node->tests);
        emit_jump(c, OP_JUMP_FALSE, node->place.line, &next);
    }
    compile_block(c, node->block, false);
    if (is_branch(node->next)) {
        emit_jump(c, OP_JUMP, node->place.line, end);
    }
    land(c, next);
}

// if, with the elsif and else that follow; returns the last of them.
static const struct sieve_node *compile_if(struct compiler *c, const struct sieve_node *node)
{
    uint32_t end = NOWHERE;

    compile_branch(c, node, ID_IF, &end);
    while (is_branch(node->next)) {
        bool is_else = node->next->name.n == 4;

        node = node->next;
        compile_branch(c, node, is_else ? ID_ELSE : ID_ELSIF, &end);
        if (is_else) {
            break;
        }
    }
    land(c, end);
    return node;
}

static void compile_require(struct compiler *c, const struct sieve_node *node,
                            const struct sieve_call *call)
{
    if (c->has_commands) {
        wrong(c, node->place, "\"%.*s\" must come before all other commands", node->name);
    }
    for (uint32_t i = 0; i < call->args[0].n; i++) {
        struct span name = call->args[0].strings[i].text;
        enum sieve_ext ext = sieve_extension_find(name);

        if (ext == EXT_COUNT) {
            wrong(c, node->args->place, "there is no extension \"%.*s\" here", name);
        } else {
            c->enabled |= EXT_BIT(ext);
        }
    }
}

static void compile_loop(struct compiler *c, const struct sieve_node *node,
                         const struct sieve_call *call)
{
    struct span name = sieve_arg_constant(sieve_call_tag(call, TAG_NAME));
    uint32_t out = NOWHERE, next;

    if (c->loop_n >= SIEVE_LOOPS_MAX) {
        wrong(c, node->place, "\"%.*s\" is nested too deeply here", node->name);
        return;
    }
    struct loop_names *loop = &c->loops[c->loop_n++];

    *loop = (struct loop_names){name, NOWHERE};
    emit(c, (struct sieve_insn){.op = OP_LOOP, .line = call->line});
    next = (uint32_t)c->code_n;
    emit_jump(c, OP_LOOP_NEXT, call->line, &out);
    compile_block(c, node->block, false);
    emit(c, (struct sieve_insn){.op = OP_JUMP, .line = call->line, .target = next});
    land(c, out);
    land(c, loop->break_chain);
    c->loop_n--;
}

static void compile_break(struct compiler *c, const struct sieve_node *node,
                          const struct sieve_call *call)
{
    const struct sieve_arg *tag = sieve_call_tag(call, TAG_NAME);
    struct span name = sieve_arg_constant(tag);

    for (uint32_t i = c->loop_n; i > 0; i--) {
        struct loop_names *loop = &c->loops[i - 1];

        if (!tag || (loop->name.p && name.p && span_eq(loop->name, name))) {
            emit_jump(c, OP_BREAK, call->line, &loop->break_chain);
            if (c->failed == ERR_OK) {
                c->code[loop->break_chain].count = c->loop_n - i + 1;
            }
            return;
        }
    }
    wrong(c, node->place,
          tag ? "\"%.*s\" names no foreverypart around it" : "\"%.*s\" is not in a foreverypart",
          node->name);
}

static void compile_global(struct compiler *c, const struct sieve_node *node,
                           const struct sieve_call *call)
{
    if (!sieve_needs(c, node->place, EXT_BIT(EXT_VARIABLES), "the command", node->name)) {
        emit_soft(c, node->place.line);
        return;
    }
    for (uint32_t i = 0; i < call->args[0].n; i++) {
        sieve_variable_global(c, node->place, call->args[0].strings[i].text);
    }
}

static void compile_call(struct compiler *c, const struct sieve_node *node,
                         const struct sieve_call *call)
{
    struct sieve_insn insn = {.op = OP_ACTION, .line = call->line, .call = call};

    switch (call->spec->id) {
    case ID_REQUIRE:
        compile_require(c, node, call);
        return;
    case ID_GLOBAL:
        compile_global(c, node, call);
        return;
    case ID_FOREVERYPART:
        compile_loop(c, node, call);
        return;
    case ID_BREAK:
        compile_break(c, node, call);
        return;
    case ID_STOP:
        insn.op = OP_STOP;
        break;
    case ID_RETURN:
        insn.op = OP_RETURN;
        break;
    case ID_INCLUDE:
        insn.op = OP_INCLUDE;
        break;
    case ID_EXTRACTTEXT:
        if (c->loop_n == 0) {
            wrong(c, node->place, "\"%.*s\" is not in a foreverypart", node->name);
        }
        break;
    default:
        break;
    }
    emit(c, insn);
}

static void compile_command(struct compiler *c, const struct sieve_node *node)
{
    const struct sieve_spec *spec = sieve_command_find(node->name);

    if (!spec || spec->id == ID_ELSIF || spec->id == ID_ELSE) {
        if (spec) {
            wrong(c, node->place, "\"%.*s\" must follow the block of an \"if\"", node->name);
        } else {
            sieve_soft_problem(c, node->place,
                               sieve_test_find(node->name)
                                   ? "\"%.*s\" is a test; write: if %.*s ... { ... }"
                                   : "there is no command \"%.*s\"",
                               NAME_ARG(node->name), NAME_ARG(node->name));
        }
        return;
    }
    if (!sieve_needs(c, node->place, spec->needs, "the command", node->name) ||
        !check_tests(c, node, spec->id)) {
        return;
    }
    if (node->has_block != (spec->id == ID_FOREVERYPART)) {
        wrong(c, node->place,
              node->has_block ? "no block may follow \"%.*s\": end it with a ;"
                              : "after \"%.*s\" a block in { } is needed",
              node->name);
        return;
    }
    const struct sieve_call *call = sieve_check(c, node, spec);

    if (call && !c->is_soft) {
        compile_call(c, node, call);
    }
}

static void compile_block(struct compiler *c, const struct sieve_node *node, bool is_outer)
{
    for (; node && c->failed == ERR_OK && c->problems->n < SIEVE_PROBLEMS_MAX; node = node->next) {
        c->has_commands |= !is_outer || !span_eq_nocase(node->name, SPAN("require"));
        if (span_eq_nocase(node->name, SPAN("if"))) {
            node = compile_if(c, node);
        } else {
            compile_command(c, node);
        }
        emit_soft(c, node->place.line);
    }
}

static enum err finish(struct compiler *c, const struct sieve_program **out)
{
    struct sieve_program *program = arena_zalloc(c->out, 1, sizeof(*program));
    struct sieve_insn *code = arena_zalloc(c->out, c->code_n, sizeof(*code));
    struct sieve_variable *variables = arena_zalloc(c->out, c->variable_n, sizeof(*c->variables));

    if (!program || !code || !variables) {
        return ERR_NOMEM;
    }
    if (c->code_n) {
        memcpy(code, c->code, c->code_n * sizeof(*code));
    }
    memcpy(variables, c->variables, c->variable_n * sizeof(*variables));
    program->code = code;
    program->code_n = (uint32_t)c->code_n;
    program->variables = variables;
    program->variable_n = c->variable_n;
    program->extensions = c->enabled;
    *out = program;
    return ERR_OK;
}

static enum err compile(struct compiler *c, struct span script, const struct sieve_program **out)
{
    struct sieve_node *tree = NULL;
    enum err e = sieve_parse(c->limits, script, c->tree, c->out, c->problems, &tree);

    if (e != ERR_OK) {
        return e;
    }
    c->variables = arena_zalloc(c->tree, SIEVE_VARIABLES_MAX, sizeof(*c->variables));
    if (!c->variables) {
        return ERR_NOMEM;
    }
    compile_block(c, tree, true);
    if (c->failed != ERR_OK) {
        return c->failed;
    }
    return c->problems->n ? ERR_INVALID : finish(c, out);
}

enum err sieve_compile(const struct sieve_limits *limits, struct span script, struct arena *arena,
                       const struct sieve_program **out_program,
                       struct sieve_problems *out_problems)
{
    struct sieve_problems problems = {.n = 0};
    struct arena tree;
    struct compiler c = {
        .limits = limits ? limits : &sieve_limits_default,
        .out = arena,
        .tree = &tree,
        .problems = &problems,
        .enabled = EXT_ALWAYS,
        .failed = ERR_OK,
    };

    arena_init(&tree, SIEVE_PROGRAM_BYTES_MAX);
    map_init(&c.names);
    enum err e = compile(&c, script, out_program);

    map_finish(&c.names);
    arena_finish(&tree);
    free(c.code);
    if (e == ERR_INVALID) {
        *out_problems = problems;
    }
    return e;
}

bool sieve_program_uses(const struct sieve_program *program, struct span extension)
{
    enum sieve_ext ext = sieve_extension_find(extension);

    return ext != EXT_COUNT && (program->extensions & EXT_BIT(ext));
}

void sieve_program_redirects(const struct sieve_program *program, sieve_redirect_fn *fn, void *arg)
{
    for (uint32_t i = 0; i < program->code_n; i++) {
        const struct sieve_call *call = program->code[i].call;

        if (program->code[i].op != OP_ACTION || call->spec->id != ID_REDIRECT) {
            continue;
        }
        for (uint32_t n = 0; n < call->args[0].n; n++) {
            const struct sieve_string *s = &call->args[0].strings[n];

            if (!fn(arg, s->text, s->piece_n == 0)) {
                return;
            }
        }
    }
}

bool sieve_program_includes(const struct sieve_program *program)
{
    for (uint32_t i = 0; i < program->code_n; i++) {
        if (program->code[i].op == OP_INCLUDE) {
            return true;
        }
    }
    return false;
}
