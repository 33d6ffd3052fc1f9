// SPDX-License-Identifier: Apache-2.0
//
// Bytes of the control socket (`control.sock` in the data directory, mode 0600), over which the
// command line talks to keep: u32 length of what follows (little-endian) | u8 kind | payload.
//
//     client  REQUEST {"version":1,"command":"account add","args":{...}}
//             CHUNK* END              when the command takes data (import)
//     server  PROGRESS {"done":n,"total":n,"text":"..."} and CHUNK, any number, in any order
//             RESULT {...}  or  ERROR {"code":"not found","text":"..."}   and the conversation ends
#ifndef IPC_CONTROL_FRAME_H
#define IPC_CONTROL_FRAME_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define CONTROL_SOCKET_NAME     "control.sock"
#define CONTROL_VERSION         1
#define CONTROL_FRAME_BYTES_MAX (1u << 20)
#define CONTROL_CHUNK_BYTES     (64u << 10) // what writers send at a time

enum control_kind {
    CONTROL_REQUEST = 1,
    CONTROL_CHUNK = 2,
    CONTROL_END = 3, // no more chunks
    CONTROL_PROGRESS = 4,
    CONTROL_RESULT = 5,
    CONTROL_ERROR = 6,
};

// Blocking, with a deadline per call; any thread, one at a time for a descriptor.
enum err control_frame_write(int fd, enum control_kind kind, struct span payload,
                             int64_t timeout_ms);
// The payload replaces what is in `into`. ERR_EOF, ERR_TIMEOUT, ERR_INVALID, ERR_IO.
enum err control_frame_read(int fd, int64_t timeout_ms, struct buf *into,
                            enum control_kind *out_kind);

#endif
