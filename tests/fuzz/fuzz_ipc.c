// SPDX-License-Identifier: Apache-2.0
//
// Frames between the processes: any bytes are taken apart; what decodes encodes to the same bytes.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ipc/message.h"

static void check_frame(const struct ipc_frame *frame, struct span whole)
{
    struct buf again;
    bool decoded = false;

    buf_init(&again, IPC_FRAME_BYTES_MAX);
    switch (frame->type) {
#define MESSAGE(ID, number, name, rows)                                                            \
    case IPC_##ID: {                                                                               \
        struct ipc_##name m;                                                                       \
        decoded = ipc_##name##_decode(frame->fields, &m) == ERR_OK;                                \
        CHECK(!decoded || ipc_##name##_encode(&m, frame->fds, &again) == ERR_OK);                  \
        break;                                                                                     \
    }
#include "ipc/message_table.h"
#undef MESSAGE
    }
    CHECK(!decoded || span_eq(buf_span(&again), whole));
    buf_finish(&again);
}

// Says that a frame is of this version whatever version it says, so that the seeds outlive one; 0
// stays, which is none.
static void make_current(uint8_t *bytes, size_t n)
{
    if (n > 4 && bytes[4] != 0) {
        bytes[4] = IPC_VERSION;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n + 1);
    size_t at = 0;
    struct ipc_frame frame;

    CHECK(copy != NULL);
    memcpy(copy, data, n);
    make_current(copy, n);
    while (ipc_frame_next(span_of(copy + at, n - at), &frame) == ERR_OK) {
        CHECK(frame.bytes >= IPC_HEADER_BYTES && frame.bytes <= n - at);
        CHECK(frame.fields.n == frame.bytes - IPC_HEADER_BYTES && frame.fds <= IPC_FDS_MAX);
        check_frame(&frame, span_of(copy + at, frame.bytes));
        at += frame.bytes;
        make_current(copy + at, n - at);
    }
    free(copy);
    return 0;
}
