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

#include "kubesim/template.h"
#include "wire/pb.h"

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

/* Everything that a list says besides its items. */
struct list_answer {
    struct accepted form;
    uint64_t version;
    str token;
    size_t remaining;
};

static void print_list_head(struct kubesim_call *call, const struct list_answer *l)
{
    const struct sim_kind *kind = call->table->kind;
    struct buf *b = &call->out;
    if (l->form.view == VIEW_TABLE)
        buf_text(b, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else if (l->form.view == VIEW_METADATA)
        buf_text(b, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else
        buf_printf(b, "{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\"", kind->list_kind, kind->group,
                   kind->group[0] == '\0' ? "" : "/", kind->version);
    buf_printf(b, ",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"", l->version);
    if (l->token.len > 0) {
        buf_text(b, ",\"continue\":");
        buf_json_string(b, l->token);
    }
    if (l->remaining > 0)
        buf_printf(b, ",\"remainingItemCount\":%zu", l->remaining);
    buf_text(b, "},");
    if (l->form.view == VIEW_TABLE) {
        table_columns_print(b, kind, false);
        buf_text(b, ",\"rows\":[");
    } else {
        buf_text(b, "\"items\":[");
    }
}

/* The envelope's lengths come first, so all items are measured before the first is printed. */
static void print_protobuf_head(struct kubesim_call *call, const struct list_answer *l)
{
    const struct sim_kind *kind = call->table->kind;
    const struct object_list *objects = &call->list.objects;
    bool only_metadata = l->form.view == VIEW_METADATA;
    struct object_form form = {.protobuf = true, .only_metadata = only_metadata};
    struct proto_type type = {kind->group, kind->version, kind->list_kind};
    struct buf meta;
    if (only_metadata)
        type = (struct proto_type){"meta.k8s.io", "v1", "PartialObjectMetadataList"};
    buf_init(&meta, 16 * KIB);
    /* meta/v1 ListMeta: selfLink 1, resourceVersion 2, continue 3, remainingItemCount 4 */
    pb_put_bytes_always(&meta, 1, STR_NONE);
    pb_put_bytes_always(&meta, 2, arena_printf(&call->arena, "%" PRIu64, l->version));
    pb_put_bytes_always(&meta, 3, l->token);
    pb_put_u64(&meta, 4, l->remaining);
    size_t size = proto_bytes_size(meta.len);
    for (size_t i = 0; i < objects->count; i++)
        size += proto_bytes_size(sim_object_protobuf_size(objects->items[i], form));
    proto_envelope_begin(&call->out, &type, size);
    pb_put_bytes_always(&call->out, 1, buf_view(&meta));
    buf_deinit(&meta);
}

static void print_item(struct kubesim_call *call, struct sim_object *o, int64_t wall_ns)
{
    struct list_source *l = &call->list;
    struct buf *b = &call->out;
    bool only_metadata = l->form.view == VIEW_METADATA;
    struct object_form form = {
        .protobuf = l->form.protobuf, .typed = only_metadata, .only_metadata = only_metadata};
    if (form.protobuf) {
        proto_bytes_begin(b, 2, sim_object_protobuf_size(o, form));
        sim_object_print(b, o, form);
        return;
    }
    buf_text(b, l->pos == 0 ? "" : ",");
    if (l->form.view == VIEW_TABLE)
        table_row_print(b, o, 0, l->include_object, wall_ns);
    else
        sim_object_print(b, o, form);
}

void list_fill(struct kubesim_call *call)
{
    struct list_source *l = &call->list;
    int64_t wall_ns = call->sim->config.wall_ns(call->sim->config.arg);
    if (l->pos > l->objects.count)
        return;
    for (; l->pos < l->objects.count && call->out.len < LIMIT_SIM_CHUNK_BYTES; l->pos++)
        print_item(call, l->objects.items[l->pos], wall_ns);
    if (l->pos < l->objects.count)
        return;
    if (l->form.protobuf)
        proto_envelope_end(&call->out);
    else
        buf_text(&call->out, "]}\n");
    l->pos++;
}

/* Enough to tell whether the list is short. */
static size_t size_estimate(const struct object_list *objects)
{
    size_t size = 0;
    for (size_t i = 0; i < objects->count; i++) {
        const struct sim_object *o = objects->items[i];
        size += o->template == NULL ? o->json.end : o->template->json.image.end;
    }
    return size;
}

/* Takes the objects. */
static void answer_list(struct kubesim_call *call, const struct list_answer *l,
                        struct object_list objects)
{
    int include = INCLUDE_METADATA;
    call->list = (struct list_source){.objects = objects, .form = l->form};
    if (l->form.view == VIEW_TABLE && !include_object_parse(call, &include))
        return;
    call->list.include_object = include;
    call->source = SOURCE_LIST;
    call->head.status = 200;
    call->head.content_type =
        l->form.protobuf ? "application/vnd.kubernetes.protobuf" : "application/json";
    call->head.content_length = -1;
    buf_clear(&call->out);
    if (l->form.protobuf)
        print_protobuf_head(call, l);
    else
        print_list_head(call, l);
    if (size_estimate(&objects) > LIMIT_SIM_ANSWER_BUFFERED_BYTES)
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
    struct list_answer answer = {.form = call_accept(call, ACCEPT_MANY)};
    struct table_query q = {
        .namespace = call->attributes.namespace, .labels = &o.labels, .fields = &o.fields};
    struct object_list objects;
    if (!list_options_parse(&o, &call->arena, &call->query, &err)) {
        fail_bad_request(call, "%s", err.text);
        return;
    }
    if (!list_options_check(call, &o) || !choose_state(call, &o, &q))
        return;
    table_list(call->table, &q, &objects, &answer.remaining);
    answer.version = q.resource_version > 0 ? q.resource_version : call->sim->resource_version;
    if (answer.remaining > 0) {
        /* The next page starts right behind the last key of this one. */
        str last = objects.items[objects.count - 1]->key;
        char *start = arena_alloc(&call->arena, last.len + 1);
        memcpy(start, last.data, last.len);
        start[last.len] = '\0';
        answer.token =
            continue_make(&call->arena, (int64_t)answer.version, str_make(start, last.len + 1));
    }
    if (o.labels.count > 0 || o.fields.count > 0)
        answer.remaining = 0; /* not told with selectors */
    answer_list(call, &answer, objects);
}
