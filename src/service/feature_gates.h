/*
 * Feature gates of the Go collector that configurations and Helm charts pass. baton has none of its own: known ones are accepted
 * and change nothing.
 */
#ifndef SERVICE_FEATURE_GATES_H
#define SERVICE_FEATURE_GATES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* "a,-b,+c". What would have changed something there and does not here is told in `notices`, one line each. */
NODISCARD bool feature_gates_parse(str list, struct arena *a, struct buf *notices, struct err *err);
/* The table of all gates. */
void feature_gates_print(struct buf *b);
/* One gate; false if there is none of that name. */
bool feature_gate_print(struct buf *b, str id);

#endif
