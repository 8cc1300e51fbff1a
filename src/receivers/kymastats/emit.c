/*
 * Points of one custom resource: one for each condition, then one for its state.
 *
 * Life of an object in a batch: its texts are copied into the batch -> the filters on resource
 * attributes may leave it out -> resource, scope and metrics are made when it is sure that there is
 * a point -> points. An object without a point leaves nothing behind.
 *
 * Invariants
 *  - a batch refers to nothing of the store and nothing of the receiver.
 *  - an object has at most LIMIT_OBJECT_ENTRIES points of conditions, so that it fits in one call.
 *  - `kind` is the plural that was configured.
 *
 * Specification: kyma_receivers 1.2 and 1.3. Points whose attributes are equal stay apart unless
 * `attributes` or `aggregation_strategy` was configured.
 */
#include "receivers/kymastats/emit.h"

enum {
    /* encoded, about */
    RESOURCE_BYTES = sizeof KYMASTATS_SCOPE_NAME + 120,
    METRIC_BYTES = 160,
    POINT_BYTES = 32,
    ATTRIBUTE_BYTES = 8,
};

static const struct metric_desc descriptions[KYMA_METRIC_COUNT] = {
    [KYMA_STATUS_CONDITIONS] =
        {
            .name = STR("kyma.resource.status.conditions"),
            .description = STR("A condition of the resource: 1 if True, 0 if False, else -1"),
            .unit = STR("1"),
            .type = METRIC_GAUGE,
        },
    [KYMA_STATUS_STATE] =
        {
            .name = STR("kyma.resource.status.state"),
            .description = STR("1 for the state that the resource is in"),
            .unit = STR("1"),
            .type = METRIC_GAUGE,
        },
};

void kyma_emit_init(struct kyma_emit *e, const struct kymastats_config *config,
                    struct object_pool *pool)
{
    *e = (struct kyma_emit){.config = config, .pool = pool};
    arena_init(&e->arena, 1024);
    for (size_t i = 0; i < KYMA_ATTR_COUNT; i++)
        attribute_filter_init(&e->filters[i], &e->arena, &config->resource_attributes.items[i]);
}

void kyma_emit_deinit(struct kyma_emit *e)
{
    for (size_t i = 0; i < KYMA_ATTR_COUNT; i++)
        attribute_filter_deinit(&e->filters[i]);
    arena_deinit(&e->arena);
}

void kyma_emit_begin(struct kyma_emit *e, struct batch *batch, int64_t time_ns, int64_t start_ns)
{
    e->batch = batch;
    e->time_ns = time_ns;
    e->start_ns = start_ns;
    e->encoded_bytes = 0;
    memset(&e->texts, 0, sizeof e->texts);
}

static str copy(struct kyma_emit *e, str text)
{
    return arena_str(&e->batch->arena, text);
}

static str text_of(struct kyma_emit *e, atom n)
{
    return atom_copies_text(&e->texts, e->pool->atoms, &e->batch->arena, n);
}

void kyma_emit_resource(struct kyma_emit *e, const struct kyma_resource_config *resource)
{
    e->values[KYMA_POINT_GROUP] = copy(e, resource->group);
    e->values[KYMA_POINT_KIND] = copy(e, resource->resource);
    e->values[KYMA_POINT_VERSION] = copy(e, resource->version);
}

/* ---- resources ---- */

/* NULL: a filter leaves it out. */
static struct scope *open_scope(struct kyma_emit *e)
{
    static const uint8_t points[KYMA_ATTR_COUNT] = {
        [KYMA_ATTR_NAMESPACE] = KYMA_POINT_NAMESPACE, [KYMA_ATTR_GROUP] = KYMA_POINT_GROUP,
        [KYMA_ATTR_KIND] = KYMA_POINT_KIND,           [KYMA_ATTR_NAME] = KYMA_POINT_NAME,
        [KYMA_ATTR_VERSION] = KYMA_POINT_VERSION,
    };
    struct attribute items[KYMA_ATTR_COUNT];
    size_t count = 0, bytes = RESOURCE_BYTES;
    for (size_t i = 0; i < KYMA_ATTR_COUNT; i++) {
        str value = e->values[points[i]];
        bool is_absent = i == KYMA_ATTR_NAMESPACE && value.len == 0;
        if (is_absent || !e->config->resource_attributes.items[i].enabled)
            continue;
        if (!attribute_filter_passes(&e->filters[i], value))
            return NULL;
        items[count++] =
            (struct attribute){.key = kyma_attribute_names[i], .value = VALUE_OF_STR(value)};
        bytes += ATTRIBUTE_BYTES + kyma_attribute_names[i].len + value.len;
    }
    struct resource *r = batch_resource(e->batch);
    r->attributes = batch_attributes(e->batch, items, count);
    struct scope *scope = batch_scope(e->batch, r);
    scope->name = STR(KYMASTATS_SCOPE_NAME);
    scope->version = STR(BATON_VERSION);
    e->encoded_bytes += bytes;
    return scope;
}

