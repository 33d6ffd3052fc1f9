// SPDX-License-Identifier: Apache-2.0
//
// The checks of gate/verdict for a client's dialogue.
#include "gate/client_internal.h"
#include "gate/dialogue/dialogue_check.h"
#include "gate/verdict/verdict.h"

#include "base/banned.h"

_Static_assert(VERDICT_HELD_BYTES_MAX <= DIALOGUE_CHECK_HELD_MAX, "room for what was held back");

static void on_done(void *arg, const struct verdict_result *r)
{
    struct client *c = arg;
    const struct dialogue_check_result result = {
        .is_refused = r->action == VERDICT_REJECT || r->action == VERDICT_TEMPORARY,
        .is_suspect = r->action == VERDICT_JUNK,
        .code = r->code,
        .enhanced = r->enhanced,
        .text = r->text,
        .lines = r->lines,
        .words = r->words,
        .report = r->report,
    };

    dialogue_checked(&c->dialogue, &result);
    client_step(c);
    client_settle(c);
}

static void on_room(void *arg)
{
    struct client *c = arg;

    dialogue_resume(&c->dialogue);
    client_step(c);
    client_settle(c);
}

static void *check_begin(struct dialogue *d, const struct dialogue_check_facts *facts)
{
    struct client *c = LIST_ITEM(d, struct client, dialogue);
    const struct verdict_options o = {
        .settings = c->config->settings,
        .loop = c->worker->loop,
        .desk = c->worker->dns,
        .is_checked = facts->is_checked,
        .server_name = d->host,
        .client = &c->peer,
        .helo = facts->helo,
        .sender = facts->sender,
        .is_utf8 = facts->is_utf8,
        .recipients = facts->recipients,
        .recipient_count = facts->recipient_n,
        .done = on_done,
        .go_on = on_room,
        .arg = c,
    };
    struct verdict *v;

    return verdict_begin(&o, &v) == ERR_OK ? v : NULL;
}

static enum err check_feed(void *check, struct span bytes, struct buf *out)
{
    return verdict_feed(check, bytes, out);
}

static bool check_is_full(const void *check)
{
    return verdict_is_full(check);
}

static enum err check_finish(void *check, struct buf *out)
{
    return verdict_finish(check, out);
}

static void check_destroy(void *check)
{
    verdict_destroy(check);
}

const struct dialogue_checker client_checker = {
    .begin = check_begin,
    .feed = check_feed,
    .is_full = check_is_full,
    .finish = check_finish,
    .destroy = check_destroy,
};
