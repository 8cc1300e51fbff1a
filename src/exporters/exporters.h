/* The exporters, for components.c. */
#ifndef EXPORTERS_EXPORTERS_H
#define EXPORTERS_EXPORTERS_H

#include "service/component.h"

extern const struct exporter_type debug_exporter, nop_exporter, otlp_grpc_exporter;

#endif
