"""A rolling update from the collector that had singleton_receiver_creator to baton, and back: both compete for the Lease of the
configuration that they share. The old side is a client-go candidate set up as that receiver was: host name as identity, release on
cancel. In a pod the host name is the pod's name; two old pods with `hostNetwork` on one node have the node's."""
import signal
import socket

import pytest
import yaml
from harness.candidate import check_never_two, expect, start_candidate, terms
from harness.replicas import FOLLOWS, LED
from harness.ticks import SECOND
from harness.world import INTERVAL, SHORT, SHORT_DURATION

pytestmark = pytest.mark.only("apiserver")

POLL_S = 0.5 * 2.2  # how late a candidate may see that the Lease is free: retry period with client-go's jitter
SLACK_S = 1.5  # a busy machine; less than the Lease without a release


class Rollout:
    """Pods of both sides on one Lease, and what the Lease said all the time."""

    def __init__(self, world):
        self.world, self.old, self.new = world, [], []
        world.api.create_lease(world.lease, spec={})
        self.watch = world.watch()

    def start_old(self, **options):
        pod = start_candidate(self.world, f"old-{len(self.old)}", **options)
        self.old.append(pod)
        return pod

    def start_new(self, expected=FOLLOWS):
        """With the configuration of the old pods, as it is."""
        world, name = self.world, f"new-{len(self.new)}"
        singleton = {
            "auth_type": "kubeConfig", "leader_election": {"lease_name": world.lease, "lease_namespace": "default", **SHORT},
            "receiver": {"dummy/foo": {"interval": f"{INTERVAL // 1_000_000}ms", "allow_short_interval": True}}}
        config = {"receivers": {"singleton_receiver_creator/foo": singleton}, "exporters": {"debug": world.exporter(name, "dummy-foo")},
                  "service": {"telemetry": {"logs": {"encoding": "json"}},
                              "pipelines": {"metrics": {"receivers": ["singleton_receiver_creator/foo"], "exporters": ["debug"]}}}}
        pod = world.start(name, yaml.safe_dump(config))
        world.expect(pod, expected)
        self.new.append(pod)
        return pod

    def wait_leads(self, pod):
        """It is the holder and has emitted; returns when it was told."""
        if pod in self.old:
            began = expect(pod, "started") / SECOND
            expect(pod, "tick")
        else:
            began, _ = self.world.expect(pod, LED)
            self.world.output(pod).wait(lambda ticks: len(ticks) >= 2, 20, f"two ticks of {pod.name}")
        return began

    def replace(self, gone, heirs, number=signal.SIGTERM):
        """Ends the leader; returns the heir and the seconds that nobody held the Lease after the signal."""
        seen = len(self.watch)
        when = gone.signal(number)
        taken = self.watch.wait_holder(lambda holder: holder and not holder.startswith(gone.name), 20, seen)
        assert taken, f"nobody took over from {gone.name}"
        assert gone.wait(15) == (0 if number == signal.SIGTERM else -number)
        heir = next(pod for pod in heirs if taken[1]["spec"]["holderIdentity"].startswith(pod.name))
        self.wait_leads(heir)
        return heir, taken[0] - when

    def check(self, *path):
        """Never two emitters, each term in the Lease was led by its holder, and transitions count the terms."""
        world = self.world
        names = [pod.name for pod in self.new]
        check_never_two(world, self.old, *names)
        spans = sorted(span for pod in self.old for span in terms(pod))
        assert all(end < begin for (_, end), (begin, _) in zip(spans, spans[1:])), f"two old pods led at once: {spans}"
        holders = []
        for _, _, lease in self.watch.events:
            holder, count = lease["spec"].get("holderIdentity", ""), lease["spec"].get("leaseTransitions", 0)
            if holder and (not holders or holders[-1][0] != holder):
                holders.append((holder, count))
        assert [holder.split("_")[0] for holder, _ in holders] == [pod.name for pod in path]
        assert [count - holders[0][1] for _, count in holders] == list(range(len(path)))
        for pod in path:
            led = len(terms(pod)) if pod in self.old else len(world.output(pod).ticks()) > 0
            assert led == 1, f"{pod.name} held the Lease and did not lead once"
        return names


