/*
 * Kinds that the simulator serves, each one const table: how it is called, how its fields are typed, what is checked, which
 * columns kubectl shows.
 */
#ifndef KUBESIM_KINDS_H
#define KUBESIM_KINDS_H

#include "kubesim/dom.h"

/* -- typed fields -- */
enum sim_type {
    SIM_ANY,
    SIM_STRING,
    SIM_BOOL,
    SIM_INT32,
    SIM_INT64,
    SIM_TIME,       /* RFC 3339; kept with whole seconds */
    SIM_MICRO_TIME, /* exactly six digits of fraction */
    SIM_STRINGS,    /* array of strings */
    SIM_STRING_MAP,
    SIM_OBJECT,     /* by `fields` */
    SIM_OBJECTS,    /* array of objects by `fields` */
    SIM_QUANTITY,   /* "100m"; kept as it was sent, a bare number becomes text */
    SIM_QUANTITY_MAP,
    SIM_INT_OR_STRING,
    SIM_RAW,        /* any JSON; in protobuf its text as bytes, one message deeper (FieldsV1) */
};
enum sim_presence {
    SIM_POINTER,    /* kept if it was sent and is not null */
    SIM_OMIT_EMPTY, /* dropped if "", 0, false, [], {} */
    SIM_ALWAYS,     /* printed even if it was not sent */
    SIM_IGNORED,    /* known, but dropped: server-side or behind a feature gate that is off */
    SIM_EMPTY,      /* never in JSON; in protobuf always written, and always empty */
    SIM_REST,       /* in the entry that ends a table: what the table does not name is kept, in JSON only */
};
/* In protobuf a field of Go's that is no pointer is always written, so absence in the tree means: SIM_POINTER and SIM_IGNORED are
 * left out, the others are written as zero. Lists and maps are left out whenever they are empty. */
struct sim_field {
    const char *name; /* NULL ends a table: SIM_END, or SIM_OPEN_END if unknown members are kept */
    uint32_t number;  /* in protobuf; 0: not there */
    enum sim_type type;
    enum sim_presence presence;
    const struct sim_field *fields;
};
#define SIM_END {NULL, 0, SIM_ANY, SIM_POINTER, NULL}
#define SIM_OPEN_END {NULL, 0, SIM_ANY, SIM_REST, NULL}

/* -- what is wrong with an object -- */
enum { SIM_CAUSES_MAX = 32 };
struct sim_cause {
    const char *reason; /* FieldValueInvalid, FieldValueRequired, ... */
    str field, message; /* message with its head: "Invalid value: 0: must be ..." */
};
struct sim_causes {
    struct arena *arena;
    size_t count; /* more than SIM_CAUSES_MAX are dropped */
    struct sim_cause items[SIM_CAUSES_MAX];
};
void causes_invalid(struct sim_causes *c, str field, str value_json, const char *format, ...) PRINTF_LIKE(4, 5);
void causes_required(struct sim_causes *c, str field, const char *text);
void causes_other(struct sim_causes *c, const char *reason, str field, const char *format, ...) PRINTF_LIKE(4, 5);

/* -- kinds -- */
enum sim_names { SIM_NAMES_SUBDOMAIN, SIM_NAMES_LABEL, SIM_NAMES_PATH };
struct sim_column {
    const char *name;
    const char *path; /* "spec.holderIdentity"; "name" and "age" are from the metadata; NULL ends the columns */
};
enum { SIM_COLUMNS_MAX = 8, SIM_DEFAULTS_MAX = 6 };
struct sim_kind {
    const char *group, *version, *kind, *list_kind, *plural, *singular, *short_name;
    bool namespaced;
    bool create_on_update;     /* PUT of what is not there creates it */
    bool unconditional_update; /* PUT without resourceVersion replaces */
    bool has_status;           /* .../status is the only way to change status */
    bool keeps_status;         /* what is created may have a status */
    bool has_generation;       /* counts changes of spec */
    bool no_collection_delete;
    bool returns_deleted;      /* DELETE answers the object, not a Status */
    enum sim_names names;
    const struct sim_field *fields; /* besides kind, apiVersion, metadata; NULL: a custom resource, kept as it is, JSON only */
    struct sim_default {
        const char *path, *json;
    } defaults[SIM_DEFAULTS_MAX]; /* set where the path's last name is absent, ended by NULL */
    /* Fills in what the server itself decides; `old` is NULL when it is created. May be NULL. */
    void (*prepare)(struct arena *a, struct dom *object, const struct dom *old);
    void (*check)(const struct dom *object, struct sim_causes *causes); /* may be NULL */
    struct sim_column columns[SIM_COLUMNS_MAX];
};
/* The kinds that every simulator starts with, ended by NULL. */
extern const struct sim_kind *const sim_kinds_builtin[];
extern const struct sim_kind sim_pod_kind, sim_node_kind, sim_replication_controller_kind, sim_resource_quota_kind, sim_service_kind,
    sim_persistent_volume_kind, sim_persistent_volume_claim_kind, sim_endpoints_kind;
extern const struct sim_kind sim_deployment_kind, sim_replica_set_kind, sim_stateful_set_kind, sim_daemon_set_kind, sim_job_kind,
    sim_cron_job_kind, sim_hpa_kind, sim_endpoint_slice_kind;
extern const struct sim_kind sim_cluster_resource_quota_kind; /* only served if it is asked for */
/* Tables that several kinds share. */
extern const struct sim_field sim_pod_template_fields[], sim_label_selector_fields[], sim_object_reference_fields[];
/* "Lease.coordination.k8s.io", "Namespace". */
str kind_qualified(struct arena *a, const struct sim_kind *kind);
/* "leases.coordination.k8s.io", "namespaces". */
str kind_resource(struct arena *a, const struct sim_kind *kind);
/* "coordination.k8s.io/v1", "v1". */
str kind_api_version(struct arena *a, const struct sim_kind *kind);

/* -- schema -- */
enum sim_strictness { SIM_LENIENT, SIM_WARN, SIM_STRICT };
struct sim_schema_report {
    struct arena *arena;
    bool failed;       /* a value of the wrong type: `problem` says which */
    str problem;
    bool collect;      /* look for unknown and repeated fields */
    size_t strange_count;
    str strange[SIM_CAUSES_MAX]; /* `unknown field "spec.foo"` */
};
extern const struct sim_field sim_metadata_fields[];
/* `object` in the order and with the types of the kind; metadata by the common table. NULL: see report. */
struct dom *schema_apply(const struct sim_kind *kind, struct dom *object, struct sim_schema_report *report);
/* A field as it is when nothing was sent, e.g. "status"; NULL if the kind has no such field. */
struct dom *schema_empty(const struct sim_kind *kind, const char *name, struct arena *a);
void schema_defaults(const struct sim_kind *kind, struct dom *object, struct arena *a);
/* Names, labels, annotations, owners. */
void metadata_check(const struct sim_kind *kind, const struct dom *metadata, struct sim_causes *causes);

#endif
