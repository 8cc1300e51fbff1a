/* Text of a batch as the debug exporter of the reference prints it (v0.149.0). */
#ifndef TELEMETRY_DEBUG_TEXT_H
#define TELEMETRY_DEBUG_TEXT_H

#include "base/buf.h"
#include "telemetry/batch.h"

/* Append the text, which ends with an end of line; nothing for a batch without resources. Texts of the batch are written as they are,
 * ends of line included: the caller escapes what its medium needs. Past the maximum of `out` the text is cut (overflow is set). */
void debug_text_normal(struct buf *out, const struct batch *b);   /* one line for each item */
void debug_text_detailed(struct buf *out, const struct batch *b); /* one line for each field */

#endif
