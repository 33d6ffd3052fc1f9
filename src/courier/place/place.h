// SPDX-License-Identifier: Apache-2.0
//
// Where networks are, for the sign-in history: from a MaxMind DB file (setting geo_database) that
// the supervisor has opened. It is read here because the courier has the least to lose by a bad
// one: no store, no accounts, no TLS keys. It learns networks, never whose.
// On the loop's thread; reads the disk, a few dozen small pieces that are nearly always in memory.
#ifndef COURIER_PLACE_PLACE_H
#define COURIER_PLACE_PLACE_H

#include "courier/place/mmdb.h"
#include "ipc/message.h"

struct places {
    int fd; // -1: there is no file
    struct mmdb db;
    bool was_damage_told;
};

void places_init(struct places *p);
// The file from now on; `fd` is taken over; -1: none. Logs what it is, or why it cannot be used.
void places_take(struct places *p, int fd);
void places_close(struct places *p);

// The answer's texts lie in `place`.
void places_answer(struct places *p, const struct ipc_place_ask *ask, struct mmdb_place *place,
                   struct ipc_place_answer *out);

#endif
