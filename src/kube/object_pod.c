/*
 * Pods.
 *
 * Life of a pod's draft: containers of the spec and container statuses are collected as two lists,
 * in whatever order spec and status come; sealing joins them by name. A few are compared one by
 * one; for many, which somebody may have made on purpose, the statuses are found by a map.
 *
 * Of the 5 kB of a usual pod about a fifth is looked at; the rest (managedFields, volumes,
 * environments, probes) is skipped by its length.
 *
 * Specification: core/v1 Pod, generated.proto of k8s.io/api; which fields, and the rule of bare
 * digests: the k8s_cluster receiver's documentation and contrib issue 46541.
 */
#include "kube/object_draft.h"

#include "base/limits.h"
#include "base/map.h"
#include "wire/image_ref.h"
#include "wire/quantity.h"

enum {
    JOIN_BY_MAP_FROM = 16, /* statuses: from here on a map is faster than looking through them */
    BARE_DIGEST_DIGITS_MIN = 32,
};

struct container_draft {
    struct container_draft *next;
    str name, image;
    int64_t quantities[CONTAINER_QUANTITY_COUNT];
    uint8_t quantity_mask;
};
struct container_list {
    struct container_draft *first, **end;
    uint32_t count;
};
struct state_draft {
    bool running, waiting, terminated;
    int64_t running_s, terminated_s;
    str waiting_reason, terminated_reason;
};
struct status_draft {
    struct status_draft *next;
    str name, image, id;
    struct state_draft state, last;
    int32_t restart_count;
    bool ready, joined;
    uint16_t index;
};
struct pod_draft {
    struct draft draft;
    str node, phase, reason, qos_class;
    struct container_list containers, init_containers; /* the latter: names and images */
    struct status_draft *statuses, **statuses_end;
    uint32_t status_count;
};

static void clear_containers(struct container_list *list)
{
    *list = (struct container_list){.end = &list->first};
}

static void clear_statuses(struct pod_draft *pod)
{
    pod->statuses = NULL;
    pod->statuses_end = &pod->statuses;
    pod->status_count = 0;
}

static void init(struct draft *d)
{
    struct pod_draft *pod = (struct pod_draft *)d;
    clear_containers(&pod->containers);
    clear_containers(&pod->init_containers);
    clear_statuses(pod);
}

/* NULL: past the limit. */
static struct container_draft *add_container(struct pod_draft *pod, struct container_list *list)
{
    struct container_draft *c = draft_entry(&pod->draft, &list->count, sizeof *c);
    if (c == NULL)
        return NULL;
    *list->end = c;
    list->end = &c->next;
    return c;
}

static struct status_draft *add_status(struct pod_draft *pod)
{
    struct status_draft *s = draft_entry(&pod->draft, &pod->status_count, sizeof *s);
    if (s == NULL)
        return NULL;
    s->index = (uint16_t)(pod->status_count - 1);
    s->state = s->last = (struct state_draft){.running_s = time_unset, .terminated_s = time_unset};
    *pod->statuses_end = s;
    pod->statuses_end = &s->next;
    return s;
}

/* One entry of limits or requests. */
static void set_quantity(struct container_draft *c, bool is_limit, str resource, str text)
{
    static const struct {
        const char *resource;
        enum container_quantity limit, request;
    } known[] = {
        {"cpu", CPU_LIMIT, CPU_REQUEST},
        {"memory", MEMORY_LIMIT, MEMORY_REQUEST},
        {"storage", STORAGE_LIMIT, STORAGE_REQUEST},
        {"ephemeral-storage", EPHEMERAL_STORAGE_LIMIT, EPHEMERAL_STORAGE_REQUEST},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (!str_eqz(resource, known[i].resource))
            continue;
        enum container_quantity q = is_limit ? known[i].limit : known[i].request;
        int64_t value, milli;
        uint8_t bit = (uint8_t)(1U << q);
        if (quantity_parse(text, &value, &milli))
            c->quantity_mask |= bit;
        else
            c->quantity_mask &= (uint8_t)~bit;
        c->quantities[q] = i == 0 ? milli : value;
        return;
    }
}

/* -- protobuf -- */

static void resources_pb(struct container_draft *c, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1 || m.field == 2) { /* ResourceRequirements: limits, requests */
            bool is_limit = m.field == 1;
            struct draft_pair pair = draft_pb_pair(&m, true);
            set_quantity(c, is_limit, pair.key, pair.value);
        } else {
            pb_skip(&m);
        }
    }
    pb_join(p, &m);
}

