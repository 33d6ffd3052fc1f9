// SPDX-License-Identifier: Apache-2.0
//
// What happened, in one sentence.
#include "alert/alert.h"
#include "base/utf8.h"

#include "base/banned.h"

// Without what could end a line or hide text.
static void put_clean(struct buf *out, struct span s)
{
    uint32_t c;

    for (s = span_first(s, ALERT_TEXT_BYTES_MAX); s.n;) {
        c = utf8_next(&s, &c) ? c : UTF8_REPLACEMENT;
        if (c < 32 || c == 127 || (c >= 0x80 && c < 0xA0) || (c >= 0x2028 && c <= 0x202E) ||
            (c >= 0x2066 && c <= 0x2069)) { // controls, line ends, directions
            buf_put_byte(out, c == '\t' ? ' ' : '?');
        } else {
            utf8_put(out, c);
        }
    }
}

static void put_part(struct buf *out, const char *before, struct span s, const char *behind)
{
    if (s.n) {
        buf_put_str(out, before);
        put_clean(out, s);
        buf_put_str(out, behind);
    }
}

static void put_signin(struct buf *out, const struct alert *a)
{
    bool has_country = a->kind == ALERT_NEW_NETWORK || a->kind == ALERT_GUESSED;

    put_part(out, ", from ", a->network, "");
    put_part(out, " in ", has_country ? a->words : SPAN(""), "");
    put_part(out, ", with the program \"", a->client, "\"");
    put_part(out, ", with the password of the device \"", a->device, "\"");
}

static void put_size(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB", "PB", "EB"};
    size_t u = 0;

    while (bytes >= 10240 && u + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        u++;
    }
    buf_printf(out, "%llu %s", (unsigned long long)bytes, units[u]);
}

static void put_counted(struct buf *out, const struct alert *a)
{
    unsigned long long n = a->count;

    switch (a->kind) {
    case ALERT_GUESSED:
        buf_printf(out, "Somebody signed in to your mail after %llu wrong passwords", n);
        put_signin(out, a);
        break;
    case ALERT_FOLDERS:
        buf_printf(out, "%llu folders were deleted or renamed in a short time", n);
        put_part(out, ", the last one \"", a->words, "\"");
        break;
    case ALERT_DELETION:
        buf_printf(out, "%llu messages were deleted in a short time", n);
        break;
    case ALERT_DOWNLOAD:
        buf_put_str(out, "Much of your mail was read in a short time: ");
        put_size(out, a->count);
        put_signin(out, a);
        break;
    default:
        buf_printf(out, "Your mailbox is %llu per cent full", n);
        break;
    }
}

static void put_kind(struct buf *out, const struct alert *a)
{
    switch (a->kind) {
    case ALERT_NEW_NETWORK:
        buf_put_str(out, "Somebody signed in to your mail from a network that was not used before");
        put_signin(out, a);
        break;
    case ALERT_NEW_COUNTRY:
        buf_put_str(out, "Somebody signed in to your mail from a country that was not used before");
        put_part(out, ": ", a->words, "");
        put_signin(out, a);
        break;
    case ALERT_TRAVEL:
        buf_put_str(out, "Somebody signed in to your mail from two places further apart than "
                         "anybody can travel in that time");
        put_part(out, ": ", a->words, "");
        put_signin(out, a);
        break;
    case ALERT_MAIL_OUT:
        buf_put_str(out, "Your mail is now also sent to an address outside of your organisation: ");
        put_clean(out, a->words);
        break;
    case ALERT_DEVICE:
        buf_put_str(out, "A password for a new device was made for your account");
        put_part(out, ": \"", a->device, "\"");
        break;
    case ALERT_SECOND_FACTOR:
        buf_put_str(out, "The second factor of your account was removed: its password alone opens "
                         "it now");
        break;
    case ALERT_OPENED:
        buf_put_str(out, "An administrator has opened your account: ");
        put_clean(out, a->words);
        break;
    case ALERT_TEST:
        buf_put_str(out, "This is a test, asked for by the administrator: nothing has happened");
        break;
    default:
        put_counted(out, a);
        break;
    }
}

void alert_sentence_put(struct buf *out, const struct alert *a)
{
    put_kind(out, a);
    put_part(out, " (done by ", a->by, ")");
    buf_put_byte(out, '.');
}
