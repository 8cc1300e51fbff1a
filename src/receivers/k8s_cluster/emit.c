/*
 * Points of one object into a batch: what all kinds have in common.
 *
 * Life of a resource: emit_resource says whose points follow; with the first point it is made, from
 * the attributes that are enabled and have a value, unless a filter leaves it out; an object
 * without a point leaves nothing behind. Metrics come in the order of the table, which the plan of
 * the entity keeps, and only those that are enabled.
 *
 * Invariants
 *  - a batch refers to nothing of the stores and nothing of the receiver: texts are copied into its
 *    arena (those of atoms once a batch), the rest is static.
 *  - nothing is formatted by printf here: a tick of 10,000 pods has 155,000 points.
 *
 * Specification: k8s_cluster 3.
 */
#include "receivers/k8s_cluster/emit.h"

#include "base/limits.h"
#include "wire/snake_case.h"

enum {
    /* encoded, about */
    RESOURCE_BYTES = sizeof K8S_SCOPE_NAME + sizeof K8S_SCHEMA_URL + 40,
    METRIC_BYTES = 16,
    POINT_BYTES = 32,
    ATTRIBUTE_BYTES = 8,
    SKIPPED_BYTES = 64, /* of a resource that a filter left out: its texts are in the arena */
};

/* ---- what is enabled ---- */

static bool has_filter(const struct k8s_cluster_config *config, enum k8s_resource_attribute id)
{
    return attribute_config_filters(&config->resource_attributes.items[id]);
}

static void plan_attribute(struct emit_plan *p, const struct k8s_cluster_config *config,
                           enum k8s_resource_attribute id)
{
    p->attributes[p->attribute_count++] = (uint8_t)id;
    p->has_filters |= p->entity != ENTITY_NODE_VALUES && has_filter(config, id);
}

static void make_plan(struct emit_plan *p, const struct k8s_cluster_config *config,
                      enum k8s_entity entity)
{
    const struct k8s_entity_desc *desc = &k8s_entities[entity];
    *p = (struct emit_plan){.entity = entity};
    for (size_t i = 0; i < K8S_METRIC_COUNT; i++) {
        if (k8s_metrics[i].entity != entity || !config->metrics.items[i].enabled)
            continue;
        CHECK(p->metric_count < COUNT_OF(p->metrics));
        p->metrics[p->metric_count++] = (uint8_t)i;
    }
    for (size_t i = 0; i < desc->attribute_count; i++) {
        enum k8s_resource_attribute id = desc->attributes[i];
        if (!k8s_attribute_enabled(config, id))
            continue;
        p->has_id |= i == 0 && desc->type.len > 0;
        if (i > 0 && i <= desc->description_count)
            p->description_count++;
        plan_attribute(p, config, id);
    }
    if (k8s_attribute_enabled(config, ATTR_CLUSTER_UID))
        plan_attribute(p, config, ATTR_CLUSTER_UID);
}

bool emit_wants(const struct k8s_cluster_config *config, enum k8s_entity entity)
{
    if (entity == ENTITY_NODE_VALUES)
        return config->node_conditions.count > 0 || config->allocatable_types.count > 0;
    for (size_t i = 0; i < K8S_METRIC_COUNT; i++)
        if (k8s_metrics[i].entity == entity && config->metrics.items[i].enabled)
            return true;
    return false;
}

static str unit_of(struct arena *a, str resource)
{
    if (str_eqz(resource, "cpu"))
        return STR("{cpu}");
    if (str_eqz(resource, "memory") || str_eqz(resource, "ephemeral-storage") ||
        str_eqz(resource, "storage"))
        return STR("By");
    if (str_eqz(resource, "pods"))
        return STR("{pod}");
    return arena_printf(a, "{%.*s}", STR_ARG(resource));
}

/* The metrics that node_conditions_to_report or allocatable_types_to_report ask for. */
static struct emit_named *make_named(struct emit *e, const struct config_strs *keys,
                                     bool is_condition)
{
    struct emit_named *named = ARENA_ARRAY(&e->arena, struct emit_named, keys->count);
    for (size_t i = 0; i < keys->count; i++) {
        str key = keys->items[i];
        struct buf name;
        buf_init(&name, MIB);
        buf_text(&name, is_condition ? "k8s.node.condition_" : "k8s.node.allocatable_");
        snake_case(&name, key);
        named[i].key = atoms_get(e->pool->atoms, key);
        named[i].is_cpu = str_eqz(key, "cpu");
        named[i].desc = (struct metric_desc){
            .name = arena_str(&e->arena, buf_view(&name)),
            .description =
                is_condition
                    ? arena_printf(&e->arena, "1 if %.*s is true, 0 if false, -1 if not known",
                                   STR_ARG(key))
                    : arena_printf(&e->arena, "What pods may use of %.*s", STR_ARG(key)),
            .unit = is_condition ? STR("") : unit_of(&e->arena, key),
            .type = METRIC_GAUGE,
        };
        buf_deinit(&name);
    }
    return named;
}

