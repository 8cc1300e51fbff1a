/*
 * The position of entity events: how far each stream was sent, as a short text for the hand-over note. The text comes back from an
 * annotation that others may edit: what does not fit exactly is refused.
 *
 *   "1" hash(6) base time { version print(3) }* check(6)
 *
 * All in the alphabet of URL-safe base64. hash: of the streams, so that marks are never put on others. base: the highest version, time: of
 * the last complete repetition in ms since 1970, version: base - version + 2, 1 if nothing was sent, 0 if unknown (then no print); these
 * numbers in groups of 5 bits, lowest first, 32 added to all but the last. print: 18 bits of the fingerprint. check: hash of all before.
 */
#ifndef RECEIVERS_K8S_CLUSTER_POSITION_H
#define RECEIVERS_K8S_CLUSTER_POSITION_H

#include "base/buf.h"
#include "base/err.h"

/* What was sent of one stream. */
struct stream_mark {
    bool known;
    uint64_t version;     /* everything up to it; 0: nothing yet */
    uint64_t fingerprint; /* of the objects as they were sent, see object_fingerprint */
};
/* Of sums of fingerprints only so many bits are kept in texts and compared. */
enum { FINGERPRINT_BITS = 18 };
static inline bool fingerprints_equal(uint64_t a, uint64_t b)
{
    return ((a ^ b) & ((1U << FINGERPRINT_BITS) - 1)) == 0;
}

/* A number for the kinds and namespaces of all streams in their order: begin with 0, add each. */
uint64_t position_hash(uint64_t so_far, unsigned kind, str namespace);

void position_print(struct buf *out, uint64_t streams_hash, int64_t repeated_ms, const struct stream_mark *marks, size_t count);
/* False with err, and nothing changed, unless it is a whole text of exactly these streams. */
NODISCARD bool position_parse(str text, uint64_t streams_hash, int64_t *repeated_ms, struct stream_mark *marks, size_t count,
                              struct err *err);

#endif
