/*
 * One line of text for each step of an election machine, in the words of transitions.txt:
 *
 *   step WHO STATE CALL GATE EVENT -> STATE CALL GATE
 *
 * check_trace.py compares such lines with the model's transitions.
 */
#ifndef TESTS_MODEL_STEP_TRACE_H
#define TESTS_MODEL_STEP_TRACE_H

#include "election/election.h"

enum { STEP_TRACE_LINE = 200 };

/* Into `line` of STEP_TRACE_LINE bytes. `before` is the machine as it was, `after` as election_step left it at `now_ns` with `started`, the
 * call of its actions. */
void step_trace_line(char *line, size_t size, uint64_t who, const struct election *before, const struct election_event *event,
                      const struct election *after, enum election_call started, int64_t now_ns);

#endif
