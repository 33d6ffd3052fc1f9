// SPDX-License-Identifier: Apache-2.0
//
// A conversation with another of our processes over a Unix stream socket: frames in and out, with
// descriptors. Lives on a loop; messages and the end are reported there. Sending is for any thread
// and never blocks: what the socket does not take waits in a capped queue. Bytes that were sent or
// read are wiped, since they may hold passwords.
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include "ipc/message.h"
#include "net/loop.h"

struct channel;

struct channel_handler {
    // A frame has come, with frame->fds descriptors that are the callee's now. Spans live until it
    // returns. ERR_INVALID ends the conversation; the callee may close the channel.
    enum err (*message)(struct channel *c, void *arg, const struct ipc_frame *frame, int *fds);
    // The other side is gone or broke the rules (`e`: ERR_EOF, ERR_INVALID, ERR_IO). Called once;
    // the callee closes the channel, now or later.
    void (*ended)(struct channel *c, void *arg, enum err e);
};

// Takes over `fd` (made nonblocking). On the loop's thread. `queue_max`: cap of the bytes that may
// wait to be sent.
enum err channel_open(struct loop *l, int fd, size_t queue_max, const struct channel_handler *h,
                      void *arg, struct channel **out);
// On the loop's thread, when no other thread uses it any more. NULL is allowed.
void channel_close(struct channel *c);

// Sends frames made by the encoders; the descriptors stay the caller's (they are duplicated).
// ERR_LIMIT: the queue is full, nothing was sent; ERR_EOF: the conversation has ended. Any thread.
enum err channel_send(struct channel *c, struct span frames, const int *fds, unsigned n_fds);

// Without a loop, for the first words of a child and for tests: waits for one frame, at most
// `timeout_ms`, into `into`. ERR_TIMEOUT, ERR_EOF, ERR_INVALID. `fds` has room for IPC_FDS_MAX.
enum err channel_receive_blocking(int fd, int64_t timeout_ms, struct buf *into,
                                  struct ipc_frame *out, int *fds);
enum err channel_send_blocking(int fd, struct span frames, const int *fds, unsigned n_fds);
// Never waits, whatever `fd` is: ERR_AGAIN when it does not take all of it now.
enum err channel_send_now(int fd, struct span frame, const int *fds, unsigned n_fds);

#endif