void emit_init(struct emit *e, const struct k8s_cluster_config *config, struct object_pool *pool,
               const struct logger *logger)
{
    *e = (struct emit){.config = config, .pool = pool, .logger = logger};
    arena_init(&e->arena, 4096);
    for (size_t i = 0; i < ENTITY_COUNT; i++) {
        make_plan(&e->plans[i], config, (enum k8s_entity)i);
        e->is_uid[k8s_entities[i].attributes[0]] = i != ENTITY_CONTAINER;
        e->is_name[k8s_entities[i].attributes[1]] = i != ENTITY_CONTAINER;
    }
    e->is_name[ATTR_NAMESPACE_NAME] = e->is_name[ATTR_NODE_NAME] = false; /* not for every kind */
    for (size_t i = 0; i < ATTR_COUNT; i++)
        attribute_filter_init(&e->filters[i], &e->arena, &config->resource_attributes.items[i]);
    for (size_t i = 0; i < K8S_METRIC_COUNT; i++) {
        const struct metric_desc *d = &k8s_metrics[i].desc;
        e->metric_bytes[i] = METRIC_BYTES + d->name.len + d->description.len + d->unit.len;
    }
    e->condition_count = config->node_conditions.count;
    e->conditions = make_named(e, &config->node_conditions, true);
    e->allocatable_count = config->allocatable_types.count;
    e->allocatables = make_named(e, &config->allocatable_types, false);
}

void emit_deinit(struct emit *e)
{
    for (size_t i = 0; i < ATTR_COUNT; i++)
        attribute_filter_deinit(&e->filters[i]);
    for (size_t i = 0; i < e->condition_count; i++)
        atoms_unref(e->pool->atoms, e->conditions[i].key);
    for (size_t i = 0; i < e->allocatable_count; i++)
        atoms_unref(e->pool->atoms, e->allocatables[i].key);
    arena_deinit(&e->arena);
}

/* ---- texts ---- */

void emit_begin(struct emit *e, struct batch *batch, int64_t time_ns, int64_t start_ns)
{
    e->batch = batch;
    e->time_ns = time_ns;
    e->start_ns = start_ns;
    e->encoded_bytes = 0;
    e->named = NULL;
    e->object = NULL;
    memset(e->entity_refs, 0, sizeof e->entity_refs);
    memset(&e->texts, 0, sizeof e->texts);
}

str emit_text(struct emit *e, atom n)
{
    return atom_copies_text(&e->texts, e->pool->atoms, &e->batch->arena, n);
}

static void take_object(struct emit *e, const struct object *o)
{
    if (e->object == o)
        return;
    char *buffer = arena_alloc(&e->batch->arena, UID_TEXT_BYTES);
    str uid = object_uid(o, buffer);
    e->object = o;
    e->uid = uid.data == buffer ? uid : arena_str(&e->batch->arena, uid);
    e->name = arena_str(&e->batch->arena, object_name(o));
}

/* ---- resources ---- */

void emit_resource(struct emit *e, enum k8s_entity entity, const struct object *o)
{
    take_object(e, o);
    e->plan = &e->plans[entity];
    e->container = NULL;
    e->scope = NULL;
    e->metric = NULL;
    e->dropped = false;
}

static bool passes(const struct attribute_filter *f, const struct value *v)
{
    str text = v->kind == VALUE_STR ? v->text : v->boolean ? STR("true") : STR("false");
    return attribute_filter_passes(f, text);
}

/* `items`: the attributes that are there, of which `described` are in the description. */
static const struct entity_ref *make_entity_ref(struct emit *e, const struct attribute *items,
                                                size_t described)
{
    struct arena *a = &e->batch->arena;
    struct entity_ref *ref = ARENA_NEW(a, struct entity_ref);
    str *keys = ARENA_ARRAY(a, str, described + 1);
    for (size_t i = 0; i <= described; i++)
        keys[i] = items[i].key;
    ref->type = k8s_entities[e->plan->entity].type;
    ref->id_keys = keys;
    ref->id_key_count = 1;
    ref->description_keys = keys + 1;
    ref->description_key_count = described;
    return ref;
}

