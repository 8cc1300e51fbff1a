/*
 * Nodes, namespaces and resource quotas.
 *
 * Maps of quantities are kept by key, those that are quantities. In which unit a resource counts
 * depends on the kind: a node's cpu in thousandths; of a quota's resources those that end in
 * ".cpu" in thousandths, and all others whole, plain "cpu" included.
 *
 * Specification: core/v1 generated.proto of k8s.io/api; ClusterResourceQuota: quota.openshift.io/v1
 * types.go of openshift/api (JSON only: its group does not offer protobuf to everybody).
 */
#include "kube/object_draft.h"

enum { STATUS = 3 }; /* field of all these kinds */

/* -- Node -- */

struct condition_draft {
    struct condition_draft *next;
    str type, status;
};
struct node_draft {
    struct draft draft;
    str kubelet_version, container_runtime_version, os_image, operating_system;
    struct condition_draft *conditions, **conditions_end;
    uint32_t condition_count;
    struct draft_map allocatable;
};

static void clear_conditions(struct node_draft *node)
{
    node->conditions = NULL;
    node->conditions_end = &node->conditions;
    node->condition_count = 0;
}

static void node_init(struct draft *d)
{
    clear_conditions((struct node_draft *)d);
}

static struct condition_draft *add_condition(struct node_draft *node)
{
    struct condition_draft *c = draft_entry(&node->draft, &node->condition_count, sizeof *c);
    if (c == NULL)
        return NULL;
    *node->conditions_end = c;
    node->conditions_end = &c->next;
    return c;
}

static void condition_pb(struct node_draft *node, struct pb *p)
{
    struct condition_draft *c = add_condition(node);
    if (c == NULL) {
        pb_skip(p);
        return;
    }
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* NodeCondition.type */
            c->type = pb_bytes(&m);
        else if (m.field == 2) /* status */
            c->status = pb_bytes(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void node_info_pb(struct node_draft *node, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 5) /* NodeSystemInfo.osImage */
            node->os_image = pb_bytes(&m);
        else if (m.field == 6) /* containerRuntimeVersion */
            node->container_runtime_version = pb_bytes(&m);
        else if (m.field == 7) /* kubeletVersion */
            node->kubelet_version = pb_bytes(&m);
        else if (m.field == 9) /* operatingSystem */
            node->operating_system = pb_bytes(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void node_pb(struct draft *d, struct pb *p)
{
    struct node_draft *node = (struct node_draft *)d;
    if (p->field != STATUS) {
        pb_skip(p);
        return;
    }
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 2) /* NodeStatus.allocatable */
            draft_map_pb(d, &node->allocatable, &m, true);
        else if (m.field == 4) /* conditions */
            condition_pb(node, &m);
        else if (m.field == 7) /* nodeInfo */
            node_info_pb(node, &m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void conditions_json(struct node_draft *node, struct json *j)
{
    str key;
    clear_conditions(node);
    if (!draft_json_array(j))
        return;
    while (json_item(j)) {
        struct condition_draft *c = add_condition(node);
        if (c == NULL)
            json_skip(j);
        if (c == NULL || !draft_json_object(j))
            continue;
        while (json_key(j, &key)) {
            if (str_eqz(key, "type"))
                draft_json_text(&node->draft, j, &c->type);
            else if (str_eqz(key, "status"))
                draft_json_text(&node->draft, j, &c->status);
            else
                json_skip(j);
        }
    }
}

static void node_info_json(struct node_draft *node, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "osImage"))
            draft_json_text(&node->draft, j, &node->os_image);
        else if (str_eqz(key, "containerRuntimeVersion"))
            draft_json_text(&node->draft, j, &node->container_runtime_version);
        else if (str_eqz(key, "kubeletVersion"))
            draft_json_text(&node->draft, j, &node->kubelet_version);
        else if (str_eqz(key, "operatingSystem"))
            draft_json_text(&node->draft, j, &node->operating_system);
        else
            json_skip(j);
    }
}

static void node_json(struct draft *d, str key, struct json *j)
{
    struct node_draft *node = (struct node_draft *)d;
    if (!str_eqz(key, "status")) {
        json_skip(j);
        return;
    }
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "allocatable"))
            draft_map_json(d, &node->allocatable, j, true);
        else if (str_eqz(key, "conditions"))
            conditions_json(node, j);
        else if (str_eqz(key, "nodeInfo"))
            node_info_json(node, j);
        else
            json_skip(j);
    }
}

static bool is_cpu(str resource)
{
    return str_eqz(resource, "cpu");
}

static struct object *node_seal(struct draft *d)
{
    struct node_draft *draft = (struct node_draft *)d;
    block_begin(d, sizeof(struct node_object));
    struct node_object node = {.kubelet_version = block_atom(d, draft->kubelet_version),
                               .container_runtime_version =
                                   block_atom(d, draft->container_runtime_version),
                               .os_image = block_atom(d, draft->os_image),
                               .operating_system = block_atom(d, draft->operating_system),
                               .condition_count = (uint16_t)draft->condition_count};
    node.allocatable_at = block_amounts(d, &draft->allocatable, is_cpu, &node.allocatable_count);
    for (const struct condition_draft *c = draft->conditions; c != NULL; c = c->next) {
        uint32_t at =
            block_reserve(d, sizeof(struct node_condition), _Alignof(struct node_condition));
        if (node.conditions_at == 0)
            node.conditions_at = at;
        struct node_condition *condition = block_at(d, at);
        condition->type = block_atom(d, c->type);
        condition->status = block_atom(d, c->status);
    }
    memcpy(block_at(d, 0), &node, sizeof node);
    return block_finish(d);
}

