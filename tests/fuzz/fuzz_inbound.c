// SPDX-License-Identifier: Apache-2.0
//
// The gate, taken over by a stranger, says anything at all to keep about mail. The first byte
// chooses who it says it is; then each line is a frame (or bytes that are none), see `kinds`.
// Nothing may crash; answers come for exactly the frames that keep may take, in the promised order,
// and a frame that cannot come in this state ends the conversation. What a model of the states in
// this file says of it must hold.
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/log.h"
#include "engine/memory/memory.h"
#include "fuzz.h"
#include "keep/inbound/inbound.h"
#include "store/directory.h"
#include "store/route.h"

#define INPUT_BYTES_MAX  8192
#define WORLD_INPUTS_MAX 500 // then the store is made anew: what was delivered stays in memory
#define ANSWERS_MAX      1000

struct world {
    struct engine *engine;
    struct store *store;
    struct trail *trail;
    struct queue *queue;
    struct delivery *delivery;
    struct keep_sessions *sessions;
    struct inbound *inbound;
    account_id account;
    unsigned inputs;
};

static void open_inbound(struct world *w)
{
    const struct inbound_options o = {.store = w->store,
                                      .delivery = w->delivery,
                                      .sessions = w->sessions,
                                      .trail = w->trail,
                                      .server = SPAN("mail.x.example"),
                                      .separators = SPAN("+"),
                                      .default_domain = SPAN("x.example"),
                                      .dir = SPAN("/tmp"),
                                      .threads = 1,
                                      .connections_max = 10};
    const struct inbound_limits limits = {
        .message_bytes_max = 4096, .recipients_per_hour = 50, .check_from = true};

    CHECK(!inbound_create(&o, &limits, &w->inbound));
}

static void open_world(struct world *w)
{
    static const struct actor admin = {.kind = ACTOR_ADMIN};
    struct span people[] = {SPAN("u@x.example"), SPAN("v@x.example")};
    struct store_options so;
    struct queue_options qo;
    const struct delivery_options d = {
        .server = SPAN("mail.x.example"), .separators = SPAN("+"), .expire_s = 432000};

    *w = (struct world){.inputs = 0};
    store_options_default(&so);
    queue_options_default(&qo);
    CHECK(!engine_memory_open(&w->engine));
    CHECK(!store_open(w->engine, &so, &w->store));
    CHECK(!directory_domain_add(w->store, &admin, SPAN("x.example")));
    CHECK(!directory_account_add(w->store, &admin, people[1], SPAN("$"), true, &w->account));
    CHECK(!directory_account_add(w->store, &admin, people[0], SPAN("$"), true, &w->account));
    CHECK(!route_alias_set(w->store, &admin, SPAN("all@x.example"), people, 2));
    CHECK(!trail_open(w->engine, &w->trail));
    CHECK(!queue_open(w->engine, &qo, &w->queue));
    CHECK(!delivery_create(w->store, w->queue, &d, &w->delivery));
    CHECK(!keep_sessions_create(&w->sessions));
    open_inbound(w);
}

static void close_world(struct world *w)
{
    inbound_stop(w->inbound, 10000);
    inbound_destroy(w->inbound);
    keep_sessions_destroy(w->sessions);
    delivery_destroy(w->delivery);
    queue_close(w->queue);
    trail_close(w->trail);
    store_close(w->store);
    engine_close(w->engine);
}

// ---- what is to be answered ---------------------------------------------------------------------

enum owed {
    OWED_FROM,
    OWED_RCPT,
    OWED_END,     // one for all
    OWED_END_EACH // one for each that was accepted, in order
};

enum model_state { IDLE, ENVELOPE, CONTENT, ENDED };

// What is sent. Whether a sender or recipient is refused is the server's to know; the rest is not.
struct model {
    enum model_state state;
    bool is_lmtp, is_broken; // broken: something was sent that this model does not read
    enum owed owed[ANSWERS_MAX];
    size_t count;
    struct buf frames;
};

static void owe(struct model *m, enum owed what)
{
    if (m->state != ENDED && m->count < ANSWERS_MAX) {
        m->owed[m->count++] = what;
    }
}

