// SPDX-License-Identifier: Apache-2.0
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "auth/app_password.h"
#include "auth/auth_internal.h"
#include "auth/read_as.h"
#include "auth/second_factor.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"

#include "base/banned.h"

#define DIGEST_BYTES      32
#define VOUCH_ARENA_BYTES 262144

// A question being answered or lately answered with yes. Its key is an HMAC over everything the
// decision used: account, stored hash and password, under a secret of this process. The password
// itself is kept nowhere.
struct question {
    struct list by_age; // in auth.answered when done
    unsigned char key[DIGEST_BYTES];
    int64_t until_ms;
    enum err answer;
    uint64_t mark; // of the password, with the hash that it has after this
    unsigned waiters;
    bool is_done, in_map;
};

struct auth {
    struct store *store;
    struct auth_options options;
    struct buf default_domain;
    unsigned char secret[DIGEST_BYTES];
    struct buf dummy_hash; // under the lock: what an unknown name is checked against
    struct throttle *throttle;
    struct lock lock;
    pthread_cond_t turn[THROTTLE_RANKS], done;
    struct map questions; // key -> struct question
    struct list answered; // oldest first
    size_t answered_count;
    unsigned running[THROTTLE_RANKS], waiting[THROTTLE_RANKS];
    unsigned vouching[THROTTLE_RANKS]; // questions that are open
    uint64_t hashes;
};

void auth_options_default(struct auth_options *o)
{
    *o = (struct auth_options){
        .hashes_max = 4,
        .waiting_max = 256,
        .remember_ms = 60000,
        .remember_max = 10000,
        .vouch_max = 32,
        .throttle = {.failures_max = 10, .network_max = 100, .time_ms = 600000},
    };
    password_params_default(&o->params);
}

enum err auth_create(struct store *s, const struct auth_options *o, struct auth **out)
{
    struct auth *a = calloc(1, sizeof(*a));

    if (!a) {
        return ERR_NOMEM;
    }
    a->store = s;
    a->options = *o;
    buf_init(&a->default_domain, 256);
    buf_put(&a->default_domain, o->default_domain);
    a->options.default_domain = buf_span(&a->default_domain);
    random_bytes(a->secret, sizeof(a->secret));
    buf_init(&a->dummy_hash, PASSWORD_HASH_MAX);
    lock_init(&a->lock, LOCK_AUTH);
    for (unsigned r = 0; r < THROTTLE_RANKS; r++) {
        lock_cond_init(&a->turn[r]);
    }
    lock_cond_init(&a->done);
    map_init(&a->questions);
    list_init(&a->answered);
    enum err e = throttle_create(&o->throttle, &a->throttle);

    if (e == ERR_OK) {
        e = password_hash(span_of(a->secret, sizeof(a->secret)), &o->params, &a->dummy_hash);
    }
    if (e != ERR_OK) {
        auth_destroy(a);
        return e;
    }
    *out = a;
    return ERR_OK;
}

static void question_forget(struct auth *a, struct question *q)
{
    if (q->in_map) {
        map_remove(&a->questions, span_of(q->key, sizeof(q->key)));
        q->in_map = false;
    }
    if (q->is_done && !list_is_empty(&q->by_age)) {
        list_remove(&q->by_age);
        a->answered_count--;
    }
    if (q->waiters == 0) {
        OPENSSL_cleanse(q, sizeof(*q));
        free(q);
    }
}

static bool same_params(const struct password_params *a, const struct password_params *b)
{
    return a->memory_kib == b->memory_kib && a->passes == b->passes && a->lanes == b->lanes;
}

enum err auth_set_options(struct auth *a, const struct auth_options *o)
{
    struct buf hash;
    enum err e = ERR_OK;

