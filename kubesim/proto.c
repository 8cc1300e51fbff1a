/*
 * Protobuf bodies of requests. kubectl and client-go send some objects that way whatever the server
 * likes better.
 *
 * Life of one: the envelope is opened, the object is walked field by field into a tree of the shape
 * that JSON would have given, and the tree goes the same way from then on. Unknown numbers are
 * skipped, as every protobuf reader does.
 *
 * Specification: runtime.Unknown behind "k8s\0", the numbers of k8s.io/api's generated.proto files;
 * an empty message is an unset time.
 */
#include "kubesim/proto.h"

#include "kubesim/limits.h"
#include "wire/pb.h"
#include "wire/text.h"

enum { DEPTH_MAX = 32 };

static const struct sim_field *field_of(const struct sim_field *fields, uint32_t number)
{
    for (; fields->name != NULL; fields++) {
        if (fields->number == number)
            return fields;
    }
    return NULL;
}

/* {seconds = 1, nanos = 2}; nanos only count in micro times. */
static struct dom *read_time(struct arena *a, struct pb *p, bool micro)
{
    struct pb m = pb_message(p);
    int64_t seconds = 0, nanos = 0;
    if (m.pos == m.end)
        return dom_new(a, DOM_NULL);
    while (pb_next(&m)) {
        if (m.field == 1)
            seconds = pb_i64(&m);
        else if (m.field == 2)
            nanos = pb_i64(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
    if (seconds < INT64_C(-9000000000) || seconds > INT64_C(9000000000) || nanos < 0 ||
        nanos > 999999999) {
        if (p->error == NULL)
            p->error = "a time is out of range";
        return dom_new(a, DOM_NULL);
    }
    struct buf b;
    buf_init(&b, 64);
    rfc3339_print(&b, seconds * 1000000000 + (micro ? nanos / 1000 * 1000 : 0), micro ? 6 : 0);
    struct dom *d = dom_string(a, arena_str(a, buf_view(&b)));
    buf_deinit(&b);
    return d;
}

static struct dom *read_text(struct arena *a, struct pb *p)
{
    str text = pb_bytes(p);
    if (!str_is_utf8(text) && p->error == NULL)
        p->error = "a text is not UTF-8";
    return dom_string(a, text);
}

/* {string = 1} */
static struct dom *read_quantity(struct arena *a, struct pb *p)
{
    struct pb m = pb_message(p);
    struct dom *d = dom_string(a, STR(""));
    while (pb_next(&m)) {
        if (m.field == 1)
            d = read_text(a, &m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
    return d;
}

/* {type = 1, intVal = 2, strVal = 3}; type 1 is a string. */
static struct dom *read_int_or_string(struct arena *a, struct pb *p)
{
    struct pb m = pb_message(p);
    int64_t type = 0;
    struct dom *number = dom_number(a, 0), *text = dom_string(a, STR(""));
    while (pb_next(&m)) {
        if (m.field == 1)
            type = pb_i64(&m);
        else if (m.field == 2)
            number = dom_number(a, pb_i32(&m));
        else if (m.field == 3)
            text = read_text(a, &m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
    return type == 1 ? text : number;
}

/* {key = 1, value = 2} */
static void read_map_entry(struct arena *a, struct pb *p, struct dom *map, bool quantities)
{
    struct pb m = pb_message(p);
    str key = STR_NONE, value = STR_NONE;
    while (pb_next(&m)) {
        if (m.field == 1)
            key = pb_bytes(&m);
        else if (m.field == 2)
            value = quantities ? read_quantity(a, &m)->text : pb_bytes(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
    if (map->count >= LIMIT_SIM_MEMBERS)
        p->error = p->error == NULL ? "a map has too many entries" : p->error;
    else
        dom_set(map, key, dom_string(a, value));
    if (!str_is_utf8(key) || !str_is_utf8(value))
        p->error = p->error == NULL ? "a text is not UTF-8" : p->error;
}

static struct dom *read_fields(struct arena *a, struct pb *p, const struct sim_field *fields,
                               int depth);

static struct dom *read_nested(struct arena *a, struct pb *p, const struct sim_field *fields,
                               int depth)
{
    struct pb m = pb_message(p);
    struct dom *d = read_fields(a, &m, fields, depth + 1);
    pb_join(p, &m);
    return d;
}

/* The array or map that repeated fields go into. */
static struct dom *collection(struct arena *a, struct dom *object, const struct sim_field *f,
                              enum dom_type type)
{
    struct dom *d = dom_getz(object, f->name);
    if (d == NULL) {
        d = dom_new(a, type);
        dom_set(object, str_from(f->name), d);
    }
    return d;
}

static void add_item(struct pb *p, struct dom *array, struct dom *item)
{
    if (array->count < LIMIT_SIM_ITEMS)
        dom_append(array, item);
    else if (p->error == NULL)
        p->error = "a list has too many items";
}

static void read_field(struct arena *a, struct pb *p, const struct sim_field *f, struct dom *object,
                       int depth)
{
    str name = str_from(f->name);
    if (f->presence == SIM_EMPTY || f->presence == SIM_IGNORED) {
        pb_skip(p);
        return;
    }
    switch (f->type) {
    case SIM_ANY:
    case SIM_RAW:
        pb_skip(p);
        break;
    case SIM_QUANTITY:
        dom_set(object, name, read_quantity(a, p));
        break;
    case SIM_QUANTITY_MAP:
        read_map_entry(a, p, collection(a, object, f, DOM_OBJECT), true);
        break;
    case SIM_INT_OR_STRING:
        dom_set(object, name, read_int_or_string(a, p));
        break;
    case SIM_STRING:
        dom_set(object, name, read_text(a, p));
        break;
    case SIM_BOOL:
        dom_set(object, name, dom_new(a, pb_bool(p) ? DOM_TRUE : DOM_FALSE));
        break;
    case SIM_INT32:
        dom_set(object, name, dom_number(a, pb_i32(p)));
        break;
    case SIM_INT64:
        dom_set(object, name, dom_number(a, pb_i64(p)));
        break;
    case SIM_TIME:
    case SIM_MICRO_TIME:
        dom_set(object, name, read_time(a, p, f->type == SIM_MICRO_TIME));
        break;
    case SIM_STRINGS:
        add_item(p, collection(a, object, f, DOM_ARRAY), read_text(a, p));
        break;
    case SIM_STRING_MAP:
        read_map_entry(a, p, collection(a, object, f, DOM_OBJECT), false);
        break;
    case SIM_OBJECT:
        dom_set(object, name, read_nested(a, p, f->fields, depth));
        break;
    case SIM_OBJECTS:
        add_item(p, collection(a, object, f, DOM_ARRAY), read_nested(a, p, f->fields, depth));
        break;
    }
}

static struct dom *read_fields(struct arena *a, struct pb *p, const struct sim_field *fields,
                               int depth)
{
    struct dom *object = dom_new(a, DOM_OBJECT);
    if (depth > DEPTH_MAX && p->error == NULL)
        p->error = "nested too deeply";
    while (pb_next(p)) {
        const struct sim_field *f = field_of(fields, p->field);
        if (f == NULL)
            pb_skip(p);
        else
            read_field(a, p, f, object, depth);
    }
    return object;
}

struct dom *proto_read(struct arena *a, str body, const struct sim_field *fields, bool has_metadata,
                       struct err *err)
{
    static const struct sim_field type_fields[] = {{"apiVersion", 1, SIM_STRING, SIM_POINTER, NULL},
                                                   {"kind", 2, SIM_STRING, SIM_POINTER, NULL},
                                                   {NULL}};
    struct dom *object = dom_new(a, DOM_OBJECT), *type = dom_new(a, DOM_OBJECT);
    struct pb p, raw;
    if (!str_starts_with(body, str_make("k8s", 4))) {
        err_set(err, "protobuf: the body does not begin with \"k8s\\0\"");
        return NULL;
    }
    pb_init(&raw, STR_NONE);
    pb_init(&p, str_skip(body, 4));
    while (pb_next(&p)) {
        if (p.field == 1)
            type = read_nested(a, &p, type_fields, 0);
        else if (p.field == 2)
            raw = pb_message(&p);
        else
            pb_skip(&p);
    }
    while (!pb_failed(&p) && pb_next(&raw)) {
        const struct sim_field *f =
            raw.field == 1 && has_metadata ? NULL : field_of(fields, raw.field);
        if (raw.field == 1 && has_metadata)
            dom_set(object, STR("metadata"), read_nested(a, &raw, sim_metadata_fields, 0));
        else if (f == NULL)
            pb_skip(&raw);
        else
            read_field(a, &raw, f, object, 0);
    }
    pb_join(&p, &raw);
    if (!pb_finish(&p, "protobuf", err))
        return NULL;
    for (struct dom *m = type->first, *next; m != NULL; m = next) {
        next = m->next;
        dom_set(object, m->key, dom_string(a, m->text));
    }
    return object;
}
