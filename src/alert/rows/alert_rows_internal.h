// SPDX-License-Identifier: Apache-2.0
//
// Keys of alerts (docs/format/alert.md). Only alert/rows/ includes this.
#ifndef ALERT_ROWS_INTERNAL_H
#define ALERT_ROWS_INTERNAL_H

#include "alert/rows/alert_rows.h"
#include "base/pack.h"

#define ALERT_SCHEMA_VERSION 1
#define ALERT_KEY_ROW        'a'
#define ALERT_KEY_DUE        'd'
#define ALERT_KEY_CURSOR     'c'
#define ALERT_KEY_MUTE       'm'
#define ALERT_KEY_MARK       's'
#define ALERT_KEY_BYTES      22

struct alert_key {
    size_t n;
    char p[ALERT_KEY_BYTES];
};
static inline struct span alert_key_span(const struct alert_key *k)
{
    return span_of(k->p, k->n);
}
// Of a row or of what is due.
struct alert_key alert_key_of(char kind, const struct alert_due *which);
// Letter and account: of a cursor or a mute, or where an account's rows begin.
struct alert_key alert_key_account(char kind, uint64_t account);
bool alert_key_read(struct span key, struct alert_due *out);

#endif
