// SPDX-License-Identifier: Apache-2.0
//
// A logged-in client sends anything at all to a session over a store with a few messages. The first
// byte chooses what it did before. Nothing may crash, and every answer is well-formed.
#include "../unit/keep_imap/session_driver.h"
#include "base/log.h"
#include "fuzz.h"

#define INPUT_BYTES_MAX 4096

static void prepare(struct driver *d, uint8_t mode)
{
    static const char *const enables[] = {"", "p ENABLE IMAP4rev2\r\n", "p ENABLE QRESYNC\r\n",
                                          "p ENABLE UTF8=ACCEPT\r\n"};
    static const char *const selects[] = {"", "q SELECT INBOX\r\n", "q EXAMINE INBOX\r\n",
                                          "q SELECT INBOX (CONDSTORE)\r\n"};

    driver_send(d, span_from_str(enables[mode & 3]));
    driver_send(d, span_from_str(selects[mode >> 2 & 3]));
}

// Another session changes things in the middle, so that there is something to tell.
static void meddle(struct driver_world *w)
{
    struct driver other;

    driver_open(&other, w);
    driver_send(&other, SPAN("a SELECT INBOX\r\nb STORE 2:3 +FLAGS (\\Deleted $k)\r\n"
                             "c EXPUNGE\r\nd COPY 1 INBOX\r\n"));
    driver_close(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct driver_world world;
    struct driver d;
    struct buf heard;
    size_t at;

    if (n < 2 || n > INPUT_BYTES_MAX) {
        return 0;
    }
    log_set_level(LOG_ERROR);
    driver_world_open(&world, 4);
    driver_open(&d, &world);
    prepare(&d, data[0]);
    size_t half = data[0] & 0x80 ? (n - 1) / 2 : n - 1;

    driver_send(&d, span_of(data + 1, half));
    if (half < n - 1) {
        meddle(&world);
        driver_send(&d, span_of(data + 1 + half, n - 1 - half));
    }
    buf_init(&heard, 1u << 30);
    CHECK(driver_is_well_formed(driver_heard(&d, &heard), &at));
    buf_finish(&heard);
    d.is_gone = true;
    driver_run(&d);
    CHECK(d.wait.closed);
    driver_close(&d);
    driver_world_close(&world);
    return 0;
}
