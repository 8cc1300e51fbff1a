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
};
enum sim_presence {
    SIM_POINTER,    /* kept if it was sent and is not null */
    SIM_OMIT_EMPTY, /* dropped if "", 0, false, [], {} */
    SIM_ALWAYS,     /* printed even if it was not sent */
    SIM_IGNORED,    /* known, but dropped: server-side or behind a feature gate that is off */
};
struct sim_field {
    const char *name; /* NULL ends a table */
    uint32_t number;  /* in protobuf; 0: not there */
    enum sim_type type;
    enum sim_presence presence;
    const struct sim_field *fields;
};

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
enum { SIM_COLUMNS_MAX = 8 };
struct sim_kind {
    const char *group, *version, *kind, *list_kind, *plural, *singular, *short_name;
    bool namespaced;
    bool create_on_update;     /* PUT of what is not there creates it */
    bool unconditional_update; /* PUT without resourceVersion replaces */
    bool has_status;           /* .../status is the only way to change status */
    bool no_collection_delete;
    enum sim_names names;
    const struct sim_field *fields; /* besides kind, apiVersion, metadata; NULL: anything, kept as it is */
    /* Fills in what the server itself decides; `old` is NULL when it is created. May be NULL. */
    void (*prepare)(struct arena *a, struct dom *object, const struct dom *old);
    void (*check)(const struct dom *object, struct sim_causes *causes); /* may be NULL */
    struct sim_column columns[SIM_COLUMNS_MAX];
};
/* The kinds that every simulator starts with, ended by NULL. */
extern const struct sim_kind *const sim_kinds_builtin[];
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
/* Names, labels, annotations, owners. */
void metadata_check(const struct sim_kind *kind, const struct dom *metadata, struct sim_causes *causes);

#endif
