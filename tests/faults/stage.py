"""Where one fault is played: a Lease, replicas, a link between each replica and the API server and one to the backend, and the backend, which
is one OTLP sink with an address for each replica, so that the order of arrival over all of them is known."""
import collections
import functools
import json
import os
import signal
import time
import urllib.request

import yaml
from checker import SECOND, Allowed, arrival_of, check
from harness import standstill
from harness.api import Sink
from harness.clock import Clock
from harness.replicas import FOLLOWS, LED, LOST, RELEASED, time_ns
from harness.world import World

AGAIN = "This replica leads again"
NAMES = "abcdef"
PATIENCE = 120  # nothing takes so long but what never comes


class Timing:
    """Durations of the election and the receivers' interval, in seconds."""

    def __init__(self, lease, renew, retry, margin, interval_ms):
        self.lease, self.renew, self.retry, self.margin, self.interval_ms = lease, renew, retry, margin, interval_ms
        self.interval = interval_ms / 1000

    def settings(self):
        return {"lease_duration": f"{self.lease}s", "renew_deadline": f"{self.renew}s", "retry_period": f"{self.retry * 1000:.0f}ms",
                "safety_margin": f"{self.margin * 1000:.0f}ms"}


SHORT = Timing(3, 2, 0.5, 0.3, 200)
DEFAULTS = Timing(15, 10, 2, 1, 1000)
TIMINGS = {"short": SHORT, "defaults": DEFAULTS}


class Backend:
    """The sink, as a list of arrivals."""

    def __init__(self, names):
        arguments = ["--control", "127.0.0.1:0"]
        for name in names[1:]:
            arguments += ["--listen", "127.0.0.1:0", "--name", name]
        self.sink = Sink(names[0], arguments)
        out = self.sink.process.out
        assert out.wait(lambda text: text.startswith("control "), 20), "the sink gives no control address"
        addresses = [text.split(" ", 1)[1] for text in out.texts() if text.startswith("listening ")]
        self.control = next(text.split(" ", 1)[1] for text in out.texts() if text.startswith("control "))
        self.addresses = dict(zip(names, addresses))

    def mark(self):
        """A place in the order of arrival."""
        return len(self.sink.process.out)

    def wait(self, count=1, peers=None, start=0, timeout=PATIENCE, of_one=False):
        """Until `count` batches of these replicas (`of_one`: of one of them) have come since `start`; returns the last one as (time, arrival)."""
        came = collections.Counter()

        def accept(text):
            if not text.startswith("{"):
                return None
            head = text[:200]  # the peer is at the beginning; nothing is decoded in vain
            if peers is not None and not any(f'"peer":"{peer}"' in head for peer in peers):
                return None
            arrival = arrival_of(json.loads(text))
            if arrival is None:
                return None
            key = arrival.peer if of_one else "all"
            came[key] += 1
            return arrival if came[key] == count else None
        found = self.sink.process.out.wait(accept, timeout, start)
        assert found, f"not {count} batches of {peers or 'anybody'} came in {timeout} s, but {dict(came)}"
        return found

    def more(self, count, peers=None, timeout=PATIENCE):
        """So many batches more than now."""
        return self.wait(count, peers, self.mark(), timeout)

    def arrivals(self, start=0):
        calls = (json.loads(text) for text in self.sink.process.out.texts(start) if text.startswith("{"))
        return [a for a in map(arrival_of, calls) if a]

    def fault(self, **fault):
        """The next calls fail, see tests/peers/cmd/otlpsink/control.go."""
        self._post("fault", {"times": -1, **fault})

    def clear(self):
        self._post("clear", {})

    def _post(self, what, body):
        with urllib.request.urlopen(f"http://{self.control}/{what}", json.dumps(body).encode(), timeout=10):
            pass

    def stop(self):
        self.sink.stop()


