/*
 * Settings that every receiver of metrics has for its metrics and resource attributes, and what
 * they do: filters on attribute values, points merged once attributes were left out.
 *
 * What the checks derive from texts (the number of the strategy, the mask of attributes) is kept
 * beside the texts, which print-config shows.
 *
 * Sums of one object: a map from the values of the attributes that are left to sum, least, greatest
 * and count; a sum beyond 64 bits is told as the limit, its average as it is.
 *
 * Specification: k8s_cluster 1, kyma_receivers 1.1; the code that the Collector's mdatagen makes.
 */
#include "service/metric_settings.h"

#include "service/text_pattern.h"

/* ---- metrics.<name> ---- */

static const char *const aggregation_names[] = {
    [AGGREGATE_AVG] = "avg",
    [AGGREGATE_SUM] = "sum",
    [AGGREGATE_MIN] = "min",
    [AGGREGATE_MAX] = "max",
};

#define METRIC_FIELD(key_, type_, member)                                                          \
    {                                                                                              \
        .key = key_, .type = type_, .offset = offsetof(struct metric_config, member)               \
    }
const struct config_field metric_config_fields[METRIC_FIELDS_ALL] = {
    METRIC_FIELD("enabled", CONFIG_BOOL, enabled),
    {.key = "attributes",
     .type = CONFIG_STR_LIST,
     .offset = offsetof(struct metric_config, attributes),
     .means_written = true,
     .flag_offset = offsetof(struct metric_config, has_attributes)},
    {.key = "aggregation_strategy",
     .type = CONFIG_STR,
     .offset = offsetof(struct metric_config, aggregation_strategy),
     .means_written = true,
     .flag_offset = offsetof(struct metric_config, has_strategy)},
};

void metric_config_defaults(void *config)
{
    struct metric_config *c = config;
    c->aggregation_strategy = str_from(aggregation_names[AGGREGATE_AVG]);
}

static str print_names(struct arena *a, const struct metric_attributes *of, unsigned mask)
{
    str names = STR("");
    for (size_t i = 0; i < of->name_count; i++)
        if ((mask & 1U << i) != 0)
            names = arena_printf(a, "%.*s%s%.*s", STR_ARG(names), names.len > 0 ? ", " : "",
                                 STR_ARG(of->names[i]));
    return names;
}

/* All of them, unless some were chosen. */
static void all_attributes(struct metric_config *c, const struct metric_attributes *of,
                           struct arena *a)
{
    c->attributes.items = ARENA_ARRAY(a, str, of->name_count);
    c->attributes.count = 0;
    for (size_t i = 0; i < of->name_count; i++)
        if ((of->all & 1U << i) != 0)
            c->attributes.items[c->attributes.count++] = of->names[i];
}

static void check_attributes(struct metric_config *c, const struct metric_attributes *of,
                             struct config_check *check)
{
    if (!c->has_attributes)
        all_attributes(c, of, check->arena);
    c->attribute_mask = 0;
    for (size_t i = 0; i < c->attributes.count; i++) {
        str name = c->attributes.items[i];
        unsigned bit = 0;
        for (size_t k = 0; k < of->name_count; k++)
            if (str_eq(name, of->names[k]))
                bit = 1U << k & of->all;
        if (bit == 0) {
            str valid = print_names(check->arena, of, of->all);
            config_problem(check, "attributes",
                           "metric %.*s doesn't have an attribute %.*s, valid attributes: [%.*s]",
                           STR_ARG(of->metric), STR_ARG(name), STR_ARG(valid));
        }
        c->attribute_mask |= bit;
    }
    unsigned missing = of->required & ~c->attribute_mask;
    if (missing != 0) {
        str name = print_names(check->arena, of, missing);
        config_problem(check, "attributes",
                       "%.*s is a required attribute for %.*s metric and must be included",
                       STR_ARG(name), STR_ARG(of->metric));
    }
}

void metric_config_check(struct metric_config *c, const struct metric_attributes *of,
                         struct config_check *check)
{
    check_attributes(c, of, check);
    c->is_aggregated = c->has_attributes || c->has_strategy;
    for (size_t i = 0; i < COUNT_OF(aggregation_names); i++) {
        if (str_eqz(c->aggregation_strategy, aggregation_names[i])) {
            c->aggregation = (int)i;
            return;
        }
    }
    config_problem(check, "aggregation_strategy",
                   "invalid aggregation strategy \"%.*s\", valid strategies: [sum, avg, min, max]",
                   STR_ARG(c->aggregation_strategy));
}

/* ---- resource_attributes.<name> ---- */

static void match_check(void *config, struct config_check *check)
{
    const struct match_config *c = config;
    struct err err;
    if (c->strict.len == 0 && c->regexp.len == 0) {
        config_problem(check, NULL, "must specify either strict or regexp");
    } else if (c->strict.len > 0 && c->regexp.len > 0) {
        config_problem(check, NULL, "strict and regexp cannot be used together");
    } else if (c->regexp.len > 0) {
        struct text_pattern *pattern = text_pattern_new(c->regexp, &err);
        if (pattern == NULL)
            config_problem(check, "regexp", "%s", err.text);
        text_pattern_free(pattern);
    }
}

static const struct config_field match_fields[] = {
    {.key = "strict", .type = CONFIG_STR, .offset = offsetof(struct match_config, strict)},
    {.key = "regexp", .type = CONFIG_STR, .offset = offsetof(struct match_config, regexp)},
};
static const struct config_schema match_schema = {
    .name = "filter",
    .size = sizeof(struct match_config),
    .fields = match_fields,
    .field_count = COUNT_OF(match_fields),
    .check = match_check,
};

