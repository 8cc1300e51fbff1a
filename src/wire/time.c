/*
 * Times and durations as text: Go's durations, RFC 3339, Go's default form of a time, HTTP dates.
 *
 * All times are int64 nanoseconds since 1970 in UTC, which reaches from 1677-09-21 to 2262-04-11; a
 * text outside that range is refused or cut, never wrapped. Days are counted in the proleptic Gregorian
 * calendar by arithmetic of our own: the C library's time functions know time zones and locales,
 * which nothing here may depend on. There are no leap seconds in this count, so a text with second
 * 60 is refused.
 *
 * Specifications: Go's time.ParseDuration and Duration.String (error texts as collector
 * configurations get them, without the quoted value), RFC 3339 section 5.6, RFC 9110 sections 5.6.7
 * (the preferred form only) and 10.2.3.
 */
#include "wire/text.h"

#include <math.h>

static const int64_t ns_per_second = 1000000000;
/* Go keeps the magnitude of a duration in 64 bits unsigned: 2^63 is that of the smallest one. */
static const uint64_t magnitude_max = UINT64_C(1) << 63;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* -- durations -- */

static uint64_t unit_ns(str unit)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"ns", 1},
        {"us", 1000},
        {"\xc2\xb5s", 1000} /* U+00B5 */,
        {"\xce\xbcs", 1000} /* U+03BC */,
        {"ms", 1000000},
        {"s", 1000000000},
        {"m", 60000000000},
        {"h", 3600000000000},
    };
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (str_eqz(unit, units[i].name))
            return units[i].ns;
    }
    return 0;
}

/* The digits at the start of *s; false if they are more than 2^63. */
static bool take_whole(str *s, uint64_t *whole)
{
    *whole = 0;
    for (; s->len > 0 && is_digit(s->data[0]); *s = str_skip(*s, 1)) {
        uint64_t digit = (uint64_t)(s->data[0] - '0');
        if (*whole > (magnitude_max - digit) / 10)
            return false;
        *whole = *whole * 10 + digit;
    }
    return true;
}

/* The digits behind the point, as fraction / scale; what is beyond 63 bits is read but does not
 * count. */
static void take_fraction(str *s, uint64_t *fraction, double *scale)
{
    bool full = false;
    for (; s->len > 0 && is_digit(s->data[0]); *s = str_skip(*s, 1)) {
        uint64_t digit = (uint64_t)(s->data[0] - '0');
        if (full || *fraction > (uint64_t)INT64_MAX / 10 ||
            *fraction * 10 + digit > magnitude_max) {
            full = true;
            continue;
        }
        *fraction = *fraction * 10 + digit;
        *scale *= 10;
    }
}

/* One number with its unit from the start of *s, added to *total; or NULL, or what is wrong. */
static const char *take_part(str *s, uint64_t *total)
{
    static const char invalid[] = "time: invalid duration";
    uint64_t whole, fraction = 0;
    double scale = 1;
    size_t before = s->len;
    if (!take_whole(s, &whole))
        return invalid;
    bool some_digits = s->len < before;
    if (s->len > 0 && s->data[0] == '.') {
        *s = str_skip(*s, 1);
        before = s->len;
        take_fraction(s, &fraction, &scale);
        some_digits = some_digits || s->len < before;
    }
    if (!some_digits)
        return invalid;
    size_t unit_len = 0;
    while (unit_len < s->len && s->data[unit_len] != '.' && !is_digit(s->data[unit_len]))
        unit_len++;
    if (unit_len == 0)
        return "time: missing unit in duration";
    uint64_t unit = unit_ns(str_make(s->data, unit_len));
    if (unit == 0)
        return "time: unknown unit";
    *s = str_skip(*s, unit_len);
    if (whole > magnitude_max / unit)
        return invalid;
    uint64_t ns = whole * unit;
    /* In floating point, with these steps, because that is how the reference rounds. */
    if (fraction > 0)
        ns += (uint64_t)((double)fraction * ((double)unit / scale));
    if (ns > magnitude_max || *total > magnitude_max - ns)
        return invalid;
    *total += ns;
    return NULL;
}

bool duration_parse(str text, int64_t *ns, struct err *err)
{
    str left = text;
    bool negative = left.len > 0 && left.data[0] == '-';
    if (negative || (left.len > 0 && left.data[0] == '+'))
        left = str_skip(left, 1);
    if (str_eqz(left, "0")) {
        *ns = 0;
        return true;
    }
    if (left.len == 0)
        return err_set(err, "time: invalid duration");
    uint64_t total = 0;
    while (left.len > 0) {
        const char *wrong = take_part(&left, &total);
        if (wrong != NULL)
            return err_set(err, "%s", wrong);
    }
    if (total > (uint64_t)INT64_MAX && !negative)
        return err_set(err, "time: invalid duration");
    *ns = negative ? (int64_t)(0 - total) : (int64_t)total;
    return true;
}

