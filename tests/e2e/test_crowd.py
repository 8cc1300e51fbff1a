"""Fifty real processes on one Lease of the real API server."""
import re
import signal
import time

import pytest
from harness.replicas import LED
from harness.world import wait_until

COUNT = 50
DURATIONS = {"lease_duration": "6s", "renew_deadline": "4s", "retry_period": "1s"}
# Two Leases, each renewed every third of its duration, make one request a second, however many replicas there are; some more are the server's
# own. Fifty candidates of client-go would make 16 reads a second.
REQUESTS_PER_SECOND_MOST = 6
FOLLOWER_ANON_BYTES_MOST = 12 << 20
SAMPLE = re.compile(r'^apiserver_request_total\{(.*)\} (\S+)$')


def lease_requests(api):
    """{verb: requests for Leases} that the server has counted."""
    connection = api.connect(timeout=60)
    try:
        connection.request("GET", "/metrics", headers={**api.headers, "Accept": "text/plain"})
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    counts = {}
    for line in lines:
        match = SAMPLE.match(line)
        if match and 'resource="leases"' in match.group(1):
            verb = re.search(r'verb="(\w+)"', match.group(1)).group(1)
            counts[verb] = counts.get(verb, 0) + float(match.group(2))
    return counts


def leader_of(world, replicas):
    holder = world.api.holder(world.lease)
    return next((r for r in replicas if holder == f"{r.name}_uid-of-{r.name}"), None)


def wait_leader(world, replicas, other_than=None):
    """The replica that holds the Lease, and has said so."""
    def found():
        leader = leader_of(world, replicas)
        return leader if leader not in (None, other_than) and leader.wait_log(LED, 0) else None
    return wait_until(found, 60, "a replica leads")


@pytest.mark.only("apiserver")
def test_fifty_processes(world):
    def config(name):
        return world.config(name, extensions={"leaderelector/foo": world.extension(**DURATIONS)})
    replicas = [world.start(name, config(name)) for name in (f"r{number:02}" for number in range(COUNT))]
    for replica in replicas:
        world.expect(replica, "Campaigning for the Lease", timeout=60)
    leader = wait_leader(world, replicas)
    watch = world.watch()
    watch.wait_more(2)
    # In peace the number of requests does not grow with the number of replicas.
    before, began = lease_requests(world.api), time.monotonic()
    watch.wait_more(3, 60)
    seconds = time.monotonic() - began
    after = lease_requests(world.api)
    by_verb = {verb: round((after[verb] - before.get(verb, 0)) / seconds, 2) for verb in after}
    follower = next(r for r in replicas if r is not leader)
    memory = follower.memory()
    print(f"{COUNT} processes, {seconds:.1f} s: requests a second {by_verb}; a follower's VmRSS {memory['VmRSS'] >> 10} KiB, "
          f"RssAnon {memory['RssAnon'] >> 10} KiB")
    assert sum(by_verb.values()) < REQUESTS_PER_SECOND_MOST, by_verb
    assert memory["RssAnon"] < FOLLOWER_ANON_BYTES_MOST, memory
    # A planned change
    signalled = leader.signal(signal.SIGTERM)
    second = wait_leader(world, replicas, leader)
    print(f"SIGTERM to `This replica leads now` in {(second.wait_log(LED, 0)[0] - signalled) * 1000:.0f} ms")
    world.output(second).wait_more(3)
    assert leader.wait(15) == 0
    names = [r.name for r in replicas]
    planned = sorted(tick for ticks in world.ticks(*names) for tick in ticks)
    world.check_once(*names)
    # A crash
    killed = second.signal(signal.SIGKILL)
    third = wait_leader(world, replicas, second)
    print(f"SIGKILL to `This replica leads now` in {third.wait_log(LED, 0)[0] - killed:.1f} s")
    world.output(third).wait_more(3)
    emitted = world.check_no_double(*names)
    assert sum(len(ticks) > 0 for ticks in emitted) == 3, "others than the three leaders have emitted"
    assert max(planned) < max(emitted[names.index(third.name)])
