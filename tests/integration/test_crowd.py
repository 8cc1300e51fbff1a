"""A thousand candidates on one Lease of kubesim, each with its own client and connections (crowd_driver.c): what it costs while nothing
happens, and that a change of leader is no stampede."""
import json
import os
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness.api import ApiServer  # noqa: E402
import peers  # noqa: E402
from peers import wait_for  # noqa: E402

DRIVER = os.path.join(peers.BUILD, "tests", "integration", "crowd_driver")
USER = "baton-a"  # the tests ask as another one
COUNT = 1000
DURATION_S = 15
# Requests and watch events on both Leases, each second
LOAD_MOST = 80
WINDOWS = 4
CHANGE_MOST = 100  # in the few seconds of a change of leader, in which reads may come a little closer together
# Writes that lost a race, at one change of leader
CONFLICTS_MOST = 5
WAIT_S = 120  # the machine may be busy


class Crowd(peers.Process):
    def __init__(self, kubeconfig, lease, **options):
        super().__init__([DRIVER, kubeconfig, lease, "default", *(f"{key}={value}" for key, value in options.items())],
                         stdin=subprocess.PIPE)

    def ask(self, line):
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()
        try:
            return json.loads(self.out_lines.get(timeout=WAIT_S))
        except Exception:
            raise AssertionError(f"no answer to {line!r}; exit status {self.process.poll()}; log:\n{self.log()[-3000:]}") from None

    def state(self):
        return self.ask("state")

    def leader(self, other_than=None):
        """The number of the only one that leads."""
        def found():
            leaders = self.state()["leaders"]
            return leaders if len(leaders) == 1 and leaders[0] != other_than else None
        return wait_for(found, lambda: f"one leader; {self.state()}\n{self.log()[-3000:]}", WAIT_S)[0]


class Traffic:
    """What kubesim was asked about Leases since the last look."""

    def __init__(self, api):
        self.api = api
        self.reset()

    def reset(self):
        self.began = time.monotonic()
        self.api.sim("DELETE", "requests")

    def look(self):
        """(seconds, requests by (verb, status), watch events)"""
        found = self.api.sim("GET", "requests?last=10000")
        seconds = time.monotonic() - self.began
        requests, events, watchers = {}, 0, {}
        for watch in found["watches"]:
            if watch["resource"] == "leases" and watch["user"] == USER:
                watchers[watch["name"]] = watchers.get(watch["name"], 0) + 1
        for request in found["requests"]:
            if request.get("resource") != "leases" or request.get("user") != USER:
                continue
            key = (request["verb"], request["status"])
            requests[key] = requests.get(key, 0) + 1
            if request["verb"] in ("create", "update") and request["status"] in (200, 201):
                events += watchers.get(request.get("name", ""), 0)
        return seconds, requests, events


def renewed(api, lease, count):
    """Until the Lease was written so often."""
    versions = set()

    def enough():
        versions.add(api.lease(lease)["metadata"]["resourceVersion"])
        return len(versions) > count
    wait_for(enough, f"{count} renewals", WAIT_S)


@pytest.fixture
def server(tmp_path):
    server = ApiServer("kubesim", str(tmp_path / "kubesim"))
    yield server
    server.stop()


def test_thousand_candidates(server):
    api = server.api
    with Crowd(server.kubeconfig_of(USER), "crowd", count=COUNT, duration_ms=DURATION_S * 1000, standby="auto", crowd=1,
               spread_ms=15000) as crowd:
        wait_for(lambda: crowd.state()["started"] == COUNT, "all are started", WAIT_S)
        leader = crowd.leader()
        standby = wait_for(lambda: api.holder("crowd-standby"), "a standby", WAIT_S)
        renewed(api, "crowd", 2)
        traffic = Traffic(api)
        for _ in range(WINDOWS):
            failed = crowd.state()["calls_failed"]
            traffic.reset()
            renewed(api, "crowd", 7)  # more than two durations, so that everybody has read
            seconds, requests, events = traffic.look()
            state = crowd.state()
            failed = state["calls_failed"] - failed
            load = (sum(requests.values()) + events) / seconds
            print(f"{COUNT} candidates, {seconds:.0f} s: {load:.1f} requests and watch events a second ({requests}, {events} events), "
                  f"{failed} calls failed; {state['resident'] >> 20} MiB")
            if failed == 0:  # else the machine was too busy to answer in time, and what was repeated is no peace
                break
        assert failed == 0, "no time without failed calls"
        assert load <= LOAD_MOST

        # In order: the standby leads, another one takes its place.
        traffic.reset()
        crowd.ask(f"release {leader}")
        second = crowd.leader(leader)
        assert f"candidate {second}" == standby
        standby = wait_for(lambda: (api.holder("crowd-standby") or standby) not in ("", standby) and api.holder("crowd-standby"),
                           "another standby", WAIT_S)
        renewed(api, "crowd", 1)  # latecomers included
        check_no_stampede(traffic, "release")

        # A crash: the standby claims at the expiry.
        traffic.reset()
        crowd.ask(f"crash {second}")
        third = crowd.leader(second)
        assert f"candidate {third}" == standby
        wait_for(lambda: api.holder("crowd-standby") not in ("", None, standby), "another standby", WAIT_S)
        renewed(api, "crowd", 1)
        check_no_stampede(traffic, "crash")

        state = crowd.state()
        assert state["may_emit_most"] == 1, "two gates were open at the same time"
        assert state["terms_lost"] == 0, state


def check_no_stampede(traffic, what):
    seconds, requests, events = traffic.look()
    conflicts = sum(count for (_, status), count in requests.items() if status == 409)
    print(f"{what}: {seconds:.1f} s, {requests}, {events} events, {conflicts} conflicts")
    assert conflicts <= CONFLICTS_MOST, requests
    assert (sum(requests.values()) + events) / max(seconds, 1) <= CHANGE_MOST, requests
