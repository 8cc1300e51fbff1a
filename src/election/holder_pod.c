/*
 * Is the process that holds a Lease dead? What the status of its pod proves.
 *
 * Life of a proof: dead_proof_init for one holder -> versions of the Lease and states of the pod in the order in which they are observed
 * -> dead_proof_judge after each of them.
 *
 * What must be shown: the process that wrote the newest version of the record will never act on it. (Any other process must first write
 * a newer version, and then a claim on this one conflicts.) The pod's name and uid are not enough: a restarted container has the same
 * ones, and its process takes its own Lease back at once. The kubelet reports late, and its status and the Lease travel by different
 * ways, so this can be seen:
 *
 *     process P in container instance X renews; X ends, and the kubelet's "X terminated" is held up; instance Y starts, its process P'
 *     takes the Lease back (a newer version, under the same holder name); now "X terminated" arrives. P' lives.
 *
 * Order of observation alone (record first, its holder's end after it) would condemn P' here. So
 *
 *  1. PROOF_MESSAGE. Each process writes its incarnation, which is random and stands on each of its records, into its container's
 *     termination message before it may claim. The kubelet reads that file when the instance has ended, and it belongs to that instance
 *     alone. An end whose message names the record's incarnation is the end of the record's writer: neither clock nor order is needed,
 *     lastState is as good as state, and it holds whatever came since. A message with other incarnations only tells that the writer
 *     was not in there.
 *  2. PROOF_ORDER, where messages are not to be had. All containers that count (the named one, else all but sidecars) must be seen ended
 *     and none started again, in one state of the pod; these ends must be new to us after the record that we know; a version of the
 *     record that comes later ends the proof (a process that lives renews; the last words of one that died may arrive late, which costs
 *     no more than the time until the expiry). Against the race above stands one more condition, which can only refuse: the term began
 *     before the second in which the container finished. Both times are of the node's own clock, and P' began its term after X ended.
 *
 * What proves nothing: a pod that is gone, its deletion timestamp, another uid, phase, conditions, readiness, taints: others than the
 * kubelet write them, or they are written when it cannot be reached. They are not even read. An end that nobody witnessed (reasons
 * ContainerStatusUnknown and Unknown, or no id) is none. What was proven stays when the pod goes.
 */
#include "election/holder_pod.h"

#include "base/limits.h"
#include "base/map.h"
#include "wire/json.h"
#include "wire/text.h"

#define SECOND_NS INT64_C(1000000000)

/* Fixed: the digest of ends is compared with others of this process only. */
static const uint64_t ends_key[2] = {UINT64_C(0x9d3e5a1c70b8f264), UINT64_C(0x42c61fd80e9b375a)};

/* ---- reading ---- */

void holder_pod_init(struct holder_pod *p)
{
    memset(p, 0, sizeof *p);
    arena_init(&p->arena, 1024);
}

void holder_pod_deinit(struct holder_pod *p)
{
    arena_deinit(&p->arena);
}

/* A text that outlives the bytes it came in. */
static void read_text(struct json *j, struct holder_pod *p, str *out)
{
    str text;
    if (json_get_string(j, &p->arena, &text))
        *out = arena_str(&p->arena, text);
}

static void read_end(struct json *j, struct holder_pod *p, struct container_end *end)
{
    str key, time = STR_NONE;
    if (!json_object(j)) {
        json_skip(j);
        return;
    }
    *end = (struct container_end){.is_known = true};
    while (json_key(j, &key)) {
        if (str_eqz(key, "containerID"))
            read_text(j, p, &end->container_id);
        else if (str_eqz(key, "reason"))
            read_text(j, p, &end->reason);
        else if (str_eqz(key, "message"))
            read_text(j, p, &end->message);
        else if (str_eqz(key, "finishedAt"))
            (void)json_get_string(j, &p->arena, &time);
        else
            json_skip(j);
    }
    if (!rfc3339_parse(time, &end->finished_ns) || end->finished_ns < 0)
        end->finished_ns = 0;
}

/* ContainerState: the one member that is there says which. */
static void read_state(struct json *j, struct holder_pod *p, struct container_end *end,
                       bool *is_running)
{
    str key;
    if (!json_object(j)) {
        json_skip(j);
        return;
    }
    while (json_key(j, &key)) {
        if (str_eqz(key, "terminated")) {
            read_end(j, p, end);
            continue;
        }
        if (is_running != NULL && !str_eqz(key, "waiting") && json_peek(j) != JSON_NULL)
            *is_running = true; /* or something that this program does not know: certainly no end */
        json_skip(j);
    }
}

static void read_status(struct json *j, struct holder_pod *p, struct holder_container *c)
{
    str key;
    while (json_key(j, &key)) {
        if (str_eqz(key, "name"))
            read_text(j, p, &c->name);
        else if (str_eqz(key, "state"))
            read_state(j, p, &c->now, &c->is_running);
        else if (str_eqz(key, "lastState"))
            read_state(j, p, &c->last, NULL);
        else
            json_skip(j);
    }
}

