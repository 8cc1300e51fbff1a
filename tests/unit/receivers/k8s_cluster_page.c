/* The page of metrics and attributes: a test compares it with the one in docs/, `ninja k8s_cluster_page` writes it there. */
#include "tests/unit/receivers/k8s_cluster_page.h"

#include "receivers/k8s_cluster/table.h"

static const char head[] =
    "# Metrics of `k8s_cluster`\n"
    "\n"
    "Made from the lists in `src/receivers/k8s_cluster/table.h`; a test keeps both equal. How to switch them on and off:\n"
    "[k8s_cluster.md](k8s_cluster.md). The stability of all of them is *development*, as in the Go collector: names may\n"
    "follow the semantic conventions one day.\n"
    "\n"
    "Sums are cumulative and not monotonic. Each point has the time of its tick, and as its start time the start of the\n"
    "receiver's series (but for metrics that the configuration names, which have none).\n"
    "\n"
    "Each object is a resource of its own. The first attribute in a table identifies it: it is the id of the resource's\n"
    "entity reference, unless it is switched off; attributes marked \"describes\" are in the description of that reference.\n"
    "`k8s.cluster.uid` (off by default) can be added to all resources; it is the uid of the namespace `kube-system`, and\n"
    "absent where namespaces are not watched.\n";

static const char named_metrics[] =
    "\n"
    "These metrics stand in a resource of their own, without an entity reference; `metrics_include` and\n"
    "`metrics_exclude` do not reach it. Their names end in the configured text in snake case: `PIDPressure` gives\n"
    "`pid_pressure`, `hugepages-2Mi` gives `hugepages_2_mi`.\n"
    "\n"
    "| metric | default | type | unit | meaning |\n"
    "| --- | --- | --- | --- | --- |\n"
    "| `k8s.node.condition_*` | `ready` | gauge, int | | one for each entry of `node_conditions_to_report`: 1 if the condition is "
    "true, 0 if false, -1 if it is unknown or missing |\n"
    "| `k8s.node.allocatable_*` | none | gauge, int (`cpu`: double) | `{cpu}`, `By`, `{pod}` or the resource in braces | one for each entry "
    "of `allocatable_types_to_report` that the node has: what its pods may use together |\n";

static void attribute_table(struct buf *b, const struct k8s_entity_desc *entity)
{
    buf_text(b, "\n| resource attribute | default | |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < entity->attribute_count; i++) {
        const struct k8s_attribute *a = &k8s_resource_attributes[entity->attributes[i]];
        buf_printf(b, "| `%.*s` | %s | %.*s%s |\n", STR_ARG(a->name), a->enabled ? "on" : "off",
                   STR_ARG(a->description),
                   i > 0 && i <= entity->description_count ? " (describes)" : "");
    }
}

static void point_attributes(struct buf *b, const struct k8s_metric *m)
{
    bool any = false;
    for (size_t i = 0; i < POINT_ATTRIBUTE_COUNT; i++) {
        if ((m->attributes & 1U << i) == 0)
            continue;
        buf_printf(b, "%s`%.*s`", any ? ", " : "", STR_ARG(k8s_point_attributes[i].name));
        any = true;
    }
}

static void metric_table(struct buf *b, enum k8s_entity entity)
{
    buf_text(
        b,
        "\n| metric | default | type | unit | attributes | meaning |\n| --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < K8S_METRIC_COUNT; i++) {
        const struct k8s_metric *m = &k8s_metrics[i];
        if (m->entity != entity)
            continue;
        buf_printf(b, "| `%.*s` | %s | %s, %s | ", STR_ARG(m->desc.name), m->enabled ? "on" : "off",
                   m->desc.type == METRIC_SUM ? "sum" : "gauge",
                   m->value == VALUE_DOUBLE ? "double" : "int");
        if (m->desc.unit.len > 0)
            buf_printf(b, "`%.*s`", STR_ARG(m->desc.unit));
        buf_text(b, " | ");
        point_attributes(b, m);
        buf_printf(b, " | %.*s |\n", STR_ARG(m->desc.description));
    }
}

static void all_point_attributes(struct buf *b)
{
    buf_text(
        b,
        "\n## Attributes of points\n"
        "\n"
        "The configuration may leave out those marked \"optional\" (`metrics::<name>::attributes`); points that\n"
        "become equal are then merged by `aggregation_strategy`.\n"
        "\n| attribute | values | |\n| --- | --- | --- |\n");
    unsigned optional = 0;
    for (size_t i = 0; i < K8S_METRIC_COUNT; i++)
        optional |= k8s_metrics[i].recommended;
    for (size_t i = 0; i < POINT_ATTRIBUTE_COUNT; i++)
        buf_printf(b, "| `%.*s` | %.*s | %s |\n", STR_ARG(k8s_point_attributes[i].name),
                   STR_ARG(k8s_point_attributes[i].description),
                   (optional & 1U << i) != 0 ? "optional" : "");
}

void k8s_cluster_page(struct buf *b)
{
    buf_text(b, head);
    for (size_t i = 0; i < ENTITY_COUNT; i++) {
        const struct k8s_entity_desc *entity = &k8s_entities[i];
        buf_printf(b, "\n## %s\n", entity->title);
        if (entity->type.len > 0)
            buf_printf(b, "\nEntity type `%.*s`.\n", STR_ARG(entity->type));
        if (i == ENTITY_NODE_VALUES)
            buf_text(b, named_metrics);
        else
            metric_table(b, (enum k8s_entity)i);
        attribute_table(b, entity);
    }
    all_point_attributes(b);
}
