// SPDX-License-Identifier: Apache-2.0
#include "admin/admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "admin/admin_internal.h"
#include "base/utf8.h"

#include "base/banned.h"

#define OUT_BYTES_MAX    (2u << 20)
#define OUT_BYTES_SEND   (48u << 10) // sent when so much is collected
#define ARENA_BYTES_MAX  (64u << 20)
#define CALLER_BYTES_MAX (4u << 20)

static void run(const struct admin *a, const struct admin_caller *by, const char *name,
                json_t *args, const struct admin_io *io, struct admin_outcome *out, bool is_asking)
{
    struct admin_call c = {.admin = a, .io = io, .outcome = out};
    const struct admin_operation *op = admin_operations;

    while (op->name && strcmp(op->name, name) != 0) {
        op++;
    }
    *out = (struct admin_outcome){.code = ERR_UNSUPPORTED};
    if (!op->name) {
        snprintf(out->text, sizeof(out->text), "This server does not know the command \"%s\".",
                 name);
        return;
    }
    c.args = json_is_object(args) ? json_incref(args) : json_object();
    arena_init_secret(&c.arena, ARENA_BYTES_MAX);
    arena_init(&c.caller_arena, CALLER_BYTES_MAX);
    admin_reader_init(&c.reader);
    buf_init_secret(&c.out, OUT_BYTES_MAX);
    enum err e = admin_caller_set(&c, by);

    e = e == ERR_OK ? admin_allowed(&c, op) : e;
    e = e == ERR_OK && !is_asking ? op->run(&c) : e;
    if (e == ERR_OK) {
        e = admin_flush(&c);
    }
    if (c.lost != ERR_OK) { // whatever the operation made of it
        e = admin_fail(&c, c.lost, "%s", c.lost_text);
    }
    if (e == ERR_OK && !out->result && !(out->result = json_object())) {
        e = ERR_NOMEM;
    }
    if (e != ERR_OK && out->text[0] == '\0') {
        admin_fail_store(&c, e, "The command");
    }
    out->code = e;
    if (e != ERR_OK) {
        json_decref(out->result);
        out->result = NULL;
    }
    json_decref(c.args);
    buf_finish(&c.out);
    admin_reader_finish(&c.reader);
    arena_finish(&c.arena);
    arena_finish(&c.caller_arena);
}

void admin_run(const struct admin *a, const struct admin_caller *by, const char *name, json_t *args,
               const struct admin_io *io, struct admin_outcome *out)
{
    run(a, by, name, args, io, out, false);
}

void admin_may(const struct admin *a, const struct admin_caller *by, const char *name, json_t *args,
               struct admin_outcome *out)
{
    static const struct admin_io nobody = {0}; // nothing is said before it runs

    run(a, by, name, args, &nobody, out, true);
}

// ---- failing ------------------------------------------------------------------------------------

enum err admin_fail(struct admin_call *c, enum err code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->outcome->text, sizeof(c->outcome->text), fmt, ap);
    va_end(ap);
    return code;
}

enum err admin_fail_store(struct admin_call *c, enum err code, const char *what)
{
    static const char *const words[ERR__COUNT] = {
        [ERR_NOSPACE] = "The disk is full. Make room in the data directory's file system (deleting "
                        "and reading mail goes on), then try again.",
        [ERR_UNAVAILABLE] = "The store takes no changes now, because writing to the disk has "
                            "failed. See the server's log and the disk's health, then restart it.",
        [ERR_CORRUPT] = "Something on the disk is not what was written. Run: mailkeep check",
        [ERR_IO] = "The disk could not be read or written. See the server's log.",
        [ERR_NOMEM] = "There was not enough memory. Try again, or give the machine more.",
        [ERR_QUOTA] = "The account's quota is used up. See: mailkeep account show; raise it with: "
                      "mailkeep account quota",
        [ERR_CONFLICT] = "Others changed the account at the same moment, again and again. Try "
                         "again.",
    };

