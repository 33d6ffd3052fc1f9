// SPDX-License-Identifier: Apache-2.0
#include "talk_session.h"

#include "base/log.h"
#include "fuzz.h"

void talk_session_world(struct talk_world *world)
{
    log_set_level(LOG_ERROR);
    talk_world_open(world);
    talk_add(world, SPAN("Subject: a\r\n\r\n.\r\n..\r\n"));
    talk_add(world, SPAN("Subject: b\n\nbare\rline"));
}

void talk_session_fuzz(struct talk_world *world, const struct session_protocol *protocol,
                       void *server, struct span input)
{
    struct talk t;

    talk_open(&t, world, protocol, server);
    talk_say(&t, input);
    CHECK(t.heard.n < 2 || (t.heard.p[t.heard.n - 1] == '\n' && t.heard.p[t.heard.n - 2] == '\r'));
    t.is_gone = true;
    talk_run(&t);
    CHECK(t.wait.closed);
    talk_close(&t);
}
