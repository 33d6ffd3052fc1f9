// SPDX-License-Identifier: Apache-2.0
#include "keep/login/keep_link.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/auth_external.h"
#include "auth/bearer.h"
#include "auth/read_as.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/message.h"
#include "keep/login/api_key.h"
#include "keep/login/keep_exchanges.h"
#include "keep/login/refusal.h"
#include "net/worker_pool.h"
#include "store/directory.h"
#include "store/route.h"

#include "base/banned.h"

#define SEND_QUEUE_MAX   (4u << 20)
#define DOMAIN_QUEUE_MAX 4096
#define KEY_ARENA_BYTES  (256u << 10) // of who has a role
#define SCRAM_LAST_MAX   512

struct keep_link {
    struct keep_link_options options;
    struct channel *channel; // NULL while the gate is away
    uint64_t generation;     // of the channel: an answer for an older one has nobody to go to
    struct worker_pool *workers[THROTTLE_RANKS]; // for passwords: no guesser's queue is another's
    struct worker_pool *domain_workers;    // anybody may ask about domains: logins do not wait
    atomic_uint_fast64_t logins, failures; // read by others
    struct list questions;                 // being answered
    struct keep_exchanges *exchanges;      // that wait for what the client says next
};

// One question about a password or a domain, on its way loop -> worker -> loop.
struct question {
    struct list link_entry; // in keep_link.questions; the loop's thread
    struct worker_task work;
    struct loop_task back;
    struct keep_link *link;
    uint64_t generation, conversation;
    struct arena arena; // holds the texts; wiped at the end
    struct span user, password, remote, acting_as;
    enum auth_service service;
    bool is_token;      // the password is one of OAuth
    bool is_key;        // an API key: whose it is, is to be found out
    struct span domain; // of one about a domain
    bool is_ours;       // its answer
    enum err result;
    struct auth_grant grant; // with ERR_DENIED only `why`
    // Of SCRAM: the exchange from its first answer to the end, and what the client says.
    bool is_scram, is_last;
    bool is_external; // `response` is the digest of the client's certificate
    struct auth_scram *scram;
    struct span response, binding;
    struct buf last; // what goes with the yes
};

static void question_destroy(struct question *q)
{
    list_remove(&q->link_entry);
    if (q->password.p) {
        OPENSSL_cleanse((void *)(uintptr_t)q->password.p, q->password.n);
    }
    auth_scram_destroy(q->scram);
    buf_finish(&q->last);
    arena_finish(&q->arena);
    free(q);
}

static void answer_send(struct keep_link *l, uint64_t conversation, enum ipc_auth result,
                        struct span text, struct span ticket)
{
    struct ipc_auth_result m = {
        .conversation = conversation, .result = (uint8_t)result, .text = text, .ticket = ticket};
    struct buf frame;

    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    if (ipc_auth_result_encode(&m, 0, &frame) != ERR_OK ||
        channel_send(l->channel, buf_span(&frame), NULL, 0) != ERR_OK) {
        log_warn("an answer to a login could not be sent to the gate; the client will time out");
    }
    buf_finish(&frame);
}

static enum auth_service service_of(unsigned protocol)
{
    static const enum auth_service services[] = {
        [IPC_IMAP] = AUTH_IMAP,         [IPC_POP3] = AUTH_POP3,
        [IPC_MANAGESIEVE] = AUTH_SIEVE, [IPC_SUBMISSION] = AUTH_SUBMISSION,
        [IPC_HTTP] = AUTH_WEB,          [IPC_ADMIN] = AUTH_WEB,
    };

    // SMTP between servers and LMTP: who signs in there sends.
    return protocol < sizeof(services) / sizeof(services[0]) && services[protocol]
               ? services[protocol]
               : AUTH_SUBMISSION;
}

// Of those who are handed over only the hand-over counts, which knows what the mail program calls
// itself.
static bool is_handed_over(enum auth_service service)
{
    return service == AUTH_IMAP || service == AUTH_POP3 || service == AUTH_SIEVE;
}

