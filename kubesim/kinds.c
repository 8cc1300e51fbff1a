/*
 * The table of kinds. To add one: a `struct sim_kind`, its fields (or NULL: kept as it is sent),
 * and a line in sim_kinds_builtin; the store, the verbs, discovery and kubectl's tables follow from
 * that.
 *
 * Specification: k8s.io/api types in the order of their JSON tags, the registry strategies of
 * kube-apiserver v1.35 (which of them allow create on update or unconditional updates).
 */
#include "kubesim/kinds.h"

/* -- coordination.k8s.io/v1 Lease -- */

static const struct sim_field lease_spec_fields[] = {
    {"holderIdentity", 1, SIM_STRING, SIM_POINTER, NULL},
    {"leaseDurationSeconds", 2, SIM_INT32, SIM_POINTER, NULL},
    {"acquireTime", 3, SIM_MICRO_TIME, SIM_POINTER, NULL},
    {"renewTime", 4, SIM_MICRO_TIME, SIM_POINTER, NULL},
    {"leaseTransitions", 5, SIM_INT32, SIM_POINTER, NULL},
    /* Feature gate CoordinatedLeaderElection, off. */
    {"strategy", 6, SIM_STRING, SIM_IGNORED, NULL},
    {"preferredHolder", 7, SIM_STRING, SIM_IGNORED, NULL},
    SIM_END,
};
static const struct sim_field lease_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, lease_spec_fields},
    SIM_END,
};

static void lease_check(const struct dom *object, struct sim_causes *c)
{
    const struct dom *spec = dom_getz(object, "spec");
    int64_t n;
    if (dom_i64(dom_getz(spec, "leaseDurationSeconds"), &n) && n <= 0)
        causes_invalid(c, STR("spec.leaseDurationSeconds"),
                       dom_getz(spec, "leaseDurationSeconds")->text, "must be at least 1");
    if (dom_i64(dom_getz(spec, "leaseTransitions"), &n) && n < 0)
        causes_invalid(c, STR("spec.leaseTransitions"), dom_getz(spec, "leaseTransitions")->text,
                       "must be at least 0");
}

static const struct sim_kind lease_kind = {
    .group = "coordination.k8s.io",
    .version = "v1",
    .kind = "Lease",
    .list_kind = "LeaseList",
    .plural = "leases",
    .singular = "lease",
    .namespaced = true,
    .create_on_update = true,
    .fields = lease_fields,
    .check = lease_check,
    .columns = {{"Name", "name"}, {"Holder", "spec.holderIdentity"}, {"Age", "age"}, {NULL}},
};

/* -- v1 Namespace -- */

static const struct sim_field namespace_spec_fields[] = {
    {"finalizers", 1, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};
static const struct sim_field namespace_condition_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"status", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"lastTransitionTime", 4, SIM_TIME, SIM_ALWAYS, NULL},
    {"reason", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};
static const struct sim_field namespace_status_fields[] = {
    {"phase", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"conditions", 2, SIM_OBJECTS, SIM_OMIT_EMPTY, namespace_condition_fields},
    SIM_END,
};
static const struct sim_field namespace_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, namespace_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, namespace_status_fields},
    SIM_END,
};

/* The label with the name is always there; finalizers and phase are the server's. */
static void namespace_prepare(struct arena *a, struct dom *object, const struct dom *old)
{
    struct dom *metadata = dom_getz(object, "metadata");
    struct dom *labels = dom_getz(metadata, "labels");
    if (labels == NULL) {
        labels = dom_new(a, DOM_OBJECT);
        dom_set(metadata, STR("labels"), labels);
    }
    dom_set(labels, STR("kubernetes.io/metadata.name"), dom_string(a, dom_text(metadata, "name")));
    dom_sort(a, labels);
    struct dom *spec = dom_getz(object, "spec");
    if (old != NULL) {
        dom_set(object, STR("spec"), dom_copy(a, dom_getz(old, "spec")));
        return;
    }
    struct dom *finalizers = dom_new(a, DOM_ARRAY);
    dom_append(finalizers, dom_string(a, STR("kubernetes")));
    dom_set(spec, STR("finalizers"), finalizers);
    struct dom *status = dom_new(a, DOM_OBJECT);
    dom_set(status, STR("phase"), dom_string(a, STR("Active")));
    dom_set(object, STR("status"), status);
}

static const struct sim_kind namespace_kind = {
    .group = "",
    .version = "v1",
    .kind = "Namespace",
    .list_kind = "NamespaceList",
    .plural = "namespaces",
    .singular = "namespace",
    .short_name = "ns",
    .unconditional_update = true,
    .has_status = true,
    .no_collection_delete = true,
    .names = SIM_NAMES_LABEL,
    .fields = namespace_fields,
    .prepare = namespace_prepare,
    .columns = {{"Name", "name"}, {"Status", "status.phase"}, {"Age", "age"}, {NULL}},
};

