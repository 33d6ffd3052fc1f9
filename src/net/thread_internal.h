// SPDX-License-Identifier: Apache-2.0
//
// Starting a thread as all of net/ does: named, signals blocked (the main thread takes them), a
// stack of known size so that memory is bounded.
#ifndef NET_THREAD_INTERNAL_H
#define NET_THREAD_INTERNAL_H

#include <pthread.h>

#include "base/err.h"

enum err thread_start(const char *name, void *(*run)(void *), void *arg, pthread_t *out);

#endif
