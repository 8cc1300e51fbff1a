/* The world of k8s_entities_world.h: fakes of kube/watches.h and of what the service gives a receiver. */
#include "k8s_entities_world.h"

#include <stdlib.h>

#include "base/limits.h"

/* ---- kube/watches.h ---- */

struct store *watch_store(struct watch *w)
{
    return &w->store;
}

bool watch_is_synced(const struct watch *w, const struct watch_user *user)
{
    return w->synced && (user->fields & w->lacks) == 0;
}

str watch_resource_version(const struct watch *w)
{
    return w->synced ? str_from(w->version) : STR("");
}

enum watch_trouble watch_trouble(const struct watch *w)
{
    return w->trouble;
}

str watch_label(const struct watch *w)
{
    (void)w;
    return STR("watch");
}

/* ---- the service ---- */

bool receiver_has_room(struct receiver *receiver, enum signal signal)
{
    const struct replica *r = CONTAINER_OF(receiver, struct replica, receiver);
    assert_int_equal(signal, SIGNAL_LOGS);
    return r->room > 0;
}

int64_t receiver_lease_duration_ns(const struct receiver *receiver)
{
    const struct replica *r = CONTAINER_OF(receiver, const struct replica, receiver);
    return r->lease_duration_ns;
}

static void print_map(struct buf *b, const struct value *v)
{
    assert_int_equal(v->kind, VALUE_MAP);
    buf_text(b, " {");
    for (size_t i = 0; i < v->map.count; i++) {
        const struct attribute *a = &v->map.items[i];
        assert_int_equal(a->value.kind, VALUE_STR);
        if (i > 0) /* sorted, and each key once */
            assert_true(str_compare(v->map.items[i - 1].key, a->key) < 0);
        buf_printf(b, "%s%.*s=%.*s", i > 0 ? ", " : "", STR_ARG(a->key), STR_ARG(a->value.text));
    }
    buf_text(b, "}");
}

static const struct value *attribute_of(const struct log_record *record, const char *key)
{
    for (size_t i = 0; i < record->attributes.count; i++)
        if (str_eqz(record->attributes.items[i].key, key))
            return &record->attributes.items[i].value;
    return NULL;
}

static void print_record(struct buf *b, const struct log_record *record, bool is_spec)
{
    const char *prefix = is_spec ? "entity." : "otel.entity.";
    const char *names[] = {"type", "id", is_spec ? "description" : "attributes",
                           is_spec ? "report.interval" : "interval"};
    const struct value *values[4];
    size_t found = 0;
    for (size_t i = 0; i < 4; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s%s", prefix, names[i]);
        values[i] = attribute_of(record, key);
        found += values[i] != NULL;
    }
    str event = record->event_name;
    if (!is_spec) {
        const struct value *type = attribute_of(record, "otel.entity.event.type");
        assert_non_null(type);
        assert_int_equal(event.len, 0);
        event = type->text;
        found++;
    }
    assert_int_equal(found, record->attributes.count); /* no others */
    bool is_state = str_eqz(event, is_spec ? "entity.state" : "entity_state");
    if (!is_state)
        assert_true(str_eqz(event, is_spec ? "entity.delete" : "entity_delete"));
    assert_true(is_state == (values[2] != NULL));
    buf_printf(b, "%s %.*s", is_state ? "state" : "delete", STR_ARG(values[0]->text));
    print_map(b, values[1]);
    assert_int_equal(values[1]->map.count, 1);
    if (values[2] != NULL)
        print_map(b, values[2]);
    if (values[3] != NULL)
        buf_printf(b, " %" PRId64, values[3]->integer);
}

static void take_records(struct handed_over *h, const struct batch *b, bool is_spec)
{
    assert_int_equal(b->signal, SIGNAL_LOGS);
    assert_int_equal(b->resource_count, 1);
    assert_int_equal(b->resources->attributes.count, 0);
    const struct scope *s = b->resources->scopes;
    assert_null(s->next);
    assert_int_equal(s->name.len + s->version.len, 0);
    assert_int_equal(s->attributes.count, 1);
    assert_true(str_eqz(s->attributes.items[0].key, "otel.entity.event_as_log"));
    assert_true(s->attributes.items[0].value.kind == VALUE_BOOL &&
                s->attributes.items[0].value.boolean);
    h->records = mem_zalloc(b->item_count * sizeof *h->records);
    for (const struct log_record *l = s->logs; l != NULL; l = l->next) {
        struct buf text;
        size_t len;
        buf_init(&text, 4 * MIB);
        print_record(&text, l, is_spec);
        assert_false(text.overflow);
        h->records[h->record_count++] = buf_take(&text, &len);
        assert_int_equal(l->observed_ns, 0);
        assert_int_equal(l->body.kind, VALUE_EMPTY);
        assert_int_equal(l->severity, 0);
        h->time_ns = l->time_ns;
    }
    assert_int_equal(h->record_count, b->item_count);
    assert_true(h->record_count > 0);
}