/* The next item of a list that is an object, while there may be more of them. */
static bool next_object(struct json *j, struct holder_pod *p, size_t *count)
{
    while (json_item(j)) {
        if (*count < LIMIT_HOLDER_CONTAINERS && json_object(j)) {
            ++*count;
            return true;
        }
        p->has_more = true;
        json_skip(j);
    }
    return false;
}

static void read_statuses(struct json *j, struct holder_pod *p)
{
    size_t count = 0;
    if (!json_array(j)) {
        json_skip(j);
        return;
    }
    while (next_object(j, p, &count)) {
        struct holder_container *c = ARENA_NEW(&p->arena, struct holder_container);
        read_status(j, p, c);
        c->next = p->containers;
        p->containers = c;
    }
}

static void read_names(struct json *j, struct holder_pod *p, bool are_init)
{
    str key;
    size_t count = 0;
    if (!json_array(j)) {
        json_skip(j);
        return;
    }
    while (next_object(j, p, &count)) {
        struct holder_name n = {.is_sidecar = are_init};
        str policy = STR_NONE;
        while (json_key(j, &key)) {
            if (str_eqz(key, "name"))
                read_text(j, p, &n.name);
            else if (are_init && str_eqz(key, "restartPolicy"))
                (void)json_get_string(j, &p->arena, &policy);
            else
                json_skip(j);
        }
        if (are_init && !str_eqz(policy, "Always"))
            continue; /* it has ended before the others began */
        n.next = p->names;
        p->names = ARENA_NEW(&p->arena, struct holder_name);
        *p->names = n;
    }
}

static void read_metadata(struct json *j, struct holder_pod *p)
{
    str key, version = STR_NONE;
    while (json_key(j, &key)) {
        if (str_eqz(key, "name"))
            read_text(j, p, &p->name);
        else if (str_eqz(key, "uid"))
            read_text(j, p, &p->uid);
        else if (str_eqz(key, "resourceVersion"))
            (void)json_get_string(j, &p->arena, &version);
        else
            json_skip(j);
    }
    if (!str_to_u64(version, &p->resource_version))
        p->resource_version = 0;
}

static void read_spec(struct json *j, struct holder_pod *p)
{
    str key;
    while (json_key(j, &key)) {
        if (str_eqz(key, "containers"))
            read_names(j, p, false);
        else if (str_eqz(key, "initContainers"))
            read_names(j, p, true);
        else
            json_skip(j);
    }
}

static void read_pod_status(struct json *j, struct holder_pod *p)
{
    str key;
    while (json_key(j, &key)) {
        if (str_eqz(key, "containerStatuses") || str_eqz(key, "initContainerStatuses"))
            read_statuses(j, p);
        else
            json_skip(j);
    }
}

bool holder_pod_read(struct holder_pod *p, str json, struct err *err)
{
    struct json j;
    str key;
    holder_pod_deinit(p);
    holder_pod_init(p);
    json_init(&j, json);
    if (!json_object(&j))
        return err_set(err, "a pod must be a JSON object");
    while (json_key(&j, &key)) {
        if (str_eqz(key, "metadata") && json_object(&j))
            read_metadata(&j, p);
        else if (str_eqz(key, "spec") && json_object(&j))
            read_spec(&j, p);
        else if (str_eqz(key, "status") && json_object(&j))
            read_pod_status(&j, p);
        else
            json_skip(&j);
    }
    return json_finish(&j, err) || err_wrap(err, "pod");
}

bool holder_identity_split(str identity, str *pod_name, str *pod_uid)
{
    struct err err;
    /* A pod's name has no underscore, and neither has a uid. */
    if (!str_cut(identity, '_', pod_name, pod_uid) || pod_uid->len == 0 ||
        pod_uid->len > LIMIT_OBJECT_TEXT_BYTES)
        return false;
    for (size_t i = 0; i < pod_uid->len; i++) {
        char c = pod_uid->data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-'))
            return false;
    }
    return dns_subdomain_check(*pod_name, &err);
}

/* ---- what counts ---- */

/* Seen by the container runtime itself. Without that the kubelet gives one of these reasons: it lost the container, or the
 * runtime did (containerd, whose shim was gone, with exit code 255; also after the machine was started anew). */
static bool is_witnessed(const struct container_end *end)
{
    return end->is_known && !str_eqz(end->reason, "ContainerStatusUnknown") &&
           !str_eqz(end->reason, "Unknown");
}

static bool is_real(const struct container_end *end)
{
    return is_witnessed(end) && end->container_id.len > 0 && end->finished_ns > 0;
}

/* The end of the newest instance that is known, if that has ended: a container that waits to be started again shows its last one. */
static const struct container_end *newest_end(const struct holder_container *c)
{
    const struct container_end *end = c->now.is_known ? &c->now : &c->last;
    return !c->is_running && is_real(end) ? end : NULL;
}

static const struct holder_container *find(const struct holder_pod *p, str name)
{
    const struct holder_container *found = NULL;
    for (const struct holder_container *c = p->containers; c != NULL; c = c->next) {
        if (!str_eq(c->name, name))
            continue;
        if (found != NULL)
            return NULL; /* twice: no such pod exists, and which one is meant is not known */
        found = c;
    }
    return found;
}