def test_rolling_update_to_baton_and_back(world):
    rollout = Rollout(world)
    old0 = rollout.start_old()
    rollout.wait_leads(old0)
    old1 = rollout.start_old()
    expect(old1, "leader old-0")
    # There: a pod more, then one of the old less. The leader goes first; a standby that goes changes nothing.
    new0 = rollout.start_new()
    first, free = rollout.replace(old0, [old1, new0])
    assert free < SLACK_S + POLL_S
    new1 = rollout.start_new()
    if first is old1:
        second, free = rollout.replace(old1, [new0, new1])
        assert free < SLACK_S
        path = [old0, old1, second]
    else:
        old1.signal(signal.SIGTERM)
        assert old1.wait(15) == 0
        path = [old0, new0]
    # From one baton to the next, and back: each release is taken up at once, or at the next look of client-go.
    lead = path[-1]
    other = new1 if lead is new0 else new0
    old2 = rollout.start_old()
    expect(old2, f"leader {lead.name}_uid-of-{lead.name}")
    lead, free = rollout.replace(lead, [other, old2])
    assert free < SLACK_S + POLL_S
    path.append(lead)
    old3 = rollout.start_old()
    if lead is other:
        expect(old3, f"leader {lead.name}_uid-of-{lead.name}")
        lead, free = rollout.replace(lead, [old2, old3])
        assert free < SLACK_S + POLL_S
        path.append(lead)
    else:
        world.end(other)
    rollout.check(*path)
    assert world.spec()["holderIdentity"] == lead.name


def test_leader_alone_is_replaced_many_times(world):
    """Only one pod stands by at a time, so that each change crosses from one side to the other."""
    rollout = Rollout(world)
    lead = rollout.start_old()
    rollout.wait_leads(lead)
    path = [lead]
    for turn in range(6):
        if turn % 2 == 0:
            heir = rollout.start_new()
        else:
            heir = rollout.start_old()
            expect(heir, f"leader {lead.name}_uid-of-{lead.name}")
        lead, free = rollout.replace(lead, [heir])
        assert lead is heir and free < SLACK_S + (POLL_S if heir in rollout.old else 0)
        path.append(lead)
    rollout.check(*path)
    # Inside a term of baton no tick is missing.
    for pod in rollout.new:
        assert world.missing(world.output(pod).ticks()) == []


def test_killed_in_the_middle_of_the_rollout(world):
    rollout = Rollout(world)
    old0 = rollout.start_old()
    rollout.wait_leads(old0)
    new0 = rollout.start_new()
    rollout.watch.wait_more(1)
    lead, free = rollout.replace(old0, [new0], signal.SIGKILL)
    assert SHORT_DURATION - 0.8 < free < SHORT_DURATION + SLACK_S
    old1 = rollout.start_old()
    expect(old1, "leader new-0_uid-of-new-0")
    rollout.watch.wait_more(2)
    lead, free = rollout.replace(new0, [old1], signal.SIGKILL)
    assert SHORT_DURATION - 1.2 < free < SHORT_DURATION + POLL_S + SLACK_S
    new1 = rollout.start_new()
    lead, free = rollout.replace(old1, [new1])
    assert free < SLACK_S
    rollout.check(old0, new0, old1, new1)


def test_old_pods_that_share_a_host_name(world):
    """The fault of the old side that baton can see and not mend: both believe that they lead, for the holder on the Lease has their name.
    baton stays behind them, takes the first release, and from then on is alone as soon as the other one has noticed."""
    rollout = Rollout(world)
    host = socket.gethostname()
    pods = [rollout.start_old(identity="") for _ in range(2)]
    for pod in pods:
        expect(pod, "started")
    assert world.spec()["holderIdentity"] == host and world.spec()["leaseTransitions"] <= 1
    new = rollout.start_new()
    rollout.watch.wait_more(3)
    for pod in pods:
        expect(pod, "tick", start=len(pod.out))
    assert world.output(new).ticks() == []
    transitions, seen = world.spec()["leaseTransitions"], len(rollout.watch)
    pods[0].signal(signal.SIGTERM)
    assert pods[0].wait(15) == 0
    _, free = rollout.watch.wait_holder(lambda holder: not holder, 20, seen)
    seen = rollout.watch.events.index(next(event for event in rollout.watch.events if event[2] == free))
    _, taken = rollout.watch.wait_holder(bool, 20, seen)
    assert taken["spec"]["leaseTransitions"] == transitions + 1
    if taken["spec"]["holderIdentity"] == host:  # its look came in the few milliseconds before baton's claim
        pods[1].signal(signal.SIGTERM)
        world.expect(new, LED)
        return
    world.expect(new, LED)
    expect(pods[1], "stopped")  # its renew deadline at the latest; until then both emit
    mark = len(pods[1].out)
    world.output(new).wait_more(5)
    assert [text for text in pods[1].out.texts(mark) if text.endswith(" tick")] == []
    world.end(new)
    expect(pods[1], "started", start=mark)
