// SPDX-License-Identifier: Apache-2.0
//
// The header fields a summary keeps: what mail programs ask for when they list a mailbox
// (Thunderbird, Apple Mail, K-9, mutt, Roundcube, Evolution, mailsync tools and JMAP's defaults).
// Left out on purpose: Received, DKIM-Signature and Authentication-Results, which are longer than
// all the rest together and asked for by few.
//
// A field's place in this list is its bit in stored summaries: only ever append.
#include "mime/mime_summary.h"

#include "base/banned.h"

static const char *const names[] = {
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Reply-To",
    "Sender",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-Description",
    "Content-ID",
    "Content-Language",
    "MIME-Version",
    "List-Id",
    "List-Post",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Archive",
    "List-Owner",
    "Precedence",
    "X-Priority",
    "Importance",
    "Priority",
    "X-MSMail-Priority",
    "X-Mailer",
    "User-Agent",
    "Organization",
    "Return-Path",
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "Resent-From",
    "Resent-To",
    "Resent-Date",
    "Resent-Message-ID",
    "Disposition-Notification-To",
    "X-Confirm-Reading-To",
    "Return-Receipt-To",
    "Auto-Submitted",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Newsgroups",
    "Followup-To",
    "Lines",
    "Keywords",
    "Comments",
    "X-Label",
    "X-Keywords",
    "X-Spam-Flag",
    "X-Spam-Status",
    "X-Draft-Info",
    "X-Uniform-Type-Identifier",
    "X-Universally-Unique-Identifier",
    "X-K9mail-Identity",
    "Chat-Version",
    "Autocrypt-Setup-Message",
    "X-Mozilla-Draft-Info",
};

#define NAMES (sizeof(names) / sizeof(names[0]))

_Static_assert(NAMES <= 64, "a field is a bit");

struct span mime_fields_name(unsigned i)
{
    return i < NAMES ? span_from_str(names[i]) : (struct span){NULL, 0};
}

mime_fields mime_fields_bit(struct span name)
{
    for (size_t i = 0; i < NAMES && name.n; i++) {
        if (byte_lower(names[i][0]) == byte_lower(name.p[0]) &&
            span_eq_nocase(name, span_from_str(names[i]))) {
            return (mime_fields)1 << i;
        }
    }
    return 0;
}
