/*
 * Finished answers: objects, texts, and Status objects, in JSON or protobuf.
 *
 * Life of one: a verb calls exactly one of these functions; it prints the body into the call's
 * buffer and sets the head. The fail_ functions give false, so that `return fail_...(...)` reads
 * well in functions that answer true for "go on".
 *
 * Specification: metav1.Status: kind, apiVersion, metadata, status, message, reason, details {name,
 * group, kind, causes, retryAfterSeconds}, code. Reasons and details as in kube-apiserver; messages
 * in our own words, except where clients show or compare the first words (not found, already
 * exists, is forbidden).
 */
#include "kubesim/sim.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/pb.h"

static const char JSON_TYPE[] = "application/json";
static const char PROTOBUF_TYPE[] = "application/vnd.kubernetes.protobuf";
const struct proto_type sim_status_type = {"", "v1", "Status"};

struct accepted call_accept(const struct kubesim_call *call, enum accept_for what)
{
    bool has_protobuf = call->table == NULL || call->table->kind->fields != NULL;
    return accept_parse(call->request.accept, what, has_protobuf);
}

struct proto_type sim_object_type(const struct sim_kind *kind, enum view view)
{
    if (view == VIEW_METADATA)
        return (struct proto_type){"meta.k8s.io", "v1", "PartialObjectMetadata"};
    return (struct proto_type){kind->group, kind->version, kind->kind};
}

static void set_head(struct kubesim_call *call, int status, const char *content_type)
{
    call->source = SOURCE_BUFFER;
    call->head.status = status;
    call->head.content_type = content_type;
    call->head.content_length = (int64_t)call->out.len;
}

void answer_text(struct kubesim_call *call, int status, const char *content_type, str body)
{
    buf_clear(&call->out);
    buf_str(&call->out, body);
    set_head(call, status, content_type);
}

void answer_json(struct kubesim_call *call, int status, const struct buf *json)
{
    answer_text(call, status, JSON_TYPE, buf_view(json));
}

static void answer_protobuf(struct kubesim_call *call, int status, struct sim_object *o,
                            enum view view, uint64_t version)
{
    struct object_form form = {
        .protobuf = true, .only_metadata = view == VIEW_METADATA, .resource_version = version};
    struct proto_type type = sim_object_type(o->kind, view);
    struct buf *b = &call->out;
    proto_envelope_begin(b, &type, sim_object_protobuf_size(o, form));
    sim_object_print(b, o, form);
    proto_envelope_end(b);
    set_head(call, status, PROTOBUF_TYPE);
}

void answer_object(struct kubesim_call *call, int status, struct sim_object *o)
{
    answer_object_at(call, status, o, 0);
}

void answer_object_at(struct kubesim_call *call, int status, struct sim_object *o, uint64_t version)
{
    struct buf *b = &call->out;
    struct accepted form = call_accept(call, ACCEPT_ITEM);
    int include;
    buf_clear(b);
    if (form.protobuf) {
        answer_protobuf(call, status, o, form.view, version);
        return;
    }
    if (form.view == VIEW_TABLE) {
        if (!include_object_parse(call, &include))
            return;
        buf_printf(b,
                   "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"
                   "v1\",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"},",
                   version != 0 ? version : o->resource_version);
        table_columns_print(b, o->kind, false);
        buf_text(b, ",\"rows\":[");
        table_row_print(b, o, version, include, call->sim->config.wall_ns(call->sim->config.arg));
        buf_text(b, "]}");
    } else {
        sim_object_print(b, o,
                         (struct object_form){.typed = true,
                                              .only_metadata = form.view == VIEW_METADATA,
                                              .resource_version = version});
    }
    buf_byte(b, '\n');
    set_head(call, status, JSON_TYPE);
}

/* -- Status -- */

static void member(struct buf *b, const char **separator, const char *name, str value)
{
    if (value.len == 0)
        return;
    buf_printf(b, "%s\"%s\":", *separator, name);
    buf_json_string(b, value);
    *separator = ",";
}

static void print_causes(struct buf *b, const char **separator, const struct sim_causes *causes)
{
    buf_printf(b, "%s\"causes\":[", *separator);
    *separator = ",";
    for (size_t i = 0; i < causes->count; i++) {
        const struct sim_cause *c = &causes->items[i];
        const char *inner = "";
        buf_text(b, i == 0 ? "{" : ",{");
        member(b, &inner, "reason", str_from(c->reason));
        member(b, &inner, "message", c->message);
        member(b, &inner, "field", c->field);
        buf_byte(b, '}');
    }
    buf_byte(b, ']');
}

