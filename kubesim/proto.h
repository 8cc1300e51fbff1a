/* Request bodies in Kubernetes' protobuf, read into the same trees as JSON, by the numbers in the field tables. */
#ifndef KUBESIM_PROTO_H
#define KUBESIM_PROTO_H

#include "kubesim/kinds.h"

/* "k8s\0", then runtime.Unknown with apiVersion, kind and the object. `fields` are those besides metadata, which is number 1 if
 * `has_metadata`. The result has kind and apiVersion like JSON. NULL with err. */
struct dom *proto_read(struct arena *a, str body, const struct sim_field *fields, bool has_metadata, struct err *err);

#endif