    buf_init(&hash, PASSWORD_HASH_MAX);
    if (!same_params(&a->options.params, &o->params)) { // read here only
        e = password_hash(span_of(a->secret, sizeof(a->secret)), &o->params, &hash);
    }
    if (e != ERR_OK) {
        buf_finish(&hash);
        return e;
    }
    lock_take(&a->lock);
    a->options.params = o->params;
    a->options.waiting_max = o->waiting_max;
    a->options.remember_ms = o->remember_ms;
    a->options.remember_max = o->remember_max;
    a->options.scram_own = o->scram_own;
    a->options.reads_as = o->reads_as;
    while (!list_is_empty(&a->answered)) { // remembered for as long as was said before
        question_forget(a, LIST_ITEM(a->answered.next, struct question, by_age));
    }
    if (hash.n) {
        buf_clear(&a->dummy_hash);
        buf_put(&a->dummy_hash, buf_span(&hash));
    }
    lock_release(&a->lock);
    throttle_set_limits(a->throttle, &o->throttle);
    buf_finish(&hash);
    return ERR_OK;
}

void auth_destroy(struct auth *a)
{
    if (!a) {
        return;
    }
    while (!list_is_empty(&a->answered)) {
        question_forget(a, LIST_ITEM(a->answered.next, struct question, by_age));
    }
    map_finish(&a->questions);
    for (unsigned r = 0; r < THROTTLE_RANKS; r++) {
        pthread_cond_destroy(&a->turn[r]);
    }
    pthread_cond_destroy(&a->done);
    lock_finish(&a->lock);
    throttle_destroy(a->throttle);
    buf_finish(&a->dummy_hash);
    buf_finish(&a->default_domain);
    OPENSSL_cleanse(a->secret, sizeof(a->secret));
    free(a);
}

// Lengths are part of the input, so that no two triples run together to the same bytes.
static bool question_key(struct auth *a, account_id account, struct span hash, struct span password,
                         unsigned char key[DIGEST_BYTES])
{
    struct buf b;
    uint64_t head[2] = {account, hash.n};
    unsigned n = DIGEST_BYTES;

    buf_init(&b, sizeof(head) + PASSWORD_HASH_MAX + PASSWORD_BYTES_MAX);
    buf_put(&b, span_of(head, sizeof(head)));
    buf_put(&b, hash);
    buf_put(&b, password);
    bool ok = !b.failed && HMAC(EVP_sha256(), a->secret, sizeof(a->secret),
                                (const unsigned char *)b.p, b.n, key, &n) != NULL;

    if (b.p) {
        OPENSSL_cleanse(b.p, b.cap);
    }
    buf_finish(&b);
    return ok;
}

static void forget_old(struct auth *a)
{
    int64_t now = clock_monotonic_ms();

    while (!list_is_empty(&a->answered)) {
        struct question *q = LIST_ITEM(a->answered.next, struct question, by_age);

        if (q->until_ms > now && a->answered_count <= a->options.remember_max) {
            return;
        }
        question_forget(a, q);
    }
}

static uint64_t mark_of(struct span hash)
{
    struct account account = {.password_hash = hash};

    return auth_mark(&account);
}

// One password against one hash, which may be the one that belongs to nobody.
struct trial {
    account_id account; // 0: nobody
    enum throttle_rank rank;
    struct span password, hash;
    const struct auth_claim *asks; // not NULL: the directory is asked, about `name`
    struct span name;
};

// The password is right and its hash is of another kind or cost than new ones: it gets a new one.
// ERR_CONFLICT: it has got one meanwhile, or another password. What else goes wrong here keeps
// nobody out; the next sign-in tries again.
static enum err hash_upgrade(struct auth *a, const struct trial *t, const struct password_params *p,
                             uint64_t *mark)
{
    static const struct actor by = {.kind = ACTOR_SYSTEM};
    struct buf hash;

    buf_init(&hash, PASSWORD_HASH_MAX);
    enum err e = password_hash(t->password, p, &hash);

    if (e == ERR_OK) {
        e = directory_account_renew_hash(a->store, &by, t->account, t->hash, buf_span(&hash));
    }
    if (e == ERR_OK) {
        *mark = mark_of(buf_span(&hash));
    } else if (e != ERR_CONFLICT) {
        log_warn("the password hash of account %llu is not renewed now: %s",
                 (unsigned long long)t->account, err_name(e));
    }
    buf_finish(&hash);
    return e == ERR_CONFLICT ? e : ERR_OK;
}

