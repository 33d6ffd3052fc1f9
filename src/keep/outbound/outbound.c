// SPDX-License-Identifier: Apache-2.0
#include "keep/outbound/outbound.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/outbound/outbound_internal.h"

#include "base/banned.h"

#define LINK_QUEUE_MAX   (1u << 20)
#define LONGEST_WAIT_MS  60000
#define WRITE_TIMEOUT_MS (15 * 60000) // the other server may take its time with the body
#define OUTPUT_SOFT      (256u << 10)
#define OUTPUT_HARD      (2u << 20)
#define INPUT_MAX        16384

// A flood of work of one kind leaves room for the others, for the engine's other users, and for the
// end of the process: so much of it at a time.
#define JOBS_A_ROUND    200
#define NOTICES_A_ROUND 20
#define OVERDUE_A_ROUND 20
#define PAUSE_MS        200 // after a round that was full of notices, or of mail that is overdue

// ---- the thread ---------------------------------------------------------------------------------

static void wake(void *arg)
{
    struct outbound *o = arg;

    lock_take(&o->lock);
    o->woken = true;
    pthread_cond_signal(&o->woken_cond);
    lock_release(&o->lock);
}

static bool is_stopping(struct outbound *o)
{
    lock_take(&o->lock);
    bool stopping = o->stopping;

    lock_release(&o->lock);
    return stopping;
}

// What is due now. When to look again, in milliseconds from now.
static int64_t look(struct outbound *o)
{
    for (int n = 0; n < JOBS_A_ROUND && !is_stopping(o); n++) {
        int64_t now = clock_real_ms(), next;
        struct queue_job *job;
        enum err e = queue_take(o->options.queue, now, &job, &next);

        if (e == ERR_NOT_FOUND) {
            return next - now < LONGEST_WAIT_MS ? next - now : LONGEST_WAIT_MS;
        }
        if (e != ERR_OK) {
            log_error("the queue cannot be read (%s); trying again in a minute", err_name(e));
            return LONGEST_WAIT_MS;
        }
        if (span_eq(job->recipients[0].destination, SPAN(DELIVERY_HERE))) {
            outbound_job_here(o, job);
        } else if (outbound_job_start(o, job) != ERR_OK) {
            return 1000;
        }
    }
    return 0;
}

// A round of notices. True: there may be more.
static bool send_notices(struct outbound *o)
{
    enum err e = ERR_OK;

    for (int n = 0; n < NOTICES_A_ROUND && e == ERR_OK && !is_stopping(o); n++) {
        e = outbound_notice(o);
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_warn("a sender could not be told of an undelivered message (%s); trying again",
                 err_name(e));
    }
    return e == ERR_OK;
}

// A round of mail that nobody tries since its destination cannot be reached.
static bool see_to_overdue(struct outbound *o)
{
    enum err e = ERR_OK;

    for (int n = 0; n < OVERDUE_A_ROUND && e == ERR_OK && !is_stopping(o); n++) {
        e = queue_overdue(o->options.queue, clock_real_ms());
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_warn("mail that has waited too long could not be looked at (%s); trying again",
                 err_name(e));
    }
    return e == ERR_OK;
}

// Waits for something to do. False: the end.
static bool wait_for_work(struct outbound *o, int64_t wait_ms, bool *out_linked)
{
    int64_t until = clock_monotonic_ms() + (wait_ms < 1 ? 1 : wait_ms);

    lock_take(&o->lock);
    while (!o->woken && !o->stopping && lock_cond_wait(&o->woken_cond, &o->lock, until)) {
    }
    o->woken = false;
    *out_linked = o->courier;
    bool go_on = !o->stopping;

    lock_release(&o->lock);
    return go_on;
}

static void *outbound_main(void *arg)
{
    struct outbound *o = arg;
    int64_t wait_ms = 0, rest_ms, pause_until = 0; // by the monotonic clock
    bool linked;

    // What is handed out wakes this thread at once; the pause holds all the same.
    while (wait_for_work(o, wait_ms, &linked)) {
        if (clock_monotonic_ms() >= pause_until) {
            bool more = see_to_overdue(o);

            more |= send_notices(o);
            pause_until = more ? clock_monotonic_ms() + PAUSE_MS : 0;
        }
        wait_ms = linked ? look(o) : LONGEST_WAIT_MS;
        rest_ms = pause_until - clock_monotonic_ms();
        wait_ms = pause_until && rest_ms < wait_ms ? rest_ms : wait_ms;
    }
    return NULL;
}

// ---- the courier --------------------------------------------------------------------------------

static enum err on_message(struct channel *c, void *arg, const struct ipc_frame *frame, int *fds)
{
    const struct outbound *o = arg;

