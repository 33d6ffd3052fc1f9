// SPDX-License-Identifier: Apache-2.0
//
// The commands, and those that are done in a few lines.
#include "base/log.h"
#include "keep/pop3/pop3_session_internal.h"
#include "wire/pop3/pop3_offer.h"

#include "base/banned.h"

struct pop3_item *pop3_message_of(struct pop3_session *s)
{
    uint32_t number = s->command.number;

    if (number == 0 || number > s->list.n) {
        pop3_say_err(s, NULL, "There is no message of that number");
        return NULL;
    }
    struct pop3_item *item = &s->list.items[number - 1];

    if (item->marks & POP3_DELETED) {
        pop3_say_err(s, NULL, "That message is marked as deleted");
        return NULL;
    }
    return item;
}

// ---- STAT, LIST, UIDL ---------------------------------------------------------------------------

// All sizes must be exact before one of them is said. POP3_STEP_DONE: they are.
static enum pop3_step sizes(struct pop3_session *s)
{
    enum err e = pop3_list_size_some(s->server->store, s->account, &s->list);

    if (e && e != ERR_AGAIN) {
        pop3_say_failure(s, e);
        return POP3_STEP_CLOSE; // rather than a size that does not hold
    }
    return e ? POP3_STEP_MORE : POP3_STEP_DONE;
}

static enum pop3_step do_stat(struct pop3_session *s)
{
    uint32_t n;
    uint64_t bytes;
    enum pop3_step step = sizes(s);

    if (step == POP3_STEP_DONE) {
        pop3_list_totals(&s->list, &n, &bytes);
        buf_printf(s->out, "+OK %u %llu\r\n", n, (unsigned long long)bytes);
    }
    return step;
}

static void put_size(struct pop3_session *s, uint32_t number)
{
    buf_printf(s->out, "%u %llu\r\n", number, (unsigned long long)s->list.items[number - 1].bytes);
}

// UID and UIDVALIDITY, in the form that Dovecot gives them by default: an import that keeps both
// numbers keeps the clients' memory, too.
static void put_uid(struct pop3_session *s, uint32_t number)
{
    buf_printf(s->out, "%u %08x%08x\r\n", number, s->list.items[number - 1].uid,
               s->list.uid_validity);
}

typedef void put_fn(struct pop3_session *s, uint32_t number);

static enum pop3_step put_all(struct pop3_session *s, const char *first, put_fn *put)
{
    size_t end = s->out->n + POP3_BATCH_BYTES;

    if (!s->is_begun) {
        pop3_say_ok(s, first);
        s->is_begun = true;
    }
    while (s->at < s->list.n && s->out->n < end) {
        uint32_t number = ++s->at;

        if (!(s->list.items[number - 1].marks & POP3_DELETED)) {
            put(s, number);
        }
    }
    if (s->at < s->list.n) {
        return POP3_STEP_MORE;
    }
    buf_put(s->out, SPAN(".\r\n"));
    return POP3_STEP_DONE;
}

static enum pop3_step put_one(struct pop3_session *s, put_fn *put)
{
    if (pop3_message_of(s)) {
        buf_put(s->out, SPAN("+OK "));
        put(s, s->command.number);
    }
    return POP3_STEP_DONE;
}

static enum pop3_step do_list(struct pop3_session *s)
{
    enum pop3_step step = s->is_begun ? POP3_STEP_DONE : sizes(s);

    if (step != POP3_STEP_DONE) {
        return step;
    }
    return s->command.number ? put_one(s, put_size) : put_all(s, "Sizes follow", put_size);
}

static enum pop3_step do_uidl(struct pop3_session *s)
{
    return s->command.number ? put_one(s, put_uid) : put_all(s, "Unique ids follow", put_uid);
}

// ---- the others ---------------------------------------------------------------------------------

static enum pop3_step do_dele(struct pop3_session *s)
{
    struct pop3_item *item = pop3_message_of(s);

    if (item && s->device.is_read_only) {
        pop3_say_err(s, NULL, session_read_only_text(&s->device));
    } else if (item) {
        item->marks |= POP3_DELETED;
        pop3_say_ok(s, "Deleted when you say QUIT");
    }
    return POP3_STEP_DONE;
}

static enum pop3_step do_rset(struct pop3_session *s)
{
    for (uint32_t i = 0; i < s->list.n; i++) {
        s->list.items[i].marks &= ~(uint32_t)POP3_DELETED;
    }
    pop3_say_ok(s, "Nothing is marked as deleted");
    return POP3_STEP_DONE;
}

static enum pop3_step do_noop(struct pop3_session *s)
{
    pop3_say_ok(s, "");
    return POP3_STEP_DONE;
}

static enum pop3_step do_capa(struct pop3_session *s)
{
    static const struct pop3_offer offer = {.has_stls = false};

    pop3_capa_put(s->out, &offer);
    return POP3_STEP_DONE;
}

static enum pop3_step do_quit(struct pop3_session *s)
{
    enum err e = pop3_update(s);

    if (e) {
        log_warn("pop3: %s: deleting failed: %s", s->user, err_name(e));
        pop3_say_err(s, "SYS/TEMP", "Some deleted messages were not removed; try again later");
    } else {
        pop3_say_ok(s, "Goodbye");
    }
    return POP3_STEP_CLOSE;
}

static enum pop3_step (*const steps[POP3_COMMAND__COUNT])(struct pop3_session *s) = {
    [POP3_CAPA] = do_capa,
    [POP3_STAT] = do_stat,
    [POP3_LIST] = do_list,
    [POP3_UIDL] = do_uidl,
    [POP3_RETR] = pop3_retrieve_begin,
    [POP3_TOP] = pop3_retrieve_begin,
    [POP3_DELE] = do_dele,
    [POP3_NOOP] = do_noop,
    [POP3_RSET] = do_rset,
    [POP3_QUIT] = do_quit,
};

enum pop3_step pop3_command_begin(struct pop3_session *s, struct span line)
{
    const char *why;
    struct pop3_command c;

    if (pop3_parse(line, &c, &why)) {
        pop3_say_err(s, NULL, why);
        return POP3_STEP_BAD;
    }
    if (!(pop3_command_states(c.id) & POP3_STATE_TRANSACTION)) {
        pop3_say_err(s, NULL, "You are logged in already");
        return POP3_STEP_BAD;
    }
    if (c.id == POP3_LANG) { // its text lives as long as the line
        pop3_lang_put(s->out, c.text);
        return POP3_STEP_DONE;
    }
    s->command = c;
    s->command.text = s->command.initial = (struct span){NULL, 0};
    s->is_begun = false;
    s->at = 0;
    s->step = steps[c.id];
    return s->step(s);
}
