"""The otlp_grpc exporter against a server that answers HTTP/2 as it is told: what each kind of answer leads to.

The outcome of a batch shows the verdict: sent, refused (never tried again), or retried (tried again; here the second answer is OK).
"""
import base64
import gzip
import struct

import pytest

from peers import GOAWAY, OK_HEAD, RST_STREAM, H2Server, Http1Server, data_frame, frame, headers_frame, message, ok_answer

RETRY = {"initial_interval": "50ms", "max_interval": "50ms", "max_elapsed_time": "15s"}


def protobuf(field, value):
    def varint(n):
        out = b""
        while n >= 128:
            out += bytes([n % 128 + 128])
            n //= 128
        return out + bytes([n])
    if isinstance(value, int):
        return varint(field << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def retry_info(nanos, seconds=0, padded=True):
    info = protobuf(1, protobuf(1, seconds) + protobuf(2, nanos))
    any_info = protobuf(1, "type.googleapis.com/google.rpc.RetryInfo") + protobuf(2, info)
    text = base64.b64encode(protobuf(1, 8) + protobuf(2, "busy") + protobuf(3, any_info)).decode()
    return text if padded else text.rstrip("=")


def partial_success(rejected, text):
    return protobuf(1, protobuf(1, rejected) + protobuf(2, text))


def trailers_only(code, text=None, more=(), head=OK_HEAD):
    trailers = [("grpc-status", str(code))] + ([("grpc-message", text)] if text is not None else []) + list(more)
    return lambda stream: headers_frame(stream, [*head, *trailers], end=True)


def with_trailers(code, text=None, more=(), data=b""):
    trailers = [("grpc-status", str(code))] + ([("grpc-message", text)] if text is not None else []) + list(more)
    return lambda stream: (headers_frame(stream, OK_HEAD) + (data_frame(stream, data) if data else b"") +
                           headers_frame(stream, trailers, end=True))


def reset(code, after_head=False):
    return lambda stream: ((headers_frame(stream, OK_HEAD) if after_head else b"") +
                           frame(RST_STREAM, 0, stream, struct.pack(">I", code)))


def goaway(last_stream_of, code=0):
    return lambda stream: frame(GOAWAY, 0, 0, struct.pack(">II", last_stream_of(stream), code))


def plain_http(status, body=b"<html>", content_type="text/html"):
    head = [(":status", str(status)), ("content-type", content_type)]
    return lambda stream: headers_frame(stream, head) + data_frame(stream, body, end=True)


OK = ok_answer
CLOSE = lambda stream: None  # noqa: E731

# name: first answer, verdict, text in the log
CASES = {
    "ok": (OK, "sent", None),
    "ok without a message": (with_trailers(0), "sent", None),
    "ok by headers only": (trailers_only(0), "sent", None),
    "ok with a cut message": (with_trailers(0, data=b"\0\0\0\0\x09abc"), "sent", None),
    "ok with a bad message": (with_trailers(0, data=message(b"\xff\xff\xff")), "sent", None),
    "partial success": (lambda s: ok_answer(s, partial_success(3, "odd ones")), "sent",
                        'Partial success response\t{"message": "odd ones", "dropped_data_points": 3}'),
    "partial success, gzip": (lambda s: headers_frame(s, [*OK_HEAD, ("grpc-encoding", "gzip")]) +
                              data_frame(s, message(gzip.compress(partial_success(2, "squeezed")), True)) +
                              headers_frame(s, [("grpc-status", "0")], end=True), "sent", '"message": "squeezed", "dropped_data_points": 2'),
    "partial success, unknown encoding": (lambda s: headers_frame(s, [*OK_HEAD, ("grpc-encoding", "br")]) +
                                          data_frame(s, message(b"\x0b\x02\x80", True)) +
                                          headers_frame(s, [("grpc-status", "0")], end=True), "sent", None),
    "message in percent code": (trailers_only(3, "50%25 of %C3%A4"), "refused",
                                "not retryable error: rpc error: code = InvalidArgument desc = 50% of ä"),
    "message with a line end": (trailers_only(3, "a%0Ab"), "refused", "desc = a\\nb"),
    "busy without RetryInfo": (trailers_only(8, "busy"), "refused", "code = ResourceExhausted desc = busy"),
    "busy with bad RetryInfo": (trailers_only(8, "busy", [("grpc-status-details-bin", "!!!")]), "refused", "code = ResourceExhausted"),
    "busy with RetryInfo": (trailers_only(8, "busy", [("grpc-status-details-bin", retry_info(200_000_000))]), "retried", "200ms"),
    "busy with RetryInfo, unpadded": (with_trailers(8, "busy", [("grpc-status-details-bin", retry_info(200_000_001, 0, False))]),
                                      "retried", "200.000001ms"),
    "status is no number": (trailers_only("abc"), "refused", "code = Unknown"),
    "status over 16": (trailers_only(99, "new"), "refused", "code = Unknown desc = new"),
    "no status, but a message": (lambda s: headers_frame(s, OK_HEAD) + data_frame(s, message(b""), end=True), "sent", None),
    "no status, no message": (lambda s: headers_frame(s, OK_HEAD, end=True), "retried",
                              "code = Unavailable desc = unexpected HTTP status code received from server: 200, without a grpc-status"),
    "no status, but a page": (plain_http(200), "refused",
                              'code = Unknown desc = unexpected HTTP status code received from server: 200, without a grpc-status; '
                              'content-type \\"text/html\\"'),
    "http 400": (plain_http(400), "refused", "code = Internal desc = unexpected HTTP status code received from server: 400"),
    "http 401": (plain_http(401), "refused", "code = Unauthenticated"),
    "http 403": (plain_http(403), "refused", "code = PermissionDenied"),
    "http 404": (plain_http(404), "refused", "code = Unimplemented"),
    "http 429": (plain_http(429), "retried", "code = Unavailable"),
    "http 500": (plain_http(500), "refused", "code = Unknown"),
    "http 502": (plain_http(502), "retried", "code = Unavailable"),
    "http 503": (plain_http(503), "retried", "code = Unavailable"),
    "http 504": (plain_http(504), "retried", "code = Unavailable"),
    "http 503 with a status": (trailers_only(3, "no", head=[(":status", "503"), ("content-type", "application/grpc")]), "refused",
                               "code = InvalidArgument desc = no"),
    "reset: REFUSED_STREAM": (reset(7), "retried", None),
    "reset: CANCEL": (reset(8), "retried", "code = Canceled"),
    "reset: ENHANCE_YOUR_CALM": (reset(11), "refused", "code = ResourceExhausted"),
    "reset: INTERNAL_ERROR": (reset(2), "refused", "code = Internal"),
    "reset: PROTOCOL_ERROR": (reset(1), "refused", "code = Internal"),
    "reset after the head: CANCEL": (reset(8, after_head=True), "retried", "code = Canceled"),
    "connection closed": (CLOSE, "retried", "code = Unavailable"),
    "no http/2 at all": (lambda s: b"what?\r\n" * 20, "retried", "code = Unavailable"),
    "goaway before the stream": (goaway(lambda s: s - 1 if s > 1 else 0), "retried", None),
}
for code, name in {1: "Canceled", 4: "DeadlineExceeded", 10: "Aborted", 11: "OutOfRange", 14: "Unavailable", 15: "DataLoss"}.items():
    CASES[f"status {code}"] = (with_trailers(code, "m"), "retried", f"code = {name} desc = m")
    CASES[f"status {code}, headers only"] = (trailers_only(code, "m"), "retried", f"code = {name} desc = m")
for code, name in {2: "Unknown", 3: "InvalidArgument", 5: "NotFound", 6: "AlreadyExists", 7: "PermissionDenied", 9: "FailedPrecondition",
                   12: "Unimplemented", 13: "Internal", 16: "Unauthenticated"}.items():
    CASES[f"status {code}"] = (with_trailers(code, "m"), "refused", f"code = {name} desc = m")
    CASES[f"status {code}, headers only"] = (trailers_only(code, "m"), "refused", f"code = {name} desc = m")


def config(server, certs, tls, **more):
    settings = {"insecure": True} if not tls else {"ca_file": certs.path("ca.crt")}
    return {"endpoint": server.address, "tls": settings, "retry_on_failure": RETRY, "timeout": "2s", **more}


@pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "tls"])
@pytest.mark.parametrize("name", CASES)
def test_answer(certs, drivers, name, tls):
    answer, verdict, text = CASES[name]
    with H2Server([answer, OK], tls=certs.path("server") if tls else None) as server:
        d = drivers(config(server, certs, tls))
        d.feed()
        after = d.settle()
        d.stop()
        assert (after["sent"], after["dropped"], after["refused"]) == (verdict != "refused", 0, verdict == "refused"), d.log()
        assert len(server.requests) == (2 if verdict == "retried" else 1), d.log()
        assert all(body == server.requests[0] for body in server.requests)
        if text is not None:
            d.wait_log(text)
        if verdict == "sent" and text is None:
            assert d.log() == ""


