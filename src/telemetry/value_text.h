/* Text of values as the reference prints them (Value.AsString of its pdata library). */
#ifndef TELEMETRY_VALUE_TEXT_H
#define TELEMETRY_VALUE_TEXT_H

#include "base/buf.h"
#include "telemetry/batch.h"

/* "Empty", "Str", "Bool", "Int", "Double", "Map", "Slice", "Bytes" */
const char *value_kind_name(enum value_kind kind);
/* Texts as they are; numbers as in JSON, but NaN, Infinity, -Infinity as words; bytes in base64; nothing for EMPTY; maps and slices
 * as JSON: keys sorted, of equal keys the last one, empty bytes as null, no HTML escapes. A map or slice with a NaN or an infinity
 * anywhere in it gives no text at all, as in the reference. */
void value_text(struct buf *out, const struct value *v);
/* Go's %f: six digits behind the point; NaN, +Inf, -Inf. */
void fixed_text(struct buf *out, double n);
/* A trace or span id in hex; nothing if it is all zero. */
void id_text(struct buf *out, const uint8_t *id, size_t len);

#endif
