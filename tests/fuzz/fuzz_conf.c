// SPDX-License-Identifier: Apache-2.0
//
// mailkeep.conf: any bytes give settings or problems with places inside the text; settings written
// back read the same.
#include "conf/conf.h"
#include "fuzz.h"

static void check_report(const struct conf_report *r, size_t n)
{
    CHECK(r->count > 0 && r->count <= CONF_PROBLEMS_MAX);
    for (size_t i = 0; i < r->count; i++) {
        CHECK(r->problems[i].line <= n + 1 && r->problems[i].column <= n + 1);
        CHECK(r->problems[i].text[0]);
    }
}

static void must_be_equal(void *arg, const struct setting_row *row, struct span now,
                          struct span next)
{
    (void)arg;
    (void)row;
    CHECK(span_eq(now, next)); // what was written reads back with another value
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct conf_report report, again;
    struct settings *s, *t;
    struct buf first, second;
    enum err e = conf_parse(span_of(data, n), &report, &s);

    if (e != ERR_OK) {
        CHECK(e == ERR_NOMEM || e == ERR_INVALID);
        if (e == ERR_INVALID) {
            check_report(&report, n);
        }
        return 0;
    }
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    conf_write(s, &first);
    if (first.n <= CONF_FILE_BYTES_MAX) {
        CHECK(conf_parse(buf_span(&first), &again, &t) == ERR_OK);
        conf_write(t, &second);
        CHECK(span_eq(buf_span(&first), buf_span(&second)));
        conf_changes(s, t, must_be_equal, NULL);
        settings_unref(t);
    }
    settings_unref(s);
    buf_finish(&first);
    buf_finish(&second);
    return 0;
}