// Without the lock.
static enum err verify(struct auth *a, const struct trial *t, const struct password_params *p,
                       uint64_t *mark, unsigned *hashes)
{
    enum err e = password_verify(t->password, t->hash);

    *hashes = 1;
    if (e == ERR_OK && t->account && password_needs_rehash(t->hash, p)) {
        e = hash_upgrade(a, t, p, mark);
        ++*hashes;
    } else if (e == ERR_DENIED && password_is_foreign(t->hash)) {
        // A quick no would tell that there is an account, and that its hash is a quick one.
        struct buf ignored;

        buf_init(&ignored, PASSWORD_HASH_MAX);
        e = password_hash(t->password, p, &ignored) == ERR_NOMEM ? ERR_NOMEM : e;
        buf_finish(&ignored);
        ++*hashes;
    }
    return e;
}

static unsigned running_from(const struct auth *a, enum throttle_rank best)
{
    unsigned n = 0;

    for (unsigned r = best; r < THROTTLE_RANKS; r++) {
        n += a->running[r];
    }
    return n;
}

// Is a place free for the rank? Guessers get half of them, and all who are not known where they are
// leave one; where there are few places each may have one at least.
static bool has_place(const struct auth *a, enum throttle_rank rank)
{
    unsigned all = a->options.hashes_max;
    unsigned strangers = all > 1 ? all - 1 : 1, suspects = all > 3 ? all / 2 : 1;

    return running_from(a, THROTTLE_KNOWN) < all &&
           (rank < THROTTLE_CLEAN || running_from(a, THROTTLE_CLEAN) < strangers) &&
           (rank < THROTTLE_SUSPECT || running_from(a, THROTTLE_SUSPECT) < suspects);
}

// The best rank that waits and finds a place.
static void wake_next(struct auth *a)
{
    for (unsigned r = 0; r < THROTTLE_RANKS; r++) {
        if (a->waiting[r] > 0 && has_place(a, (enum throttle_rank)r)) {
            pthread_cond_signal(&a->turn[r]);
            return;
        }
    }
}

static bool is_overtaken(const struct auth *a, enum throttle_rank rank)
{
    for (unsigned r = 0; r < rank; r++) {
        if (a->waiting[r] > 0 && has_place(a, (enum throttle_rank)r)) {
            return true;
        }
    }
    return false;
}

// Hashes when it is this thread's turn. Called with the lock held, returns with it held.
static enum err verify_in_turn(struct auth *a, const struct trial *t, uint64_t *mark)
{
    unsigned hashes;

    if (a->waiting[t->rank] >= a->options.waiting_max) {
        return ERR_UNAVAILABLE;
    }
    a->waiting[t->rank]++;
    while (!has_place(a, t->rank) || is_overtaken(a, t->rank)) {
        lock_cond_wait(&a->turn[t->rank], &a->lock, -1);
    }
    a->waiting[t->rank]--;
    a->running[t->rank]++;
    wake_next(a); // there may be more places than one
    struct password_params params = a->options.params;

    lock_release(&a->lock);
    enum err e = verify(a, t, &params, mark, &hashes);

    lock_take(&a->lock);
    a->running[t->rank]--;
    a->hashes += hashes;
    wake_next(a);
    return e;
}

// Called with the lock held, returns with it held.
static enum err directory_asked(struct auth *a, const struct trial *t)
{
    const struct auth_vouch_question q = {.kind = AUTH_VOUCH_PASSWORD,
                                          .name = t->name,
                                          .secret = t->password,
                                          .remote = t->asks->remote};
    struct auth_vouch_answer answer;
    struct arena arena;

    lock_release(&a->lock);
    arena_init(&arena, VOUCH_ARENA_BYTES);
    enum err e = auth_ask(a, t->rank, &q, &arena, &answer);

    if (e == ERR_OK && t->account == 0) {
        e = a->options.vouch.make(a->options.vouch.arg, t->name);
        if (e != ERR_OK) {
            log_warn("%s is known to the directory and gets no account here: %s",
                     log_text(t->name).s, err_name(e));
        }
        e = e == ERR_OK || e == ERR_UNAVAILABLE ? e : ERR_DENIED;
    } else if (e != ERR_OK) {
        log_info("directory: %s is not let in%s: %s", log_text(t->name).s,
                 e == ERR_DENIED ? "" : " now", log_text(answer.words).s);
    }
    if (e == ERR_OK && a->options.vouch.said) {
        a->options.vouch.said(a->options.vouch.arg, t->name, &answer);
    }
    arena_finish(&arena);
    lock_take(&a->lock);
    return e;
}

