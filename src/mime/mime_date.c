// SPDX-License-Identifier: Apache-2.0
//
// The text is cut into numbers, words and signs, and each is given the place only it can fill: a
// word is a month, a weekday, a zone or AM/PM; a number with a colon is a time; and so on. So the
// order mailers put them in matters little.
#include "mime/mime_date.h"

#include "base/banned.h"

#define YEAR_MIN 1900
#define YEAR_MAX 9999

struct reader {
    struct span in;
    int year, month, day, hour, minute, second; // -1: not seen
    int numbers[3];                             // bare numbers in order
    int number_digits[3];
    size_t number_n;
    int pm; // -1 none said, 0 AM, 1 PM
    bool has_zone, is_zone_known;
    int zone;
};

// A word's first three letters among `names`, each three letters; -1 when it is none of them.
static int find_name(struct span word, const char *names)
{
    for (int i = 0; word.n >= 3 && names[i * 3]; i++) {
        if (span_starts_nocase(word, span_of(names + (ptrdiff_t)i * 3, 3))) {
            return i;
        }
    }
    return -1;
}

static void take_zone_name(struct reader *r, struct span word)
{
    static const struct {
        const char *name;
        int hours;
    } zones[] = {{"UT", 0},   {"GMT", 0},  {"UTC", 0},  {"Z", 0},    {"EST", -5}, {"EDT", -4},
                 {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7},
                 {"CET", 1},  {"CEST", 2}, {"MET", 1},  {"MEST", 2}, {"BST", 1},  {"WET", 0},
                 {"WEST", 1}, {"EET", 2},  {"EEST", 3}, {"MSK", 3},  {"JST", 9},  {"KST", 9}};

    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        if (!r->has_zone && span_eq_nocase(word, span_from_str(zones[i].name))) {
            r->has_zone = r->is_zone_known = true;
            r->zone = zones[i].hours * 60;
        }
    }
}

static void take_word(struct reader *r)
{
    size_t n = 0;

    while (n < r->in.n && byte_is_alpha(r->in.p[n])) {
        n++;
    }
    struct span word = span_first(r->in, n);
    int month = find_name(word, "JanFebMarAprMayJunJulAugSepOctNovDec");

    r->in = span_skip(r->in, n);
    if (span_eq_nocase(word, SPAN("am")) || span_eq_nocase(word, SPAN("pm"))) {
        r->pm = byte_lower(word.p[0]) == 'p';
    } else if (month >= 0 && r->month < 0) {
        r->month = month + 1;
    } else if (r->hour >= 0) {
        take_zone_name(r, word);
    }
}

// Up to nine digits; more are passed over and make the number useless.
static int take_digits(struct reader *r, int *out_digits)
{
    int v = 0, n = 0;

    while (r->in.n && byte_is_digit(r->in.p[0])) {
        v = n < 9 ? v * 10 + (r->in.p[0] - '0') : -1;
        n++;
        r->in = span_skip(r->in, 1);
    }
    *out_digits = n;
    return n > 9 ? -1 : v;
}

static bool next_is_digit(const struct reader *r, size_t at)
{
    return at < r->in.n && byte_is_digit(r->in.p[at]);
}

static void skip_comment(struct reader *r)
{
    size_t depth = 0, i = 0;

    for (; i < r->in.n; i++) {
        depth += r->in.p[i] == '(';
        depth -= r->in.p[i] == ')';
        i += r->in.p[i] == '\\';
        if (depth == 0) {
            break;
        }
    }
    r->in = span_skip(r->in, i + 1);
}

// The separator of a time, with blanks and comments around it (RFC 5322 4.3), before a digit.
static bool take_colon(struct reader *r)
{
    struct reader ahead = *r;

    for (int colons = 0; ahead.in.n;) {
        char c = ahead.in.p[0];

        if (c == '(') {
            skip_comment(&ahead);
        } else if (byte_is_space(c) || (c == ':' && colons++ == 0)) {
            ahead.in = span_skip(ahead.in, 1);
        } else {
            if (colons == 1 && byte_is_digit(c)) {
                r->in = ahead.in;
                return true;
            }
            break;
        }
    }
    return false;
}

static void take_time(struct reader *r, int hour)
{
    int digits;

    r->hour = hour;
    r->minute = take_digits(r, &digits);
    r->second = 0;
    if (take_colon(r)) {
        r->second = take_digits(r, &digits);
        if (r->in.n && (r->in.p[0] == '.' || r->in.p[0] == ',') && next_is_digit(r, 1)) {
            r->in = span_skip(r->in, 1); // fractions of a second
            take_digits(r, &digits);
        }
    }
}

// After the time: "+hhmm", "-hh:mm", "+hh"; "-0000" says that the zone is unknown.
static void take_zone_offset(struct reader *r)
{
    bool is_west = r->in.p[0] == '-';
    int digits, v, minutes = 0, ignored;

    r->in = span_skip(r->in, 1);
    v = take_digits(r, &digits);
    if (digits <= 2 && v >= 0 && r->in.n && r->in.p[0] == ':' && next_is_digit(r, 1)) {
        r->in = span_skip(r->in, 1);
        minutes = take_digits(r, &ignored);
    } else if (digits > 2) {
        minutes = v % 100;
        v /= 100;
    }
    if (v < 0 || v > 23 || minutes < 0 || minutes > 59 || r->is_zone_known) {
        return;
    }
    r->has_zone = true;
    r->is_zone_known = !(is_west && v == 0 && minutes == 0);
    r->zone = (v * 60 + minutes) * (is_west ? -1 : 1);
}