static enum signin_service signin_service_of(enum auth_service service)
{
    return service == AUTH_IMAP         ? SIGNIN_IMAP
           : service == AUTH_POP3       ? SIGNIN_POP3
           : service == AUTH_SIEVE      ? SIGNIN_SIEVE
           : service == AUTH_SUBMISSION ? SIGNIN_SUBMISSION
           : service == AUTH_JMAP       ? SIGNIN_JMAP
                                        : SIGNIN_WEB;
}

static void note_answer(struct keep_link *l, const struct question *q)
{
    // A device that is refused is named: its password was right.
    bool is_known = q->result == ERR_OK || q->grant.why;
    struct signin_event e = {.has_failed = q->result != ERR_OK,
                             .account = is_known ? q->grant.account : 0,
                             .name = q->user,
                             .device = q->grant.device,
                             .service = signin_service_of(q->service),
                             .remote = q->remote,
                             .client_id = SPAN("")};

    if (q->result != ERR_OK || !is_handed_over(q->service)) {
        signin_log_note(l->options.signins, &e);
    }
}

// Who reads another's account is in their own history and in that one's.
static void note_handoff(struct keep_link *l, const struct ipc_handoff *m,
                         const struct auth_grant *grant, const struct auth_identity *who)
{
    struct signin_event e = {.account = grant->account,
                             .device = grant->device,
                             .service = signin_service_of(service_of(m->protocol)),
                             .remote = m->remote,
                             .client_id = m->client_id};

    signin_log_note(l->options.signins, &e);
    if (grant->opened) {
        e.account = grant->opened;
        e.reader = who->user;
        signin_log_note(l->options.signins, &e);
    }
}

static void answer_right(struct keep_link *l, const struct question *q)
{
    char ticket[TICKET_BYTES];

    if (keep_tickets_issue(l->options.tickets, &q->grant, ticket) != ERR_OK) {
        answer_send(l, q->conversation, IPC_AUTH_UNAVAILABLE, SPAN("Too many logins at once"),
                    SPAN(""));
        return;
    }
    l->logins++;
    note_answer(l, q);
    answer_send(l, q->conversation, IPC_AUTH_OK, buf_span(&q->last),
                span_of(ticket, sizeof(ticket)));
}

// The client's first message was one: it is told what ours is, and the exchange waits.
static void challenge(struct keep_link *l, struct question *q)
{
    struct ipc_auth_challenge m = {.conversation = q->conversation,
                                   .bytes = auth_scram_challenge(q->scram)};
    struct buf frame;

    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    enum err e = ipc_auth_challenge_encode(&m, 0, &frame);

    e = e == ERR_OK
            ? keep_exchanges_put(l->exchanges, q->conversation, q->scram, clock_monotonic_ms())
            : e;
    if (e == ERR_OK) {
        q->scram = NULL;
        e = channel_send(l->channel, buf_span(&frame), NULL, 0);
    } else {
        answer_send(l, q->conversation, IPC_AUTH_UNAVAILABLE, SPAN(""), SPAN(""));
    }
    buf_finish(&frame);
}

// Back on the loop's thread.
static void question_answered(struct loop_task *t)
{
    struct question *q = LIST_ITEM(t, struct question, back);
    struct keep_link *l = q->link;

    if (!l->channel || q->generation != l->generation) {
        question_destroy(q);
        return;
    }
    if (q->result == ERR_OK && q->is_scram && !q->is_last) {
        challenge(l, q);
    } else if (q->result == ERR_OK) {
        answer_right(l, q);
    } else if (q->result == ERR_DENIED || q->result == ERR_INVALID) {
        l->failures++;
        log_info("login refused: user %s from %s%s%s", log_text(q->user).s, log_text(q->remote).s,
                 q->grant.why ? ": " : "", q->grant.why ? q->grant.why : "");
        note_answer(l, q);
        answer_send(l, q->conversation, IPC_AUTH_BAD,
                    q->grant.why ? span_from_str(q->grant.why) : SPAN(""), SPAN(""));
    } else if (q->result == ERR_LIMIT) {
        l->failures++;
        note_answer(l, q);
        answer_send(l, q->conversation, IPC_AUTH_TOO_MANY,
                    SPAN("Too many wrong passwords; try again later"), SPAN(""));
    } else {
        answer_send(l, q->conversation, IPC_AUTH_UNAVAILABLE, SPAN(""), SPAN(""));
    }
    question_destroy(q);
}

