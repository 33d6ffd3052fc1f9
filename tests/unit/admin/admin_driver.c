// SPDX-License-Identifier: Apache-2.0
#include "admin_driver.h"

#include "conf/conf.h"
#include "store/access/totp_row.h"

struct conversation {
    struct admin_reader reader;
    json_t *items;
};

static enum err no_read(void *arg, struct buf *into)
{
    (void)arg;
    (void)into;
    return ERR_EOF;
}

static enum err collect(void *arg, struct span bytes)
{
    struct conversation *c = arg;
    enum admin_record_type type;
    struct span payload;

    buf_put(&c->reader.in, bytes);
    while (admin_reader_next(&c->reader, &type, &payload) == ERR_OK) {
        json_array_append_new(c->items, json_loadb(payload.p, payload.n, 0, NULL));
    }
    return ERR_OK;
}

static void no_progress(void *arg, uint64_t done, uint64_t total, const char *text)
{
    (void)arg;
    (void)done;
    (void)total;
    (void)text;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

void admin_bench_open(struct admin_bench *b)
{
    struct queue_options o;
    struct conf_report report;

    *b = (struct admin_bench){.items = json_array()};
    bench_open(&b->store);
    queue_options_default(&o);
    assert_ok(queue_open(b->store.engine, &o, &b->queue));
    assert_ok(conf_parse(SPAN(""), &report, &b->settings));
    b->admin = (struct admin){.store = b->store.store, .queue = b->queue, .settings = b->settings};
}

void admin_bench_close(struct admin_bench *b)
{
    json_decref(b->items);
    json_decref(b->outcome.result);
    settings_unref(b->settings);
    queue_close(b->queue);
    bench_close(&b->store);
}

enum err admin_bench_run(struct admin_bench *b, const char *operation, json_t *args)
{
    return admin_bench_run_by(b, &admin_local_root, operation, args);
}

enum err admin_bench_run_by(struct admin_bench *b, const struct admin_caller *by,
                            const char *operation, json_t *args)
{
    struct conversation c = {.items = json_array()};
    struct admin_io io = {no_read, collect, no_progress, never, &c};

    assert_non_null(args);
    json_decref(b->outcome.result);
    json_decref(b->items);
    admin_reader_init(&c.reader);
    admin_run(&b->admin, by, operation, args, &io, &b->outcome);
    admin_reader_finish(&c.reader);
    json_decref(args);
    b->items = c.items;
    return b->outcome.code;
}

// Any code does: what follows from a second factor is tried.
static enum err any_step(void *arg, struct span secret, uint64_t after, uint64_t *out_step)
{
    (void)arg;
    (void)secret;
    *out_step = after + 1;
    return ERR_OK;
}

void admin_bench_factor(struct admin_bench *b, account_id account)
{
    static const unsigned char secret[TOTP_ROW_SECRET_BYTES] = "0123456789abcdefghi";
    static const unsigned char digests[1][TOTP_ROW_DIGEST_BYTES] = {{1}};
    struct totp_attempt attempt = {.find = any_step, .now = 30000};

    assert_ok(totp_row_begin(b->store.store, account, &tester, secret));
    assert_ok(totp_row_confirm(b->store.store, account, &tester, &attempt, digests, 1));
}

static const json_t *field(const struct admin_bench *b, int i, const char *name)
{
    return json_object_get(i < 0 ? b->outcome.result : json_array_get(b->items, (size_t)i), name);
}

const char *admin_bench_text(const struct admin_bench *b, int i, const char *name)
{
    const char *s = json_string_value(field(b, i, name));

    return s ? s : "";
}

json_int_t admin_bench_number(const struct admin_bench *b, int i, const char *name)
{
    return json_integer_value(field(b, i, name));
}

bool admin_bench_said(const struct admin_bench *b, const char *words)
{
    bool said = strstr(b->outcome.text, words);

    if (!said) {
        print_error("said \"%s\"\n", b->outcome.text);
    }
    return said;
}
