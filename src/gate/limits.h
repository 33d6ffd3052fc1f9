// SPDX-License-Identifier: Apache-2.0
//
// How many connections there are before a login, to bring mail, or by HTTP: all together and from
// each address (the /64 of an IPv6 one). Any thread; does not block.
#ifndef GATE_LIMITS_H
#define GATE_LIMITS_H

#include "base/lock.h"
#include "base/map.h"
#include "conf/settings.h"
#include "gate/dialogue/dialogue.h"
#include "net/address.h"

enum limits_kind {
    LIMITS_LOGIN, // who waits to log in
    LIMITS_MAIL,  // who brings mail, for as long as it stays
    LIMITS_HTTP,  // who asks by HTTP, the same
    LIMITS_ADMIN, // administrators by HTTP: strangers take none of their places
    LIMITS__COUNT
};

struct limits {
    enum limits_kind kind;
    struct lock lock;   // of the two below
    struct map tallies; // address key -> how many
    unsigned total;
};

void limits_init(struct limits *l, enum limits_kind kind);
void limits_finish(struct limits *l);

// Counts a connection. ERR_LIMIT with *out_why DIALOGUE_TOO_MANY_FROM_ADDRESS, whatever else is
// going on, or DIALOGUE_TOO_MANY_CLIENTS; ERR_NOMEM as the latter.
enum err limits_enter(struct limits *l, const struct settings *s, const struct address *peer,
                      enum dialogue_end *out_why);
void limits_leave(struct limits *l, const struct address *peer); // after an enter that was OK

#endif
