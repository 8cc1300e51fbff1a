/*
 * Watches the pod of a Lease's holder, while this replica waits to claim the Lease, and says when the holder's process is proven to be
 * dead. What counts as proof: holder_pod.h.
 */
#ifndef ELECTION_DEAD_HOLDER_H
#define ELECTION_DEAD_HOLDER_H

#include "election/holder_pod.h"
#include "kube/lease.h"

enum dead_holder_check { DEAD_HOLDER_AUTO /* where pods may be watched */, DEAD_HOLDER_ON /* and say what is missing */, DEAD_HOLDER_OFF };

struct dead_holder_config {
    struct loop *loop;
    const struct logger *logger; /* copied */
    struct kube_client *client;
    str namespace;               /* of the Lease; pods are looked for here. Must outlive the check */
    bool demanded;               /* DEAD_HOLDER_ON */
    str container_name;          /* empty: all regular containers; copied */
    /* From the loop, never from inside dead_holder_follow: the process that wrote this version of the Lease is gone. Said once for each
     * version. */
    void (*on_proven)(void *arg, uint64_t version, enum proof proof);
    void *arg;
};
struct dead_holder;
struct dead_holder *dead_holder_new(const struct dead_holder_config *config);
void dead_holder_free(struct dead_holder *d);
/* The newest known version of the Lease, while this replica waits for its turn; NULL: it does not (then nothing is watched and what was
 * known is forgotten). A holder whose identity is not of the form <pod name>_<pod uid> is not watched. */
void dead_holder_follow(struct dead_holder *d, const struct lease *lease);

#endif
