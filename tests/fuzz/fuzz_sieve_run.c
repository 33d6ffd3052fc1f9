// SPDX-License-Identifier: Apache-2.0
//
// Scripts on messages, with a world around them and somebody who listens. Input: the script, a NUL,
// the message. What comes out must be safe to carry out: addresses on one line, names of mailboxes
// that are text, the way a message came still in its header; and the same twice.
#include "../unit/sieve/sieve_driver.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "mime/mime_header.h"
#include "mime/mime_reader.h"

static bool is_line(struct span s)
{
    return span_find_byte(s, '\n') == s.n && span_find_byte(s, '\r') == s.n &&
           span_find_byte(s, '\0') == s.n;
}

// The header, as far as the reader of messages says it goes.
static struct span header_of(struct span message)
{
    struct arena arena;
    struct mime_message m;

    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    CHECK(mime_read(message, NULL, &arena, &m) == ERR_OK);
    size_t n = (size_t)m.parts[0].header_size;

    arena_finish(&arena);
    return span_first(message, n);
}

static size_t count_received(struct span header)
{
    struct mime_field f;
    size_t n = 0;

    while (mime_header_find(&header, SPAN("Received"), &f)) {
        n++;
    }
    return n;
}

static void check_action(const struct sieve_action *a, size_t received)
{
    switch (a->kind) {
    case SIEVE_KEEP:
    case SIEVE_FILEINTO:
        CHECK(a->target.name.n && utf8_is_valid(a->target.name));
        for (size_t i = 0; i < a->target.flags.n; i++) {
            CHECK(a->target.flags.list[i].n && is_line(a->target.flags.list[i]));
        }
        break;
    case SIEVE_REDIRECT:
        CHECK(is_line(a->address) && span_find_byte(a->address, '@') < a->address.n);
        break;
    case SIEVE_VACATION:
        CHECK(a->vacation->handle.p && (!a->vacation->from.p || is_line(a->vacation->from)));
        break;
    case SIEVE_NOTIFY:
        CHECK(a->notify->to.n);
        for (size_t i = 0; i < a->notify->header_names.n; i++) {
            CHECK(is_line(a->notify->header_names.list[i]) &&
                  is_line(a->notify->header_values.list[i]));
        }
        break;
    default:
        break;
    }
    if (a->message) {
        CHECK(count_received(a->message->header) == received);
    }
}

static void fill(struct world *w, struct span message, struct buf *trace)
{
    world_init(w);
    w->mailboxes[w->mailbox_n++] = SPAN("INBOX");
    w->ids[w->id_n++] = SPAN("F1");
    w->addresses[w->address_n++] = SPAN("owner@example.org");
    w->uses[w->use_n++] = (struct world_pair){SPAN("\\Junk"), SPAN("Junk")};
    w->scripts[w->script_n++] = (struct world_pair){
        SPAN("personal a"), SPAN("require [\"include\",\"variables\"]; global \"g\"; set \"g\" "
                                 "\"${g}x\"; include \"b\";")};
    w->scripts[w->script_n++] =
        (struct world_pair){SPAN("personal b"), SPAN("require \"include\"; return; stop;")};
    w->items[w->item_n++] = (struct world_pair){SPAN("domain"), SPAN("example.org")};
    w->env.spam = (struct sieve_verdict){true, 40};
    w->env.message = message;
    w->trace = trace;
}

static void check_result(const struct sieve_program *program, struct span message, struct buf *out)
{
    struct world w;
    struct arena results;
    struct sieve_budget budget = {3000000};
    struct sieve_result result;
    struct span header = header_of(message);
    struct buf trace;

    buf_init(&trace, 1 << 20);
    fill(&w, message, NULL);
    arena_init(&results, 64 << 20);
    CHECK(sieve_run(program, &w.env, &budget, &results, &result) == ERR_OK);
    for (size_t i = 0; i < result.action_n; i++) {
        check_action(&result.actions[i], count_received(header));
    }
    CHECK(!result.has_error || (result.action_n == 1 && utf8_is_valid(result.error_text)));
    world_put_result(out, &result, true);
    arena_finish(&results);
    buf_finish(&trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span rest = span_of(data, n), script = span_split(&rest, '\0');
    struct arena programs;
    const struct sieve_program *program = NULL;
    struct sieve_problems problems;
    struct buf first, second, trace;

    arena_init(&programs, SIEVE_PROGRAM_BYTES_MAX);
    if (sieve_compile(NULL, script, &programs, &program, &problems) == ERR_OK) {
        struct world w;

        buf_init(&first, 256 << 20);
        buf_init(&second, 256 << 20);
        buf_init(&trace, 64 << 20);
        check_result(program, rest, &first);
        fill(&w, rest, &trace);
        world_run(&w, script, 3000000, true, &second); // listening changes nothing
        CHECK(span_eq(buf_span(&first), buf_span(&second)));
        CHECK(utf8_is_valid(buf_span(&trace)));
        buf_finish(&trace);
        buf_finish(&second);
        buf_finish(&first);
    }
    arena_finish(&programs);
    return 0;
}
