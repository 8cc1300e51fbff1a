"""A Deployment of three replicas is rolled out again and again, one more at a time, none unavailable; nobody sees it in the data."""
import os
import random
import signal
import time

import pytest
from harness.ready import get, port_of
from harness.replicas import LED, LOST
from harness.ticks import SECOND
from harness.world import INTERVAL, SHORT, wait_until

ROLLOUTS = int(os.environ.get("ROLLOUTS", "20"))
SEED = int(os.environ.get("ROLLOUT_SEED", time.time()))
REPLICAS = 3


class Deployment:
    """`maxSurge: 1`, `maxUnavailable: 0`: a pod ends when one more than wanted answers 200 on /ready, whichever the controller picks; the next
    one starts at once, while that one still terminates."""

    def __init__(self, world):
        self.world, self.pods, self.ended, self.ports = world, [], [], {}
        for _ in range(REPLICAS):
            self.start()
        self.wait_available(REPLICAS)

    def start(self):
        world, name = self.world, f"pod-{len(self.pods) + len(self.ended)}"
        extensions = {"leaderelector/foo": world.extension(**SHORT, ready_endpoint="127.0.0.1:0")}
        pod = world.start(name, world.config(name, extensions=extensions))
        self.pods.append(pod)
        self.ports[pod] = port_of(world, pod)

    def wait_available(self, count):
        """All at once: one that was ready before may not be any more."""
        wait_until(lambda: sum(get(self.ports[pod])[0] == 200 for pod in self.pods) == count == len(self.pods), 30, f"{count} pods are ready")

    def roll_out(self, order, slowly):
        """`slowly`: pods end at any moment between two ticks; else as fast as they can, so that some never tick."""
        old = list(self.pods)
        order.shuffle(old)
        for pod in old:
            self.start()
            self.wait_available(REPLICAS + 1)
            time.sleep(order.uniform(0, INTERVAL / SECOND) if slowly else 0)
            self.pods.remove(pod)
            self.ended.append(pod)
            pod.signal(signal.SIGTERM)
        self.wait_available(REPLICAS)


@pytest.mark.only("apiserver")
def test_rolling_restarts_lose_and_double_nothing(world):
    print(f"rollouts: seed {SEED}")
    deployment, order = Deployment(world), random.Random(SEED)
    for turn in range(ROLLOUTS):
        deployment.roll_out(order, slowly=turn % 2 == 1)
    for pod in deployment.ended:
        assert pod.wait(15) == 0, f"{pod.name} did not end in order"
        assert not pod.wait_log(LOST, 0), "a rollout is no loss"
    holder = world.api.holder(world.lease)
    leader = next(pod for pod in deployment.pods if holder == f"{pod.name}_uid-of-{pod.name}")
    world.output(leader).wait_more(3)
    everybody = deployment.ended + deployment.pods
    world.check_once(*(pod.name for pod in everybody))
    assert len(everybody) == REPLICAS * (ROLLOUTS + 1)
    assert sum(bool(pod.wait_log(LED, 0)) for pod in everybody) >= ROLLOUTS, "the leader is in each rollout"