static void set_entity(struct emit *e, struct resource *r, size_t described)
{
    const struct emit_plan *p = e->plan;
    bool is_complete = described == p->description_count;
    const struct entity_ref *ref = is_complete ? e->entity_refs[p->entity] : NULL;
    if (ref == NULL)
        ref = make_entity_ref(e, r->attributes.items, described);
    if (is_complete)
        e->entity_refs[p->entity] = ref;
    r->entity_refs = ref;
    r->entity_ref_count = 1;
    e->encoded_bytes += ref->type.len;
    for (size_t i = 0; i <= described; i++)
        e->encoded_bytes += ref->id_keys[i].len + 2;
}

static bool open_resource(struct emit *e)
{
    const struct emit_plan *p = e->plan;
    struct attribute items[ENTITY_ATTRIBUTES_MAX + 1];
    size_t count = 0, described = 0, bytes = RESOURCE_BYTES;
    for (size_t i = 0; i < p->attribute_count; i++) {
        enum k8s_resource_attribute id = p->attributes[i];
        struct value value = emit_attribute(e, id, e->object);
        if (value.kind == VALUE_EMPTY)
            continue;
        if (p->has_filters && !passes(&e->filters[id], &value)) {
            e->dropped = true;
            e->encoded_bytes += SKIPPED_BYTES;
            return false;
        }
        described += p->has_id && i > 0 && i <= p->description_count;
        items[count++] =
            (struct attribute){.key = k8s_resource_attributes[id].name, .value = value};
        bytes += ATTRIBUTE_BYTES + items[count - 1].key.len +
                 (value.kind == VALUE_STR ? value.text.len : 1);
    }
    struct resource *r = batch_resource(e->batch);
    r->schema_url = STR(K8S_SCHEMA_URL);
    r->attributes = batch_attributes(e->batch, items, count);
    e->encoded_bytes += bytes;
    if (p->has_id)
        set_entity(e, r, described);
    e->scope = batch_scope(e->batch, r);
    e->scope->name = STR(K8S_SCOPE_NAME);
    e->scope->version = STR(BATON_VERSION);
    return true;
}

/* ---- points ---- */

/* NULL: the resource is left out. */
static struct point *new_point(struct emit *e, const struct metric_desc *desc, size_t metric_bytes)
{
    if (e->scope == NULL && (e->dropped || !open_resource(e)))
        return NULL;
    if (e->metric == NULL || e->metric->desc != desc) {
        e->metric = batch_metric(e->batch, e->scope, desc);
        e->encoded_bytes += metric_bytes;
    }
    struct point *p = batch_point(e->batch, e->metric);
    p->time_ns = e->time_ns;
    e->encoded_bytes += POINT_BYTES;
    return p;
}

void emit_int(struct emit *e, enum k8s_metric_id id, int64_t value)
{
    struct point *p = new_point(e, &k8s_metrics[id].desc, e->metric_bytes[id]);
    if (p == NULL)
        return;
    p->start_ns = e->start_ns;
    p->value = VALUE_OF_INT(value);
}

void emit_double(struct emit *e, enum k8s_metric_id id, double value)
{
    struct point *p = new_point(e, &k8s_metrics[id].desc, e->metric_bytes[id]);
    if (p == NULL)
        return;
    p->start_ns = e->start_ns;
    p->value = VALUE_OF_DOUBLE(value);
}

void emit_int_with(struct emit *e, enum k8s_metric_id id, const struct attribute *attributes,
                   size_t count, int64_t value)
{
    struct point *p = new_point(e, &k8s_metrics[id].desc, e->metric_bytes[id]);
    if (p == NULL)
        return;
    p->start_ns = e->start_ns;
    p->attributes = batch_attributes(e->batch, attributes, count);
    p->value = VALUE_OF_INT(value);
    for (size_t i = 0; i < count; i++)
        e->encoded_bytes += ATTRIBUTE_BYTES + attributes[i].key.len + attributes[i].value.text.len;
}

