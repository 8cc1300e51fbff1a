/*
 * Quantities: a sign, a decimal number, a suffix.
 *
 *   quantity = ["+" | "-"] (digits | digits "." digits | digits "." | "." digits | nothing) suffix
 *   suffix   = "" | n u m k M G T P E | Ki Mi Gi Ti Pi Ei | ("e" | "E") ["+" | "-"] digits
 *
 * Both results are exact: the number times a power of ten (or of two) is computed in 128 bits and
 * rounded away from zero once. Of decimal quantities the first DIGITS_MAX significant digits count,
 * of binary ones as many digits behind the point; of the others only whether one is not 0.
 *
 * Binary quantities are capped at 2^63-1 before anything else happens to them, as the API server
 * does; all others saturate. A power of ten far out of range has the result of one that is just
 * out of range. Specification: apimachinery's ParseQuantity, Value and MilliValue; unlike them, this
 * never wraps around, rounds all negative numbers alike, and never takes long.
 */
#include "wire/quantity.h"

typedef unsigned __int128 u128;

enum {
    DIGITS_MAX = 35,        /* and three more for milli fit 128 bits */
    POWERS_OF_TEN = 39,     /* 10^38 is the largest in 128 bits */
    EXPONENT_MAX = 1000000, /* larger ones mean the same, whatever the number of digits */
};

