/* The receivers, for components.c. */
#ifndef RECEIVERS_RECEIVERS_H
#define RECEIVERS_RECEIVERS_H

#include "service/component.h"

extern const struct receiver_type dummy_receiver, k8s_cluster_receiver, kymastats_receiver, nop_receiver;

#endif
