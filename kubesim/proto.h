/* Kubernetes' protobuf, from and to the same trees as JSON, by the numbers in the field tables. */
#ifndef KUBESIM_PROTO_H
#define KUBESIM_PROTO_H

#include "kubesim/kinds.h"

/* "k8s\0", then runtime.Unknown with apiVersion, kind and the object. `fields` are those besides metadata, which is number 1 if
 * `has_metadata`. The result has kind and apiVersion like JSON. NULL with err. */
struct dom *proto_read(struct arena *a, str body, const struct sim_field *fields, bool has_metadata, struct err *err);

/* The fields of `object` (NULL: an empty one) whose numbers lie between `after` and `before`, both not included. */
void proto_write(struct buf *b, const struct dom *object, const struct sim_field *fields, uint32_t after, uint32_t before);

/* -- what is around an object; lengths come first, so they must be known before -- */
struct proto_type {
    const char *group, *version, *kind;
};
/* Tag (of a field below 16), length and content. */
size_t proto_bytes_size(size_t len);
void proto_bytes_begin(struct buf *b, uint32_t field, size_t len);
/* An answer is begin, the object's bytes, end. */
size_t proto_envelope_size(const struct proto_type *type, size_t object_len);
void proto_envelope_begin(struct buf *b, const struct proto_type *type, size_t object_len);
void proto_envelope_end(struct buf *b);
/* The same for an event of a watch; it ends with proto_envelope_end. */
void proto_frame_begin(struct buf *b, const char *event_type, const struct proto_type *type, size_t object_len);

#endif
