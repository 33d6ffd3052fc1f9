// SPDX-License-Identifier: Apache-2.0
#include "gate/service.h"

#include "base/log.h"
#include "gate/http/http.h"
#include "gate/imap/imap_login.h"
#include "gate/limits.h"
#include "gate/managesieve/managesieve_login.h"
#include "gate/pop3/pop3_login.h"
#include "gate/smtp/smtp.h"

#include "base/banned.h"

static const struct service services[] = {
    {"imap", &imap_login_protocol, IPC_IMAP, false, LIMITS_LOGIN, false},
    {"imaps", &imap_login_protocol, IPC_IMAP, true, LIMITS_LOGIN, false},
    {"pop3", &pop3_login_protocol, IPC_POP3, false, LIMITS_LOGIN, false},
    {"pop3s", &pop3_login_protocol, IPC_POP3, true, LIMITS_LOGIN, false},
    {"sieve", &managesieve_login_protocol, IPC_MANAGESIEVE, false, LIMITS_LOGIN, false},
    {"smtp", &smtp_protocol, IPC_SMTP, false, LIMITS_MAIL, true},
    {"submission", &smtp_submission_protocol, IPC_SUBMISSION, false, LIMITS_LOGIN, false},
    {"submissions", &smtp_submission_protocol, IPC_SUBMISSION, true, LIMITS_LOGIN, false},
    {"lmtp", &smtp_lmtp_protocol, IPC_LMTP, false, LIMITS_MAIL, false},
    {"https", &http_protocol, IPC_HTTP, true, LIMITS_HTTP, false},
    {"http", &http_protocol, IPC_HTTP, false, LIMITS_HTTP, false},
    {"admin", &http_admin_protocol, IPC_ADMIN, false, LIMITS_ADMIN, false},
    {"admins", &http_admin_protocol, IPC_ADMIN, true, LIMITS_ADMIN, false},
};

static const struct dialogue_protocol *const protocols[] = {
    &imap_login_protocol, &pop3_login_protocol,      &managesieve_login_protocol,
    &smtp_protocol,       &smtp_submission_protocol, &smtp_lmtp_protocol,
    &http_protocol,       &http_admin_protocol};

#define PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))
_Static_assert(PROTOCOLS <= SERVICE_PROTOCOLS_MAX, "one TLS context each");

bool service_is_for_people(const struct dialogue_protocol *p)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        if (services[i].protocol == p && services[i].limits == LIMITS_LOGIN) {
            return true;
        }
    }
    return false;
}

const struct service *service_find(struct span word)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        if (span_eq(word, span_from_str(services[i].word))) {
            return &services[i];
        }
    }
    return NULL;
}

const struct dialogue_protocol *service_protocol(unsigned index)
{
    return index < PROTOCOLS ? protocols[index] : NULL;
}

unsigned service_protocol_index(const struct dialogue_protocol *p)
{
    unsigned i = 0;

    while (i < PROTOCOLS && protocols[i] != p) {
        i++;
    }
    ASSERT(i < PROTOCOLS);
    return i;
}