static void node_release(struct object_pool *pool, const struct object *o)
{
    const struct node_object *node = (const struct node_object *)o;
    atoms_unref(pool->atoms, node->kubelet_version);
    atoms_unref(pool->atoms, node->container_runtime_version);
    atoms_unref(pool->atoms, node->os_image);
    atoms_unref(pool->atoms, node->operating_system);
    release_amounts(pool, o, node->allocatable_at, node->allocatable_count);
    const struct node_condition *conditions = object_at(o, node->conditions_at);
    for (uint16_t i = 0; i < node->condition_count; i++) {
        atoms_unref(pool->atoms, conditions[i].type);
        atoms_unref(pool->atoms, conditions[i].status);
    }
}

const struct kind_codec kind_node = {
    .codec = {"Node", true, OBJECT_METADATA, kind_decode, node_release},
    .kind = KIND_NODE,
    .resource = {"", "v1", "nodes", false},
    .draft_bytes = sizeof(struct node_draft),
    .init = node_init,
    .read_pb = node_pb,
    .read_json = node_json,
    .seal = node_seal,
};

/* -- Namespace -- */

struct namespace_draft {
    struct draft draft;
    str phase;
};

static void namespace_pb(struct draft *d, struct pb *p)
{
    if (p->field != STATUS) {
        pb_skip(p);
        return;
    }
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* NamespaceStatus.phase */
            ((struct namespace_draft *)d)->phase = pb_bytes(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void namespace_json(struct draft *d, str key, struct json *j)
{
    if (!str_eqz(key, "status")) {
        json_skip(j);
        return;
    }
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "phase"))
            draft_json_text(d, j, &((struct namespace_draft *)d)->phase);
        else
            json_skip(j);
    }
}

static struct object *namespace_seal(struct draft *d)
{
    block_begin(d, sizeof(struct namespace_object));
    struct namespace_object n = {.phase = block_atom(d, ((struct namespace_draft *)d)->phase)};
    memcpy(block_at(d, 0), &n, sizeof n);
    return block_finish(d);
}

static void namespace_release(struct object_pool *pool, const struct object *o)
{
    atoms_unref(pool->atoms, ((const struct namespace_object *)o)->phase);
}

const struct kind_codec kind_namespace = {
    .codec = {"Namespace", true, OBJECT_METADATA, kind_decode, namespace_release},
    .kind = KIND_NAMESPACE,
    .resource = {"", "v1", "namespaces", false},
    .draft_bytes = sizeof(struct namespace_draft),
    .read_pb = namespace_pb,
    .read_json = namespace_json,
    .seal = namespace_seal,
};

/* -- ResourceQuota -- */

struct amounts_draft {
    struct draft_map hard, used;
};
struct quota_draft {
    struct draft draft;
    struct amounts_draft status;
};

static bool counts_in_milli(str resource)
{
    return str_ends_with(resource, STR(".cpu"));
}

static void quota_pb(struct draft *d, struct pb *p)
{
    struct quota_draft *quota = (struct quota_draft *)d;
    if (p->field != STATUS) {
        pb_skip(p);
        return;
    }
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* ResourceQuotaStatus.hard */
            draft_map_pb(d, &quota->status.hard, &m, true);
        else if (m.field == 2) /* used */
            draft_map_pb(d, &quota->status.used, &m, true);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

/* A ResourceQuotaStatus. */
static void amounts_json(struct draft *d, struct amounts_draft *amounts, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "hard"))
            draft_map_json(d, &amounts->hard, j, true);
        else if (str_eqz(key, "used"))
            draft_map_json(d, &amounts->used, j, true);
        else
            json_skip(j);
    }
}

static void quota_json(struct draft *d, str key, struct json *j)
{
    if (str_eqz(key, "status"))
        amounts_json(d, &((struct quota_draft *)d)->status, j);
    else
        json_skip(j);
}

static struct object *quota_seal(struct draft *d)
{
    struct amounts_draft *status = &((struct quota_draft *)d)->status;
    block_begin(d, sizeof(struct quota_object));
    struct quota_object quota = {.hard_at = 0};
    quota.hard_at = block_amounts(d, &status->hard, counts_in_milli, &quota.hard_count);
    quota.used_at = block_amounts(d, &status->used, counts_in_milli, &quota.used_count);
    memcpy(block_at(d, 0), &quota, sizeof quota);
    return block_finish(d);
}

static void quota_release(struct object_pool *pool, const struct object *o)
{
    const struct quota_object *quota = (const struct quota_object *)o;
    release_amounts(pool, o, quota->hard_at, quota->hard_count);
    release_amounts(pool, o, quota->used_at, quota->used_count);
}