def then(*parts):
    return lambda stream: b"".join(part(stream) for part in parts)


@pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "tls"])
def test_lost_request_is_repeated_at_once(certs, drivers, tls):
    """A server that goes away costs no back-off: the reference's library does the same for streams that were not looked at."""
    for answer in (goaway(lambda s: 0), reset(7), CLOSE):
        with H2Server([answer, OK], tls=certs.path("server") if tls else None) as server:
            d = drivers(config(server, certs, tls, retry_on_failure={"initial_interval": "1h", "max_interval": "1h", "max_elapsed_time": 0}))
            d.feed()
            assert d.settle()["sent"] == 1
            d.stop()
            d.wait_log("Trying again at once")


def test_lost_twice_waits(certs, drivers):
    with H2Server([CLOSE, CLOSE, OK]) as server:
        d = drivers(config(server, certs, False))
        d.feed()
        assert d.settle()["sent"] == 1
        d.stop()
        assert d.log().count("Trying again at once") == 1
        assert d.log().count("Will retry the request after interval") == 1


def test_graceful_goaway(certs, drivers):
    """A server that limits the age of connections: GOAWAY for later streams, this one is answered; nothing fails."""
    with H2Server([then(goaway(lambda s: 0x7FFFFFFF), OK)], tls=certs.path("server")) as server:
        d = drivers(config(server, certs, True))
        for i in range(1, 6):
            d.feed()
            assert d.settle()["sent"] == i
        d.stop()
        assert "Will retry" not in d.log()
        assert server.connections == 5


