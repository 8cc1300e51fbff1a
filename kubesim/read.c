/*
 * get and list.
 *
 * Life of a list: the options are checked, the version of the state is chosen, the matching objects
 * are collected by reference, and then printed: at once if short, else piece by piece while the
 * answer is read, so that a list of a hundred thousand objects costs one pointer for each.
 *
 * Which state is shown: without resourceVersion, or with one and no limit, the present one. With a
 * limit and a resourceVersion other than 0, or with the match Exact, the state of that version.
 * With a continue token the state of the first page. "0" is answered as from a cache: no pages.
 *
 * Specification: resourceVersion semantics of the Kubernetes API, as kube-apiserver v1.35 has them;
 * where that one would wait for its cache to catch up, this one answers at once.
 */
#include "kubesim/sim.h"

/* -- get -- */

void verb_get(struct kubesim_call *call)
{
    const struct attributes *what = &call->attributes;
    str text = STR_NONE;
    uint64_t version;
    if (query_get(&call->query, "resourceVersion", &text) && text.len > 0) {
        if (!str_to_u64(text, &version)) {
            fail_internal(call, "resourceVersion: '%.*s' is not a number", STR_ARG(text));
            return;
        }
        if (version > call->sim->resource_version) {
            fail_version_too_large(call, version);
            return;
        }
    }
    struct sim_object *o = call_object(call, what->name);
    if (o == NULL)
        fail_not_found(call, call->table->kind, what->name);
    else
        answer_object(call, 200, o);
}

/* -- options -- */

static void match_causes(const struct list_options *o, struct sim_causes *c)
{
    str field = STR("resourceVersionMatch");
    if (o->match_unknown)
        causes_other(
            c, "FieldValueNotSupported", field,
            "Unsupported value: \"%.*s\": supported values: \"Exact\", \"NotOlderThan\", \"\"",
            STR_ARG(o->match_text));
    if (o->match == MATCH_NONE && !o->match_unknown)
        return;
    if (o->continue_token.len > 0)
        causes_other(c, "FieldValueForbidden", field, "Forbidden: not together with continue");
    else if (!o->has_version)
        causes_other(c, "FieldValueForbidden", field,
                     "Forbidden: resourceVersion must be set, too");
    else if (o->match == MATCH_EXACT && str_eqz(o->version_text, "0"))
        causes_other(c, "FieldValueForbidden", field,
                     "Forbidden: Exact needs a resourceVersion other than \"0\"");
}

static void list_causes(const struct list_options *o, struct sim_causes *c)
{
    match_causes(o, c);
    if (o->has_initial_events)
        causes_other(c, "FieldValueForbidden", STR("sendInitialEvents"),
                     "Forbidden: only for watches");
}

static void watch_causes(const struct list_options *o, struct sim_causes *c)
{
    str field = STR("resourceVersionMatch");
    bool has_match = o->match != MATCH_NONE || o->match_unknown;
    if (!o->has_initial_events && has_match)
        causes_other(c, "FieldValueForbidden", field,
                     "Forbidden: for watches only with sendInitialEvents");
    if (o->has_initial_events && o->match != MATCH_NOT_OLDER)
        causes_other(c, "FieldValueForbidden", field,
                     "Forbidden: sendInitialEvents needs NotOlderThan");
    if (o->has_initial_events && has_match && o->match != MATCH_NOT_OLDER)
        causes_other(c, "FieldValueNotSupported", field,
                     "Unsupported value: \"%.*s\": supported values: \"NotOlderThan\"",
                     STR_ARG(o->match_text));
    if (o->continue_token.len > 0)
        causes_other(c, "FieldValueForbidden", field, "Forbidden: watches cannot continue a list");
}

bool list_options_check(struct kubesim_call *call, const struct list_options *o)
{
    struct sim_causes causes = {.arena = &call->arena};
    if (o->watch)
        watch_causes(o, &causes);
    else
        list_causes(o, &causes);
    if (causes.count > 0)
        return fail_options(call, "ListOptions", &causes);
    if (o->has_version && !o->version_is_number && o->watch)
        return fail_internal(call, "resourceVersion: '%.*s' is not a number",
                             STR_ARG(o->version_text));
    if (o->has_version && !o->version_is_number)
        return fail_bad_request(call, "resourceVersion: '%.*s' is not a number",
                                STR_ARG(o->version_text));
    return true;
}

/* -- list -- */

/* Sets version, start and limit of the query. False: an answer was made. */
static bool choose_state(struct kubesim_call *call, const struct list_options *o,
                         struct table_query *q)
{
    uint64_t now = call->sim->resource_version, oldest = call->table->oldest_version;
    int64_t token_version = 0;
    q->limit = (size_t)o->limit;
    if (o->continue_token.len > 0) {
        if (!continue_parse(&call->arena, o->continue_token, &token_version, &q->start))
            return fail_bad_request(call, "the continue token is not one of ours");
        if (o->has_version && !str_eqz(o->version_text, "0"))
            return fail_bad_request(call, "resourceVersion cannot be given together with continue");
        if (token_version == -1)
            return true;
        q->resource_version = (uint64_t)token_version;
        if (q->resource_version < oldest)
            return fail_expired(call, continue_make(&call->arena, -1, q->start),
                                "the state that this continue token belongs to is gone; "
                                "metadata.continue here goes "
                                "on with the present state");
        /* After a rollback there may be tokens from a future that never was. */
        return q->resource_version <= now || fail_version_too_large(call, q->resource_version);
    }
    if (o->version > now)
        return fail_version_too_large(call, o->version);
    bool exact =
        o->match == MATCH_EXACT || (o->match == MATCH_NONE && o->limit > 0 && o->version > 0);
    if (exact && o->version < oldest)
        return fail_expired(call, STR_NONE, "too old resource version: %" PRIu64 " (%" PRIu64 ")",
                            o->version, oldest);
    if (exact)
        q->resource_version = o->version;
    if (o->has_version && o->version == 0)
        q->limit = 0; /* answered from the cache, which knows no pages */
    return true;
}

