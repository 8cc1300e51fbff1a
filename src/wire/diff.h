/* Two texts as a unified diff, the form that patch(1) takes. */
#ifndef WIRE_DIFF_H
#define WIRE_DIFF_H

#include "base/buf.h"

/* Appends nothing if the texts are equal. Names go behind --- and +++. Past LIMIT_DIFF_EDITS changed lines the diff is right but
 * not the shortest. */
void unified_diff(struct buf *out, str old_name, str new_name, str old, str new);

#endif
