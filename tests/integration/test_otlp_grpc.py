"""The otlp_grpc exporter against a real gRPC server (otlpsink), fed by exporter_driver; what needs the whole program is at the end."""
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import peers
from peers import ConnectProxy, Process, clean_env, free_port, texts, wait_for

FAST_RETRY = {"initial_interval": "50ms", "max_interval": "100ms", "max_elapsed_time": "20s"}
SERVICES = {"metrics": "metrics.v1.MetricsService", "logs": "logs.v1.LogsService", "traces": "trace.v1.TraceService"}
needs_ipv6 = pytest.mark.skipif(not peers.has_ipv6(), reason="no IPv6 here")
both = pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "tls"])


def config(address, certs=None, **more):
    tls = {"insecure": True} if certs is None else {"ca_file": certs.path("ca.crt")}
    return {"endpoint": address, "tls": tls, "retry_on_failure": FAST_RETRY, **more}


def all_texts(records):
    return [text for record in records if "resources" in record for text in texts(record)]


def assert_numbered(records, count):
    """Every item once, whatever the order."""
    assert sorted(int(t) for t in all_texts(records)) == list(range(count))


# ---- data arrives ----

@both
def test_all_signals_many_times(certs, sinks, drivers, tls):
    """Several requests on one endpoint, one after the other and at once, all on one connection."""
    sink = sinks(tls=certs.path("server") if tls else None)
    d = drivers(config(sink.address, certs if tls else None))
    for _ in range(5):
        for signal_name in SERVICES:
            d.feed(signal_name, items=4)
            d.settle()
    d.feed("metrics", items=3, count=40)
    assert d.settle()["sent"] == 55
    d.stop()
    assert d.log() == ""
    records = sink.wait_records(55)
    assert len(records) == 55
    assert_numbered(records, 15 * 4 + 40 * 3)
    assert {r["signal"] for r in records} == set(SERVICES)
    connections = {r["remote"] for r in records}
    assert len(connections) == 1


@pytest.mark.parametrize("compression, encoding", [(None, "gzip"), ("gzip", "gzip"), ("zstd", "zstd"), ("none", "identity"), ("", "identity")])
def test_compression(sinks, drivers, compression, encoding):
    sink = sinks()
    d = drivers(config(sink.address, **({} if compression is None else {"compression": compression})))
    d.feed("metrics", items=200, size=100)
    assert d.settle()["sent"] == 1
    d.stop()
    record = sink.wait_records(1)[0]
    assert record["encoding"] == encoding
    assert_numbered([record], 200)
    if encoding != "identity":
        assert record["wire_bytes"] < record["bytes"] / 3
    else:
        assert record["wire_bytes"] == record["bytes"]


def test_headers(sinks, drivers):
    sink = sinks()
    headers = {"Authorization": "Bearer s3cr3t-value", "X-Empty": "", "x-data-bin": "\u00e4\x01", "Grpc-Timeout": "1S",
               "user-agent": "not this"}
    d = drivers(config(sink.address, headers=headers, user_agent="my agent/1"))
    d.feed()
    assert d.settle()["sent"] == 1
    d.stop()
    seen = sink.wait_records(1)[0]["headers"]
    assert seen["authorization"] == "Bearer s3cr3t-value"
    assert seen["x-empty"] == ""
    assert seen["x-data-bin"] == "\u00e4\x01"  # decoded by the server
    assert seen["user-agent"] == "my agent/1"
    assert seen["content-type"] == "application/grpc"
    assert "s3cr3t" not in d.log()
    d.wait_log('"Grpc-Timeout" is ignored')
    d.wait_log('"user-agent" is ignored: set `user_agent` instead')


def test_default_user_agent(sinks, drivers):
    sink = sinks()
    d = drivers(config(sink.address))
    d.feed()
    d.settle()
    assert re.fullmatch(r"baton/\d+\.\d+\.\d+", sink.wait_records(1)[0]["headers"]["user-agent"])


