/* What a request asks for: path, query and headers taken apart. All texts live in the arena given. */
#ifndef KUBESIM_REQUEST_H
#define KUBESIM_REQUEST_H

#include "kubesim/store.h"

/* -- query string -- */
struct query {
    struct query_item {
        str name, value;
    } *items;
    size_t count;
};
/* Pairs that cannot be decoded are dropped, as in Go. */
void query_parse(struct query *q, struct arena *a, str text);
/* First value of a name; false if it is not there. */
bool query_get(const struct query *q, const char *name, str *value);
/* Kubernetes' booleans: absent, "0" and "false" are false, everything else is true. */
bool query_bool(const struct query *q, const char *name);

/* -- path -- */
enum route_type {
    ROUTE_UNKNOWN,  /* no such path: 404 as text */
    ROUTE_CONTROL,  /* /_sim/... */
    ROUTE_HEALTH,   /* readyz, livez, healthz */
    ROUTE_VERSION,
    ROUTE_INDEX,    /* / */
    ROUTE_DISCOVERY, /* /api, /apis, /apis/GROUP, and a served /apis/GROUP/VERSION */
    ROUTE_OPENAPI,
    ROUTE_RESOURCE, /* the form of a resource in a group and version that may or may not be served */
};
enum { ROUTE_SEGMENTS_MAX = 9 };
struct route {
    enum route_type type;
    str segments[ROUTE_SEGMENTS_MAX]; /* decoded */
    size_t segment_count;
    /* of a resource: */
    str group, version, namespace, resource, name, subresource;
    bool in_namespace; /* .../namespaces/NS/... */
    bool too_deep;     /* more than there can be: 404 */
};
void route_parse(struct route *r, struct arena *a, str path);

/* -- Accept -- */
enum view { VIEW_NONE, VIEW_OBJECT, VIEW_TABLE, VIEW_METADATA };
struct accepted {
    enum view view;
    bool protobuf; /* else JSON */
};
enum accept_for {
    ACCEPT_ITEM,
    ACCEPT_MANY,   /* a list or a watch: PartialObjectMetadataList is possible, too */
    ACCEPT_STATUS, /* an error: only as it is */
};
/* The form of the answer that the header prefers among those we have; VIEW_NONE: 406. Objects of custom resources have no protobuf
 * (`has_protobuf` false), but their metadata has. Tables are JSON only. */
struct accepted accept_parse(str header, enum accept_for what, bool has_protobuf);

/* -- options of get, list and watch -- */
enum version_match { MATCH_NONE, MATCH_EXACT, MATCH_NOT_OLDER };
struct list_options {
    bool watch, bookmarks, has_initial_events, initial_events;
    int64_t limit;     /* 0: none */
    int64_t timeout_s; /* 0: not given */
    str continue_token, version_text;
    uint64_t version;  /* 0: unset, or "0" */
    bool has_version, version_is_number;
    enum version_match match;
    bool match_unknown;
    str match_text;
    struct label_selector labels;
    struct field_selector fields;
};
/* False: 400 with the text in err. */
NODISCARD bool list_options_parse(struct list_options *o, struct arena *a, const struct query *q, struct err *err);

/* Place of the next page: {"v":"meta.k8s.io/v1","rv":N,"start":"key"} in URL-safe base64. rv -1: wherever we are. */
str continue_make(struct arena *a, int64_t version, str start);
NODISCARD bool continue_parse(struct arena *a, str token, int64_t *version, str *start);

#endif
