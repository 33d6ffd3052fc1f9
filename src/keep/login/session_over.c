// SPDX-License-Identifier: Apache-2.0
#include "keep/login/session_over.h"

#include "base/clock.h"
#include "base/log.h"

#include "base/banned.h"

#define AT_ONCE     64
#define ARENA_BYTES 16384

// The second at which the device's time is over, as the store has it. 0: it does not end. A device
// that is not there any more has ended.
static enum err look_up(struct store *s, const struct keep_session_due *due, int64_t *out)
{
    struct device d;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    enum err e = device_get(s, due->holder, due->device, &a, &d);

    if (e == ERR_OK) {
        *out = d.until;
    } else if (e == ERR_NOT_FOUND) {
        *out = 1;
        e = ERR_OK;
    }
    arena_finish(&a);
    return e;
}

void session_over_check(struct store *s, struct keep_sessions *sessions, int64_t patience_ms)
{
    struct keep_session_due due[AT_ONCE];
    int64_t now_s = clock_real_s();
    size_t n = keep_sessions_due(sessions, now_s, due, AT_ONCE); // others have the next turn

    for (size_t i = 0; i < n; i++) {
        int64_t until;
        enum err e = look_up(s, &due[i], &until);

        if (e != ERR_OK) { // nobody is put out for that; it is looked at again
            log_warn("whether the time of a device of account %llu is over cannot be seen: %s",
                     (unsigned long long)due[i].holder, err_name(e));
        } else if (until && until <= now_s) {
            keep_sessions_end(sessions, due[i].account, due[i].number, SESSION_OVER, patience_ms);
        } else {
            keep_sessions_over_later(sessions, due[i].holder, due[i].device, until);
        }
    }
}
