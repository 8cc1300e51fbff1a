/*
 * Free text to snake_case.
 *
 * Each byte is looked at with the one behind it: an underscore comes between two of different
 * sorts (capital, small letter, digit), but a capital keeps its small letters; the last of several
 * capitals belongs to the small letter behind it ("PIDPressure": pid_pressure). Separators become
 * underscores one by one, so that several stay several; all other bytes stay.
 *
 * Specification: github.com/iancoleman/strcase 0.3.0, ToSnake; only ASCII blanks are trimmed.
 */
#include "wire/snake_case.h"

enum sort { OTHER, CAPITAL, SMALL, DIGIT };

static enum sort sort_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return CAPITAL;
    if (c >= 'a' && c <= 'z')
        return SMALL;
    return c >= '0' && c <= '9' ? DIGIT : OTHER;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void snake_case(struct buf *out, str text)
{
    while (text.len > 0 && is_blank(text.data[0]))
        text = str_skip(text, 1);
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        enum sort sort = sort_of(c);
        enum sort next = i + 1 < text.len ? sort_of(text.data[i + 1]) : OTHER;
        bool begins_word =
            sort == CAPITAL && next == SMALL && i > 0 && sort_of(text.data[i - 1]) == CAPITAL;
        bool ends_word =
            sort != OTHER && next != OTHER && sort != next && !(sort == CAPITAL && next == SMALL);
        if (begins_word)
            buf_byte(out, '_');
        if (sort == CAPITAL)
            c = (char)(c - 'A' + 'a');
        buf_byte(out, c == ' ' || c == '-' || c == '.' ? '_' : c);
        if (ends_word)
            buf_byte(out, '_');
    }
}
