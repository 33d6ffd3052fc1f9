// SPDX-License-Identifier: Apache-2.0
#include "courier/policy/sts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"

#include "base/banned.h"

#define DOMAINS_MAX     10000
#define AGAIN_AFTER_MS  300000 // a failed fetch
#define FETCH_WAIT_MS   60000  // for somebody else's fetch
#define WELL_KNOWN_PATH "/.well-known/mta-sts.txt"

struct entry {
    char id[STS_ID_BYTES_MAX + 1]; // of the policy; empty: there is none
    struct sts_policy policy;
    int64_t fetched_ms, ends_ms, not_before_ms; // monotonic; the last: of the next fetch
    bool is_fetching;
    unsigned users;           // threads that look at it without the lock
    enum sts_problem problem; // of the last fetch
};

struct sts {
    struct https_client client;
    uint16_t port;
    struct lock lock; // guards the rest
    pthread_cond_t fetched;
    struct map domains;
};

enum err sts_create(const struct https_client *client, uint16_t port, struct sts **out)
{
    struct sts *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    s->client = *client;
    s->port = port;
    lock_init(&s->lock, LOCK_LEAF);
    lock_cond_init(&s->fetched);
    map_init(&s->domains);
    *out = s;
    return ERR_OK;
}

static void entry_free(struct entry *e)
{
    sts_policy_finish(&e->policy);
    free(e);
}

void sts_destroy(struct sts *s)
{
    struct span key;
    void *e;
    size_t at = 0;

    if (s) {
        while (map_next(&s->domains, &at, &key, &e)) {
            entry_free(e);
        }
        map_finish(&s->domains);
        pthread_cond_destroy(&s->fetched);
        lock_finish(&s->lock);
        free(s);
    }
}

// ---- the memory; the lock is held ---------------------------------------------------------------

// Forgets somebody: whose policy has ended, or whoever comes first.
static void make_room(struct sts *s)
{
    struct span key, victim = {NULL, 0};
    void *value;
    size_t at = 0;
    int64_t now = clock_monotonic_ms();

    while (map_next(&s->domains, &at, &key, &value)) {
        const struct entry *e = value;

        if (e->users == 0 && (!victim.p || e->ends_ms <= now)) {
            victim = key;
            if (e->ends_ms <= now) {
                break;
            }
        }
    }
    if (victim.p) {
        entry_free(map_remove(&s->domains, victim));
    }
}

static struct entry *entry_get(struct sts *s, struct span domain)
{
    struct entry *e = map_get(&s->domains, domain);

    if (e) {
        return e;
    }
    if (s->domains.n >= DOMAINS_MAX) {
        make_room(s);
    }
    e = s->domains.n < DOMAINS_MAX ? calloc(1, sizeof(*e)) : NULL;
    if (e && map_put(&s->domains, domain, e, NULL) != ERR_OK) {
        free(e);
        e = NULL;
    }
    return e;
}

static bool is_good(const struct entry *e)
{
    return e->id[0] && clock_monotonic_ms() < e->ends_ms;
}

// Another policy is announced, or half the time of this one has passed.
static bool is_fetch_due(const struct entry *e, struct span id)
{
    int64_t now = clock_monotonic_ms();
    bool fresh = is_good(e) && span_eq(span_from_str(e->id), id) &&
                 now < e->fetched_ms + (e->ends_ms - e->fetched_ms) / 2;

    return !fresh && now >= e->not_before_ms;
}

static void copy_policy(const struct entry *e, struct sts_policy *out)
{
    out->mode = e->policy.mode;
    out->max_age_s = e->policy.max_age_s;
    buf_put(&out->mx, buf_span(&e->policy.mx));
    if (out->mx.failed) {
        buf_clear(&out->mx); // no memory: nobody fits, mail waits
    }
}

// ---- asking the domain --------------------------------------------------------------------------

// The id that the domain's TXT record names. ERR_NOT_FOUND: none that can be used (or no answer:
// what is remembered decides then, too).
static enum err announced_id(struct sts *s, struct span domain, char out[STS_ID_BYTES_MAX + 1])
{
    char name[300];
    struct lookup_answer a;
    struct span record, records, id, found = {NULL, 0};
    unsigned count = 0;
    enum err e = ERR_NOT_FOUND;