/* ---- points ---- */

static struct metric *open_metric(struct kyma_emit *e, enum kyma_metric id)
{
    e->encoded_bytes += METRIC_BYTES;
    return batch_metric(e->batch, e->scope, &descriptions[id]);
}

/* With the attributes of `mask`; `values` are those, in order. */
static void add_point(struct kyma_emit *e, struct metric *metric, unsigned mask, const str *values,
                      int64_t value)
{
    struct attribute items[KYMA_POINT_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < KYMA_POINT_COUNT; i++) {
        if ((mask & 1U << i) == 0)
            continue;
        e->encoded_bytes += ATTRIBUTE_BYTES + kyma_point_names[i].len + values[count].len;
        items[count] =
            (struct attribute){.key = kyma_point_names[i], .value = VALUE_OF_STR(values[count])};
        count++;
    }
    struct point *p = batch_point(e->batch, metric);
    p->start_ns = e->start_ns;
    p->time_ns = e->time_ns;
    p->attributes = batch_attributes(e->batch, items, count);
    p->value = VALUE_OF_INT(value);
    e->encoded_bytes += POINT_BYTES;
}

/* The values of the attributes of `mask`, in order; returns how many. */
static size_t kept_values(const struct kyma_emit *e, unsigned mask, str kept[KYMA_POINT_COUNT])
{
    size_t count = 0;
    for (size_t i = 0; i < KYMA_POINT_COUNT; i++)
        if ((mask & 1U << i) != 0)
            kept[count++] = e->values[i];
    return count;
}

static int64_t condition_value(str status)
{
    return str_eqz(status, "True") ? 1 : str_eqz(status, "False") ? 0 : -1;
}

static void set_condition(struct kyma_emit *e, const struct custom_condition *c)
{
    e->values[KYMA_POINT_TYPE] = text_of(e, c->type);
    e->values[KYMA_POINT_STATUS] = text_of(e, c->status);
    e->values[KYMA_POINT_REASON] = text_of(e, c->reason);
}

static void emit_sums(struct kyma_emit *e, const struct custom_resource *r, struct metric *metric)
{
    const struct metric_config *config = &e->config->metrics.items[KYMA_STATUS_CONDITIONS];
    struct point_sums sums;
    point_sums_begin(&sums, e->pool->hash_key);
    for (size_t i = 0; i < r->condition_count; i++) {
        str kept[KYMA_POINT_COUNT];
        set_condition(e, &custom_conditions(r)[i]);
        size_t count = kept_values(e, config->attribute_mask, kept);
        point_sums_add(&sums, kept, count, condition_value(e->values[KYMA_POINT_STATUS]));
    }
    for (const struct point_sum *sum = sums.first; sum != NULL; sum = sum->next)
        add_point(e, metric, config->attribute_mask, sum->key,
                  point_sum_value(sum, (enum metric_aggregation)config->aggregation));
    point_sums_end(&sums);
}

static void emit_conditions(struct kyma_emit *e, const struct custom_resource *r)
{
    const struct metric_config *config = &e->config->metrics.items[KYMA_STATUS_CONDITIONS];
    struct metric *metric = open_metric(e, KYMA_STATUS_CONDITIONS);
    if (config->is_aggregated) {
        emit_sums(e, r, metric);
        return;
    }
    for (size_t i = 0; i < r->condition_count; i++) {
        str kept[KYMA_POINT_COUNT];
        set_condition(e, &custom_conditions(r)[i]);
        (void)kept_values(e, config->attribute_mask, kept);
        add_point(e, metric, config->attribute_mask, kept,
                  condition_value(e->values[KYMA_POINT_STATUS]));
    }
}

static void emit_state(struct kyma_emit *e, const struct custom_resource *r)
{
    unsigned mask = e->config->metrics.items[KYMA_STATUS_STATE].attribute_mask;
    str kept[KYMA_POINT_COUNT];
    e->values[KYMA_POINT_STATE] = text_of(e, r->state);
    (void)kept_values(e, mask, kept);
    add_point(e, open_metric(e, KYMA_STATUS_STATE), mask, kept, 1);
}

void kyma_emit_object(struct kyma_emit *e, const struct object *o)
{
    const struct custom_resource *r = custom_resource_of(o);
    const struct metric_config *metrics = e->config->metrics.items;
    bool has_conditions = metrics[KYMA_STATUS_CONDITIONS].enabled && r->condition_count > 0;
    bool has_state = metrics[KYMA_STATUS_STATE].enabled && r->has_state;
    if (!has_conditions && !has_state)
        return;
    e->values[KYMA_POINT_NAME] = copy(e, object_name(o));
    e->values[KYMA_POINT_NAMESPACE] = text_of(e, o->namespace);
    e->scope = open_scope(e);
    if (e->scope == NULL)
        return;
    if (has_conditions)
        emit_conditions(e, r);
    if (has_state)
        emit_state(e, r);
}
