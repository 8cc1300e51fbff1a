"""A Deployment of three replicas is rolled out again and again: one more at a time, none unavailable; nobody sees it in the data."""
import os

import pytest
from harness.replicas import FOLLOWS, LED
from harness.world import INTERVAL

ROLLOUTS = int(os.environ.get("ROLLOUTS", "20"))
REPLICAS = 3


def ready(replica):
    """As a readiness probe would find it: it leads or stands by."""
    assert replica.err.wait(lambda text: LED in text or FOLLOWS in text, 30), f"{replica.name} does not become ready"


@pytest.mark.only("apiserver")
def test_rolling_restarts_lose_and_double_nothing(world):
    names = []

    def start():
        names.append(f"pod-{len(names)}")
        replica = world.start(names[-1])
        ready(replica)
        return replica
    pods = [start() for _ in range(REPLICAS)]
    for _ in range(ROLLOUTS):
        old, pods = pods, []
        for pod in old:
            pods.append(start())
            world.end(pod)
    holder = world.api.holder(world.lease)
    leader = next(pod for pod in pods if holder == f"{pod.name}_uid-of-{pod.name}")
    world.output(leader).wait_more(3)
    world.check_once(*names)
    assert INTERVAL and len(names) == REPLICAS * (ROLLOUTS + 1)