static void container_pb(struct pod_draft *pod, struct container_list *list, struct pb *p)
{
    bool is_init = list == &pod->init_containers;
    struct container_draft *c = add_container(pod, list);
    if (c == NULL) {
        pb_skip(p);
        return;
    }
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* Container.name */
            c->name = pb_bytes(&m);
        else if (m.field == 2) /* image */
            c->image = pb_bytes(&m);
        else if (m.field == 8 && !is_init) /* resources */
            resources_pb(c, &m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void spec_pb(struct pod_draft *pod, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 2) /* PodSpec.containers */
            container_pb(pod, &pod->containers, &m);
        else if (m.field == 10) /* nodeName */
            pod->node = pb_bytes(&m);
        else if (m.field == 20 && draft_wants(&pod->draft, OBJECT_SPEC_IMAGE)) /* initContainers */
            container_pb(pod, &pod->init_containers, &m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void state_waiting_pb(struct state_draft *s, struct pb *p)
{
    s->waiting = true;
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* ContainerStateWaiting.reason */
            s->waiting_reason = pb_bytes(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void state_running_pb(struct state_draft *s, struct pb *p)
{
    s->running = true;
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* ContainerStateRunning.startedAt */
            s->running_s = draft_pb_time(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void state_terminated_pb(struct state_draft *s, struct pb *p)
{
    s->terminated = true;
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 3) /* ContainerStateTerminated.reason */
            s->terminated_reason = pb_bytes(&m);
        else if (m.field == 5) /* startedAt */
            s->terminated_s = draft_pb_time(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void state_pb(struct state_draft *s, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* ContainerState */
            state_waiting_pb(s, &m);
        else if (m.field == 2)
            state_running_pb(s, &m);
        else if (m.field == 3)
            state_terminated_pb(s, &m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void container_status_pb(struct pod_draft *pod, struct pb *p)
{
    struct status_draft *s = add_status(pod);
    if (s == NULL) {
        pb_skip(p);
        return;
    }
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        switch (m.field) { /* ContainerStatus */
        case 1:
            s->name = pb_bytes(&m);
            break;
        case 2:
            if (draft_wants(&pod->draft, OBJECT_STATES | OBJECT_METADATA))
                state_pb(&s->state, &m);
            else
                pb_skip(&m);
            break;
        case 3:
            if (draft_wants(&pod->draft, OBJECT_LAST_TERMINATED))
                state_pb(&s->last, &m);
            else
                pb_skip(&m);
            break;
        case 4:
            s->ready = pb_bool(&m);
            break;
        case 5:
            s->restart_count = pb_i32(&m);
            break;
        case 6:
            s->image = pb_bytes(&m);
            break;
        case 8:
            s->id = pb_bytes(&m);
            break;
        default:
            pb_skip(&m);
        }
    }
    pb_join(p, &m);
}

static void status_pb(struct pod_draft *pod, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        switch (m.field) { /* PodStatus */
        case 1:
            pod->phase = pb_bytes(&m);
            break;
        case 4:
            pod->reason = pb_bytes(&m);
            break;
        case 8:
            container_status_pb(pod, &m);
            break;
        case 9:
            pod->qos_class = pb_bytes(&m);
            break;
        default:
            pb_skip(&m);
        }
    }
    pb_join(p, &m);
}

static void read_pb(struct draft *d, struct pb *p)
{
    struct pod_draft *pod = (struct pod_draft *)d;
    if (p->field == 2) /* Pod.spec */
        spec_pb(pod, p);
    else if (p->field == 3) /* status */
        status_pb(pod, p);
    else
        pb_skip(p);
}

/* -- JSON -- */

static void quantities_json(struct pod_draft *pod, struct container_draft *c, bool is_limit,
                            struct json *j)
{
    str key, text;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (key.data == j->key_text)
            key = arena_str(pod->draft.scratch, key);
        if (draft_json_quantity(&pod->draft, j, &text))
            set_quantity(c, is_limit, key, text);
    }
}

static void resources_json(struct pod_draft *pod, struct container_draft *c, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "limits"))
            quantities_json(pod, c, true, j);
        else if (str_eqz(key, "requests"))
            quantities_json(pod, c, false, j);
        else
            json_skip(j);
    }
}

static void container_json(struct pod_draft *pod, struct container_list *list, struct json *j)
{
    bool is_init = list == &pod->init_containers;
    struct container_draft *c = add_container(pod, list);
    if (c == NULL) {
        json_skip(j);
        return;
    }
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "name"))
            draft_json_text(&pod->draft, j, &c->name);
        else if (str_eqz(key, "image"))
            draft_json_text(&pod->draft, j, &c->image);
        else if (str_eqz(key, "resources") && !is_init)
            resources_json(pod, c, j);
        else
            json_skip(j);
    }
}

static void containers_json(struct pod_draft *pod, struct container_list *list, struct json *j)
{
    clear_containers(list);
    if (!draft_json_array(j))
        return;
    while (json_item(j))
        container_json(pod, list, j);
}

static void spec_json(struct pod_draft *pod, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "containers"))
            containers_json(pod, &pod->containers, j);
        else if (str_eqz(key, "nodeName"))
            draft_json_text(&pod->draft, j, &pod->node);
        else if (str_eqz(key, "initContainers") && draft_wants(&pod->draft, OBJECT_SPEC_IMAGE))
            containers_json(pod, &pod->init_containers, j);
        else
            json_skip(j);
    }
}

