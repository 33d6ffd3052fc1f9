// SPDX-License-Identifier: Apache-2.0
#include "wire/managesieve/managesieve_offer.h"

#include "base/banned.h"

static void put_line(struct buf *out, const char *name, struct span value)
{
    managesieve_string_put(out, span_from_str(name));
    if (value.p) {
        buf_put_byte(out, ' ');
        managesieve_string_put(out, value);
    }
    buf_put(out, SPAN("\r\n"));
}

void managesieve_capabilities_put(struct buf *out, const struct managesieve_offer *offer)
{
    put_line(out, "IMPLEMENTATION", SPAN("Mailkeep"));
    put_line(out, "SASL", offer->mechanisms.n ? offer->mechanisms : SPAN(""));
    put_line(out, "SIEVE", offer->extensions);
    put_line(out, "NOTIFY", SPAN("mailto"));
    buf_printf(out, "\"MAXREDIRECTS\" \"%u\"\r\n", offer->redirects_max);
    if (offer->has_starttls) {
        put_line(out, "STARTTLS", (struct span){NULL, 0});
    }
    if (offer->owner.p) {
        put_line(out, "OWNER", offer->owner);
    }
    put_line(out, "VERSION", SPAN("1.0"));
}