void sim_status_print(struct buf *b, const struct status *f)
{
    const char *separator = "";
    buf_text(b, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{");
    member(b, &separator, "continue", f->continue_token);
    buf_printf(b, "},\"status\":\"%s\"", f->success ? "Success" : "Failure");
    separator = ",";
    if (!f->success) {
        buf_text(b, ",\"message\":");
        buf_json_string(b, f->message);
    }
    member(b, &separator, "reason", str_from(f->reason));
    if (f->has_details || f->retry_after_s > 0) {
        buf_text(b, ",\"details\":{");
        separator = "";
        member(b, &separator, "name", f->name);
        member(b, &separator, "group", f->group);
        member(b, &separator, "kind", f->kind);
        member(b, &separator, "uid", f->uid);
        if (f->causes != NULL && f->causes->count > 0)
            print_causes(b, &separator, f->causes);
        if (f->retry_after_s > 0)
            buf_printf(b, "%s\"retryAfterSeconds\":%d", separator, f->retry_after_s);
        buf_byte(b, '}');
    }
    if (!f->success)
        buf_printf(b, ",\"code\":%d", f->code);
    buf_byte(b, '}');
}

/* meta/v1 StatusDetails: name 1, group 2, kind 3, causes 4 (reason 1, message 2, field 3), retryAfterSeconds 5, uid 6 */
static void print_details_protobuf(struct buf *b, const struct status *f)
{
    pb_put_bytes_always(b, 1, f->name);
    pb_put_bytes_always(b, 2, f->group);
    pb_put_bytes_always(b, 3, f->kind);
    for (size_t i = 0; f->causes != NULL && i < f->causes->count; i++) {
        const struct sim_cause *c = &f->causes->items[i];
        size_t mark = pb_open(b, 4);
        pb_put_bytes_always(b, 1, str_from(c->reason));
        pb_put_bytes_always(b, 2, c->message);
        pb_put_bytes_always(b, 3, c->field);
        pb_close(b, mark);
    }
    pb_put_u64_always(b, 5, (uint64_t)f->retry_after_s);
    pb_put_bytes_always(b, 6, f->uid);
}

/* meta/v1 Status: metadata 1 (selfLink 1, resourceVersion 2, continue 3), status 2, message 3, reason 4, details 5, code 6 */
void sim_status_print_protobuf(struct buf *b, const struct status *f)
{
    size_t mark = pb_open(b, 1);
    pb_put_bytes_always(b, 1, STR_NONE);
    pb_put_bytes_always(b, 2, STR_NONE);
    pb_put_bytes_always(b, 3, f->continue_token);
    pb_close(b, mark);
    pb_put_bytes_always(b, 2, f->success ? STR("Success") : STR("Failure"));
    pb_put_bytes_always(b, 3, f->message);
    pb_put_bytes_always(b, 4, str_from(f->reason));
    if (f->has_details || f->retry_after_s > 0) {
        mark = pb_open(b, 5);
        print_details_protobuf(b, f);
        pb_close(b, mark);
    }
    pb_put_u64_always(b, 6, f->success ? 0 : (uint64_t)f->code);
}

void answer_status(struct kubesim_call *call, const struct status *f)
{
    bool protobuf = !call->is_control && call_accept(call, ACCEPT_STATUS).protobuf;
    struct buf *b = &call->out, status;
    buf_clear(b);
    if (protobuf) {
        buf_init(&status, LIMIT_SIM_OUT_BYTES);
        sim_status_print_protobuf(&status, f);
        proto_envelope_begin(b, &sim_status_type, status.len);
        buf_str(b, buf_view(&status));
        proto_envelope_end(b);
        buf_deinit(&status);
    } else {
        sim_status_print(b, f);
        buf_byte(b, '\n');
    }
    set_head(call, f->success ? 200 : f->code, protobuf ? PROTOBUF_TYPE : JSON_TYPE);
    call->head.retry_after_s = f->retry_after_s;
}

static str format_message(struct kubesim_call *call, const char *format, va_list args)
    PRINTF_LIKE(2, 0);
static str format_message(struct kubesim_call *call, const char *format, va_list args)
{
    char text[ERR_TEXT_MAX];
    vsnprintf(text, sizeof text, format, args);
    return arena_str(&call->arena, str_from(text));
}

bool fail_bad_request(struct kubesim_call *call, const char *format, ...)
{
    struct status f = {.code = 400, .reason = "BadRequest"};
    va_list args;
    va_start(args, format);
    f.message = format_message(call, format, args);
    va_end(args);
    answer_status(call, &f);
    return false;
}

bool fail_internal(struct kubesim_call *call, const char *format, ...)
{
    /* kube-apiserver gives no reason where a plain Go error reaches the top. */
    struct status f = {.code = 500};
    va_list args;
    va_start(args, format);
    f.message = format_message(call, format, args);
    va_end(args);
    answer_status(call, &f);
    return false;
}

static struct status about(const struct sim_kind *kind, str name, int code, const char *reason)
{
    return (struct status){.code = code,
                           .reason = reason,
                           .has_details = true,
                           .name = name,
                           .group = str_from(kind->group),
                           .kind = str_from(kind->plural)};
}

bool fail_not_found(struct kubesim_call *call, const struct sim_kind *kind, str name)
{
    struct status f = about(kind, name, 404, "NotFound");
    str resource = kind_resource(&call->arena, kind);
    f.message =
        arena_printf(&call->arena, "%.*s \"%.*s\" not found", STR_ARG(resource), STR_ARG(name));
    answer_status(call, &f);
    return false;
}

bool fail_no_such_resource(struct kubesim_call *call)
{
    struct status f = {.code = 404,
                       .reason = "NotFound",
                       .has_details = true,
                       .message = STR("nothing is served under this path")};
    answer_status(call, &f);
    return false;
}

bool fail_method(struct kubesim_call *call)
{
    struct status f = {.code = 405,
                       .reason = "MethodNotAllowed",
                       .has_details = true,
                       .message = STR("this method is not possible here")};
    answer_status(call, &f);
    return false;
}

bool fail_conflict(struct kubesim_call *call, const struct sim_kind *kind, str name,
                   const char *format, ...)
{
    struct status f = about(kind, name, 409, "Conflict");
    str resource = kind_resource(&call->arena, kind);
    va_list args;
    va_start(args, format);
    str why = format_message(call, format, args);
    va_end(args);
    f.message = arena_printf(&call->arena, "%.*s \"%.*s\": %.*s", STR_ARG(resource), STR_ARG(name),
                             STR_ARG(why));
    answer_status(call, &f);
    return false;
}

bool fail_invalid(struct kubesim_call *call, str kind_name, const char *kind, const char *group,
                  str name, const struct sim_causes *causes)
{
    struct status f = {.code = 422,
                       .reason = "Invalid",
                       .has_details = true,
                       .name = name,
                       .group = str_from(group),
                       .kind = str_from(kind),
                       .causes = causes};
    struct buf b;
    buf_init(&b, 64 * KIB);
    buf_printf(&b, "%.*s \"%.*s\" is invalid: ", STR_ARG(kind_name), STR_ARG(name));
    for (size_t i = 0; i < causes->count; i++)
        buf_printf(&b, "%s%.*s: %.*s", i == 0 ? "" : ", ", STR_ARG(causes->items[i].field),
                   STR_ARG(causes->items[i].message));
    f.message = arena_str(&call->arena, buf_view(&b));
    buf_deinit(&b);
    answer_status(call, &f);
    return false;
}

bool fail_options(struct kubesim_call *call, const char *kind, const struct sim_causes *causes)
{
    str name = arena_printf(&call->arena, "%s.meta.k8s.io", kind);
    return fail_invalid(call, name, kind, "meta.k8s.io", STR_NONE, causes);
}

bool fail_expired(struct kubesim_call *call, str continue_token, const char *format, ...)
{
    struct status f = {.code = 410, .reason = "Expired", .continue_token = continue_token};
    va_list args;
    va_start(args, format);
    f.message = format_message(call, format, args);
    va_end(args);
    answer_status(call, &f);
    return false;
}

void failure_version_too_large(struct kubesim_call *call, uint64_t version, struct status *f,
                               struct sim_causes *causes)
{
    *causes = (struct sim_causes){.arena = &call->arena, .count = 1};
    causes->items[0] =
        (struct sim_cause){"ResourceVersionTooLarge", STR_NONE, STR("Too large resource version")};
    *f = (struct status){.code = 504,
                         .reason = "Timeout",
                         .has_details = true,
                         .causes = causes,
                         .retry_after_s = 1};
    f->message =
        arena_printf(&call->arena, "Too large resource version: %" PRIu64 ", current: %" PRIu64,
                     version, call->sim->resource_version);
}

bool fail_version_too_large(struct kubesim_call *call, uint64_t version)
{
    struct status f;
    struct sim_causes causes;
    failure_version_too_large(call, version, &f, &causes);
    answer_status(call, &f);
    return false;
}

bool fail_forbidden(struct kubesim_call *call, str text)
{
    const struct attributes *what = &call->attributes;
    struct status f = {.code = 403,
                       .reason = "Forbidden",
                       .has_details = true,
                       .name = what->name,
                       .group = what->group,
                       .kind = what->resource};
    str resource = what->resource, message = text;
    if (what->group.len > 0)
        resource =
            arena_printf(&call->arena, "%.*s.%.*s", STR_ARG(what->resource), STR_ARG(what->group));
    if (what->is_resource && what->name.len > 0)
        message = arena_printf(&call->arena, "%.*s \"%.*s\" is forbidden: %.*s", STR_ARG(resource),
                               STR_ARG(what->name), STR_ARG(text));
    else if (what->is_resource)
        message =
            arena_printf(&call->arena, "%.*s is forbidden: %.*s", STR_ARG(resource), STR_ARG(text));
    f.message = message;
    answer_status(call, &f);
    return false;
}
