/*
 * What the API server says of the pod of a Lease's holder, and whether it proves that the holder's process is dead. Pure: bytes and
 * records in, a verdict out; no clock, no connection. The argument is in holder_pod.c.
 */
#ifndef ELECTION_HOLDER_POD_H
#define ELECTION_HOLDER_POD_H

#include "base/arena.h"
#include "base/err.h"

/* Written by each process to its container's termination message before it may hold the Lease: this, a space, its incarnation. */
#define HOLDER_MESSAGE_MARK "baton.dev/incarnation"

/* One end of a container: state.terminated or lastState.terminated. */
struct container_end {
    bool is_known;
    str container_id, reason, message;
    int64_t finished_ns; /* since 1970, whole seconds; 0: not said or unreadable */
};
struct holder_container { /* of status.containerStatuses and status.initContainerStatuses */
    struct holder_container *next;
    str name;
    bool is_running;           /* a state is there, and it is neither `terminated` nor `waiting` */
    struct container_end now;  /* state.terminated */
    struct container_end last; /* lastState.terminated */
};
struct holder_name { /* of the containers that may hold a collector: spec.containers, and sidecars of spec.initContainers */
    struct holder_name *next;
    str name;
    bool is_sidecar; /* restartPolicy: Always */
};
struct holder_pod {
    struct arena arena; /* holds all of it */
    str name, uid;
    uint64_t resource_version; /* 0: not a number */
    struct holder_name *names;
    struct holder_container *containers;
    bool has_more;             /* than LIMIT_HOLDER_CONTAINERS in one of the lists: what is behind them was not read */
};
void holder_pod_init(struct holder_pod *p);
void holder_pod_deinit(struct holder_pod *p);
/* err says where the text is no JSON object; a member of another type than expected counts as absent. */
NODISCARD bool holder_pod_read(struct holder_pod *p, str json, struct err *err);

/* "<pod name>_<pod uid>": views into the identity. False if it has another form. */
bool holder_identity_split(str identity, str *pod_name, str *pod_uid);

/* What is known of one holder, of one Lease. */
struct dead_proof {
    struct holder_pod pod; /* as it was seen last under its uid; stays when the pod goes */
    str uid, container_name; /* the owner's texts; container_name empty: all containers that are no sidecars count */
    bool pod_seen;
    /* the record that is known now */
    uint64_t version;
    int64_t acquire_ns;
    char incarnation[64]; /* empty: the holder tells none */
    /* the ends that are known now */
    uint64_t ends;          /* which ones; 0: not all that count have ended */
    uint64_t ends_version;  /* of the record that was known when they came */
};
enum proof {
    PROOF_NONE,
    PROOF_MESSAGE, /* the process of this incarnation ran in a container that has terminated: its message says so */
    PROOF_ORDER,   /* the containers that count have terminated after the record was written, and none was started since, as was seen */
};
/* `uid` and `container_name` must live as long as the proof. */
void dead_proof_init(struct dead_proof *d, str uid, str container_name);
void dead_proof_deinit(struct dead_proof *d);
/* The newest version of the Lease under this holder. `acquire_ns`: since 1970, by the holder's clock; 0: absent. */
void dead_proof_see_lease(struct dead_proof *d, uint64_t version, str incarnation, int64_t acquire_ns);
/* A state of a pod under the holder's name; one of another uid, or one that is older than what is known, changes nothing. False with err
 * if it cannot be read. */
NODISCARD bool dead_proof_see_pod(struct dead_proof *d, str json, struct err *err);
/* Is the process that wrote the newest version gone? */
enum proof dead_proof_judge(const struct dead_proof *d);
/* The pod was seen, and has no container of the configured name. */
bool dead_proof_lacks_container(const struct dead_proof *d);

#endif
