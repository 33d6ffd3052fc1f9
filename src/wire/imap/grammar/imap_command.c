// SPDX-License-Identifier: Apache-2.0
//
// The table of commands, and the frame that every command has: tag, name, arguments, end.
#include "wire/imap/imap_command.h"

#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

#define ANY      (IMAP_STATE_NOT_AUTHENTICATED | IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)
#define BEFORE   IMAP_STATE_NOT_AUTHENTICATED
#define AFTER    (IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)
#define SELECTED IMAP_STATE_SELECTED

// May the command follow "UID "?
enum uid_form {
    UID_NEVER,
    UID_MAY,
    UID_OR_NUMBERS, // and without it the command is about message numbers
};

static const struct command {
    const char *name;
    imap_arguments_fn *parse;
    unsigned states;
    enum uid_form uid;
} commands[IMAP_COMMAND__COUNT] = {
    [IMAP_APPEND] = {"APPEND", imap_parse_append, AFTER, UID_NEVER},
    [IMAP_AUTHENTICATE] = {"AUTHENTICATE", imap_parse_authenticate, BEFORE, UID_NEVER},
    [IMAP_CANCELUPDATE] = {"CANCELUPDATE", imap_parse_cancelupdate, SELECTED, UID_NEVER},
    [IMAP_CAPABILITY] = {"CAPABILITY", imap_parse_none, ANY, UID_NEVER},
    [IMAP_CHECK] = {"CHECK", imap_parse_none, SELECTED, UID_NEVER},
    [IMAP_CLOSE] = {"CLOSE", imap_parse_none, SELECTED, UID_NEVER},
    [IMAP_COMPARATOR] = {"COMPARATOR", imap_parse_comparator, AFTER, UID_NEVER},
    [IMAP_COMPRESS] = {"COMPRESS", imap_parse_compress, AFTER, UID_NEVER},
    [IMAP_COPY] = {"COPY", imap_parse_copy, SELECTED, UID_OR_NUMBERS},
    [IMAP_CREATE] = {"CREATE", imap_parse_create, AFTER, UID_NEVER},
    [IMAP_DELETE] = {"DELETE", imap_parse_mailbox, AFTER, UID_NEVER},
    [IMAP_DELETEACL] = {"DELETEACL", imap_parse_acl, AFTER, UID_NEVER},
    // RFC 5161 section 3.1 leaves it to the server whether a selected mailbox matters.
    [IMAP_ENABLE] = {"ENABLE", imap_parse_enable, AFTER, UID_NEVER},
    [IMAP_ESEARCH] = {"ESEARCH", imap_parse_esearch, AFTER, UID_MAY},
    [IMAP_EXAMINE] = {"EXAMINE", imap_parse_select, AFTER, UID_NEVER},
    [IMAP_EXPUNGE] = {"EXPUNGE", imap_parse_expunge, SELECTED, UID_MAY},
    [IMAP_FETCH] = {"FETCH", imap_parse_fetch, SELECTED, UID_OR_NUMBERS},
    [IMAP_GENURLAUTH] = {"GENURLAUTH", imap_parse_genurlauth, AFTER, UID_NEVER},
    [IMAP_GETACL] = {"GETACL", imap_parse_mailbox, AFTER, UID_NEVER},
    [IMAP_GETMETADATA] = {"GETMETADATA", imap_parse_getmetadata, AFTER, UID_NEVER},
    [IMAP_GETQUOTA] = {"GETQUOTA", imap_parse_getquota, AFTER, UID_NEVER},
    [IMAP_GETQUOTAROOT] = {"GETQUOTAROOT", imap_parse_mailbox, AFTER, UID_NEVER},
    [IMAP_ID] = {"ID", imap_parse_id, ANY, UID_NEVER},
    [IMAP_IDLE] = {"IDLE", imap_parse_none, AFTER, UID_NEVER},
    [IMAP_LANGUAGE] = {"LANGUAGE", imap_parse_language, AFTER, UID_NEVER},
    [IMAP_LIST] = {"LIST", imap_parse_list, AFTER, UID_NEVER},
    [IMAP_LISTRIGHTS] = {"LISTRIGHTS", imap_parse_acl, AFTER, UID_NEVER},
    [IMAP_LOGIN] = {"LOGIN", imap_parse_login, BEFORE, UID_NEVER},
    [IMAP_LOGOUT] = {"LOGOUT", imap_parse_none, ANY, UID_NEVER},
    [IMAP_LSUB] = {"LSUB", imap_parse_list, AFTER, UID_NEVER},
    [IMAP_MOVE] = {"MOVE", imap_parse_copy, SELECTED, UID_OR_NUMBERS},
    [IMAP_MYRIGHTS] = {"MYRIGHTS", imap_parse_mailbox, AFTER, UID_NEVER},
    [IMAP_NAMESPACE] = {"NAMESPACE", imap_parse_none, AFTER, UID_NEVER},
    [IMAP_NOOP] = {"NOOP", imap_parse_none, ANY, UID_NEVER},
    [IMAP_NOTIFY] = {"NOTIFY", imap_parse_notify, AFTER, UID_NEVER},
    [IMAP_RENAME] = {"RENAME", imap_parse_rename, AFTER, UID_NEVER},
    [IMAP_REPLACE] = {"REPLACE", imap_parse_replace, SELECTED, UID_OR_NUMBERS},
    [IMAP_RESETKEY] = {"RESETKEY", imap_parse_resetkey, AFTER, UID_NEVER},
    [IMAP_SEARCH] = {"SEARCH", imap_parse_search, SELECTED, UID_OR_NUMBERS},
    [IMAP_SELECT] = {"SELECT", imap_parse_select, AFTER, UID_NEVER},
    [IMAP_SETACL] = {"SETACL", imap_parse_acl, AFTER, UID_NEVER},
    [IMAP_SETMETADATA] = {"SETMETADATA", imap_parse_setmetadata, AFTER, UID_NEVER},
    [IMAP_SETQUOTA] = {"SETQUOTA", imap_parse_setquota, AFTER, UID_NEVER},
    [IMAP_SORT] = {"SORT", imap_parse_sort, SELECTED, UID_OR_NUMBERS},
    [IMAP_STARTTLS] = {"STARTTLS", imap_parse_none, BEFORE, UID_NEVER},
    [IMAP_STATUS] = {"STATUS", imap_parse_status, AFTER, UID_NEVER},
    [IMAP_STORE] = {"STORE", imap_parse_store, SELECTED, UID_OR_NUMBERS},
    [IMAP_SUBSCRIBE] = {"SUBSCRIBE", imap_parse_mailbox, AFTER, UID_NEVER},
    [IMAP_THREAD] = {"THREAD", imap_parse_thread, SELECTED, UID_OR_NUMBERS},
    [IMAP_UNSELECT] = {"UNSELECT", imap_parse_none, SELECTED, UID_NEVER},
    [IMAP_UNSUBSCRIBE] = {"UNSUBSCRIBE", imap_parse_mailbox, AFTER, UID_NEVER},
    [IMAP_URLFETCH] = {"URLFETCH", imap_parse_urlfetch, AFTER, UID_NEVER},
};

