/* docs/components/k8s_cluster_metrics.md, from the tables in the code. */
#ifndef TESTS_K8S_CLUSTER_PAGE_H
#define TESTS_K8S_CLUSTER_PAGE_H

#include "base/buf.h"

void k8s_cluster_page(struct buf *out);

#endif