static enum err scram_work(struct question *q, const struct auth_claim *claim)
{
    struct auth *auth = q->link->options.auth;

    return q->is_last ? auth_scram_end(auth, q->scram, q->response, &q->last, &q->grant)
                      : auth_scram_begin(auth, claim, q->response, q->binding, &q->scram);
}

// One that we have not issued may be revoked elsewhere: it is asked about again.
static enum err token_keep(struct question *q)
{
    struct keep_tokens *t = q->link->options.tokens;

    return t && !span_starts(q->password, SPAN(BEARER_OWN_PREFIX))
               ? keep_tokens_add(t, q->password, &q->grant)
               : ERR_OK;
}

static void question_work(struct worker_task *t)
{
    struct question *q = LIST_ITEM(t, struct question, work);
    struct arena arena;
    struct span owner = q->user;

    arena_init(&arena, KEY_ARENA_BYTES);
    q->result =
        q->is_key ? api_key_owner(q->link->options.store, q->password, &arena, &owner) : ERR_OK;

    struct auth_claim claim = {.name = owner,
                               .password = q->password,
                               .remote = q->remote,
                               .acting_as = q->acting_as,
                               .service = q->service};

    if (q->result == ERR_OK) {
        q->result = q->is_scram ? scram_work(q, &claim)
                    : q->is_external
                        ? auth_external(q->link->options.auth, &claim, q->response, &q->grant)
                    : q->is_token ? auth_bearer(q->link->options.auth, &claim, &q->grant)
                                  : auth_password(q->link->options.auth, &claim, &q->grant);
    }
    if (q->result == ERR_OK && claim.acting_as.n && !q->is_token && (!q->is_scram || q->is_last)) {
        q->result = auth_read_as(q->link->options.auth, &claim, &q->grant);
    }
    if (q->result == ERR_OK && q->is_token) {
        q->result = token_keep(q) == ERR_OK ? ERR_OK : ERR_UNAVAILABLE;
    }
    arena_finish(&arena);
    loop_post(q->link->options.loop, &q->back);
}

static struct question *question_make(struct keep_link *l, uint64_t conversation,
                                      void (*run)(struct worker_task *t),
                                      void (*back)(struct loop_task *t))
{
    struct question *q = calloc(1, sizeof(*q));

    if (q) {
        arena_init_secret(&q->arena, 32768);
        buf_init(&q->last, SCRAM_LAST_MAX);
        q->link = l;
        q->generation = l->generation;
        q->conversation = conversation;
        q->work.run = run;
        q->back.run = back;
        list_append(&l->questions, &q->link_entry);
    }
    return q;
}

// `has_texts`: they could be copied.
static enum err question_submit(struct question *q, struct worker_pool *workers, bool has_texts)
{
    enum err e = has_texts ? worker_pool_submit(workers, &q->work) : ERR_NOMEM;

    if (e != ERR_OK) {
        question_destroy(q);
    }
    return e;
}

static bool is_bearer(const struct ipc_auth_request *m)
{
    return span_eq(m->mechanism, SPAN("OAUTHBEARER")) || span_eq(m->mechanism, SPAN("XOAUTH2"));
}

static bool is_scram(struct span mechanism)
{
    return span_eq(mechanism, SPAN("SCRAM-SHA-256")) ||
           span_eq(mechanism, SPAN("SCRAM-SHA-256-PLUS"));
}

// Whose account is to be opened, if another's; the name of OAuth's mechanisms may be one.
static struct span acting_as_of(const struct ipc_auth_request *m)
{
    return is_bearer(m) ? m->user : span_eq(m->authzid, m->user) ? SPAN("") : m->authzid;
}

// What reading as another is for: POP3 would keep the owner out meanwhile, and nobody sends in
// another's name.
static bool may_act(const struct keep_link *l, const struct ipc_auth_request *m)
{
    return (m->protocol == IPC_IMAP || m->protocol == IPC_MANAGESIEVE) &&
           auth_reads_as(l->options.auth);
}

