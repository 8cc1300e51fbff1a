/* A decoded object as one line of JSON, everything that is in it, for tests. Bytes of texts are written as characters 0 to 255, so that
 * also what is no UTF-8 can be told apart. */
#ifndef TESTS_OBJECT_PRINT_H
#define TESTS_OBJECT_PRINT_H

#include "base/buf.h"
#include "kube/object.h"

void object_print(struct buf *b, const struct object_pool *pool, const struct object *o);

#endif
