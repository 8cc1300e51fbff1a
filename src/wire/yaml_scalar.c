/*
 * What plain scalars of YAML mean, by the rules of yaml.v3 (which differ from YAML 1.1 and 1.2
 * both): `yes` is text, 0123 is octal, 08 is the float 8, underscores are dropped from numbers,
 * 1_000 is 1000.
 *
 * The first byte decides what a scalar may be: a word of the table, a number after a dot, or a
 * number after a digit or sign. Whole numbers come first, then numbers with fraction or exponent,
 * then the forms 0b and 0o once more (which lets the odd `0b-1` in, as there). What fits nothing is
 * text. Times stay text here: no setting is a time.
 *
 * Whole numbers beyond int64 are doubles. Specification: the tables of tests/unit/wire/test_yaml.c,
 * printed by yaml.v3.
 */
#include <math.h>
#include <stdlib.h>

#include "wire/yaml.h"

struct word {
    const char *text;
    enum node_kind kind;
    double real; /* BOOL: 1 or 0 */
};
static const struct word words[] = {
    {"true", NODE_BOOL, 1},
    {"True", NODE_BOOL, 1},
    {"TRUE", NODE_BOOL, 1},
    {"false", NODE_BOOL, 0},
    {"False", NODE_BOOL, 0},
    {"FALSE", NODE_BOOL, 0},
    {"", NODE_NULL, 0},
    {"~", NODE_NULL, 0},
    {"null", NODE_NULL, 0},
    {"Null", NODE_NULL, 0},
    {"NULL", NODE_NULL, 0},
    {".nan", NODE_DOUBLE, NAN},
    {".NaN", NODE_DOUBLE, NAN},
    {".NAN", NODE_DOUBLE, NAN},
    {".inf", NODE_DOUBLE, INFINITY},
    {".Inf", NODE_DOUBLE, INFINITY},
    {".INF", NODE_DOUBLE, INFINITY},
    {"+.inf", NODE_DOUBLE, INFINITY},
    {"+.Inf", NODE_DOUBLE, INFINITY},
    {"+.INF", NODE_DOUBLE, INFINITY},
    {"-.inf", NODE_DOUBLE, -INFINITY},
    {"-.Inf", NODE_DOUBLE, -INFINITY},
    {"-.INF", NODE_DOUBLE, -INFINITY},
};

static bool resolve_word(struct node *n)
{
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!str_eqz(n->text, words[i].text))
            continue;
        n->kind = words[i].kind;
        n->boolean = words[i].real == 1;
        n->real = words[i].real;
        return true;
    }
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static unsigned digit_value(char c)
{
    if (is_digit(c))
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A') + 10;
    return 99;
}

/* [+-]digits in that base, all of the text. False also when the value needs more than 64 bits with
 * sign. */
static bool parse_signed(const char *text, unsigned base, int64_t *value)
{
    bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (*text == '\0')
        return false;
    uint64_t n = 0;
    for (; *text != '\0'; text++) {
        unsigned digit = digit_value(*text);
        if (digit >= base || __builtin_mul_overflow(n, base, &n) ||
            __builtin_add_overflow(n, digit, &n))
            return false;
    }
    if (n > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *value = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

static bool parse_unsigned(const char *text, unsigned base, uint64_t *value)
{
    uint64_t n = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned digit = digit_value(*text);
        if (digit >= base || __builtin_mul_overflow(n, base, &n) ||
            __builtin_add_overflow(n, digit, &n))
            return false;
    }
    *value = n;
    return true;
}

/* The base that a prefix behind an optional sign tells; *skip = characters of the prefix. */
static unsigned prefix_base(const char *text, size_t *skip)
{
    *skip = 0;
    if (text[0] != '0' || text[1] == '\0')
        return 10;
    *skip = 2;
    switch (text[1]) {
    case 'x':
    case 'X':
        return 16;
    case 'o':
    case 'O':
        return 8;
    case 'b':
    case 'B':
        return 2;
    default:
        *skip = 1;
        return 8;
    }
}

/* [-+]?(.digits|digits[.[digits]])([eE][-+]?digits)?, all of the text: strtod alone would take much
 * more. */
static bool is_float(const char *s)
{
    if (*s == '-' || *s == '+')
        s++;
    size_t digits = 0;
    for (; is_digit(*s); s++)
        digits++;
    if (*s == '.') {
        s++;
        for (; is_digit(*s); s++)
            digits++;
    }
    if (digits == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '-' || *s == '+')
            s++;
        if (!is_digit(*s))
            return false;
        while (is_digit(*s))
            s++;
    }
    return *s == '\0';
}

static bool resolve_float(struct node *n, const char *plain)
{
    if (!is_float(plain))
        return false;
    double real = strtod(plain, NULL);
    if (isinf(real)) /* out of range: text, as there */
        return false;
    n->kind = NODE_DOUBLE;
    n->real = real;
    return true;
}

static bool resolve_int(struct node *n, const char *plain, unsigned base)
{
    if (!parse_signed(plain, base, &n->integer))
        return false;
    n->kind = NODE_INT;
    return true;
}

static bool resolve_big(struct node *n, const char *digits, unsigned base)
{
    uint64_t value;
    if (!parse_unsigned(digits, base, &value))
        return false;
    n->kind = NODE_DOUBLE;
    n->real = (double)value;
    return true;
}

/* `plain`: the text without its underscores. */
static bool resolve_number(struct node *n, char *plain)
{
    bool has_sign = plain[0] == '-' || plain[0] == '+';
    size_t skip;
    unsigned base = prefix_base(plain + has_sign, &skip);
    const char *digits = plain + has_sign + skip;
    uint64_t magnitude;
    if (digits[0] != '-' && digits[0] != '+' && parse_unsigned(digits, base, &magnitude)) {
        bool negative = plain[0] == '-';
        if (magnitude <= (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
            n->kind = NODE_INT;
            n->integer = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
            return true;
        }
        if (!has_sign)
            return resolve_big(n, digits, base);
    }
    if (resolve_float(n, plain))
        return true;
    if (strncmp(plain, "0b", 2) == 0)
        return resolve_int(n, plain + 2, 2) || resolve_big(n, plain + 2, 2);
    if (strncmp(plain, "0o", 2) == 0)
        return resolve_int(n, plain + 2, 8) || resolve_big(n, plain + 2, 8);
    return false;
}

/* Go's rule for a fraction: underscores stand between digits. */
static bool resolve_fraction(struct node *n, str text, char *plain)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '_' && (i == 0 || !is_digit(text.data[i - 1]) || i + 1 == text.len ||
                                    !is_digit(text.data[i + 1])))
            return false;
    return resolve_float(n, plain);
}

void yaml_resolve_scalar(struct node *n)
{
    n->kind = NODE_STRING;
    if (n->quoted || resolve_word(n))
        return;
    char first = n->text.data[0];
    if (!is_digit(first) && first != '-' && first != '+' && first != '.')
        return;
    if (memchr(n->text.data, '\0', n->text.len) != NULL)
        return;
    char small[64];
    char *plain = n->text.len < sizeof small ? small : mem_alloc(n->text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < n->text.len; i++)
        if (n->text.data[i] != '_')
            plain[len++] = n->text.data[i];
    plain[len] = '\0';
    bool resolved = first == '.' ? resolve_fraction(n, n->text, plain) : resolve_number(n, plain);
    if (!resolved)
        n->kind = NODE_STRING;
    if (plain != small)
        mem_free(plain);
}