    snprintf(name, sizeof(name), "_mta-sts.%.*s", SPAN_ARG(span_first(domain, 255)));
    lookup_ask(s->client.lookup, span_from_str(name), DNS_TXT, &a);
    records = buf_span(&a.records);
    while (lookup_record_next(&records, &record)) {
        enum err read = sts_record_read(record, &id);

        count += read != ERR_NOT_FOUND;
        found = read == ERR_OK ? id : found;
    }
    if (count == 1 && found.p) { // several are none (section 3.1)
        snprintf(out, STS_ID_BYTES_MAX + 1, "%.*s", SPAN_ARG(found));
        e = ERR_OK;
    }
    lookup_answer_finish(&a);
    return e;
}

static enum err fetch(struct sts *s, struct span domain, struct sts_policy *out,
                      enum sts_problem *out_problem)
{
    char url[400], problem[HTTPS_PROBLEM_BYTES];
    struct https_request request = {.type = "text/plain"};
    struct buf body;
    int n = snprintf(url, sizeof(url), "https://mta-sts.%.*s", SPAN_ARG(span_first(domain, 255)));

    if (s->port != 443) {
        n += snprintf(url + n, sizeof(url) - (size_t)n, ":%u", s->port);
    }
    snprintf(url + n, sizeof(url) - (size_t)n, WELL_KNOWN_PATH);
    request.url = span_from_str(url);
    buf_init(&body, STS_POLICY_BYTES_MAX);
    enum err e = https_fetch(&s->client, &request, &body, problem);

    *out_problem = e == ERR_OK       ? STS_NO_PROBLEM
                   : e == ERR_DENIED ? STS_NOT_TRUSTED
                                     : STS_NOT_FETCHED;
    if (e == ERR_OK) {
        e = sts_policy_read(buf_span(&body), out);
        if (e != ERR_OK) {
            *out_problem = STS_NOT_VALID;
            snprintf(problem, sizeof(problem), "it breaks the grammar of RFC 8461");
        }
    }
    if (e != ERR_OK) {
        log_warn("the MTA-STS policy of %s cannot be used: %s", log_text(domain).s,
                 log_text(span_from_str(problem)).s);
    }
    buf_finish(&body);
    return e;
}

// Fetches for an entry; the lock is held, and released meanwhile.
static void refresh(struct sts *s, struct entry *e, struct span domain, const char *id)
{
    struct sts_policy next;
    int64_t now;

    e->is_fetching = true;
    lock_release(&s->lock);
    enum sts_problem problem;
    enum err r = fetch(s, domain, &next, &problem);

    lock_take(&s->lock);
    e->problem = problem;
    now = clock_monotonic_ms();
    e->is_fetching = false;
    e->not_before_ms = now + AGAIN_AFTER_MS;
    if (r == ERR_OK) {
        sts_policy_finish(&e->policy);
        e->policy = next;
        e->fetched_ms = now;
        e->ends_ms = now + (int64_t)next.max_age_s * 1000;
        e->not_before_ms = 0;
        snprintf(e->id, sizeof(e->id), "%s", id);
    }
    pthread_cond_broadcast(&s->fetched);
}

void sts_find(struct sts *s, struct span domain, struct sts_policy *out,
              enum sts_problem *out_problem)
{
    char id[STS_ID_BYTES_MAX + 1] = "";
    bool announced = announced_id(s, domain, id) == ERR_OK;

    *out = (struct sts_policy){.mode = STS_NONE};
    *out_problem = STS_NO_PROBLEM;
    buf_init(&out->mx, STS_POLICY_BYTES_MAX);
    lock_take(&s->lock);
    struct entry *e = announced ? entry_get(s, domain) : map_get(&s->domains, domain);

    if (e) {
        int64_t until = clock_monotonic_ms() + FETCH_WAIT_MS;

        e->users++;
        while (announced && e->is_fetching && clock_monotonic_ms() < until) {
            lock_cond_wait(&s->fetched, &s->lock, until);
        }
        if (announced && !e->is_fetching && is_fetch_due(e, span_from_str(id))) {
            refresh(s, e, domain, id);
        }
        if (is_good(e)) {
            copy_policy(e, out);
        }
        *out_problem = announced ? e->problem : STS_NO_PROBLEM;
        e->users--;
    }
    lock_release(&s->lock);
}
