/*
 * watch: an endless list of changes.
 *
 * Life of one: verb_watch decides where it starts (the present, a version in the window, or
 * everything that is there first) and then it is a position in the table's window. Nothing is
 * queued for it: watch_fill prints the next events when the reader has room, so two hundred
 * watchers cost two hundred positions. A reader that falls behind the window is ended, as a real
 * server does. It ends at its time limit; bookmarks come about once a minute and two seconds before
 * the end, always after all events that are older than the bookmark.
 *
 * With a selector an object that comes to match is ADDED and one that ceases to match is DELETED
 * (its former state, with the version of the change).
 *
 * Specification: watches of the Kubernetes API, with sendInitialEvents and bookmarks. A watch
 * without resourceVersion, or "0", first gets what is there, also without sendInitialEvents.
 */
#include "kubesim/sim.h"

#include "wire/pb.h"

static const int64_t SECOND_NS = 1000000000;
static const int64_t DEFAULT_TIMEOUT_S =
    1800; /* and up to twice that, as kube-apiserver's --min-request-timeout */
static const int64_t LAST_BOOKMARK_NS = INT64_C(2000000000); /* before the end */

void sim_watch_free(struct sim_watch *w)
{
    list_remove(&w->node);
    object_list_deinit(&w->initial);
    mem_free(w);
}

/* -- printing -- */

static void print_table_event(struct sim_watch *w, struct sim_object *o, uint64_t version)
{
    struct buf *b = &w->call->out;
    const struct kubesim_config *config = &w->call->sim->config;
    buf_printf(b,
               "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"
               "v1\",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"},",
               version);
    table_columns_print(b, o->kind, w->columns_sent);
    w->columns_sent = true;
    buf_text(b, ",\"rows\":[");
    table_row_print(b, o, version, w->include_object, config->wall_ns(config->arg));
    buf_text(b, "]}");
}

/* `version` 0: the object's own. */
static void print_event(struct sim_watch *w, const char *event, struct sim_object *o,
                        uint64_t version)
{
    struct buf *b = &w->call->out;
    struct object_form form = {.protobuf = w->form.protobuf,
                               .typed = true,
                               .only_metadata = w->form.view == VIEW_METADATA,
                               .resource_version = version};
    if (form.protobuf) {
        struct proto_type type = sim_object_type(o->kind, w->form.view);
        proto_frame_begin(b, event, &type, sim_object_protobuf_size(o, form));
        sim_object_print(b, o, form);
        proto_envelope_end(b);
        return;
    }
    buf_printf(b, "{\"type\":\"%s\",\"object\":", event);
    if (w->form.view == VIEW_TABLE)
        print_table_event(w, o, version != 0 ? version : o->resource_version);
    else
        sim_object_print(b, o, form);
    buf_text(b, "}\n");
}

/* An object of the kind in which only resourceVersion and an annotation are set. */
static void print_bookmark_protobuf(struct sim_watch *w, uint64_t version, bool ends_initial)
{
    struct arena arena, *a = &arena;
    arena_init(a, 4 * KIB);
    const struct sim_kind *kind = w->table->kind;
    struct dom *tree = dom_new(a, DOM_OBJECT), *metadata = dom_new(a, DOM_OBJECT);
    struct proto_type type = sim_object_type(kind, w->form.view);
    struct buf object;
    dom_set(metadata, STR("resourceVersion"), dom_string(a, arena_printf(a, "%" PRIu64, version)));
    if (ends_initial) {
        struct dom *annotations = dom_new(a, DOM_OBJECT);
        dom_set(annotations, STR("k8s.io/initial-events-end"), dom_string(a, STR("true")));
        dom_set(metadata, STR("annotations"), annotations);
    }
    buf_init(&object, 16 * KIB);
    size_t mark = pb_open(&object, 1);
    proto_write(&object, metadata, sim_metadata_fields, 0, UINT32_MAX);
    pb_close(&object, mark);
    if (w->form.view == VIEW_OBJECT)
        proto_write(&object, tree, kind->fields, 1, UINT32_MAX);
    proto_frame_begin(&w->call->out, "BOOKMARK", &type, object.len);
    buf_str(&w->call->out, buf_view(&object));
    proto_envelope_end(&w->call->out);
    buf_deinit(&object);
    arena_deinit(a);
}

