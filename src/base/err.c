/*
 * Errors as values: a code and a text in the caller's memory, so that failing needs no allocation.
 *
 * Life of an error: the function that knows what went wrong sets it, functions on the way up put
 * context in front
 * ("kubeconfig /x: line 3: ..."), and whoever can do something about it logs it once. A text that
 * is too long is cut at a whole character and ends in "...". Arguments may be the error's own text,
 * since printing goes through a temporary.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

/* Puts `text` into the error; `cut` says that some of it is missing already. */
static void set_text(struct err *err, const char *text, size_t len, bool cut)
{
    static const char mark[] = "...";
    if (!cut && len < ERR_TEXT_MAX) {
        memcpy(err->text, text, len);
        err->text[len] = '\0';
        return;
    }
    if (len > ERR_TEXT_MAX - sizeof mark)
        len = ERR_TEXT_MAX - sizeof mark;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    memcpy(err->text, text, len);
    memcpy(err->text + len, mark, sizeof mark);
}

static void set_formatted(struct err *err, const char *format, va_list args)
{
    char text[ERR_TEXT_MAX];
    int printed = vsnprintf(text, sizeof text, format, args);
    CHECK(printed >= 0);
    bool cut = (size_t)printed >= sizeof text;
    set_text(err, text, cut ? sizeof text - 1 : (size_t)printed, cut);
}

bool err_set(struct err *err, const char *format, ...)
{
    if (err == NULL)
        return false;
    va_list args;
    va_start(args, format);
    set_formatted(err, format, args);
    va_end(args);
    err->code = 0;
    return false;
}

bool err_set_code(struct err *err, int code, const char *format, ...)
{
    if (err == NULL)
        return false;
    va_list args;
    va_start(args, format);
    set_formatted(err, format, args);
    va_end(args);
    err->code = code;
    return false;
}

bool err_wrap(struct err *err, const char *format, ...)
{
    if (err == NULL)
        return false;
    char text[2 * ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int printed = vsnprintf(text, ERR_TEXT_MAX, format, args);
    va_end(args);
    CHECK(printed >= 0);
    size_t len = (size_t)printed < ERR_TEXT_MAX ? (size_t)printed : ERR_TEXT_MAX - 1;
    int tail = snprintf(text + len, sizeof text - len, ": %s", err->text);
    CHECK(tail >= 0);
    len += (size_t)tail;
    set_text(err, text, len, false);
    return false;
}
