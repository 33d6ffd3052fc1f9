// SPDX-License-Identifier: Apache-2.0
#include "mailfile/mail_date.h"

#include "mime/mime_date.h"
#include "mime/mime_header.h"

#include "base/banned.h"

static bool date_set(struct span text, struct mail_meta *m)
{
    struct mime_date d;

    if (text.n == 0 || !mime_date_parse(text, &d)) {
        return false;
    }
    m->has_date = true;
    m->date = d.unix_seconds;
    m->zone_minutes = (int16_t)d.zone_minutes;
    return true;
}

bool mail_date_guess(struct span front, struct mail_meta *m)
{
    struct span received = mime_header_get(front, SPAN("Received"));
    size_t semicolon = received.n;

    while (semicolon > 0 && received.p[semicolon - 1] != ';') {
        semicolon--;
    }
    return (semicolon > 0 && date_set(span_skip(received, semicolon), m)) ||
           date_set(mime_header_get(front, SPAN("Date")), m);
}
