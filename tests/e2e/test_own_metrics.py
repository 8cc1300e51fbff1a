"""Own metrics as a scraper sees them: elections through a hand-over, queues, watches, the old names, reload, and an address that is taken."""
import signal
import socket

import pytest
from harness.cluster import Cluster
from harness.metrics import fetch, free_port, lint, page, reader
from harness.world import wait_until

GATE_S = 2  # of world.SHORT: lease_duration less safety_margin


def with_metrics(config, metrics):
    config["service"].setdefault("telemetry", {})["metrics"] = metrics
    return config


def election(world, port, name):
    return page(port).get(f"baton_leader_elector_{name}", lease=world.lease, namespace="default")


def test_leader_and_standby_through_a_hand_over(world):
    ports = {"a": free_port(), "b": free_port()}
    old = {"leaderelector/foo": world.extension(compat_metrics="singleton_receiver_creator", lease_duration="3s", renew_deadline="2s",
                                                retry_period="500ms")}
    configs = {name: with_metrics(world.config(name, extensions=old), reader(port)) for name, port in ports.items()}
    a = world.start_leader("a", configs["a"])
    b = world.start_standby("b", configs["b"])
    wait_until(lambda: election(world, ports["a"], "renewals") >= 2, 20, "two renewals")
    leader, standby = page(ports["a"]), page(ports["b"])
    labels = {"lease": world.lease, "namespace": "default"}
    assert leader.get("baton_leader_elector_is_leader", **labels) == 1
    assert leader.get("baton_leader_elector_terms", **labels) == 1
    assert leader.get("baton_leader_elector_terms_lost", **labels) == 0
    assert 0 <= leader.get("baton_leader_elector_last_renewal_age_seconds", **labels) < GATE_S
    assert 0 < leader.get("baton_leader_elector_gate_open_seconds", **labels) <= GATE_S
    assert leader.get("baton_receiver_active", receiver="dummy/foo") == 1
    assert leader.get("baton_receiver_ticks", receiver="dummy/foo", result="emitted") >= 1
    assert leader.get("otelcol_receiver_accepted_metric_points", receiver="dummy/foo", transport="") >= 5
    assert leader.get("otelcol_exporter_sent_metric_points", exporter="debug/dummy-foo") >= 5
    assert standby.get("baton_leader_elector_is_leader", **labels) == 0
    assert standby.get("baton_leader_elector_terms", **labels) == 0
    assert standby.get("baton_leader_elector_last_renewal_age_seconds", **labels) is None
    assert standby.get("baton_leader_elector_gate_open_seconds", **labels) == 0
    assert standby.get("baton_receiver_active", receiver="dummy/foo") == 0
    assert standby.get("baton_receiver_ticks", receiver="dummy/foo", result="emitted") == 0
    old_values = lambda p: [p.get(f"otelcol_receiver_singleton_{n}", lease=world.lease)
                            for n in ("leader_status", "lease_acquired_total", "lease_lost_total")]
    assert old_values(leader) == [1, 1, 1] and old_values(standby) == [0, 0, 1]
    assert leader.types["otelcol_receiver_singleton_leader_status"] == "gauge"
    assert leader.get("otelcol_receiver_singleton_lease_slowpath_total", lease=world.lease) == 0
    world.end(a)
    wait_until(lambda: election(world, ports["b"], "is_leader") == 1, 20, "b leads")
    wait_until(lambda: page(ports["b"]).get("baton_receiver_ticks", receiver="dummy/foo", result="emitted") >= 1, 20, "a tick of b")
    assert old_values(page(ports["b"])) == [1, 1, 1]
    with pytest.raises(OSError):
        fetch(ports["a"])
    # A foreign hand takes the Lease: the term is lost.
    world.api.edit_lease(world.lease, lambda lease: lease["spec"].update(holderIdentity="somebody-else"))
    wait_until(lambda: election(world, ports["b"], "terms_lost") == 1, 20, "b lost its term")
    assert page(ports["b"]).get("otelcol_receiver_singleton_lease_lost_total", lease=world.lease) == 2
    assert b.alive()


def test_the_old_names_only_on_request(world):
    port = free_port()
    world.start_leader("a", with_metrics(world.config("a"), reader(port)))
    assert "singleton" not in fetch(port)[2]


def test_every_suffix_for_a_linter(world):
    port = free_port()
    settings = {"without_type_suffix": False, "without_units": False, "without_scope_info": False,
                "with_resource_constant_labels": {"included": ["service.name"]}}
    config = with_metrics(world.config("a"), reader(port, **settings))
    config["service"]["telemetry"]["resource"] = {"service.name": 'quo"te\\d\nname'}
    world.start_leader("a", config)
    found = page(port)
    assert found.get("otelcol_process_uptime_seconds_total", service_name='quo"te\\d\nname', otel_scope_name="baton") > 0
    assert found.get("otelcol_process_memory_rss_bytes") > 1 << 20
    assert found.get("otelcol_process_cpu_seconds_total") > 0
    assert all(name.endswith("_total") for name, kind in found.types.items() if kind == "counter")
    assert found.get("target_info", service_name='quo"te\\d\nname') == 1
    assert lint(fetch(port)[2]) == ""
    assert fetch(port, path="/")[0] == 404


