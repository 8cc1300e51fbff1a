/*
 * The gates that baton knows of: ids and stages as of v0.149.0 of the collector and its contrib
 * repository, and older ones that charts still pass. A gate is listed so that it is accepted;
 * `matters` marks those that would change something in the reference and change nothing here.
 *
 * Specification: collector_host 1.1 (texts, defaults by stage).
 */
#include "config/config.h"
#include "service/feature_gates.h"

enum stage { ALPHA, BETA, STABLE, DEPRECATED };
static const char *const stage_names[] = {"Alpha", "Beta", "Stable", "Deprecated"};

struct gate {
    const char *id;
    enum stage stage;
    bool matters; /* switching it on changes what a configuration means there, and not here */
    const char *description;
};
static const struct gate gates[] = {
    {"component.UseLocalHostAsDefaultHost", STABLE, false,
     "Servers listen on localhost unless told otherwise. Always so."},
    {"confighttp.framedSnappy", BETA, false, "Two forms of snappy compression in HTTP."},
    {"configoptional.AddEnabledField", BETA, false,
     "Optional blocks know the key enabled. Always so."},
    {"confmap.enableMergeAppendOption", ALPHA, true,
     "Lists of several configuration files are joined."},
    {"confmap.newExpandedValueSanitizer", BETA, false,
     "Variables in text fields keep their text. Always so."},
    {"confmap.strictlyTypedInput", STABLE, false, "No conversion between types. Always so."},
    {"confmap.unifyEnvVarExpansion", STABLE, false,
     "Variables are written ${X} or ${env:X}. Always so."},
    {"exporter.PersistRequestContext", BETA, false,
     "Persistent queues keep the context of requests."},
    {"exporter.prometheusexporter.DisableAddMetricSuffixes", ALPHA, true,
     "Prometheus names without unit and type."},
    {"extension.healthcheck.useComponentStatus", ALPHA, true,
     "health_check answers by the status of components."},
    {"otelcol.printInitialConfig", BETA, false, "The command print-config exists. Always so."},
    {"pdata.enableRefCounting", BETA, false, "Memory of the Go implementation."},
    {"pdata.useCustomProtoEncoding", STABLE, false, "Memory of the Go implementation."},
    {"pdata.useProtoPooling", ALPHA, false, "Memory of the Go implementation."},
    {"pkg.experimentalmetricmetadata.useEntityEventsSpecification", ALPHA, false,
     "Entity events in their newer form."},
    {"pkg.exporterhelper.queueBatchEnabled", ALPHA, true,
     "Sending queues make batches by default."},
    {"pkg.translator.prometheus.NormalizeName", BETA, false,
     "Prometheus names with unit and type."},
    {"processor.filter.defaultErrorModeIgnore", ALPHA, true,
     "The filter processor passes over errors."},
    {"receiver.k8sobjects.useInformerObserver", ALPHA, false,
     "How the k8sobjects receiver of the Go collector watches."},
    {"receiverhelper.newReceiverMetrics", ALPHA, true, "Other own metrics of receivers."},
    {"service.AllowNoPipelines", ALPHA, true, "A configuration without pipelines is allowed."},
    {"service.partialReload", ALPHA, false, "A reload restarts only what changed."},
    {"service.partialReloadReceivers", BETA, false,
     "A reload restarts only receivers that changed."},
    {"service.profilesSupport", ALPHA, true, "Pipelines for profiles."},
    {"telemetry.UseLocalHostAsDefaultMetricsAddress", BETA, false,
     "Own metrics are served on localhost."},
    {"telemetry.disableHighCardinalityMetrics", ALPHA, false, "Own metrics with fewer attributes."},
    {"telemetry.newPipelineTelemetry", ALPHA, false,
     "Own metrics name their component in the scope."},
    {"telemetry.useOtelForInternalMetrics", STABLE, false,
     "How the Go collector makes its own metrics."},
};

static bool is_on(const struct gate *g)
{
    return g->stage == BETA || g->stage == STABLE;
}

static const struct gate *find(str id)
{
    for (size_t i = 0; i < COUNT_OF(gates); i++)
        if (str_eqz(id, gates[i].id))
            return &gates[i];
    return NULL;
}

static bool unknown(str id, struct arena *a, struct err *err)
{
    str words[COUNT_OF(gates)];
    for (size_t i = 0; i < COUNT_OF(gates); i++)
        words[i] = str_from(gates[i].id);
    str choices = config_choices(a, id, words, COUNT_OF(words));
    return err_set(err, "no such feature gate \"%.*s\". valid gates: %.*s", STR_ARG(id),
                   STR_ARG(choices));
}

bool feature_gates_parse(str list, struct arena *a, struct buf *notices, struct err *err)
{
    bool more = true;
    for (size_t index = 0; more; index++) {
        str id;
        more = str_cut(list, ',', &id, &list);
        bool off = str_starts_with(id, STR("-"));
        if (off || str_starts_with(id, STR("+")))
            id = str_skip(id, 1);
        if (id.len == 0)
            return err_set(err, "empty feature gate identifier at index %zu", index);
        const struct gate *g = find(id);
        if (g == NULL)
            return unknown(id, a, err);
        if (off && g->stage == STABLE)
            return err_set(err, "feature gate \"%s\" is stable, can not be disabled", g->id);
        if (!off && g->matters)
            buf_printf(notices, "feature gate \"%s\" has no effect in baton\n", g->id);
    }
    return true;
}

bool feature_gates_enabled(str list, const char *id)
{
    const struct gate *g = find(str_from(id));
    CHECK(g != NULL);
    bool on = is_on(g);
    while (list.len > 0) {
        str word;
        str_cut(list, ',', &word, &list);
        bool off = str_starts_with(word, STR("-"));
        if (off || str_starts_with(word, STR("+")))
            word = str_skip(word, 1);
        if (str_eqz(word, id))
            on = !off;
    }
    return on;
}

void feature_gates_print(struct buf *b)
{
    size_t widest = 0;
    for (size_t i = 0; i < COUNT_OF(gates); i++)
        if (strlen(gates[i].id) > widest)
            widest = strlen(gates[i].id);
    int width = (int)widest + 2;
    buf_printf(b, "%-*s%-9s%-8s%s\n", width, "ID", "Enabled", "Stage", "Description");
    for (size_t i = 0; i < COUNT_OF(gates); i++)
        buf_printf(b, "%-*s%-9s%-8s%s\n", width, gates[i].id, is_on(&gates[i]) ? "true" : "false",
                   stage_names[gates[i].stage], gates[i].description);
}

bool feature_gate_print(struct buf *b, str id)
{
    const struct gate *g = find(id);
    if (g == NULL)
        return false;
    buf_printf(b, "Feature: %s\nEnabled: %s\nStage: %s\nDescription: %s\n", g->id,
               is_on(g) ? "true" : "false", stage_names[g->stage], g->description);
    return true;
}
