"""The fencing token on data, as the official OTLP server sees it: whose term made a batch, whatever became of that term since."""
import json
import signal
import urllib.request

import pytest
from harness.api import Sink
from harness.lease import OK, lease, of
from harness.replicas import FOLLOWS, LED
from harness.world import wait_until

pytestmark = pytest.mark.only("apiserver")

NAME, HEADER = "lease.fencing_token", "x-fencing-token"
FENCING = {"resource_attribute": NAME, "scope_attribute": f"{NAME}.scope", "header": "X-Fencing-Token"}


@pytest.fixture
def sinks():
    """One for each replica; {name: Sink}."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = Sink(name, ("--control", "127.0.0.1:0"))
        return made[name]
    yield get
    for sink in made.values():
        sink.stop()


def fault(sink, **effect):
    found = sink.process.out.wait(lambda text: text if text.startswith("control ") else None, 10)
    request = urllib.request.Request(f"http://{found[1].split(' ', 1)[1]}/fault", json.dumps(effect).encode(), method="POST")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


def config(world, sinks, name, fencing=FENCING):
    """Metrics and logs of a gated receiver, and metrics of one that is not, to the replica's own sink."""
    made = world.config(name, {"dummy/foo": "leaderelector/foo", "dummy/free": None},
                        {"leaderelector/foo": world.extension(lease_duration="3s", renew_deadline="2s", retry_period="500ms",
                                                              **({"fencing": fencing} if fencing else {}))})
    made["exporters"] = {"otlp_grpc": {"endpoint": sinks(name).endpoint, "tls": {"insecure": True},
                                       "retry_on_failure": {"initial_interval": "200ms", "randomization_factor": 0, "multiplier": 1}}}
    made["service"]["pipelines"] = {
        "metrics/foo": {"receivers": ["dummy/foo"], "exporters": ["otlp_grpc"]},
        "logs/foo": {"receivers": ["dummy/foo"], "exporters": ["otlp_grpc"]},
        "traces/free": {"receivers": ["dummy/free"], "exporters": ["otlp_grpc"]}}
    return made


def token_of(call):
    """The token of a call, which must be the same in all of its places."""
    found = {call.get("headers", {}).get(HEADER)}
    for resource in call["resources"]:
        found.add(resource["attrs"].get(NAME))
        found.update((scope.get("attrs") or {}).get(f"{NAME}.scope") for scope in resource["scopes"])
    assert len(found) == 1, f"one request names several terms: {found}"
    return found.pop()


def taken(sink):
    """Calls of the gated receiver that were not refused, in order of arrival."""
    return [call for call in sink.calls() if "resources" in call and not call.get("refused") and call["signal"] != "traces"]


def wait_token(sink, token, signals=("metrics", "logs")):
    wait_until(lambda: {call["signal"] for call in taken(sink) if token_of(call) == token} >= set(signals), 20, f"data with the token {token}")


def test_token_changes_with_each_term_and_grows(world, sinks):
    a, b = world.start_leader("a", config(world, sinks, "a")), world.start_standby("b", config(world, sinks, "b"))
    uid = world.api.lease(world.lease)["metadata"]["uid"]
    leaders = [sinks("a"), sinks("b")]
    for term in range(4):
        wait_token(leaders[term % 2], f"{uid}/{term}")
        if term < 3:
            result = lease("yield", *of(world))
            assert result.status == OK, result
    # A crash; then the Lease is made anew, and counts from the beginning under another uid.
    b.signal(signal.SIGKILL)
    world.expect(a, LED, predecessor="expired", transitions=4)
    wait_token(sinks("a"), f"{uid}/4")
    assert world.api.delete_lease(world.lease)[0] == 200
    wait_until(lambda: (world.api.lease(world.lease) or {"metadata": {"uid": uid}})["metadata"]["uid"] != uid, 10, "the Lease is made again")
    other = world.api.lease(world.lease)
    wait_token(sinks("a"), f"{other['metadata']['uid']}/{other['spec']['leaseTransitions']}")
    for sink, terms in ((sinks("a"), [0, 2, 4]), (sinks("b"), [1, 3])):
        tokens = [token_of(call) for call in taken(sink)]
        numbers = [int(token.split("/")[1]) for token in tokens if token.startswith(f"{uid}/")]
        assert numbers == sorted(numbers) and sorted(set(numbers)) == terms
        free = [call for call in sink.calls() if call["signal"] == "traces"]
        assert free and all(token_of(call) is None for call in free), "a receiver without an elector has no term"


def test_retries_of_an_old_term_keep_its_token(world, sinks):
    a, b = world.start_leader("a", config(world, sinks, "a")), world.start_standby("b", config(world, sinks, "b"))
    uid = world.api.lease(world.lease)["metadata"]["uid"]
    wait_token(sinks("a"), f"{uid}/0")
    fault(sinks("a"), code=14, message="not now", times=-1, signal="metrics")
    assert sinks("a").wait_call(lambda call: call.get("refused") and call["signal"] == "metrics", 10)
    result = lease("yield", *of(world))
    assert result.status == OK, result
    wait_token(sinks("b"), f"{uid}/1")
    mark = len(sinks("a").process.out)
    fault(sinks("a"), code=0, times=1)
    late = sinks("a").wait_call(lambda call: "resources" in call and not call.get("refused") and call["signal"] == "metrics", 20, mark)
    assert late and token_of(late[1]) == f"{uid}/0", late
    # The same again in the term after: both terms' requests wait in one queue and do not mix.
    result = lease("yield", *of(world))
    assert result.status == OK, result
    wait_token(sinks("a"), f"{uid}/2")
    assert {token_of(call) for call in taken(sinks("a"))} == {f"{uid}/0", f"{uid}/2"}
    world.expect(b, FOLLOWS, holder="a_uid-of-a")


def test_without_the_key_nothing_is_added(world, sinks):
    world.start_leader("a", config(world, sinks, "a", None))
    wait_until(lambda: len(taken(sinks("a"))) >= 4, 20, "four calls")
    assert {token_of(call) for call in taken(sinks("a"))} == {None}
