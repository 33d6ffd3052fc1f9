// SPDX-License-Identifier: Apache-2.0
//
// What the files of keep/outbound/ share.
#ifndef KEEP_OUTBOUND_OUTBOUND_INTERNAL_H
#define KEEP_OUTBOUND_OUTBOUND_INTERNAL_H

#include <pthread.h>

#include "base/lock.h"
#include "ipc/channel.h"
#include "keep/outbound/outbound.h"
#include "net/task_conn.h"

struct outbound {
    struct outbound_options options;
    struct outbound_listener listener;
    char server[256], route_host[256], route_user[1025], route_password[4097];
    struct conn_pool *pool;
    pthread_t thread;
    bool has_thread;
    struct lock lock; // guards what follows
    pthread_cond_t woken_cond;
    bool woken, stopping;
    struct channel *courier; // NULL: it is not there now
    pthread_cond_t dns_cond;
    struct outbound_wait *dns_waits; // questions without an answer
    uint64_t dns_id;                 // of the last one
    bool dns_ended;                  // no more questions
};

// Sends the job to the courier; takes it over. ERR_*: it is back in the queue.
enum err outbound_job_start(struct outbound *o, struct queue_job *job);
// Delivers here what could not be delivered before (DELIVERY_HERE). Ends the job.
void outbound_job_here(struct outbound *o, struct queue_job *job);
// The way it leaves; spans live in the arena or as long as `o`. ERR_DENIED: not at all, and
// *out_refused says why; other errors: the routes cannot be read.
enum err outbound_route_find(struct outbound *o, const struct queue_job *job, struct arena *a,
                             struct outbound_route *out, struct span *out_refused);
// Ends the job: its recipients have failed for good, their sender is told.
void outbound_refuse(struct outbound *o, struct queue_job *job, struct span words);
// queue_done has failed: says so.
void outbound_say_unstored(queue_id id, enum err e);
// Appends bytes of the message as it leaves: its prefix, then its body.
enum err outbound_read(struct outbound *o, const struct queue_message *m, uint64_t offset, size_t n,
                       struct buf *out);
// An answer has come, for whoever waits. On the loop's thread. ERR_INVALID: it is none.
enum err outbound_dns_answer(struct outbound *o, const struct ipc_frame *frame);
// The courier is gone, and with it all questions. With the lock held.
void outbound_dns_lost(struct outbound *o);
// Writes and delivers one notice that is owed. ERR_NOT_FOUND: none is.
enum err outbound_notice(struct outbound *o);

#endif
