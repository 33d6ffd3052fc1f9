// SPDX-License-Identifier: Apache-2.0
//
// status: what is running and how the store is.
#include "admin/admin_internal.h"

#include "base/banned.h"

struct counts {
    uint64_t domains, accounts;
};

static bool count_domain(void *arg, struct span domain, uint64_t accounts)
{
    struct counts *n = arg;

    (void)domain;
    n->domains++;
    n->accounts += accounts;
    return true;
}

static json_t *engine_json(struct engine *e)
{
    static const char *const states[] = {
        [ENGINE_OK] = "ok", [ENGINE_READ_ONLY] = "read-only", [ENGINE_FULL] = "full"};
    struct engine_status s;

    engine_status(e, &s);
    s.reason[sizeof(s.reason) - 1] = '\0';
    json_t *j =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "state", states[s.state],
                  "bodies", (json_int_t)s.bodies, "body_bytes", (json_int_t)s.body_bytes,
                  "segments", (json_int_t)s.segments, "segment_bytes", (json_int_t)s.segment_bytes,
                  "dead_bytes", (json_int_t)s.dead_bytes, "journal_lag_bytes",
                  (json_int_t)s.journal_lag_bytes, "commits", (json_int_t)s.commits,
                  "commit_groups", (json_int_t)s.commit_groups, "syncs", (json_int_t)s.syncs);

    if (j && s.state != ENGINE_OK) {
        json_object_set_new(j, "reason", admin_json_text(span_from_str(s.reason)));
    }
    return j;
}

enum err admin_status(struct admin_call *c)
{
    struct counts n = {0, 0};
    enum err e = directory_domain_list(c->admin->store, count_domain, &n);

    if (e != ERR_OK) {
        return e;
    }
    json_t *j =
        json_pack("{s:s, s:b, s:I, s:I, s:o}", "version", MAILKEEP_VERSION, "running",
                  c->admin->add_status != NULL, "domains", (json_int_t)n.domains, "accounts",
                  (json_int_t)n.accounts, "engine", engine_json(store_engine(c->admin->store)));

    if (j && c->admin->add_status) {
        c->admin->add_status(c->admin->arg, j);
    }
    c->outcome->result = j;
    return j ? ERR_OK : ERR_NOMEM;
}