def test_raw_request_headers(drivers):
    """What a server made of another HTTP/2 library sees, pseudo headers and `te` included."""
    if shutil.which("nghttpd") is None:
        pytest.fail("nghttpd is missing: package nghttp2-server")
    port = free_port()
    with Process(["nghttpd", "-v", "--no-tls", "-a", "127.0.0.1", str(port)]) as server:
        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_for(listens, "nghttpd")
        d = drivers(config(f"127.0.0.1:{port}", authority="other.test:99", timeout="2500ms",
                           retry_on_failure={"enabled": False}))
        d.feed("logs")
        assert d.settle()["refused"] == 1  # 404
        d.wait_log("code = Unimplemented")
        wait_for(lambda: "user-agent" in "\n".join(server.out), "headers")
        seen = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(server.out))
        for line in [":method: POST", ":scheme: http", ":authority: other.test:99", "te: trailers", "content-type: application/grpc",
                     ":path: /opentelemetry.proto.collector.logs.v1.LogsService/Export", "grpc-timeout: 2500m",
                     "grpc-encoding: gzip", "grpc-accept-encoding: gzip,zstd"]:
            assert re.search(r"recv \(stream_id=1\S*\) " + re.escape(line) + "$", seen, re.M), (line, seen)
        for name in ("expect:", "accept:", "host:"):
            assert ") " + name not in seen


@needs_ipv6
@both
def test_ipv6(certs, sinks, drivers, tls):
    sink = sinks(listen="[::1]:0", tls=certs.path("server") if tls else None)
    assert sink.address.startswith("[::1]:")
    d = drivers(config(sink.address, certs if tls else None))
    d.feed()
    assert d.settle()["sent"] == 1
    assert sink.wait_records(1)


@pytest.mark.parametrize("prefix", ["dns:///", "passthrough:///", "http://"])
def test_endpoint_prefixes(sinks, drivers, prefix):
    sink = sinks()
    d = drivers(config(prefix + sink.address))
    d.feed()
    assert d.settle()["sent"] == 1


# ---- TLS ----

def test_http_without_insecure_is_tls(certs, sinks, drivers):
    sink = sinks(tls=certs.path("server"))
    d = drivers(config("http://" + sink.address, certs))
    d.feed()
    assert d.settle()["sent"] == 1


def test_https_with_insecure_is_tls(certs, sinks, drivers):
    sink = sinks(tls=certs.path("server"))
    d = drivers(config("https://" + sink.address, tls={"insecure": True, "insecure_skip_verify": True}))
    d.feed()
    assert d.settle()["sent"] == 1


def test_insecure_with_a_ca_is_tls(certs, sinks, drivers):
    sink = sinks(tls=certs.path("server"))
    d = drivers(config(sink.address, tls={"insecure": True, "ca_file": certs.path("ca.crt")}))
    d.feed()
    assert d.settle()["sent"] == 1


def test_unknown_ca(certs, sinks, drivers):
    sink = sinks(tls=certs.path("server"))
    d = drivers(config(sink.address, tls={}, retry_on_failure={"enabled": False}))
    d.feed()
    assert d.settle()["dropped"] == 1
    d.wait_log("code = Unavailable")
    d.wait_log("certificate")
    assert not sink.records()


@pytest.mark.parametrize("more", [{"tls_name": "sink.test"}, {"authority": "sink.test"}, {"authority": "sink.test:4317"}],
                         ids=["server_name_override", "authority", "authority with a port"])
def test_other_server_name(certs, sinks, drivers, more):
    """The certificate is for sink.test, the endpoint an address."""
    sink = sinks(tls=certs.path("named"))
    d = drivers(config(sink.address, certs, retry_on_failure={"enabled": False}))
    d.feed()
    assert d.settle()["dropped"] == 1
    c = config(sink.address, certs, **{k: v for k, v in more.items() if k != "tls_name"})
    if "tls_name" in more:
        c["tls"]["server_name_override"] = more["tls_name"]
    d = drivers(c)
    d.feed()
    assert d.settle()["sent"] == 1, d.log()


@both
def test_cleartext_client_on_tls_server_and_the_reverse(certs, sinks, drivers, tls):
    sink = sinks(tls=None if tls else certs.path("server"))
    d = drivers(config(sink.address, certs if tls else None, retry_on_failure={"enabled": False}))
    d.feed()
    assert d.settle()["dropped"] == 1
    d.wait_log("code = Unavailable")


