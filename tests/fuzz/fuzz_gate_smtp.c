// SPDX-License-Identifier: Apache-2.0
//
// A stranger says anything at all to SMTP, submission or LMTP, with keep at work. The first three
// bytes choose the service and how the connection came in, in which pieces it arrives, and how keep
// behaves: it answers late, refuses, or goes away. Nothing may crash; keep gets whole frames in the
// order it expects; every reply is whole lines with a code; a message that is acknowledged was
// ended by the client as RFC 5321 or RFC 3030 says and has no CR or LF alone unless it was binary.
#include "../unit/gate/dialogue_driver.h"
#include "../unit/gate/smtp_keep.h"
#include "base/log.h"
#include "fuzz.h"
#include "gate/smtp/smtp.h"

#define INPUT_BYTES_MAX 65536
#define STEPS_MAX       2000

enum {
    MODE_PROTOCOL = 3, // two bits
    MODE_TLS = 4,
    MODE_LOOPBACK = 8,
    MODE_CERTIFICATE = 16,
    MODE_FRONT = 32,
    MODE_SMALL = 64, // low limits
};

enum {
    KEEP_IS_LATE = 1, // every second time it is looked at
    KEEP_REFUSES = 2,
    KEEP_GOES_AWAY = 4, // once
    LOGINS_FAIL = 8,
};

static const char small[] = "message_max = 64 KB\nsmtp_stranger_recipients_max = 3\n"
                            "smtp_recipients_max = 100\nsmtp_text_line_max = 998\n"
                            "smtp_received_max = 2\nsmtp_messages_max = 2\n"
                            "clear_login_loopback = yes\nauth_login = yes\n";

static void check_said(struct span said, bool utf8)
{
    CHECK(said.n == 0 || (said.n >= 2 && said.p[said.n - 2] == '\r' && said.p[said.n - 1] == '\n'));
    while (said.n) {
        size_t n = span_find(said, SPAN("\r\n"));
        struct span line = span_first(said, n);

        CHECK(line.n >= 4 && line.p[0] >= '2' && line.p[0] <= '5' && byte_is_digit(line.p[1]) &&
              byte_is_digit(line.p[2]) && (line.p[3] == ' ' || line.p[3] == '-'));
        for (size_t i = 0; i < line.n; i++) {
            CHECK(!byte_is_ctl(line.p[i]) && (utf8 || (unsigned char)line.p[i] < 127));
        }
        said = span_skip(said, n + 2);
    }
}

// What keep has acknowledged holds nothing that another server could take for an end.
static void check_kept(const struct smtp_keep *k)
{
    struct span bytes = buf_span(&k->bytes);

    if (k->flags & 4) { // BINARYMIME
        return;
    }
    for (size_t i = 0; i < bytes.n; i++) {
        CHECK(bytes.p[i] != '\0');
        CHECK(bytes.p[i] != '\n' || (i > 0 && bytes.p[i - 1] == '\r'));
        CHECK(bytes.p[i] != '\r' || (i + 1 < bytes.n && bytes.p[i + 1] == '\n'));
    }
    CHECK(span_starts(buf_span(&k->prefix), SPAN("Received: from ")) ||
          span_starts(buf_span(&k->prefix), SPAN("Received: by ")));
    CHECK(span_ends(buf_span(&k->prefix), SPAN("\r\n")));
}

static void answer_question(struct driver *r, uint8_t keep)
{
    CHECK(dialogue_is_private(&r->d) && r->d.protocol->variant == 1);
    if (r->d.question.message.n && !r->d.question.is_response) {
        dialogue_challenged(&r->d, SPAN("r=xy,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096"), false);
    } else if (r->d.question.message.n && !(keep & LOGINS_FAIL)) {
        dialogue_challenged(&r->d, SPAN("v=proof"), true);
    } else if (keep & LOGINS_FAIL) {
        dialogue_refused(&r->d, DIALOGUE_BAD_PASSWORD, SPAN(""));
    } else {
        dialogue_accepted(&r->d, SPAN("ticket"));
    }
}

