// SPDX-License-Identifier: Apache-2.0
//
// The message to the owner: what happened, what it means, what to do.
#include <stdio.h>

#include "alert/alert.h"
#include "base/utf8.h"
#include "mime/mime_date.h"
#include "mime/mime_word.h"

#include "base/banned.h"

#define LINE_MAX_CHARS 76
#define SENTENCE_MAX   4096

struct advice {
    const char *subject;
    const char *was_you;     // what to do when it was oneself
    const char *was_not_you; // and when not
};

#define CHANGE_PASSWORD                                                                            \
    "Change your password at once, or ask your administrator to do it, and let the administrator " \
    "block devices that you do not know. Then look whether your mail is forwarded anywhere, and "  \
    "through your rules."

static const struct advice advices[ALERT_KINDS] = {
    [ALERT_NEW_NETWORK] = {"Sign-in from a new network",
                           "If that was you (on a journey, on another connection, by telephone): "
                           "there is nothing to do.",
                           CHANGE_PASSWORD},
    [ALERT_NEW_COUNTRY] = {"Sign-in from a new country",
                           "If you are there, or one of your devices goes by way of it: there is "
                           "nothing to do.",
                           CHANGE_PASSWORD},
    [ALERT_TRAVEL] = {"Sign-ins from places far apart",
                      "If one of your devices goes by way of another country (a VPN, a company's "
                      "network): there is nothing to do.",
                      CHANGE_PASSWORD},
    [ALERT_GUESSED] = {"Sign-in after many wrong passwords",
                       "If you had forgotten your password and found it again: there is nothing to "
                       "do.",
                       "Somebody may have guessed your password. " CHANGE_PASSWORD},
    [ALERT_MAIL_OUT] = {"Your mail is sent elsewhere",
                        "If you set this up yourself: there is nothing to do.",
                        "Whoever did it can read what comes to you, also after you have changed "
                        "your password. Take the forwarding or the rule away, or ask your "
                        "administrator to. " CHANGE_PASSWORD},
    [ALERT_FOLDERS] = {"Many folders deleted or renamed",
                       "If you were tidying up: there is nothing to do.",
                       "Do not go on in that mail program. What was deleted can be brought back "
                       "for some time: ask your administrator soon. " CHANGE_PASSWORD},
    [ALERT_DOWNLOAD] = {"Much of your mail was read",
                        "If you have just set up a mail program or a new device, it has fetched "
                        "your mail: there is nothing to do.",
                        CHANGE_PASSWORD},
    [ALERT_DELETION] = {"Much mail deleted", "If you were tidying up: there is nothing to do.",
                        "Do not go on in that mail program. What was deleted can be brought back "
                        "for some time: ask your administrator soon. " CHANGE_PASSWORD},
    [ALERT_QUOTA] = {"Your mailbox is nearly full",
                     "When it is full, new mail is refused, and who wrote it is told so.",
                     "Delete what you do not need (large attachments first), and empty the "
                     "folder of deleted mail; or ask your administrator for more room."},
    [ALERT_DEVICE] = {"Password for a new device", "If you asked for it: there is nothing to do.",
                      "Ask your administrator to block that device at once; that ends what it is "
                      "doing, too. " CHANGE_PASSWORD},
    [ALERT_SECOND_FACTOR] = {"Second factor removed", "If you asked for it: set up a new one soon.",
                             CHANGE_PASSWORD},
    [ALERT_OPENED] = {"An administrator opened your account",
                      "If you have asked for help, or know why: there is nothing to do.",
                      "If you do not know why, ask whoever it was, or who is responsible for this "
                      "server. The history of your account has each time it was opened, and what "
                      "was changed."},
    [ALERT_TEST] = {"Test of the warnings",
                    "That you read this means: warnings about your account reach you.",
                    "There is nothing to do."},
};

// Words into lines of a readable width; a word that is longer is a line of its own.
static void put_paragraph(struct buf *out, struct span text)
{
    size_t column = 0;

    while (text.n) {
        struct span word = span_split(&text, ' ');

        if (column && column + 1 + word.n > LINE_MAX_CHARS) {
            buf_put_str(out, "\r\n");
            column = 0;
        } else if (column) {
            buf_put_byte(out, ' ');
            column++;
        }
        buf_put(out, word);
        column += word.n;
    }
    buf_put_str(out, "\r\n");
}

static void put_header(struct buf *out, const struct alert *a, const struct alert_letter *l)
{
    struct buf subject;

    buf_put_str(out, "Date: ");
    mime_date_put(out, l->now_ms / 1000, 0);
    buf_printf(out, "\r\nFrom: Security of %.*s <postmaster@%.*s>\r\nTo: <%.*s>\r\nSubject: ",
               SPAN_ARG(l->server), SPAN_ARG(l->server), SPAN_ARG(l->address));
    buf_init(&subject, SENTENCE_MAX);
    buf_printf(&subject, "Security: %s", advices[a->kind].subject);
    mime_word_encode(out, buf_span(&subject));
    buf_finish(&subject);
    buf_printf(out,
               "\r\nMessage-ID: %.*s\r\n" ALERT_FIELD ": %s\r\nAuto-Submitted: auto-generated\r\n"
               "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
               "Content-Transfer-Encoding: 8bit\r\n\r\n",
               SPAN_ARG(l->message_id), alert_kind_name(a->kind));
}

static void put_what(struct buf *out, const struct alert *a)
{
    struct buf text;

    buf_init(&text, SENTENCE_MAX);
    alert_sentence_put(&text, a);
    put_paragraph(out, buf_span(&text));
    out->failed |= text.failed;
    buf_finish(&text);
    buf_put_str(out, "When: ");
    mime_date_put(out, a->when_ms / 1000, 0);
    buf_put_str(out, "\r\n\r\n");
}

enum err alert_letter_put(struct buf *out, const struct alert *a, const struct alert_letter *l)
{
    const struct advice *advice = &advices[a->kind];
    char last[200];

    put_header(out, a, l);
    put_what(out, a);
    put_paragraph(out, span_from_str(advice->was_you));
    buf_put_str(out, "\r\n");
    if (a->kind != ALERT_QUOTA && a->kind != ALERT_TEST && a->kind != ALERT_OPENED) {
        buf_put_str(out, "If it was not you:\r\n");
    }
    put_paragraph(out, span_from_str(advice->was_not_you));
    if (a->not_told) {
        snprintf(last, sizeof(last),
                 "%llu more of this kind before it were only written down, so that you are not "
                 "flooded: your administrator can list them.",
                 (unsigned long long)a->not_told);
        buf_put_str(out, "\r\n");
        put_paragraph(out, span_from_str(last));
    }
    buf_put_str(out, "\r\n");
    snprintf(last, sizeof(last), "This message was put into your mailbox by the mail server %.*s",
             (int)(l->server.n < 100 ? l->server.n : 100), l->server.p);
    put_paragraph(out, span_from_str(last));
    put_paragraph(out, SPAN("itself. It asks for no password and has nothing to click. A message "
                            "that looks like it and does is not from the server."));
    return buf_result(out);
}