def test_mutual_tls(certs, sinks, drivers):
    sink = sinks(tls=certs.path("server"), client_ca=certs.path("ca.crt"))
    without = config(sink.address, certs, retry_on_failure={"enabled": False})
    d = drivers(without)
    d.feed()
    assert d.settle()["dropped"] == 1
    files = config(sink.address, certs)
    files["tls"].update(cert_file=certs.path("client.crt"), key_file=certs.path("client.key"))
    d = drivers(files)
    d.feed()
    assert d.settle()["sent"] == 1
    with open(certs.path("client.crt")) as cert, open(certs.path("client.key")) as key, open(certs.path("ca.crt")) as ca:
        texts_ = {"cert_pem": cert.read(), "key_pem": key.read(), "ca_pem": ca.read()}
    d = drivers(config(sink.address, tls=texts_))
    d.feed()
    assert d.settle()["sent"] == 1


def test_rotated_certificates(certs, sinks, drivers, tmp_path):
    """Client certificate files change on disk: new connections use the new ones; a bad file leaves the old ones in use."""
    sink = sinks(tls=certs.path("server"), client_ca=certs.path("ca.crt"))
    other = peers.Certificates(tmp_path / "other").make("client", "DNS:other")  # by a CA that the server does not know
    for name in ("client.crt", "client.key"):
        shutil.copy(other.path(name), tmp_path / name)
    c = config(sink.address, certs)
    c["tls"].update(cert_file=str(tmp_path / "client.crt"), key_file=str(tmp_path / "client.key"), reload_interval="50ms")
    d = drivers(c)
    d.feed()
    d.wait_log("Will retry the request")
    for name in ("client.key", "client.crt"):
        shutil.copy(certs.path(name), tmp_path / (name + ".new"))
        os.replace(tmp_path / (name + ".new"), tmp_path / name)
    assert d.settle()["sent"] == 1
    d.wait_log("TLS files were reloaded")
    (tmp_path / "client.crt").write_text("broken")
    d.wait_log("TLS files changed but cannot be used, the former ones stay in use")
    d.feed()
    assert d.settle()["sent"] == 2


@pytest.mark.parametrize("tls, text", [
    ({"ca_file": "/nonexistent/ca.crt"}, "failed to load TLS config: ca_file: "),
    ({"ca_pem": "nonsense"}, "the CA holds no certificate"),
    ({"cert_pem": "nonsense", "key_pem": "s3cr3t nonsense"}, "the client certificate cannot be read"),
], ids=["no file", "no PEM", "no key"])
def test_bad_tls_material(drivers, tls, text):
    d = drivers({"endpoint": "127.0.0.1:1", "tls": tls}, expect_start=False)
    assert d.wait_end() == 1
    assert text in d.log() and "s3cr3t" not in d.log()


# ---- the reference ----

def test_reference_collector_reads_it(drivers, tmp_path):
    """The Go collector takes what we send, and its debug exporter shows the same text as ours does of the same data."""
    reference = os.path.join(os.path.dirname(peers.SINK), "otelcol-ref")
    if not os.path.exists(reference):
        pytest.skip(f"SKIPPED, there is no {reference}: build it with tests/reference/build.sh, which needs Go")
    port = free_port()
    theirs, ours = str(tmp_path / "theirs.txt"), str(tmp_path / "ours.txt")
    file = tmp_path / "reference.yaml"
    file.write_text(f"""
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{debug: {{verbosity: normal, use_internal_logger: false, output_paths: [{theirs}]}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [debug]}}
    logs: {{receivers: [otlp], exporters: [debug]}}
    traces: {{receivers: [otlp], exporters: [debug]}}
""")
    debug = drivers({"verbosity": "normal", "use_internal_logger": False, "output_paths": [ours]}, exporter="debug")
    with Process([reference, "--config", str(file)], env=clean_env()) as collector:
        collector.wait_log("Everything is ready")
        d = drivers(config(f"127.0.0.1:{port}", compression="zstd"))
        for signal_name in SERVICES:
            for driver in (d, debug):
                driver.feed(signal_name, items=7, size=60)
                driver.settle()
        d.stop()
        debug.stop()
    with open(theirs, encoding="utf-8") as t, open(ours, encoding="utf-8") as o:
        text = o.read()
        assert t.read() == text
        assert text.count("\n") > 30


