/*
 * A page in the Prometheus text format (version 0.0.4), family by family. Names are given without what a reader may switch off: unit and
 * `_total`.
 */
#ifndef SERVICE_METRICS_PAGE_H
#define SERVICE_METRICS_PAGE_H

#include "base/buf.h"

struct metrics_page_options {
    bool scope, units, type_suffix; /* labels otel_scope_*; suffixes such as _bytes; _total of counters */
    str constant_labels;            /* `a="b",c="d"`: on every sample but those of target_info; may be empty */
};
enum metrics_family_kind { FAMILY_GAUGE, FAMILY_COUNTER };
struct metrics_family {
    const char *name;
    const char *unit; /* "seconds", "bytes"; NULL: none, or in the name already */
    enum metrics_family_kind kind;
    bool exact_name;  /* no suffix, whatever the reader wants */
    const char *help;
};
struct metrics_page {
    struct buf *out;
    struct metrics_page_options options;
    const struct metrics_family *family;
    bool has_sample;  /* of this family: HELP and TYPE are written */
    bool has_label;
    struct buf name;
};
void metrics_page_init(struct metrics_page *p, struct buf *out, const struct metrics_page_options *options);
void metrics_page_deinit(struct metrics_page *p);
/* Samples from now on are of this family; a family without samples does not appear. */
void metrics_page_family(struct metrics_page *p, const struct metrics_family *family);
/* One sample: begin, any number of labels, end with its value. Labels of a family's samples must differ. */
void metrics_page_begin(struct metrics_page *p);
void metrics_page_label(struct metrics_page *p, const char *key, str value);
void metrics_page_end(struct metrics_page *p, double value);
void metrics_page_end_count(struct metrics_page *p, uint64_t value);

/* `value` with quotes and escapes. */
void metrics_label_value(struct buf *out, str value);
/* `key` with every byte that a label's name may not have replaced by an underscore. */
void metrics_label_name(struct buf *out, str key);

#endif
