/*
 * Messages of a configuration: collected in the order in which they are found, printed together.
 *
 * A stage goes on after an error wherever the rest can still be judged, so that one run of
 * `validate` shows all of its errors. At most LIMIT_CONFIG_MESSAGES of each kind are kept, the rest
 * is counted. Texts and places live in the arena. A message that is there already (same place, path
 * and text) is not taken twice.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/nearest.h"
#include "config/config.h"

void config_messages_init(struct config_messages *m, struct arena *arena)
{
    *m = (struct config_messages){.arena = arena};
}

static bool is_same_place(const struct place *a, const struct place *b)
{
    return a->line == b->line && a->column == b->column && str_eq(a->source, b->source);
}

static bool is_known(const struct config_messages *m, const struct config_message *new)
{
    for (const struct config_message *old = m->first; old != NULL; old = old->next)
        if (old->is_error == new->is_error && is_same_place(&old->place, &new->place) &&
            str_eq(old->path, new->path) && str_eq(old->text, new->text))
            return true;
    return false;
}

static void add_text(struct config_messages *m, bool is_error, const struct place *place, str path,
                     str text)
{
    size_t *count = is_error ? &m->error_count : &m->warning_count;
    if (*count >= LIMIT_CONFIG_MESSAGES) {
        ++*count;
        return;
    }
    struct config_message new = {.is_error = is_error, .path = path, .text = text};
    if (place != NULL)
        new.place = *place;
    if (is_known(m, &new))
        return;
    ++*count;
    struct config_message *message = ARENA_NEW(m->arena, struct config_message);
    *message = new;
    message->place.source = arena_str(m->arena, new.place.source);
    message->path = arena_str(m->arena, path);
    message->text = arena_str(m->arena, new.text);
    if (m->last == NULL)
        m->first = message;
    else
        m->last->next = message;
    m->last = message;
}

PRINTF_LIKE(5, 0)
static void add(struct config_messages *m, bool is_error, const struct place *place, str path,
                const char *format, va_list args)
{
    char text[ERR_TEXT_MAX];
    int len = vsnprintf(text, sizeof text, format, args);
    size_t kept = len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    add_text(m, is_error, place, path, str_make(text, kept));
}

void config_error(struct config_messages *m, const struct place *place, str path,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(m, true, place, path, format, args);
    va_end(args);
}

void config_warning(struct config_messages *m, const struct place *place, str path,
                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(m, false, place, path, format, args);
    va_end(args);
}

void config_error_text(struct config_messages *m, const struct place *place, str path, str text)
{
    add_text(m, true, place, path, text);
}

void config_warning_text(struct config_messages *m, const struct place *place, str path, str text)
{
    add_text(m, false, place, path, text);
}

/* Keys are the user's own and may hold anything. */
static void print_path(struct buf *b, str path)
{
    for (size_t i = 0; i < path.len; i++)
        buf_byte(b, (unsigned char)path.data[i] < ' ' ? '?' : path.data[i]);
}

void config_messages_print(struct buf *b, const struct config_messages *m, bool errors,
                           bool warnings)
{
    for (const struct config_message *message = m->first; message != NULL;
         message = message->next) {
        if (!(message->is_error ? errors : warnings))
            continue;
        place_print(b, &message->place);
        if (message->path.len > 0) {
            print_path(b, message->path);
            buf_text(b, ": ");
        }
        buf_str(b, message->text);
        buf_byte(b, '\n');
    }
    if (errors && m->error_count > LIMIT_CONFIG_MESSAGES)
        buf_printf(b, "and %zu more errors\n", m->error_count - LIMIT_CONFIG_MESSAGES);
    if (warnings && m->warning_count > LIMIT_CONFIG_MESSAGES)
        buf_printf(b, "and %zu more warnings\n", m->warning_count - LIMIT_CONFIG_MESSAGES);
}

static int compare_str(const void *a, const void *b)
{
    return str_compare(*(const str *)a, *(const str *)b);
}

str config_choices(struct arena *a, str word, str *words, size_t count)
{
    str nearest = nearest_word(word, words, count);
    if (count > 0)
        qsort(words, count, sizeof *words, compare_str);
    struct buf b;
    buf_init(&b, ERR_TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_text(&b, i == 0 ? "" : ", ");
        buf_str(&b, words[i]);
    }
    if (nearest.len > 0)
        buf_printf(&b, "; did you mean \"%.*s\"?", STR_ARG(nearest));
    str text = arena_str(a, buf_view(&b));
    buf_deinit(&b);
    return text;
}
