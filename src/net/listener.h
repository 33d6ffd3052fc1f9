// SPDX-License-Identifier: Apache-2.0
//
// Accepting connections on a loop. When descriptors run out, a spare one is given up to accept and
// close the newcomer, so that the loop does not spin on a full accept queue. Several loops may
// share one listening socket. On the loop's thread unless said otherwise.
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/address.h"
#include "net/loop.h"

struct listener;

// A connection has come: `fd` is nonblocking, close-on-exec, and the callee's from now on.
typedef void listener_fn(void *arg, int fd, const struct address *peer);

// Opens a listening socket for the address (port reuse after a restart, IPv6 with IPv4 for "*").
// Any thread. ERR_EXISTS: in use by somebody; ERR_DENIED: not allowed; ERR_IO otherwise.
enum err listener_socket(const struct address *a, int *out_fd);

// The same at a path, which is removed first when nobody listens there any more; mode 0666. A
// connection's peer is then 127.0.0.1 without a port. ERR_INVALID: too long.
enum err listener_unix_socket(struct span path, int *out_fd);

// Listens on the loop; the descriptor becomes the listener's.
enum err listener_create(struct loop *l, int fd, listener_fn *fn, void *arg, struct listener **out);
// Stops accepting and closes. NULL is allowed.
void listener_destroy(struct listener *l);
// Holds accepting back, or goes on.
void listener_pause(struct listener *l, bool paused);

#endif
