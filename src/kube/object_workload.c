/*
 * Workloads: controllers of pods, jobs and autoscalers, of which a few numbers count.
 *
 * One reader for all of them, driven by a table for each kind: which member of spec or status,
 * under which number and name, is which of the object's numbers or texts. Templates, selectors and
 * conditions, nearly all of the bytes, are skipped.
 *
 * Numbers that are pointers in the API (spec.replicas ...) are marked in `present` when they are
 * set; what an unset one counts as is the affair of who reads the object.
 *
 * Specification: apps/v1, batch/v1, autoscaling/v2 and core/v1 generated.proto of k8s.io/api.
 */
#include "kube/object_draft.h"

struct workload_draft {
    struct draft draft;
    int32_t counts[WORKLOAD_COUNT_MAX];
    uint8_t present;
    str target_api_version, target_kind, target_name;
    str schedule, concurrency_policy;
};

enum { SPEC = 2, STATUS = 3 }; /* members of all these kinds */
enum value { COUNT, POINTER, LENGTH, TEXT, TARGET };
struct member {
    uint8_t part;   /* SPEC or STATUS */
    uint8_t number; /* in protobuf */
    uint8_t value;
    uint8_t place; /* of a number: enum workload_count */
    const char *key;
    size_t text; /* of a text: where in the draft */
};
struct workload_members {
    const struct member *first;
    size_t count;
};

static const struct member *find_pb(const struct draft *d, uint32_t part, uint32_t number)
{
    const struct workload_members *members = d->kind->workload;
    for (size_t i = 0; i < members->count; i++)
        if (members->first[i].part == part && members->first[i].number == number)
            return &members->first[i];
    return NULL;
}

static const struct member *find_json(const struct draft *d, unsigned part, str key)
{
    const struct workload_members *members = d->kind->workload;
    for (size_t i = 0; i < members->count; i++)
        if (members->first[i].part == part && str_eqz(key, members->first[i].key))
            return &members->first[i];
    return NULL;
}

static str *text_at(struct workload_draft *w, const struct member *member)
{
    return (str *)(void *)((char *)w + member->text);
}

/* -- protobuf -- */

static void target_pb(struct workload_draft *w, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* autoscaling/v2 CrossVersionObjectReference.kind */
            w->target_kind = pb_bytes(&m);
        else if (m.field == 2) /* name */
            w->target_name = pb_bytes(&m);
        else if (m.field == 3) /* apiVersion */
            w->target_api_version = pb_bytes(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void member_pb(struct workload_draft *w, const struct member *member, struct pb *p)
{
    switch (member->value) {
    case COUNT:
        w->counts[member->place] = pb_i32(p);
        break;
    case POINTER:
        w->counts[member->place] = pb_i32(p);
        w->present |= (uint8_t)(1U << member->place);
        break;
    case LENGTH:
        pb_bytes(p);
        w->counts[member->place]++;
        break;
    case TEXT:
        *text_at(w, member) = pb_bytes(p);
        break;
    case TARGET:
        target_pb(w, p);
        break;
    }
}

static void read_pb(struct draft *d, struct pb *p)
{
    uint32_t part = p->field;
    if (part != SPEC && part != STATUS) {
        pb_skip(p);
        return;
    }
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        const struct member *member = find_pb(d, part, m.field);
        if (member != NULL)
            member_pb((struct workload_draft *)d, member, &m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

/* -- JSON -- */

static void target_json(struct workload_draft *w, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "kind"))
            draft_json_text(&w->draft, j, &w->target_kind);
        else if (str_eqz(key, "name"))
            draft_json_text(&w->draft, j, &w->target_name);
        else if (str_eqz(key, "apiVersion"))
            draft_json_text(&w->draft, j, &w->target_api_version);
        else
            json_skip(j);
    }
}

static void pointer_json(struct workload_draft *w, const struct member *member, struct json *j)
{
    uint8_t bit = (uint8_t)(1U << member->place);
    int32_t unset = INT32_MIN, n = unset;
    draft_json_i32(j, &n);
    if (n == unset) { /* null, or no number of 32 bits; the API server takes no such count */
        w->present &= (uint8_t)~bit;
        n = 0;
    } else {
        w->present |= bit;
    }
    w->counts[member->place] = n;
}

static void length_json(struct workload_draft *w, const struct member *member, struct json *j)
{
    w->counts[member->place] = 0;
    if (!draft_json_array(j))
        return;
    while (json_item(j)) {
        json_skip(j);
        w->counts[member->place]++;
    }
}

static void member_json(struct workload_draft *w, const struct member *member, struct json *j)
{
    switch (member->value) {
    case COUNT:
        draft_json_i32(j, &w->counts[member->place]);
        break;
    case POINTER:
        pointer_json(w, member, j);
        break;
    case LENGTH:
        length_json(w, member, j);
        break;
    case TEXT:
        draft_json_text(&w->draft, j, text_at(w, member));
        break;
    case TARGET:
        target_json(w, j);
        break;
    }
}

static void read_json(struct draft *d, str key, struct json *j)
{
    unsigned part = str_eqz(key, "spec") ? SPEC : str_eqz(key, "status") ? STATUS : 0;
    if (part == 0) {
        json_skip(j);
        return;
    }
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        const struct member *member = find_json(d, part, key);
        if (member != NULL)
            member_json((struct workload_draft *)d, member, j);
        else
            json_skip(j);
    }
}

