// SPDX-License-Identifier: Apache-2.0
//
// As talk_session.h, with a ManageSieve session.
#include "fuzz.h"
#include "keep/managesieve/managesieve_session.h"
#include "talk_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct managesieve_server_options options;
    struct managesieve_server *server;
    struct talk_world world;

    if (n > TALK_INPUT_BYTES_MAX) {
        return 0;
    }
    talk_session_world(&world);
    managesieve_server_options_default(&options);
    CHECK(!managesieve_server_create(world.store, &options, &server));
    talk_session_fuzz(&world, &managesieve_session_protocol, server, span_of(data, n));
    managesieve_server_destroy(server);
    talk_world_close(&world);
    return 0;
}