static void print_list_head(struct kubesim_call *call, enum view view, uint64_t version, str token,
                            size_t remaining)
{
    const struct sim_kind *kind = call->table->kind;
    struct buf *b = &call->out;
    if (view == VIEW_TABLE)
        buf_text(b, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else if (view == VIEW_METADATA)
        buf_text(b, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else
        buf_printf(b, "{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\"", kind->list_kind, kind->group,
                   kind->group[0] == '\0' ? "" : "/", kind->version);
    buf_printf(b, ",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"", version);
    if (token.len > 0) {
        buf_text(b, ",\"continue\":");
        buf_json_string(b, token);
    }
    if (remaining > 0)
        buf_printf(b, ",\"remainingItemCount\":%zu", remaining);
    buf_text(b, "},");
    if (view == VIEW_TABLE) {
        table_columns_print(b, kind, false);
        buf_text(b, ",\"rows\":[");
    } else {
        buf_text(b, "\"items\":[");
    }
}

void list_fill(struct kubesim_call *call)
{
    struct list_source *l = &call->list;
    struct buf *b = &call->out;
    int64_t wall_ns = call->sim->config.wall_ns(call->sim->config.arg);
    if (l->pos > l->objects.count)
        return;
    while (l->pos < l->objects.count && b->len < LIMIT_SIM_CHUNK_BYTES) {
        const struct sim_object *o = l->objects.items[l->pos];
        buf_text(b, l->pos == 0 ? "" : ",");
        if (l->view == VIEW_TABLE)
            table_row_print(b, o, 0, l->include_object, wall_ns);
        else
            object_print(b, o,
                         (struct object_form){.typed = l->view == VIEW_METADATA,
                                              .only_metadata = l->view == VIEW_METADATA});
        l->pos++;
    }
    if (l->pos == l->objects.count) {
        buf_text(b, "]}\n");
        l->pos++;
    }
}

/* Takes the objects. */
static void answer_list(struct kubesim_call *call, enum view view, struct object_list objects,
                        uint64_t version, str token, size_t remaining)
{
    int include = INCLUDE_METADATA;
    size_t size = 0;
    call->list = (struct list_source){.objects = objects, .view = view};
    if (view == VIEW_TABLE && !include_object_parse(call, &include))
        return;
    call->list.include_object = include;
    call->source = SOURCE_LIST;
    call->head.status = 200;
    call->head.content_type = "application/json";
    call->head.content_length = -1;
    buf_clear(&call->out);
    print_list_head(call, view, version, token, remaining);
    for (size_t i = 0; i < objects.count; i++)
        size += objects.items[i]->body.len;
    if (size > LIMIT_SIM_ANSWER_BUFFERED_BYTES)
        return;
    while (call->list.pos <= objects.count) {
        struct buf all = call->out; /* list_fill stops at a chunk; set aside what is there */
        buf_init(&call->out, LIMIT_SIM_OUT_BYTES);
        list_fill(call);
        buf_str(&all, buf_view(&call->out));
        buf_deinit(&call->out);
        call->out = all;
    }
    call->source = SOURCE_BUFFER;
    call->head.content_length = (int64_t)call->out.len;
}

void verb_list(struct kubesim_call *call)
{
    struct list_options o;
    struct err err;
    enum view view = accept_parse(call->request.accept, true);
    struct table_query q = {
        .namespace = call->attributes.namespace, .labels = &o.labels, .fields = &o.fields};
    struct object_list objects;
    size_t remaining;
    str token = STR_NONE;
    if (!list_options_parse(&o, &call->arena, &call->query, &err)) {
        fail_bad_request(call, "%s", err.text);
        return;
    }
    if (!list_options_check(call, &o) || !choose_state(call, &o, &q))
        return;
    table_list(call->table, &q, &objects, &remaining);
    uint64_t version = q.resource_version > 0 ? q.resource_version : call->sim->resource_version;
    if (remaining > 0) {
        /* The next page starts right behind the last key of this one. */
        str last = objects.items[objects.count - 1]->key;
        char *start = arena_alloc(&call->arena, last.len + 1);
        memcpy(start, last.data, last.len);
        start[last.len] = '\0';
        token = continue_make(&call->arena, (int64_t)version, str_make(start, last.len + 1));
    }
    if (o.labels.count > 0 || o.fields.count > 0)
        remaining = 0; /* not told with selectors */
    answer_list(call, view, objects, version, token, remaining);
}
