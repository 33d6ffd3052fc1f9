// SPDX-License-Identifier: Apache-2.0
//
// The answer to EHLO.
#include "wire/smtp/smtp_reply.h"

#include "base/banned.h"

static struct span next_word(struct span *rest)
{
    struct span word;

    do {
        word = span_split(rest, ' ');
    } while (word.n == 0 && rest->n);
    return word;
}

static void read_size(struct span rest, struct smtp_capabilities *out)
{
    uint64_t v;

    if (span_to_u64(next_word(&rest), UINT64_MAX, &v)) {
        out->size_max = v;
    }
}

// "AUTH PLAIN LOGIN"; also "AUTH=PLAIN LOGIN" of old servers, which say both.
static void read_auth(struct span rest, struct smtp_capabilities *out)
{
    while (rest.n && out->mechanism_n < SMTP_MECHANISMS_MAX) {
        struct span word = next_word(&rest);

        if (word.n) {
            out->mechanisms[out->mechanism_n++] = word;
        }
    }
}

static void read_release(struct span rest, struct smtp_capabilities *out)
{
    uint64_t v;

    if (span_to_u64(next_word(&rest), UINT64_MAX, &v)) {
        out->hold_seconds_max = v;
    }
    out->hold_until_max = next_word(&rest);
}

static void read_limits(struct span rest, struct smtp_capabilities *out)
{
    const struct {
        const char *name;
        uint64_t *value;
    } limits[] = {
        {"RCPTMAX", &out->rcpt_max},
        {"RCPTDOMAINMAX", &out->rcpt_domain_max},
        {"MAILMAX", &out->mail_max},
    };

    while (rest.n) {
        struct span value = next_word(&rest), name = span_split(&value, '=');
        uint64_t v;

        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
            if (span_eq_nocase(name, span_from_str(limits[i].name)) &&
                span_to_u64(value, 999999, &v)) {
                *limits[i].value = v;
            }
        }
    }
}

static const struct {
    const char *name;
    uint32_t extension;
    void (*read)(struct span rest, struct smtp_capabilities *out); // its arguments, when it has any
} words[] = {
    {"SIZE", SMTP_EXT_SIZE, read_size},
    {"PIPELINING", SMTP_EXT_PIPELINING, NULL},
    {"8BITMIME", SMTP_EXT_8BITMIME, NULL},
    {"SMTPUTF8", SMTP_EXT_SMTPUTF8, NULL},
    {"STARTTLS", SMTP_EXT_STARTTLS, NULL},
    {"AUTH", SMTP_EXT_AUTH, read_auth},
    {"CHUNKING", SMTP_EXT_CHUNKING, NULL},
    {"BINARYMIME", SMTP_EXT_BINARYMIME, NULL},
    {"DSN", SMTP_EXT_DSN, NULL},
    {"ENHANCEDSTATUSCODES", SMTP_EXT_ENHANCED, NULL},
    {"REQUIRETLS", SMTP_EXT_REQUIRETLS, NULL},
    {"FUTURERELEASE", SMTP_EXT_FUTURERELEASE, read_release},
    {"MT-PRIORITY", SMTP_EXT_MT_PRIORITY, NULL},
    {"LIMITS", SMTP_EXT_LIMITS, read_limits},
    {"DELIVERBY", SMTP_EXT_DELIVERBY, NULL},
    {"XCLIENT", SMTP_EXT_XCLIENT, NULL},
    {"VRFY", SMTP_EXT_VRFY, NULL},
    {"HELP", SMTP_EXT_HELP, NULL},
    {"ETRN", SMTP_EXT_ETRN, NULL},
};

static void read_line(struct span line, struct smtp_capabilities *out)
{
    struct span word = next_word(&line);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        // What is said twice counts once.
        if (span_eq_nocase(word, span_from_str(words[i].name)) &&
            !(out->extensions & words[i].extension)) {
            out->extensions |= words[i].extension;
            if (words[i].read) {
                words[i].read(line, out);
            }
        }
    }
}

void smtp_capabilities_read(const struct smtp_reply *reply, struct smtp_capabilities *out)
{
    struct span rest = reply->text, first = span_split(&rest, '\n');

    *out = (struct smtp_capabilities){.name = next_word(&first)};
    while (rest.n) {
        read_line(span_split(&rest, '\n'), out);
    }
}
