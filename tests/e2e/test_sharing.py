"""Several receivers, signals, extensions and Leases in one process."""
import pytest
from harness.replicas import FOLLOWS, LED
from harness.ticks import doubled


def test_metrics_logs_and_traces_of_one_elector_move_together(world):
    def config(name):
        result = world.config(name)
        receivers = {f"dummy/{signal}": dict(result["receivers"]["dummy/foo"]) for signal in ("metrics", "logs", "traces")}
        return dict(result, receivers=receivers,
                    exporters={f"debug/{signal}": world.exporter(name, signal) for signal in ("metrics", "logs", "traces")},
                    service={"extensions": list(result["extensions"]), "pipelines": {
                        signal: {"receivers": [f"dummy/{signal}"], "exporters": [f"debug/{signal}"]}
                        for signal in ("metrics", "logs", "traces")}})
    a = world.start_leader("a", config("a"))
    b = world.start_standby("b", config("b"))
    for signal in ("metrics", "logs", "traces"):
        world.output(a, signal).wait_more(2)
    world.end(a)
    world.expect(b, LED, predecessor="released")
    for signal, kind, count in (("metrics", "Metrics", 5), ("logs", "Logs", 1), ("traces", "Traces", 1)):
        world.output(b, signal).wait_more(2)
        world.check_once("a", "b", output=signal)
        assert {(k, n) for name in "ab" for k, _, n in world.output(name, signal).batches()} == {(kind, count)}


def test_one_receiver_in_three_pipelines_gives_all_signals_of_a_tick_one_time(world):
    def config(name):
        result = world.config(name)
        exporters = {f"debug/{signal}": world.exporter(name, signal) for signal in ("metrics", "logs", "traces")}
        pipelines = {signal: {"receivers": ["dummy/foo"], "exporters": [f"debug/{signal}"]} for signal in ("metrics", "logs", "traces")}
        return dict(result, exporters=exporters, service={"extensions": list(result["extensions"]), "pipelines": pipelines})
    a = world.start_leader("a", config("a"))
    b = world.start_standby("b", config("b"))
    world.output(a, "traces").wait_more(3)
    world.end(a)
    world.expect(b, LED)
    world.output(b, "traces").wait_more(3)
    world.end(b)
    emitted = [world.check_once("a", "b", output=signal) for signal in ("metrics", "logs", "traces")]
    assert emitted[0] == emitted[1] == emitted[2]


def test_two_leases_in_one_process_are_led_apart(world):
    def config(name):
        return world.config(name, {"dummy/foo": "leaderelector/foo", "dummy/bar": "leaderelector/bar"},
                            {f"leaderelector/{x}": world.extension(f"{world.lease}-{x}") for x in ("foo", "bar")})
    a = world.start("a", config("a"))
    for lease in ("foo", "bar"):
        world.expect(a, LED, lease=f"default/{world.lease}-{lease}")
    b = world.start("b", config("b"))
    for lease in ("foo", "bar"):
        world.expect(b, FOLLOWS, lease=f"default/{world.lease}-{lease}")
    # Another name on one of them: b waits, a stops for this receiver alone.
    world.api.edit_lease(f"{world.lease}-bar", lambda lease: lease["spec"].update(holderIdentity="somebody", leaseDurationSeconds=60))
    world.expect(a, "This replica does not lead any more", lease=f"default/{world.lease}-bar")
    before = len(world.output(a, "dummy-bar").ticks())
    world.output(a).wait_more(5)
    assert len(world.output(a, "dummy-bar").ticks()) == before
    world.end(a)
    world.expect(b, LED, lease=f"default/{world.lease}-foo", predecessor="released")
    world.output(b).wait_more(2)
    world.check_once("a", "b")
    assert world.output(b, "dummy-bar").ticks() == []


def test_two_extensions_on_one_lease_share_one_elector(world):
    def config(name):
        return world.config(name, {"dummy/foo": "leaderelector/one", "dummy/bar": "k8s_leader_elector/two"},
                            {"leaderelector/one": world.extension(), "k8s_leader_elector/two": world.extension()})
    a, b = world.start_leader("a", config("a")), world.start_standby("b", config("b"))
    watch = world.watch()
    watch.wait_more(2)
    before = len(watch)
    watch.wait_more(3)
    times = [when for when, _, _ in watch.events[before:before + 3]]
    assert all(after - earlier > 0.8 for earlier, after in zip(times, times[1:])), "both extensions renew"
    world.end(a)
    world.expect(b, LED, predecessor="released")
    for output in ("dummy-foo", "dummy-bar"):
        world.output(b, output).wait_more(2)
        world.check_once("a", "b", output=output)
    assert sum(line.get("msg") == LED for line in a.log()) == 1


def test_two_extensions_on_one_lease_with_other_durations_are_refused(world):
    extensions = {"leaderelector/one": world.extension(), "leaderelector/two": dict(world.extension(), lease_duration="9s")}
    a = world.start("a", world.config("a", {"dummy/foo": "leaderelector/one", "dummy/bar": "leaderelector/two"}, extensions))
    assert a.wait(10) == 1
    assert any("another extension uses the Lease" in text and world.lease in text for text in a.err.texts())


def test_receiver_without_elector_emits_on_every_replica(world):
    def config(name):
        return world.config(name, {"dummy/foo": "leaderelector/foo", "dummy/everywhere": None})
    a, b = world.start_leader("a", config("a")), world.start_standby("b", config("b"))
    for replica in (a, b):
        world.output(replica, "dummy-everywhere").wait_more(4)
    everywhere = world.ticks("a", "b", output="dummy-everywhere")
    assert doubled(*everywhere), "both replicas tick at the same times, so that their data can be told to be the same"
    assert world.missing(everywhere[0]) == [] and world.missing(everywhere[1]) == []
    elected = world.check_once("a", "b")
    assert elected[0] and not elected[1]


@pytest.mark.parametrize("key", ["leaderelector", "leader_elector", "k8s_leader_elector"])
def test_any_spelling_of_the_key_goes_with_any_spelling_of_the_type(world, key):
    extensions = {"k8s_leader_elector": world.extension()}
    a = world.start_leader("a", world.config("a", {"dummy/foo": "k8s_leader_elector"}, extensions, key=key))
    b = world.start_standby("b", world.config("b", {"dummy/foo": "k8s_leader_elector"}, extensions, key=key))
    world.output(a).wait_more(2)
    world.end(a)
    world.expect(b, LED)
    world.output(b).wait_more(1)
    world.check_once("a", "b")