static enum err question_wait(struct auth *a, struct question *q, uint64_t *out_mark)
{
    q->waiters++;
    while (!q->is_done) {
        lock_cond_wait(&a->done, &a->lock, -1);
    }
    q->waiters--;
    enum err e = q->answer;

    *out_mark = q->mark;
    if (!q->in_map) {
        question_forget(a, q); // the last one out frees it
    }
    return e;
}

static enum err question_answer(struct auth *a, struct question *q, const struct trial *t,
                                uint64_t *out_mark)
{
    uint64_t mark = mark_of(t->hash);

    q->mark = mark;
    enum err e = t->asks ? directory_asked(a, t) : verify_in_turn(a, t, &q->mark);

    *out_mark = q->mark;
    q->answer = e;
    q->is_done = true;
    q->until_ms = clock_monotonic_ms() + a->options.remember_ms;
    pthread_cond_broadcast(&a->done);
    // Only a right answer is remembered, and not the one about a hash that nobody has any more, nor
    // about an account that was not there before.
    if (e == ERR_OK && q->mark == mark && (t->account || !t->asks)) {
        list_append(&a->answered, &q->by_age);
        a->answered_count++;
    } else {
        question_forget(a, q);
    }
    return e;
}

// `out_mark` is set in any case. Who asks the same while a hash is renewed gets the new one's mark.
static enum err check(struct auth *a, const struct trial *t, uint64_t *out_mark)
{
    unsigned char key[DIGEST_BYTES];

    *out_mark = 0;
    if (!question_key(a, t->account, t->hash, t->password, key)) {
        return ERR_UNAVAILABLE;
    }
    lock_take(&a->lock);
    forget_old(a);
    enum err e = ERR_NOMEM;
    struct question *q = map_get(&a->questions, span_of(key, sizeof(key)));

    if (q) {
        e = question_wait(a, q, out_mark);
    } else if ((q = calloc(1, sizeof(*q))) != NULL) {
        memcpy(q->key, key, sizeof(key));
        list_init(&q->by_age);
        e = map_put(&a->questions, span_of(key, sizeof(key)), q, NULL);
        if (e == ERR_OK) {
            q->in_map = true;
            e = question_answer(a, q, t, out_mark);
        } else {
            free(q);
        }
    }
    lock_release(&a->lock);
    OPENSSL_cleanse(key, sizeof(key));
    return e;
}

static struct span dummy_hash(struct auth *a, struct arena *arena)
{
    lock_take(&a->lock);
    struct span hash = arena_dup(arena, buf_span(&a->dummy_hash));

    lock_release(&a->lock);
    return hash;
}

// ---- who vouches --------------------------------------------------------------------------------

static bool vouch_enter(struct auth *a, enum throttle_rank rank)
{
    unsigned all = 0;

    lock_take(&a->lock);
    for (unsigned r = 0; r < THROTTLE_RANKS; r++) {
        all += a->vouching[r];
    }
    bool ok =
        all < a->options.vouch_max &&
        (rank < THROTTLE_SUSPECT || a->vouching[THROTTLE_SUSPECT] < (a->options.vouch_max + 1) / 2);

    a->vouching[rank] += ok;
    lock_release(&a->lock);
    return ok;
}

enum err auth_ask(struct auth *a, enum throttle_rank rank, const struct auth_vouch_question *q,
                  struct arena *arena, struct auth_vouch_answer *out)
{
    const struct auth_vouch *v = &a->options.vouch;

    *out = (struct auth_vouch_answer){0};
    if (!v->ask || !vouch_enter(a, rank)) {
        return ERR_UNAVAILABLE;
    }
    enum err e = v->ask(v->arg, q, arena, out);