static const struct config_field attribute_fields[] = {
    {.key = "enabled", .type = CONFIG_BOOL, .offset = offsetof(struct attribute_config, enabled)},
    {.key = "metrics_include",
     .type = CONFIG_BLOCK_LIST,
     .block = &match_schema,
     .offset = offsetof(struct attribute_config, metrics_include)},
    {.key = "metrics_exclude",
     .type = CONFIG_BLOCK_LIST,
     .block = &match_schema,
     .offset = offsetof(struct attribute_config, metrics_exclude)},
};
const struct config_schema attribute_config_schema = {
    .name = "attribute",
    .size = sizeof(struct attribute_config),
    .fields = attribute_fields,
    .field_count = COUNT_OF(attribute_fields),
};

/* ---- filters ---- */

struct attribute_match {
    str strict; /* or */
    struct text_pattern *pattern;
};

static struct attribute_match *make_matches(struct arena *a, const struct config_blocks *blocks)
{
    const struct match_config *from = blocks->items;
    struct attribute_match *matches = ARENA_ARRAY(a, struct attribute_match, blocks->count);
    struct err err;
    for (size_t i = 0; i < blocks->count; i++) {
        matches[i].strict = from[i].strict;
        if (from[i].regexp.len == 0)
            continue;
        matches[i].pattern = text_pattern_new(from[i].regexp, &err);
        CHECK(matches[i].pattern != NULL); /* checked with the configuration */
    }
    return matches;
}

void attribute_filter_init(struct attribute_filter *f, struct arena *a,
                           const struct attribute_config *config)
{
    f->include_count = config->metrics_include.count;
    f->exclude_count = config->metrics_exclude.count;
    f->include = make_matches(a, &config->metrics_include);
    f->exclude = make_matches(a, &config->metrics_exclude);
}

void attribute_filter_deinit(struct attribute_filter *f)
{
    for (size_t i = 0; i < f->include_count; i++)
        text_pattern_free(f->include[i].pattern);
    for (size_t i = 0; i < f->exclude_count; i++)
        text_pattern_free(f->exclude[i].pattern);
}

static bool matches_any(const struct attribute_match *matches, size_t count, str text)
{
    for (size_t i = 0; i < count; i++) {
        if (matches[i].pattern != NULL ? text_pattern_matches(matches[i].pattern, text)
                                       : str_eq(matches[i].strict, text))
            return true;
    }
    return false;
}

bool attribute_filter_passes(const struct attribute_filter *f, str value)
{
    return (f->include_count == 0 || matches_any(f->include, f->include_count, value)) &&
           !matches_any(f->exclude, f->exclude_count, value);
}

/* ---- sums ---- */

void point_sums_begin(struct point_sums *s, const uint64_t hash_key[2])
{
    *s = (struct point_sums){.first = NULL};
    arena_init(&s->arena, 1024);
    map_init(&s->map, hash_key);
}

/* All values in one text, so that two keys have the same only if they are equal. */
static str join(struct arena *a, const str *key, size_t key_count)
{
    size_t len = 0;
    for (size_t i = 0; i < key_count; i++)
        len += sizeof key[i].len + key[i].len;
    char *text = arena_alloc(a, len), *at = text;
    for (size_t i = 0; i < key_count; i++) {
        memcpy(at, &key[i].len, sizeof key[i].len);
        at += sizeof key[i].len;
        if (key[i].len > 0)
            memcpy(at, key[i].data, key[i].len);
        at += key[i].len;
    }
    return str_make(text, len);
}

static struct point_sum *new_sum(struct point_sums *s, const str *key, size_t key_count,
                                 int64_t first)
{
    struct point_sum *sum = ARENA_NEW(&s->arena, struct point_sum);
    str *copy = ARENA_ARRAY(&s->arena, str, key_count);
    for (size_t i = 0; i < key_count; i++)
        copy[i] = key[i];
    sum->key = copy;
    sum->min = sum->max = first;
    if (s->last == NULL)
        s->first = sum;
    else
        s->last->next = sum;
    s->last = sum;
    return sum;
}

void point_sums_add(struct point_sums *s, const str *key, size_t key_count, int64_t value)
{
    str joined = join(&s->arena, key, key_count);
    struct point_sum *sum = map_get(&s->map, joined);
    if (sum == NULL) {
        sum = new_sum(s, key, key_count, value);
        (void)map_put(&s->map, joined, sum);
    }
    sum->sum += value;
    sum->count++;
    sum->min = value < sum->min ? value : sum->min;
    sum->max = value > sum->max ? value : sum->max;
}

int64_t point_sum_value(const struct point_sum *sum, enum metric_aggregation how)
{
    switch (how) {
    case AGGREGATE_AVG:
        return (int64_t)(sum->sum / sum->count);
    case AGGREGATE_SUM:
        return sum->sum > INT64_MAX   ? INT64_MAX
               : sum->sum < INT64_MIN ? INT64_MIN
                                      : (int64_t)sum->sum;
    case AGGREGATE_MIN:
        return sum->min;
    case AGGREGATE_MAX:
        return sum->max;
    }
    CHECK(false);
}

void point_sums_end(struct point_sums *s)
{
    map_deinit(&s->map);
    arena_deinit(&s->arena);
}
