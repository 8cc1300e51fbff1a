/* Whole buffers in, whole buffers out; the output buffer's maximum is the limit against bombs. Safe in pool threads. */
#ifndef WIRE_COMPRESS_H
#define WIRE_COMPRESS_H

#include "base/buf.h"
#include "base/err.h"

enum compression { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_ZSTD };
const char *compression_name(enum compression c); /* "gzip"; "identity" for none */
NODISCARD bool compress_bytes(enum compression c, str in, struct buf *out, struct err *err);
NODISCARD bool decompress_bytes(enum compression c, str in, struct buf *out, struct err *err);

#endif
