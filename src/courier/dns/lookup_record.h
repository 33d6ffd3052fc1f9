// SPDX-License-Identifier: Apache-2.0
//
// The data of a DNS record in the plain form of ipc/message_table.h (DNS_ANSWER). Pure; any thread.
#ifndef COURIER_DNS_LOOKUP_RECORD_H
#define COURIER_DNS_LOOKUP_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/dns_type.h"
#include "base/err.h"

#define LOOKUP_NAME_BYTES_MAX 1024 // of a name as text: 255 bytes, each at worst "\DDD"

// Appends a name in wire form (RFC 1035 section 3.1, without compression) as text and takes it off
// the front of *in. ERR_INVALID: cut, compressed or too long; nothing is appended then.
enum err lookup_name_put(struct buf *out, struct span *in);

// Appends u16 length and the record's data in plain form. ERR_INVALID: not what the type wants,
// nothing is appended; ERR_LIMIT: no room.
enum err lookup_record_put(struct buf *out, uint16_t type, struct span rdata);

// Takes a record off the front of *records; false at the end.
bool lookup_record_next(struct span *records, struct span *out);

// A record of type MX from plain form. ERR_INVALID.
enum err lookup_mx_read(struct span record, uint16_t *out_preference, struct span *out_host);

#endif