    lock_take(&a->lock);
    a->vouching[rank]--;
    lock_release(&a->lock);
    return e;
}

// ---- devices ------------------------------------------------------------------------------------

struct device_match {
    const struct auth_claim *claim;
    unsigned char digest[DEVICE_DIGEST_BYTES];
    struct auth_grant grant; // device 0: none has this secret
};

// Looks at all of them, whichever it is.
static bool match_device(void *arg, const struct device *d)
{
    struct device_match *m = arg;

    if (CRYPTO_memcmp(d->secret.p, m->digest, sizeof(m->digest)) == 0) {
        m->grant.device = d->id;
        m->grant.is_read_only = d->scope & DEVICE_READ_ONLY;
        m->grant.mark = auth_device_mark(d);
        m->grant.why = auth_device_obstacle(d, m->claim);
    }
    return true;
}

// `chars` are those of an app password. Sets out->why, too.
static enum err judge_device(struct auth *a, struct arena *arena, struct span name,
                             const struct auth_claim *claim, const char *chars,
                             struct auth_grant *out)
{
    struct device_match m = {.claim = claim};
    struct account account;
    enum err e = directory_account_by_name(a->store, name, arena, &account);

    if (e == ERR_OK && !auth_account_is_open(&account)) {
        e = ERR_NOT_FOUND;
    }
    e = e == ERR_OK ? app_password_digest(chars, m.digest) : e;
    e = e == ERR_OK ? device_list(a->store, account.id, match_device, &m) : e;
    OPENSSL_cleanse(m.digest, sizeof(m.digest));
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_DENIED : e;
    }
    m.grant.account = account.id;
    *out = m.grant;
    return m.grant.device && !m.grant.why ? ERR_OK : ERR_DENIED;
}

// ---- the account's own password -----------------------------------------------------------------

// `account` NULL: there is none of that name; it is made when the directory says yes. An account
// that is told in the store by then counts, whoever made it.
static enum err judge_by_directory(struct auth *a, struct arena *arena, struct span name,
                                   const struct auth_claim *claim, enum throttle_rank rank,
                                   const struct account *account, struct auth_grant *out)
{
    struct account made;
    struct trial t = {.account = account ? account->id : 0,
                      .rank = rank,
                      .password = claim->password,
                      .hash = account ? account->password_hash : name, // one question a name
                      .asks = claim,
                      .name = name};
    enum err e = check(a, &t, &out->mark);

    if (e == ERR_OK && !account) {
        e = directory_account_by_name(a->store, name, arena, &made);
        account = &made;
        if (e == ERR_OK && !password_is_directorys(made.password_hash)) {
            e = ERR_DENIED;
        }
        out->mark = e == ERR_OK ? auth_mark(&made) : 0;
    }
    out->account = account && e == ERR_OK ? account->id : 0;
    return e;
}

// ERR_CONFLICT: the account has been changed meanwhile.
static enum err judge_once(struct auth *a, struct arena *arena, struct span name,
                           const struct auth_claim *claim, enum throttle_rank rank,
                           struct auth_grant *out)
{
    struct account account = {0};
    enum err e = directory_account_by_name(a->store, name, arena, &account);
    bool known = e == ERR_OK && auth_account_is_open(&account) && account.password_hash.n > 0;

    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    if (claim->password.n > 0 && (known ? password_is_directorys(account.password_hash)
                                        : e == ERR_NOT_FOUND && a->options.vouch.make)) {
        return judge_by_directory(a, arena, name, claim, rank, known ? &account : NULL, out);
    }
    known = known && !password_is_directorys(account.password_hash);
    struct trial t = {.account = known ? account.id : 0,
                      .rank = rank,
                      .password = claim->password,
                      .hash = known ? account.password_hash : dummy_hash(a, arena)};

    e = check(a, &t, &out->mark);
    if (e == ERR_INVALID && known) {
        log_error("the password hash of %s is damaged; set a new password with: mailkeep account "
                  "passwd %s",
                  log_text(account.name).s, log_text(account.name).s);
        e = ERR_DENIED;
    }
    out->account = account.id;
    return e == ERR_OK && !known ? ERR_DENIED : e;
}

