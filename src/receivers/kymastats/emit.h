/*
 * Points of custom resources into a batch. No loop, no watches.
 *
 *   emit begin with a batch, then for each resource kyma_emit_resource and kyma_emit_object for its objects; then hand the batch on
 */
#ifndef RECEIVERS_KYMASTATS_EMIT_H
#define RECEIVERS_KYMASTATS_EMIT_H

#include "receivers/kymastats/codec.h"
#include "receivers/kymastats/config.h"
#include "telemetry/batch.h"

#define KYMASTATS_SCOPE_NAME "github.com/kyma-project/opentelemetry-collector-components/receiver/kymastatsreceiver"

struct kyma_emit {
    const struct kymastats_config *config;
    struct object_pool *pool;
    struct arena arena; /* of what lives as long as this */
    struct attribute_filter filters[KYMA_ATTR_COUNT];
    /* the present batch */
    struct batch *batch;
    int64_t time_ns, start_ns;
    size_t encoded_bytes; /* about */
    struct atom_copies texts;
    /* the present object: its values, in the batch */
    str values[KYMA_POINT_COUNT];
    struct scope *scope;
};
/* `config` and `pool` stay until kyma_emit_deinit. */
void kyma_emit_init(struct kyma_emit *e, const struct kymastats_config *config, struct object_pool *pool);
void kyma_emit_deinit(struct kyma_emit *e);
/* What follows goes into this batch (its reference stays the caller's). */
void kyma_emit_begin(struct kyma_emit *e, struct batch *batch, int64_t time_ns, int64_t start_ns);
/* Objects that follow are of this resource. */
void kyma_emit_resource(struct kyma_emit *e, const struct kyma_resource_config *resource);
void kyma_emit_object(struct kyma_emit *e, const struct object *o);

#endif
