// SPDX-License-Identifier: Apache-2.0
#include "talk_login.h"

#include "base/log.h"
#include "fuzz.h"
#include "wire/sasl/scram.h"

#define INPUT_BYTES_MAX 65536
#define STEPS_MAX       1000

enum {
    MODE_TLS = 1,
    MODE_LOOPBACK = 2,
    MODE_CERTIFICATE = 4,
    MODE_CLEAR_LOGIN = 8,
    MODE_CHANNEL = 16,
};

static void check_said(const struct talk_login *l, struct span said)
{
    CHECK(said.n == 0 || (said.n >= 2 && said.p[said.n - 2] == '\r' && said.p[said.n - 1] == '\n'));
    for (size_t i = 0; i < said.n && !l->has_literals; i++) {
        unsigned char c = (unsigned char)said.p[i];

        if (c == '\n') {
            CHECK(i > 0 && said.p[i - 1] == '\r');
        } else if (c == '\r') {
            CHECK(i + 1 < said.n && said.p[i + 1] == '\n');
        } else {
            CHECK(c >= 0x20 && c < 0x7f);
        }
    }
    if (l->check && said.n) {
        l->check(said);
    }
}

static void check_question(const struct dialogue *d)
{
    const struct dialogue_question *q = &d->question;

    CHECK(dialogue_is_private(d));
    CHECK(q->mechanism && q->user.n + q->password.n + q->authzid.n <= d->in.max);
    CHECK(span_find_byte(q->user, '\0') == q->user.n);
    CHECK(!q->is_response || q->message.n > 0);
    CHECK(q->message.n == 0 || (q->password.n == 0 && q->message.n <= SCRAM_MESSAGE_BYTES_MAX));
}

static enum dialogue_refusal answer_of(uint8_t how, unsigned round)
{
    static const enum dialogue_refusal answers[] = {DIALOGUE_BAD_PASSWORD, DIALOGUE_UNAVAILABLE,
                                                    DIALOGUE_TOO_MANY, DIALOGUE_UNAVAILABLE};

    return answers[(how >> (round & 3)) & 3];
}

// Keep's part in SCRAM: the first message always gets a challenge, and the second one may be right.
static void answer(struct driver *r, uint8_t how, unsigned round)
{
    bool is_second = r->d.question.is_response;
    bool is_scram =
        is_second || span_starts(span_from_str(r->d.question.mechanism), SPAN("SCRAM-"));

    dialogue_forget_password(&r->d);
    if (is_scram && !is_second) {
        dialogue_challenged(&r->d, SPAN("r=xy,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096"), false);
    } else if (is_scram && (how & 1) && !r->d.protocol->says_last_with_yes) {
        dialogue_challenged(&r->d, SPAN("v=proof"), true);
    } else {
        dialogue_refused(&r->d, answer_of(how, round), SPAN(""));
    }
}

static void converse(const struct talk_login *l, struct driver *r, struct span bytes, uint8_t how)
{
    size_t piece = how >> 4 == 0 ? 0 : 1u << (how >> 4);

    for (unsigned round = 0; round < STEPS_MAX; round++) {
        bytes = span_skip(bytes, driver_send(r, bytes, piece));
        CHECK(r->d.in.n <= r->d.in.max);
        check_said(l, driver_hear(r));
        switch (r->d.step) {
        case DIALOGUE_ASK:
            check_question(&r->d);
            answer(r, how, round);
            break;
        case DIALOGUE_ADMIT: // and then it could not be handed over
            dialogue_refused(&r->d, DIALOGUE_UNAVAILABLE, SPAN(""));
            break;
        case DIALOGUE_START_TLS:
            CHECK(!r->d.has_tls && r->d.in.n == 0);
            dialogue_tls_started(&r->d);
            break;
        default: // over, or all is sent
            return;
        }
        check_said(l, driver_hear(r));
    }
}

void talk_login_fuzz(const struct talk_login *l, const uint8_t *data, size_t n)
{
    struct driver r;

    if (n < 2 || n > INPUT_BYTES_MAX) {
        return;
    }
    log_set_level(LOG_ERROR);
    driver_open(&r, l->protocol,
                data[0] & MODE_CLEAR_LOGIN ? "clear_login_loopback = yes\nauth_login = yes\n"
                                             "auth_scram = all\n"
                                           : "oauth_issuers = https://id.example.org\n"
                                             "auth_scram = devices\n");
    r.d.has_tls = data[0] & MODE_TLS;
    r.d.is_loopback = data[0] & MODE_LOOPBACK;
    if (data[0] & MODE_CHANNEL) {
        r.d.certificate.names[0] = SPAN("anna@x.example");
        r.d.certificate.name_count = 1;
    }
    r.d.channel.exporter_n = data[0] & MODE_CHANNEL ? sizeof(r.d.channel.exporter) : 0;
    r.d.has_certificate = data[0] & MODE_CERTIFICATE;
    dialogue_greet(&r.d);
    check_said(l, driver_hear(&r));
    converse(l, &r, span_of(data + 2, n - 2), data[1]);
    dialogue_end(&r.d, DIALOGUE_STOPPING);
    check_said(l, driver_hear(&r));
    CHECK(r.d.step == DIALOGUE_CLOSE || r.d.step == DIALOGUE_DROP);
    CHECK(driver_send(&r, SPAN("NOOP\r\n"), 0) == 0);
    driver_close(&r);
}
