/* What both fuzzers of objects do with their input. */
#ifndef TESTS_OBJECT_FUZZ_H
#define TESTS_OBJECT_FUZZ_H

#include "kube/object.h"

void object_fuzz(enum object_kind kind, unsigned fields, enum object_format format, str bytes);

#endif
