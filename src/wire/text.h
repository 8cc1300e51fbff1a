/* Small text forms: durations, times, base64, hex, URLs. No clock. */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Go's time.ParseDuration: "1h30m", "1.5s", "-2ms", "0"; units ns us µs μs ms s m h. err: "time: invalid duration" etc. as in
 * the reference. */
NODISCARD bool duration_parse(str text, int64_t *ns, struct err *err);
/* As Go prints a time.Duration: "1m0s", "1.5s", "100ms", "0s". */
void duration_print(struct buf *b, int64_t ns);

/* RFC 3339 with any fraction and offset to ns since 1970 (range of int64). */
NODISCARD bool rfc3339_parse(str text, int64_t *unix_ns);
/* The same, but a time out of range is the nearest one in it: "9999-12-31T23:59:59Z" is INT64_MAX. */
NODISCARD bool rfc3339_parse_nearest(str text, int64_t *unix_ns);
/* UTC, `digits` (0, 3, 6, 9) of fraction, "Z": Kubernetes' MicroTime is digits 6. Years 0000-9999 (the range of int64 fits). */
void rfc3339_print(struct buf *b, int64_t unix_ns, int digits);
/* Go's default text of a UTC time: "2020-02-11 20:26:13.000000789 +0000 UTC", fraction without trailing zeros. */
void go_time_print(struct buf *b, int64_t unix_ns);
/* HTTP date (RFC 1123) or whole seconds, as in Retry-After, to a delay from `now_unix_ns`; never negative. */
NODISCARD bool retry_after_parse(str text, int64_t now_unix_ns, int64_t *delay_ns);
/* The HTTP `Date` form to ns since 1970. */
NODISCARD bool http_date_parse(str text, int64_t *unix_ns);

/* Go's %v of a float64: shortest digits, exponent form (two digits at least: "1e+06") below 1e-4 and from 1e6 on,
 * "NaN", "+Inf", "-Inf". */
void go_double_print(struct buf *b, double n);

/* Decoders append to `out`; false (nothing appended) on malformed text or if it does not fit.
 * Standard base64 with or without padding, white space ignored (kubeconfig data is wrapped at times). */
NODISCARD bool base64_decode(str text, struct buf *out);
/* URL-safe alphabet, no padding, no white space: parts of a JWT. */
NODISCARD bool base64url_decode(str text, struct buf *out);
void base64_encode(struct buf *out, str bytes);
void hex_encode(struct buf *out, str bytes);

/* Percent-encodes everything but unreserved characters (query values). Decoding leaves '+' alone; false on a malformed escape. */
void url_encode(struct buf *out, str s);
NODISCARD bool url_decode(str s, struct buf *out);

/* host:port of a network endpoint. Accepts "host:port", "1.2.3.4:port", "[v6]:port", ":port" (host empty: all addresses, both
 * families). An unbracketed IPv6 address gets an error that shows it with its brackets; a missing or non-numeric port an error
 * that names it. */
struct endpoint {
    str host; /* without brackets; view into the text */
    uint16_t port;
    bool is_ipv6;
};
NODISCARD bool endpoint_parse(str text, struct endpoint *out, struct err *err);

/* DNS subdomain (RFC 1123: lower case, digits, '-', '.', at most 253) as object names need; err says what is wrong. */
NODISCARD bool dns_subdomain_check(str name, struct err *err);
/* DNS label (namespace names): at most 63. */
NODISCARD bool dns_label_check(str name, struct err *err);

#endif