static enum err question_start(struct keep_link *l, const struct ipc_auth_request *m)
{
    struct span acting_as = may_act(l, m) ? acting_as_of(m) : SPAN("");
    struct question *q = question_make(l, m->conversation, question_work, question_answered);

    if (!q) {
        return ERR_NOMEM;
    }
    q->user = arena_dup(&q->arena, m->user);
    q->password = arena_dup(&q->arena, m->password);
    q->remote = arena_dup(&q->arena, m->remote);
    q->acting_as = arena_dup(&q->arena, acting_as);
    q->service = service_of(m->protocol);
    q->is_token = is_bearer(m);
    q->is_key = m->protocol == IPC_ADMIN && m->user.n == 0 &&
                span_eq(m->mechanism, SPAN(API_KEY_MECHANISM));
    q->is_scram = is_scram(m->mechanism);
    q->is_external = span_eq(m->mechanism, SPAN("EXTERNAL"));
    q->response = arena_dup(&q->arena, m->response);
    q->binding = arena_dup(&q->arena, m->binding);
    return question_submit(q, l->workers[auth_rank(l->options.auth, q->user, q->remote)],
                           q->user.p && q->password.p && q->remote.p && q->acting_as.p &&
                               q->response.p && q->binding.p);
}

static enum err on_auth_request(struct keep_link *l, struct span fields)
{
    struct ipc_auth_request m;
    enum err e = ipc_auth_request_decode(fields, &m);

    if (e != ERR_OK) {
        return e;
    }
    // Nobody acts for another but where that is allowed, and nobody has such a long password.
    if ((m.authzid.n && !span_eq(m.authzid, m.user) && !may_act(l, &m)) ||
        (!is_bearer(&m) && m.password.n > PASSWORD_BYTES_MAX)) {
        l->failures++;
        answer_send(l, m.conversation, IPC_AUTH_BAD, SPAN(""), SPAN(""));
        return ERR_OK;
    }
    if (question_start(l, &m) != ERR_OK) {
        answer_send(l, m.conversation, IPC_AUTH_UNAVAILABLE,
                    SPAN("Too many logins at once; try again in a moment"), SPAN(""));
    }
    return ERR_OK;
}

static enum err response_start(struct keep_link *l, const struct ipc_auth_response *m,
                               struct auth_scram *x)
{
    const struct auth_claim *claim = auth_scram_claim(x);
    struct question *q = question_make(l, m->conversation, question_work, question_answered);

    if (!q) {
        auth_scram_destroy(x);
        return ERR_NOMEM;
    }
    q->scram = x; // whose texts these are
    q->user = claim->name;
    q->remote = claim->remote;
    q->acting_as = claim->acting_as;
    q->service = claim->service;
    q->is_scram = q->is_last = true;
    q->response = arena_dup(&q->arena, m->bytes);
    return question_submit(q, l->workers[auth_rank(l->options.auth, q->user, q->remote)],
                           q->response.p != NULL);
}

static enum err on_auth_response(struct keep_link *l, struct span fields)
{
    struct ipc_auth_response m;
    enum err e = ipc_auth_response_decode(fields, &m);

    if (e != ERR_OK) {
        return e;
    }
    struct auth_scram *x = keep_exchanges_take(l->exchanges, m.conversation, clock_monotonic_ms());

    if (m.is_given_up) {
        auth_scram_destroy(x);
    } else if (!x) {
        answer_send(l, m.conversation, IPC_AUTH_UNAVAILABLE,
                    SPAN("The login took too long; try again"), SPAN(""));
    } else if (response_start(l, &m, x) != ERR_OK) {
        answer_send(l, m.conversation, IPC_AUTH_UNAVAILABLE,
                    SPAN("Too many logins at once; try again in a moment"), SPAN(""));
    }
    return ERR_OK;
}

// ---- domains ------------------------------------------------------------------------------------

