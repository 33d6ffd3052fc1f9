// SPDX-License-Identifier: Apache-2.0
//
// The state of an SMTP dialogue, shared by the files of gate/smtp/: smtp_session.c (lines, start,
// end, logins), smtp_commands.c (what changes nothing in keep), smtp_mail.c (envelopes and keep's
// answers), smtp_content.c (messages).
//
// The order of replies: while answers of keep are awaited, only RCPTs are taken off the input, and
// only such as go to keep themselves. Everything else waits until all is answered, so no reply can
// overtake another and nothing has to be kept for later.
#ifndef GATE_SMTP_SMTP_SESSION_INTERNAL_H
#define GATE_SMTP_SMTP_SESSION_INTERNAL_H

#include "gate/dialogue/dialogue_sasl.h"
#include "gate/smtp/smtp.h"
#include "gate/smtp/smtp_header.h"
#include "gate/smtp/smtp_names.h"
#include "ipc/message.h"
#include "wire/line.h"
#include "wire/smtp/smtp_command.h"
#include "wire/smtp/smtp_data.h"
#include "wire/smtp/smtp_reply.h"

#define SMTP_INPUT_BYTES (64u << 10)  // of a message, read at once
#define SMTP_PAIR_HIGH   (128u << 10) // on its way to keep: more is not read from the client
#define SMTP_CONTENT_MAX (SMTP_INPUT_BYTES + SMTP_AUTH_LINE_BYTES + 4096 + DIALOGUE_CHECK_HELD_MAX)
#define SMTP_ADDRESS_MAX 1024 // as keep takes it

enum smtp_variant { SMTP_PUBLIC, SMTP_SUBMISSION, SMTP_LMTP };

// What the input is.
enum smtp_mode {
    SMTP_LINES, // commands, and responses of an AUTH
    SMTP_TEXT,  // after 354
    SMTP_CHUNK, // after a BDAT: bytes of the message
    SMTP_SKIP,  // after a BDAT that came to nothing: bytes of nobody's
};

// From a MAIL to the end of its message.
struct smtp_transaction {
    bool is_open;        // as the client sees it
    bool is_told;        // keep has been told, and not that it is over
    bool awaits_mail;    // its answer
    bool is_refused;     // by keep, at MAIL; RCPTs that were sent behind it are refused, too
    uint32_t rcpts;      // sent to keep
    uint32_t answered;   // of these
    uint32_t accepted;   // of these
    void *check;         // of d->checker; NULL: none
    bool awaits_check;   // what it found
    uint32_t awaits_end; // answers to MAIL_END
    uint32_t end_good;   // of these, 2xx
    bool is_utf8;
    enum smtp_body body;
    bool is_chunked; // a BDAT has come
    struct smtp_data data;
    struct smtp_bdat bdat;
    struct smtp_header header;
    uint64_t bytes;            // of the message
    struct smtp_refusal fault; // why the message will be refused; code 0: nothing yet
};

struct smtp_session {
    enum smtp_mode mode;
    struct line_reader reader;
    struct arena arena; // of the command
    struct dialogue_sasl sasl;
    struct buf helo;        // empty: not said
    bool is_extended;       // by EHLO or LHLO
    bool is_logged_in;      // and keep has been told so over the pair
    unsigned idle_commands; // since the last message
    unsigned bad_rcpts;
    uint64_t messages;              // taken
    uint64_t skip;                  // SMTP_SKIP: bytes left
    uint64_t block;                 // bytes of a message since the last step of progress
    struct smtp_refusal skip_reply; // then
    struct buf content;             // what goes into one MAIL_DATA
    // Of the transaction, apart so that it keeps their memory:
    struct buf sender;                 // as keep was told
    struct smtp_names asked, accepted; // recipients keep has not answered; has taken
    struct smtp_transaction t;
};

static inline struct smtp_session *smtp_of(const struct dialogue *d)
{
    return d->state;
}

static inline enum smtp_variant smtp_variant_of(const struct dialogue *d)
{
    return (enum smtp_variant)d->protocol->variant;
}

// ---- smtp_session.c -----------------------------------------------------------------------------

void smtp_say(struct dialogue *d, unsigned code, const char *enhanced, const char *text);
void smtp_say_refusal(struct dialogue *d, const struct smtp_refusal *r);
// 421 and the end.
void smtp_close_with(struct dialogue *d, unsigned code, const char *enhanced, const char *text);
// A reply to a command that made no sense, which counts.
void smtp_say_bad(struct dialogue *d, unsigned code, const char *enhanced, const char *text);
// May mail be given: logged in, where that is asked for?
bool smtp_may_mail(const struct dialogue *d);

// ---- smtp_commands.c ----------------------------------------------------------------------------

typedef void smtp_command_fn(struct dialogue *d, const struct smtp_command *c);

uint32_t smtp_offers(const struct dialogue *d); // enum smtp_extension
// Runs a command that was parsed; more has come behind it.
void smtp_run(struct dialogue *d, const struct smtp_command *c, bool has_more);

// ---- smtp_mail.c --------------------------------------------------------------------------------

smtp_command_fn smtp_do_mail, smtp_do_rcpt;
uint64_t smtp_recipients_max(const struct dialogue *d);
// Are answers of keep awaited?
bool smtp_is_waiting(const struct dialogue *d);
// Can this RCPT be sent to keep while answers are awaited?
bool smtp_rcpt_goes_on(const struct dialogue *d, const struct smtp_rcpt *r);
// The message is refused, by us: keep is told why, and need not have the rest.
void smtp_tell_refused(struct dialogue *d, const struct ipc_mail_reset *m);
// Forgets the transaction; keep is told, unless it knows.
void smtp_transaction_reset(struct dialogue *d, bool tell_keep);
// One reply, or with LMTP one for each recipient that was accepted (RFC 2033 section 4.2).
void smtp_say_of_message(struct dialogue *d, const struct smtp_refusal *r);
enum err smtp_heard(struct dialogue *d);
void smtp_lost(struct dialogue *d);
// Puts a frame into d->pair.out, made by `encode` (a call of an ipc_..._encode).
#define SMTP_TELL(d, encode)                                                                       \
    do {                                                                                           \
        if ((encode) != ERR_OK) {                                                                  \
            (d)->pair.out.failed = true;                                                           \
        }                                                                                          \
    } while (0)

// ---- smtp_content.c -----------------------------------------------------------------------------

smtp_command_fn smtp_do_data, smtp_do_bdat;
bool smtp_take_content(struct dialogue *d);
void smtp_checked(struct dialogue *d, const struct dialogue_check_result *r);

#endif
