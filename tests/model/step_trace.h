/*
 * One line of text for each step of an election machine, in the words of transitions.txt:
 *
 *   step WHO STATE CALL GATE EVENT -> STATE CALL GATE
 *
 * check_trace.py compares such lines with the model's transitions.
 */
#ifndef TESTS_MODEL_STEP_TRACE_H
#define TESTS_MODEL_STEP_TRACE_H

#include <stdio.h>

#include "election/election.h"

/* `before` is the machine as it was, `after` as election_step left it at `now_ns` with `started`, the call of its actions. */
void step_trace_print(FILE *out, int who, const struct election *before, const struct election_event *event,
                      const struct election *after, enum election_call started, int64_t now_ns);

#endif