/* -- sealing -- */

static struct object *seal(struct draft *d)
{
    const struct workload_draft *draft = (const struct workload_draft *)d;
    block_begin(d, sizeof(struct workload_object));
    struct workload_object w = {.present = draft->present};
    memcpy(w.counts, draft->counts, sizeof w.counts);
    w.target_api_version = block_atom(d, draft->target_api_version);
    w.target_kind = block_atom(d, draft->target_kind);
    w.target_name = block_atom(d, draft->target_name);
    if (draft_wants(d, OBJECT_METADATA)) {
        w.schedule = block_atom(d, draft->schedule);
        w.concurrency_policy = block_atom(d, draft->concurrency_policy);
    }
    memcpy(block_at(d, 0), &w, sizeof w);
    return block_finish(d);
}

static void release(struct object_pool *pool, const struct object *o)
{
    const struct workload_object *w = (const struct workload_object *)o;
    atoms_unref(pool->atoms, w->target_api_version);
    atoms_unref(pool->atoms, w->target_kind);
    atoms_unref(pool->atoms, w->target_name);
    atoms_unref(pool->atoms, w->schedule);
    atoms_unref(pool->atoms, w->concurrency_policy);
}

/* -- kinds -- */

static const struct member replication_controller[] = {
    {SPEC, 1, POINTER, SPEC_REPLICAS, "replicas", 0},
    {STATUS, 5, COUNT, STATUS_AVAILABLE, "availableReplicas", 0},
};
static const struct member deployment[] = {
    {SPEC, 1, POINTER, SPEC_REPLICAS, "replicas", 0},
    {STATUS, 4, COUNT, STATUS_AVAILABLE, "availableReplicas", 0},
};
static const struct member replica_set[] = {
    {SPEC, 1, POINTER, SPEC_REPLICAS, "replicas", 0},
    {STATUS, 5, COUNT, STATUS_AVAILABLE, "availableReplicas", 0},
};
static const struct member stateful_set[] = {
    {SPEC, 1, POINTER, SPEC_REPLICAS, "replicas", 0},
    {STATUS, 3, COUNT, STATEFUL_READY, "readyReplicas", 0},
    {STATUS, 4, COUNT, STATEFUL_CURRENT, "currentReplicas", 0},
    {STATUS, 5, COUNT, STATEFUL_UPDATED, "updatedReplicas", 0},
    {STATUS, 11, COUNT, STATUS_AVAILABLE, "availableReplicas", 0},
};
static const struct member daemon_set[] = {
    {STATUS, 1, COUNT, DAEMON_CURRENT_SCHEDULED, "currentNumberScheduled", 0},
    {STATUS, 2, COUNT, DAEMON_MISSCHEDULED, "numberMisscheduled", 0},
    {STATUS, 3, COUNT, DAEMON_DESIRED_SCHEDULED, "desiredNumberScheduled", 0},
    {STATUS, 4, COUNT, DAEMON_READY, "numberReady", 0},
};
static const struct member job[] = {
    {SPEC, 1, POINTER, JOB_PARALLELISM, "parallelism", 0},
    {SPEC, 2, POINTER, JOB_COMPLETIONS, "completions", 0},
    {STATUS, 4, COUNT, JOB_ACTIVE, "active", 0},
    {STATUS, 5, COUNT, JOB_SUCCEEDED, "succeeded", 0},
    {STATUS, 6, COUNT, JOB_FAILED, "failed", 0},
};
static const struct member cron_job[] = {
    {SPEC, 1, TEXT, 0, "schedule", offsetof(struct workload_draft, schedule)},
    {SPEC, 3, TEXT, 0, "concurrencyPolicy", offsetof(struct workload_draft, concurrency_policy)},
    {STATUS, 1, LENGTH, CRON_JOB_ACTIVE, "active", 0},
};
static const struct member hpa[] = {
    {SPEC, 1, TARGET, 0, "scaleTargetRef", 0},
    {SPEC, 2, POINTER, HPA_MIN, "minReplicas", 0},
    {SPEC, 3, COUNT, HPA_MAX, "maxReplicas", 0},
    {STATUS, 3, COUNT, HPA_CURRENT, "currentReplicas", 0},
    {STATUS, 4, COUNT, HPA_DESIRED, "desiredReplicas", 0},
};