# ---- failures ----

@both
def test_unavailable_is_retried(certs, sinks, drivers, tls):
    sink = sinks(tls=certs.path("server") if tls else None)
    sink.fault(code=14, message="try later", times=3)
    d = drivers(config(sink.address, certs if tls else None))
    d.feed()
    assert d.settle()["sent"] == 1
    assert d.log().count('Will retry the request after interval.\t{"error": "rpc error: code = Unavailable desc = try later", "interval":') == 3
    records = sink.wait_records(4)
    assert [r.get("refused") for r in records] == [14, 14, 14, None]
    assert_numbered(records, 5)


def test_resource_exhausted(sinks, drivers):
    sink = sinks()
    d = drivers(config(sink.address))
    sink.fault(code=8, message="full")
    d.feed()
    assert d.settle()["refused"] == 1
    d.wait_log("not retryable error: rpc error: code = ResourceExhausted desc = full")
    sink.fault(code=8, message="full", retry_delay_ms=700)
    d.feed()
    assert d.settle()["sent"] == 1
    d.wait_log('"interval": "700ms"')
    first, second = [r["t"] for r in sink.wait_records(3)][1:]
    assert second - first >= 700e6


@pytest.mark.parametrize("code, name", [(3, "InvalidArgument"), (16, "Unauthenticated"), (12, "Unimplemented"), (13, "Internal")])
def test_permanent_errors(sinks, drivers, code, name):
    sink = sinks()
    sink.fault(code=code, message="50% no", times=-1)
    d = drivers(config(sink.address))
    d.feed()
    assert d.settle()["refused"] == 1
    d.stop()
    assert len(sink.records()) == 1
    d.wait_log(f"not retryable error: rpc error: code = {name} desc = 50% no")


@pytest.mark.parametrize("signal_name, key", [("metrics", "dropped_data_points"), ("logs", "dropped_log_records"), ("traces", "dropped_spans")])
def test_partial_success(sinks, drivers, signal_name, key):
    sink = sinks()
    sink.fault(partial={"rejected": 2, "message": "two are odd"})
    d = drivers(config(sink.address))
    d.feed(signal_name)
    assert d.settle()["sent"] == 1
    d.stop()
    d.wait_log(f'Partial success response\t{{"message": "two are odd", "{key}": 2}}')
    assert len(sink.records()) == 1


@both
def test_timeout(certs, sinks, drivers, tls):
    sink = sinks(tls=certs.path("server") if tls else None)
    sink.fault(delay_ms=3000, times=1)
    d = drivers(config(sink.address, certs if tls else None, timeout="300ms"))
    d.feed()
    assert d.settle()["sent"] == 1
    d.wait_log("code = DeadlineExceeded")
    assert len(sink.wait_records(2)) == 2  # the first one was stored, then answered too late: at least once


def test_server_comes_up_later(sinks, drivers):
    port = free_port()
    d = drivers(config(f"127.0.0.1:{port}"))
    d.feed(count=30)
    d.wait_log("code = Unavailable")
    assert d.stats()["open"] == 30
    sink = sinks(listen=f"127.0.0.1:{port}")
    assert d.settle()["sent"] == 30
    assert_numbered(sink.wait_records(30), 150)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped gracefully"])
@both
def test_server_restarts(certs, sinks, drivers, tls, signum):
    """Data goes on while the server goes away and comes back; what was acknowledged is there, nothing is lost."""
    tls_files = certs.path("server") if tls else None
    port = free_port()
    first = sinks(listen=f"127.0.0.1:{port}", tls=tls_files)
    d = drivers(config(f"127.0.0.1:{port}", certs if tls else None))
    d.feed(count=20)
    d.send("feed metrics 5 20 500")
    wait_for(lambda: len(first.records()) >= 60, "records")
    first.kill(signum)
    second = sinks(listen=f"127.0.0.1:{port}", tls=tls_files)
    d.answer("feed")
    assert d.settle()["sent"] == 520
    d.stop()
    found = {int(t) for t in all_texts(first.records() + second.records())}
    assert found == set(range(520 * 5))
    if signum == signal.SIGTERM:  # nothing twice either
        assert_numbered(first.records() + second.records(), 520 * 5)


