/*
 * The one table of everything that can be configured. A new component is its file, a line in its
 * folder's header and one here; each list is sorted by name.
 */
#include "components.h"

#include "exporters/exporters.h"
#include "extensions/extensions.h"
#include "receivers/receivers.h"

static const struct receiver_type *const receivers[] = {&dummy_receiver, &k8s_cluster_receiver,
                                                        &kymastats_receiver, &nop_receiver, NULL};
static const struct processor_type *const processors[] = {NULL};
static const struct exporter_type *const exporters[] = {&debug_exporter, &nop_exporter,
                                                        &otlp_grpc_exporter, NULL};
static const struct extension_type *const extensions[] = {&leader_elector_extension, NULL};

const struct components baton_components = {
    .receivers = receivers,
    .processors = processors,
    .exporters = exporters,
    .extensions = extensions,
};
