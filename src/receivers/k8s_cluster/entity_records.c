/*
 * Entity events as log records: the envelope, the two formats, and what the kinds share.
 *
 * Life of a record: the kind's file puts attributes -> entity_end_state sorts them, keeps the last of
 * equal keys, and appends a record to the batch. The batch begins with its first record, so that
 * nothing is made when there is nothing to say.
 *
 * Invariants: every text of a record is static or in the batch's arena, since the object may be
 * gone long before the batch is; attributes are in the order of their keys.
 *
 * Specification: k8s_cluster.md 4.2 (the default form), 4.3 (the form of the feature gate), 4.4.
 */
#include "receivers/k8s_cluster/entity_records.h"

#include <stdlib.h>

#include "base/map.h"

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)

/* ---- finding services, replica sets and jobs ---- */

static uint64_t group_of_namespace(const struct object *o)
{
    return o->namespace;
}

static uint64_t name_group(atom namespace, str name)
{
    static const uint64_t key[2] = {
        1, 2}; /* nothing secret: who may make objects may slow us anyway */
    uint64_t hash = sip_hash(key, name) + namespace;
    return hash == 0 ? 1 : hash;
}

static uint64_t group_of_name(const struct object *o)
{
    return name_group(o->namespace, object_name(o));
}

static void group_stores(const struct k8s_cluster *k, enum object_kind kind,
                         uint64_t (*group_of)(const struct object *o))
{
    for (size_t i = 0; i < k->kind_count[kind]; i++)
        store_group_by(watch_store(k->streams[k->kind_first[kind] + i].watch), group_of);
}

/* The stores of a kind that may hold objects of this namespace: calls next with *at = 0 first; NULL at the end. */
static const struct store *next_store(const struct k8s_cluster *k, enum object_kind kind,
                                      str namespace, size_t *at)
{
    while (*at < k->kind_count[kind]) {
        const struct k8s_stream *s = &k->streams[k->kind_first[kind] + (*at)++];
        if (s->namespace.len == 0 || str_eq(s->namespace, namespace))
            return watch_store(s->watch);
    }
    return NULL;
}

const struct object *entity_find_by_name(const struct entity_writer *w, enum object_kind kind,
                                         atom namespace, atom name)
{
    str text = entity_text(w, name);
    size_t at = 0;
    const struct store *s;
    while ((s = next_store(w->k, kind, entity_text(w, namespace), &at)) != NULL) {
        uint32_t cursor = 0;
        const struct object *o;
        while ((o = store_group_next(s, name_group(namespace, text), &cursor)) != NULL)
            if (o->namespace == namespace && str_eq(object_name(o), text))
                return o;
    }
    return NULL;
}

static bool has_label(const struct object *o, const struct object_label *wanted)
{
    const struct object_meta *meta = object_meta(o);
    const struct object_label *labels = object_at(o, meta->labels_at);
    for (size_t i = 0; i < meta->label_count; i++)
        if (labels[i].key == wanted->key)
            return labels[i].value == wanted->value;
    return false;
}

static bool selects(const struct object *service, const struct object *pod)
{
    const struct service_object *s = CONTAINER_OF(service, const struct service_object, object);
    const struct object_label *selector = object_at(service, s->selector_at);
    for (size_t i = 0; i < s->selector_count; i++)
        if (!has_label(pod, &selector[i]))
            return false;
    return s->selector_count > 0;
}

const struct object *entity_find_service(const struct entity_writer *w, const struct object *pod)
{
    if (object_meta(pod) == NULL || pod->namespace == 0)
        return NULL;
    const struct object *found = NULL;
    size_t at = 0;
    const struct store *s;
    while ((s = next_store(w->k, KIND_SERVICE, entity_text(w, pod->namespace), &at)) != NULL) {
        uint32_t cursor = 0;
        const struct object *o;
        while ((o = store_group_next(s, pod->namespace, &cursor)) != NULL)
            if (selects(o, pod) &&
                (found == NULL || str_compare(object_name(o), object_name(found)) < 0))
                found = o;
    }
    return found;
}

/* ---- the writer ---- */

void entity_writer_init(struct entity_writer *w, const struct k8s_cluster *k,
                        struct object_pool *pool)
{
    *w = (struct entity_writer){.k = k, .pool = pool};
    static const char *const names[OWNER_KIND_COUNT] = {"ReplicaSet", "Job", "Deployment",
                                                        "CronJob"};
    for (size_t i = 0; i < OWNER_KIND_COUNT; i++)
        w->owner_kinds[i] = atoms_get(pool->atoms, str_from(names[i]));
    group_stores(k, KIND_SERVICE, group_of_namespace);
    group_stores(k, KIND_REPLICA_SET, group_of_name);
    group_stores(k, KIND_JOB, group_of_name);
}