def test_the_queue_of_a_backend_that_is_away(world):
    port, away = free_port(), free_port()
    config = with_metrics(world.config("a", {"dummy/foo": None}, extensions={}), reader(port))
    config["exporters"] = {"otlp_grpc": {"endpoint": f"127.0.0.1:{away}", "tls": {"insecure": True}, "sending_queue": {"queue_size": 7},
                                         "retry_on_failure": {"initial_interval": "100ms", "max_interval": "100ms"}}}
    for pipeline in config["service"]["pipelines"].values():
        pipeline["exporters"] = ["otlp_grpc"]
    world.start("a", config)
    queue = lambda name: page(port).get(f"otelcol_exporter_queue_{name}", exporter="otlp_grpc", data_type="metrics")
    wait_until(lambda: is_open(port) and queue("size") == 7, 30, "a full queue")
    assert queue("capacity") == 7
    found = page(port)
    assert found.get("baton_exporter_queue_bytes", exporter="otlp_grpc") > 0
    assert found.get("baton_exporter_retries", exporter="otlp_grpc") > 0
    assert found.get("otelcol_exporter_sent_metric_points", exporter="otlp_grpc") == 0


def is_open(port, host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        return s.connect_ex((host, port)) == 0


def test_watches_by_resource(world):
    port = free_port()
    c = Cluster(world.api, f"ns-{world.lease}"[:60].strip("-"))
    c.create_pods(7)
    config = {
        "receivers": {"k8s_cluster": {"auth_type": "kubeConfig", "collection_interval": "500ms", "namespaces": [c.namespace]}},
        "exporters": {"debug": world.exporter("a", "all")},
        "service": {"pipelines": {"metrics": {"receivers": ["k8s_cluster"], "exporters": ["debug"]}}},
    }
    world.start("a", with_metrics(config, reader(port)))
    pods = lambda name: page(port).get(f"baton_watch_{name}", resource="v1/pods", namespace=c.namespace, selector="")
    wait_until(lambda: is_open(port) and pods("objects") == 7 and pods("requests") >= 1, 20, "seven pods")
    found = page(port)
    assert pods("store_bytes") > 7 * 200
    assert pods("events") >= 7 and pods("received_bytes") > 0 and pods("decode_failures") == 0
    assert found.get("baton_object_pool_bytes") >= pods("store_bytes")
    assert len(found.all("baton_watch_objects")) > 5
    c.delete("pods", "pod-0")
    wait_until(lambda: pods("objects") == 6, 20, "six pods")


def test_a_reload_moves_the_page(world):
    first, second = free_port(), free_port()
    a = world.start_leader("a", with_metrics(world.config("a"), reader(first)))
    uptime = page(first).get("otelcol_process_uptime")

    def reload(metrics, line):
        a.write_config(with_metrics(world.config("a"), metrics))
        seen = len(a.err)
        a.signal(signal.SIGHUP)
        assert a.wait_log(line, 10, start=seen)

    reload(reader(second), "Everything is ready")
    assert not is_open(first)
    assert page(second).get("otelcol_process_uptime") > uptime
    with socket.socket() as s:
        s.bind(("127.0.0.1", first))
        s.listen()
        reload(reader(first), "Reload failed; the old configuration goes on")
    assert page(second).get("baton_leader_elector_is_leader", lease=world.lease) == 1
    reload({"level": "none"}, "Everything is ready")
    assert not is_open(second)
    reload(reader(first), "Everything is ready")
    page(first)
    assert page(first).get("baton_leader_elector_terms", lease=world.lease) == 1  # no reload cost the Lease
    world.end(a)
    assert not is_open(first)


def test_an_address_that_is_taken(world):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        a = world.start("a", with_metrics(world.config("a"), reader(port)))
        assert a.wait(20) == 1
        assert any(f"cannot listen on 127.0.0.1:{port}: Address already in use" in str(line.get("error", "")) for line in a.log())
    assert world.output("a").ticks() == []
    # The default address costs no data, whoever has it.
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", 8888))
            s.listen()
        except OSError:
            pass  # somebody else has it
        b = world.start_leader("b")
        said = [line for line in b.log() if line.get("msg", "").startswith("Own metrics are not served yet")]
        assert len(said) == 1 and said[0]["level"] == "warn"
        world.output("b").wait_more(3)


@pytest.mark.ipv6
def test_on_ipv6_as_well(world, host):
    port = free_port(host)
    world.start_leader("a", with_metrics(world.config("a"), reader(port, host)))
    assert page(port, host).get("baton_leader_elector_is_leader", lease=world.lease) == 1
