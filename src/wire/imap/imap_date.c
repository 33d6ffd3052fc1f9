// SPDX-License-Identifier: Apache-2.0
#include "wire/imap/imap_date.h"

#include "base/banned.h"

#define DAY_SECONDS  86400
#define ERA_DAYS     146097    // 400 years
#define DAYS_TO_1970 719468    // from 0000-03-01
#define DAYS_MIN     (-719162) // 0001-01-01
#define DAYS_MAX     2932896   // 9999-12-31

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

// Years are counted from March, so that the leap day is a year's last.
int32_t imap_days_from_date(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = (y >= 0 ? y : y - 399) / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

void imap_date_from_days(int32_t days, int *out_year, int *out_month, int *out_day)
{
    int z = days + DAYS_TO_1970;
    int era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
    int day_of_era = z - era * ERA_DAYS;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int m = (5 * day_of_year + 2) / 153;

    *out_day = day_of_year - (153 * m + 2) / 5 + 1;
    *out_month = m < 10 ? m + 3 : m - 9;
    *out_year = year_of_era + era * 400 + (*out_month <= 2);
}

static int days_in_month(int year, int month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

// Takes exactly `n` digits off the front.
static bool take_digits(struct span *s, size_t n, int *out)
{
    uint64_t v;

    if (s->n < n || !span_to_u64(span_first(*s, n), 9999, &v)) {
        return false;
    }
    *s = span_skip(*s, n);
    *out = (int)v;
    return true;
}

static bool take_byte(struct span *s, char c)
{
    if (s->n == 0 || s->p[0] != c) {
        return false;
    }
    *s = span_skip(*s, 1);
    return true;
}

static bool take_month(struct span *s, int *out)
{
    for (int m = 1; m <= 12; m++) {
        if (span_starts_nocase(*s, span_of(month_names + (m - 1) * 3, 3))) {
            *s = span_skip(*s, 3);
            *out = m;
            return true;
        }
    }
    return false;
}

// "-Feb-1994" after a day, to days since 1970.
static bool take_rest_of_date(struct span *s, int day, int32_t *out)
{
    int month, year;

    if (!take_byte(s, '-') || !take_month(s, &month) || !take_byte(s, '-') ||
        !take_digits(s, 4, &year) || year < 1 || day < 1 || day > days_in_month(year, month)) {
        return false;
    }
    *out = imap_days_from_date(year, month, day);
    return true;
}

enum err imap_date_parse(struct span text, int32_t *out_days)
{
    int day;
    int32_t days;
    size_t digits = text.n > 1 && byte_is_digit(text.p[1]) ? 2 : 1;

    if (!take_digits(&text, digits, &day) || !take_rest_of_date(&text, day, &days) || text.n) {
        return ERR_INVALID;
    }
    *out_days = days;
    return ERR_OK;
}

// "02:44:25", to seconds since midnight; a leap second counts as the next minute's first.
static bool take_time(struct span *s, int *out)
{
    int hour, minute, second;

    if (!take_digits(s, 2, &hour) || !take_byte(s, ':') || !take_digits(s, 2, &minute) ||
        !take_byte(s, ':') || !take_digits(s, 2, &second) || hour > 23 || minute > 59 ||
        second > 60) {
        return false;
    }
    *out = hour * 3600 + minute * 60 + second;
    return true;
}

// "-0700", to minutes east.
static bool take_zone(struct span *s, int *out)
{
    int hours, minutes;
    bool west = s->n && s->p[0] == '-';

    if ((!west && !take_byte(s, '+')) || (west && !take_byte(s, '-')) ||
        !take_digits(s, 2, &hours) || !take_digits(s, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *out = (west ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

enum err imap_date_time_parse(struct span text, struct imap_date_time *out)
{
    int day, seconds, zone;
    int32_t days;
    size_t digits = take_byte(&text, ' ') ? 1 : 2;

    if (!take_digits(&text, digits, &day) || !take_rest_of_date(&text, day, &days) ||
        !take_byte(&text, ' ') || !take_time(&text, &seconds) || !take_byte(&text, ' ') ||
        !take_zone(&text, &zone) || text.n) {
        return ERR_INVALID;
    }
    out->seconds = (int64_t)days * DAY_SECONDS + seconds - zone * 60;
    out->zone_minutes = (int16_t)zone;
    return ERR_OK;
}

static int32_t clamp_days(int64_t days)
{
    return days < DAYS_MIN ? DAYS_MIN : days > DAYS_MAX ? DAYS_MAX : (int32_t)days;
}

void imap_date_write(struct buf *out, int32_t days)
{
    int year, month, day;

    imap_date_from_days(clamp_days(days), &year, &month, &day);
    buf_printf(out, "%d-%.3s-%04d", day, month_names + (month - 1) * 3, year);
}

static void put_two(char *at, int v)
{
    at[0] = (char)('0' + v / 10 % 10);
    at[1] = (char)('0' + v % 10);
}

void imap_date_time_write(struct buf *out, struct imap_date_time when)
{
    const int64_t most = INT64_MAX / 2;
    int64_t local = (when.seconds < -most  ? -most
                     : when.seconds > most ? most
                                           : when.seconds) +
                    when.zone_minutes * 60;
    int64_t days = local / DAY_SECONDS - (local % DAY_SECONDS < 0);
    int second = (int)(local - days * DAY_SECONDS);
    int zone = when.zone_minutes < 0 ? -when.zone_minutes : when.zone_minutes;
    int year, month, day;
    char text[IMAP_DATE_TIME_BYTES];

    imap_date_from_days(clamp_days(days), &year, &month, &day);
    memcpy(text, "dd-mmm-yyyy hh:mm:ss +zzzz", sizeof(text));
    put_two(text, day);
    text[0] = text[0] == '0' ? ' ' : text[0];
    memcpy(text + 3, month_names + (month - 1) * 3, 3);
    put_two(text + 7, year / 100);
    put_two(text + 9, year % 100);
    put_two(text + 12, second / 3600);
    put_two(text + 15, second / 60 % 60);
    put_two(text + 18, second % 60);
    text[21] = when.zone_minutes < 0 ? '-' : '+';
    put_two(text + 22, zone / 60);
    put_two(text + 24, zone % 60);
    buf_put(out, span_of(text, sizeof(text)));
}
