/*
 * Feature gates of the Go collector that configurations and Helm charts pass. Known ones are accepted; what a gate changes here, if
 * anything, its component asks by feature_gates_enabled.
 */
#ifndef SERVICE_FEATURE_GATES_H
#define SERVICE_FEATURE_GATES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* "a,-b,+c". What would have changed something there and does not here is told in `notices`, one line each. */
NODISCARD bool feature_gates_parse(str list, struct arena *a, struct buf *notices, struct err *err);
/* Is this known gate on by `list` (checked by feature_gates_parse; the last word on it counts), or by its stage? */
bool feature_gates_enabled(str list, const char *id);
/* The table of all gates. */
void feature_gates_print(struct buf *b);
/* One gate; false if there is none of that name. */
bool feature_gate_print(struct buf *b, str id);

#endif
