/* Ticks of `k8s_cluster`: everything in its stores, batch by batch. */
#ifndef RECEIVERS_K8S_CLUSTER_COLLECT_H
#define RECEIVERS_K8S_CLUSTER_COLLECT_H

#include "receivers/k8s_cluster/k8s_cluster.h"

/* For k->collector; its streams are known by then. */
struct collector *collector_new(struct k8s_cluster *k, struct object_pool *pool);
void collector_free(struct collector *c);
/* Hooks of the receiver. */
enum step collector_collect(struct k8s_cluster *k, struct tick *tick);
void collector_abandon(struct tick *tick);

#endif
