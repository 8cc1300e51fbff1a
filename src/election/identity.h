/* Who we are on the Lease: the identity that people read, and the incarnation that tells processes apart. */
#ifndef ELECTION_IDENTITY_H
#define ELECTION_IDENTITY_H

#include "base/buf.h"
#include "io/loop.h"
#include "kube/client.h"

/* The name of this candidate: `configured`, else "<pod>_<uid>" from the bound token's claims, else from POD_NAME and POD_UID,
 * else "<host>_<random>". *pod_uid (a view into the environment or the client; empty if unknown) says whose pod it is. */
void identity_choose(struct loop *loop, const struct kube_client *client, str configured, struct buf *identity, str *pod_uid);
/* 128 random bits as hex, for the incarnation annotation. */
void incarnation_make(struct loop *loop, struct buf *out);
/* May a record with our identity, but of another incarnation, be our own dead predecessor's? Only if the identity names this very
 * pod and no other process of the pod holds the abstract socket for this Lease. *fd is open if true; close it at the end. */
bool identity_is_exclusive(str identity, str pod_uid, str namespace, str lease, int *fd);

#endif