void entity_writer_deinit(struct entity_writer *w)
{
    CHECK(w->batch == NULL);
    for (size_t i = 0; i < OWNER_KIND_COUNT; i++)
        atoms_unref(w->pool->atoms, w->owner_kinds[i]);
    mem_free(w->items);
    mem_free(w->before.items);
    mem_free(w->after.items);
}

void entity_writer_begin(struct entity_writer *w, int64_t now_ns)
{
    CHECK(w->batch == NULL);
    w->now_ns = now_ns;
    w->state_count = 0;
    w->delete_count = 0;
}

struct batch *entity_writer_end(struct entity_writer *w)
{
    struct batch *b = w->batch;
    w->batch = NULL;
    w->scope = NULL;
    return b;
}

static struct batch *batch_of(struct entity_writer *w)
{
    if (w->batch != NULL)
        return w->batch;
    static const struct attribute marker = {.key = STR("otel.entity.event_as_log"),
                                            .value = VALUE_OF_BOOL(true)};
    w->batch = batch_new(SIGNAL_LOGS);
    w->scope = batch_scope(w->batch, batch_resource(w->batch));
    w->scope->attributes = batch_attributes(w->batch, &marker, 1);
    return w->batch;
}

/* ---- attributes ---- */

str entity_text(const struct entity_writer *w, atom n)
{
    return atoms_text(w->pool->atoms, n);
}

void entity_put(struct entity_writer *w, str key, str value)
{
    if (w->item_count == w->item_cap) {
        w->item_cap = w->item_cap == 0 ? 64 : w->item_cap * 2;
        w->items = mem_realloc(w->items, w->item_cap * sizeof *w->items);
    }
    struct arena *a = &batch_of(w)->arena;
    w->items[w->item_count] = (struct entity_attribute){
        .attribute = {.key = key, .value = VALUE_OF_STR(arena_str(a, value))},
        .order = w->item_count,
    };
    w->item_count++;
}

void entity_put_atom(struct entity_writer *w, str key, atom value)
{
    entity_put(w, key, entity_text(w, value));
}