def test_hung_server_at_stop(drivers):
    """Stops in time, and says what is lost."""
    with socket.create_server(("127.0.0.1", 0)) as hung:
        d = drivers(config("127.0.0.1:%d" % hung.getsockname()[1], timeout="60s"))
        d.feed(count=15)
        answer = d.stop(drain_ms=300)
        assert answer["dropped"] == 15
        d.wait_log('"dropped_items": 75, "dropped_requests": 15')


# ---- size ----

@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_large_batch(sinks, drivers, compression):
    """30 MB in one batch go in requests that a server with the usual limit takes."""
    sink = sinks(summary=True)
    d = drivers(config(sink.address, compression=compression))
    d.feed("logs", items=30_000, size=1000)
    after = d.settle(60)
    d.stop()
    assert after["sent"] == 1, d.log()
    records = sink.wait_records(8)
    assert sum(r["bytes"] for r in records) > 30_000_000
    assert max(r["bytes"] for r in records) <= 4 << 20
    assert sum(r["bytes"] < 3_900_000 for r in records) <= 1  # full ones, but for the last
    assert max(r["wire_bytes"] for r in records) <= 4 << 20
    assert sum(r["points"] for r in records) == 30_000


def test_server_with_a_smaller_limit(sinks, drivers):
    """`batch.max_size` in bytes cuts requests smaller."""
    sink = sinks(summary=True, max_recv_mib=1)
    batch = {"sizer": "bytes", "min_size": 0, "max_size": 1_000_000}
    d = drivers(config(sink.address, compression="none", sending_queue={"batch": batch}))
    d.feed("logs", items=5000, size=1000)
    assert d.settle()["sent"] == 1, d.log()
    records = sink.wait_records(5)
    assert max(r["bytes"] for r in records) <= 1_000_000
    assert sum(r["points"] for r in records) == 5000


def test_item_over_the_limit(sinks, drivers):
    sink = sinks(summary=True)
    d = drivers(config(sink.address))
    d.feed("logs", items=1, size=5_000_000)
    assert d.settle()["dropped"] == 1
    d.wait_log("one log record is larger than a request may be")
    d.feed("logs", items=1, size=4_000_000)
    assert d.settle()["sent"] == 1


def test_queue_overflow(drivers):
    """Nobody listens: the queue takes what it may, refuses the rest, and says so."""
    d = drivers(config(f"127.0.0.1:{free_port()}", sending_queue={"queue_size": 20}))
    after = d.ask("push metrics 5 20 50")
    assert after["dropped"] == 30 and after["open"] == 20 and not after["room"]
    d.wait_log("The sending queue is full")
    d.wait_log('Rejecting data.\t{"error": "sending queue is full", "rejected_items": 5}')
    assert d.stop(100)["dropped"] == 50


def test_memory_of_a_full_queue(drivers):
    """Bounded in bytes, whatever the number of requests; decoded data does not stay."""
    bound = 8 << 20
    d = drivers(config(f"127.0.0.1:{free_port()}", compression="none", sending_queue={"max_bytes": bound, "queue_size": 1_000_000}))
    before = d.stats()
    d.send("feed logs 1000 100 1000000")  # 100 kB each, no end
    d.wait_log("The sending queue is full")
    after = wait_for(lambda: next((s for s in [d.stats()] if s["open"] > 60), None), "a full queue")
    assert after["open"] < 90
    assert after["heap"] - before["heap"] < bound * 1.3
    d.send("stop 0")
    d.answer("stop")


def test_no_threads_for_small_requests(sinks, drivers):
    sink = sinks(summary=True)
    d = drivers(config(sink.address, compression="gzip"))
    d.feed("metrics", items=100, size=100, count=50)
    assert d.settle()["threads"] == d.ready["threads"]
    d.feed("logs", items=20_000, size=100)
    assert d.settle()["threads"] > d.ready["threads"]


