/*
 * From the answer of an OTLP/gRPC call to a verdict.
 *
 * Life of an answer: what became of the HTTP exchange, and the grpc-status in its trailers (or in
 * its only header block, a "trailers-only" answer), give one gRPC code -> the code gives the
 * verdict: sent, retry, never. A sent one may hold a message with a partial success, a failed one
 * RetryInfo.
 *
 * Whatever the backend says goes to the log, so values of request headers that it repeats (a token
 * in "invalid token ...") are masked, whole or in the words of which they consist.
 *
 * Specification: otlp_wire 3 (gRPC over HTTP/2), collector_host 4.3 (what is retried).
 */
#include "exporters/otlp_answer.h"

#include "base/limits.h"
#include "wire/compress.h"
#include "wire/grpc.h"
#include "wire/pb.h"

enum {
    SECRET_WORD_BYTES_MIN = 8, /* what is shorter is no secret, and part of too many words */
    MESSAGE_BYTES_MAX = 2048,
    HTTP_STATUS_OK = 200,
    HTTP2_REFUSED_STREAM = 7, /* RFC 9113 section 7 */
};
#define RESPONSE_MAX (4 * MIB)

static bool is_retryable(enum grpc_code code)
{
    switch (code) {
    case GRPC_CANCELLED:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_ABORTED:
    case GRPC_OUT_OF_RANGE:
    case GRPC_UNAVAILABLE:
    case GRPC_DATA_LOSS:
        return true;
    default:
        return false;
    }
}

/* From the trailers, or from the only header block. */
static bool answer_field(const struct http_response *r, const char *name, str *value)
{
    return http_response_trailer(r, name, value) || http_response_header(r, name, value);
}

static bool grpc_status(const struct http_response *r, enum grpc_code *code)
{
    str text;
    uint64_t number;
    if (!answer_field(r, "grpc-status", &text))
        return false;
    bool known = str_to_u64(text, &number) && number <= GRPC_UNAUTHENTICATED;
    *code = known ? (enum grpc_code)number : GRPC_UNKNOWN;
    return true;
}

/* A status ends the answer, whatever happened to the rest of the exchange. */
static bool has_status(const struct http_result *result, enum grpc_code *code)
{
    bool complete = result->outcome == HTTP_DONE || result->outcome == HTTP_BROKEN;
    return complete && http_response_is_http2(result->response) &&
           grpc_status(result->response, code);
}

/* libcurl 7.88.1 loses the trailers of the last answer on a connection that the server has announced
 * to close (GOAWAY). What is left tells enough: servers send no message with an error. */
static enum grpc_code code_without_status(const struct http_result *result)
{
    const struct http_response *r = result->response;
    bool compressed;
    str type, message;
    if (!http_response_is_http2(r))
        return GRPC_UNAVAILABLE; /* the reference does not get past the handshake */
    if (http_response_status(r) != HTTP_STATUS_OK ||
        !http_response_header(r, "content-type", &type) ||
        !str_starts_with(type, STR("application/grpc")))
        return grpc_code_from_http(http_response_status(r));
    return grpc_unframe(result->body, &compressed, &message, NULL) ? GRPC_OK : GRPC_UNAVAILABLE;
}

static enum grpc_code code_of(const struct http_result *result)
{
    enum grpc_code code;
    if (has_status(result, &code))
        return code;
    switch (result->outcome) {
    case HTTP_DONE:
        return code_without_status(result);
    case HTTP_TIMEOUT:
        return GRPC_DEADLINE_EXCEEDED;
    case HTTP_TOO_LARGE:
        return GRPC_RESOURCE_EXHAUSTED;
    case HTTP_BROKEN:
        return result->http2_error != 0 ? grpc_code_from_rst(result->http2_error)
                                        : GRPC_UNAVAILABLE;
    case HTTP_CONNECT_FAILED:
    case HTTP_ABORTED:
        break;
    }
    return GRPC_UNAVAILABLE;
}

/* ---- texts ---- */

static void match_longer(str text, str word, size_t *longest)
{
    if (word.len >= SECRET_WORD_BYTES_MIN && word.len > *longest && str_starts_with(text, word))
        *longest = word.len;
}

/* Bytes at the start of `text` that are a secret, or 0. */
static size_t secret_at(str text, const struct config_pairs *secrets)
{
    size_t longest = 0;
    for (size_t i = 0; i < secrets->count; i++) {
        str word, rest = secrets->items[i].value;
        match_longer(text, rest, &longest);
        while (rest.len > 0) {
            str_cut(rest, ' ', &word, &rest);
            match_longer(text, word, &longest);
        }
    }
    return longest;
}

static void put_masked(struct buf *out, str text, const struct config_pairs *secrets)
{
    while (text.len > 0 && !out->overflow) {
        size_t len = secret_at(text, secrets);
        if (len > 0)
            buf_text(out, "[REDACTED]");
        else
            buf_byte(out, text.data[0]);
        text = str_skip(text, len > 0 ? len : 1);
    }
}

