/*
 * Quantities of the Kubernetes API ("100m", "1.5Gi", "1e3"). Grammar and rounding: apimachinery's resource.Quantity; ours saturates at
 * the limits of int64_t where that one wraps around.
 */
#ifndef WIRE_QUANTITY_H
#define WIRE_QUANTITY_H

#include "base/base.h"

/* *value: the quantity rounded away from zero to a whole number; *milli: 1000 times the quantity, rounded the same way. Both saturate.
 * False (both 0) if the text is no quantity. */
NODISCARD bool quantity_parse(str text, int64_t *value, int64_t *milli);

#endif
