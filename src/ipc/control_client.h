// SPDX-License-Identifier: Apache-2.0
//
// The command line's side of the control socket. Blocking; one thread.
//
//     control_connect(dir, &c)                     ERR_UNAVAILABLE: no server runs there
//     control_request(c, "account add", args)
//     control_send_chunk(c, bytes)* control_send_end(c)   only for commands that take data
//     while (control_next(c, &event) == ERR_OK && event.kind is PROGRESS or CHUNK) ...
//     control_disconnect(c)
#ifndef IPC_CONTROL_CLIENT_H
#define IPC_CONTROL_CLIENT_H

#include <jansson.h>

#include "ipc/control_frame.h"

struct control_client;

struct control_event {
    enum control_kind kind; // PROGRESS, CHUNK, RESULT or ERROR
    json_t *json;           // PROGRESS, RESULT, ERROR; belongs to the client until the next call
    struct span chunk;      // CHUNK; until the next call
};

enum err control_connect(const char *data_dir, struct control_client **out);
// The same over a socket that is connected already to somebody who speaks as the server does. The
// descriptor is taken over, also on failure.
enum err control_client_adopt(int fd, struct control_client **out);
void control_disconnect(struct control_client *c); // NULL is allowed
// control_next waits no longer than this for the next word, then ERR_TIMEOUT; a day at first.
void control_patience(struct control_client *c, int64_t ms);

// Sending to a server that has hung up is no error: control_next tells what it said last, or
// ERR_IO. `args` may be NULL; stays the caller's.
enum err control_request(struct control_client *c, const char *command, json_t *args);
// Any number of bytes; sent in frames of CONTROL_CHUNK_BYTES.
enum err control_send_chunk(struct control_client *c, struct span bytes);
enum err control_send_end(struct control_client *c);
// The next thing the server says; waits as long as it takes. After RESULT or ERROR: ERR_EOF.
enum err control_next(struct control_client *c, struct control_event *out);

// The whole of a command that takes and gives no data: *out_json (a new reference) is the result,
// or on ERR_INVALID the object {"code","text"} of the error. Progress goes to `progress`, or
// nowhere when NULL.
typedef void control_progress_fn(void *arg, uint64_t done, uint64_t total, const char *text);
enum err control_call_simple(const char *data_dir, const char *command, json_t *args,
                             control_progress_fn *progress, void *arg, json_t **out_json);

#endif