    if (code < ERR__COUNT && words[code]) {
        return admin_fail(c, code, "%s", words[code]);
    }
    return admin_fail(c, code, "%s did not work: %s.", what, err_name(code));
}

// ---- arguments ----------------------------------------------------------------------------------

struct span admin_text(struct admin_call *c, const char *name)
{
    const json_t *v = json_object_get(c->args, name);

    return json_is_string(v) ? span_of(json_string_value(v), json_string_length(v))
                             : (struct span){NULL, 0};
}

bool admin_bool(struct admin_call *c, const char *name)
{
    return json_is_true(json_object_get(c->args, name));
}

bool admin_number(struct admin_call *c, const char *name, uint64_t *out)
{
    const json_t *v = json_object_get(c->args, name);

    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return false;
    }
    *out = (uint64_t)json_integer_value(v);
    return true;
}

// ---- the conversation ---------------------------------------------------------------------------

enum err admin_flush(struct admin_call *c)
{
    enum err e = buf_result(&c->out);

    e = e == ERR_OK && c->out.n > 0 ? admin_still_allowed(c) : e;
    if (e == ERR_OK && c->out.n > 0) {
        e = c->io->write(c->io->arg, buf_span(&c->out));
    }
    buf_clear(&c->out);
    return e;
}

static enum err flush_if_much(struct admin_call *c)
{
    return c->out.n >= OUT_BYTES_SEND ? admin_flush(c) : ERR_OK;
}

enum err admin_item(struct admin_call *c, json_t *item)
{
    enum err e = item ? admin_record_put_item(&c->out, item) : ERR_NOMEM;

    json_decref(item);
    return e == ERR_OK ? flush_if_much(c) : e;
}

enum err admin_data(struct admin_call *c, struct span bytes)
{
    enum err e = ERR_OK;

    while (bytes.n > 0 && e == ERR_OK) {
        admin_record_put(&c->out, ADMIN_DATA, span_first(bytes, ADMIN_RECORD_DATA_MAX));
        bytes = span_skip(bytes, ADMIN_RECORD_DATA_MAX);
        e = flush_if_much(c);
    }
    return e;
}

enum err admin_receive(struct admin_call *c, enum admin_record_type *out_type,
                       struct span *out_payload)
{
    enum err e;

    while ((e = admin_reader_next(&c->reader, out_type, out_payload)) == ERR_AGAIN) {
        e = c->io->read(c->io->arg, &c->reader.in);
        if (e != ERR_OK) {
            return e;
        }
    }
    return e == ERR_OK ? admin_still_allowed(c) : e;
}

bool admin_is_cancelled(struct admin_call *c)
{
    return c->io->cancelled(c->io->arg) || admin_still_allowed(c) != ERR_OK;
}

void admin_progress(struct admin_call *c, uint64_t done, uint64_t total, const char *text)
{
    c->io->progress(c->io->arg, done, total, text);
}

// ---- JSON ---------------------------------------------------------------------------------------

json_t *admin_json_text(struct span s)
{
    struct buf clean;

    if (utf8_is_valid(s)) {
        return json_stringn(s.n > 0 ? s.p : "", s.n);
    }
    buf_init(&clean, s.n * 3 + 1);
    utf8_sanitize(&clean, s);
    json_t *out = json_stringn(clean.p, clean.n);

    buf_finish(&clean);
    return out;
}

json_t *admin_json_limit(uint64_t max)
{
    return max > INT64_MAX ? json_null() : json_integer((json_int_t)max);
}

void admin_json_time(json_t *into, const char *name, int64_t seconds)
{
    time_t t = (time_t)seconds;
    char text[40];
    struct tm tm;

    if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0) {
        json_object_set_new(into, name, json_string(text));
    }
}

struct actor admin_actor(struct admin_call *c, enum actor_kind kind)
{
    return (struct actor){
        .kind = kind, .device = SPAN("mailkeep"), .origin = span_from_str(c->origin)};
}
