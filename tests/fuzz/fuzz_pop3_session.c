// SPDX-License-Identifier: Apache-2.0
//
// As talk_session.h, with a POP3 session.
#include "fuzz.h"
#include "keep/pop3/pop3_session.h"
#include "talk_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pop3_server_options options;
    struct pop3_server *server;
    struct talk_world world;

    if (n > TALK_INPUT_BYTES_MAX) {
        return 0;
    }
    talk_session_world(&world);
    pop3_server_options_default(&options);
    CHECK(!pop3_server_create(world.store, &options, &server));
    talk_session_fuzz(&world, &pop3_session_protocol, server, span_of(data, n));
    pop3_server_destroy(server);
    talk_world_close(&world);
    return 0;
}