const struct kind_codec kind_resource_quota = {
    .codec = {"ResourceQuota", true, 0, kind_decode, quota_release},
    .kind = KIND_RESOURCE_QUOTA,
    .resource = {"", "v1", "resourcequotas", true},
    .draft_bytes = sizeof(struct quota_draft),
    .read_pb = quota_pb,
    .read_json = quota_json,
    .seal = quota_seal,
};

/* -- ClusterResourceQuota -- */

struct quota_namespace_draft {
    struct quota_namespace_draft *next;
    str namespace;
    struct amounts_draft status;
};
struct cluster_quota_draft {
    struct draft draft;
    struct amounts_draft total;
    struct quota_namespace_draft *namespaces, **namespaces_end;
    uint32_t namespace_count;
};

static void clear_namespaces(struct cluster_quota_draft *quota)
{
    quota->namespaces = NULL;
    quota->namespaces_end = &quota->namespaces;
    quota->namespace_count = 0;
}

static void cluster_quota_init(struct draft *d)
{
    clear_namespaces((struct cluster_quota_draft *)d);
}

static void cluster_quota_pb(struct draft *d, struct pb *p)
{
    (void)d;
    pb_skip(p);
}

static void quota_namespaces_json(struct cluster_quota_draft *quota, struct json *j)
{
    str key;
    clear_namespaces(quota);
    if (!draft_json_array(j))
        return;
    while (json_item(j)) {
        struct quota_namespace_draft *n =
            draft_entry(&quota->draft, &quota->namespace_count, sizeof *n);
        if (n == NULL) {
            json_skip(j);
            continue;
        }
        *quota->namespaces_end = n;
        quota->namespaces_end = &n->next;
        if (!draft_json_object(j))
            continue;
        while (json_key(j, &key)) {
            if (str_eqz(key, "namespace"))
                draft_json_text(&quota->draft, j, &n->namespace);
            else if (str_eqz(key, "status"))
                amounts_json(&quota->draft, &n->status, j);
            else
                json_skip(j);
        }
    }
}

static void cluster_quota_json(struct draft *d, str key, struct json *j)
{
    struct cluster_quota_draft *quota = (struct cluster_quota_draft *)d;
    if (!str_eqz(key, "status")) {
        json_skip(j);
        return;
    }
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "total"))
            amounts_json(d, &quota->total, j);
        else if (str_eqz(key, "namespaces"))
            quota_namespaces_json(quota, j);
        else
            json_skip(j);
    }
}

static struct object *cluster_quota_seal(struct draft *d)
{
    struct cluster_quota_draft *draft = (struct cluster_quota_draft *)d;
    block_begin(d, sizeof(struct cluster_quota_object));
    struct cluster_quota_object q = {.namespace_count = (uint16_t)draft->namespace_count};
    q.hard_at = block_amounts(d, &draft->total.hard, counts_in_milli, &q.hard_count);
    q.used_at = block_amounts(d, &draft->total.used, counts_in_milli, &q.used_count);
    q.namespaces_at = block_reserve(d, q.namespace_count * sizeof(struct cluster_quota_namespace),
                                    _Alignof(uint32_t));
    uint32_t at = q.namespaces_at;
    for (struct quota_namespace_draft *each = draft->namespaces; each != NULL; each = each->next) {
        struct cluster_quota_namespace n = {.namespace = block_atom(d, each->namespace)};
        n.hard_at = block_amounts(d, &each->status.hard, counts_in_milli, &n.hard_count);
        n.used_at = block_amounts(d, &each->status.used, counts_in_milli, &n.used_count);
        memcpy(block_at(d, at), &n, sizeof n);
        at += (uint32_t)sizeof n;
    }
    memcpy(block_at(d, 0), &q, sizeof q);
    return block_finish(d);
}

static void cluster_quota_release(struct object_pool *pool, const struct object *o)
{
    const struct cluster_quota_object *q = (const struct cluster_quota_object *)o;
    release_amounts(pool, o, q->hard_at, q->hard_count);
    release_amounts(pool, o, q->used_at, q->used_count);
    const struct cluster_quota_namespace *namespaces = object_at(o, q->namespaces_at);
    for (uint16_t i = 0; i < q->namespace_count; i++) {
        atoms_unref(pool->atoms, namespaces[i].namespace);
        release_amounts(pool, o, namespaces[i].hard_at, namespaces[i].hard_count);
        release_amounts(pool, o, namespaces[i].used_at, namespaces[i].used_count);
    }
}

const struct kind_codec kind_cluster_resource_quota = {
    .codec = {"ClusterResourceQuota", false, 0, kind_decode, cluster_quota_release},
    .kind = KIND_CLUSTER_RESOURCE_QUOTA,
    .resource = {"quota.openshift.io", "v1", "clusterresourcequotas", false},
    .draft_bytes = sizeof(struct cluster_quota_draft),
    .init = cluster_quota_init,
    .read_pb = cluster_quota_pb,
    .read_json = cluster_quota_json,
    .seal = cluster_quota_seal,
};
