/*
 * Errors as values. A function that can fail takes `struct err *` last and returns false after err_set; callers may put
 * context in front. `err` may be NULL: nobody wants the
 * text. Logged once, where it is handled. Texts name the place, what was expected, and what to do.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

enum { ERR_TEXT_MAX = 4096 }; /* bytes with the NUL; longer texts are cut, marked by "..." */

struct err {
    int code; /* meaning is the module's: errno, HTTP status, 0 if unused */
    char text[ERR_TEXT_MAX];
};

/* Sets text (and code 0); returns false, so that `return err_set(err, ...)` reads well. */
bool err_set(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);
bool err_set_code(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);
/* Puts "<text>: " in front; returns false. */
bool err_wrap(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
