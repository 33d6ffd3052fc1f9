// SPDX-License-Identifier: Apache-2.0
#include "mailfile/mbox_from.h"

#include <time.h>

#include "base/banned.h"

#define WORDS_MAX 12 // of the date at the end of the line

static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
static const char weekdays[] = "sunmontuewedthufrisat";

// The index of a three-letter name in a table of them, or -1. "Mon," counts too.
static int name_index(struct span word, const char *table)
{
    if (word.n > 3 && word.p[word.n - 1] == ',') {
        word.n--;
    }
    if (word.n != 3) {
        return -1;
    }
    for (int i = 0; table[i * 3]; i++) {
        if (span_eq_nocase(word, span_of(table + i * 3, 3))) {
            return i;
        }
    }
    return -1;
}

// "hh:mm" or "hh:mm:ss".
static bool time_parse(struct span word, struct tm *tm)
{
    uint64_t v[3] = {0, 0, 0};
    size_t n = 0;

    while (word.n > 0) {
        struct span part = span_split(&word, ':');

        if (n == 3 || part.n > 2 || !span_to_u64(part, n == 0 ? 23 : 60, &v[n])) {
            return false;
        }
        n++;
    }
    tm->tm_hour = (int)v[0];
    tm->tm_min = (int)v[1];
    tm->tm_sec = (int)v[2];
    return n >= 2;
}

struct zone {
    const char *name;
    int16_t minutes;
};
static const struct zone zones[] = {
    {"UTC", 0},    {"GMT", 0},    {"UT", 0},     {"Z", 0},      {"EST", -300}, {"EDT", -240},
    {"CST", -360}, {"CDT", -300}, {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420},
    {"BST", 60},   {"WET", 0},    {"WEST", 60},  {"MET", 60},   {"MEST", 120}, {"CET", 60},
    {"CEST", 120}, {"EET", 120},  {"EEST", 180}, {"MSK", 180},  {"JST", 540},
};

// "+hhmm" or a name.
static bool zone_parse(struct span word, int16_t *out)
{
    uint64_t v;

    if (word.n == 5 && (word.p[0] == '+' || word.p[0] == '-') &&
        span_to_u64(span_skip(word, 1), 1459, &v) && v % 100 < 60) {
        int minutes = (int)(v / 100 * 60 + v % 100);

        *out = (int16_t)(word.p[0] == '-' ? -minutes : minutes);
        return true;
    }
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        if (span_eq_nocase(word, span_from_str(zones[i].name))) {
            *out = zones[i].minutes;
            return true;
        }
    }
    return false;
}

// What the words seen so far have said.
struct date_words {
    struct tm tm;
    bool month, day, time, year, weekday;
    int16_t zone;
};

// Takes one word; false when it has no place in a date.
static bool date_word(struct date_words *d, struct span word)
{
    uint64_t v;
    int month = name_index(word, months);

    if (month >= 0 && !d->month) {
        d->tm.tm_mon = month;
        return d->month = true;
    }
    if (!d->weekday && name_index(word, weekdays) >= 0) {
        return d->weekday = true;
    }
    if (!d->time && time_parse(word, &d->tm)) {
        return d->time = true;
    }
    if (!d->day && word.n <= 2 && span_to_u64(word, 31, &v) && v > 0) {
        d->tm.tm_mday = (int)v;
        return d->day = true;
    }
    if (!d->year && word.n == 4 && span_to_u64(word, 9999, &v) && v >= 1970) {
        d->tm.tm_year = (int)v - 1900;
        return d->year = true;
    }
    // "DST" follows a zone's name in lines of old systems: an hour nobody needs.
    return zone_parse(word, &d->zone) || span_eq_nocase(word, SPAN("DST"));
}

// Cuts the line into words, keeping the last WORDS_MAX.
static size_t words_split(struct span line, struct span words[WORDS_MAX])
{
    size_t n = 0;

    while (line.n > 0) {
        struct span word = span_split(&line, ' ');

        word = span_trim(word);
        if (word.n == 0) {
            continue;
        }
        if (n == WORDS_MAX) {
            memmove(words, words + 1, (WORDS_MAX - 1) * sizeof(words[0]));
            n--;
        }
        words[n++] = word;
    }
    return n;
}

bool mbox_from_parse(struct span line, struct mbox_from *out)
{
    struct span words[WORDS_MAX];
    struct date_words d = {.month = false};

    if (!span_starts(line, SPAN("From ")) || line.n > MBOX_FROM_BYTES_MAX) {
        return false;
    }
    struct span rest = span_trim(span_skip(line, 5));
    size_t first = words_split(rest, words);

    // From the end: words belong to the date as long as they make sense in one.
    while (first > 0 && date_word(&d, words[first - 1])) {
        first--;
        if (d.weekday && d.month && d.day && d.time && d.year) {
            break;
        }
    }
    bool has_date = d.month && d.day && d.time && d.year;
    struct span sender = rest;

    if (has_date && first == 0 && words[0].p == rest.p) {
        sender = span_first(rest, 0);
    } else if (has_date) {
        sender = span_trim(span_first(rest, (size_t)(words[first].p - rest.p)));
    }
    *out = (struct mbox_from){.sender = sender, .has_date = has_date};
    if (has_date) {
        out->date = (int64_t)timegm(&d.tm) - d.zone * 60;
        out->zone_minutes = d.zone;
    }
    return true;
}

void mbox_from_put(struct buf *out, struct span sender, int64_t date)
{
    time_t t = (time_t)(date < 0 ? 0 : date);
    struct tm tm;
    bool is_plain = sender.n > 0 && sender.n <= 254;

    for (size_t i = 0; i < sender.n && is_plain; i++) {
        is_plain = !byte_is_space(sender.p[i]) && !byte_is_ctl(sender.p[i]);
    }
    if (!gmtime_r(&t, &tm) || tm.tm_year > 9999 - 1900) {
        t = 0;
        gmtime_r(&t, &tm);
    }
    if (!is_plain) {
        sender = SPAN("MAILER-DAEMON");
    }
    buf_printf(out, "From %.*s %c%.2s %c%.2s %2d %02d:%02d:%02d %d\n", SPAN_ARG(sender),
               byte_upper(weekdays[tm.tm_wday * 3]), &weekdays[tm.tm_wday * 3 + 1],
               byte_upper(months[tm.tm_mon * 3]), &months[tm.tm_mon * 3 + 1], tm.tm_mday,
               tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}