static void domain_answer_send(struct keep_link *l, uint64_t conversation, enum ipc_domain result)
{
    struct ipc_domain_result m = {.conversation = conversation, .result = (uint8_t)result};
    struct buf frame;

    buf_init(&frame, 4096);
    if (ipc_domain_result_encode(&m, 0, &frame) != ERR_OK ||
        channel_send(l->channel, buf_span(&frame), NULL, 0) != ERR_OK) {
        log_warn("an answer about a domain could not be sent to the gate");
    }
    buf_finish(&frame);
}

// Back on the loop's thread.
static void domain_answered(struct loop_task *t)
{
    struct question *q = LIST_ITEM(t, struct question, back);
    struct keep_link *l = q->link;

    if (l->channel && q->generation == l->generation) {
        domain_answer_send(l, q->conversation,
                           q->result != ERR_OK ? IPC_DOMAIN_UNKNOWN
                           : q->is_ours        ? IPC_DOMAIN_OURS
                                               : IPC_DOMAIN_OTHER);
    }
    question_destroy(q);
}

static void domain_work(struct worker_task *t)
{
    struct question *q = LIST_ITEM(t, struct question, work);

    q->result =
        route_domain_is_ours(q->link->options.store, q->domain, &q->arena, &q->is_ours, NULL);
    loop_post(q->link->options.loop, &q->back);
}

static enum err on_domain_request(struct keep_link *l, struct span fields)
{
    struct ipc_domain_request m;
    enum err e = ipc_domain_request_decode(fields, &m);

    if (e != ERR_OK) {
        return e;
    }
    struct question *q = question_make(l, m.conversation, domain_work, domain_answered);

    if (q) {
        q->domain = arena_dup(&q->arena, m.domain);
    }
    if (!q || question_submit(q, l->domain_workers, q->domain.p != NULL) != ERR_OK) {
        domain_answer_send(l, m.conversation, IPC_DOMAIN_UNKNOWN);
    }
    return ERR_OK;
}

// ---- sessions -----------------------------------------------------------------------------------

static void session_opened(void *arg, const struct session_control *control, void *session)
{
    keep_sessions_opened(arg, control, session);
}

static void session_left(void *arg)
{
    keep_sessions_leave(arg);
}

static void refuse(int fd, const struct ipc_handoff *m, enum refusal why, const char *text)
{
    struct buf line;

    buf_init(&line, 1024);
    refusal_put(&line, m->protocol, m->tag, why, text);
    ssize_t ignored = write(fd, line.p, line.n);

    (void)ignored; // the client is gone, or its socket is full: closing says the same
    buf_finish(&line);
    close(fd);
}

// Who is let in.
struct admitted {
    struct auth_identity self, opened; // the latter with grant->opened only
};

static void session_begin(struct keep_link *l, const struct ipc_handoff *m,
                          const struct auth_grant *grant, const struct admitted *who,
                          struct keep_session *counted, int fd)
{
    struct session_start start = {
        .pool = l->options.pool,
        .fd = fd,
        .account = grant->opened ? grant->opened : grant->account,
        .user = grant->opened ? who->opened.user : who->self.user,
        .remote = m->remote,
        .tls_text = m->tls_text,
        .client_id = m->client_id,
        .tag = m->tag,
        .last = m->last,
        .input = m->input,
        .local_port = m->local_port,
        .on_open = session_opened,
        .on_end = session_left,
        .arg = counted,
        .on_read = l->options.read,
        .read_arg = l->options.read_arg,
    };

    if (grant->opened) {
        session_reader_set(&start.device, who->self.user, m->remote, grant->is_read_only);
        log_info("%s, from %s, opens the account %s%s", log_text(who->self.user).s,
                 log_text(m->remote).s, log_text(start.user).s,
                 grant->is_read_only ? ", to read" : "");
    } else {
        session_device_set(&start.device, grant->device, who->self.device_name,
                           grant->is_read_only);
    }
    enum err e = l->options.start(l->options.start_arg, m->protocol, &start);

    if (e != ERR_OK) {
        log_warn("session of %s could not be started: %s", log_text(start.user).s, err_name(e));
        keep_sessions_leave(counted);
        refuse(fd, m, REFUSAL_UNAVAILABLE, "The server is short of something; try again later");
    }
}

