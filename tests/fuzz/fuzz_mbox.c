// SPDX-License-Identifier: Apache-2.0
//
// mbox files: whatever the file, the reader comes to an end, reads each byte a few times at most,
// and gives the same however the reads are cut. A message that our writer wrote comes back.
// The first byte chooses: dialect, size of reads, reading or there-and-back.
#include "base/buf.h"
#include "fuzz.h"
#include "mailfile/mbox_reader.h"
#include "mailfile/mbox_writer.h"

#define OUT_MAX (8u << 20)

struct file {
    struct span text;
    size_t step;    // at most so many bytes a read
    uint64_t asked; // bytes read in all
};

static enum err read_file(void *arg, uint64_t offset, void *out, size_t n, size_t *out_n)
{
    struct file *f = arg;
    struct span rest = span_skip(f->text, offset > f->text.n ? f->text.n : (size_t)offset);

    rest = span_first(rest, n < f->step ? n : f->step);
    memcpy(out, rest.n ? rest.p : "", rest.n);
    *out_n = rest.n;
    f->asked += rest.n;
    return ERR_OK;
}

static bool to_buf(void *arg, struct span bytes)
{
    struct buf *b = arg;

    buf_put(b, bytes);
    return !b->failed;
}

static void check_meta(const struct mail_meta *m)
{
    CHECK(m->keyword_count <= MAIL_KEYWORDS_MAX);
    CHECK((m->flags & ~(MAIL_SEEN | MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DELETED | MAIL_DRAFT)) ==
          0);
    for (size_t i = 0; i < m->keyword_count; i++) {
        CHECK(m->keywords[i].n > 0 && m->keywords[i].n <= MAIL_KEYWORD_BYTES_MAX);
        for (size_t k = 0; k < i; k++) {
            CHECK(!span_eq_nocase(m->keywords[i], m->keywords[k]));
        }
    }
}

// Reads it all; appends each message between marks, so that two readings can be compared.
static size_t read_all(struct file *f, enum mbox_dialect dialect, struct buf *out)
{
    struct mbox_reader *r;
    struct mbox_message m;
    struct mail_sink sink = {to_buf, out};
    size_t count = 0;
    uint64_t last = 0;
    enum err e = mbox_reader_create(read_file, f, dialect, &r);

    if (e != ERR_OK) {
        CHECK(e == ERR_INVALID || e == ERR_EOF);
        return 0;
    }
    while ((e = mbox_reader_next(r, sink, &m)) == ERR_OK) {
        CHECK(count == 0 || m.offset > last);
        CHECK(m.offset < f->text.n && mbox_reader_offset(r) <= f->text.n);
        last = m.offset;
        check_meta(&m.meta);
        buf_printf(out, "[%zu %x %zu %lld]", (size_t)m.offset, m.meta.flags, m.meta.keyword_count,
                   m.meta.has_date ? (long long)m.meta.date : 0);
        count++;
    }
    CHECK(e == ERR_NOT_FOUND || out->failed);
    mbox_reader_destroy(r);
    return count;
}

static void check_reading(struct span text, enum mbox_dialect dialect, size_t step)
{
    struct file whole = {.text = text, .step = SIZE_MAX}, cut = {.text = text, .step = step};
    struct buf a, b;

    buf_init(&a, OUT_MAX);
    buf_init(&b, OUT_MAX);
    size_t count = read_all(&whole, dialect, &a);

    CHECK(read_all(&cut, dialect, &b) == count);
    CHECK(span_eq(buf_span(&a), buf_span(&b)));
    // Content-Length makes it look ahead, by less than a header's worth for each message.
    CHECK(cut.asked <= 4 * text.n + 4096 * (count + 1));
    CHECK(a.n <= 2 * text.n + 100 * (count + 1));
    buf_finish(&a);
    buf_finish(&b);
}

// Does the writer's promise of the same bytes hold for it? Lines in CRLF, an empty line after the
// header. Fields that look like an mbox's own come back too.
static bool is_plain(struct span text)
{
    bool has_body = span_starts(text, SPAN("\r\n"));

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r')) {
            return false;
        }
        if (text.p[i] == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n')) {
            return false;
        }
        has_body = has_body || span_starts(span_skip(text, i), SPAN("\r\n\r\n"));
    }
    return has_body && text.p[text.n - 1] == '\n';
}

static void write_one(struct buf *out, struct span text, bool keep_crlf)
{
    struct mbox_writer w;
    struct mail_meta meta = {.flags = MAIL_SEEN, .has_date = true, .date = 1795428720};

    CHECK(mbox_writer_begin(&w, (struct mail_sink){to_buf, out}, keep_crlf, SPAN("a@b"), &meta));
    for (size_t at = 0; at < text.n; at += 7) {
        CHECK(mbox_writer_put(&w, span_first(span_skip(text, at), 7)));
    }
    CHECK(mbox_writer_end(&w));
}

static void check_there_and_back(struct span text, bool keep_crlf, size_t step)
{
    struct mbox_reader *r;
    struct mbox_message m;
    struct buf file, got;

    buf_init(&file, OUT_MAX);
    buf_init(&got, OUT_MAX);
    write_one(&file, text, keep_crlf);
    write_one(&file, SPAN("Subject: second\r\n\r\nx\r\n"), keep_crlf);
    struct file f = {.text = buf_span(&file), .step = step};

    CHECK(mbox_reader_create(read_file, &f, MBOX_RD, &r) == ERR_OK);
    CHECK(mbox_reader_next(r, (struct mail_sink){to_buf, &got}, &m) == ERR_OK);
    if (is_plain(text)) {
        CHECK(span_eq(buf_span(&got), text));
        CHECK(m.meta.flags == MAIL_SEEN && m.meta.date == 1795428720);
    }
    buf_clear(&got);
    CHECK(mbox_reader_next(r, (struct mail_sink){to_buf, &got}, &m) == ERR_OK);
    CHECK(span_eq(buf_span(&got), SPAN("Subject: second\r\n\r\nx\r\n")));
    CHECK(mbox_reader_next(r, (struct mail_sink){to_buf, &got}, &m) == ERR_NOT_FOUND);
    mbox_reader_destroy(r);
    buf_finish(&file);
    buf_finish(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1) {
        return 0;
    }
    size_t step = (size_t)1 << (data[0] >> 4);
    struct span text = span_of(data + 1, n - 1);

    if ((data[0] & 7) < 6) {
        check_reading(text, (enum mbox_dialect)((data[0] & 7) % 3), step);
    } else {
        check_there_and_back(text, data[0] & 1, step);
    }
    return 0;
}
