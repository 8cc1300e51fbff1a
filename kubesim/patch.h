/* The three ways to patch a JSON document. All change `target` in place; the result is what they give back. */
#ifndef KUBESIM_PATCH_H
#define KUBESIM_PATCH_H

#include "kubesim/dom.h"

/* RFC 7386. */
struct dom *patch_merge(struct arena *a, struct dom *target, const struct dom *patch);
/* Kubernetes' strategic merge as far as metadata needs it: $patch replace/delete, $retainKeys, $setElementOrder (ignored),
 * $deleteFromPrimitiveList, finalizers as a set, ownerReferences by uid, other lists replaced. */
struct dom *patch_strategic(struct arena *a, struct dom *target, const struct dom *patch);
/* RFC 6902. `code` in err: 400 if the patch itself is wrong, 422 if it does not fit the document. NULL then. */
struct dom *patch_json(struct arena *a, struct dom *target, const struct dom *patch, struct err *err);

#endif
