/* `baton lease`: looking at an election from outside, and asking its leader to hand over. docs/lease.md. */
#ifndef SERVICE_COMMAND_LEASE_H
#define SERVICE_COMMAND_LEASE_H

#include "service/settings.h"

enum lease_exit {
    LEASE_EXIT_OK = 0,        /* every Lease has a leader; or: somebody else leads each now */
    LEASE_EXIT_ERROR = 1,     /* the command line, no permission, no answer */
    LEASE_EXIT_NOBODY = 3,    /* a Lease is absent, free or expired */
    LEASE_EXIT_NOT_TAKEN = 4, /* yield: nobody else leads */
};
struct lease_request {
    bool yield;               /* else status */
    const struct settings *settings; /* the Leases of its leader electors; NULL: the one that is named */
    str name, namespace;      /* namespace: also of electors that do not say one; empty: as the credentials say */
    str kubeconfig, context;  /* instead of what the configuration or the environment says; may be empty */
    bool watch, json;
    int64_t timeout_ns;       /* of yield */
};
/* Where its output goes, piece by piece. `out` says false when nobody takes it any more. */
struct lease_output {
    bool (*out)(void *arg, str text);
    void (*error)(void *arg, str text);
    void *arg;
};
/* Does all of it, in a loop of its own; returns the exit status. */
int command_lease(const struct lease_request *request, const struct lease_output *output);

#endif