// Does all of it still hold? Who reads another's account is looked after from here on.
static enum err look_again(struct keep_link *l, const struct auth_grant *grant, uint32_t number,
                           struct arena *arena, struct admitted *who)
{
    if (!grant->opened) {
        return auth_grant_holds(l->options.store, grant, arena, &who->self);
    }
    enum err e = keep_readers_add(l->options.readers, number, grant);

    return e == ERR_OK ? auth_reader_holds(l->options.auth, grant, arena, &who->self, &who->opened)
                       : e;
}

// The session counts before the account is looked at: whoever suspends the account, changes its
// password or blocks the device at this moment either is seen here, or sees the session and ends
// it.
static void session_admit(struct keep_link *l, const struct ipc_handoff *m,
                          const struct auth_grant *grant, int fd)
{
    account_id account = grant->opened ? grant->opened : grant->account;
    uint32_t number =
        grant->opened ? keep_readers_number(l->options.readers) : keep_tokens_device(grant);
    struct keep_session *counted;
    struct admitted who;
    struct arena arena;
    const char *reason;

    if (keep_sessions_enter(l->options.sessions, account, number, m->remote, &counted, &reason) !=
        ERR_OK) {
        log_warn("session of account %llu from %s refused: %s", (unsigned long long)account,
                 log_text(m->remote).s, reason);
        refuse(fd, m, REFUSAL_LIMIT, reason);
        return;
    }
    arena_init(&arena, KEY_ARENA_BYTES);
    if (look_again(l, grant, number, &arena, &who) == ERR_OK) {
        note_handoff(l, m, grant, &who.self);
        if (who.self.device_until) {
            keep_sessions_over_at(counted, grant->account, grant->device, who.self.device_until);
        }
        session_begin(l, m, grant, &who, counted, fd);
    } else {
        keep_sessions_leave(counted);
        refuse(fd, m, REFUSAL_UNAVAILABLE, "The account cannot be opened now");
    }
    arena_finish(&arena);
}

static enum err on_handoff(struct keep_link *l, const struct ipc_frame *frame, const int *fds)
{
    struct ipc_handoff m;
    struct auth_grant grant;
    enum err e = ipc_handoff_decode(frame->fields, &m);

    if (e != ERR_OK || frame->fds != 1) {
        for (unsigned i = 0; i < frame->fds; i++) {
            close(fds[i]);
        }
        return ERR_INVALID;
    }
    if (keep_tickets_redeem(l->options.tickets, m.ticket, &grant) == ERR_OK) {
        session_admit(l, &m, &grant, fds[0]);
    } else {
        refuse(fds[0], &m, REFUSAL_UNAVAILABLE, "The login took too long; try again");
    }
    return ERR_OK;
}

static enum err on_mail(struct keep_link *l, const struct ipc_frame *frame, const int *fds)
{
    struct keep_link_login login = {0};
    struct ipc_mail m;
    enum err e = ipc_mail_decode(frame->fields, &m);

    if (e != ERR_OK || frame->fds != 1 || !l->options.mail) {
        for (unsigned i = 0; i < frame->fds; i++) {
            close(fds[i]);
        }
        return ERR_INVALID;
    }
    if (m.ticket.n) {
        login.is_void = keep_tickets_redeem(l->options.tickets, m.ticket, &login.grant) != ERR_OK;
    }
    e = l->options.mail(l->options.mail_arg, &m, &login, fds[0]);
    if (e != ERR_OK) {
        log_warn("mail from %s cannot be taken now: %s", log_text(m.remote).s, err_name(e));
        close(fds[0]); // the client is told to try again
    }
    return ERR_OK;
}

static enum err on_api(struct keep_link *l, const struct ipc_frame *frame, const int *fds)
{
    struct keep_link_login login = {0};
    struct ipc_api m;
    enum err e = ipc_api_decode(frame->fields, &m);