/* -- rbac.authorization.k8s.io/v1: read by auth.c when it decides -- */

static const struct sim_field policy_rule_fields[] = {
    {"verbs", 1, SIM_STRINGS, SIM_POINTER, NULL},
    {"apiGroups", 2, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"resources", 3, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"resourceNames", 4, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"nonResourceURLs", 5, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};
static const struct sim_field subject_fields[] = {
    {"kind", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"apiGroup", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"name", 3, SIM_STRING, SIM_ALWAYS, NULL},
    {"namespace", 4, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};
static const struct sim_field role_ref_fields[] = {
    {"apiGroup", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"kind", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"name", 3, SIM_STRING, SIM_ALWAYS, NULL},
    SIM_END,
};
static const struct sim_field role_fields[] = {
    {"rules", 2, SIM_OBJECTS, SIM_POINTER, policy_rule_fields},
    SIM_END,
};
static const struct sim_field cluster_role_fields[] = {
    {"rules", 2, SIM_OBJECTS, SIM_POINTER, policy_rule_fields},
    {"aggregationRule", 0, SIM_ANY, SIM_POINTER, NULL},
    SIM_END,
};
static const struct sim_field binding_fields[] = {
    {"subjects", 2, SIM_OBJECTS, SIM_OMIT_EMPTY, subject_fields},
    {"roleRef", 3, SIM_OBJECT, SIM_ALWAYS, role_ref_fields},
    SIM_END,
};

static void role_check(const struct dom *object, struct sim_causes *c)
{
    const struct dom *rules = dom_getz(object, "rules");
    if (rules == NULL || rules->type != DOM_ARRAY)
        return;
    for (const struct dom *rule = rules->first; rule != NULL; rule = rule->next) {
        const struct dom *verbs = dom_getz(rule, "verbs");
        if (verbs == NULL || verbs->count == 0)
            causes_required(c, STR("rules.verbs"), "a rule must allow something");
    }
}

static void binding_check(const struct dom *object, struct sim_causes *c)
{
    if (dom_text(dom_getz(object, "roleRef"), "name").len == 0)
        causes_required(c, STR("roleRef.name"), "a binding must name its role");
}

#define RBAC_KIND(kind_name, plural_name, singular_name, in_namespace, kind_fields, kind_check)    \
    {                                                                                              \
        .group = "rbac.authorization.k8s.io", .version = "v1", .kind = kind_name,                  \
        .list_kind = kind_name "List", .plural = plural_name, .singular = singular_name,           \
        .namespaced = in_namespace, .create_on_update = true, .unconditional_update = true,        \
        .names = SIM_NAMES_PATH, .fields = kind_fields, .check = kind_check,                       \
        .columns = {{"Name", "name"}, {"Age", "age"}, {NULL}},                                     \
    }
static const struct sim_kind role_kind =
    RBAC_KIND("Role", "roles", "role", true, role_fields, role_check);
static const struct sim_kind role_binding_kind =
    RBAC_KIND("RoleBinding", "rolebindings", "rolebinding", true, binding_fields, binding_check);
static const struct sim_kind cluster_role_kind =
    RBAC_KIND("ClusterRole", "clusterroles", "clusterrole", false, cluster_role_fields, role_check);
static const struct sim_kind cluster_role_binding_kind =
    RBAC_KIND("ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding", false,
              binding_fields, binding_check);

const struct sim_kind *const sim_kinds_builtin[] = {
    &namespace_kind,
    &lease_kind,
    &role_kind,
    &role_binding_kind,
    &cluster_role_kind,
    &cluster_role_binding_kind,
    &sim_pod_kind,
    &sim_node_kind,
    &sim_replication_controller_kind,
    &sim_resource_quota_kind,
    &sim_service_kind,
    &sim_persistent_volume_kind,
    &sim_persistent_volume_claim_kind,
    &sim_endpoints_kind,
    &sim_deployment_kind,
    &sim_replica_set_kind,
    &sim_stateful_set_kind,
    &sim_daemon_set_kind,
    &sim_job_kind,
    &sim_cron_job_kind,
    &sim_hpa_kind,
    &sim_endpoint_slice_kind,
    NULL,
};

static str with_group(struct arena *a, const char *name, const struct sim_kind *kind)
{
    if (kind->group[0] == '\0')
        return str_from(name);
    return arena_printf(a, "%s.%s", name, kind->group);
}

str kind_qualified(struct arena *a, const struct sim_kind *kind)
{
    return with_group(a, kind->kind, kind);
}

str kind_resource(struct arena *a, const struct sim_kind *kind)
{
    return with_group(a, kind->plural, kind);
}

str kind_api_version(struct arena *a, const struct sim_kind *kind)
{
    if (kind->group[0] == '\0')
        return str_from(kind->version);
    return arena_printf(a, "%s/%s", kind->group, kind->version);
}