static void put_digits(char *at, int count, int64_t number)
{
    for (int i = count - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
}

/* Whole seconds, UTC. rfc3339_print counts in nanoseconds, which reach only from 1677 to 2262. */
void entity_put_time(struct entity_writer *w, str key, int64_t seconds)
{
    const int64_t first = INT64_C(-62135596800) /* 0001-01-01 */, last = INT64_C(253402300799);
    /* A missing time is the zero time of Go, the first second of year 1. */
    int64_t since_year_1 = (seconds < first ? first : seconds > last ? last : seconds) - first;
    int64_t day = since_year_1 / 86400, second = since_year_1 % 86400;
    /* Years are counted from March, so that the leap day is the last one: day 0 is 0000-03-01. */
    day += 306;
    int64_t era = day / 146097, day_of_era = day % 146097; /* 400 years each */
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
    char text[] = "0000-00-00T00:00:00Z";
    put_digits(text, 4, era * 400 + year_of_era + (month >= 10));
    put_digits(text + 5, 2, month < 10 ? month + 3 : month - 9);
    put_digits(text + 8, 2, day_of_year - (153 * month + 2) / 5 + 1);
    put_digits(text + 11, 2, second / 3600);
    put_digits(text + 14, 2, second / 60 % 60);
    put_digits(text + 17, 2, second % 60);
    entity_put(w, key, str_make(text, sizeof text - 1));
}

void entity_put_created(struct entity_writer *w, str key, const struct object *o)
{
    const struct object_meta *meta = object_meta(o);
    entity_put_time(w, key, meta == NULL ? INT64_MIN : meta->created_s);
}

str entity_key(struct entity_writer *w, str prefix, str middle, str suffix)
{
    size_t len = prefix.len + middle.len + suffix.len;
    char *text = arena_alloc(&batch_of(w)->arena, len == 0 ? 1 : len);
    memcpy(text, prefix.data, prefix.len);
    if (middle.len > 0)
        memcpy(text + prefix.len, middle.data, middle.len);
    if (suffix.len > 0)
        memcpy(text + prefix.len + middle.len, suffix.data, suffix.len);
    return str_make(text, len);
}

void entity_put_labels(struct entity_writer *w, str prefix, const struct object *o)
{
    const struct object_meta *meta = object_meta(o);
    if (meta == NULL)
        return;
    const struct object_label *labels = object_at(o, meta->labels_at);
    for (size_t i = 0; i < meta->label_count; i++)
        entity_put(w, entity_key(w, prefix, entity_text(w, labels[i].key), STR("")),
                   entity_text(w, labels[i].value));
}

void entity_put_annotations(struct entity_writer *w, str prefix, const struct object *o)
{
    const struct object_meta *meta = object_meta(o);
    if (meta == NULL)
        return;
    const struct object_annotation *items = object_at(o, meta->annotations_at);
    for (size_t i = 0; i < meta->annotation_count; i++)
        entity_put(w, entity_key(w, prefix, entity_text(w, items[i].key), STR("")),
                   str_make(object_at(o, items[i].value_at), items[i].value_len));
}

/* ---- owners ---- */

const struct object_owner *entity_owners(const struct object *o, size_t *count)
{
    const struct object_meta *meta = object_meta(o);
    *count = meta == NULL ? 0 : meta->owner_count;
    return *count == 0 ? NULL : object_at(o, meta->owners_at);
}

const struct object_owner *entity_owner_of_kind(const struct object *o, atom kind)
{
    size_t count;
    const struct object_owner *owners = entity_owners(o, &count);
    for (size_t i = 0; i < count; i++)
        if (owners[i].kind == kind)
            return &owners[i];
    return NULL;
}

void entity_put_owner(struct entity_writer *w, const struct object *o,
                      const struct object_owner *owner)
{
    char *kind = arena_cstr(&batch_of(w)->arena, entity_text(w, owner->kind));
    for (char *c = kind; *c != '\0'; c++) /* kinds are ASCII identifiers */
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    str name_key = entity_key(w, STR("k8s."), str_from(kind), STR(".name"));
    str uid_key = entity_key(w, STR("k8s."), str_from(kind), STR(".uid"));
    char uid[UID_TEXT_BYTES];
    entity_put(w, name_key, entity_text(w, owner->name));
    entity_put(w, uid_key, owner_uid(o, owner, uid));
}

/* ---- records ---- */

static struct attributes one_text(struct entity_writer *w, str key, str value)
{
    struct arena *a = &batch_of(w)->arena;
    const struct attribute item = {.key = key, .value = VALUE_OF_STR(arena_str(a, value))};
    return batch_attributes(w->batch, &item, 1);
}

static struct value value_of_map(struct attributes map)
{
    return (struct value){.kind = VALUE_MAP, .map = {.items = map.items, .count = map.count}};
}

static int compare_attributes(const void *a, const void *b)
{
    const struct entity_attribute *x = a, *y = b;
    int order = str_compare(x->attribute.key, y->attribute.key);
    if (order != 0)
        return order;
    return x->order < y->order ? -1 : 1;
}

/* Those that were put, in order of their keys; of equal ones the last. */
static struct attributes take_attributes(struct entity_writer *w)
{
    qsort(w->items, w->item_count, sizeof *w->items, compare_attributes);
    struct attribute *out = ARENA_ARRAY(&batch_of(w)->arena, struct attribute, w->item_count);
    size_t count = 0;
    for (size_t i = 0; i < w->item_count; i++) {
        bool is_last = i + 1 == w->item_count ||
                       !str_eq(w->items[i].attribute.key, w->items[i + 1].attribute.key);
        if (is_last)
            out[count++] = w->items[i].attribute;
    }
    w->item_count = 0;
    return (struct attributes){.items = out, .count = count};
}

/* The names of the two formats. */
struct record_format {
    str event_type; /* empty: the kind of event is the record's event name */
    str type, id, attributes, interval;
    str state, deletion;
    int64_t interval_unit_ns;
};
static const struct record_format formats[] = {
    {
        .event_type = STR("otel.entity.event.type"),
        .type = STR("otel.entity.type"),
        .id = STR("otel.entity.id"),
        .attributes = STR("otel.entity.attributes"),
        .interval = STR("otel.entity.interval"),
        .state = STR("entity_state"),
        .deletion = STR("entity_delete"),
        .interval_unit_ns = MILLISECOND,
    },
    {
        .type = STR("entity.type"),
        .id = STR("entity.id"),
        .attributes = STR("entity.description"),
        .interval = STR("entity.report.interval"),
        .state = STR("entity.state"),
        .deletion = STR("entity.delete"),
        .interval_unit_ns = SECOND,
    },
};

static void write_record(struct entity_writer *w, str type, str id_key, str id,
                         const struct attributes *description)
{
    const struct record_format *f = &formats[w->k->entity_spec_format ? 1 : 0];
    struct batch *b = batch_of(w);
    struct attribute items[5];
    size_t count = 0;
    str event = description != NULL ? f->state : f->deletion;
    if (f->event_type.len > 0)
        items[count++] = (struct attribute){f->event_type, VALUE_OF_STR(event)};
    items[count++] = (struct attribute){f->type, VALUE_OF_STR(type)};
    items[count++] = (struct attribute){f->id, value_of_map(one_text(w, id_key, id))};
    int64_t interval_ns = w->k->config->metadata_collection_interval_ns;
    if (description != NULL) {
        items[count++] = (struct attribute){f->attributes, value_of_map(*description)};
        if (interval_ns != 0)
            items[count++] =
                (struct attribute){f->interval, VALUE_OF_INT(interval_ns / f->interval_unit_ns)};
    }
    struct log_record *record = batch_log(b, w->scope);
    record->time_ns = w->now_ns;
    record->event_name = f->event_type.len > 0 ? STR_NONE : event;
    record->attributes = batch_attributes(b, items, count);
}

void entity_end_state(struct entity_writer *w, str type, str id_key, str id)
{
    struct attributes description = take_attributes(w);
    write_record(w, type, id_key, id, &description);
    w->state_count++;
}

void entity_add_delete(struct entity_writer *w, str type, str id_key, str id)
{
    write_record(w, type, id_key, id, NULL);
    w->delete_count++;
}

/* ---- objects ---- */

struct entity_type {
    const char *type, *id_key;
    void (*describe)(struct entity_writer *w, const struct object *o);
};
static const struct entity_type types[KIND_COUNT] = {
    [KIND_POD] = {"k8s.pod", "k8s.pod.uid", entity_describe_pod},
    [KIND_NODE] = {"k8s.node", "k8s.node.uid", entity_describe_node},
    [KIND_NAMESPACE] = {"k8s.namespace", "k8s.namespace.uid", entity_describe_namespace},
    [KIND_REPLICATION_CONTROLLER] = {"k8s.replicationcontroller", "k8s.replicationcontroller.uid",
                                     entity_describe_workload},
    [KIND_SERVICE] = {"k8s.service", "k8s.service.uid", entity_describe_service},
    [KIND_DAEMON_SET] = {"k8s.daemonset", "k8s.daemonset.uid", entity_describe_workload},
    [KIND_DEPLOYMENT] = {"k8s.deployment", "k8s.deployment.uid", entity_describe_workload},
    [KIND_REPLICA_SET] = {"k8s.replicaset", "k8s.replicaset.uid", entity_describe_workload},
    [KIND_STATEFUL_SET] = {"k8s.statefulset", "k8s.statefulset.uid", entity_describe_workload},
    [KIND_JOB] = {"k8s.job", "k8s.job.uid", entity_describe_workload},
    [KIND_CRON_JOB] = {"k8s.cronjob", "k8s.cronjob.uid", entity_describe_workload},
    [KIND_HPA] = {"k8s.hpa", "k8s.hpa.uid", entity_describe_workload},
    [KIND_PERSISTENT_VOLUME] = {"k8s.persistentvolume", "k8s.persistentvolume.uid",
                                entity_describe_volume},
    [KIND_PERSISTENT_VOLUME_CLAIM] = {"k8s.persistentvolumeclaim", "k8s.persistentvolumeclaim.uid",
                                      entity_describe_claim},
};

bool entity_kind_has_events(enum object_kind kind)
{
    return types[kind].type != NULL;
}

void entity_write_states(struct entity_writer *w, const struct object *o)
{
    const struct entity_type *type = &types[o->kind];
    char uid[UID_TEXT_BYTES];
    type->describe(w, o);
    entity_end_state(w, str_from(type->type), str_from(type->id_key), object_uid(o, uid));
    if (o->kind == KIND_POD)
        entity_write_container_states(w, o);
}

void entity_write_deletes(struct entity_writer *w, const struct object *before,
                          const struct object *after)
{
    const struct entity_type *type = &types[before->kind];
    char uid[UID_TEXT_BYTES];
    if (after == NULL)
        entity_add_delete(w, str_from(type->type), str_from(type->id_key), object_uid(before, uid));
    if (before->kind == KIND_POD)
        entity_write_container_deletes(w, before, after);
}

bool entity_any_vanished(struct entity_writer *w, const struct object *before,
                         const struct object *after)
{
    return before->kind == KIND_POD && entity_any_container_vanished(w, before, after);
}
