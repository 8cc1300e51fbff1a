/*
 * Takes a request apart. Pure functions over text.
 *
 * Life of one: kubesim_call_start copies the request into the arena of the call, route_parse and
 * query_parse cut it up once, the verbs look at the pieces.
 *
 * Specification: kube-apiserver's RequestInfo (which path means which verb on which resource),
 * ListOptions and its conversion from query strings, content negotiation by Accept with the
 * parameters as, g and v.
 */
#include "kubesim/request.h"

#include "kubesim/limits.h"
#include "wire/text.h"

/* -- query string -- */

static bool decode(struct arena *a, str text, bool plus_is_space, str *out)
{
    struct buf b;
    buf_init(&b, text.len + 1);
    char *copy = arena_cstr(a, text);
    for (size_t i = 0; plus_is_space && i < text.len; i++) {
        if (copy[i] == '+')
            copy[i] = ' ';
    }
    bool ok = url_decode(str_make(copy, text.len), &b);
    *out = arena_str(a, buf_view(&b));
    buf_deinit(&b);
    return ok;
}

void query_parse(struct query *q, struct arena *a, str text)
{
    size_t capacity = 1;
    for (size_t i = 0; i < text.len; i++)
        capacity += text.data[i] == '&';
    *q = (struct query){.items = ARENA_ARRAY(a, struct query_item, capacity)};
    while (text.len > 0) {
        str pair, name, value;
        str_cut(text, '&', &pair, &text);
        str_cut(pair, '=', &name, &value);
        struct query_item *item = &q->items[q->count];
        if (pair.len > 0 && decode(a, name, true, &item->name) &&
            decode(a, value, true, &item->value))
            q->count++;
    }
}

bool query_get(const struct query *q, const char *name, str *value)
{
    for (size_t i = 0; i < q->count; i++) {
        if (str_eqz(q->items[i].name, name)) {
            *value = q->items[i].value;
            return true;
        }
    }
    return false;
}

bool query_bool(const struct query *q, const char *name)
{
    str value;
    return query_get(q, name, &value) && !str_eqz(value, "0") &&
           !str_eq_nocase(value, STR("false"));
}

/* -- path -- */

static str segment(const struct route *r, size_t i)
{
    return i < r->segment_count ? r->segments[i] : STR_NONE;
}

/* What follows the version: [namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]], where namespaces are
 * also a resource. */
static void route_resource(struct route *r, size_t i)
{
    bool in_namespace = str_eqz(segment(r, i), "namespaces") && r->segment_count > i + 2 &&
                        !str_eqz(segment(r, i + 2), "status") &&
                        !str_eqz(segment(r, i + 2), "finalize");
    r->in_namespace = in_namespace;
    if (in_namespace) {
        r->namespace = segment(r, i + 1);
        i += 2;
    }
    r->resource = segment(r, i);
    r->name = segment(r, i + 1);
    r->subresource = segment(r, i + 2);
    r->too_deep = r->too_deep || r->segment_count > i + 3;
    if (!in_namespace && str_eqz(r->resource, "namespaces"))
        r->namespace = r->name;
    r->type = r->resource.len > 0 ? ROUTE_RESOURCE : ROUTE_DISCOVERY;
}

void route_parse(struct route *r, struct arena *a, str path)
{
    *r = (struct route){0};
    path = str_starts_with(path, STR("/")) ? str_skip(path, 1) : path;
    while (path.len > 0) {
        str piece;
        str_cut(path, '/', &piece, &path);
        if (r->segment_count == ROUTE_SEGMENTS_MAX) {
            r->too_deep = true;
            break;
        }
        if (!decode(a, piece, false, &r->segments[r->segment_count]))
            return; /* ROUTE_UNKNOWN */
        /* An empty piece in the middle names nothing. */
        r->too_deep = r->too_deep || piece.len == 0;
        r->segment_count++;
    }
    str first = segment(r, 0);
    if (r->segment_count == 0) {
        r->type = ROUTE_INDEX;
    } else if (str_eqz(first, "_sim")) {
        r->type = ROUTE_CONTROL;
    } else if (str_eqz(first, "version") && r->segment_count == 1) {
        r->type = ROUTE_VERSION;
    } else if (str_eqz(first, "readyz") || str_eqz(first, "livez") || str_eqz(first, "healthz")) {
        r->type = ROUTE_HEALTH;
    } else if (str_eqz(first, "openapi")) {
        r->type = ROUTE_OPENAPI;
    } else if (str_eqz(first, "api")) {
        r->version = segment(r, 1);
        route_resource(r, 2);
    } else if (str_eqz(first, "apis")) {
        r->group = segment(r, 1);
        r->version = segment(r, 2);
        route_resource(r, 3);
    }
}

/* -- Accept -- */

/* "v1", "meta.k8s.io" and so on of one clause. */
struct clause {
    str type, as, group, version, stream;
    int quality; /* thousandths */
};

static void clause_parse(struct clause *c, str text)
{
    *c = (struct clause){.quality = 1000};
    str_cut(text, ';', &c->type, &text);
    c->type = str_trim(c->type);
    while (text.len > 0) {
        str parameter, name, value;
        str_cut(text, ';', &parameter, &text);
        str_cut(str_trim(parameter), '=', &name, &value);
        if (str_eqz(name, "as"))
            c->as = value;
        else if (str_eqz(name, "g"))
            c->group = value;
        else if (str_eqz(name, "v"))
            c->version = value;
        else if (str_eqz(name, "stream"))
            c->stream = value;
        else if (str_eqz(name, "q"))
            c->quality = str_starts_with(value, STR("1")) ? 1000
                         : value.len > 2                  ? (value.data[2] - '0') * 100
                                                          : 0;
    }
}

