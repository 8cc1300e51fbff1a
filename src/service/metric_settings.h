/*
 * What the configurations of metric receivers have in common: `metrics.<name>` and `resource_attributes.<name>`, as generated for every
 * such receiver of the Collector; and what they mean when points are made.
 */
#ifndef SERVICE_METRIC_SETTINGS_H
#define SERVICE_METRIC_SETTINGS_H

#include "base/map.h"
#include "config/config.h"

/* -- metrics.<name> -- */
enum metric_aggregation { AGGREGATE_AVG, AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX };

struct metric_config {
    bool enabled;
    struct config_strs attributes; /* metrics whose points may lose attributes, as the rest */
    str aggregation_strategy;
    bool has_attributes, has_strategy; /* they were written */
    int aggregation;               /* enum metric_aggregation, from the text */
    unsigned attribute_mask;       /* 1 << number of an attribute, from `attributes` */
    bool is_aggregated;            /* `attributes` or `aggregation_strategy` was written */
};
/* `enabled`, then `attributes` and `aggregation_strategy`: take the first one or all three. */
enum { METRIC_FIELDS_ENABLED = 1, METRIC_FIELDS_ALL = 3 };
extern const struct config_field metric_config_fields[METRIC_FIELDS_ALL];
void metric_config_defaults(void *config); /* with all three fields */
/* The attributes that points of a metric have: bits are places in `names`. */
struct metric_attributes {
    str metric;
    const str *names;
    size_t name_count;
    unsigned all, required;
};
/* Checks and completes a metric_config with all three fields. */
void metric_config_check(struct metric_config *c, const struct metric_attributes *of, struct config_check *check);

/* -- resource_attributes.<name> -- */
/* One entry of metrics_include or metrics_exclude; one of the two is set. */
struct match_config {
    str strict, regexp;
};
struct attribute_config {
    bool enabled;
    struct config_blocks metrics_include, metrics_exclude; /* struct match_config */
};
extern const struct config_schema attribute_config_schema;
static inline bool attribute_config_filters(const struct attribute_config *c)
{
    return c->enabled && (c->metrics_include.count > 0 || c->metrics_exclude.count > 0);
}

/* metrics_include and metrics_exclude of one attribute at work. */
struct attribute_match;
struct attribute_filter {
    struct attribute_match *include, *exclude;
    size_t include_count, exclude_count;
};
/* Memory comes from the arena; the texts of `config` must stay. */
void attribute_filter_init(struct attribute_filter *f, struct arena *a, const struct attribute_config *config);
void attribute_filter_deinit(struct attribute_filter *f);
/* Do metrics of a resource with this value of the attribute come out? */
bool attribute_filter_passes(const struct attribute_filter *f, str value);

/* -- points of one object that have become equal -- */
struct point_sum {
    struct point_sum *next; /* in order of arrival of the first of them */
    const str *key;         /* the attributes' values */
    __int128 sum; /* no number of 64-bit values reaches its end */
    int64_t min, max, count;
};
struct point_sums {
    struct arena arena;
    struct map map;
    struct point_sum *first, *last;
};
void point_sums_begin(struct point_sums *s, const uint64_t hash_key[2]);
/* A point with these values of its attributes; their texts stay until the end. */
void point_sums_add(struct point_sums *s, const str *key, size_t key_count, int64_t value);
int64_t point_sum_value(const struct point_sum *sum, enum metric_aggregation how);
void point_sums_end(struct point_sums *s);

#endif
