// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include "net/thread_internal.h"

#include "base/banned.h"

#define STACK_BYTES (1u << 20) // address space; pages are taken when touched

enum err thread_start(const char *name, void *(*run)(void *), void *arg, pthread_t *out)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_t t;

    if (pthread_attr_init(&attr) != 0) {
        return ERR_NOMEM;
    }
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&t, &attr, run, arg);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (r != 0) {
        return ERR_LIMIT;
    }
    pthread_setname_np(t, name);
    *out = t;
    return ERR_OK;
}
