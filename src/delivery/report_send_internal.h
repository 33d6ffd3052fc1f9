// SPDX-License-Identifier: Apache-2.0
//
// What report_send.c (DMARC, and the order of things) and report_send_tls.c share.
#ifndef DELIVERY_REPORT_SEND_INTERNAL_H
#define DELIVERY_REPORT_SEND_INTERNAL_H

#include "delivery/delivery_internal.h"
#include "delivery/report_send.h"
#include "report/report_session.h"
#include "senderauth/dmarc.h"

#define REPORT_PACKED_BYTES_MAX  (8u << 20) // more is taken by nobody
#define REPORT_MESSAGE_BYTES_MAX (16u << 20)

struct sender {
    struct delivery *delivery;
    struct reports *reports;
    const struct report_send_options *o;
    struct report_owed owed;
    struct arena arena; // of one report
    struct dmarc_address to[REPORT_ADDRESSES_MAX];
    size_t to_n;
    char id[80];
    struct resolver resolver; // asks as the options say
    struct report_send_result result;
};

static inline struct span sender_domain(const struct sender *s)
{
    return span_of(s->owed.domain, s->owed.domain_n);
}
// Whether an address can be written to and is not among those yet; its domain.
bool sender_takes(const struct sender *s, struct span address, struct domain_name *out_domain);
// "receiver!domain!begin!end!id" (RFC 7489 section 7.2.1.1, RFC 8460 section 5.1).
void sender_put_file_name(struct sender *s, struct buf *out);
// Date, From, To, Message-ID and what all reports have.
void sender_put_header(struct sender *s, struct buf *out);
void sender_put_base64(struct span bytes, struct buf *out);
// Writes down that it is sent, and sends; with no addresses only the first. `what`: for the trail.
enum err sender_send(struct sender *s, uint64_t count, struct span text, struct span what);

// report_send_tls.c
enum err sender_find_tls_addresses(struct sender *s);
enum err sender_send_tls(struct sender *s);

#endif