class Stage(World):
    def __init__(self, server, proxy, clocks, folder, lease, fault, timing=SHORT, standby="auto", names=NAMES):
        super().__init__(server, folder, lease)
        self.proxy, self.clocks, self.fault, self.timing, self.standby = proxy, clocks, fault, timing, standby
        self.backend = Backend(names)
        self.allowed = Allowed()
        self.replicas, self.api_links, self.backend_links, self.own_clocks = {}, {}, {}, []
        self.may_have_ended, self.identities = set(), {}
        self.lease_watch = None
        self.skip_reasons = [standstill.NOT_RUN]  # ticks that a replica skips for these are not missing

    # -- links and configuration --

    def link(self, replica):
        """Between the replica (or its name) and the API server."""
        return self.api_links[getattr(replica, "name", replica)]

    def backend_link(self, replica):
        return self.backend_links[getattr(replica, "name", replica)]

    def kubeconfig(self, name, user, server=None, **change):
        """The user's, with the link's address (and certificate) in the place of the server's."""
        server = server or self.server
        link = self.proxy.link(f"{self.lease}.{name}", server.url.removeprefix("https://"), self.fault.web)
        self.api_links[name] = link
        with open(server.kubeconfig_of(user)) as f:
            config = yaml.safe_load(f)
        cluster = config["clusters"][0]["cluster"]
        cluster["server"] = f"https://{link.address}"
        if link.ca:
            cluster.pop("certificate-authority-data", None)
            cluster["certificate-authority"] = self.write(f"{name}.ca.crt", link.ca)
        config["users"][0]["user"].update(change)
        return self.write(f"{name}.kubeconfig", yaml.safe_dump(config))

    def write(self, name, text):
        """Replaced as a whole, so that nobody reads half of it."""
        path = os.path.join(self.folder, name)
        with open(f"{path}.new", "w") as f:
            f.write(text)
        os.rename(f"{path}.new", path)
        return path

    def configuration(self, name, signals=("metrics",), exporter=None, leases=None, pipelines=None, **extension):
        """`leases`: {receiver id: name of its Lease}; `pipelines`: {signal: [receiver id]}, all receivers in each of `signals` if not given. One
        consumer: with more, an exporter that retries sends one replica's own ticks in any order."""
        leases = leases or {"dummy/foo": self.lease}
        pipelines = pipelines or {one: list(leases) for one in signals}
        link = self.backend_links[name] = self.proxy.link(f"{self.lease}.{name}.backend", self.backend.addresses[name])
        electors = {lease: f"leaderelector/{number}" for number, lease in enumerate(dict.fromkeys(leases.values()))}
        settings = {"auth_type": "kubeConfig", "lease_namespace": "default", **self.timing.settings(), "standby": self.standby, **extension}
        return {
            "receivers": {receiver: {"interval": f"{self.timing.interval_ms}ms", "allow_short_interval": True, "leaderelector": electors[lease]}
                          for receiver, lease in leases.items()},
            "extensions": {elector: {**settings, "lease_name": lease} for lease, elector in electors.items()},
            "exporters": {"otlp_grpc": {
                "endpoint": link.address, "tls": {"insecure": True}, "compression": "none", "timeout": "2s",
                "retry_on_failure": {"initial_interval": "100ms", "max_interval": "300ms"},
                "sending_queue": {"num_consumers": 1}, **(exporter or {})}},
            "service": {"telemetry": {"metrics": {"level": "none"}},  # other suites run beside, and need the default port
                        "extensions": list(electors.values()),
                        "pipelines": {one: {"receivers": of, "exporters": ["otlp_grpc"]} for one, of in pipelines.items()}},
        }

    # -- replicas --

    def start(self, name, expect=None, user="admin", clock=None, env=None, change=None, server=None, kubeconfig=None, program=None, **settings):
        """`expect`: a log line to wait for; `clock`: arguments of Clock; `change`: members of the kubeconfig's user."""
        if self.lease_watch is None:
            self.lease_watch = self.watch()
        env = dict(env or {})
        if clock is not None:
            own = Clock(self.clocks, os.path.join(self.folder, f"{name}.clock"), **clock)
            self.own_clocks.append(own)
            env.update(own.env())
        replica = super().start(name, self.configuration(name, **settings), kubeconfig=kubeconfig or self.kubeconfig(name, user, server, **(change or {})),
                                env=env, **({"program": program} if program else {}))
        self.identities[name] = f"{env.get('POD_NAME', name)}_{env.get('POD_UID', f'uid-of-{name}')}"
        replica.clock = self.own_clocks[-1] if clock is not None else None
        self.replicas[name] = replica
        if expect:
            self.expect(replica, expect, PATIENCE)
        return replica

    def start_leader(self, name="a", **options):
        return self.start(name, LED, **options)

    def start_standby(self, name="b", **options):
        return self.start(name, FOLLOWS, **options)

    def pair(self, **options):
        """a leads and has ticked and renewed, b stands by."""
        a, b = self.start_leader("a", **options), self.start_standby("b", **options)
        self.settle(a)
        return a, b

    def pair_under_back_pressure(self):
        """As a pair; a's queue is full and a tick half collected, until its link to the backend is healed. Also when that began (wall time)."""
        a, b = self.pair(signals=("metrics", "logs", "traces"), exporter={"sending_queue": {"num_consumers": 1, "queue_size": 2}, "timeout": "10s"})
        self.allowed.late_from = {"a"}
        self.skip_reasons.append(standstill.FULL)  # three signals in a queue of two: if the backend stands still, there is no room either
        since = time.time()
        self.backend_link(a).hold(down=False)
        self.wait_past(2.5 * self.timing.interval)
        return a, b, since

    def end_back_pressure(self, a, since):
        """When b leads; the ticks that found no room are excused."""
        self.lease_watch.wait_holder(lambda holder: holder.startswith("b_"), 20)
        self.allowed.excuse((since - self.timing.interval) * SECOND, time.time() * SECOND, "there was no room")
        self.backend_link(a).heal()

    def trio(self, **options):
        return (*self.pair(**options), self.start_standby("c", **options))

    def watch(self, lease=None):
        watch = super().watch(lease)
        watch.wait_more = functools.partial(type(watch).wait_more, watch, timeout=PATIENCE)
        return watch

    def settle(self, leader):
        self.lease_watch.wait_more(2)
        self.backend.more(2, [leader.name])

    def next_names(self, count):
        return [name for name in self.backend.addresses if name not in self.replicas][:count]

    # -- changes of leader --

    def end(self, replica, number=signal.SIGTERM, timeout=PATIENCE):
        self.may_have_ended.add(replica.name)
        return super().end(replica, number, timeout)

    def kill(self, *replicas):
        for replica in replicas:
            self.may_have_ended.add(replica.name)
            replica.signal(signal.SIGKILL)
        return time.time()

    def hand_over(self, old, *candidates, number=signal.SIGTERM):
        """A planned change: nothing may be missing. Returns the new leader."""
        mark = self.backend.mark()
        self.end(old, number)
        self.expect(old, RELEASED, 0)
        return self.taken_by(candidates, mark)

    def taken_by(self, candidates, mark, count=3, timeout=PATIENCE):
        """The candidate of which `count` batches come since `mark`; one of a leader that is losing its term may come first."""
        _, arrival = self.backend.wait(count, [c.name for c in candidates], mark, timeout, of_one=True)
        return self.replicas[arrival.peer]

    def expiry(self, *holders, before=None):
        """Wall time (s) at which the last Lease that one of these wrote runs out, as a watch of our own saw it."""
        names = {self.identities[h.name] for h in holders}
        seen = [when for when, _, lease in self.lease_watch.events
                if lease.get("spec", {}).get("holderIdentity") in names and (before is None or when <= before)]
        return seen[-1] + self.timing.lease

    def take_over(self, *lost, candidates, since, mark, reachable=None, slack=1.5):
        """Waits until one of the candidates emits, after `lost` was lost at `since` (wall time); what fell due until the Lease had expired, and
        somebody could reach everything (`reachable`, wall time), is excused. Returns the new leader."""
        leader = self.taken_by(candidates, mark)
        end = max(self.expiry(*lost), reachable or 0)
        self.excuse(since, end, f"{lost[0].name} was lost", slack=slack)
        return leader

    def excuse(self, since, until, why, slack=1.5):
        """Wall times in seconds. The next leader claims within half a second behind `until`; the rest of `slack` is for a busy machine. A tick
        that is under way when a process dies is lost with it."""
        self.allowed.excuse((since - self.timing.interval - 0.1) * SECOND, (until + slack) * SECOND, why)

    def wait_past(self, seconds):
        """Lets a fault last for so long: its length is what is tested."""
        time.sleep(seconds)

    # -- the end --

    def fresh_ticks(self):
        """First ticks of schedules that were begun afresh, as the logs tell."""
        fresh, arrivals = set(), self.backend.arrivals()
        for replica in self.replicas.values():
            for text in replica.err.texts():
                if '"Collecting as leader"' in text and '"inherited":"none"' in text.replace(": ", ":"):
                    began_ns = time_ns(json.loads(text)["ts"])
                    own = [a for a in arrivals if a.peer == replica.name and a.time_ns >= began_ns - self.wall_offset_ns(replica)]
                    for one in {a.signal for a in own}:
                        fresh.add(next(a.tick for a in own if a.signal == one))
        return fresh

    @staticmethod
    def wall_offset_ns(replica):
        return replica.clock.wall_ns if replica.clock else 0

    def finish(self):
        """Somebody emits, all replicas live that were not ended, and the promises hold. Returns what does not."""
        problems = []
        try:
            self.backend.more(3)
        except AssertionError as e:
            problems.append(f"nobody emits at the end: {e}")
        for replica in self.replicas.values():
            if not replica.alive() and replica.name not in self.may_have_ended:
                problems.append(f"{replica.name} ended by itself with {replica.wait(1)}")
        return problems + self.broken_promises()

    def broken_promises(self):
        interval_ns = self.timing.interval_ms * 1_000_000
        arrivals, fresh = self.backend.arrivals(), self.fresh_ticks()

        def look():
            self.allowed.standstills = standstill.windows(self.replicas.values(), self.skip_reasons)
            return check(arrivals, fresh, interval_ns, self.allowed, self.fault.name)
        return standstill.settle(look)

    def close(self):
        super().close()
        for link in [*self.api_links.values(), *self.backend_links.values()]:
            link.close()
        for clock in self.own_clocks:
            clock.close()
        self.backend.stop()


__all__ = ["AGAIN", "Backend", "DEFAULTS", "FOLLOWS", "LED", "LOST", "RELEASED", "SHORT", "Stage", "TIMINGS", "Timing"]
