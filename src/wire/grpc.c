/*
 * gRPC without its transport: message framing, status codes, and what a failed call says about
 * trying again. Specification: PROTOCOL-HTTP2.md of the gRPC project, google/rpc/status.proto and
 * error_details.proto.
 *
 * Life of a unary call here: grpc_frame around the request's bytes; when the answer is complete,
 * grpc_unframe cuts its one message; grpc-status (or else grpc_code_from_http, grpc_code_from_rst)
 * gives the code; on failure grpc_message_decode makes the text readable and grpc_retry_delay finds
 * how long the server asked to wait.
 *
 * Whatever a peer sends is bounded by the headers and bodies that the transport accepts.
 */
#include "wire/grpc.h"

#include "wire/pb.h"
#include "wire/text.h"

const char *grpc_code_name(enum grpc_code code)
{
    static const char *const names[] = {
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    };
    return (size_t)code < COUNT_OF(names) ? names[code] : "Unknown"; /* a number off the wire */
}

bool grpc_is_metadata_name(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-' && c != '_' && c != '.')
            return false;
    }
    return name.len > 0;
}

bool grpc_is_reserved_name(str name)
{
    static const char *const names[] = {"content-type",      "te",         "content-length",
                                        "transfer-encoding", "connection", "upgrade",
                                        "user-agent",        "host"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(name, str_from(names[i])))
            return true;
    }
    return name.len >= 5 && str_eq_nocase(str_make(name.data, 5), STR("grpc-"));
}

bool grpc_is_binary_name(str name)
{
    return name.len > 4 && str_eq_nocase(str_skip(name, name.len - 4), STR("-bin"));
}

enum grpc_code grpc_code_from_http(int status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

enum grpc_code grpc_code_from_rst(uint32_t http2_error)
{
    switch (http2_error) { /* RFC 9113 section 7 */
    case 0x7:              /* REFUSED_STREAM */
        return GRPC_UNAVAILABLE;
    case 0x8: /* CANCEL */
        return GRPC_CANCELLED;
    case 0xb: /* ENHANCE_YOUR_CALM */
        return GRPC_RESOURCE_EXHAUSTED;
    default:
        return GRPC_INTERNAL;
    }
}

void grpc_prefix(char prefix[GRPC_PREFIX_BYTES], bool compressed, size_t len)
{
    CHECK(len <= UINT32_MAX);
    prefix[0] = (char)compressed;
    for (unsigned i = 1; i < GRPC_PREFIX_BYTES; i++)
        prefix[i] = (char)(len >> (32 - 8 * i));
}

void grpc_frame(struct buf *out, bool compressed, str message)
{
    char prefix[GRPC_PREFIX_BYTES];
    grpc_prefix(prefix, compressed, message.len);
    buf_append(out, prefix, sizeof prefix);
    buf_str(out, message);
}

bool grpc_unframe(str body, bool *compressed, str *message, struct err *err)
{
    if (body.len < GRPC_PREFIX_BYTES)
        return err_set(err, "gRPC body of %zu bytes: a message has a prefix of %d bytes", body.len,
                       GRPC_PREFIX_BYTES);
    const uint8_t *p = (const uint8_t *)body.data;
    size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (p[0] > 1)
        return err_set(err, "gRPC message with flag %d: expected 0 or 1", p[0]);
    if (body.len - GRPC_PREFIX_BYTES < len)
        return err_set(err, "gRPC message cut short: %zu of %zu bytes",
                       body.len - GRPC_PREFIX_BYTES, len);
    if (body.len - GRPC_PREFIX_BYTES > len)
        return err_set(err,
                       "gRPC body goes on for %zu bytes after its message: expected one message",
                       body.len - GRPC_PREFIX_BYTES - len);
    *compressed = p[0] == 1;
    *message = str_skip(body, GRPC_PREFIX_BYTES);
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void grpc_message_decode(struct buf *out, str text)
{
    for (size_t i = 0; i < text.len; i++) {
        int high = text.data[i] == '%' && text.len - i > 2 ? hex_digit(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
        if (low >= 0) {
            buf_byte(out, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_byte(out, text.data[i]);
        }
    }
}

/* google.protobuf.Duration to ns; one that is out of range for us is cut to what fits. False if it
 * is negative or malformed. */
static bool read_duration(struct pb *p, int64_t *ns)
{
    int64_t seconds = 0;
    int32_t nanos = 0;
    while (pb_next(p)) {
        switch (p->field) {
        case 1: /* google.protobuf.Duration.seconds = 1 */
            seconds = pb_i64(p);
            break;
        case 2: /* google.protobuf.Duration.nanos = 2 */
            nanos = pb_i32(p);
            break;
        default:
            pb_skip(p);
        }
    }
    if (pb_failed(p) || seconds < 0 || nanos < 0 || nanos > 999999999)
        return false;
    if (__builtin_mul_overflow(seconds, INT64_C(1000000000), ns) ||
        __builtin_add_overflow(*ns, nanos, ns))
        *ns = INT64_MAX;
    return true;
}

/* google.rpc.RetryInfo; without a delay it asks for none. */
static bool read_retry_info(str bytes, int64_t *delay_ns)
{
    struct pb p;
    pb_init(&p, bytes);
    int64_t ns = 0;
    while (pb_next(&p)) {
        if (p.field != 1) { /* google.rpc.RetryInfo.retry_delay = 1 */
            pb_skip(&p);
            continue;
        }
        struct pb duration = pb_message(&p);
        if (!read_duration(&duration, &ns))
            return false;
    }
    if (pb_failed(&p))
        return false;
    *delay_ns = ns;
    return true;
}

/* google.protobuf.Any: whether it holds a RetryInfo, and its bytes. */
static bool read_any(struct pb *p, str *retry_info)
{
    str type_url = STR_NONE, value = STR_NONE;
    while (pb_next(p)) {
        switch (p->field) {
        case 1: /* google.protobuf.Any.type_url = 1 */
            type_url = pb_bytes(p);
            break;
        case 2: /* google.protobuf.Any.value = 2 */
            value = pb_bytes(p);
            break;
        default:
            pb_skip(p);
        }
    }
    *retry_info = value;
    return !pb_failed(p) && str_ends_with(type_url, STR("/google.rpc.RetryInfo"));
}

static bool read_status(str status, int64_t *delay_ns)
{
    struct pb p;
    pb_init(&p, status);
    str retry_info, found_info = STR_NONE;
    bool found = false;
    while (pb_next(&p)) {
        if (p.field != 3) { /* google.rpc.Status.details = 3 */
            pb_skip(&p);
            continue;
        }
        struct pb any = pb_message(&p);
        if (read_any(&any, &retry_info) && !found) {
            found = true;
            found_info = retry_info;
        }
        pb_join(&p, &any);
    }
    return !pb_failed(&p) && found && read_retry_info(found_info, delay_ns);
}

bool grpc_retry_delay(str details_base64, int64_t *delay_ns)
{
    struct buf status;
    buf_init(&status, details_base64.len); /* decoding makes it shorter */
    bool found = base64_decode(details_base64, &status) && read_status(buf_view(&status), delay_ns);
    buf_deinit(&status);
    return found;
}