/* What the server says about a failure, or what is known of it otherwise. */
static void put_reason(struct buf *out, const struct http_result *result)
{
    const struct http_response *r = result->response;
    str text;
    enum grpc_code code;
    if (has_status(result, &code)) {
        if (answer_field(r, "grpc-message", &text))
            grpc_message_decode(out, text);
    } else if (result->outcome != HTTP_DONE) {
        buf_text(out, result->err.text);
    } else if (!http_response_is_http2(r)) {
        buf_printf(out, "the server answers by HTTP/1.1 (status %d), gRPC needs HTTP/2",
                   http_response_status(r));
    } else {
        buf_printf(out,
                   "unexpected HTTP status code received from server: %d, without a grpc-status",
                   http_response_status(r));
        if (http_response_header(r, "content-type", &text))
            buf_printf(out, "; content-type \"%.*s\"", STR_ARG(text));
    }
}

static void describe_failure(const struct http_result *result, enum grpc_code code,
                             const struct config_pairs *secrets, struct err *err)
{
    struct buf reason, masked;
    buf_init(&reason, LIMIT_HTTP_HEADER_BYTES);
    buf_init(&masked, MESSAGE_BYTES_MAX);
    put_reason(&reason, result);
    put_masked(&masked, buf_view(&reason), secrets);
    err_set_code(err, (int)code, "rpc error: code = %s desc = %s", grpc_code_name(code),
                 buf_cstr(&masked));
    buf_deinit(&reason);
    buf_deinit(&masked);
}

/* ---- the response message ---- */

void otlp_partial_success_read(str response, struct send_result *out)
{
    struct pb p;
    int64_t rejected_count = 0;
    str message = STR_NONE;
    pb_init(&p, response);
    while (pb_next(&p)) {
        if (p.field != 1) { /* ExportXServiceResponse.partial_success = 1 */
            pb_skip(&p);
            continue;
        }
        struct pb partial = pb_message(&p);
        while (pb_next(&partial)) {
            switch (partial.field) {
            case 1: /* ExportXPartialSuccess.rejected_X = 1 */
                rejected_count = pb_i64(&partial);
                break;
            case 2: /* ExportXPartialSuccess.error_message = 2 */
                message = pb_bytes(&partial);
                break;
            default:
                pb_skip(&partial);
            }
        }
        pb_join(&p, &partial);
    }
    if (pb_failed(&p))
        return;
    out->rejected_count = rejected_count;
    out->message = message;
}

static bool decompress_message(const struct http_result *result, str message, struct buf *plain)
{
    str encoding;
    if (!http_response_header(result->response, "grpc-encoding", &encoding))
        return false;
    if (str_eqz(encoding, "gzip"))
        return decompress_bytes(COMPRESS_GZIP, message, plain, NULL);
    return str_eqz(encoding, "zstd") && decompress_bytes(COMPRESS_ZSTD, message, plain, NULL);
}

/* An OK is an OK, whatever its message looks like: the data has been taken. */
static void read_response(const struct http_result *result, const struct config_pairs *secrets,
                          struct buf *text, struct send_result *out)
{
    bool compressed;
    str message;
    struct buf plain;
    buf_init(&plain, RESPONSE_MAX);
    if (grpc_unframe(result->body, &compressed, &message, NULL) &&
        (!compressed || decompress_message(result, message, &plain)))
        otlp_partial_success_read(compressed ? buf_view(&plain) : message, out);
    put_masked(text, out->message, secrets);
    out->message = buf_view(text);
    buf_deinit(&plain);
}

/* The connection ended before an answer began (it was idle for too long, the server goes away, GOAWAY), or the server refused to
 * look at the stream. A new connection is likely to work; libcurl does not say which of these it was. */
static bool is_lost(const struct http_result *result)
{
    if (result->outcome != HTTP_BROKEN || http_response_status(result->response) != 0)
        return false;
    return result->http2_error == 0 || result->http2_error == HTTP2_REFUSED_STREAM;
}

void otlp_answer_read(const struct http_result *result, const struct config_pairs *secrets,
                      struct buf *text, struct send_result *out)
{
    enum grpc_code code = code_of(result);
    *out = (struct send_result){.verdict = SEND_OK};
    if (code == GRPC_OK) {
        read_response(result, secrets, text, out);
        return;
    }
    str details;
    bool told_when = has_status(result, &code) &&
                     answer_field(result->response, "grpc-status-details-bin", &details) &&
                     grpc_retry_delay(details, &out->throttle_ns);
    bool retry = is_retryable(code) || (code == GRPC_RESOURCE_EXHAUSTED && told_when);
    out->verdict = retry ? SEND_RETRY : SEND_NEVER;
    out->again_now = is_lost(result);
    describe_failure(result, code, secrets, &out->err);
}