const char *imap_command_name(enum imap_command_id id)
{
    return id < IMAP_COMMAND__COUNT ? commands[id].name : "?";
}

unsigned imap_command_states(enum imap_command_id id)
{
    return id < IMAP_COMMAND__COUNT ? commands[id].states : 0;
}

struct span imap_peek_tag(struct span text)
{
    size_t n = 0;

    while (n < text.n && imap_is_tag_char(text.p[n])) {
        n++;
    }
    // A tag is what a space follows; anything else could be a piece of something.
    return n < text.n && text.p[n] == ' ' ? span_first(text, n) : span_first(text, 0);
}

// "FETCH", or "UID FETCH".
static enum err take_name(struct imap_cursor *c, struct imap_command *out)
{
    size_t from = c->at;
    struct span name;

    if (imap_take_word(c, SPAN("UID"))) {
        out->uid = true;
        TRY(imap_take_space(c, "expected a space after UID"));
    }
    TRY(imap_take_atom(c, "expected a command", &name));
    for (size_t i = 0; i < IMAP_COMMAND__COUNT; i++) {
        if (span_eq_nocase(span_from_str(commands[i].name), name)) {
            out->id = (enum imap_command_id)i;
            return out->uid && commands[i].uid == UID_NEVER
                       ? imap_fail(c, IMAP_FAULT_UNKNOWN, from, "this command has no UID form")
                       : ERR_OK;
        }
    }
    return imap_fail(c, IMAP_FAULT_UNKNOWN, from, "unknown command");
}

enum err imap_check_numbers(struct imap_cursor *c, size_t from)
{
    return c->uid_only ? imap_fail(c, IMAP_FAULT_UID_REQUIRED, from,
                                   "message numbers are not allowed once UIDONLY is enabled")
                       : ERR_OK;
}

static enum err check_state(struct imap_cursor *c, unsigned state, enum imap_command_id id)
{
    if (!state || (commands[id].states & state)) {
        return ERR_OK;
    }
    imap_fail(c, IMAP_FAULT_STATE, c->at,
              state == IMAP_STATE_NOT_AUTHENTICATED ? "this command needs a login first"
              : commands[id].states == BEFORE       ? "this command is for before the login only"
                                                    : "this command needs a selected mailbox");
    return ERR_DENIED;
}

void imap_cursor_begin(struct imap_cursor *c, struct span text, struct arena *arena,
                       const struct imap_parse_options *options, struct imap_parse_error *error)
{
    *error = (struct imap_parse_error){.expected = ""};
    *c = (struct imap_cursor){
        .text = text,
        .arena = arena,
        .error = error,
        .utf8 = options->utf8,
        .utf8_names = options->utf8 || options->rev2,
        .uid_only = options->uid_only,
        .separator = options->separator ? options->separator : '/',
    };
}

static enum err parse(struct imap_cursor *c, unsigned state, struct imap_command *cmd)
{
    cmd->tag = c->error->tag = imap_peek_tag(c->text);
    if (cmd->tag.n == 0) {
        return imap_expected(c, "expected a tag and a space");
    }
    c->at = cmd->tag.n + 1;
    size_t from = c->at;

    TRY(take_name(c, cmd));
    TRY(check_state(c, state, cmd->id));
    if (commands[cmd->id].uid == UID_OR_NUMBERS && !cmd->uid) {
        TRY(imap_check_numbers(c, from));
    }
    TRY(commands[cmd->id].parse(c, cmd));
    return imap_take_end(c);
}

enum err imap_parse(struct span text, struct arena *arena, const struct imap_parse_options *options,
                    struct imap_command *out, struct imap_parse_error *error)
{
    struct imap_cursor c;
    struct imap_command cmd = {.id = IMAP_COMMAND__COUNT};

    imap_cursor_begin(&c, text, arena, options, error);
    TRY(parse(&c, options->state, &cmd));
    *out = cmd;
    return ERR_OK;
}

enum err imap_parse_search_keys(struct span text, struct arena *arena,
                                const struct imap_parse_options *options, struct imap_search *out,
                                struct imap_parse_error *error)
{
    struct imap_cursor c;
    struct imap_search search = {.extended = false};

    imap_cursor_begin(&c, text, arena, options, error);
    TRY(imap_take_search_keys(&c, &search));
    TRY(imap_take_end(&c));
    *out = search;
    return ERR_OK;
}
