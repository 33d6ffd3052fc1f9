// SPDX-License-Identifier: Apache-2.0
//
// mailkeep sieve test: runs a script on a message, both from files, and tells each step. No server
// and no store: mailboxes that are asked for are there unless --no-mailbox says otherwise, nothing
// was seen before, and included scripts are files NAME.sieve beside the script.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/cli_commands.h"
#include "cli/cli_text.h"
#include "mime/mime_header.h"
#include "sieve/sieve_mail.h"
#include "sieve/sieve_run.h"
#include "sieve/sieve_words.h"

#include "base/banned.h"

#define MESSAGE_BYTES_MAX (64u << 20)
#define SCRIPT_BYTES_MAX  (1u << 20)
#define MISSING_MAX       64

struct trial {
    struct cli *cli;
    const char *script_path, *message_path;
    const char *from, *to;
    const char *missing[MISSING_MAX]; // mailboxes
    size_t missing_n;
    bool is_brief;
    struct buf script, message;
    struct arena arena; // program and result
};

// ---- files --------------------------------------------------------------------------------------

// "-" is standard input.
static enum err read_all(const char *path, size_t max, struct buf *out)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    size_t n = 1;

    buf_init(out, max);
    if (!f) {
        return err_from_errno(errno);
    }
    while (n > 0 && !out->failed) {
        char piece[65536];

        n = fread(piece, 1, sizeof(piece), f);
        buf_put(out, span_of(piece, n));
    }
    enum err e = ferror(f) ? ERR_IO : buf_result(out);

    if (f != stdin) {
        fclose(f);
    }
    return e;
}

static int read_file(struct cli *c, const char *path, size_t max, struct buf *out)
{
    enum err e = read_all(path, max, out);

    if (e == ERR_LIMIT) {
        return cli_fail(c, CLI_FAILED, "%s is larger than %s", path, cli_size_text(max).s);
    }
    return e == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "%s: %s", path, err_name(e));
}

// ---- the world ----------------------------------------------------------------------------------

static enum err has_mailbox(void *context, struct span name)
{
    const struct trial *t = context;

    for (size_t i = 0; i < t->missing_n; i++) {
        if (span_eq(span_from_str(t->missing[i]), name)) {
            return ERR_NOT_FOUND;
        }
    }
    return ERR_OK;
}

static enum err has_id(void *context, struct span id)
{
    (void)context;
    (void)id;
    return ERR_OK;
}

static enum err has_use(void *context, struct span name, struct span use)
{
    (void)use;
    return name.p ? has_mailbox(context, name) : ERR_OK;
}

static enum err beside(void *context, bool is_global, struct span name, struct arena *arena,
                       struct span *out)
{
    const struct trial *t = context;
    const char *slash = strrchr(t->script_path, '/');
    struct buf path, text;
    enum err e;

    (void)is_global;
    buf_init(&path, 8192);
    buf_put(&path, span_of(t->script_path, slash ? (size_t)(slash + 1 - t->script_path) : 0));
    buf_put(&path, name); // without '/': sieve_script_name_is_valid
    buf_put(&path, span_of(".sieve", 7));
    e = buf_result(&path);
    e = e == ERR_OK ? read_all(path.p, SCRIPT_BYTES_MAX, &text) : e;
    if (e == ERR_OK) {
        *out = arena_dup(arena, buf_span(&text));
        e = out->p ? ERR_OK : ERR_NOMEM;
        buf_finish(&text);
    }
    buf_finish(&path);
    return e;
}

// ---- telling ------------------------------------------------------------------------------------

static void tell(void *context, const struct sieve_trace *s)
{
    static const char *const kinds[] = {"test", "action", "note"};
    const struct trial *t = context;
    struct cli *c = t->cli;

    if (c->json) {
        json_t *j = json_pack("{s:s, s:i, s:s%}", "step", kinds[s->kind], "line", (int)s->line,
                              "text", s->text.p, s->text.n);

        if (s->kind == SIEVE_TRACE_TEST) {
            json_object_set_new(j, "result", json_boolean(s->result));
        }
        if (s->script.n) {
            json_object_set_new(j, "script", json_stringn(s->script.p, s->script.n));
        }
        cli_print_json(j);
    } else if (!t->is_brief) {
        printf("%.*s%sline %u: %s%.*s\n", SPAN_ARG(s->script), s->script.n ? ", " : "", s->line,
               s->kind == SIEVE_TRACE_NOTE ? "  " : "", SPAN_ARG(s->text));
    }
}

