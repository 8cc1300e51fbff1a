/*
 * Finds where JSON documents end in a stream that arrives in pieces, without reading them: brackets
 * are counted, strings and escapes within them are followed, nothing else is looked at. The reader
 * checks the document afterwards.
 *
 * Life of a framer: zeroed; json_frame for each piece until a document is complete, then it is as
 * new. White space before a document counts to it. A document that is not in brackets or quotes (a
 * number, a word) ends with the white space after it; the end of the stream may end it too, which
 * is for the caller to know (`started`).
 *
 * Invariant: the result does not depend on where the stream is cut. A closing bracket too many is a
 * document of its own, so that the reader gets to complain about it.
 */
#include "wire/json.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Within a string: the position behind its end, or data.len. */
static size_t frame_string(struct json_framer *f, str data, size_t i)
{
    while (i < data.len) {
        if (f->escaped) {
            f->escaped = false;
            i++;
            continue;
        }
        while (i < data.len && data.data[i] != '"' && data.data[i] != '\\')
            i++;
        if (i == data.len)
            break;
        if (data.data[i++] == '"') {
            f->in_string = false;
            break;
        }
        f->escaped = true;
    }
    return i;
}

/* Takes one byte outside strings; true if the document ends with it. */
static bool frame_byte(struct json_framer *f, char c)
{
    bool in_word = f->started && f->depth == 0;
    switch (c) {
    case '{':
    case '[':
        f->depth += f->depth < UINT32_MAX;
        f->started = true;
        return false;
    case '}':
    case ']':
        f->depth -= f->depth > 0;
        return f->depth == 0;
    case '"':
        f->in_string = true;
        f->started = true;
        return false;
    default:
        if (is_space(c))
            return in_word;
        f->started = true;
        return false;
    }
}

size_t json_frame(struct json_framer *f, str data, bool *complete)
{
    size_t i = 0;
    *complete = false;
    while (i < data.len && !*complete) {
        if (f->in_string) {
            i = frame_string(f, data, i);
            *complete = !f->in_string && f->depth == 0;
        } else {
            *complete = frame_byte(f, data.data[i++]);
        }
    }
    if (*complete)
        *f = (struct json_framer){0};
    return i;
}