static struct accepted clause_view(const struct clause *c, enum accept_for what, bool has_protobuf)
{
    static const struct accepted none = {VIEW_NONE, false};
    bool protobuf = str_eqz(c->type, "application/vnd.kubernetes.protobuf");
    if (!protobuf && !str_eqz(c->type, "application/json") && !str_eqz(c->type, "*/*"))
        return none;
    if (c->stream.len > 0 && !str_eqz(c->stream, "watch"))
        return none;
    if (c->as.len == 0)
        return protobuf && !has_protobuf ? none : (struct accepted){VIEW_OBJECT, protobuf};
    if (what == ACCEPT_STATUS || !str_eqz(c->group, "meta.k8s.io") ||
        (!str_eqz(c->version, "v1") && !str_eqz(c->version, "v1beta1")))
        return none;
    if (str_eqz(c->as, "Table") && !protobuf)
        return (struct accepted){VIEW_TABLE, false};
    if (str_eqz(c->as, "PartialObjectMetadata") ||
        (what == ACCEPT_MANY && str_eqz(c->as, "PartialObjectMetadataList")))
        return (struct accepted){VIEW_METADATA, protobuf};
    return none;
}

struct accepted accept_parse(str header, enum accept_for what, bool has_protobuf)
{
    struct accepted best = {VIEW_NONE, false};
    int best_rank = 1; /* quality first, then anything before "*" */
    if (str_trim(header).len == 0)
        return (struct accepted){VIEW_OBJECT, false};
    while (header.len > 0) {
        str text;
        struct clause clause;
        str_cut(header, ',', &text, &header);
        clause_parse(&clause, str_trim(text));
        struct accepted view = clause_view(&clause, what, has_protobuf);
        int rank = clause.quality * 2 + !str_eqz(clause.type, "*/*");
        if (view.view != VIEW_NONE && rank > best_rank) {
            best = view;
            best_rank = rank;
        }
    }
    return best;
}

/* -- options -- */

static bool number_option(const struct query *q, const char *name, int64_t *value, struct err *err)
{
    str text;
    *value = 0;
    if (!query_get(q, name, &text) || text.len == 0)
        return true;
    return str_to_i64(text, value) ||
           err_set(err, "%s: '%.*s' is not a whole number", name, STR_ARG(text));
}

static void version_options(struct list_options *o, const struct query *q)
{
    o->has_version = query_get(q, "resourceVersion", &o->version_text) && o->version_text.len > 0;
    o->version_is_number = o->has_version && str_to_u64(o->version_text, &o->version);
    if (!query_get(q, "resourceVersionMatch", &o->match_text) || o->match_text.len == 0)
        o->match = MATCH_NONE;
    else if (str_eqz(o->match_text, "Exact"))
        o->match = MATCH_EXACT;
    else if (str_eqz(o->match_text, "NotOlderThan"))
        o->match = MATCH_NOT_OLDER;
    else
        o->match_unknown = true;
}

bool list_options_parse(struct list_options *o, struct arena *a, const struct query *q,
                        struct err *err)
{
    str text;
    *o = (struct list_options){0};
    o->watch = query_bool(q, "watch");
    o->bookmarks = query_bool(q, "allowWatchBookmarks");
    o->has_initial_events = query_get(q, "sendInitialEvents", &text);
    o->initial_events = query_bool(q, "sendInitialEvents");
    if (!number_option(q, "limit", &o->limit, err) ||
        !number_option(q, "timeoutSeconds", &o->timeout_s, err))
        return false;
    /* Negative numbers count as absent; the bound keeps nanoseconds in range. */
    o->limit = o->limit < 0 ? 0 : o->limit;
    o->timeout_s = o->timeout_s < 0 ? 0 : o->timeout_s > 1000000000 ? 1000000000 : o->timeout_s;
    query_get(q, "continue", &o->continue_token);
    version_options(o, q);
    if (query_get(q, "labelSelector", &text) && !label_selector_parse(&o->labels, a, text, err))
        return false;
    return !query_get(q, "fieldSelector", &text) || field_selector_parse(&o->fields, a, text, err);
}

/* -- pages -- */

str continue_make(struct arena *a, int64_t version, str start)
{
    struct buf json, token;
    buf_init(&json, 8 * KIB);
    buf_init(&token, 16 * KIB);
    buf_printf(&json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%" PRId64 ",\"start\":", version);
    buf_json_string(&json, start);
    buf_byte(&json, '}');
    base64_encode(&token, buf_view(&json));
    for (size_t i = 0; i < token.len; i++) {
        char *c = &token.data[i];
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    while (token.len > 0 && token.data[token.len - 1] == '=')
        token.len--;
    str text = arena_str(a, buf_view(&token));
    buf_deinit(&json);
    buf_deinit(&token);
    return text;
}

bool continue_parse(struct arena *a, str token, int64_t *version, str *start)
{
    struct buf json;
    struct err err;
    buf_init(&json, 8 * KIB);
    bool ok = base64url_decode(token, &json) && !json.overflow;
    struct dom *d = ok ? dom_parse(a, arena_str(a, buf_view(&json)), &err) : NULL;
    buf_deinit(&json);
    *start = dom_text(d, "start");
    return d != NULL && str_eqz(dom_text(d, "v"), "meta.k8s.io/v1") &&
           dom_i64(dom_getz(d, "rv"), version) && *version != 0 && *version >= -1 && start->len > 0;
}
