// SPDX-License-Identifier: Apache-2.0
//
// Telling what reports say.
#include "report/report_internal.h"

#include "base/banned.h"

enum err reports_each(struct engine *engine, int64_t since_ms, report_each_fn *fn, void *arg)
{
    uint64_t since = since_ms > 0 ? (uint64_t)since_ms * 1000 : 0, number;
    struct report_key from = report_key_of(REPORT_KEY_REPORT, since),
                      to = report_key_of(REPORT_KEY_REPORT, UINT64_MAX);
    struct span key, value;
    struct snapshot *s;
    struct scan *scan;
    struct report r;
    bool more = true;
    enum err e = snapshot_open(engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_open(s, TRAIL_ACCOUNT, report_key_span(&from), report_key_span(&to), true, &scan);
    if (e == ERR_OK) {
        while (more && (e = scan_next(scan, &key, &value)) == ERR_OK) {
            // One that cannot be read is passed over: reports_check names it.
            if (report_key_read(key, REPORT_KEY_REPORT, &number) &&
                report_decode(value, &r) == ERR_OK) {
                more = fn(arg, number, &r);
            }
        }
        scan_close(scan);
    }
    snapshot_close(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err reports_get(struct engine *engine, uint64_t number, struct arena *a, struct report *out)
{
    struct report_key k = report_key_of(REPORT_KEY_REPORT, number);
    struct snapshot *s;
    struct span value;
    enum err e = snapshot_open(engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_get(s, TRAIL_ACCOUNT, report_key_span(&k), &value);
    if (e == ERR_OK) {
        value = arena_dup(a, value);
        e = value.p ? report_decode(value, out) : ERR_NOMEM;
    }
    snapshot_close(s);
    return e;
}

enum err reports_rows(struct engine *engine, uint64_t number, report_row_fn *fn, void *arg)
{
    struct report_key from = report_key_row(number, 0), to = report_key_row(number, UINT32_MAX);
    struct span key, value;
    struct snapshot *s;
    struct scan *scan;
    struct report_row w;
    bool more = true;
    enum err e = snapshot_open(engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_open(s, TRAIL_ACCOUNT, report_key_span(&from), report_key_span(&to), false, &scan);
    if (e == ERR_OK) {
        while (more && (e = scan_next(scan, &key, &value)) == ERR_OK) {
            if (report_row_decode(value, &w) == ERR_OK) {
                more = fn(arg, &w);
            }
        }
        scan_close(scan);
    }
    snapshot_close(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}