struct number {
    str whole, fraction; /* digits, without leading zeros of `whole` */
    bool negative, has_digits;
};
struct suffix {
    bool binary;
    int32_t exponent;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static str take_digits(str *rest)
{
    size_t len = 0;
    while (len < rest->len && is_digit(rest->data[len]))
        len++;
    str digits = str_make(rest->data, len);
    *rest = str_skip(*rest, len);
    return digits;
}

static struct number take_number(str *rest)
{
    struct number n = {.negative = rest->data[0] == '-'};
    if (n.negative || rest->data[0] == '+')
        *rest = str_skip(*rest, 1);
    n.whole = take_digits(rest);
    n.has_digits = n.whole.len > 0;
    while (n.whole.len > 0 && n.whole.data[0] == '0')
        n.whole = str_skip(n.whole, 1);
    if (rest->len > 0 && rest->data[0] == '.') {
        *rest = str_skip(*rest, 1);
        n.fraction = take_digits(rest);
        n.has_digits = n.has_digits || n.fraction.len > 0;
    }
    return n;
}

/* Digits behind "e" or "E", with their sign. */
static bool read_exponent(str text, int32_t *exponent)
{
    int64_t n;
    bool plus = text.len > 0 && text.data[0] == '+';
    if (plus)
        text = str_skip(text, 1);
    if (text.len == 0 || (plus && !is_digit(text.data[0])) || !str_to_i64(text, &n))
        return false;
    if (n > EXPONENT_MAX)
        n = EXPONENT_MAX;
    if (n < -EXPONENT_MAX)
        n = -EXPONENT_MAX;
    *exponent = (int32_t)n;
    return true;
}

static bool read_suffix(str text, struct suffix *s)
{
    static const char decimal[] = "num kMGTPE"; /* 10^-9, 10^-6 ... 10^18 */
    static const char binary[] = "KMGTPE";      /* 2^10, 2^20 ... 2^60 */
    *s = (struct suffix){0};
    if (text.len == 0)
        return true;
    if (text.len == 2 && text.data[1] == 'i') {
        const char *at = memchr(binary, text.data[0], sizeof binary - 1);
        if (at == NULL)
            return false;
        *s = (struct suffix){true, 10 * (int32_t)(at - binary + 1)};
        return true;
    }
    if (text.len > 1)
        return (text.data[0] == 'e' || text.data[0] == 'E') &&
               read_exponent(str_skip(text, 1), &s->exponent);
    const char *at = text.data[0] == ' ' ? NULL : memchr(decimal, text.data[0], sizeof decimal - 1);
    if (at == NULL)
        return false;
    s->exponent = 3 * (int32_t)(at - decimal) - 9;
    return true;
}

static u128 power_of_ten(unsigned exponent)
{
    CHECK(exponent < POWERS_OF_TEN);
    u128 n = 1;
    while (exponent-- > 0)
        n *= 10;
    return n;
}

static const u128 too_large = (u128)1 << 126; /* anything that saturates */

static u128 add_digits(u128 n, str digits)
{
    for (size_t i = 0; i < digits.len; i++)
        n = n * 10 + (unsigned)(digits.data[i] - '0');
    return n;
}

static str first(str s, size_t len)
{
    return str_make(s.data, s.len < len ? s.len : len);
}

static bool has_nonzero(str digits)
{
    for (size_t i = 0; i < digits.len; i++)
        if (digits.data[i] != '0')
            return true;
    return false;
}

/* n * 10^exponent, rounded up (also if `more`: there is a rest that n does not show). */
static u128 scale_decimal(u128 n, int64_t exponent, bool more)
{
    if (n == 0)
        return more;
    if (exponent >= 0) {
        for (; exponent > 0 && n < too_large; exponent--)
            n = n > too_large / 10 ? too_large : n * 10;
        return n + more;
    }
    if (exponent <= -POWERS_OF_TEN)
        return 1;
    u128 divisor = power_of_ten((unsigned)-exponent);
    return n / divisor + (n % divisor != 0 || more);
}

/* Without digits some suffixes are zero, and those that take the API server's longer way are none. */
static bool may_be_bare(const struct suffix *s)
{
    return s->binary ? s->exponent <= 40 : s->exponent >= -9;
}

/* The sizes of the two results; the sign comes later. */
static void decimal_magnitudes(const struct number *n, int32_t exponent, u128 *value, u128 *milli)
{
    str whole = first(n->whole, DIGITS_MAX), fraction = n->fraction;
    int64_t zeros = 0;
    if (whole.len == 0) {
        /* Zeros behind the point are not significant. */
        while (fraction.len > 0 && fraction.data[0] == '0') {
            fraction = str_skip(fraction, 1);
            zeros++;
        }
    }
    fraction = first(fraction, DIGITS_MAX - whole.len);
    u128 digits = add_digits(add_digits(0, whole), fraction);
    bool more = has_nonzero(str_skip(n->whole, whole.len)) ||
                has_nonzero(str_skip(n->fraction, (size_t)zeros + fraction.len));
    int64_t power = exponent + (int64_t)(n->whole.len - whole.len) - zeros - (int64_t)fraction.len;
    *value = scale_decimal(digits, power, more);
    *milli = scale_decimal(digits, power + 3, more);
}

static void binary_magnitudes(const struct number *n, int32_t exponent, u128 *value, u128 *milli)
{
    str fraction = first(n->fraction, DIGITS_MAX);
    bool more = has_nonzero(str_skip(n->fraction, fraction.len));
    u128 whole = n->whole.len > DIGITS_MAX ? too_large : add_digits(0, n->whole);
    u128 part = add_digits(0, fraction), one = power_of_ten((unsigned)fraction.len);
    for (; exponent > 0 && whole < too_large; exponent--) {
        whole *= 2;
        part *= 2;
        if (part >= one) {
            part -= one;
            whole++;
        }
    }
    *value = whole + (part != 0 || more);
    if (*value > INT64_MAX) {
        *value = INT64_MAX;
        *milli = (u128)INT64_MAX * 1000;
        return;
    }
    *milli = whole * 1000 + part * 1000 / one + (part * 1000 % one != 0 || more);
}

static int64_t with_sign(u128 magnitude, bool negative)
{
    if (negative)
        return magnitude > INT64_MAX ? INT64_MIN : -(int64_t)magnitude;
    return magnitude > INT64_MAX ? INT64_MAX : (int64_t)magnitude;
}

bool quantity_parse(str text, int64_t *value, int64_t *milli)
{
    *value = *milli = 0;
    struct suffix suffix;
    if (text.len == 0)
        return false;
    struct number n = take_number(&text);
    if (!read_suffix(text, &suffix) || (!n.has_digits && !may_be_bare(&suffix)))
        return false;
    u128 value_magnitude, milli_magnitude;
    if (suffix.binary)
        binary_magnitudes(&n, suffix.exponent, &value_magnitude, &milli_magnitude);
    else
        decimal_magnitudes(&n, suffix.exponent, &value_magnitude, &milli_magnitude);
    *value = with_sign(value_magnitude, n.negative);
    *milli = with_sign(milli_magnitude, n.negative);
    return true;
}