#define WORKLOAD(id, table, name, group, version, plural)                                          \
    {                                                                                              \
        .codec = {name, true, OBJECT_METADATA, kind_decode, release}, .kind = (id),                \
        .resource = {group, version, plural, true}, .draft_bytes = sizeof(struct workload_draft),  \
        .read_pb = read_pb, .read_json = read_json, .seal = seal,                                  \
        .workload = &(const struct workload_members)                                               \
        {                                                                                          \
            table, COUNT_OF(table)                                                                 \
        }                                                                                          \
    }
const struct kind_codec kind_replication_controller =
    WORKLOAD(KIND_REPLICATION_CONTROLLER, replication_controller, "ReplicationController", "", "v1",
             "replicationcontrollers");
const struct kind_codec kind_deployment =
    WORKLOAD(KIND_DEPLOYMENT, deployment, "Deployment", "apps", "v1", "deployments");
const struct kind_codec kind_replica_set =
    WORKLOAD(KIND_REPLICA_SET, replica_set, "ReplicaSet", "apps", "v1", "replicasets");
const struct kind_codec kind_stateful_set =
    WORKLOAD(KIND_STATEFUL_SET, stateful_set, "StatefulSet", "apps", "v1", "statefulsets");
const struct kind_codec kind_daemon_set =
    WORKLOAD(KIND_DAEMON_SET, daemon_set, "DaemonSet", "apps", "v1", "daemonsets");
const struct kind_codec kind_job = WORKLOAD(KIND_JOB, job, "Job", "batch", "v1", "jobs");
const struct kind_codec kind_cron_job =
    WORKLOAD(KIND_CRON_JOB, cron_job, "CronJob", "batch", "v1", "cronjobs");
const struct kind_codec kind_hpa = WORKLOAD(KIND_HPA, hpa, "HorizontalPodAutoscaler", "autoscaling",
                                            "v2", "horizontalpodautoscalers");