/* The member of a state: whether it is there, its reason and its start. */
static void one_state_json(struct pod_draft *pod, bool *present, str *reason, int64_t *started_s,
                           struct json *j)
{
    *present = json_peek(j) == JSON_OBJECT;
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (reason != NULL && str_eqz(key, "reason"))
            draft_json_text(&pod->draft, j, reason);
        else if (started_s != NULL && str_eqz(key, "startedAt"))
            draft_json_time(&pod->draft, j, started_s);
        else
            json_skip(j);
    }
}

static void state_json(struct pod_draft *pod, struct state_draft *s, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "running"))
            one_state_json(pod, &s->running, NULL, &s->running_s, j);
        else if (str_eqz(key, "waiting"))
            one_state_json(pod, &s->waiting, &s->waiting_reason, NULL, j);
        else if (str_eqz(key, "terminated"))
            one_state_json(pod, &s->terminated, &s->terminated_reason, &s->terminated_s, j);
        else
            json_skip(j);
    }
}

static void container_status_json(struct pod_draft *pod, struct json *j)
{
    struct status_draft *s = add_status(pod);
    if (s == NULL) {
        json_skip(j);
        return;
    }
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "name"))
            draft_json_text(&pod->draft, j, &s->name);
        else if (str_eqz(key, "state") && draft_wants(&pod->draft, OBJECT_STATES | OBJECT_METADATA))
            state_json(pod, &s->state, j);
        else if (str_eqz(key, "lastState") && draft_wants(&pod->draft, OBJECT_LAST_TERMINATED))
            state_json(pod, &s->last, j);
        else if (str_eqz(key, "ready"))
            draft_json_bool(j, &s->ready);
        else if (str_eqz(key, "restartCount"))
            draft_json_i32(j, &s->restart_count);
        else if (str_eqz(key, "image"))
            draft_json_text(&pod->draft, j, &s->image);
        else if (str_eqz(key, "containerID"))
            draft_json_text(&pod->draft, j, &s->id);
        else
            json_skip(j);
    }
}

static void container_statuses_json(struct pod_draft *pod, struct json *j)
{
    clear_statuses(pod);
    if (!draft_json_array(j))
        return;
    while (json_item(j))
        container_status_json(pod, j);
}

static void status_json(struct pod_draft *pod, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "phase"))
            draft_json_text(&pod->draft, j, &pod->phase);
        else if (str_eqz(key, "reason"))
            draft_json_text(&pod->draft, j, &pod->reason);
        else if (str_eqz(key, "qosClass"))
            draft_json_text(&pod->draft, j, &pod->qos_class);
        else if (str_eqz(key, "containerStatuses"))
            container_statuses_json(pod, j);
        else
            json_skip(j);
    }
}

static void read_json(struct draft *d, str key, struct json *j)
{
    struct pod_draft *pod = (struct pod_draft *)d;
    if (str_eqz(key, "spec"))
        spec_json(pod, j);
    else if (str_eqz(key, "status"))
        status_json(pod, j);
    else
        json_skip(j);
}

/* -- sealing -- */

