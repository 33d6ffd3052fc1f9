// SPDX-License-Identifier: Apache-2.0
//
// Any script delivers any message, over a store in memory. Input: the script, a NUL, the message. A
// recipient always gets an answer; what is accepted leaves a trace (a copy, a letter in the queue,
// an entry of the change log); nothing gets into another's mailboxes; what leaves has clean lines
// and a count of hops that ends; the store's own check finds nothing.
#include "base/log.h"
#include "delivery/delivery.h"
#include "engine/memory/memory.h"
#include "fuzz.h"
#include "mime/mime_header.h"
#include "store/change.h"
#include "store/check/store_check.h"
#include "store/directory.h"
#include "store/rules.h"

#define INPUT_BYTES_MAX 16384
#define ROUNDS_MAX      100 // of the queue: each adds a Delivered-To, and these have an end

struct world {
    struct engine *engine;
    struct store *store;
    struct queue *queue;
    struct delivery *delivery;
    struct span message;
    account_id anna, bob;
};

static const struct actor tester = {.kind = ACTOR_ADMIN, .device = {"", 0}, .origin = {"", 0}};

static void open_world(struct world *w)
{
    struct delivery_options d = {.server = SPAN("mail.example.org"),
                                 .separators = SPAN("+"),
                                 .expire_s = 432000,
                                 .hierarchy = '/',
                                 .duplicates_s = 3600};
    struct store_options s;
    struct queue_options q;

    store_options_default(&s);
    queue_options_default(&q);
    CHECK(engine_memory_open(&w->engine) == ERR_OK);
    CHECK(store_open(w->engine, &s, &w->store) == ERR_OK);
    CHECK(queue_open(w->engine, &q, &w->queue) == ERR_OK);
    CHECK(delivery_create(w->store, w->queue, &d, &w->delivery) == ERR_OK);
    CHECK(directory_domain_add(w->store, &tester, SPAN("example.org")) == ERR_OK);
    CHECK(directory_account_add(w->store, &tester, SPAN("anna@example.org"), SPAN("$"), true,
                                &w->anna) == ERR_OK);
    CHECK(directory_account_add(w->store, &tester, SPAN("bob@example.org"), SPAN("$"), true,
                                &w->bob) == ERR_OK);
}

static void close_world(struct world *w)
{
    delivery_destroy(w->delivery);
    queue_close(w->queue);
    store_close(w->store);
    engine_close(w->engine);
}

static void use_script(struct world *w, account_id of, struct span text)
{
    CHECK(script_put(w->store, of, &tester, SPAN("x"), text) == ERR_OK);
    CHECK(script_activate(w->store, of, &tester, SPAN("x")) == ERR_OK);
}

static enum err read_message(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    const struct world *w = arg;

    buf_put(out, span_first(span_skip(w->message, offset), n < 512 ? n : 512));
    return buf_result(out);
}

static modseq version(struct world *w, account_id of)
{
    struct view *v;

    CHECK(view_open(w->store, of, &v) == ERR_OK);
    modseq n = view_modseq(v);

    view_close(v);
    return n;
}

static void deliver(struct world *w, struct delivery_recipient *to)
{
    struct mime_field f;
    struct span rest = w->message;

    while (mime_header_next(&rest, &f)) {
    }
    struct delivery_envelope env = {.sender = SPAN("me@example.net"), .recipients = to, .count = 1};
    struct delivery_message m = {.prefix = SPAN("Received: here\r\n"),
                                 .read = read_message,
                                 .arg = w,
                                 .bytes = w->message.n,
                                 .header = span_first(w->message, w->message.n - rest.n)};
    modseq before = version(w, w->anna);

    *to = (struct delivery_recipient){.address = SPAN("anna@example.org")};
    CHECK(delivery_run(w->delivery, &env, &m) == ERR_OK);
    CHECK(to->answer.code >= 200 && to->answer.text && to->answer.enhanced);
    if (to->answer.outcome == DELIVERY_ACCEPTED) {
        CHECK(version(w, w->anna) > before);
    }
}

static bool is_line(struct span s)
{
    return span_find_byte(s, '\n') == s.n && span_find_byte(s, '\r') == s.n &&
           span_find_byte(s, '\0') == s.n;
}

static bool look(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    (void)arg;
    CHECK(is_line(m->sender) && is_line(r->address) && is_line(r->reply) && r->address.n);
    CHECK(m->prefix.n == 0 || span_ends(m->prefix, SPAN("\r\n")));
    return true;
}

static enum err read_queued(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    struct world *w = ((void **)arg)[0];
    const struct queue_message *m = ((void **)arg)[1];
    struct snapshot *s;

    if (offset < m->prefix.n) {
        buf_put(out, span_first(span_skip(m->prefix, offset), n));
        return buf_result(out);
    }
    CHECK(snapshot_open(w->engine, &s) == ERR_OK);
    enum err e = body_read(s, m->body, offset - m->prefix.n, n, out);

    snapshot_close(s);
    return e;
}

// What is for here goes where it goes; what is for elsewhere arrives.
static unsigned work(struct world *w)
{
    struct queue_job *job;
    unsigned rounds = 0;
    int64_t next;

    while (rounds < ROUNDS_MAX && queue_take(w->queue, INT64_MAX / 2, &job, &next) == ERR_OK) {
        struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];
        void *pair[] = {w, &job->message};

        for (size_t i = 0; i < job->count; i++) {
            struct delivery_answer a = {.outcome = DELIVERY_ACCEPTED};

            if (span_eq(job->recipients[i].destination, SPAN(DELIVERY_HERE))) {
                delivery_again(w->delivery, &job->message, job->recipients[i].address, read_queued,
                               pair, &a);
            }
            results[i] = (struct queue_result){
                .outcome = a.outcome == DELIVERY_ACCEPTED ? QUEUE_OUT_DELIVERED : QUEUE_OUT_FAILED,
                .host = SPAN(""),
                .reply = SPAN("")};
        }
        CHECK(queue_done(w->queue, job, results, 1) == ERR_OK);
        rounds++;
    }
    return rounds;
}

static void difference(void *arg, account_id account, const char *problem, bool repaired)
{
    (void)arg;
    (void)account;
    (void)repaired;
    CHECK(!problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct check_options o = {.read_bodies = true, .other_bodies = queue_bodies};
    struct span in = span_of(data, n);
    struct span script = span_split(&in, '\0');
    struct delivery_recipient to;
    struct check_totals totals;
    struct world w = {.message = in};

    if (n > INPUT_BYTES_MAX) {
        return 0;
    }
    log_set_level(LOG_ERROR);
    open_world(&w);
    use_script(&w, w.anna, script);
    use_script(&w, w.bob, SPAN("redirect \"anna@example.org\";"));
    modseq bobs = version(&w, w.bob);

    deliver(&w, &to);
    CHECK(version(&w, w.bob) == bobs);
    deliver(&w, &to);
    CHECK(queue_list(w.queue, 0, look, NULL) == ERR_OK);
    CHECK(work(&w) < ROUNDS_MAX);
    CHECK(queue_list(w.queue, 0, look, NULL) == ERR_OK);
    CHECK(store_check(w.store, &o, difference, NULL, &totals) == ERR_OK);
    CHECK(totals.differences == 0);
    close_world(&w);
    return 0;
}