/* What an object without content shows of its own fields. */
static void print_empty_fields(struct buf *b, const struct sim_kind *kind)
{
    if (kind->fields == NULL)
        return;
    for (const struct sim_field *f = kind->fields; f->name != NULL; f++) {
        if (f->presence == SIM_ALWAYS)
            buf_printf(b, ",\"%s\":%s", f->name,
                       f->type == SIM_OBJECT   ? "{}"
                       : f->type == SIM_STRING ? "\"\""
                                               : "null");
    }
}

static void print_bookmark(struct sim_watch *w, uint64_t version, bool ends_initial)
{
    struct buf *b = &w->call->out;
    const struct sim_kind *k = w->table->kind;
    if (w->form.protobuf) {
        print_bookmark_protobuf(w, version, ends_initial);
        return;
    }
    buf_text(b, "{\"type\":\"BOOKMARK\",\"object\":{");
    if (w->form.view == VIEW_TABLE) {
        buf_printf(b,
                   "\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"
                   "v1\",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"},",
                   version);
        table_columns_print(b, k, w->columns_sent);
        w->columns_sent = true;
        buf_text(b, ",\"rows\":[{\"cells\":[");
        for (size_t i = 0; i < SIM_COLUMNS_MAX && k->columns[i].name != NULL; i++)
            buf_text(b, i == 0 ? "\"\"" : ",\"\"");
        buf_text(b, "],\"object\":{");
    }
    if (w->form.view == VIEW_OBJECT)
        buf_printf(b, "\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\"", k->kind, k->group,
                   k->group[0] == '\0' ? "" : "/", k->version);
    else
        buf_text(b, "\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\"");
    buf_printf(b, ",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"", version);
    buf_text(b, ends_initial ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}" : "}");
    if (w->form.view == VIEW_OBJECT)
        print_empty_fields(b, k);
    buf_text(b, w->form.view == VIEW_TABLE ? "}}]}}\n" : "}}\n");
}

static void print_error(struct sim_watch *w, const struct status *f)
{
    struct buf *b = &w->call->out, object;
    w->over = true;
    if (!w->form.protobuf) {
        buf_text(b, "{\"type\":\"ERROR\",\"object\":");
        sim_status_print(b, f);
        buf_text(b, "}\n");
        return;
    }
    buf_init(&object, 64 * KIB);
    sim_status_print_protobuf(&object, f);
    proto_frame_begin(b, "ERROR", &sim_status_type, object.len);
    buf_str(b, buf_view(&object));
    proto_envelope_end(b);
    buf_deinit(&object);
}

/* -- events -- */

/* What the watch would see of an event; NULL: nothing. The object and version to print are set. */
static const char *event_view(const struct sim_watch *w, const struct sim_event *e,
                              struct sim_object **o, uint64_t *version)
{
    if (e->resource_version <= w->after_version)
        return NULL;
    bool before = e->previous != NULL && query_match(&w->query, e->previous);
    bool after = e->change != SIM_DELETED && query_match(&w->query, e->object);
    *o = e->object;
    *version = 0;
    if (after)
        return before ? "MODIFIED" : "ADDED";
    if (!before)
        return NULL;
    *o = e->previous;
    *version = e->resource_version;
    return "DELETED";
}

/* The first half of an event, then the end. */
static void cut_frame(struct sim_watch *w, size_t frame_start)
{
    struct kubesim_call *call = w->call;
    call->out.len = frame_start + (call->out.len - frame_start) / 2;
    call->cut = true;
    w->over = true;
}

