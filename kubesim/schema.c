/*
 * Brings an object into the form in which the API server prints it: known fields only, in the order
 * of the kind's table, with the types checked, times normalised, maps sorted.
 *
 * Life of one: a parsed request body comes in, kind's fields are picked one after the other into a
 * new object (values that need no change are moved, not copied), what was not picked is reported as
 * unknown if somebody asked (fieldValidation). A wrong type stops everything: kube-apiserver
 * answers 400 to it, while the rules in metadata_check and in kind->check give 422.
 *
 * Specification: Go's encoding of k8s.io/api types (omitempty, pointers), metav1.Time and
 * MicroTime; confirmed against the real server.
 */
#include "kubesim/kinds.h"

#include "kubesim/limits.h"
#include "wire/text.h"

/* Where we are in the object, innermost first; spelled out only for messages. */
struct place {
    const struct place *parent;
    str name;
};

static const struct sim_field owner_fields[] = {
    {"apiVersion", 5, SIM_STRING, SIM_ALWAYS, NULL},
    {"kind", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"name", 3, SIM_STRING, SIM_ALWAYS, NULL},
    {"uid", 4, SIM_STRING, SIM_ALWAYS, NULL},
    {"controller", 6, SIM_BOOL, SIM_POINTER, NULL},
    {"blockOwnerDeletion", 7, SIM_BOOL, SIM_POINTER, NULL},
    SIM_END,
};
/* Nobody keeps field managers; only generated objects have them. */
static const struct sim_field managed_fields[] = {
    {"manager", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"operation", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"apiVersion", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"time", 4, SIM_TIME, SIM_POINTER, NULL},
    {"fieldsType", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"fieldsV1", 7, SIM_RAW, SIM_POINTER, NULL},
    {"subresource", 8, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};
const struct sim_field sim_metadata_fields[] = {
    {"name", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"generateName", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"namespace", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"selfLink", 4, SIM_STRING, SIM_EMPTY, NULL},
    {"uid", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"resourceVersion", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"generation", 7, SIM_INT64, SIM_OMIT_EMPTY, NULL},
    {"creationTimestamp", 8, SIM_TIME, SIM_OMIT_EMPTY, NULL},
    {"deletionTimestamp", 9, SIM_TIME, SIM_POINTER, NULL},
    {"deletionGracePeriodSeconds", 10, SIM_INT64, SIM_POINTER, NULL},
    {"labels", 11, SIM_STRING_MAP, SIM_OMIT_EMPTY, NULL},
    {"annotations", 12, SIM_STRING_MAP, SIM_OMIT_EMPTY, NULL},
    {"ownerReferences", 13, SIM_OBJECTS, SIM_OMIT_EMPTY, owner_fields},
    {"finalizers", 14, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"managedFields", 17, SIM_OBJECTS, SIM_IGNORED, managed_fields},
    SIM_END,
};

static struct dom *apply_fields(const struct sim_field *fields, struct dom *in,
                                const struct place *place, struct sim_schema_report *r);

static void print_place(struct buf *b, const struct place *place)
{
    if (place == NULL)
        return;
    print_place(b, place->parent);
    if (b->len > 0)
        buf_byte(b, '.');
    buf_str(b, place->name);
}

static str place_text(struct arena *a, const struct place *place)
{
    struct buf b;
    buf_init(&b, 4 * KIB);
    print_place(&b, place);
    str text = arena_str(a, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static struct dom *wrong(struct sim_schema_report *r, const struct place *place, const char *wanted,
                         const struct dom *value)
{
    if (r->failed)
        return NULL;
    r->failed = true;
    str where = place_text(r->arena, place);
    r->problem = arena_printf(r->arena, "%.*s: %s was expected, not %s%s%.*s", STR_ARG(where),
                              wanted, dom_type_name(value), value->text.len > 0 ? " " : "",
                              (int)(value->text.len < 64 ? value->text.len : 64),
                              value->text.len > 0 ? value->text.data : "");
    return NULL;
}

static void strange(struct sim_schema_report *r, const struct place *parent, str name,
                    const char *what)
{
    if (!r->collect || r->strange_count >= SIM_CAUSES_MAX)
        return;
    struct place place = {parent, name};
    str where = place_text(r->arena, &place);
    r->strange[r->strange_count++] =
        arena_printf(r->arena, "%s field \"%.*s\"", what, STR_ARG(where));
}

/* "2006-01-02T15:04:05.000000Z07:00" to the letter, as Go's time.Parse of a fixed layout reads it.
 */
static bool micro_time_shape(str s)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddddd";
    size_t fixed = sizeof shape - 1;
    if (s.len <= fixed)
        return false;
    for (size_t i = 0; i < fixed; i++) {
        bool digit = s.data[i] >= '0' && s.data[i] <= '9';
        bool comma = shape[i] == '.' && s.data[i] == ',';
        if (shape[i] == 'd' ? !digit : s.data[i] != shape[i] && !comma)
            return false;
    }
    str zone = str_skip(s, fixed);
    return str_eq(zone, STR("Z")) ||
           (zone.len == 6 && (zone.data[0] == '+' || zone.data[0] == '-'));
}

static str with_point(struct arena *a, str time)
{
    char *copy = arena_cstr(a, time);
    for (size_t i = 0; i < time.len; i++)
        copy[i] = copy[i] == ',' ? '.' : copy[i];
    return str_make(copy, time.len);
}

static struct dom *apply_time(enum sim_type type, struct dom *value, const struct place *place,
                              struct sim_schema_report *r)
{
    bool micro = type == SIM_MICRO_TIME;
    const char *wanted =
        micro ? "a time with exactly six digits of fraction, as 2006-01-02T15:04:05.000000Z,"
              : "a time as 2006-01-02T15:04:05Z";
    int64_t unix_ns;
    if (value->type != DOM_STRING || (micro && !micro_time_shape(value->text)) ||
        !rfc3339_parse(with_point(r->arena, value->text), &unix_ns))
        return wrong(r, place, wanted, value);
    struct buf b;
    buf_init(&b, 64);
    rfc3339_print(&b, unix_ns, micro ? 6 : 0);
    struct dom *time = dom_string(r->arena, arena_str(r->arena, buf_view(&b)));
    buf_deinit(&b);
    return time;
}

static struct dom *apply_number(enum sim_type type, struct dom *value, const struct place *place,
                                struct sim_schema_report *r)
{
    int64_t n;
    if (!dom_i64(value, &n) || (type == SIM_INT32 && (n < INT32_MIN || n > INT32_MAX)))
        return wrong(r, place, type == SIM_INT32 ? "a whole number of 32 bits" : "a whole number",
                     value);
    return value;
}

/* null counts as the empty string inside lists and maps. */
static struct dom *apply_texts(enum sim_type type, struct dom *value, const struct place *place,
                               struct sim_schema_report *r)
{
    enum dom_type wanted = type == SIM_STRINGS ? DOM_ARRAY : DOM_OBJECT;
    if (value->type != wanted)
        return wrong(r, place, wanted == DOM_ARRAY ? "an array" : "an object", value);
    for (struct dom *child = value->first; child != NULL; child = child->next) {
        struct place inner = {place, child->key};
        if (child->type == DOM_NULL)
            child->type = DOM_STRING;
        if (child->type != DOM_STRING)
            return wrong(r, &inner, "a string", child);
    }
    if (wanted == DOM_OBJECT) {
        str twice = dom_unique(r->arena, value);
        if (twice.data != NULL)
            strange(r, place, twice, "duplicate");
        dom_sort(r->arena, value);
    }
    return value;
}

static struct dom *apply_objects(const struct sim_field *fields, struct dom *value,
                                 const struct place *place, struct sim_schema_report *r)
{
    struct dom *out = dom_new(r->arena, DOM_ARRAY);
    if (value->type != DOM_ARRAY)
        return wrong(r, place, "an array", value);
    for (struct dom *item = value->first, *next; item != NULL && !r->failed; item = next) {
        next = item->next;
        if (item->type != DOM_OBJECT && item->type != DOM_NULL)
            return wrong(r, place, "an object", item);
        if (item->type == DOM_NULL)
            item = dom_new(r->arena, DOM_OBJECT);
        struct dom *object = apply_fields(fields, item, place, r);
        if (object != NULL)
            dom_append(out, object);
    }
    return out;
}

/* Quantities stay as they were sent; only a bare number becomes text. */
static struct dom *apply_quantity(struct dom *value, const struct place *place,
                                  struct sim_schema_report *r)
{
    if (value->type == DOM_NUMBER)
        value->type = DOM_STRING;
    return value->type == DOM_STRING ? value : wrong(r, place, "a quantity", value);
}

static struct dom *apply_quantities(struct dom *value, const struct place *place,
                                    struct sim_schema_report *r)
{
    if (value->type != DOM_OBJECT)
        return wrong(r, place, "an object", value);
    for (struct dom *child = value->first; child != NULL; child = child->next) {
        struct place inner = {place, child->key};
        if (apply_quantity(child, &inner, r) == NULL)
            return NULL;
    }
    str twice = dom_unique(r->arena, value);
    if (twice.data != NULL)
        strange(r, place, twice, "duplicate");
    dom_sort(r->arena, value);
    return value;
}

static struct dom *apply_value(const struct sim_field *field, struct dom *value,
                               const struct place *place, struct sim_schema_report *r)
{
    switch (field->type) {
    case SIM_ANY:
    case SIM_RAW:
        return value;
    case SIM_QUANTITY:
        return apply_quantity(value, place, r);
    case SIM_QUANTITY_MAP:
        return apply_quantities(value, place, r);
    case SIM_INT_OR_STRING:
        return value->type == DOM_STRING ? value : apply_number(SIM_INT32, value, place, r);
    case SIM_STRING:
        return value->type == DOM_STRING ? value : wrong(r, place, "a string", value);
    case SIM_BOOL:
        return value->type == DOM_TRUE || value->type == DOM_FALSE
                   ? value
                   : wrong(r, place, "true or false", value);
    case SIM_INT32:
    case SIM_INT64:
        return apply_number(field->type, value, place, r);
    case SIM_TIME:
    case SIM_MICRO_TIME:
        return apply_time(field->type, value, place, r);
    case SIM_STRINGS:
    case SIM_STRING_MAP:
        return apply_texts(field->type, value, place, r);
    case SIM_OBJECT:
        return value->type == DOM_OBJECT ? apply_fields(field->fields, value, place, r)
                                         : wrong(r, place, "an object", value);
    case SIM_OBJECTS:
        return apply_objects(field->fields, value, place, r);
    }
    return NULL;
}

static bool is_empty(const struct dom *d)
{
    return d->type == DOM_FALSE || (d->type == DOM_STRING && d->text.len == 0) ||
           (d->type == DOM_NUMBER && str_eqz(d->text, "0")) ||
           ((d->type == DOM_ARRAY || d->type == DOM_OBJECT) && d->count == 0);
}

static struct dom *apply_absent(const struct sim_field *field, const struct place *place,
                                struct sim_schema_report *r)
{
    if (field->presence != SIM_ALWAYS)
        return NULL;
    switch (field->type) {
    case SIM_OBJECT:
        return apply_fields(field->fields, dom_new(r->arena, DOM_OBJECT), place, r);
    case SIM_STRING:
        return dom_string(r->arena, STR(""));
    case SIM_BOOL:
        return dom_new(r->arena, DOM_FALSE);
    case SIM_INT32:
    case SIM_INT64:
    case SIM_INT_OR_STRING:
        return dom_number(r->arena, 0);
    default: /* times, lists and maps without a value */
        return dom_new(r->arena, DOM_NULL);
    }
}

/* Also if the table keeps what it does not name. */
static bool is_known(const struct sim_field *fields, str name)
{
    for (; fields->name != NULL; fields++) {
        if (str_eqz(name, fields->name))
            return true;
    }
    return fields->presence == SIM_REST;
}

static void apply_rest(struct dom *in, struct dom *out)
{
    for (struct dom *m = in->first, *next; m != NULL; m = next) {
        next = m->next;
        dom_remove(in, m->key);
        if (m->type != DOM_NULL)
            dom_set(out, m->key, m);
    }
}

/* Takes what the table names out of `in`; gives a new object, or NULL after a wrong type. */
static struct dom *apply_fields(const struct sim_field *fields, struct dom *in,
                                const struct place *place, struct sim_schema_report *r)
{
    struct dom *out = dom_new(r->arena, DOM_OBJECT);
    str twice = dom_unique(r->arena, in);
    if (twice.data != NULL)
        strange(r, place, twice, "duplicate");
    for (const struct dom *m = in->first; m != NULL && r->collect; m = m->next) {
        if (!is_known(fields, m->key))
            strange(r, place, m->key, "unknown");
    }
    const struct sim_field *f = fields;
    for (; f->name != NULL; f++) {
        struct place inner = {place, str_from(f->name)};
        struct dom *value = dom_getz(in, f->name);
        if (value != NULL)
            dom_remove(in, inner.name);
        if (value == NULL || value->type == DOM_NULL)
            value = apply_absent(f, &inner, r);
        else
            value = apply_value(f, value, &inner, r);
        if (r->failed)
            return NULL;
        if (value == NULL || f->presence == SIM_IGNORED || f->presence == SIM_EMPTY ||
            (f->presence == SIM_OMIT_EMPTY && is_empty(value)))
            continue;
        dom_set(out, inner.name, value);
    }
    if (f->presence == SIM_REST)
        apply_rest(in, out);
    return out;
}

struct dom *schema_empty(const struct sim_kind *kind, const char *name, struct arena *a)
{
    struct sim_schema_report report = {.arena = a};
    for (const struct sim_field *f = kind->fields; f != NULL && f->name != NULL; f++) {
        if (strcmp(f->name, name) == 0)
            return apply_absent(f, NULL, &report);
    }
    return NULL;
}

void schema_defaults(const struct sim_kind *kind, struct dom *object, struct arena *a)
{
    struct err err;
    for (size_t i = 0; i < SIM_DEFAULTS_MAX && kind->defaults[i].path != NULL; i++) {
        str rest = str_from(kind->defaults[i].path), step = STR_NONE;
        struct dom *parent = object;
        str_cut(rest, '.', &step, &rest);
        for (; parent != NULL && rest.len > 0; str_cut(rest, '.', &step, &rest))
            parent = dom_get(parent, step);
        if (parent != NULL && parent->type == DOM_OBJECT && dom_get(parent, step) == NULL)
            dom_set(parent, step, dom_parse(a, str_from(kind->defaults[i].json), &err));
    }
}

struct dom *schema_apply(const struct sim_kind *kind, struct dom *object,
                         struct sim_schema_report *r)
{
    struct place place = {NULL, STR("metadata")};
    CHECK(object->type == DOM_OBJECT);
    str twice = dom_unique(r->arena, object);
    if (twice.data != NULL)
        strange(r, NULL, twice, "duplicate");
    struct dom *metadata = dom_getz(object, "metadata");
    if (metadata == NULL || metadata->type == DOM_NULL)
        metadata = dom_new(r->arena, DOM_OBJECT);
    else if (metadata->type != DOM_OBJECT)
        return wrong(r, &place, "an object", metadata);
    dom_remove(object, place.name);
    dom_remove(object, STR("kind"));
    dom_remove(object, STR("apiVersion"));
    metadata = apply_fields(sim_metadata_fields, metadata, &place, r);
    if (r->failed)
        return NULL;
    struct dom *out;
    if (kind->fields != NULL) {
        out = apply_fields(kind->fields, object, NULL, r);
    } else {
        out = dom_new(r->arena, DOM_OBJECT);
        apply_rest(object, out); /* custom: kept as it was sent */
    }
    if (r->failed)
        return NULL;
    /* In front: everything that is printed starts with the metadata. */
    metadata->key = place.name;
    metadata->next = out->first;
    out->first = metadata;
    if (out->last == NULL)
        out->last = metadata;
    out->count++;
    return out;
}
