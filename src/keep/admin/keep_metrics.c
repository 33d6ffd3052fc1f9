// SPDX-License-Identifier: Apache-2.0
#include "keep/admin/keep_metrics.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "engine/engine.h"
#include "keep/count/keep_count.h"

#include "base/banned.h"

static void put_store(const struct keep_metrics *m, struct buf *out)
{
    struct engine_status s;

    engine_status(store_engine(m->store), &s);
    metrics_put_one(out, "mailkeep_store_writable", METRICS_GAUGE,
                    "1 while the store takes changes; 0 when the disk has failed or is full.",
                    s.state == ENGINE_OK);
    metrics_put_one(out, "mailkeep_store_bodies", METRICS_GAUGE, "Messages' bodies in the store.",
                    s.bodies);
    metrics_put_one(out, "mailkeep_store_body_bytes", METRICS_GAUGE, "Bytes of these bodies.",
                    s.body_bytes);
    metrics_put_one(out, "mailkeep_store_segments", METRICS_GAUGE, "Files of the journal.",
                    s.segments);
    metrics_put_one(out, "mailkeep_store_segment_bytes", METRICS_GAUGE, "Bytes of these files.",
                    s.segment_bytes);
    metrics_put_one(out, "mailkeep_store_dead_bytes", METRICS_GAUGE,
                    "Bytes of these files that nobody needs; compaction frees them.", s.dead_bytes);
    metrics_put_one(out, "mailkeep_store_journal_lag_bytes", METRICS_GAUGE,
                    "Bytes of the journal that a start would have to replay.", s.journal_lag_bytes);
    metrics_put_one(out, "mailkeep_store_commits_total", METRICS_COUNTER, "Commits.", s.commits);
    metrics_put_one(out, "mailkeep_store_commit_groups_total", METRICS_COUNTER,
                    "Groups in which commits became durable together.", s.commit_groups);
    metrics_put_one(out, "mailkeep_store_syncs_total", METRICS_COUNTER,
                    "Times the disk was asked to make the journal durable.", s.syncs);
    metrics_put_times(out, "mailkeep_store_commit_seconds",
                      "How long commits took, from asking until durable.", &engine_commit_times);
}

static void put_queue(const struct keep_metrics *m, struct buf *out)
{
    struct queue_counts n;

    queue_count(m->queue, &n);
    metrics_put_one(out, "mailkeep_queue_messages", METRICS_GAUGE,
                    "Messages in the queue to other servers.", n.messages);
    metrics_put_one(out, "mailkeep_queue_recipients", METRICS_GAUGE,
                    "Recipients of these messages, those that are done included.", n.recipients);
    metrics_put_one(out, "mailkeep_queue_running", METRICS_GAUGE,
                    "Messages that are being sent now.", n.running);
    metrics_put_one(out, "mailkeep_queue_expiry_paused", METRICS_GAUGE,
                    "1 while no more mail is given up, because very much has been.",
                    n.is_expiry_paused);
}

static void put_people(const struct keep_metrics *m, struct buf *out)
{
    struct keep_session_counts sessions;
    struct keep_link_counts logins;

    keep_sessions_count(m->sessions, &sessions);
    keep_link_count(m->link, &logins);
    metrics_put_one(out, "mailkeep_keep_sessions", METRICS_GAUGE, "Sessions that are logged in.",
                    sessions.sessions);
    metrics_put_one(out, "mailkeep_keep_users", METRICS_GAUGE, "Accounts with a session.",
                    sessions.users);
    metrics_put_one(out, "mailkeep_keep_sessions_total", METRICS_COUNTER,
                    "Sessions since keep started.", sessions.since_start);
    metrics_put_head(out, "mailkeep_keep_logins_total", "counter",
                     "Passwords that were checked, by result.");
    metrics_put_sample(out, "mailkeep_keep_logins_total", "result", "accepted", logins.logins);
    metrics_put_sample(out, "mailkeep_keep_logins_total", "result", "refused", logins.failures);
    metrics_put_one(out, "mailkeep_keep_password_hashes_total", METRICS_COUNTER,
                    "Password hashes that were worked out, those for names that are not there "
                    "included.",
                    auth_hashes(m->auth));
}

void keep_metrics_put(const struct keep_metrics *m, struct buf *out)
{
    metrics_put_one(out, "mailkeep_keep_uptime_seconds", METRICS_GAUGE,
                    "Seconds since keep started.",
                    (uint64_t)((clock_monotonic_ms() - m->started_ms) / 1000));
    put_people(m, out);
    keep_count_put(out);
    put_queue(m, out);
    put_store(m, out);
}
