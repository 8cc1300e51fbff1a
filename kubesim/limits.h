/*
 * Every maximum of the simulator: name, unit in the name, and why. It is a tool of tests, so these are not in base/limits.h.
 */
#ifndef KUBESIM_LIMITS_H
#define KUBESIM_LIMITS_H

#include "base/limits.h"

#define LIMIT_SIM_BODY_BYTES (3 * MIB)            /* kube-apiserver refuses longer request bodies with 413 */
#define LIMIT_SIM_OBJECT_BYTES (12 * MIB)         /* an object as it is kept: a request body whose every byte needs an escape */
#define LIMIT_SIM_MEMBERS 10000                   /* members of one JSON object: patches look each of them up in the other object */
#define LIMIT_SIM_ITEMS 20000                     /* items of one JSON array: strategic merge looks each of them up in the other array */
#define LIMIT_SIM_ANNOTATIONS_BYTES (256 * KIB)   /* as in kube-apiserver: keys and values of all annotations of an object */
#define LIMIT_SIM_PATCH_OPERATIONS 10000          /* of a JSON patch, as in kube-apiserver */
#define LIMIT_SIM_PATCH_DEPTH 64                  /* steps of a path: with the byte limit it bounds how deep "copy" can nest */
#define LIMIT_SIM_PATCHED_BYTES (8 * MIB)         /* JSON patch "copy" doubles an object with each operation */
#define LIMIT_SIM_WINDOW_EVENTS 4096              /* default: changes of a resource that a watch can start from (real: 100 to 102400) */
#define LIMIT_SIM_SELECTOR_TERMS 1000             /* terms of a selector, and values of one term */
#define LIMIT_SIM_ANSWER_BUFFERED_BYTES (1 * MIB) /* longer lists are produced while they are read */
#define LIMIT_SIM_OUT_BYTES (64 * MIB)            /* printed and not read yet: some objects of the largest size */
#define LIMIT_SIM_CHUNK_BYTES (64 * KIB)          /* what a list or a watch produces ahead of its reader */
#define LIMIT_SIM_FAULTS 1000                     /* fault rules at a time */
#define LIMIT_SIM_RULES 1000                      /* allow and deny rules at a time */
#define LIMIT_SIM_USERS 1000                      /* users with a token */
#define LIMIT_SIM_REQUEST_LOG 10000               /* requests that /_sim/requests remembers */
#define LIMIT_SIM_COUNTERS 10000                  /* different (verb, resource, user) that are counted */
#define LIMIT_SIM_GENERATED 1000000               /* generated objects of one kind: addresses and names have six digits at most */
#define LIMIT_SIM_GENERATED_WINDOW_EVENTS 300000  /* at least, with generated clusters: ten minutes at 500 changes/s; 160 MB when full */
#define LIMIT_SIM_CHURN_PER_S 100000              /* changes of a generated cluster; more than that no watch can take */

#endif
