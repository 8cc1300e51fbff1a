/*
 * "Did you mean": the candidate with the fewest edits (insert, remove, replace, swap neighbours)
 * from a word.
 *
 * Case and the choice between - and _ do not count. At most a third of the word may differ, at most
 * three characters: a worse guess would mislead. Words longer than WORD_BYTES_MAX get no guess.
 */
#include "base/nearest.h"

enum { WORD_BYTES_MAX = 63, EDITS_MAX = 3 };

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t edit_distance(str a, str b)
{
    size_t rows[3][WORD_BYTES_MAX + 1];
    for (size_t k = 0; k <= b.len; k++)
        rows[0][k] = k;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            char x = fold(a.data[i - 1]), y = fold(b.data[k - 1]);
            row[k] = min2(min2(above[k], row[k - 1]) + 1, above[k - 1] + (x != y));
            if (i > 1 && k > 1 && x == fold(b.data[k - 2]) && y == fold(a.data[i - 2]))
                row[k] = min2(row[k], above2[k - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

str nearest_word(str word, const str *candidates, size_t count)
{
    if (word.len == 0 || word.len > WORD_BYTES_MAX)
        return STR_NONE;
    size_t best_edits = min2((word.len + 1) / 3, EDITS_MAX) + 1;
    str best = STR_NONE;
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].len == 0 || candidates[i].len > WORD_BYTES_MAX)
            continue;
        size_t edits = edit_distance(word, candidates[i]);
        if (edits < best_edits) {
            best_edits = edits;
            best = candidates[i];
        }
    }
    return best;
}
