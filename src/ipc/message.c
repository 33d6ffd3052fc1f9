// SPDX-License-Identifier: Apache-2.0
//
// Encoders and decoders, made from the rows of message_table.h.
#include "ipc/message.h"

#include "base/bytes.h"

#include "base/banned.h"

const char *ipc_process_name(enum ipc_process p)
{
    static const char *const names[IPC_PROCESSES] = {
        [IPC_KEEP] = "keep", [IPC_GATE] = "gate", [IPC_COURIER] = "courier"};

    return p < IPC_PROCESSES ? names[p] : "?";
}

struct writer {
    struct buf *out;
    bool too_long;
};

static void put_u8(struct writer *w, uint8_t v)
{
    buf_put_byte(w->out, (char)v);
}

static void put_u16(struct writer *w, uint16_t v)
{
    char b[2];

    put_le16(b, v);
    buf_put(w->out, span_of(b, sizeof(b)));
}

static void put_u32(struct writer *w, uint32_t v)
{
    char b[4];

    put_le32(b, v);
    buf_put(w->out, span_of(b, sizeof(b)));
}

static void put_u64(struct writer *w, uint64_t v)
{
    char b[8];

    put_le64(b, v);
    buf_put(w->out, span_of(b, sizeof(b)));
}

static void put_text(struct writer *w, struct span text, size_t max)
{
    if (text.n > max) {
        w->too_long = true;
        return;
    }
    put_u32(w, (uint32_t)text.n);
    buf_put(w->out, text);
}

// Fills in the header of the frame that starts at `start`, or takes the frame back.
static enum err finish_frame(struct writer *w, size_t start, enum ipc_type type, unsigned fds)
{
    struct buf *out = w->out;
    size_t bytes = out->n - start;

    if (w->too_long || out->failed || bytes > IPC_FRAME_BYTES_MAX || fds > IPC_FDS_MAX) {
        out->n = start;
        return ERR_LIMIT;
    }
    char *header = out->p + start;

    put_le32(header, (uint32_t)(bytes - 4));
    header[4] = IPC_VERSION;
    header[5] = (char)type;
    put_le16(header + 6, (uint16_t)fds);
    return ERR_OK;
}

static bool get_u8(struct span *s, uint8_t *out)
{
    struct span b;

    if (!bytes_take(s, 1, &b)) {
        return false;
    }
    *out = (uint8_t)b.p[0];
    return true;
}

static bool get_u16(struct span *s, uint16_t *out)
{
    struct span b;

    if (!bytes_take(s, 2, &b)) {
        return false;
    }
    *out = get_le16(b.p);
    return true;
}

static bool get_u32(struct span *s, uint32_t *out)
{
    struct span b;

    if (!bytes_take(s, 4, &b)) {
        return false;
    }
    *out = get_le32(b.p);
    return true;
}

static bool get_u64(struct span *s, uint64_t *out)
{
    struct span b;

    if (!bytes_take(s, 8, &b)) {
        return false;
    }
    *out = get_le64(b.p);
    return true;
}

static bool get_text(struct span *s, size_t max, struct span *out)
{
    uint32_t n;

    return get_u32(s, &n) && n <= max && bytes_take(s, n, out);
}

#define U8(f)        put_u8(&w, m->f);
#define U16(f)       put_u16(&w, m->f);
#define U32(f)       put_u32(&w, m->f);
#define U64(f)       put_u64(&w, m->f);
#define TEXT(f, max) put_text(&w, m->f, max);
#define MESSAGE(ID, number, name, rows)                                                            \
    enum err ipc_##name##_encode(const struct ipc_##name *m, unsigned fds, struct buf *out)        \
    {                                                                                              \
        struct writer w = {.out = out};                                                            \
        size_t start = out->n;                                                                     \
        put_u64(&w, 0); /* the header's place */                                                   \
        rows return finish_frame(&w, start, IPC_##ID, fds);                                        \
    }
#include "ipc/message_table.h"
#undef MESSAGE
#undef U8
#undef U16
#undef U32
#undef U64
#undef TEXT

#define U8(f)        &&get_u8(&fields, &m.f)
#define U16(f)       &&get_u16(&fields, &m.f)
#define U32(f)       &&get_u32(&fields, &m.f)
#define U64(f)       &&get_u64(&fields, &m.f)
#define TEXT(f, max) &&get_text(&fields, max, &m.f)
#define MESSAGE(ID, number, name, rows)                                                            \
    enum err ipc_##name##_decode(struct span fields, struct ipc_##name *out)                       \
    {                                                                                              \
        struct ipc_##name m;                                                                       \
        if (!(true rows) || fields.n != 0) {                                                       \
            return ERR_INVALID;                                                                    \
        }                                                                                          \
        *out = m;                                                                                  \
        return ERR_OK;                                                                             \
    }
#include "ipc/message_table.h"
#undef MESSAGE
#undef U8
#undef U16
#undef U32
#undef U64
#undef TEXT

static bool type_is_known(unsigned type)
{
    switch (type) {
#define MESSAGE(ID, number, name, rows) case number:
#include "ipc/message_table.h"
#undef MESSAGE
        return true;
    default:
        return false;
    }
}

enum err ipc_frame_next(struct span bytes, struct ipc_frame *out)
{
    if (bytes.n < IPC_HEADER_BYTES) {
        return ERR_AGAIN;
    }
    uint64_t total = (uint64_t)get_le32(bytes.p) + 4;
    unsigned type = (unsigned char)bytes.p[5], fds = get_le16(bytes.p + 6);

    if (total < IPC_HEADER_BYTES || total > IPC_FRAME_BYTES_MAX || bytes.p[4] != IPC_VERSION ||
        !type_is_known(type) || fds > IPC_FDS_MAX) {
        return ERR_INVALID;
    }
    if (bytes.n < total) {
        return ERR_AGAIN;
    }
    *out = (struct ipc_frame){
        .type = (enum ipc_type)type,
        .fds = fds,
        .fields = span_of(bytes.p + IPC_HEADER_BYTES, total - IPC_HEADER_BYTES),
        .bytes = total,
    };
    return ERR_OK;
}
