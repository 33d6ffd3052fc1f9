// SPDX-License-Identifier: Apache-2.0
//
// SEARCH and UID SEARCH (RFC 9051 section 6.4.4) with ESEARCH (RFC 4731), SEARCHRES (RFC 5182),
// PARTIAL (RFC 9394), CONDSTORE (RFC 7162 section 3.1.5), WITHIN (RFC 5032), OBJECTID and SAVEDATE
// keys.
#include "keep/imap/search/imap_search_internal.h"

#include "base/banned.h"

struct search_state {
    struct search_run run;
    struct found found;
    struct imap_context *context; // to be kept up to date
    bool is_saved;                // "$" is done, the answer is being written
};

static void search_cleanup(void *state)
{
    struct search_state *st = state;

    search_run_finish(&st->run);
    context_end(st->context);
}

static enum imap_step search_begin(struct imap_session *s)
{
    struct imap_search *search = &s->command.search;
    struct search_state *st = imap_state(s, sizeof(*st));

    if (!st) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    s->cleanup = search_cleanup;
    found_init(s, search, &st->found);
    if (context_begin(s, search, &st->context) == STEP_DONE) {
        return STEP_DONE;
    }
    enum imap_step step = search_run_begin(s, search, false, &st->run);

    st->run.only_first =
        !st->context && (st->found.returns & FOUND_SHOWN) == IMAP_SEARCH_RETURN_MIN;
    return step;
}

static enum imap_step search_go_on(struct imap_session *s, struct search_state *st)
{
    if (!st->run.is_done) {
        return search_run_step(s, &st->run);
    }
    if (!st->is_saved) {
        st->found.word = "SEARCH";
        st->found.set = st->run.found.set;
        st->found.n = uid_set_size(st->run.found.set);
        st->found.newest = st->run.newest;
        st->is_saved = true;
        context_keep(s, &st->context, st->found.set, NULL, 0);
        enum err e = found_save(s, &st->found);

        return e ? imap_answer_err(s, e) : STEP_MORE;
    }
    return found_write(s, &st->found);
}

enum imap_step imap_run_search(struct imap_session *s)
{
    struct search_state *st = s->state;
    enum imap_step step = st ? search_go_on(s, st) : search_begin(s);

    return step == STEP_DONE && s->result.condition != IMAP_OK
               ? found_failed(s, &s->command.search, step)
               : step;
}
