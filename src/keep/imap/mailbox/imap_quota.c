// SPDX-License-Identifier: Apache-2.0
//
// GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208). An account has one quota root for all its mailboxes,
// with the resources STORAGE (in units of 1,024 bytes) and MESSAGE. Only what is limited is shown.
#include "keep/imap/imap_place.h"
#include "store/quota.h"

#include "base/banned.h"

#define QUOTA_ROOT "Account"

static void write_resource(struct imap_session *s, const char **before, const char *name,
                           uint64_t used, uint64_t limit)
{
    buf_put_str(s->out, *before);
    buf_put_str(s->out, name);
    buf_put_byte(s->out, ' ');
    buf_put_u64(s->out, used);
    buf_put_byte(s->out, ' ');
    buf_put_u64(s->out, limit);
    *before = " ";
}

static enum err write_quota(struct imap_session *s, struct view *v)
{
    struct quota q;
    const char *before = "";
    enum err e = view_quota(v, &q);

    if (e) {
        return e;
    }
    OUT(s, "* QUOTA " QUOTA_ROOT " (");
    if (q.bytes_max != UINT64_MAX) {
        write_resource(s, &before, "STORAGE", q.bytes / 1024 + (q.bytes % 1024 != 0),
                       q.bytes_max / 1024);
    }
    if (q.messages_max != UINT64_MAX) {
        write_resource(s, &before, "MESSAGE", q.messages, q.messages_max);
    }
    OUT(s, ")\r\n");
    return ERR_OK;
}

enum imap_step imap_run_getquota(struct imap_session *s)
{
    struct view *v;

    if (!span_eq(s->command.root, SPAN(QUOTA_ROOT))) {
        return imap_answer_no(s, "NONEXISTENT", "There is no such quota root");
    }
    enum err e = imap_view_open(s, s->account, &v);

    if (!e) {
        e = write_quota(s, v);
        view_close(v);
    }
    return e ? imap_answer_err(s, e) : imap_answer_ok(s, "GETQUOTA completed");
}

// The quota of somebody else is theirs to know: their mailboxes have no root here.
enum imap_step imap_run_getquotaroot(struct imap_session *s)
{
    struct imap_place p;
    const char *why = "";
    enum err e = imap_place_open(s, s->command.mailbox, ACL_READ, true, &p, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    OUT(s, "* QUOTAROOT ");
    imap_name_out(s, p.full);
    buf_put_str(s->out, p.is_own ? " " QUOTA_ROOT "\r\n" : "\r\n");
    if (p.is_own) {
        e = write_quota(s, p.view);
    }
    imap_place_close(&p);
    return e ? imap_answer_err(s, e) : imap_answer_ok(s, "GETQUOTAROOT completed");
}

enum imap_step imap_run_setquota(struct imap_session *s)
{
    return imap_answer_no(s, "NOPERM", "Only an administrator sets quotas");
}
