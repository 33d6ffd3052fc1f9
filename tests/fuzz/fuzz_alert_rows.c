// SPDX-License-Identifier: Apache-2.0
//
// Rows of alerts as they may stand on a disk, and what is made of them: a row's texts are what
// strangers said, and the sentence and the letter must hold them in place. The first byte says what
// is read, the second how long the key is.
#include "alert/alert.h"
#include "alert/rows/alert_rows.h"
#include "base/utf8.h"
#include "fuzz.h"

static void check_letter(const struct alert *a)
{
    struct buf sentence, letter;
    const struct alert_letter l = {.address = SPAN("a@x.example"),
                                   .server = SPAN("mail.x.example")};

    buf_init(&sentence, 1u << 16);
    alert_sentence_put(&sentence, a);
    CHECK(!sentence.failed && utf8_is_valid(buf_span(&sentence)));
    for (size_t i = 0; i < sentence.n; i++) {
        CHECK((unsigned char)sentence.p[i] >= 0x20 && sentence.p[i] != 0x7f);
    }
    buf_finish(&sentence);
    buf_init(&letter, 1u << 20);
    if (alert_letter_put(&letter, a, &l) == ERR_OK) {
        for (size_t i = 0; i < letter.n; i++) { // lines end in CRLF, and nowhere else
            CHECK(letter.p[i] != '\n' || (i > 0 && letter.p[i - 1] == '\r'));
            CHECK(letter.p[i] != '\r' || (i + 1 < letter.n && letter.p[i + 1] == '\n'));
            CHECK(letter.p[i] != '\0');
        }
    }
    buf_finish(&letter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct alert_cursor cursor;
    struct alert_mute mute;
    struct alert_row row;

    if (size < 2) {
        return 0;
    }
    struct span rest = span_of(data + 2, size - 2), key = span_first(rest, data[1]);
    struct span value = span_skip(rest, data[1]);

    if (data[0] % 3 == 0 && alert_row_decode(key, value, &row) == ERR_OK) {
        check_letter(&row.is);
    } else if (data[0] % 3 == 1 && alert_cursor_decode(rest, &cursor) == ERR_OK) {
        CHECK(cursor.known_n <= ALERT_KNOWN_MAX && cursor.quota <= 100);
    } else if (data[0] % 3 == 2) {
        alert_mute_decode(rest, &mute);
    }
    return 0;
}
