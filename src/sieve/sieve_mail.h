// SPDX-License-Identifier: Apache-2.0
//
// What may be said about a message before answering it without a person: pure helpers for vacation,
// reject and notify (RFC 3834, RFC 5230 section 4.5 and 4.6, RFC 5436). Any thread; linear.
#ifndef SIEVE_SIEVE_MAIL_H
#define SIEVE_SIEVE_MAIL_H

#include "base/arena.h"
#include "base/err.h"
#include "sieve/sieve_action.h"

enum sieve_automatic {
    SIEVE_PERSONAL = 0,
    SIEVE_AUTO_SUBMITTED, // Auto-Submitted other than "no", X-Auto-Response-Suppress
    SIEVE_LIST,           // List-* fields, Precedence: list or bulk or junk
    SIEVE_REPORT,         // multipart/report, an empty Return-Path
};

// Whether a program sent this header. A reply may be sent to SIEVE_PERSONAL only.
enum sieve_automatic sieve_mail_automatic(struct span header);

// Addresses that vacation never answers: empty, MAILER-DAEMON, postmaster's programs, "owner-*",
// "*-request", "*-bounces", "noreply" and so on.
bool sieve_mail_is_robot(struct span address);

// One of `addresses` is in To, Cc, Bcc or their Resent- forms (RFC 5230 section 4.5).
bool sieve_mail_names(struct span header, const struct sieve_strings *addresses, size_t lists);

// local@domain of a text that is one address, with or without a display name and angle brackets.
// ERR_INVALID when it is not exactly one, lacks a domain, or could break a line; ERR_NOMEM.
enum err sieve_mail_address(struct arena *arena, struct span text, struct span *out);

// What a mailto URI says (RFC 6068): to, cc, subject, body and other fields; those that could forge
// (From, Auto-Submitted, Received, Date, Message-ID, Bcc and so on) are left out. ERR_INVALID,
// ERR_NOMEM. Fills the fields of `out` that come "from the URI".
enum err sieve_mail_uri(struct arena *arena, struct span uri, struct sieve_notify *out);

#endif
