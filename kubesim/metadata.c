/*
 * The rules for the metadata of every object: names, labels, annotations, owners; and the texts of
 * broken rules.
 *
 * Life of one: after the schema has settled the types, metadata_check adds one cause for each
 * broken rule; a request with causes is answered with 422 Invalid, whose details list them all.
 *
 * Specification: apimachinery's validation of ObjectMeta; the same fields and reasons, our own
 * words.
 */
#include "kubesim/kinds.h"

#include <stdarg.h>
#include <stdio.h>

#include "kubesim/limits.h"
#include "kubesim/selector.h"
#include "wire/text.h"

static struct sim_cause *add_cause(struct sim_causes *c)
{
    static const size_t last = SIM_CAUSES_MAX - 1;
    /* The last place is overwritten: more than that nobody reads. */
    return &c->items[c->count < last ? c->count++ : (c->count = last + 1, last)];
}

PRINTF_LIKE(2, 0) static str format_text(struct arena *a, const char *format, va_list args)
{
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    return arena_str(a, str_from(text));
}

void causes_invalid(struct sim_causes *c, str field, str value_json, const char *format, ...)
{
    struct sim_cause *cause = add_cause(c);
    va_list args;
    va_start(args, format);
    str text = format_text(c->arena, format, args);
    va_end(args);
    if (value_json.len > 256)
        value_json.len = 256;
    cause->reason = "FieldValueInvalid";
    cause->field = field;
    cause->message =
        arena_printf(c->arena, "Invalid value: %.*s: %.*s", STR_ARG(value_json), STR_ARG(text));
}

void causes_required(struct sim_causes *c, str field, const char *text)
{
    struct sim_cause *cause = add_cause(c);
    cause->reason = "FieldValueRequired";
    cause->field = field;
    cause->message = arena_printf(c->arena, "Required value: %s", text);
}

void causes_other(struct sim_causes *c, const char *reason, str field, const char *format, ...)
{
    struct sim_cause *cause = add_cause(c);
    va_list args;
    va_start(args, format);
    cause->message = format_text(c->arena, format, args);
    va_end(args);
    cause->reason = reason;
    cause->field = field;
}

/* As a JSON string, for messages. */
static str quoted(struct arena *a, str text)
{
    struct buf b;
    buf_init(&b, 4 * KIB);
    buf_json_string(&b, text);
    str copy = b.overflow ? STR("\"...\"") : arena_str(a, buf_view(&b));
    buf_deinit(&b);
    return copy;
}

static bool name_check(enum sim_names names, str name, struct err *err)
{
    switch (names) {
    case SIM_NAMES_LABEL:
        return dns_label_check(name, err);
    case SIM_NAMES_SUBDOMAIN:
        return dns_subdomain_check(name, err);
    case SIM_NAMES_PATH:
        break;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '/' || name.data[i] == '%')
            return err_set(err, "must not contain '%c'", name.data[i]);
    }
    if (str_eqz(name, ".") || str_eqz(name, ".."))
        return err_set(err, "must not be '.' or '..'");
    return true;
}

static void check_name(const struct sim_kind *kind, const struct dom *metadata,
                       struct sim_causes *c)
{
    struct err err;
    str name = dom_text(metadata, "name");
    if (name.len == 0) {
        causes_required(c, STR("metadata.name"), "name or generateName must be set");
        return;
    }
    if (!name_check(kind->names, name, &err)) {
        str value = quoted(c->arena, name);
        causes_invalid(c, STR("metadata.name"), value, "%s", err.text);
    }
}

static void check_labels(const struct dom *metadata, struct sim_causes *c)
{
    const struct dom *labels = dom_getz(metadata, "labels");
    struct err err;
    if (labels == NULL)
        return;
    for (const struct dom *m = labels->first; m != NULL; m = m->next) {
        if (!label_key_check(m->key, &err)) {
            str value = quoted(c->arena, m->key);
            causes_invalid(c, STR("metadata.labels"), value, "%s", err.text);
        }
        if (!label_value_check(m->text, &err)) {
            str value = quoted(c->arena, m->text);
            causes_invalid(c, STR("metadata.labels"), value, "%s", err.text);
        }
    }
}

static void check_annotations(const struct dom *metadata, struct sim_causes *c)
{
    const struct dom *annotations = dom_getz(metadata, "annotations");
    struct err err;
    size_t size = 0;
    if (annotations == NULL)
        return;
    for (const struct dom *m = annotations->first; m != NULL; m = m->next) {
        struct buf lower;
        size += m->key.len + m->text.len;
        /* Upper case is allowed here, so only the form counts. */
        buf_init(&lower, 1 * KIB);
        for (size_t i = 0; i < m->key.len; i++) {
            char ch = m->key.data[i];
            buf_byte(&lower, ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch);
        }
        if (lower.overflow || !label_key_check(buf_view(&lower), &err)) {
            str value = quoted(c->arena, m->key);
            causes_invalid(c, STR("metadata.annotations"), value, "%s",
                           lower.overflow ? "too long for a name" : err.text);
        }
        buf_deinit(&lower);
    }
    if (size > LIMIT_SIM_ANNOTATIONS_BYTES)
        causes_other(c, "FieldValueTooLong", STR("metadata.annotations"),
                     "Too long: may not be more than %zu bytes", LIMIT_SIM_ANNOTATIONS_BYTES);
}

static void check_owners(const struct dom *metadata, struct sim_causes *c)
{
    static const char *const parts[] = {"apiVersion", "kind", "name", "uid"};
    const struct dom *owners = dom_getz(metadata, "ownerReferences");
    size_t controllers = 0;
    if (owners == NULL)
        return;
    for (const struct dom *o = owners->first; o != NULL; o = o->next) {
        const struct dom *controller = dom_getz(o, "controller");
        for (size_t i = 0; i < COUNT_OF(parts); i++) {
            if (dom_text(o, parts[i]).len > 0)
                continue;
            str field = arena_printf(c->arena, "metadata.ownerReferences.%s", parts[i]);
            causes_invalid(c, field, STR("\"\""), "must not be empty");
        }
        controllers += controller != NULL && controller->type == DOM_TRUE;
    }
    if (controllers > 1)
        causes_invalid(c, STR("metadata.ownerReferences"), STR("..."),
                       "only one may be the controller");
}

void metadata_check(const struct sim_kind *kind, const struct dom *metadata, struct sim_causes *c)
{
    int64_t generation;
    check_name(kind, metadata, c);
    if (dom_i64(dom_getz(metadata, "generation"), &generation) && generation < 0)
        causes_invalid(c, STR("metadata.generation"), dom_getz(metadata, "generation")->text,
                       "must be at least 0");
    check_labels(metadata, c);
    check_annotations(metadata, c);
    check_owners(metadata, c);
}
