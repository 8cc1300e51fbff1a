/* The claims of a service account token that tell which pod it was made for. Signatures are the server's business. */
#ifndef KUBE_JWT_H
#define KUBE_JWT_H

#include "base/arena.h"

/* Claims kubernetes.io.pod.{name,uid}; false if it is no JWT or is bound to no pod. Texts live in the arena. */
NODISCARD bool jwt_pod(struct arena *a, str token, str *pod_name, str *pod_uid);

#endif