/* False: nothing is there now. */
static bool fill_event(struct sim_watch *w)
{
    const struct sim_table *t = w->table;
    struct sim_object *o;
    uint64_t version;
    if (w->next_event < t->first) {
        w->over = true; /* too slow: what comes next is gone */
        return false;
    }
    if (w->next_event == t->next)
        return false;
    const struct sim_event *e = table_event(t, w->next_event);
    if (w->event_delay_ns > 0) {
        int64_t due_ns = e->time_ns + w->event_delay_ns;
        if (due_ns > sim_now(w->call->sim)) {
            sim_wake_at(w->call->sim, due_ns);
            return false;
        }
    }
    const char *type = event_view(w, e, &o, &version);
    w->next_event++;
    if (type != NULL) {
        size_t start = w->call->out.len;
        print_event(w, type, o, version);
        if (w->cut_next)
            cut_frame(w, start);
    }
    return true;
}

static bool fill_initial(struct sim_watch *w)
{
    if (w->initial_pos < w->initial.count) {
        size_t start = w->call->out.len;
        print_event(w, "ADDED", w->initial.items[w->initial_pos++], 0);
        if (w->cut_next)
            cut_frame(w, start);
        return true;
    }
    object_list_deinit(&w->initial);
    w->initial_pos = 0;
    if (!w->initial_bookmark)
        return false;
    w->initial_bookmark = false;
    print_bookmark(w, w->initial_version, true);
    return true;
}

void watch_fill(struct kubesim_call *call)
{
    struct sim_watch *w = call->watch;
    if (w->stalled)
        return;
    while (!w->over && call->out.len < LIMIT_SIM_CHUNK_BYTES && (fill_initial(w) || fill_event(w)))
        continue;
    if (w->over || call->out.len >= LIMIT_SIM_CHUNK_BYTES)
        return;
    /* Everything older than now has been sent, unless it is delayed. */
    if (w->bookmark_due && w->next_event == w->table->next) {
        print_bookmark(w, call->sim->resource_version, false);
        w->bookmark_due = false;
    }
    if (w->deadline_ns <= sim_now(call->sim))
        w->over = true;
}

void watches_notify(struct sim_table *t)
{
    const struct sim_event *e = table_event(t, t->next - 1);
    list_for_each (node, &t->watches) {
        struct sim_watch *w = CONTAINER_OF(node, struct sim_watch, node);
        struct sim_object *o;
        uint64_t version;
        bool caught_up =
            w->next_event == t->next - 1 && w->initial.count == 0 && !w->initial_bookmark;
        if (event_view(w, e, &o, &version) == NULL) {
            if (caught_up)
                w->next_event++;
            continue;
        }
        if (w->event_delay_ns > 0)
            sim_wake_at(w->call->sim, e->time_ns + w->event_delay_ns);
        else if (!w->stalled)
            call_notify(w->call);
    }
}

void watch_tick(struct sim_watch *w, int64_t now_ns)
{
    struct kubesim *sim = w->call->sim;
    bool ready = false;
    if (w->over)
        call_notify(w->call);
    if (w->stalled || w->over)
        return;
    if (w->bookmarks && now_ns >= w->bookmark_ns) {
        w->bookmark_due = ready = true;
        w->bookmark_ns = now_ns + sim->config.bookmark_interval_ns;
    }
    if (w->bookmarks && !w->last_bookmark_done && now_ns >= w->deadline_ns - LAST_BOOKMARK_NS) {
        w->bookmark_due = w->last_bookmark_done = ready = true;
    }
    ready = ready || now_ns >= w->deadline_ns;
    if (w->next_event < w->table->next && w->next_event >= w->table->first) {
        int64_t due_ns = table_event(w->table, w->next_event)->time_ns + w->event_delay_ns;
        ready = ready || due_ns <= now_ns;
        if (due_ns > now_ns)
            sim_wake_at(sim, due_ns);
    }
    if (w->bookmarks)
        sim_wake_at(sim, w->last_bookmark_done || w->bookmark_ns < w->deadline_ns - LAST_BOOKMARK_NS
                             ? w->bookmark_ns
                             : w->deadline_ns - LAST_BOOKMARK_NS);
    if (now_ns < w->deadline_ns)
        sim_wake_at(sim, w->deadline_ns);
    if (ready)
        call_notify(w->call);
}