static bool counts(const struct dead_proof *d, const struct holder_name *n)
{
    return d->container_name.len > 0 ? str_eq(n->name, d->container_name) : !n->is_sidecar;
}

/* Names which ends are known; 0 unless all containers that count have ended. */
static uint64_t digest_ends(const struct dead_proof *d)
{
    uint64_t parts[4] = {0};
    if (d->pod.has_more)
        return 0;
    for (const struct holder_name *n = d->pod.names; n != NULL; n = n->next) {
        if (!counts(d, n))
            continue;
        const struct holder_container *c = find(&d->pod, n->name);
        const struct container_end *end = c == NULL ? NULL : newest_end(c);
        if (end == NULL)
            return 0;
        parts[1] = sip_hash(ends_key, n->name);
        parts[2] = sip_hash(ends_key, end->container_id);
        parts[3] = (uint64_t)end->finished_ns;
        parts[0] = sip_hash(ends_key, str_make((const char *)parts, sizeof parts));
    }
    return parts[0];
}

/* Does the message name incarnations, and this one? */
static bool read_message(str message, str incarnation, bool *is_marked)
{
    size_t at;
    *is_marked = false;
    while (str_find(message, STR(HOLDER_MESSAGE_MARK " "), &at)) {
        str line, rest;
        *is_marked = true;
        message = str_skip(message, at + sizeof HOLDER_MESSAGE_MARK);
        str_cut(message, '\n', &line, &rest);
        if (incarnation.len > 0 && str_eq(str_trim(line), incarnation))
            return true;
    }
    return false;
}

/* ---- the proof ---- */

void dead_proof_init(struct dead_proof *d, str uid, str container_name)
{
    *d = (struct dead_proof){.uid = uid, .container_name = container_name};
    holder_pod_init(&d->pod);
}

void dead_proof_deinit(struct dead_proof *d)
{
    holder_pod_deinit(&d->pod);
}

void dead_proof_see_lease(struct dead_proof *d, uint64_t version, str incarnation,
                          int64_t acquire_ns)
{
    d->version = version;
    d->acquire_ns = acquire_ns;
    if (incarnation.len >= sizeof d->incarnation)
        incarnation = STR_NONE;
    if (incarnation.len > 0)
        memcpy(d->incarnation, incarnation.data, incarnation.len);
    d->incarnation[incarnation.len] = '\0';
}

bool dead_proof_see_pod(struct dead_proof *d, str json, struct err *err)
{
    struct holder_pod pod;
    holder_pod_init(&pod);
    bool is_read = holder_pod_read(&pod, json, err);
    bool is_older = d->pod_seen && pod.resource_version < d->pod.resource_version;
    if (!is_read || !str_eq(pod.uid, d->uid) || is_older) {
        holder_pod_deinit(&pod);
        return is_read;
    }
    holder_pod_deinit(&d->pod);
    d->pod = pod;
    d->pod_seen = true;
    uint64_t ends = digest_ends(d);
    if (ends != d->ends)
        d->ends_version = d->version; /* new ends: observed after this version of the record */
    d->ends = ends;
    return true;
}

/* The conditions of PROOF_ORDER on each end, beside the order itself. */
static bool ends_fit_record(const struct dead_proof *d)
{
    for (const struct holder_name *n = d->pod.names; n != NULL; n = n->next) {
        if (!counts(d, n))
            continue;
        const struct container_end *end = newest_end(find(&d->pod, n->name));
        bool is_marked;
        (void)read_message(end->message, STR_NONE, &is_marked);
        if (is_marked || d->acquire_ns >= end->finished_ns / SECOND_NS * SECOND_NS)
            return false;
    }
    return true;
}

enum proof dead_proof_judge(const struct dead_proof *d)
{
    str incarnation = str_from(d->incarnation);
    bool is_marked;
    /* Whose records tell no incarnation, a restarted process may go on with the acquireTime of the one before. */
    if (!d->pod_seen || d->version == 0 || incarnation.len == 0)
        return PROOF_NONE;
    for (const struct holder_container *c = d->pod.containers; c != NULL; c = c->next) {
        if ((is_witnessed(&c->now) && read_message(c->now.message, incarnation, &is_marked)) ||
            (is_witnessed(&c->last) && read_message(c->last.message, incarnation, &is_marked)))
            return PROOF_MESSAGE;
    }
    bool in_order = d->ends != 0 && d->ends_version == d->version && d->acquire_ns > 0;
    return in_order && ends_fit_record(d) ? PROOF_ORDER : PROOF_NONE;
}

bool dead_proof_lacks_container(const struct dead_proof *d)
{
    if (!d->pod_seen || d->container_name.len == 0 || d->pod.has_more)
        return false;
    for (const struct holder_name *n = d->pod.names; n != NULL; n = n->next) {
        if (str_eq(n->name, d->container_name))
            return false;
    }
    return true;
}