static enum err judge_own(struct auth *a, struct arena *arena, struct span name,
                          const struct auth_claim *claim, enum throttle_rank rank,
                          struct auth_grant *out)
{
    enum err e = judge_once(a, arena, name, claim, rank, out);

    return e == ERR_CONFLICT ? judge_once(a, arena, name, claim, rank, out) : e;
}

// Tells the throttle how it went; its own answer comes before any work. An app password cannot be
// guessed, so whoever has one is not kept out by somebody who guesses.
static enum err judge_in_turn(struct auth *a, struct arena *arena, struct span name,
                              const struct auth_claim *claim, struct auth_grant *out)
{
    char chars[APP_PASSWORD_CHARS];
    int64_t now = clock_monotonic_ms();
    bool is_device = app_password_read(claim->password, chars);
    enum err e = is_device ? judge_device(a, arena, name, claim, chars, out) : ERR_OK;

    OPENSSL_cleanse(chars, sizeof(chars));
    if (is_device && (e != ERR_DENIED || out->why)) {
        return e == ERR_OK ? second_factor_admit(a->store, claim, out) : e;
    }
    if (throttle_wait(a->throttle, name, claim->remote, now) > 0) {
        return ERR_LIMIT;
    }
    if (!is_device) {
        e = judge_own(a, arena, name, claim, throttle_rank(a->throttle, name, claim->remote, now),
                      out);
        e = e == ERR_OK ? second_factor_admit(a->store, claim, out) : e;
    }
    if (e == ERR_OK) {
        throttle_passed(a->throttle, name, claim->remote);
    } else if (e == ERR_DENIED && !out->why &&
               throttle_failed(a->throttle, name, claim->remote, claim->password,
                               clock_monotonic_ms())) {
        log_warn("too many wrong passwords for %s from %s: locked out there for a while; see: "
                 "mailkeep ban list",
                 log_text(name).s, log_text(claim->remote).s);
    }
    return e;
}

enum err auth_password(struct auth *a, const struct auth_claim *claim, struct auth_grant *out)
{
    struct arena arena;
    struct auth_grant grant = {0};
    struct span canonical;
    const char *reason;

    arena_init(&arena, 16384);
    // A name that cannot be one is treated like one that is not there.
    enum err e =
        directory_name_check(&arena, claim->name, a->options.default_domain, &canonical, &reason);

    if (e == ERR_OK || e == ERR_INVALID) {
        e = judge_in_turn(a, &arena, e == ERR_OK ? canonical : SPAN("?"), claim, &grant);
    }
    if (e == ERR_OK && grant.device == 0) {
        auth_scram_renew(a, &arena, claim, &grant);
    }
    arena_finish(&arena);
    *out = grant;
    return e == ERR_OK || e == ERR_DENIED || e == ERR_LIMIT ? e : ERR_UNAVAILABLE;
}

enum throttle_rank auth_rank(struct auth *a, struct span name, struct span remote)
{
    struct arena arena;
    struct span canonical;
    const char *reason;

    arena_init(&arena, 16384);
    bool is_name = directory_name_check(&arena, name, a->options.default_domain, &canonical,
                                        &reason) == ERR_OK;
    enum throttle_rank rank =
        throttle_rank(a->throttle, is_name ? canonical : SPAN("?"), remote, clock_monotonic_ms());

    arena_finish(&arena);
    return rank;
}

struct store *auth_store(struct auth *a)
{
    return a->store;
}

const struct auth_options *auth_fixed_options(struct auth *a)
{
    return &a->options;
}

bool auth_takes_own_scram(struct auth *a)
{
    lock_take(&a->lock);
    bool takes = a->options.scram_own;

    lock_release(&a->lock);
    return takes;
}

bool auth_reads_as(struct auth *a)
{
    lock_take(&a->lock);
    bool reads = a->options.reads_as;

    lock_release(&a->lock);
    return reads;
}

struct throttle *auth_throttle(struct auth *a)
{
    return a->throttle;
}

uint64_t auth_hashes(struct auth *a)
{
    lock_take(&a->lock);
    uint64_t n = a->hashes;

    lock_release(&a->lock);
    return n;
}