static void put_from(struct model *m, struct span text)
{
    struct ipc_mail_from f = {.helo = SPAN("client.example"),
                              .sender = span_first(text, 1024),
                              .envid = SPAN("e"),
                              .bytes = text.n % 7 == 6 ? 5000 : 0};

    CHECK(!ipc_mail_from_encode(&f, 0, &m->frames));
    if (m->state == IDLE) {
        owe(m, OWED_FROM);
        m->state = ENVELOPE;
    } else {
        m->is_broken = true; // right after a refused sender; otherwise the end
    }
}

static void put_rcpt(struct model *m, struct span text)
{
    struct ipc_mail_rcpt f = {
        .address = span_first(text, 1024), .orcpt = SPAN(""), .notify = text.n % 16};

    CHECK(!ipc_mail_rcpt_encode(&f, 0, &m->frames));
    if (m->state == ENVELOPE) {
        owe(m, OWED_RCPT);
    } else if (m->state == CONTENT) {
        m->is_broken = true;
    } else {
        m->state = ENDED;
    }
}

static void put_data(struct model *m, struct span text)
{
    struct buf line;

    buf_init(&line, 2 * INPUT_BYTES_MAX);
    buf_put(&line, text);
    buf_put_str(&line, "\r\n");
    struct ipc_mail_data f = {.bytes = buf_span(&line)};

    CHECK(!ipc_mail_data_encode(&f, 0, &m->frames));
    buf_finish(&line);
    m->state = m->state == IDLE || m->state == ENDED ? ENDED : CONTENT;
}

static void put_end(struct model *m, struct span text)
{
    struct ipc_mail_end f = {.is_suspect = text.n % 2,
                             .prefix = SPAN("Received: from client.example\r\n"),
                             .verdict = span_first(text, 1024)};

    CHECK(!ipc_mail_end_encode(&f, 0, &m->frames));
    if (m->state == IDLE || m->state == ENDED) {
        m->state = ENDED;
        return;
    }
    owe(m, m->is_lmtp ? OWED_END_EACH : OWED_END);
    m->state = IDLE;
}

static void put_reset(struct model *m, struct span text)
{
    struct ipc_mail_reset f = {.code = text.n % 2 ? 550 : 0,
                               .enhanced = SPAN("5.7.1"),
                               .text = span_first(text, 512),
                               .verdict = SPAN("x")};

    CHECK(!ipc_mail_reset_encode(&f, 0, &m->frames));
    m->state = m->state == ENDED ? ENDED : IDLE;
}

static void put_dmarc(struct model *m, struct span text)
{
    uint8_t odd = text.n ? (uint8_t)text.p[0] : 0;
    struct ipc_mail_dmarc f = {.domain = span_first(text, 253),
                               .header_from = span_first(text, 253),
                               .envelope_from = SPAN("y.example"),
                               .policy = odd % 4,
                               .subdomain_policy = 1,
                               .percent = 100,
                               .reason = SPAN(""),
                               .checks = span_first(text, 1000)};

    CHECK(!ipc_mail_dmarc_encode(&f, 0, &m->frames));
    if (m->state == IDLE || !text.n || f.policy == 3) {
        m->state = ENDED;
    }
}

// Bytes that come from no encoder: their lengths are whatever they are.
static void put_bytes(struct model *m, struct span text)
{
    buf_put(&m->frames, text);
    m->is_broken |= text.n > 0;
}

static const struct {
    char name;
    void (*put)(struct model *m, struct span text);
} kinds[] = {{'F', put_from},  {'R', put_rcpt},  {'D', put_data}, {'E', put_end},
             {'X', put_reset}, {'M', put_dmarc}, {'!', put_bytes}};

static void make_frames(struct model *m, struct span in)
{
    while (in.n) {
        struct span line = span_first(in, span_find_byte(in, '\n'));

        for (size_t i = 0; line.n && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            if (line.p[0] == kinds[i].name) {
                kinds[i].put(m, span_skip(line, 1));
            }
        }
        in = span_skip(in, line.n + 1);
    }
}

// ---- what was answered --------------------------------------------------------------------------

struct heard {
    struct span rest;
    uint32_t named; // in this transaction
    uint32_t accepted[ANSWERS_MAX];
    size_t count;
    bool is_refused; // the sender
};