bool receiver_emit_at(struct receiver *receiver, struct batch *take_batch, struct position position)
{
    struct replica *r = CONTAINER_OF(receiver, struct replica, receiver);
    assert_true(r->room > 0);
    if (r->gate_closed) {
        batch_unref(take_batch);
        return false;
    }
    if (r->room != NOT_LIMITED)
        r->room--;
    if (r->batch_count == r->batch_cap) {
        r->batch_cap = r->batch_cap == 0 ? 16 : r->batch_cap * 2;
        r->batches = mem_realloc(r->batches, r->batch_cap * sizeof *r->batches);
    }
    struct handed_over *h = &r->batches[r->batch_count++];
    mem_free(r->position);
    r->position = str_dup(position.text);
    *h = (struct handed_over){.position = str_dup(position.text),
                              .arena_bytes = take_batch->arena.used_bytes};
    take_records(h, take_batch, r->k.entity_spec_format);
    batch_unref(take_batch);
    return true;
}

/* ---- replicas ---- */

static void add_stream(struct replica *r, enum object_kind kind, str namespace)
{
    size_t i = r->k.stream_count++;
    assert_true(i < WORLD_STREAMS_MAX);
    store_init(&r->watches[i].store, &r->pool);
    r->streams[i] = (struct k8s_stream){.owner = &r->k,
                                        .kind = kind,
                                        .namespace = str_make(str_dup(namespace), namespace.len),
                                        .watch = &r->watches[i]};
    r->k.kind_count[kind]++;
}

struct replica *replica_new(struct loop *loop, int64_t interval_ns, const char *namespaces)
{
    struct replica *r = mem_zalloc(sizeof *r);
    /* Replicas have hash keys of their own. */
    static uint64_t number;
    const uint64_t hash_key[2] = {++number, 7};
    r->loop = loop;
    object_pool_init(&r->pool, hash_key);
    r->receiver.base = (struct component){.id = STR("k8s_cluster"), .loop = loop};
    r->config.metadata_collection_interval_ns = interval_ns;
    r->k.receiver = &r->receiver;
    r->k.config = &r->config;
    r->k.streams = r->streams;
    r->room = NOT_LIMITED;
    r->lease_duration_ns = 30 * SECOND;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        r->k.kind_first[kind] = r->k.stream_count;
        str rest = str_from(namespaces), namespace;
        if (rest.len == 0)
            add_stream(r, (enum object_kind)kind, rest);
        while (rest.len > 0) {
            str_cut(rest, ' ', &namespace, &rest);
            if (object_resource_of((enum object_kind)kind)->namespaced)
                add_stream(r, (enum object_kind)kind, namespace);
        }
    }
    r->k.entities = entities_new(&r->k);
    return r;
}

void replica_forget(struct replica *r)
{
    for (size_t i = 0; i < r->batch_count; i++) {
        for (size_t k = 0; k < r->batches[i].record_count; k++)
            mem_free(r->batches[i].records[k]);
        mem_free(r->batches[i].records);
        mem_free(r->batches[i].position);
    }
    r->batch_count = 0;
}

void replica_free(struct replica *r)
{
    entities_free(r->k.entities);
    for (size_t i = 0; i < r->k.stream_count; i++) {
        store_deinit(&r->watches[i].store);
        mem_free((char *)(uintptr_t)r->streams[i].namespace.data);
    }
    replica_forget(r);
    mem_free(r->batches);
    mem_free(r->position);
    object_pool_deinit(&r->pool);
    mem_free(r);
}

struct k8s_stream *replica_stream(struct replica *r, enum object_kind kind, str namespace)
{
    for (size_t i = 0; i < r->k.kind_count[kind]; i++) {
        struct k8s_stream *s = &r->streams[r->k.kind_first[kind] + i];
        if (s->namespace.len == 0 || str_eq(s->namespace, namespace))
            return s;
    }
    fail_msg("no stream of kind %d", (int)kind);
    return NULL;
}

