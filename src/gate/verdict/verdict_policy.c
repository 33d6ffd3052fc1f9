// SPDX-License-Identifier: Apache-2.0
#include "gate/verdict/verdict_policy.h"

#include "mime/mime_header.h"

#include "base/banned.h"

enum { MAIL_OFF, MAIL_OBSERVE, MAIL_ENFORCE };
enum { SPF_FAIL_ACCEPT, SPF_FAIL_JUNK, SPF_FAIL_REJECT };
enum { LISTS_REJECT, LISTS_JUNK, LISTS_ACCEPT };

const char *policy_override_name(enum policy_override o)
{
    static const char *const names[] = {"", "sampled_out", "trusted_forwarder", "mailing_list",
                                        "local_policy"};

    return names[o];
}

// ---- ARC ----------------------------------------------------------------------------------------

static bool is_trusted(const struct settings *settings, const struct domain_name *sealer)
{
    size_t n = conf_value_list_size(settings, SETTING_CHECK_TRUSTED_SEALERS);

    for (size_t i = 0; i < n; i++) {
        struct domain_name d;

        if (domain_name_parse(conf_value_list_item(settings, SETTING_CHECK_TRUSTED_SEALERS, i),
                              &d) == ERR_OK &&
            domain_name_is_within(domain_name_span(sealer), domain_name_span(&d))) {
            return true;
        }
    }
    return false;
}

// "dmarc=pass header.from=<the domain in question>".
static bool says_pass(struct span results, const struct domain_name *from, struct arena *arena)
{
    struct auth_results r;

    if (auth_results_parse(arena, results, &r) != ERR_OK) {
        return false;
    }
    for (size_t i = 0; i < r.n; i++) {
        bool is_pass = span_eq_nocase(r.results[i].method, SPAN("dmarc")) &&
                       span_eq_nocase(r.results[i].result, SPAN("pass"));

        for (size_t k = 0; is_pass && k < r.results[i].n; k++) {
            const struct auth_property *p = &r.results[i].properties[k];

            if (span_eq_nocase(p->type, SPAN("header")) && span_eq_nocase(p->name, SPAN("from")) &&
                span_eq_nocase(p->value, domain_name_span(from))) {
                return true;
            }
        }
    }
    return false;
}

// From the newest seal back, as long as each is by somebody we trust: whoever is not may have
// changed the message, and what older seals say is about another one.
static bool is_vouched_for(const struct settings *settings, const struct sender_result *s,
                           struct arena *arena, struct span *out_sealer)
{
    if (s->arc.status != ARC_PASS) {
        return false;
    }
    for (size_t i = s->arc.n; i > 0; i--) {
        const struct arc_set *set = &s->arc.sets[i - 1];

        if (!is_trusted(settings, &set->sealer)) {
            return false;
        }
        if (says_pass(set->results, &s->dmarc.domain, arena)) {
            *out_sealer = domain_name_span(&set->sealer);
            return true;
        }
    }
    return false;
}

// ---- mailing lists ------------------------------------------------------------------------------

// A list that changes messages breaks their signatures, and what it sends under its own name is
// proved by SPF. Nobody's word is taken that it is one, but then such mail is no worse than any.
static bool is_mailing_list(const struct sender_result *s, struct span header)
{
    return s->mail_from.status == SPF_PASS && !s->mail_from.is_helo &&
           mime_header_get(header, SPAN("List-Id")).n > 0 &&
           !span_eq(domain_name_organization(&s->mail_from.domain),
                    domain_name_organization(&s->dmarc.domain));
}

// ---- the decision -------------------------------------------------------------------------------

static enum verdict_action action_of(enum dmarc_policy p)
{
    return p == DMARC_REJECT       ? VERDICT_REJECT
           : p == DMARC_QUARANTINE ? VERDICT_JUNK
                                   : VERDICT_ACCEPT;
}

static void decide_dmarc(const struct settings *settings, const struct sender_result *s,
                         struct span header, struct arena *arena, struct policy_decision *d)
{
    d->wanted = action_of(s->dmarc.apply);
    d->cause = s->dmarc.apply == DMARC_POLICY_NONE ? CAUSE_NONE : CAUSE_DMARC;
    d->override = s->dmarc.is_sampled_out ? OVERRIDE_SAMPLED_OUT : OVERRIDE_NONE;
    if (d->wanted == VERDICT_ACCEPT) {
        return;
    }
    if (is_vouched_for(settings, s, arena, &d->sealer)) {
        d->wanted = VERDICT_ACCEPT;
        d->override = OVERRIDE_TRUSTED_FORWARDER;
        return;
    }
    unsigned lists = conf_value_choice(settings, SETTING_CHECK_LISTS);

    if (lists != LISTS_REJECT && is_mailing_list(s, header)) {
        enum verdict_action milder = lists == LISTS_ACCEPT ? VERDICT_ACCEPT : VERDICT_JUNK;

        d->override = milder == d->wanted ? d->override : OVERRIDE_MAILING_LIST;
        d->wanted = milder;
    }
}

static void decide_spf(const struct settings *settings, const struct sender_result *s,
                       struct policy_decision *d)
{
    unsigned what = conf_value_choice(settings, SETTING_CHECK_SPF_FAIL);

    if (what == SPF_FAIL_ACCEPT || s->mail_from.status != SPF_FAIL ||
        s->dmarc.status == DMARC_PASS || d->override == OVERRIDE_TRUSTED_FORWARDER ||
        d->wanted == VERDICT_REJECT) {
        return;
    }
    if (what == SPF_FAIL_REJECT || d->wanted == VERDICT_ACCEPT) {
        d->wanted = what == SPF_FAIL_REJECT ? VERDICT_REJECT : VERDICT_JUNK;
        d->cause = CAUSE_SPF;
    }
}

void policy_decide(const struct settings *settings, const struct sender_result *s,
                   struct span header, struct arena *arena, struct policy_decision *out)
{
    struct policy_decision d = {.wanted = VERDICT_ACCEPT};
    bool is_undecided = s->dmarc.status == DMARC_TEMPERROR && s->dmarc.has_record &&
                        s->dmarc.published != DMARC_POLICY_NONE;

    if (s->dmarc.status == DMARC_PERMERROR) {
        d.wanted = action_of(s->dmarc.apply);
        d.cause = CAUSE_FROM;
    } else if (is_undecided && !is_vouched_for(settings, s, arena, &d.sealer)) {
        d.wanted = VERDICT_TEMPORARY;
        d.cause = CAUSE_DNS;
    } else {
        decide_dmarc(settings, s, header, arena, &d);
        decide_spf(settings, s, &d);
    }
    d.action = d.wanted;
    if (conf_value_choice(settings, SETTING_CHECK_MAIL) != MAIL_ENFORCE &&
        d.wanted != VERDICT_ACCEPT) {
        d.action = VERDICT_ACCEPT;
        d.override = d.override == OVERRIDE_NONE ? OVERRIDE_LOCAL_POLICY : d.override;
    }
    *out = d;
}