@both
def test_memory_stays_flat(certs, sinks, drivers, tls):
    """10,000 small batches."""
    sink = sinks(tls=certs.path("server") if tls else None, summary=True)
    d = drivers(config(sink.address, certs if tls else None))
    d.feed("metrics", items=5, size=20, count=4000)  # until pools and caches have their size
    before = d.settle(60)
    d.feed("metrics", items=5, size=20, count=10_000)
    after = d.settle(120)
    end = time.monotonic() + 10
    while after["heap"] - before["heap"] >= 600_000 and time.monotonic() < end:  # a connection may be on its way out
        after = d.settle(120)
    d.stop()
    assert after["sent"] == 14_000
    print(f"10,000 batches: heap {after['heap'] - before['heap']:+d} bytes, resident {(after['rss'] - before['rss']) >> 10:+d} KiB, "
          f"resident in all {after['rss'] >> 10} KiB")
    if after["heap"] == 0:  # a sanitizer's allocator
        return
    assert after["heap"] - before["heap"] < 600_000  # less than 60 bytes a batch
    assert after["rss"] - before["rss"] < 1 << 20


# ---- proxies ----

@both
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_connect_proxy(certs, sinks, drivers, tls, variable):
    """By CONNECT, with cleartext HTTP/2 or TLS inside; the proxy resolves the name."""
    sink = sinks(tls=certs.path("named") if tls else None)
    with ConnectProxy({"sink.test:4317": sink.address}, "us%r:pa ss") as proxy:
        d = drivers(config("sink.test:4317", certs if tls else None), env={variable: f"http://us%25r:pa%20ss@{proxy.address}"})
        for i in range(1, 4):
            d.feed()
            assert d.settle()["sent"] == i
        d.feed(count=10)
        assert d.settle()["sent"] == 13
        d.stop()
        assert len(proxy.requests) == 1
        assert all(r[0] == "CONNECT sink.test:4317 HTTP/1.1" for r in proxy.requests)
        assert "pa ss" not in d.log() and "pa%20ss" not in d.log()
        headers = "\n".join(proxy.requests[0]).lower()
        assert "user-agent: baton/" in headers
        for ours in ("grpc-encoding", "te: trailers", "content-type"):
            assert ours not in headers


def test_proxy_that_refuses(sinks, drivers):
    sink = sinks()
    with ConnectProxy({"sink.test:4317": sink.address}, "user:right") as proxy:
        d = drivers(config("sink.test:4317", retry_on_failure={"enabled": False}), env={"HTTPS_PROXY": f"http://user:wr0ng-pass@{proxy.address}"})
        d.feed()
        assert d.settle()["dropped"] == 1
        d.wait_log("code = Unavailable")
        d.wait_log("407")
        assert "wr0ng-pass" not in d.log()


@pytest.mark.parametrize("env", [{"NO_PROXY": "127.0.0.0/8"}, {"no_proxy": "localhost"}, {}, {"HTTP_PROXY": "x"}])
def test_proxy_is_not_used(sinks, drivers, env):
    """NO_PROXY, and loopback in any case."""
    sink = sinks()
    with ConnectProxy({}) as proxy:
        proxies = {"HTTP_PROXY": f"http://{proxy.address}"} if "HTTP_PROXY" in env else {"HTTPS_PROXY": f"http://{proxy.address}"}
        d = drivers(config(sink.address), env={**env, **proxies})
        d.feed()
        assert d.settle()["sent"] == 1
        assert proxy.requests == []


def test_no_proxy_by_name(drivers):
    with ConnectProxy({}) as proxy:
        d = drivers(config("sink.test:4317", retry_on_failure={"enabled": False}, timeout="2s"),
                    env={"HTTPS_PROXY": f"http://{proxy.address}", "NO_PROXY": "other.test,.test"})
        d.feed()
        d.settle()
        assert proxy.requests == []


# ---- configuration ----