void emit_choice(struct emit *e, enum k8s_metric_id id, enum k8s_point_attribute attribute,
                 const str *choices, size_t count, str chosen)
{
    for (size_t i = 0; i < count; i++) {
        const struct attribute a = {.key = k8s_point_attributes[attribute].name,
                                    .value = VALUE_OF_STR(choices[i])};
        emit_int_with(e, id, &a, 1, str_eq(choices[i], chosen));
    }
}

void emit_named(struct emit *e, const struct metric_desc *desc, struct value value)
{
    struct point *p = new_point(e, desc, METRIC_BYTES + desc->name.len + desc->description.len);
    if (p != NULL)
        p->value = value;
}

/* ---- several points into one ---- */

void emit_sums_begin(struct emit_sums *s, struct emit *e, enum k8s_metric_id id)
{
    s->emit = e;
    s->id = id;
    point_sums_begin(&s->sums, e->pool->hash_key);
}

/* The attributes of `values` that the configuration keeps; returns how many. */
static size_t kept_attributes(const struct emit_sums *s, const str *values,
                              struct attribute items[3])
{
    unsigned all = k8s_metrics[s->id].attributes,
             mask = s->emit->config->metrics.items[s->id].attribute_mask;
    size_t count = 0, at = 0;
    for (size_t i = 0; i < POINT_ATTRIBUTE_COUNT; i++) {
        if ((all & 1U << i) == 0)
            continue;
        if ((mask & 1U << i) != 0) {
            CHECK(count < 3);
            items[count++] = (struct attribute){.key = k8s_point_attributes[i].name,
                                                .value = VALUE_OF_STR(values[at])};
        }
        at++;
    }
    return count;
}

static bool is_reduced(const struct emit_sums *s)
{
    return s->emit->config->metrics.items[s->id].attribute_mask != k8s_metrics[s->id].attributes;
}

void emit_sums_add(struct emit_sums *s, const str *values, int64_t value)
{
    struct attribute items[3] = {0};
    size_t count = kept_attributes(s, values, items);
    if (!is_reduced(s)) {
        emit_int_with(s->emit, s->id, items, count, value);
        return;
    }
    str key[COUNT_OF(items)];
    for (size_t i = 0; i < count; i++)
        key[i] = items[i].value.text;
    point_sums_add(&s->sums, key, count, value);
}

void emit_sums_end(struct emit_sums *s)
{
    const struct metric_config *config = &s->emit->config->metrics.items[s->id];
    for (const struct point_sum *sum = s->sums.first; sum != NULL; sum = sum->next) {
        struct attribute items[3];
        size_t count = 0;
        for (size_t i = 0; i < POINT_ATTRIBUTE_COUNT; i++)
            if ((config->attribute_mask & 1U << i) != 0) {
                items[count] = (struct attribute){.key = k8s_point_attributes[i].name,
                                                  .value = VALUE_OF_STR(sum->key[count])};
                count++;
            }
        emit_int_with(s->emit, s->id, items, count,
                      point_sum_value(sum, (enum metric_aggregation)config->aggregation));
    }
    point_sums_end(&s->sums);
}

/* ---- kinds ---- */

void emit_object(struct emit *e, enum k8s_entity entity, const struct object *o,
                 const struct store *slices)
{
    switch (entity) {
    case ENTITY_POD:
    case ENTITY_CONTAINER:
        emit_pod(e, o);
        break;
    case ENTITY_NODE:
        emit_node(e, o);
        break;
    case ENTITY_NODE_VALUES:
        emit_node_values(e, o);
        break;
    case ENTITY_NAMESPACE:
        emit_namespace(e, o);
        break;
    case ENTITY_RESOURCE_QUOTA:
        emit_quota(e, o);
        break;
    case ENTITY_CLUSTER_QUOTA:
        emit_cluster_quota(e, o);
        break;
    case ENTITY_SERVICE:
        emit_service(e, o, slices);
        break;
    case ENTITY_PERSISTENT_VOLUME:
        emit_persistent_volume(e, o);
        break;
    case ENTITY_PERSISTENT_VOLUME_CLAIM:
        emit_persistent_volume_claim(e, o);
        break;
    case ENTITY_REPLICATION_CONTROLLER:
    case ENTITY_DEPLOYMENT:
    case ENTITY_REPLICA_SET:
    case ENTITY_DAEMON_SET:
    case ENTITY_STATEFUL_SET:
    case ENTITY_JOB:
    case ENTITY_CRON_JOB:
    case ENTITY_HPA:
        emit_workload(e, entity, o);
        break;
    case ENTITY_COUNT:
        CHECK(false);
    }
}
