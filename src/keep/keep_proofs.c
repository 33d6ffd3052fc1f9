// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_proofs.h"

#include <stdlib.h>

#include "keep/keep_chore.h"
#include "keep/login/session_over.h"

#include "base/banned.h"

#define LOOK_MS 1000 // between two looks, at most

struct keep_proofs {
    struct keep_proofs_options options;
    struct keep_tokens *tokens;
    struct keep_chore *chore;
};

static void check(void *arg)
{
    struct keep_proofs *p = arg;

    session_over_check(p->options.store, p->options.sessions, p->options.patience_ms);
    if (p->tokens) {
        keep_tokens_check(p->tokens);
    }
}

// What the courier remembers of an issuer's answer is a third of the time in which a revoked token
// must be out; ours is another.
enum err keep_proofs_start(const struct keep_proofs_options *o, struct keep_proofs **out)
{
    const struct keep_tokens_options tokens = {
        .auth = o->auth,
        .sessions = o->sessions,
        .check_ms = conf_value_ms(o->settings, SETTING_OAUTH_CHECK_EVERY) / 3,
        .patience_ms = o->patience_ms,
    };
    bool has_issuers = conf_value_list_size(o->settings, SETTING_OAUTH_ISSUERS) > 0;
    struct keep_proofs *p = calloc(1, sizeof(*p));
    struct keep_chore_options chore = {
        .name = "keep-proofs", .run = check, .arg = p, .interval_ms = LOOK_MS};

    if (!p) {
        return ERR_NOMEM;
    }
    p->options = *o;
    if (has_issuers && tokens.check_ms < LOOK_MS) {
        chore.interval_ms = tokens.check_ms;
    }
    enum err e = has_issuers ? keep_tokens_create(&tokens, &p->tokens) : ERR_OK;

    e = e == ERR_OK ? keep_chore_start(&chore, &p->chore) : e;
    if (e != ERR_OK) {
        keep_proofs_destroy(p);
        return e;
    }
    *out = p;
    return ERR_OK;
}

struct keep_tokens *keep_proofs_tokens(const struct keep_proofs *p)
{
    return p->tokens;
}

void keep_proofs_stop(struct keep_proofs *p)
{
    if (p) {
        keep_chore_stop(p->chore);
        p->chore = NULL;
    }
}

void keep_proofs_destroy(struct keep_proofs *p)
{
    if (p) {
        keep_proofs_stop(p);
        keep_tokens_destroy(p->tokens);
        free(p);
    }
}
