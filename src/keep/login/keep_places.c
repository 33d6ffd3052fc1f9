// SPDX-License-Identifier: Apache-2.0
#include "keep/login/keep_places.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/utf8.h"
#include "net/address.h"

#include "base/banned.h"

#define REMEMBERED  1024 // a power of two; one may push out another
#define REMEMBER_MS 3600000
#define PAUSE_MS    5000 // after a question that nobody answered

struct remembered {
    uint64_t hash;
    int64_t until_ms; // monotonic; 0: nothing
    bool is_known;
    struct signin_place place;
};

struct keep_places {
    struct keep_places_options o;
    struct lock lock; // LOCK_VOUCH; what follows
    pthread_cond_t answered;
    bool is_on, has_ended, is_waiting;
    uint64_t last_id, generation; // the generation: of the file
    enum ipc_place result;        // of the question that waits; 0: none yet
    struct signin_place place;
    int64_t paused_until_ms;
    struct remembered remembered[REMEMBERED];
};

enum err keep_places_create(const struct keep_places_options *o, struct keep_places **out)
{
    struct keep_places *p = calloc(1, sizeof(*p));

    if (!p) {
        return ERR_NOMEM;
    }
    p->o = *o;
    lock_init(&p->lock, LOCK_VOUCH);
    lock_cond_init(&p->answered);
    *out = p;
    return ERR_OK;
}

void keep_places_destroy(struct keep_places *p)
{
    if (p) {
        pthread_cond_destroy(&p->answered);
        lock_finish(&p->lock);
        free(p);
    }
}

void keep_places_set(struct keep_places *p, bool is_on)
{
    lock_take(&p->lock);
    p->is_on = is_on;
    p->generation++;
    p->paused_until_ms = 0;
    memset(p->remembered, 0, sizeof(p->remembered));
    lock_release(&p->lock);
}

// Its first address, when that can be one of the Internet.
static bool first_address(struct span network, struct address_text *out)
{
    struct span host = span_first(network, span_find_byte(network, '/'));
    bool is_six = span_find_byte(host, ':') < host.n;
    char text[64];
    struct address a;
    int n = snprintf(text, sizeof(text), is_six ? "[%.*s]:1" : "%.*s:1", SPAN_ARG(host));

    if (host.n == 0 || n < 0 || (size_t)n >= sizeof(text) ||
        address_parse(span_of(text, (size_t)n), &a) != ERR_OK || !address_is_public(&a)) {
        return false;
    }
    *out = address_host_text(&a);
    return true;
}

static enum err send_ask(struct keep_places *p, uint64_t id, const struct address_text *address)
{
    const struct ipc_place_ask ask = {.id = id, .address = span_from_str(address->s)};
    struct buf frame;

    buf_init(&frame, 256);
    enum err e = ipc_place_ask_encode(&ask, 0, &frame);

    e = e == ERR_OK ? p->o.send(p->o.arg, buf_span(&frame)) : e;
    buf_finish(&frame);
    return e;
}

// With the lock held, which is given up while waiting. 0: nobody has answered.
static enum ipc_place ask(struct keep_places *p, const struct address_text *address)
{
    uint64_t id = ++p->last_id;
    int64_t deadline = clock_monotonic_ms() + p->o.timeout_ms;

    p->result = 0;
    p->is_waiting = true;
    lock_release(&p->lock);
    enum err e = send_ask(p, id, address);

    lock_take(&p->lock);
    while (e == ERR_OK && p->result == 0 && p->is_waiting && !p->has_ended) {
        if (!lock_cond_wait(&p->answered, &p->lock, deadline)) {
            break;
        }
    }
    p->is_waiting = false;
    return e == ERR_OK ? p->result : 0;
}

bool keep_places_find(struct keep_places *p, struct span network, struct signin_place *out)
{
    struct address_text address;
    int64_t now = clock_monotonic_ms();
    bool is_known = false;

    if (!first_address(network, &address)) {
        return false;
    }
    uint64_t hash = map_hash(network);
    struct remembered *r = &p->remembered[hash % REMEMBERED];

    lock_take(&p->lock);
    if (p->is_on && !p->has_ended) {
        if (r->hash == hash && r->until_ms > now) {
            is_known = r->is_known;
            *out = r->place;
        } else if (now >= p->paused_until_ms) {
            uint64_t generation = p->generation;
            enum ipc_place result = ask(p, &address);

            is_known = result == IPC_PLACE_KNOWN;
            *out = p->place;
            if (generation == p->generation && result != 0 && result != IPC_PLACE_UNAVAILABLE) {
                *r = (struct remembered){hash, now + REMEMBER_MS, is_known, p->place};
            } else if (generation == p->generation && result == 0) {
                p->paused_until_ms = now + PAUSE_MS;
            }
        }
    }
    lock_release(&p->lock);
    return is_known;
}

static bool is_code(struct span s)
{
    return s.n == 2 && s.p[0] >= 'A' && s.p[0] <= 'Z' && s.p[1] >= 'A' && s.p[1] <= 'Z';
}

// What the courier says is looked at as if it came from outside.
static struct signin_place place_of(const struct ipc_place_answer *m)
{
    struct signin_place place = {.has_position = m->has_position &&
                                                 m->latitude <= 2 * IPC_PLACE_SOUTH &&
                                                 m->longitude <= 2 * IPC_PLACE_WEST};
    bool is_clean = utf8_is_valid(m->name) && m->name.n <= sizeof(place.name_text);

    for (size_t i = 0; i < m->name.n; i++) {
        is_clean = is_clean && !byte_is_ctl(m->name.p[i]);
    }
    memcpy(place.code, m->country.p, is_code(m->country) ? 2 : 0);
    if (is_clean && m->name.n) {
        memcpy(place.name_text, m->name.p, m->name.n);
        place.name_n = (uint8_t)m->name.n;
    }
    if (place.has_position) {
        place.latitude = (int32_t)m->latitude - IPC_PLACE_SOUTH;
        place.longitude = (int32_t)m->longitude - IPC_PLACE_WEST;
        place.radius_km = m->radius_km;
    }
    return place;
}

enum err keep_places_answer(struct keep_places *p, struct span fields)
{
    struct ipc_place_answer m;
    enum err e = ipc_place_answer_decode(fields, &m);

    if (e != ERR_OK || m.result < IPC_PLACE_KNOWN || m.result > IPC_PLACE_UNAVAILABLE) {
        return ERR_INVALID;
    }
    lock_take(&p->lock);
    if (p->is_waiting && m.id == p->last_id) {
        p->place = place_of(&m);
        p->result = m.result == IPC_PLACE_KNOWN && !p->place.code[0] ? IPC_PLACE_NONE
                                                                     : (enum ipc_place)m.result;
        pthread_cond_broadcast(&p->answered);
    }
    lock_release(&p->lock);
    return ERR_OK;
}

void keep_places_lost(struct keep_places *p)
{
    lock_take(&p->lock);
    p->is_waiting = false;
    pthread_cond_broadcast(&p->answered);
    lock_release(&p->lock);
}

void keep_places_end(struct keep_places *p)
{
    lock_take(&p->lock);
    p->has_ended = true;
    pthread_cond_broadcast(&p->answered);
    lock_release(&p->lock);
}