    if (e != ERR_OK || frame->fds != 1 || !l->options.api) {
        for (unsigned i = 0; i < frame->fds; i++) {
            close(fds[i]);
        }
        return ERR_INVALID;
    }
    if (m.ticket.n) {
        login.is_void = keep_tickets_redeem(l->options.tickets, m.ticket, &login.grant) != ERR_OK;
    }
    if (l->options.api(l->options.api_arg, &m, &login, fds[0]) != ERR_OK) {
        close(fds[0]); // who asked is told to try again
    }
    return ERR_OK;
}

static enum err on_message(struct channel *c, void *arg, const struct ipc_frame *frame, int *fds)
{
    struct keep_link *l = arg;

    (void)c;
    if (frame->type == IPC_AUTH_REQUEST && frame->fds == 0) {
        return on_auth_request(l, frame->fields);
    }
    if (frame->type == IPC_AUTH_RESPONSE && frame->fds == 0) {
        return on_auth_response(l, frame->fields);
    }
    if (frame->type == IPC_DOMAIN_REQUEST && frame->fds == 0) {
        return on_domain_request(l, frame->fields);
    }
    if (frame->type == IPC_HANDOFF) {
        return on_handoff(l, frame, fds);
    }
    if (frame->type == IPC_MAIL) {
        return on_mail(l, frame, fds);
    }
    if (frame->type == IPC_API) {
        return on_api(l, frame, fds);
    }
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]);
    }
    return ERR_INVALID;
}

static void on_ended(struct channel *c, void *arg, enum err e)
{
    struct keep_link *l = arg;

    if (e != ERR_EOF) { // else it has died or stopped, which the supervisor says
        log_warn("the conversation with the gate has ended (%s); the supervisor starts it anew",
                 err_name(e));
    }
    l->channel = NULL;
    l->generation++;
    keep_exchanges_clear(l->exchanges);
    channel_close(c);
}

enum err keep_link_attach(struct keep_link *l, int fd)
{
    static const struct channel_handler handler = {.message = on_message, .ended = on_ended};

    channel_close(l->channel);
    l->channel = NULL;
    l->generation++;
    keep_exchanges_clear(l->exchanges);
    return channel_open(l->options.loop, fd, SEND_QUEUE_MAX, &handler, l, &l->channel);
}

static void workers_destroy(struct keep_link *l)
{
    for (unsigned r = 0; r < THROTTLE_RANKS; r++) {
        worker_pool_destroy(l->workers[r]);
    }
}

enum err keep_link_create(const struct keep_link_options *o, struct keep_link **out)
{
    struct keep_link *l = calloc(1, sizeof(*l));

    if (!l) {
        return ERR_NOMEM;
    }
    l->options = *o;
    list_init(&l->questions);
    enum err e = keep_exchanges_create(&l->exchanges);

    for (unsigned r = 0; r < THROTTLE_RANKS && e == ERR_OK; r++) {
        e = worker_pool_create("keep-auth", o->auth_threads, o->auth_queue_max, &l->workers[r]);
    }
    if (e == ERR_OK) {
        e = worker_pool_create("keep-domain", 1, DOMAIN_QUEUE_MAX, &l->domain_workers);
    }
    if (e != ERR_OK) {
        workers_destroy(l);
        keep_exchanges_destroy(l->exchanges);
        free(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

void keep_link_destroy(struct keep_link *l)
{
    if (!l) {
        return;
    }
    workers_destroy(l);
    worker_pool_destroy(l->domain_workers);
    while (!list_is_empty(&l->questions)) { // answered, but the loop has stopped
        question_destroy(LIST_ITEM(l->questions.next, struct question, link_entry));
    }
    keep_exchanges_destroy(l->exchanges);
    channel_close(l->channel);
    free(l);
}

void keep_link_set_auth_queue(struct keep_link *l, unsigned auth_queue_max)
{
    for (unsigned r = 0; r < THROTTLE_RANKS; r++) {
        worker_pool_set_queue_max(l->workers[r], auth_queue_max);
    }
}

void keep_link_count(const struct keep_link *l, struct keep_link_counts *out)
{
    *out = (struct keep_link_counts){.logins = l->logins, .failures = l->failures};
}
