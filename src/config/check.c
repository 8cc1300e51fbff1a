/*
 * What a schema's check may say and ask: messages at the place of a key's value, or of the block if
 * the key was not written.
 */
#include <stdarg.h>
#include <stdio.h>

#include "config/decode.h"

PRINTF_LIKE(4, 0)
static void report(struct config_check *c, bool is_error, const char *key, const char *format,
                   va_list args)
{
    char text[ERR_TEXT_MAX];
    vsnprintf(text, sizeof text, format, args);
    const struct node *n = key == NULL ? NULL : node_get(c->node, str_from(key));
    const struct place *place = n != NULL ? &n->place : &c->node->place;
    str path = key == NULL ? c->path : path_join(c->arena, c->path, str_from(key));
    size_t before = c->messages->error_count;
    if (is_error)
        config_error(c->messages, place, path, "%s", text);
    else
        config_warning(c->messages, place, path, "%s", text);
    c->messages->rule_error_count += c->messages->error_count - before;
}

void config_problem(struct config_check *c, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(c, true, key, format, args);
    va_end(args);
}

void config_caution(struct config_check *c, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(c, false, key, format, args);
    va_end(args);
}

bool config_given(const struct config_check *c, const char *key)
{
    return node_get(c->node, str_from(key)) != NULL;
}
