// SPDX-License-Identifier: Apache-2.0
//
// What follows from the checks: the settings, what the sender's domain asks for by DMARC, and who
// is trusted to have changed a message on its way. Pure; any thread.
#ifndef GATE_VERDICT_VERDICT_POLICY_H
#define GATE_VERDICT_VERDICT_POLICY_H

#include "conf/settings.h"
#include "gate/verdict/verdict.h"
#include "senderauth/sender_check.h"

// Why less was done than DMARC asks for (RFC 7489 appendix C, PolicyOverrideType).
enum policy_override {
    OVERRIDE_NONE,
    OVERRIDE_SAMPLED_OUT,
    OVERRIDE_TRUSTED_FORWARDER, // its ARC seal says that the message was good when it came
    OVERRIDE_MAILING_LIST,
    OVERRIDE_LOCAL_POLICY,
};

const char *policy_override_name(enum policy_override o); // "mailing_list"

// What it is about, for words.
enum policy_cause {
    CAUSE_NONE,
    CAUSE_FROM,  // the From field names no domain that could answer for the message
    CAUSE_DMARC, // the domain asks for it
    CAUSE_SPF,   // a setting asks for it
    CAUSE_DNS,   // what would have to be refused might be good: the DNS does not answer
};

struct policy_decision {
    enum verdict_action action; // what is done
    enum verdict_action wanted; // what would be done but for `check_mail = observe`
    enum policy_cause cause;    // of `wanted`
    enum policy_override override;
    struct span sealer; // TRUSTED_FORWARDER: who
};

// `header`: of the message. Spans point into `s`. `arena` is for reading the seals' results.
void policy_decide(const struct settings *settings, const struct sender_result *s,
                   struct span header, struct arena *arena, struct policy_decision *out);

#endif
