// SPDX-License-Identifier: Apache-2.0
//
// Keep's side of the control socket. The socket is made before the sandbox is entered. Each
// conversation runs one command on a thread of its own pool (at most 8 at a time, 32 waiting),
// where the handler may block. Whoever can open the socket (its owner and root) is trusted with
// every command.
#ifndef IPC_CONTROL_SERVER_H
#define IPC_CONTROL_SERVER_H

#include <jansson.h>

#include "ipc/control_frame.h"
#include "net/loop.h"

struct control_server;
struct control_call;

// Runs on a control thread. Must end with control_reply or control_fail; when it does not, the
// client is told that it failed.
typedef void control_command_fn(struct control_call *call, void *arg);

struct control_command {
    const char *name; // "account add"
    control_command_fn *run;
};

// Makes the socket (replacing a dead one). Before the sandbox.
enum err control_socket_open(const char *data_dir, int *out_fd);

// Serves on the loop; `commands` ends with a row whose name is NULL and must stay. Takes over `fd`.
enum err control_server_create(struct loop *l, int fd, const struct control_command *commands,
                               void *arg, struct control_server **out);
// The same without a socket: conversations come by control_server_take. At most `threads` commands
// run at a time, and `waiting_max` wait.
enum err control_server_create_bare(unsigned threads, unsigned waiting_max,
                                    const struct control_command *commands, void *arg,
                                    struct control_server **out);
// Serves one conversation over a connected socket, which is taken over. Any thread.
void control_server_take(struct control_server *s, int fd);
// The same for somebody: `who`, from malloc, is the handler's (control_who), and freed at the end.
void control_server_take_for(struct control_server *s, int fd, void *who);
// Stops accepting, tells running calls to end (control_cancelled), waits for them. NULL is allowed.
void control_server_destroy(struct control_server *s);

// For handlers, on their thread. Arguments belong to the call; missing ones are NULL / the default.
const char *control_command_name(struct control_call *c); // "account add"
void *control_who(struct control_call *c);                // of control_server_take_for, or NULL
json_t *control_args(struct control_call *c);
const char *control_arg_text(struct control_call *c, const char *name); // NULL: missing, no text
bool control_arg_bool(struct control_call *c, const char *name);
// The client is gone or the server stops: end soon.
bool control_cancelled(struct control_call *c);

// Bytes the client sends: appends a piece to `into`; ERR_EOF after the last.
enum err control_read_chunk(struct control_call *c, struct buf *into);
enum err control_write_chunk(struct control_call *c, struct span bytes);
// At most ten a second are really sent; `text` may be NULL.
void control_progress(struct control_call *c, uint64_t done, uint64_t total, const char *text);
// Ends the call; `result` is taken over and may be NULL ({}).
void control_reply(struct control_call *c, json_t *result);
// Ends the call with an error: its short name and a sentence for a person.
void control_fail(struct control_call *c, enum err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
