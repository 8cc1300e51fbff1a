/* gRPC framing and status, without transport. */
#ifndef WIRE_GRPC_H
#define WIRE_GRPC_H

#include "base/buf.h"
#include "base/err.h"

enum grpc_code {
    GRPC_OK, GRPC_CANCELLED, GRPC_UNKNOWN, GRPC_INVALID_ARGUMENT, GRPC_DEADLINE_EXCEEDED, GRPC_NOT_FOUND,
    GRPC_ALREADY_EXISTS, GRPC_PERMISSION_DENIED, GRPC_RESOURCE_EXHAUSTED, GRPC_FAILED_PRECONDITION, GRPC_ABORTED,
    GRPC_OUT_OF_RANGE, GRPC_UNIMPLEMENTED, GRPC_INTERNAL, GRPC_UNAVAILABLE, GRPC_DATA_LOSS, GRPC_UNAUTHENTICATED,
};
const char *grpc_code_name(enum grpc_code code); /* "Unavailable", as the Go library prints it */
/* The code for an answer without grpc-status. */
enum grpc_code grpc_code_from_http(int status);
enum grpc_code grpc_code_from_rst(uint32_t http2_error);

/* May it be the name of metadata: letters, digits, '-', '_', '.'? */
bool grpc_is_metadata_name(str name);
/* Names that no application may send: gRPC's own, and those of HTTP that a client sets itself. Any case. */
bool grpc_is_reserved_name(str name);
/* Values under such a name are bytes and travel as base64. */
bool grpc_is_binary_name(str name);

/* One message with its prefix. */
void grpc_frame(struct buf *out, bool compressed, str message);
#define GRPC_PREFIX_BYTES 5
/* The prefix of a message of `len` bytes. */
void grpc_prefix(char prefix[GRPC_PREFIX_BYTES], bool compressed, size_t len);
/* Cuts the one message of a unary answer; false on a short or overlong body. */
NODISCARD bool grpc_unframe(str body, bool *compressed, str *message, struct err *err);
/* grpc-message header: percent decoding, lenient. */
void grpc_message_decode(struct buf *out, str text);
/* grpc-status-details-bin: *delay_ns from RetryInfo, if there is one. False if there is none or the value is malformed. */
bool grpc_retry_delay(str details_base64, int64_t *delay_ns);

#endif