static void lose(struct smtp_keep *k, struct driver *r)
{
    if (r->d.pair.is_open) {
        r->d.pair.is_open = r->d.pair.is_spent = false;
        k->in_mail = false;
        buf_clear(&k->owed);
        dialogue_pair_lost(&r->d);
    }
}

// False: it is over.
static bool step(struct smtp_keep *k, struct driver *r, uint8_t keep)
{
    switch (r->d.step) {
    case DIALOGUE_READ:
    case DIALOGUE_WAIT:
        return true;
    case DIALOGUE_ASK:
        answer_question(r, keep);
        return true;
    case DIALOGUE_ADMIT:
        dialogue_accepted(&r->d, SPAN("ticket"));
        return true;
    case DIALOGUE_START_TLS:
        CHECK(!r->d.has_tls && r->d.in.n == 0);
        dialogue_tls_started(&r->d);
        return true;
    case DIALOGUE_RENAME:
        CHECK(r->d.peer.may_rename);
        r->d.peer.may_rename = false;
        dialogue_renamed(&r->d, k->messages % 2 == 0);
        return true;
    default:
        return false;
    }
}

static void converse(struct smtp_keep *k, struct driver *r, struct span bytes, uint8_t cut,
                     uint8_t keep)
{
    size_t piece = cut >> 4 == 0 ? 0 : 1u << (cut >> 4);
    unsigned kept = 0;

    for (unsigned round = 0; round < STEPS_MAX; round++) {
        // Without pieces a line at a time, as a client that waits.
        struct span now = piece ? bytes : span_first(bytes, span_find_byte(bytes, '\n') + 1);
        size_t n = driver_send(r, now, piece);

        bytes = span_skip(bytes, n);
        CHECK(r->d.in.n <= r->d.in.max);
        k->is_silent = keep & KEEP_IS_LATE && round % 2 == 0;
        bool moved = smtp_keep_play(k, &r->d);

        if (k->messages > kept) {
            kept = k->messages;
            check_kept(k);
        }
        if (keep & KEEP_GOES_AWAY && round == (cut & 15u)) {
            lose(k, r);
        }
        check_said(driver_hear(r), true);
        if (!step(k, r, keep) || (!n && !moved && round % 2 && r->d.step == DIALOGUE_READ)) {
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct dialogue_protocol *const protocols[] = {
        &smtp_protocol, &smtp_submission_protocol, &smtp_lmtp_protocol, &smtp_protocol};
    struct driver r;
    struct smtp_keep k;

    if (n < 3 || n > INPUT_BYTES_MAX) {
        return 0;
    }
    log_set_level(LOG_ERROR);
    const struct dialogue_protocol *p = protocols[data[0] & MODE_PROTOCOL];

    driver_open(&r, p,
                data[0] & MODE_SMALL ? small
                                     : "oauth_issuers = https://id.example.org\n"
                                       "auth_scram = all\n");
    smtp_keep_open(&k, p == &smtp_lmtp_protocol);
    k.end_code = data[2] & KEEP_REFUSES ? 452 : 250;
    r.d.host = SPAN("mail.example.org");
    r.d.has_tls = data[0] & MODE_TLS;
    r.d.is_loopback = data[0] & MODE_LOOPBACK;
    r.d.has_certificate = data[0] & MODE_CERTIFICATE;
    r.d.peer.may_rename = data[0] & MODE_FRONT;
    r.d.channel.exporter_n = data[1] & 1 ? sizeof(r.d.channel.exporter) : 0;
    dialogue_greet(&r.d);
    check_said(driver_hear(&r), false);
    converse(&k, &r, span_of(data + 3, n - 3), data[1], data[2]);
    dialogue_end(&r.d, DIALOGUE_STOPPING);
    check_said(driver_hear(&r), true);
    CHECK(r.d.step == DIALOGUE_CLOSE || r.d.step == DIALOGUE_DROP);
    CHECK(driver_send(&r, SPAN("NOOP\r\n"), 0) == 0);
    driver_close(&r);
    smtp_keep_close(&k);
    return 0;
}