@pytest.mark.parametrize("bad, text", [
    ({}, 'endpoint: requires a non-empty "endpoint"'),
    ({"endpoint": "unix:///run/x.sock"}, "Unix sockets are not supported: give host:port"),
    ({"endpoint": "fd00::1:4317"}, 'write "[fd00::1]:4317"'),
    ({"endpoint": "fd00:0:0:0:0:0:0:1:4317"}, 'an IPv6 address needs brackets: write "[fd00:0:0:0:0:0:0:1]:4317"'),
    ({"endpoint": "fd00::1"}, "[fd00::1]"),
    ({"endpoint": "host"}, 'missing port: write "host:PORT"'),
    ({"endpoint": "host:grpc"}, 'port "grpc": expected a number'),
    ({"endpoint": ":4317"}, "names no host"),
    ({"endpoint": "user:pa55word@host:4317"}, "must not contain user info"),
    ({"endpoint": "http://host:4317/v1"}, 'port "4317/v1"'),
    ({"endpoint": "h:1", "compression": "snappy"}, 'unsupported compression type "snappy": use gzip, zstd or none'),
    ({"endpoint": "h:1", "balancer_name": "x"}, "invalid balancer_name: x"),
    ({"endpoint": "h:1", "timeout": "-1s"}, "'timeout' must be non-negative"),
    ({"endpoint": "h:1", "auth": {"authenticator": "oauth2client"}}, "authenticator extensions are not supported"),
    ({"endpoint": "h:1", "middlewares": [{"id": "x"}]}, "middleware extensions are not supported"),
    ({"endpoint": "h:1", "headers": {"a b": "c"}}, '"a b" is not a header name'),
    ({"endpoint": "h:1", "headers": {"authorization": "s3cr3t\n"}}, 'the value of "authorization" holds a line break'),
    ({"endpoint": "h:1", "headers": {"x": "\u00e4"}}, "not printable ASCII"),
    ({"endpoint": "h:1", "tls": {"cert_file": "a"}}, "TLS configuration must include both certificate and key"),
    ({"endpoint": "h:1", "tls": {"ca_file": "a", "ca_pem": "b"}}, "ca_file and ca_pem are both given"),
    ({"endpoint": "h:1", "tls": {"min_version": "1.4"}}, 'unsupported TLS version: "1.4"'),
    ({"endpoint": "h:1", "tls": {"min_version": "1.3", "max_version": "1.2"}}, "min_version cannot be greater than max_version"),
    ({"endpoint": "h:1", "tls": {"cipher_suites": ["X"]}}, "cipher_suites: cannot be set here"),
    ({"endpoint": "h:1", "tls": {"curve_preferences": ["X"]}}, "curve_preferences: cannot be set here"),
    ({"endpoint": "h:1", "tls": {"tpm": {"enabled": True}}}, "tpm: is not supported"),
    ({"endpoint": "h:1", "sending_queue": {"storage": "file_storage"}}, "a persistent queue is not supported"),
    ({"endpoint": "h:1", "keepalive": {"tim": "1s"}}, "has invalid keys: tim"),
    ({"endpoint": "h:1", "endpont": "x"}, 'did you mean "endpoint"?'),
], ids=lambda v: v if isinstance(v, str) else None)
def test_bad_configuration(drivers, bad, text):
    d = drivers(bad, expect_start=False)
    assert d.wait_end() == 2
    d.wait_log(text)
    for secret in ("pa55word", "s3cr3t"):
        assert secret not in d.log()


def test_accepted_without_effect(sinks, drivers):
    """Keys of files written for the Go collector."""
    sink = sinks()
    d = drivers(config(sink.address, keepalive={"time": "20s", "timeout": "5s", "permit_without_stream": True}, wait_for_ready=True,
                       read_buffer_size=1024, write_buffer_size=1024, balancer_name="pick_first", auth=None, middlewares=[]))
    d.feed()
    assert d.settle()["sent"] == 1
    d.wait_log("keepalive: has no effect")
    d.wait_log("wait_for_ready: has no effect")


# ---- the whole program ----

needs_baton = pytest.mark.skipif(not os.path.exists(peers.BATON), reason=f"there is no {peers.BATON}")