static void take_number(struct reader *r)
{
    int digits, v = take_digits(r, &digits);

    if (r->hour < 0 && take_colon(r)) {
        take_time(r, v);
    } else if (digits == 4 && r->hour >= 0 && r->number_n >= 2 && !r->has_zone && v <= 1400 &&
               v % 100 < 60) { // a zone without its sign
        r->has_zone = r->is_zone_known = true;
        r->zone = v / 100 * 60 + v % 100;
    } else if (r->number_n < 3) {
        r->number_digits[r->number_n] = digits;
        r->numbers[r->number_n++] = v;
    }
}

static void take_token(struct reader *r)
{
    char c = r->in.p[0];

    if (byte_is_digit(c)) {
        take_number(r);
    } else if (byte_is_alpha(c)) {
        take_word(r);
    } else if (c == '(') {
        skip_comment(r);
    } else if ((c == '+' || c == '-') && r->hour >= 0 && next_is_digit(r, 1)) {
        take_zone_offset(r);
    } else {
        r->in = span_skip(r->in, 1);
    }
}

static int full_year(int year, int digits)
{
    if (year >= 100 && year < 200) { // years since 1900, from programs that count so
        return year + 1900;
    }
    if (digits >= 3 || year < 0) {
        return year;
    }
    return year < 50 ? year + 2000 : year + 1900;
}

// With a month by name: day and year. Without: year-month-day, or nothing we dare to guess.
static bool place_numbers(struct reader *r)
{
    int *v = r->numbers, *d = r->number_digits;

    if (r->month >= 0 && r->number_n >= 2) {
        size_t year = d[0] >= 3 ? 0 : 1;

        r->year = full_year(v[year], d[year]);
        r->day = v[1 - year];
        return true;
    }
    if (r->month < 0 && r->number_n == 3 && d[0] == 4) {
        r->year = v[0];
        r->month = v[1];
        r->day = v[2];
        return true;
    }
    return false;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool is_valid(const struct reader *r)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (r->year < YEAR_MIN || r->year > YEAR_MAX || r->month < 1 || r->month > 12) {
        return false;
    }
    int last = days[r->month - 1] + (r->month == 2 && is_leap(r->year));

    return r->day >= 1 && r->day <= last && r->hour >= 0 && r->hour <= 23 && r->minute >= 0 &&
           r->minute <= 59 && r->second >= 0 && r->second <= 60;
}

bool mime_date_parse(struct span body, struct mime_date *out)
{
    struct reader r = {
        .in = span_first(body, 1000), .year = -1, .month = -1, .day = -1, .hour = -1, .pm = -1};

    while (r.in.n) {
        take_token(&r);
    }
    if (r.hour < 0) { // a day without a time
        r.hour = r.minute = r.second = 0;
    }
    if (r.pm >= 0 && r.hour >= 1 && r.hour <= 12) {
        r.hour = r.hour % 12 + 12 * r.pm;
    }
    if (!place_numbers(&r) || !is_valid(&r)) {
        return false;
    }
    struct mime_civil c = {r.year, r.month, r.day, r.hour, r.minute, r.second, 0};

    *out = (struct mime_date){mime_date_from_civil(&c), 0, r.has_zone && r.is_zone_known};
    if (out->has_zone) {
        out->zone_minutes = r.zone;
        out->unix_seconds -= (int64_t)r.zone * 60;
    }
    return true;
}

int64_t mime_date_from_civil(const struct mime_civil *c)
{
    // Years that start in March put the leap day last; 400 of them are 146,097 days.
    int64_t y = c->year - (c->month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (c->month + (c->month > 2 ? -3 : 9)) + 2) / 5 + c->day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    int64_t days = era * 146097 + day_of_era - 719468;

    return days * 86400 + c->hour * 3600 + c->minute * 60 + c->second;
}

struct mime_civil mime_date_to_civil(int64_t t)
{
    int64_t days = t / 86400 - (t % 86400 < 0);
    int seconds = (int)(t - days * 86400);
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (int)((5 * day_of_year + 2) / 153); // 0 is March

    return (struct mime_civil){
        .year = (int)(year_of_era + era * 400 + (month >= 10)),
        .month = month < 10 ? month + 3 : month - 9,
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
        .hour = seconds / 3600,
        .minute = seconds / 60 % 60,
        .second = seconds % 60,
        .weekday = (int)(((days + 4) % 7 + 7) % 7),
    };
}

void mime_date_put(struct buf *out, int64_t unix_seconds, int zone_minutes)
{
    static const char weekdays[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct mime_civil c = mime_date_to_civil(unix_seconds + (int64_t)zone_minutes * 60);
    int zone = zone_minutes < 0 ? -zone_minutes : zone_minutes;

    buf_printf(out, "%.3s, %02d %.3s %04d %02d:%02d:%02d %c%02d%02d", weekdays + c.weekday * 3,
               c.day, months + (c.month - 1) * 3, c.year, c.hour, c.minute, c.second,
               zone_minutes < 0 ? '-' : '+', zone / 60, zone % 60);
}
