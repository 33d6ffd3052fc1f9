// SPDX-License-Identifier: Apache-2.0
//
// What an account's owner and the administrator are warned of, and when: rules over facts that they
// are handed, the letter to the owner, the line for the log. Pure: no store, no clock, no sockets;
// any thread. Who reads the facts: keep/alert; where alerts are kept: alert/rows.
#ifndef ALERT_ALERT_H
#define ALERT_ALERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum alert_kind {
    ALERT_NEW_NETWORK = 1, // first sign-in from a network
    ALERT_NEW_COUNTRY,     // and from a country
    ALERT_TRAVEL,          // two sign-ins further apart than anybody travels
    ALERT_GUESSED,         // many failures, then a success
    ALERT_MAIL_OUT,        // a forwarding or a rule that sends mail out of the organisation
    ALERT_FOLDERS,         // folders deleted or renamed in bulk
    ALERT_DOWNLOAD,        // much of the mail was read in a short time
    ALERT_DELETION,        // much mail was deleted in a short time
    ALERT_QUOTA,           // the account is nearly full
    ALERT_DEVICE,          // a new device's app password
    ALERT_SECOND_FACTOR,   // the second factor was removed
    ALERT_TEST,            // an administrator asked for it
    ALERT_OPENED,          // an administrator opened the account as another
    ALERT_KIND_LAST = ALERT_OPENED,
};
#define ALERT_KINDS (ALERT_KIND_LAST + 1)

// Its short name: "new-network"; NULL for what is none.
const char *alert_kind_name(enum alert_kind kind);
bool alert_kind_parse(struct span name, enum alert_kind *out);

#define ALERT_TEXT_BYTES_MAX 512 // each of the texts of an alert; longer ones are cut

struct alert {
    uint64_t account;
    // What it was raised by: the number of the change, or, for a test, milliseconds since 1970.
    // With kind and salt it is the alert's name: the same is never raised twice.
    uint64_t trigger;
    enum alert_kind kind;
    uint32_t salt;
    int64_t when_ms;   // since 1970
    uint64_t count;    // of what the kind counts: folders, messages, failures, bytes, per cent
    uint64_t not_told; // of its kind before it that were held back by the limits
    struct span network, client, device, by; // from where, with what, which device, who; may be
                                             // empty
    struct span words;                       // addresses, folders, a country: what the kind names
};

// As settings say; see docs/alerts.md.
struct alert_settings {
    uint32_t off;        // bit n: kind n raises nothing
    bool exact_networks; // else what lies in the same /16 or /32 is one network
    int64_t learn_s;     // for so long after its first sign-in an account has no new networks
    uint64_t failures;   // wrong passwords before a right one
    uint64_t folders;    // deleted or renamed
    uint64_t deleted;    // messages
    uint64_t download;   // bytes
    uint64_t speed;      // km/h that people travel
    int64_t window_ms;   // in which these three are counted
    int64_t pause_ms;    // between two of a kind that are told
    unsigned per_day;    // of a kind that are told in 24 hours
};
void alert_settings_default(struct alert_settings *o);

// ---- sign-ins -----------------------------------------------------------------------------------

// A row of the sign-in history (store/access/signin.h), as far as the rules look at it.
struct alert_signin {
    struct span network, client; // "192.0.2.0/24", "2001:db8:1::/48"
    uint32_t device;
    int64_t first, last; // seconds since 1970, of one day
    uint64_t count, failures;
    uint64_t changed; // the commit that changed it last
    bool is_limited;  // by a device that may come from some networks only: no place is news
    struct span country, country_name; // "FR", "France"; empty: not known
    bool has_position;
    int32_t latitude, longitude; // hundredths of a degree
    uint32_t radius_km;          // within which it was
};

// The same network for the rules: the same text, or, unless `exact`, the same /16 or /32.
bool alert_same_network(struct span a, struct span b, bool exact);
// A number for the network that the rules take as one.
uint32_t alert_network_salt(struct span network, bool exact);

// What the rules find in an account's history. The caller sees to it that none is raised that it
// has raised before. Spans are those of the rows.
typedef void alert_found_fn(void *arg, const struct alert *a);

// How far two rows with positions are from each other at least, in km: both radii are deducted.
uint32_t alert_apart_km(const struct alert_signin *a, const struct alert_signin *b);
#define ALERT_NEAR_KM 500 // what is nearer is one place

// Looks at what changed after `seen`: rows (all that are kept, in any order). Networks that were
// signed in from before `since` (seconds since 1970: when alerts began to look at the account) are
// known. Of one row at most one is found, what says most. Linear in the rows that changed times the
// rows, but for a sign-in from a new place far away: then, a few times, quadratic in the rows.
void alert_signins(const struct alert_settings *o, const struct alert_signin *rows, size_t n,
                   uint64_t seen, int64_t since, alert_found_fn *fn, void *arg);

// ---- counting -----------------------------------------------------------------------------------

#define ALERT_METER_PARTS 4

// Counts what happens within a window, in four parts of it.
struct alert_meter {
    int64_t part; // number of the newest
    uint64_t counts[ALERT_METER_PARTS];
};
// Adds and returns the sum of the window that ends at `when_ms`; what is older is left out.
uint64_t alert_meter_add(struct alert_meter *m, int64_t window_ms, int64_t when_ms, uint64_t by);
void alert_meter_clear(struct alert_meter *m);

// ---- quota --------------------------------------------------------------------------------------

// 0, 80 or 95: what it is at now. A level that was reached (`before`) is left only five per cent
// below, so that mail that comes and goes at the border is told once. `max` UINT64_MAX: no limit.
unsigned alert_quota_level(uint64_t used, uint64_t max, unsigned before);

// ---- limits -------------------------------------------------------------------------------------

// May one more of the kind be told? `last_ms`: when the last one was, 0 never; `told`: how many in
// the 24 hours before.
bool alert_may_be_told(const struct alert_settings *o, enum alert_kind kind, int64_t now_ms,
                       int64_t last_ms, unsigned told);

// ---- words --------------------------------------------------------------------------------------

// One sentence that says what happened, without line end: for lists and the letter.
void alert_sentence_put(struct buf *out, const struct alert *a);

struct alert_letter {
    struct span server;     // this server's name
    struct span address;    // the account's
    struct span message_id; // with angle brackets
    int64_t now_ms;
    bool has_second_factor; // there is such a thing to advise
};
// Appends the message to the owner: text alone, lines end in CR LF, no links. ERR_LIMIT, ERR_NOMEM.
enum err alert_letter_put(struct buf *out, const struct alert *a, const struct alert_letter *l);

#define ALERT_KEYWORD "$MailkeepAlert" // of the message: outside mail cannot have it
#define ALERT_FIELD   "Mailkeep-Alert" // a header field, taken off mail from outside

#endif