    (void)c;
    if (frame->type == IPC_DNS_ANSWER && frame->fds == 0) {
        return outbound_dns_answer(arg, frame);
    }
    if (frame->fds == 0 && o->listener.message) {
        return o->listener.message(o->listener.arg, frame);
    }
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]);
    }
    return ERR_INVALID; // what it has to say of a job it says on the job's own connection
}

// With the lock held.
static void courier_lost(struct outbound *o)
{
    outbound_dns_lost(o);
    if (o->listener.lost) {
        o->listener.lost(o->listener.arg);
    }
}

static void on_ended(struct channel *c, void *arg, enum err e)
{
    struct outbound *o = arg;

    (void)e; // the supervisor tells why, and starts it again
    lock_take(&o->lock);
    o->courier = NULL;
    courier_lost(o);
    lock_release(&o->lock);
    channel_close(c);
}

enum err outbound_attach(struct outbound *o, int fd)
{
    static const struct channel_handler handler = {on_message, on_ended};
    struct channel *c, *before;
    enum err e = channel_open(o->options.loop, fd, LINK_QUEUE_MAX, &handler, o, &c);

    if (e != ERR_OK) {
        return e;
    }
    lock_take(&o->lock);
    before = o->courier;
    courier_lost(o);
    o->courier = c;
    o->woken = true;
    pthread_cond_signal(&o->woken_cond);
    lock_release(&o->lock);
    channel_close(before);
    return ERR_OK;
}

void outbound_listen(struct outbound *o, const struct outbound_listener *listener)
{
    o->listener = *listener;
}

enum err outbound_send(struct outbound *o, struct span frame)
{
    lock_take(&o->lock);
    enum err e = o->courier ? channel_send(o->courier, frame, NULL, 0) : ERR_UNAVAILABLE;

    lock_release(&o->lock);
    return e == ERR_OK ? ERR_OK : ERR_UNAVAILABLE;
}

// ---- start and end ------------------------------------------------------------------------------

static void copy_options(struct outbound *o, const struct outbound_options *from)
{
    o->options = *from;
    span_copy_text(from->server, o->server, sizeof(o->server));
    span_copy_text(from->route.host, o->route_host, sizeof(o->route_host));
    span_copy_text(from->route.user, o->route_user, sizeof(o->route_user));
    span_copy_text(from->route.password, o->route_password, sizeof(o->route_password));
    o->options.server = span_from_str(o->server);
    o->options.route.host = span_from_str(o->route_host);
    o->options.route.user = span_from_str(o->route_user);
    o->options.route.password = span_from_str(o->route_password);
}

enum err outbound_create(const struct outbound_options *options, struct outbound **out)
{
    struct outbound *o = calloc(1, sizeof(*o));
    struct conn_pool_options pool = {.thread_name = "keep-outbound",
                                     .threads = options->threads,
                                     .connections_max = options->jobs_max,
                                     .input_max = INPUT_MAX,
                                     .output_soft = OUTPUT_SOFT,
                                     .output_hard = OUTPUT_HARD,
                                     .write_timeout_ms = WRITE_TIMEOUT_MS};

    if (!o) {
        return ERR_NOMEM;
    }
    copy_options(o, options);
    lock_init(&o->lock, LOCK_OUTBOUND);
    lock_cond_init(&o->woken_cond);
    lock_cond_init(&o->dns_cond);
    enum err e = conn_pool_create(&pool, &o->pool);

    if (e == ERR_OK) {
        queue_set_wake(options->queue, wake, o);
        o->has_thread = pthread_create(&o->thread, NULL, outbound_main, o) == 0;
        e = o->has_thread ? ERR_OK : ERR_LIMIT;
    }
    if (e != ERR_OK) {
        outbound_destroy(o, 0);
        return e;
    }
    *out = o;
    return ERR_OK;
}

void outbound_destroy(struct outbound *o, int64_t timeout_ms)
{
    if (!o) {
        return;
    }
    lock_take(&o->lock);
    o->stopping = true;
    pthread_cond_signal(&o->woken_cond);
    lock_release(&o->lock);
    if (o->has_thread) {
        pthread_join(o->thread, NULL);
    }
    if (o->pool) {
        conn_pool_stop(o->pool, timeout_ms);
        conn_pool_destroy(o->pool);
    }
    queue_set_wake(o->options.queue, NULL, NULL);
    channel_close(o->courier);
    pthread_cond_destroy(&o->woken_cond);
    pthread_cond_destroy(&o->dns_cond);
    lock_finish(&o->lock);
    explicit_bzero(o->route_password, sizeof(o->route_password));
    free(o);
}