static void tell_action(const struct trial *t, const struct sieve_action *a)
{
    struct buf words;

    buf_init(&words, 8192);
    sieve_action_words(&words, a);
    if (t->cli->json) {
        cli_print_json(json_pack("{s:s, s:i, s:s%}", "action", sieve_action_name(a), "line",
                                 (int)a->line, "text", words.p, words.n));
    } else if (a->line) {
        printf("  %.*s (line %u)\n", SPAN_ARG(buf_span(&words)), a->line);
    } else {
        printf("  %.*s\n", SPAN_ARG(buf_span(&words)));
    }
    buf_finish(&words);
}

static int tell_result(const struct trial *t, const struct sieve_result *r)
{
    if (!t->cli->json) {
        printf("%sThe message is:\n", t->is_brief ? "" : "\n");
    }
    for (size_t i = 0; i < r->action_n; i++) {
        tell_action(t, &r->actions[i]);
    }
    if (r->action_n == 0 && !t->cli->json) {
        printf("  thrown away\n");
    }
    if (!r->has_error) {
        return CLI_OK;
    }
    return cli_fail(t->cli, CLI_FAILED, "the script stopped at line %u%s%.*s: %.*s", r->error_line,
                    r->error_script.n ? " of " : "", SPAN_ARG(r->error_script),
                    SPAN_ARG(r->error_text));
}

static int tell_problems(const struct trial *t, const struct sieve_problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        fprintf(stderr, "%s:%u:%u: %.*s\n", t->script_path, p->list[i].line, p->list[i].column,
                SPAN_ARG(p->list[i].text));
    }
    return cli_fail(t->cli, CLI_FAILED, "%s cannot be used; nothing was run", t->script_path);
}

// ---- running ------------------------------------------------------------------------------------

// Who is on the envelope when nobody says it: the header's addresses.
static struct span envelope(struct trial *t, const char *given, const char *const *fields)
{
    struct span header = buf_span(&t->message), out;

    if (given) {
        return span_from_str(given);
    }
    for (size_t i = 0; fields[i]; i++) {
        struct span body = mime_header_get(header, span_from_str(fields[i]));

        if (body.n && sieve_mail_address(&t->arena, body, &out) == ERR_OK) {
            return out;
        }
    }
    return (struct span){NULL, 0};
}

static int run_program(struct trial *t, const struct sieve_program *program)
{
    static const char *const from[] = {"Return-Path", "From", NULL};
    static const char *const to[] = {"Delivered-To", "To", NULL};
    struct sieve_budget budget = {SIEVE_STEPS_DEFAULT};
    struct span sender = envelope(t, t->from, from), recipient = envelope(t, t->to, to);
    struct sieve_env env = {.context = t,
                            .message = buf_span(&t->message),
                            .envelope_from = sender,
                            .envelope_to = recipient,
                            .now = clock_real_s(),
                            .addresses = {&recipient, recipient.p ? 1 : 0},
                            .mailbox_exists = has_mailbox,
                            .mailbox_id_exists = has_id,
                            .special_use_exists = has_use,
                            .script = beside,
                            .trace = tell};
    struct sieve_result result;
    enum err e = sieve_run(program, &env, &budget, &t->arena, &result);

    if (e != ERR_OK) {
        return cli_fail(t->cli, CLI_FAILED, "the script cannot be run: %s", err_name(e));
    }
    return tell_result(t, &result);
}

static int compile_and_run(struct trial *t)
{
    const struct sieve_program *program;
    struct sieve_problems problems;
    enum err e = sieve_compile(NULL, buf_span(&t->script), &t->arena, &program, &problems);

    if (e == ERR_INVALID) {
        return tell_problems(t, &problems);
    }
    if (e != ERR_OK) {
        return cli_fail(t->cli, CLI_FAILED, "%s: %s", t->script_path, err_name(e));
    }
    return run_program(t, program);
}

int cli_sieve_test(struct cli *c, int argc, char **argv)
{
    struct trial t = {.cli = c};
    const char *name;

    t.from = cli_option(&argc, argv, "--from");
    t.to = cli_option(&argc, argv, "--to");
    t.is_brief = cli_flag(&argc, argv, "--brief");
    while (t.missing_n < MISSING_MAX && (name = cli_option(&argc, argv, "--no-mailbox"))) {
        t.missing[t.missing_n++] = name;
    }
    int code = cli_words_check(c, &argc, argv, 2, 2);

    if (code != CLI_OK) {
        return code;
    }
    t.script_path = argv[1];
    t.message_path = argv[2];
    arena_init(&t.arena, (size_t)SIEVE_RESULT_BYTES_MAX + SIEVE_PROGRAM_BYTES_MAX);
    code = read_file(c, t.script_path, SCRIPT_BYTES_MAX, &t.script);
    if (code == CLI_OK) {
        code = read_file(c, t.message_path, MESSAGE_BYTES_MAX, &t.message);
        code = code == CLI_OK ? compile_and_run(&t) : code;
        buf_finish(&t.message);
    }
    buf_finish(&t.script);
    arena_finish(&t.arena);
    return code;
}