def baton_file(tmp_path, exporter, pipelines=("metrics",)):
    import yaml
    content = {
        "receivers": {"dummy": {"interval": "100ms", "allow_short_interval": True}},
        "exporters": {"otlp_grpc": exporter},
        "service": {"pipelines": {p: {"receivers": ["dummy"], "exporters": ["otlp_grpc"]} for p in pipelines}},
    }
    path = tmp_path / "baton.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@needs_baton
@both
def test_program(certs, sinks, tmp_path, tls):
    sink = sinks(tls=certs.path("server") if tls else None)
    file = baton_file(tmp_path, config(sink.address, certs if tls else None), SERVICES)
    with Process([peers.BATON, "--config", file], env=clean_env()) as baton:
        records = sink.wait_records(30)
        assert baton.kill(signal.SIGTERM) == 0, baton.log()
        assert {r["signal"] for r in records} == set(SERVICES)
        assert "error" not in baton.log().split("\t")


@needs_baton
def test_program_sends_what_it_has_at_the_end(sinks, tmp_path):
    """The backend is away for a while; a SIGTERM then still gets everything out."""
    port = free_port()
    exporter = config(f"127.0.0.1:{port}")
    exporter["retry_on_failure"] = {"initial_interval": "1h", "max_interval": "1h", "max_elapsed_time": 0}
    with Process([peers.BATON, "--config", baton_file(tmp_path, exporter)], env=clean_env()) as baton:
        wait_for(lambda: baton.log().count("Will retry") >= 5, "retries")
        sink = sinks(listen=f"127.0.0.1:{port}")
        assert baton.kill(signal.SIGTERM) == 0, baton.log()
        assert "Dropping data" not in baton.log()
        times = [p["ts"] for r in sink.records() for s in r["resources"][0]["scopes"] for m in s["metrics"] for p in m["points"]]
        ticks = sorted(set(times))[1:]  # the first one of a fresh start has a time of its own
        assert len(ticks) >= 4
        assert [b - a for a, b in zip(ticks, ticks[1:])] == [100_000_000] * (len(ticks) - 1)  # none missing


@needs_baton
def test_program_validates(tmp_path):
    file = baton_file(tmp_path, {"endpoint": "fd00::1:4317"})
    done = subprocess.run([peers.BATON, "validate", "--config", file], capture_output=True, text=True, timeout=20, env=clean_env())
    assert done.returncode == 1
    assert 'write "[fd00::1]:4317"' in done.stderr
    file = baton_file(tmp_path, {"endpoint": "${env:POD_IP}:4317"})
    for address, good in [("10.1.2.3", True), ("fd00::7", False), ("fd00:1:2:3:4:5:6:7", False), ("[fd00::7]", True)]:
        done = subprocess.run([peers.BATON, "validate", "--config", file], capture_output=True, text=True, timeout=20,
                              env=clean_env(POD_IP=address))
        assert (done.returncode == 0) == good, done.stderr
        assert good or f'write "[{address}]:4317"' in done.stderr
    file = baton_file(tmp_path, {"endpoint": "[fd00::1]:4317", "headers": {"authorization": "Bearer s3cr3t"}})
    done = subprocess.run([peers.BATON, "validate", "--config", file], capture_output=True, text=True, timeout=20, env=clean_env())
    assert done.returncode == 0, done.stderr
    done = subprocess.run([peers.BATON, "print-config", "--config", file], capture_output=True, text=True, timeout=20, env=clean_env())
    assert "s3cr3t" not in done.stdout and "[REDACTED]" in done.stdout


@needs_baton
@pytest.mark.parametrize("page", ["debug", "otlp_grpc"])
def test_examples_of_the_documentation(tmp_path, page):
    with open(os.path.join(peers.ROOT, "docs", "components", page + ".md"), encoding="utf-8") as f:
        examples = re.findall(r"^```yaml\n(.*?)^```", f.read(), re.M | re.S)
    assert len(examples) >= 3
    for number, example in enumerate(examples):
        file = tmp_path / f"{number}.yaml"
        file.write_text(example)
        done = subprocess.run([peers.BATON, "validate", "--config", str(file)], capture_output=True, text=True, timeout=20,
                              env=clean_env(OTLP_TOKEN="x"))
        assert done.returncode == 0, example + done.stderr
