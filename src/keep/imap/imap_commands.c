// SPDX-License-Identifier: Apache-2.0
//
// The table of commands: what runs each, and what may be told about other people's changes when it
// ends. In which states a command is allowed is the parser's table (wire/imap/imap_command.h).
#include "keep/imap/imap_session_internal.h"

#include "base/banned.h"

// clang-format off
static const struct imap_handler handlers[IMAP_COMMAND__COUNT] = {
    [IMAP_APPEND]       = {imap_run_append,       TELL_ALL,      TELL_ALL},
    [IMAP_CANCELUPDATE] = {imap_run_cancelupdate, TELL_ALL,      TELL_ALL},
    [IMAP_CAPABILITY]   = {imap_run_capability,   TELL_ALL,      TELL_ALL},
    [IMAP_CHECK]        = {imap_run_noop,         TELL_ALL,      TELL_ALL},
    [IMAP_CLOSE]        = {imap_run_close,        TELL_NOTHING,  TELL_NOTHING},
    [IMAP_COMPARATOR]   = {imap_run_comparator,   TELL_ALL,      TELL_ALL},
    [IMAP_COMPRESS]     = {imap_run_compress,     TELL_NOTHING,  TELL_NOTHING},
    [IMAP_COPY]         = {imap_run_copy,         TELL_ALL,      TELL_ALL, true},
    [IMAP_CREATE]       = {imap_run_create,       TELL_ALL,      TELL_ALL, true},
    [IMAP_DELETE]       = {imap_run_delete,       TELL_ALL,      TELL_ALL, true},
    [IMAP_DELETEACL]    = {imap_run_deleteacl,    TELL_ALL,      TELL_ALL, true},
    [IMAP_ENABLE]       = {imap_run_enable,       TELL_ALL,      TELL_ALL},
    [IMAP_ESEARCH]      = {imap_run_esearch,      TELL_ALL,      TELL_ALL},
    [IMAP_EXAMINE]      = {imap_run_select,       TELL_NOTHING,  TELL_NOTHING},
    [IMAP_EXPUNGE]      = {imap_run_expunge,      TELL_OWN_GONE, TELL_OWN_GONE},
    [IMAP_FETCH]        = {imap_run_fetch,        TELL_NO_GONE,  TELL_ALL},
    [IMAP_GENURLAUTH]   = {imap_run_genurlauth,   TELL_ALL,      TELL_ALL, true},
    [IMAP_GETACL]       = {imap_run_getacl,       TELL_ALL,      TELL_ALL},
    [IMAP_GETMETADATA]  = {imap_run_getmetadata,  TELL_ALL,      TELL_ALL},
    [IMAP_GETQUOTA]     = {imap_run_getquota,     TELL_ALL,      TELL_ALL},
    [IMAP_GETQUOTAROOT] = {imap_run_getquotaroot, TELL_ALL,      TELL_ALL},
    [IMAP_ID]           = {imap_run_id,           TELL_ALL,      TELL_ALL},
    [IMAP_IDLE]         = {imap_run_idle,         TELL_ALL,      TELL_ALL},
    [IMAP_LANGUAGE]     = {imap_run_language,     TELL_ALL,      TELL_ALL},
    [IMAP_LIST]         = {imap_run_list,         TELL_ALL,      TELL_ALL},
    [IMAP_LISTRIGHTS]   = {imap_run_listrights,   TELL_ALL,      TELL_ALL},
    [IMAP_LOGOUT]       = {imap_run_logout,       TELL_NOTHING,  TELL_NOTHING},
    [IMAP_LSUB]         = {imap_run_lsub,         TELL_ALL,      TELL_ALL},
    [IMAP_MOVE]         = {imap_run_copy,         TELL_OWN_GONE, TELL_OWN_GONE, true},
    [IMAP_MYRIGHTS]     = {imap_run_myrights,     TELL_ALL,      TELL_ALL},
    [IMAP_NAMESPACE]    = {imap_run_namespace,    TELL_ALL,      TELL_ALL},
    [IMAP_NOOP]         = {imap_run_noop,         TELL_ALL,      TELL_ALL},
    [IMAP_NOTIFY]       = {imap_run_notify,       TELL_NOTHING,  TELL_NOTHING},
    [IMAP_RENAME]       = {imap_run_rename,       TELL_ALL,      TELL_ALL, true},
    [IMAP_REPLACE]      = {imap_run_append,       TELL_OWN_GONE, TELL_OWN_GONE},
    [IMAP_RESETKEY]     = {imap_run_resetkey,     TELL_ALL,      TELL_ALL, true},
    [IMAP_SEARCH]       = {imap_run_search,       TELL_NO_GONE,  TELL_ALL},
    [IMAP_SELECT]       = {imap_run_select,       TELL_NOTHING,  TELL_NOTHING},
    [IMAP_SETACL]       = {imap_run_setacl,       TELL_ALL,      TELL_ALL, true},
    [IMAP_SETMETADATA]  = {imap_run_setmetadata,  TELL_ALL,      TELL_ALL, true},
    [IMAP_SETQUOTA]     = {imap_run_setquota,     TELL_ALL,      TELL_ALL, true},
    [IMAP_SORT]         = {imap_run_sort,         TELL_NO_GONE,  TELL_ALL},
    [IMAP_STATUS]       = {imap_run_status,       TELL_ALL,      TELL_ALL},
    [IMAP_STORE]        = {imap_run_store,        TELL_NO_GONE,  TELL_ALL},
    [IMAP_SUBSCRIBE]    = {imap_run_subscribe,    TELL_ALL,      TELL_ALL, true},
    [IMAP_THREAD]       = {imap_run_thread,       TELL_NO_GONE,  TELL_ALL},
    [IMAP_UNSELECT]     = {imap_run_unselect,     TELL_NOTHING,  TELL_NOTHING},
    [IMAP_UNSUBSCRIBE]  = {imap_run_subscribe,    TELL_ALL,      TELL_ALL, true},
    [IMAP_URLFETCH]     = {imap_run_urlfetch,     TELL_ALL,      TELL_ALL},
};
// clang-format on

// LOGIN, AUTHENTICATE and STARTTLS never get past the parser after login.
static enum imap_step run_refused(struct imap_session *s)
{
    return imap_answer_bad(s, "Not in this state");
}

static enum imap_step run_denied(struct imap_session *s)
{
    return imap_answer_no(s, "NOPERM", session_read_only_text(&s->device));
}

const struct imap_handler *imap_handler_of(const struct imap_session *s, enum imap_command_id id)
{
    static const struct imap_handler refused = {.run = run_refused},
                                     denied = {run_denied, TELL_NO_GONE, TELL_ALL, false};

    if (s->device.is_read_only && handlers[id].changes) {
        return &denied;
    }
    return handlers[id].run ? &handlers[id] : &refused;
}