static void next_answer(struct heard *h, struct ipc_mail_answer *out)
{
    struct ipc_frame f;

    CHECK(ipc_frame_next(h->rest, &f) == ERR_OK);
    CHECK(f.type == IPC_MAIL_ANSWER && !f.fds);
    CHECK(!ipc_mail_answer_decode(f.fields, out));
    CHECK(out->code >= 200 && out->code < 600 && out->code / 100 != 3);
    CHECK(out->enhanced.n >= 5 && out->enhanced.p[0] == (char)('0' + out->code / 100));
    CHECK(out->text.n > 0);
    for (size_t i = 0; i < out->text.n; i++) {
        CHECK((unsigned char)out->text.p[i] >= 0x20);
    }
    h->rest = span_skip(h->rest, f.bytes);
}

static void hear_one(struct heard *h, enum owed owed)
{
    struct ipc_mail_answer a;

    if (owed == OWED_END_EACH) {
        for (size_t i = 0; i < h->count && !h->is_refused; i++) {
            next_answer(h, &a);
            CHECK(a.recipient == h->accepted[i]);
        }
        return;
    }
    next_answer(h, &a);
    if (owed == OWED_FROM) {
        CHECK(a.recipient == IPC_MAIL_ALL);
        h->is_refused = a.code >= 400;
        h->named = 0;
        h->count = 0;
    } else if (owed == OWED_RCPT) {
        CHECK(a.recipient == h->named++);
        CHECK(!h->is_refused || a.code >= 400);
        if (a.code < 300) {
            h->accepted[h->count++] = a.recipient;
        }
    } else {
        CHECK(a.recipient == IPC_MAIL_ALL);
        CHECK(a.code >= 400 || (h->count > 0 && !h->is_refused));
    }
}

static void check_answers(const struct model *m, struct span said)
{
    struct heard h = {.rest = said};
    struct ipc_mail_answer a;

    if (m->is_broken) { // whole answers all the same
        while (h.rest.n) {
            next_answer(&h, &a);
        }
        return;
    }
    for (size_t i = 0; i < m->count; i++) {
        hear_one(&h, m->owed[i]);
    }
    CHECK(h.rest.n == 0);
}

// ---- a conversation -----------------------------------------------------------------------------

// libFuzzer's alarm, which looks for inputs that take too long, interrupts calls.
static ssize_t send_some(int fd, struct span bytes)
{
    ssize_t n;

    do {
        n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t receive_some(int fd, struct buf *said)
{
    ssize_t n;

    do {
        n = recv(fd, buf_reserve(said, 65536), 65536, 0);
    } while (n < 0 && errno == EINTR);
    return n;
}

static void converse(struct world *w, uint8_t mode, struct span frames, struct buf *said)
{
    static const uint8_t protocols[] = {IPC_SMTP, IPC_SUBMISSION, IPC_LMTP, IPC_SMTP};
    struct ipc_mail m = {.protocol = protocols[mode & 3],
                         .is_trusted = (mode & 4) != 0,
                         .remote = SPAN("192.0.2.7"),
                         .tls_text = SPAN(""),
                         .ticket = SPAN("")};
    struct keep_link_login login = {0};
    struct account record;
    struct arena arena;
    int pair[2];
    ssize_t n;

    if (m.protocol == IPC_SUBMISSION) {
        arena_init(&arena, 1u << 16);
        CHECK(!directory_account_by_id(w->store, w->account, &arena, &record));
        login = (struct keep_link_login){
            .grant = {.account = w->account, .mark = auth_mark(&record) + ((mode & 8) != 0)}};
        arena_finish(&arena);
    }
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    CHECK(!inbound_open(w->inbound, &m, &login, pair[0]));
    while (frames.n && (n = send_some(pair[1], frames)) > 0) {
        frames = span_skip(frames, (size_t)n);
    }
    shutdown(pair[1], SHUT_WR);
    while ((n = receive_some(pair[1], said)) > 0) {
        said->n += (size_t)n;
    }
    close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct world w;
    static struct model m;
    struct buf said;

    if (n < 1 || n > INPUT_BYTES_MAX) {
        return 0;
    }
    if (!w.inbound || w.inputs++ == WORLD_INPUTS_MAX) {
        log_set_level(LOG_ERROR);
        if (w.inbound) {
            close_world(&w);
        }
        open_world(&w);
    }
    m = (struct model){.is_lmtp = (data[0] & 3) == 2};
    buf_init(&m.frames, 4u << 20);
    buf_init(&said, 4u << 20);
    make_frames(&m, span_of(data + 1, n - 1));
    converse(&w, data[0], buf_span(&m.frames), &said);
    check_answers(&m, buf_span(&said));
    buf_finish(&said);
    buf_finish(&m.frames);
    return 0;
}