/* "123.45" for value / 10^digits, without trailing zeros. */
static void put_fraction(struct buf *b, uint64_t value, int digits)
{
    uint64_t scale = 1;
    for (int i = 0; i < digits; i++)
        scale *= 10;
    uint64_t fraction = value % scale;
    buf_printf(b, "%" PRIu64, value / scale);
    if (fraction == 0)
        return;
    while (fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    buf_printf(b, ".%0*" PRIu64, digits, fraction);
}

void duration_print(struct buf *b, int64_t ns)
{
    uint64_t n = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (n == 0) {
        buf_text(b, "0s");
        return;
    }
    if (ns < 0)
        buf_byte(b, '-');
    if (n < 1000) {
        buf_printf(b, "%" PRIu64 "ns", n);
    } else if (n < 1000000) {
        put_fraction(b, n, 3);
        buf_text(b, "\xc2\xb5s");
    } else if (n < 1000000000) {
        put_fraction(b, n, 6);
        buf_text(b, "ms");
    } else {
        uint64_t minutes = n / 60000000000;
        if (minutes >= 60)
            buf_printf(b, "%" PRIu64 "h", minutes / 60);
        if (minutes > 0)
            buf_printf(b, "%" PRIu64 "m", minutes % 60);
        put_fraction(b, n % 60000000000, 9);
        buf_byte(b, 's');
    }
}

/* -- the calendar -- */

struct civil {
    int year, month, day, hour, minute, second;
};

/* Years begin in March here, so that the day that comes and goes is the last one. */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468; /* 1970-01-01 */
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool civil_valid(const struct civil *c)
{
    return c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= month_days(c->year, c->month) && c->hour <= 23 && c->minute <= 59 &&
           c->second <= 59;
}

static int64_t civil_to_seconds(const struct civil *c)
{
    return days_from_civil(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 +
           c->second;
}

static int64_t floor_div(int64_t n, int64_t by)
{
    return n / by - (n % by < 0);
}

static struct civil civil_from_seconds(int64_t seconds)
{
    int64_t days = floor_div(seconds, 86400);
    int of_day = (int)(seconds - days * 86400);
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    return (struct civil){
        .year = (int)(year_of_era + era * 400 + (month <= 2)),
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = of_day / 3600,
        .minute = of_day / 60 % 60,
        .second = of_day % 60,
    };
}

/* Whole seconds and the nanoseconds above them, as int64; false if that does not fit. */
static bool to_unix_ns(int64_t seconds, int64_t ns, int64_t *unix_ns)
{
    /* The first second that fits does so only in its last part: count from the second above it
     * then. */
    if (seconds < 0 && ns > 0) {
        seconds++;
        ns -= ns_per_second;
    }
    int64_t total;
    if (__builtin_mul_overflow(seconds, ns_per_second, &total) ||
        __builtin_add_overflow(total, ns, &total))
        return false;
    *unix_ns = total;
    return true;
}

/* -- texts -- */

/* Takes exactly `digits` digits from the start of *s. */
static bool take_digits(str *s, size_t digits, int *value)
{
    *value = 0;
    if (s->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(s->data[i]))
            return false;
        *value = *value * 10 + (s->data[i] - '0');
    }
    *s = str_skip(*s, digits);
    return true;
}

static bool take_char(str *s, char c)
{
    if (s->len == 0 || s->data[0] != c)
        return false;
    *s = str_skip(*s, 1);
    return true;
}

static bool take_clock(str *s, struct civil *c)
{
    return take_digits(s, 2, &c->hour) && take_char(s, ':') && take_digits(s, 2, &c->minute) &&
           take_char(s, ':') && take_digits(s, 2, &c->second);
}

/* "Z" or "+hh:mm", to seconds east of UTC. */
static bool take_offset(str *s, int *offset)
{
    int hours, minutes;
    *offset = 0;
    if (take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    bool west = take_char(s, '-');
    if (!west && !take_char(s, '+'))
        return false;
    if (!take_digits(s, 2, &hours) || !take_char(s, ':') || !take_digits(s, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *offset = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* Seconds since 1970 and the nanoseconds above them. */
static bool take_rfc3339(str text, int64_t *seconds, int64_t *above_ns)
{
    struct civil c;
    if (!take_digits(&text, 4, &c.year) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &c.month) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &c.day) || !(take_char(&text, 'T') || take_char(&text, 't')) ||
        !take_clock(&text, &c))
        return false;
    int64_t ns = 0;
    if (take_char(&text, '.')) {
        int64_t unit = ns_per_second / 10;
        if (text.len == 0 || !is_digit(text.data[0]))
            return false;
        for (; text.len > 0 && is_digit(text.data[0]); text = str_skip(text, 1)) {
            ns += (text.data[0] - '0') * unit; /* digits past the ninth count nothing */
            unit /= 10;
        }
    }
    int offset;
    if (!take_offset(&text, &offset) || text.len > 0 || !civil_valid(&c))
        return false;
    *seconds = civil_to_seconds(&c) - offset;
    *above_ns = ns;
    return true;
}

bool rfc3339_parse(str text, int64_t *unix_ns)
{
    int64_t seconds, ns;
    return take_rfc3339(text, &seconds, &ns) && to_unix_ns(seconds, ns, unix_ns);
}

bool rfc3339_parse_nearest(str text, int64_t *unix_ns)
{
    int64_t seconds, ns;
    if (!take_rfc3339(text, &seconds, &ns))
        return false;
    if (!to_unix_ns(seconds, ns, unix_ns))
        *unix_ns = seconds < 0 ? INT64_MIN : INT64_MAX;
    return true;
}

/* "2006-01-02<separator>15:04:05" of a time; gives the nanoseconds above its second. */
static int64_t put_civil(struct buf *b, int64_t unix_ns, char separator)
{
    int64_t seconds = floor_div(unix_ns, ns_per_second);
    struct civil c = civil_from_seconds(seconds);
    buf_printf(b, "%04d-%02d-%02d%c%02d:%02d:%02d", c.year, c.month, c.day, separator, c.hour,
               c.minute, c.second);
    int64_t rest = unix_ns % ns_per_second;
    return rest < 0 ? rest + ns_per_second : rest;
}

void rfc3339_print(struct buf *b, int64_t unix_ns, int digits)
{
    CHECK(digits == 0 || digits == 3 || digits == 6 || digits == 9);
    int64_t ns = put_civil(b, unix_ns, 'T');
    if (digits == 3)
        buf_printf(b, ".%03" PRId64, ns / 1000000);
    else if (digits == 6)
        buf_printf(b, ".%06" PRId64, ns / 1000);
    else if (digits == 9)
        buf_printf(b, ".%09" PRId64, ns);
    buf_byte(b, 'Z');
}

void go_time_print(struct buf *b, int64_t unix_ns)
{
    int64_t ns = put_civil(b, unix_ns, ' ');
    int digits = 9;
    if (ns > 0) {
        for (; ns % 10 == 0; digits--)
            ns /= 10;
        buf_printf(b, ".%0*" PRId64, digits, ns);
    }
    buf_text(b, " +0000 UTC");
}

/* One of `names` at the start of *s, each of three letters; gives its index. */
static bool take_name(str *s, const char *names, int count, int *index)
{
    for (int i = 0; i < count; i++) {
        if (str_starts_with(*s, str_make(names + 3 * i, 3))) {
            *s = str_skip(*s, 3);
            *index = i;
            return true;
        }
    }
    return false;
}

bool http_date_parse(str text, int64_t *unix_ns)
{
    struct civil c;
    int weekday;
    text = str_trim(text);
    if (!take_name(&text, "SunMonTueWedThuFriSat", 7, &weekday) || !take_char(&text, ',') ||
        !take_char(&text, ' ') || !take_digits(&text, 2, &c.day) || !take_char(&text, ' ') ||
        !take_name(&text, "JanFebMarAprMayJunJulAugSepOctNovDec", 12, &c.month) ||
        !take_char(&text, ' ') || !take_digits(&text, 4, &c.year) || !take_char(&text, ' ') ||
        !take_clock(&text, &c) || !str_eqz(text, " GMT"))
        return false;
    c.month++;
    return civil_valid(&c) && to_unix_ns(civil_to_seconds(&c), 0, unix_ns);
}

bool retry_after_parse(str text, int64_t now_unix_ns, int64_t *delay_ns)
{
    text = str_trim(text);
    size_t digit_count = 0;
    while (digit_count < text.len && is_digit(text.data[digit_count]))
        digit_count++;
    if (digit_count > 0 && digit_count == text.len) {
        uint64_t seconds;
        bool fits = str_to_u64(text, &seconds) && seconds <= (uint64_t)(INT64_MAX / ns_per_second);
        *delay_ns = fits ? (int64_t)seconds * ns_per_second : INT64_MAX;
        return true;
    }
    int64_t date;
    if (!http_date_parse(text, &date))
        return false;
    if (date <= now_unix_ns)
        *delay_ns = 0;
    else if (__builtin_sub_overflow(date, now_unix_ns, delay_ns))
        *delay_ns = INT64_MAX;
    return true;
}
