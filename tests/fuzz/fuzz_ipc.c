// SPDX-License-Identifier: Apache-2.0
//
// Frames between the processes: any bytes are taken apart; what decodes encodes to the same bytes.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span rest = span_of(data, n);
    struct ipc_frame frame;

    while (ipc_frame_next(rest, &frame) == ERR_OK) {
        CHECK(frame.bytes >= IPC_HEADER_BYTES && frame.bytes <= rest.n);
        CHECK(frame.fields.n == frame.bytes - IPC_HEADER_BYTES && frame.fds <= IPC_FDS_MAX);
        check_frame(&frame, span_first(rest, frame.bytes));
        rest = span_skip(rest, frame.bytes);
    }
    return 0;
}
