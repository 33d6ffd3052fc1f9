// SPDX-License-Identifier: Apache-2.0
//
// An account's sign-in history, in rows that add up: one for each day, device, service, network and
// mail program (docs/format/store.md, `l`). Who signs in is not made to wait for it: keep collects
// what happens and writes it behind (keep/login/signin_log.h). Threads and blocking: see store.h.
#ifndef STORE_ACCESS_SIGNIN_H
#define STORE_ACCESS_SIGNIN_H

#include "store/store.h"

enum signin_service {
    SIGNIN_IMAP = 1,
    SIGNIN_SUBMISSION,
    SIGNIN_POP3,
    SIGNIN_SIEVE,
    SIGNIN_JMAP,
    SIGNIN_WEB,
};
#define SIGNIN_NETWORK_BYTES_MAX 48 // "2001:db8:1::/48"
#define SIGNIN_CLIENT_BYTES_MAX  64
#define SIGNIN_AT_ONCE           64
// Of an account. When a new row comes, older than asked for go first; beyond the maximum, of those
// that only failed the oldest goes, and when there are none, the oldest of all.
#define SIGNIN_ROWS_MAX 2000
// Rows of a day that only failed. What more networks fail at is counted in one row without network.
#define SIGNIN_FAILED_ROWS_MAX   100

#define SIGNIN_BY_READER         UINT32_MAX // as the device: another opened it; client: who
#define SIGNIN_COUNTRY_BYTES_MAX 64

// Where a network was when somebody signed in from it, as far as was known.
struct signin_place {
    char code[2]; // ISO 3166-1, "FR"; [0] is 0: not known, and then nothing else is
    uint8_t name_n;
    char name_text[SIGNIN_COUNTRY_BYTES_MAX]; // "France": UTF-8 without controls; may be empty
    bool has_position;
    int32_t latitude, longitude; // hundredths of a degree
    uint32_t radius_km;          // within which it was, probably
};
static inline struct span signin_place_name(const struct signin_place *p)
{
    return span_of(p->name_text, p->name_n);
}

struct signin {
    uint32_t device; // 0: the account's own password, or nobody knows (a failure)
    enum signin_service service;
    struct span network; // "192.0.2.0/24"; empty: many others
    struct span client;  // what the mail program calls itself: UTF-8 without controls; may be empty
    int64_t first, last; // seconds since 1970, of one day (UTC)
    uint64_t count, failures;
    struct signin_place place; // of the last that succeeded and was known
    modseq changed;            // the commit that changed it last; not looked at by signin_record
};

// Adds to the rows; one commit, which enters the change log without a record and leaves the
// mailboxes alone. `last` says the day. Rows of days before that of `keep_from` (seconds since
// 1970) go when a new row comes. At most SIGNIN_AT_ONCE. ERR_NOT_FOUND: no such account.
enum err signin_record(struct store *s, account_id account, const struct signin *items, size_t n,
                       int64_t keep_from);

// Oldest day first, from the day of `since` on. The spans live as long as the call.
typedef bool signin_fn(void *arg, const struct signin *row); // false: stop
enum err signin_list(struct store *s, account_id account, int64_t since, signin_fn *fn, void *arg);

// Upkeep: drops the rows of days before that of `keep_from`.
enum err signin_forget(struct store *s, account_id account, int64_t keep_from);

#endif