static bool is_lower_hex(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

/* Without "runtime://", which is letters, digits, "_" and "-". */
static str cut_runtime(str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.data[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';
        if (word)
            continue;
        str rest = str_skip(id, i);
        return i > 0 && str_starts_with(rest, STR("://")) ? str_skip(rest, 3) : id;
    }
    return id;
}

static void put_id(struct draft *d, struct container *c, str id)
{
    id = cut_runtime(id);
    c->id_at = (uint32_t)d->pool->block.len;
    if (id.len == CONTAINER_ID_TEXT_BYTES && is_lower_hex(id)) {
        char bytes[CONTAINER_ID_TEXT_BYTES / 2];
        for (size_t i = 0; i < sizeof bytes; i++) {
            unsigned high = (unsigned char)id.data[2 * i], low = (unsigned char)id.data[2 * i + 1];
            high = high <= '9' ? high - '0' : high - 'a' + 10;
            low = low <= '9' ? low - '0' : low - 'a' + 10;
            bytes[i] = (char)(high << 4 | low);
        }
        c->id_at = block_put(d, str_make(bytes, sizeof bytes));
        c->flags |= CONTAINER_ID_IS_HEX;
        return;
    }
    if (id.len > LIMIT_OBJECT_TEXT_BYTES)
        id.len = LIMIT_OBJECT_TEXT_BYTES;
    c->id_at = block_put(d, id);
    c->id_len = (uint16_t)id.len;
}

/* "sha256:..." in place of an image, or nothing. */
static bool is_bare_digest(str image)
{
    str algorithm, hex;
    if (image.len == 0)
        return true;
    if (memchr(image.data, '/', image.len) != NULL || memchr(image.data, '@', image.len) != NULL)
        return false;
    return str_cut(image, ':', &algorithm, &hex) && algorithm.len > 0 &&
           hex.len >= BARE_DIGEST_DIGITS_MIN && is_lower_hex(hex);
}

static void note_names(struct map *by_name, const struct container_list *list)
{
    for (struct container_draft *c = list->first; c != NULL; c = c->next)
        if (map_get(by_name, c->name) == NULL)
            map_put(by_name, c->name, c);
}

/* Takes the image of the container or init container of that name where the status has none. */
static void mend_images(struct pod_draft *pod)
{
    struct map by_name;
    map_init(&by_name, pod->draft.pool->hash_key);
    for (struct status_draft *s = pod->statuses; s != NULL; s = s->next) {
        if (!is_bare_digest(s->image))
            continue;
        if (map_count(&by_name) == 0) {
            note_names(&by_name, &pod->containers);
            note_names(&by_name, &pod->init_containers);
        }
        const struct container_draft *c = map_get(&by_name, s->name);
        if (c != NULL && c->image.len > 0)
            s->image = c->image;
    }
    map_deinit(&by_name);
}

static void fill_status(struct draft *d, struct container *c, const struct status_draft *status)
{
    c->flags |= CONTAINER_HAS_STATUS;
    if (status->ready)
        c->flags |= CONTAINER_READY;
    c->restart_count = status->restart_count;
    c->status_index = status->index;
    str name, tag;
    if (image_ref_split(status->image, &name, &tag)) {
        c->flags |= CONTAINER_HAS_IMAGE;
        c->image_name = block_atom(d, name);
        c->image_tag = block_atom(d, tag);
    }
    const struct state_draft *state = &status->state;
    int64_t started_s = time_unset;
    if (state->running) {
        c->state = CONTAINER_RUNNING;
        started_s = state->running_s;
    } else if (state->terminated) {
        c->state = CONTAINER_TERMINATED;
        c->reason = block_atom(d, state->terminated_reason);
        started_s = state->terminated_s;
    } else if (state->waiting) {
        c->state = CONTAINER_WAITING;
        c->reason = block_atom(d, state->waiting_reason);
    }
    if (draft_wants(d, OBJECT_METADATA))
        c->started_s = started_s;
    if (status->last.terminated) {
        c->flags |= CONTAINER_HAS_LAST_TERMINATED;
        c->last_terminated_reason = block_atom(d, status->last.terminated_reason);
    }
    put_id(d, c, status->id);
}

static void put_container(struct draft *d, uint32_t at, const struct container_draft *spec,
                          const struct status_draft *status)
{
    struct container c = {.started_s = time_unset};
    c.name = block_atom(d, spec != NULL ? spec->name : status->name);
    if (spec != NULL) {
        c.flags |= CONTAINER_HAS_SPEC;
        c.quantity_mask = spec->quantity_mask;
        size_t bytes = (size_t)__builtin_popcount(c.quantity_mask) * sizeof(int64_t);
        c.quantities_at = bytes == 0 ? 0 : block_reserve(d, bytes, sizeof(int64_t));
        int64_t *quantities = block_at(d, c.quantities_at);
        for (unsigned q = 0; q < CONTAINER_QUANTITY_COUNT; q++)
            if (container_has_quantity(&c, q))
                *quantities++ = spec->quantities[q];
    }
    if (status != NULL)
        fill_status(d, &c, status);
    memcpy(block_at(d, at), &c, sizeof c);
}

/* The first status of this name. `by_name` is in use if there are many. */
static struct status_draft *find_status(const struct pod_draft *pod, const struct map *by_name,
                                        str name)
{
    if (pod->status_count >= JOIN_BY_MAP_FROM)
        return map_get(by_name, name);
    for (struct status_draft *s = pod->statuses; s != NULL; s = s->next)
        if (str_eq(s->name, name))
            return s;
    return NULL;
}

static uint32_t put_containers(struct pod_draft *pod)
{
    struct map by_name;
    map_init(&by_name, pod->draft.pool->hash_key);
    for (struct status_draft *s = pod->statuses; s != NULL && pod->status_count >= JOIN_BY_MAP_FROM;
         s = s->next)
        if (map_get(&by_name, s->name) == NULL)
            map_put(&by_name, s->name, s);
    uint32_t count = pod->containers.count, at = offsetof(struct pod_object, containers);
    for (const struct container_draft *c = pod->containers.first; c != NULL; c = c->next) {
        struct status_draft *s = find_status(pod, &by_name, c->name);
        if (s != NULL)
            s->joined = true;
    }
    for (const struct status_draft *s = pod->statuses; s != NULL; s = s->next)
        count += !s->joined;
    block_reserve(&pod->draft, count * sizeof(struct container), 1);
    for (const struct container_draft *c = pod->containers.first; c != NULL; c = c->next) {
        put_container(&pod->draft, at, c, find_status(pod, &by_name, c->name));
        at += (uint32_t)sizeof(struct container);
    }
    for (const struct status_draft *s = pod->statuses; s != NULL; s = s->next) {
        if (s->joined)
            continue;
        put_container(&pod->draft, at, NULL, s);
        at += (uint32_t)sizeof(struct container);
    }
    map_deinit(&by_name);
    return count;
}
_Static_assert(2 * LIMIT_OBJECT_ENTRIES <= UINT16_MAX, "container_count holds all of both lists");

static enum pod_phase phase_of(str text)
{
    static const char *const phases[] = {
        [POD_PHASE_PENDING] = "Pending",     [POD_PHASE_RUNNING] = "Running",
        [POD_PHASE_SUCCEEDED] = "Succeeded", [POD_PHASE_FAILED] = "Failed",
        [POD_PHASE_UNKNOWN] = "Unknown",     [POD_PHASE_EMPTY] = "",
    };
    for (unsigned i = POD_PHASE_PENDING; i < COUNT_OF(phases); i++)
        if (str_eqz(text, phases[i]))
            return i;
    return POD_PHASE_OTHER;
}

static struct object *seal(struct draft *d)
{
    struct pod_draft *draft = (struct pod_draft *)d;
    block_begin(d, offsetof(struct pod_object, containers));
    struct pod_object pod = {.phase = (uint8_t)phase_of(draft->phase)};
    if (draft_wants(d, OBJECT_SPEC_IMAGE))
        mend_images(draft);
    pod.container_count = (uint16_t)put_containers(draft);
    pod.node = block_atom(d, draft->node);
    if (pod.phase == POD_PHASE_OTHER)
        pod.phase_text = block_atom(d, draft->phase);
    if (draft_wants(d, OBJECT_STATES | OBJECT_METADATA))
        pod.status_reason = block_atom(d, draft->reason);
    if (draft_wants(d, OBJECT_STATES))
        pod.qos_class = block_atom(d, draft->qos_class);
    memcpy(block_at(d, 0), &pod, offsetof(struct pod_object, containers));
    return block_finish(d);
}

static void release(struct object_pool *pool, const struct object *o)
{
    const struct pod_object *pod = (const struct pod_object *)o;
    struct atoms *atoms = pool->atoms;
    atoms_unref(atoms, pod->node);
    atoms_unref(atoms, pod->phase_text);
    atoms_unref(atoms, pod->status_reason);
    atoms_unref(atoms, pod->qos_class);
    for (uint16_t i = 0; i < pod->container_count; i++) {
        const struct container *c = &pod->containers[i];
        atoms_unref(atoms, c->name);
        atoms_unref(atoms, c->image_name);
        atoms_unref(atoms, c->image_tag);
        atoms_unref(atoms, c->reason);
        atoms_unref(atoms, c->last_terminated_reason);
    }
}

const struct kind_codec kind_pod = {
    .codec = {.kind = "Pod",
              .has_protobuf = true,
              .fields =
                  OBJECT_METADATA | OBJECT_STATES | OBJECT_LAST_TERMINATED | OBJECT_SPEC_IMAGE,
              .decode = kind_decode,
              .release = release},
    .kind = KIND_POD,
    .resource = {"", "v1", "pods", true},
    .draft_bytes = sizeof(struct pod_draft),
    .init = init,
    .read_pb = read_pb,
    .read_json = read_json,
    .seal = seal,
};
