// SPDX-License-Identifier: Apache-2.0
//
// A logged-in client sends anything at all to a ManageSieve session over a store with a few
// messages. Nothing may crash, and every line of an answer is whole.
#include "../unit/keep_talk/talk_driver.h"
#include "base/log.h"
#include "fuzz.h"
#include "keep/managesieve/managesieve_session.h"

#define INPUT_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct managesieve_server_options options;
    struct managesieve_server *server;
    struct talk_world world;
    struct talk t;

    if (n > INPUT_BYTES_MAX) {
        return 0;
    }
    log_set_level(LOG_ERROR);
    talk_world_open(&world);
    talk_add(&world, SPAN("Subject: a\r\n\r\n.\r\n..\r\n"));
    talk_add(&world, SPAN("Subject: b\n\nbare\rline"));
    managesieve_server_options_default(&options);
    CHECK(!managesieve_server_create(world.store, &options, &server));
    talk_open(&t, &world, &managesieve_session_protocol, server);
    talk_say(&t, span_of(data, n));
    CHECK(t.heard.n < 2 || (t.heard.p[t.heard.n - 1] == '\n' && t.heard.p[t.heard.n - 2] == '\r'));
    t.is_gone = true;
    talk_run(&t);
    CHECK(t.wait.closed);
    talk_close(&t);
    managesieve_server_destroy(server);
    talk_world_close(&world);
    return 0;
}
