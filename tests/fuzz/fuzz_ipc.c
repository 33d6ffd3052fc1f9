// SPDX-License-Identifier: Apache-2.0
//
// Frames between the processes: any bytes are taken apart; what decodes encodes to the same bytes.
// What the supervisor tells of reloads becomes a report for people, whatever it is.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ipc/message.h"
#include "keep/keep_reload.h"

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

// ---- reports of reloads -------------------------------------------------------------------------

struct reports {
    struct keep_reload *keep;
    struct span frames;
};

static bool nobody_is_gone(void *arg)
{
    (void)arg;
    return false;
}

// Asked by keep_reload_run: the frames are the answer, and then an end that answers everything.
static enum err tell(void *arg, uint64_t number)
{
    struct reports *r = arg;
    struct ipc_reload_item item;
    struct ipc_reload_end end = {.number = number};
    struct ipc_frame frame;

    while (ipc_frame_next(r->frames, &frame) == ERR_OK) {
        if (frame.type == IPC_RELOAD_ITEM &&
            ipc_reload_item_decode(frame.fields, &item) == ERR_OK) {
            keep_reload_item(r->keep, &item);
        } else if (frame.type == IPC_RELOAD_END &&
                   ipc_reload_end_decode(frame.fields, &end) == ERR_OK) {
            keep_reload_end(r->keep, &end);
        }
        r->frames = span_skip(r->frames, frame.bytes);
    }
    end.number = number;
    keep_reload_end(r->keep, &end);
    return ERR_OK;
}

static void check_reports(struct span frames)
{
    struct reports r = {.frames = frames};
    json_t *report;

    CHECK(keep_reload_create(tell, &r, &r.keep) == ERR_OK);
    CHECK(keep_reload_run(r.keep, 1, nobody_is_gone, NULL, &report) == ERR_OK);
    char *text = json_dumps(report, JSON_COMPACT);

    CHECK(text && json_string_value(json_object_get(report, "result")));
    free(text);
    json_decref(report);
    keep_reload_destroy(r.keep);
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
    check_reports(span_of(copy, at));
    free(copy);
    return 0;
}