def test_graceful_goaway_with_streams(certs, drivers):
    """GOAWAY while others are under way on the same connection."""
    with H2Server([OK, OK, then(goaway(lambda s: 0x7FFFFFFF), OK), OK], tls=certs.path("server")) as server:
        d = drivers(config(server, certs, True))
        d.feed(count=30)
        assert d.settle()["sent"] == 30
        d.stop()
        assert "Will retry" not in d.log(), d.log()


@pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "tls"])
def test_answer_before_the_body_was_read(certs, drivers, tls):
    """As gRPC servers refuse a message that is too large: status, then a reset, while the body is still being sent. Over TLS, libcurl
    7.88.1 does not hand out that answer, so the request is tried until its time is over; the log says what the reason may be."""
    with H2Server([then(trailers_only(8, "too large"), reset(0))], tls=certs.path("server") if tls else None, early=True) as server:
        d = drivers(config(server, certs, tls, compression="none", retry_on_failure=dict(RETRY, max_elapsed_time="200ms")))
        d.feed("logs", 30, 100_000)
        after = d.settle()
        d.stop()
        assert after["dropped"] + after["refused"] == 1, d.log()
        assert tls or (after["refused"] and "too large" in d.log()), d.log()
        assert not tls or after["refused"] or "the server may not take messages of 30" in d.log()


@pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "tls"])
def test_many_on_one_endpoint(certs, drivers, tls):
    """All on one connection."""
    with H2Server([OK], tls=certs.path("server") if tls else None) as server:
        d = drivers(config(server, certs, tls))
        for i in range(1, 6):
            d.feed()
            assert d.settle()["sent"] == i
        d.feed(count=50)
        assert d.settle()["sent"] == 55
        d.stop()
        assert d.log() == ""
        assert len(server.requests) == 55
        assert server.connections == 1


def test_server_that_speaks_http1_over_tls(certs, drivers):
    with Http1Server(certs.path("server")) as server:
        d = drivers(config(server, certs, True, retry_on_failure={"enabled": False}))
        d.feed()
        assert d.settle()["dropped"] == 1
        d.stop()
        assert server.count == 1
        d.wait_log("code = Unavailable desc = the server answers by HTTP/1.1 (status 404), gRPC needs HTTP/2")


def test_secrets_that_come_back(certs, drivers):
    """A backend that repeats the token in its message does not get it into our log."""
    token = "Bearer s3cr3t-t0ken-value"
    with H2Server([trailers_only(16, "invalid token s3cr3t-t0ken-value given"),
                   lambda s: ok_answer(s, partial_success(1, f"almost ({token})"))]) as server:
        d = drivers(config(server, certs, False, headers={"Authorization": token, "x-tenant": "short"}))
        d.feed()
        d.settle()
        d.feed()
        d.settle()
        d.stop()
        assert "s3cr3t" not in d.log()
        d.wait_log("invalid token [REDACTED] given")
        d.wait_log("almost ([REDACTED])")


def test_large_answer(certs, drivers):
    """An answer over 4 MiB is not read to its end."""
    def flood(stream):
        return headers_frame(stream, OK_HEAD) + b"".join(data_frame(stream, b"x" * 16384) for _ in range(300))
    with H2Server([flood]) as server:
        d = drivers(config(server, certs, False))
        d.feed()
        after = d.settle()
        d.stop()
        assert after["refused"] == 1, d.log()
        d.wait_log("code = ResourceExhausted")


def test_hung_connection_is_left(certs, drivers):
    """No HTTP/2 ping finds a connection that died silently: after a timeout without any answer the next attempt takes a new one."""
    with H2Server([OK, lambda s: b"", OK], tls=certs.path("server")) as server:
        d = drivers(config(server, certs, True, timeout="300ms"))
        d.feed()
        d.settle()
        d.feed()
        assert d.settle()["sent"] == 2
        d.stop()
        d.wait_log("code = DeadlineExceeded")
        assert server.connections == 2