void watch_drop(struct sim_watch *w, enum kubesim_drop how)
{
    struct status f = {.code = 410,
                       .reason = "Expired",
                       .message = STR("the window of changes of this watch is gone; list again")};
    struct buf *b = &w->call->out;
    size_t start = b->len;
    switch (how) {
    case KUBESIM_DROP_END:
        w->over = true;
        break;
    case KUBESIM_DROP_CUT:
        print_bookmark(w, w->call->sim->resource_version, false);
        cut_frame(w, start);
        break;
    case KUBESIM_DROP_ERROR:
        print_error(w, &f);
        break;
    case KUBESIM_DROP_STALL:
        w->stalled = true;
        break;
    }
}

/* -- start -- */

/* Everything that is there, then what changes. */
static void start_with_state(struct sim_watch *w, bool send)
{
    size_t remaining;
    w->initial_version = w->after_version = w->call->sim->resource_version;
    w->next_event = w->table->next;
    if (send)
        table_list(w->table, &w->query, &w->initial, &remaining);
    w->initial_bookmark = send && w->options.bookmarks;
}

static void start_at_version(struct sim_watch *w)
{
    const struct sim_table *t = w->table;
    uint64_t version = w->options.version;
    w->after_version = version;
    if (version >= t->oldest_version) {
        w->next_event = t->first;
        while (w->next_event < t->next &&
               table_event(t, w->next_event)->resource_version <= version)
            w->next_event++;
        return;
    }
    struct status f = {.code = 410, .reason = "Expired"};
    f.message = arena_printf(&w->call->arena, "too old resource version: %" PRIu64 " (%" PRIu64 ")",
                             version, t->oldest_version);
    print_error(w, &f);
}

static void set_times(struct sim_watch *w)
{
    struct kubesim *sim = w->call->sim;
    int64_t now_ns = sim_now(sim), timeout_s = w->options.timeout_s;
    if (timeout_s == 0) {
        uint32_t random;
        sim->config.random(sim->config.arg, &random, sizeof random);
        timeout_s = DEFAULT_TIMEOUT_S + (int64_t)(random % (uint32_t)DEFAULT_TIMEOUT_S);
    }
    w->deadline_ns = now_ns + timeout_s * SECOND_NS;
    w->bookmark_ns = now_ns + sim->config.bookmark_interval_ns;
    w->bookmarks = w->options.bookmarks;
    watch_tick(w, now_ns);
}

static bool wants_state(const struct list_options *o)
{
    if (o->has_initial_events)
        return o->initial_events;
    return o->version == 0;
}

static bool start(struct sim_watch *w)
{
    struct kubesim_call *call = w->call;
    struct status too_large;
    struct sim_causes causes;
    struct err err;
    if (!list_options_parse(&w->options, &call->arena, &call->query, &err))
        return fail_bad_request(call, "%s", err.text);
    w->form = call_accept(call, ACCEPT_MANY);
    if (!list_options_check(call, &w->options) ||
        (w->form.view == VIEW_TABLE && !include_object_parse(call, &w->include_object)))
        return false;
    w->query = (struct table_query){.namespace = call->attributes.namespace,
                                    .labels = &w->options.labels,
                                    .fields = &w->options.fields};
    call->source = SOURCE_WATCH;
    call->head = (struct kubesim_head){
        .status = 200,
        .content_type = w->form.protobuf ? "application/vnd.kubernetes.protobuf;stream=watch"
                                         : "application/json",
        .content_length = -1};
    list_append(&w->table->watches, &w->node);
    if (w->options.initial_events && w->options.version > call->sim->resource_version) {
        failure_version_too_large(call, w->options.version, &too_large, &causes);
        print_error(w, &too_large);
        return true;
    }
    if (wants_state(&w->options) || w->options.version == 0)
        start_with_state(w, wants_state(&w->options));
    else
        start_at_version(w);
    set_times(w);
    return true;
}

void verb_watch(struct kubesim_call *call)
{
    struct sim_watch *w = mem_zalloc(sizeof *w);
    list_init(&w->node);
    w->call = call;
    w->table = call->table;
    if (start(w))
        call->watch = w;
    else
        sim_watch_free(w);
}
