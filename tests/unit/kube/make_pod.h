/* Pods as an API server sends them in protobuf, about 5 kB each, for tests and benches: uuids, container ids of 64 hex digits, names of
 * 35 characters, 40 namespaces, 100 nodes, 1000 owners, 30 images; requests and limits on every container. */
#ifndef TESTS_MAKE_POD_H
#define TESTS_MAKE_POD_H

#include "base/buf.h"

/* Appends the message of pod number `i`. */
void make_pod(struct buf *b, unsigned i, unsigned container_count);

#endif