struct object *replica_decode(struct replica *r, enum object_kind kind, const char *json)
{
    struct err err;
    const struct object_codec *codec = object_codec_of(kind);
    struct object *o = codec->decode(codec, &r->pool, OBJECT_METADATA | OBJECT_STATES, FORMAT_JSON,
                                     str_from(json), &err);
    if (o == NULL)
        fail_msg("%s: %s", json, err.text);
    return o;
}

void replica_set_version(struct k8s_stream *s, uint64_t version)
{
    snprintf(s->watch->version, sizeof s->watch->version, "%" PRIu64, version);
}

void replica_put_object(struct replica *r, struct k8s_stream *s, struct object *take_object,
                        bool by_list)
{
    struct object *before, *after = object_ref(take_object);
    enum store_change change = store_put(&s->watch->store, take_object, &before);
    const struct watch_change told = {
        .kind = change == STORE_ADDED ? WATCH_ADDED : WATCH_UPDATED,
        .before = before,
        .after = after,
        .resource_version = after->resource_version,
        .by_list = by_list,
    };
    if (change != STORE_SAME)
        entities_change(r->k.entities, s, &told);
    if (!by_list)
        replica_set_version(s, after->resource_version);
    object_unref(&r->pool, before);
    object_unref(&r->pool, after);
}

void replica_put(struct replica *r, enum object_kind kind, const char *json)
{
    struct object *o = replica_decode(r, kind, json);
    replica_put_object(r, replica_stream(r, kind, atoms_text(r->pool.atoms, o->namespace)), o,
                       false);
}

void replica_delete(struct replica *r, struct k8s_stream *s, const char *uid, uint64_t version,
                    bool by_list)
{
    uint8_t bytes[16];
    bool canonical;
    uid_parse(str_from(uid), r->pool.hash_key, bytes, &canonical);
    struct object *before = store_remove(&s->watch->store, bytes);
    assert_non_null(before);
    const struct watch_change told = {
        .kind = WATCH_DELETED, .before = before, .resource_version = version, .by_list = by_list};
    entities_change(r->k.entities, s, &told);
    if (!by_list)
        replica_set_version(s, version);
    object_unref(&r->pool, before);
}

void replica_sync(struct replica *r, uint64_t version)
{
    for (size_t i = 0; i < r->k.stream_count; i++) {
        replica_set_version(&r->streams[i], version);
        r->watches[i].synced = true;
    }
    for (size_t i = 0; i < r->k.stream_count; i++)
        entities_state(r->k.entities, &r->streams[i]);
}

void replica_activate(struct replica *r, const char *position)
{
    entities_activate(r->k.entities, (struct position){.text = str_from(position)});
}

void replica_run_ms(struct replica *r, int64_t ms)
{
    fake_loop_run(r->loop, ms * MS);
}

const char *replica_position(const struct replica *r)
{
    return r->position == NULL ? "" : r->position;
}

size_t replica_record_count(const struct replica *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->batch_count; i++)
        count += r->batches[i].record_count;
    return count;
}

const char *replica_record(const struct replica *r, size_t index)
{
    for (size_t i = 0; i < r->batch_count; i++) {
        if (index < r->batches[i].record_count)
            return r->batches[i].records[index];
        index -= r->batches[i].record_count;
    }
    return NULL;
}

size_t replica_count(const struct replica *r, const char *beginning)
{
    size_t found = 0;
    for (size_t i = 0; i < replica_record_count(r); i++)
        found += strncmp(replica_record(r, i), beginning, strlen(beginning)) == 0;
    return found;
}

void replica_expect(struct replica *r, ...)
{
    va_list list;
    size_t count = replica_record_count(r), expected = 0;
    bool *seen = mem_zalloc(count + 1);
    bool good = true;
    va_start(list, r);
    for (const char *text; (text = va_arg(list, const char *)) != NULL; expected++) {
        size_t i = 0;
        while (i < count && (seen[i] || strcmp(replica_record(r, i), text) != 0))
            i++;
        if (i == count)
            print_error("missing: %s\n", text);
        good &= i < count;
        seen[i] = true;
    }
    va_end(list);
    for (size_t i = 0; i < count; i++)
        if (!seen[i])
            print_error("also: %s\n", replica_record(r, i));
    mem_free(seen);
    assert_true(good && expected == count);
    replica_forget(r);
}
