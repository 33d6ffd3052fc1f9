// SPDX-License-Identifier: Apache-2.0
#include "courier/post/alert_post.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/list.h"
#include "courier/https/https.h"
#include "net/worker_pool.h"

#include "base/banned.h"

#define WAITING_MAX      16
#define CA_BYTES_MAX     (4u << 20)
#define ANSWER_BYTES_MAX 65536

struct alert_post {
    struct alert_post_options o;
    struct buf ca_pem;
    struct worker_pool *workers;
    struct list jobs; // the loop's thread
    atomic_bool is_stopping;
};

// One of them, on its way loop -> worker -> loop.
struct job {
    struct list link;
    struct worker_task work;
    struct loop_task back;
    struct alert_post *all;
    uint64_t id;
    struct buf body;
    char signature[200];
    alert_post_done_fn *done;
    void *arg;
    enum ipc_alert_outcome outcome;
    char words[HTTPS_PROBLEM_BYTES];
};

// ---- one POST -----------------------------------------------------------------------------------

static void job_destroy(struct job *j)
{
    list_remove(&j->link);
    buf_finish(&j->body);
    free(j);
}

static void answer(alert_post_done_fn *done, void *arg, uint64_t id, enum ipc_alert_outcome outcome,
                   const char *words)
{
    const struct ipc_alert_result m = {
        .id = id, .outcome = (uint8_t)outcome, .words = span_from_str(words)};

    done(arg, &m);
}

static void on_back(struct loop_task *t)
{
    struct job *j = LIST_ITEM(t, struct job, back);

    answer(j->done, j->arg, j->id, j->outcome, j->words);
    job_destroy(j);
}

static void on_work(struct worker_task *t)
{
    struct job *j = LIST_ITEM(t, struct job, work);
    const struct alert_post *p = j->all;
    const struct https_client client = {.lookup = p->o.lookup,
                                        .ca_pem = buf_span(&p->ca_pem),
                                        .allow_private = true, // the administrator named it
                                        .timeout_ms = p->o.timeout_ms,
                                        .is_stopping = &p->is_stopping};
    const struct https_request request = {
        .url = p->o.url, .json = buf_span(&j->body), .field = j->signature};
    struct buf out;

    buf_init(&out, ANSWER_BYTES_MAX);
    enum err e = https_fetch(&client, &request, &out, j->words);

    j->outcome = e == ERR_OK ? IPC_ALERT_TAKEN : IPC_ALERT_NOT_TAKEN;
    buf_finish(&out);
    loop_post(p->o.loop, &j->back);
}

void alert_post_send(struct alert_post *p, const struct ipc_alert_post *m, alert_post_done_fn *done,
                     void *arg)
{
    struct job *j = p && p->workers ? calloc(1, sizeof(*j)) : NULL;

    if (!j) {
        answer(done, arg, m->id, IPC_ALERT_NOT_TAKEN, p ? "no memory" : "no webhook is set");
        return;
    }
    list_append(&p->jobs, &j->link);
    j->all = p;
    j->id = m->id;
    j->done = done;
    j->arg = arg;
    j->work.run = on_work;
    j->back.run = on_back;
    snprintf(j->signature, sizeof(j->signature), "Mailkeep-Signature: %.*s",
             SPAN_ARG(m->signature));
    buf_init(&j->body, m->body.n);
    buf_put(&j->body, m->body);
    if (j->body.failed || worker_pool_submit(p->workers, &j->work) != ERR_OK) {
        job_destroy(j);
        answer(done, arg, m->id, IPC_ALERT_NOT_TAKEN, "too much waits already");
    }
}

// ---- life ---------------------------------------------------------------------------------------

enum err alert_post_create(const struct alert_post_options *o, struct alert_post **out)
{
    struct alert_post *p = calloc(1, sizeof(*p));
    struct https_url url;
    enum err e;

    if (!p) {
        return ERR_NOMEM;
    }
    p->o = *o;
    list_init(&p->jobs);
    buf_init(&p->ca_pem, CA_BYTES_MAX);
    e = https_url_parse(o->url, &url);
    if (e == ERR_OK && o->ca_file[0]) {
        e = file_read_whole(AT_FDCWD, o->ca_file, &p->ca_pem);
    }
    e = e == ERR_OK ? https_init() : e;
    if (e != ERR_OK) {
        alert_post_destroy(p);
        return e;
    }
    *out = p;
    return ERR_OK;
}

enum err alert_post_start(struct alert_post *p, struct loop *loop)
{
    p->o.loop = loop;
    return worker_pool_create("courier-alert", 1, WAITING_MAX, &p->workers);
}

void alert_post_stop(struct alert_post *p)
{
    if (p) {
        atomic_store(&p->is_stopping, true);
    }
}

void alert_post_destroy(struct alert_post *p)
{
    if (!p) {
        return;
    }
    alert_post_stop(p);
    if (p->workers) {
        worker_pool_destroy(p->workers);
    }
    while (!list_is_empty(&p->jobs)) { // answered, but the loop has stopped
        struct job *j = LIST_ITEM(p->jobs.next, struct job, link);

        j->done(j->arg, NULL);
        job_destroy(j);
    }
    buf_finish(&p->ca_pem);
    free(p);
}
