// SPDX-License-Identifier: Apache-2.0
#include "smtp_dump.h"

void smtp_dump_address(struct buf *out, const struct smtp_address *a)
{
    static const char *const kinds[] = {"none", "name", "ipv4", "ipv6", "general"};

    buf_printf(out, "(%.*s|%.*s|%s%s)", SPAN_ARG(a->local), SPAN_ARG(a->domain.text),
               kinds[a->domain.kind], a->utf8 ? " utf8" : "");
}

static void dump_mail(struct buf *out, const struct smtp_mail *m)
{
    static const char *const bodies[] = {"", " 7bit", " 8bit", " binary"};
    static const char *const rets[] = {"", " full", " hdrs"};
    static const char *const holds[] = {"", " for ", " until "};

    smtp_dump_address(out, &m->from);
    if (m->has_size) {
        buf_put_str(out, " size ");
        buf_put_u64(out, m->size);
    }
    buf_printf(out, "%s%s%s%s", bodies[m->body], m->utf8 ? " utf8" : "",
               m->requiretls ? " requiretls" : "", rets[m->ret]);
    if (m->envid.p) {
        buf_printf(out, " envid %.*s", SPAN_ARG(m->envid));
    }
    if (m->has_auth) {
        buf_put_str(out, " auth ");
        smtp_dump_address(out, &m->auth);
    }
    if (m->hold) {
        buf_printf(out, "%s%lld", holds[m->hold], (long long)m->hold_value);
    }
    if (m->has_priority) {
        buf_printf(out, " priority %d", m->priority);
    }
}

static void dump_rcpt(struct buf *out, const struct smtp_rcpt *r)
{
    smtp_dump_address(out, &r->to);
    if (r->notify) {
        buf_printf(out, " notify %x", r->notify);
    }
    if (r->orcpt_type.p) {
        buf_printf(out, " orcpt %.*s %.*s", SPAN_ARG(r->orcpt_type), SPAN_ARG(r->orcpt));
    }
}

static void dump_xclient(struct buf *out, const struct smtp_xclient *x)
{
    for (int i = 0; i < SMTP_XCLIENT__COUNT; i++) {
        if (x->values[i].p) {
            buf_printf(out, "[%d%s=%.*s]", i, x->temporary >> i & 1 ? "t" : "",
                       SPAN_ARG(x->values[i]));
        }
    }
}

void smtp_dump_command(struct buf *out, const struct smtp_command *cmd)
{
    buf_printf(out, "%s ", smtp_command_name(cmd->id));
    switch (cmd->id) {
    case SMTP_HELO:
    case SMTP_EHLO:
    case SMTP_LHLO:
        buf_printf(out, "%.*s %d", SPAN_ARG(cmd->helo.name), (int)cmd->helo.domain.kind);
        break;
    case SMTP_MAIL:
        dump_mail(out, &cmd->mail);
        break;
    case SMTP_RCPT:
        dump_rcpt(out, &cmd->rcpt);
        break;
    case SMTP_BDAT:
        buf_put_u64(out, cmd->chunk.bytes);
        buf_put_str(out, cmd->chunk.last ? " last" : "");
        break;
    case SMTP_AUTH:
        buf_printf(out, "%.*s%s%.*s", SPAN_ARG(cmd->auth.mechanism),
                   cmd->auth.has_initial ? " " : "", SPAN_ARG(cmd->auth.initial));
        break;
    case SMTP_VRFY:
    case SMTP_EXPN:
        buf_printf(out, "%.*s%s", SPAN_ARG(cmd->verify.text), cmd->verify.utf8 ? " utf8" : "");
        break;
    case SMTP_XCLIENT:
        dump_xclient(out, &cmd->xclient);
        break;
    case SMTP_NOOP:
    case SMTP_HELP:
        buf_printf(out, "%.*s", SPAN_ARG(cmd->text));
        break;
    default:
        break;
    }
}
