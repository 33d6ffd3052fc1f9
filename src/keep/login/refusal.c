// SPDX-License-Identifier: Apache-2.0
#include "keep/login/refusal.h"

#include "ipc/message.h"

#include "base/banned.h"

void refusal_put(struct buf *out, unsigned protocol, struct span tag, enum refusal why,
                 const char *text)
{
    switch (protocol) {
    case IPC_POP3:
        buf_printf(out, "-ERR [SYS/TEMP] %s\r\n", text); // RFC 3206 section 4
        break;
    case IPC_MANAGESIEVE:
        buf_printf(out, "BYE (TRYLATER) \"%s\"\r\n", text);
        break;
    default:
        buf_put(out, tag);
        buf_printf(out, " NO [%s] %s\r\n* BYE %s\r\n",
                   why == REFUSAL_LIMIT ? "LIMIT" : "UNAVAILABLE", text, text);
        break;
    }
}
