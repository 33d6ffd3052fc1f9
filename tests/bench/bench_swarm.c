// SPDX-License-Identifier: Apache-2.0
//
// Many connections from one thread: each has one command under way, and gets its next as soon as
// the answer is here.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

static void watch(int ep, struct conn *c, int k)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)k};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e) < 0)
        fail("epoll: %s", strerror(errno));
}

// Gives connection k its next command; false when it has none.
static bool go_on(struct swarm *s, int k)
{
    s->begun[k] = now();
    s->fresh[k] = false;
    return s->next(s, k);
}

void swarm_run(struct swarm *s)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), busy = 0;
    s->begun = calloc((size_t)s->n, sizeof *s->begun);
    s->fresh = calloc((size_t)s->n, sizeof *s->fresh);
    if (ep < 0 || !s->begun || !s->fresh)
        fail("epoll or memory");
    for (int k = 0; k < s->n; k++)
        if (go_on(s, k)) {
            watch(ep, s->conns[k], k);
            busy++;
        }
    while (busy) {
        struct epoll_event events[64];
        int n = epoll_wait(ep, events, 64, 60000);
        if (n == 0)
            fail("no answer for 60 s");
        for (int i = 0; i < n; i++) {
            int k = (int)events[i].data.u32;
            struct conn *c = s->conns[k];
            if (c->status == ST_OPEN)
                conn_read(c, false);
            if (c->status == ST_OPEN)
                continue;
            s->done(s, k, now() - s->begun[k]);
            if (!go_on(s, k)) {
                busy--;
                if (s->conns[k])
                    epoll_ctl(ep, EPOLL_CTL_DEL, s->conns[k]->fd, NULL);
            } else if (s->fresh[k]) {
                watch(ep, s->conns[k], k);
            }
        }
    }
    close(ep);
    free(s->begun);
    free(s->fresh);
}
