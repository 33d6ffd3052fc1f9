// SPDX-License-Identifier: Apache-2.0
#include "wire/pop3/pop3_offer.h"

#include "wire/pop3/pop3_command.h"

#include "base/banned.h"

void pop3_capa_put(struct buf *out, const struct pop3_offer *offer)
{
    buf_put(out, SPAN("+OK Capabilities follow\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
                      "PIPELINING\r\nLOGIN-DELAY 0\r\nEXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\n"
                      "IMPLEMENTATION Mailkeep\r\n"));
    if (offer->has_stls) {
        buf_put(out, SPAN("STLS\r\n"));
    }
    if (offer->mechanisms.n) {
        buf_put(out, SPAN("USER\r\nSASL"));
        buf_put(out, offer->mechanisms);
        buf_put(out, SPAN("\r\n"));
    }
    buf_put(out, SPAN(".\r\n"));
}

void pop3_lang_put(struct buf *out, struct span tag)
{
    if (!tag.p) {
        buf_put(out, SPAN("+OK Languages follow\r\nen English\r\n.\r\n"));
    } else if (span_eq(tag, SPAN("*")) || span_eq_nocase(tag, SPAN("en")) ||
               span_eq_nocase(tag, SPAN("i-default"))) {
        pop3_ok_put(out, SPAN("en English it is"), false);
    } else {
        pop3_err_put(out, NULL, SPAN("There is no such language here, only English"), false);
    }
}
