"""The two collectors side by side: the same receiver, the same server, an OTLP sink each; and when both have seen the same."""
import itertools
import json
import os
import time

from compare import event_records
from harness.api import Sink
from harness.processes import PEERS
from harness.replicas import Baton, GoCollector

PATIENCE = 30  # seconds that anything may take on a busy machine
NUMBERS = itertools.count(1)
REFERENCE = os.path.join(PEERS, "otelcol-ref")


def wait_until(condition, what, timeout=PATIENCE, pause=0.02):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what() if callable(what) else what}: not within {timeout} s"
        time.sleep(pause)


def configuration(receiver, endpoint, signals, elector):
    """Of either collector. Requests go out one at a time, so that they arrive in order."""
    config = {
        "receivers": {"k8s_cluster": {"auth_type": "kubeConfig", "collection_interval": "1s", **receiver,
                                      **({"k8s_leader_elector": "k8s_leader_elector"} if elector else {})}},
        "exporters": {"otlp_grpc": {"endpoint": endpoint, "tls": {"insecure": True}, "sending_queue": {"num_consumers": 1}}},
        "service": {"telemetry": {"metrics": {"level": "none"}},
                    "pipelines": {signal: {"receivers": ["k8s_cluster"], "exporters": ["otlp_grpc"]} for signal in signals}}}
    if elector:
        config["extensions"] = {"k8s_leader_elector": {"auth_type": "kubeConfig", "lease_name": elector, "lease_namespace": "default"}}
        config["service"]["extensions"] = ["k8s_leader_elector"]
    return config


class Side:
    """One collector and what its sink has got so far."""

    def __init__(self, name, start, folder, receiver, signals, elector):
        self.name = name
        # The reference sends a tick in one request, of any size; what gRPC servers take is enough for ours.
        self.sink = Sink(name, ("--max-recv-mib", "4" if name == "ours" else "64"))
        elector = f"{elector}-{name}" if elector else None
        self.process = start(f"{name}-{next(NUMBERS)}", configuration(receiver, self.sink.endpoint, signals, elector), folder)
        self.read = 0
        self.ticks = {}  # time: resources, in order
        self.calls = []  # of entity events

    def update(self):
        assert self.process.alive(), f"{self.name} ended:\n" + "\n".join(self.process.err.texts()[-30:])
        texts = self.sink.process.out.texts(self.read)
        self.read += len(texts)
        for text in texts:
            if not text.startswith("{"):
                continue
            call = json.loads(text)
            if call["signal"] == "logs":
                self.calls.append(call)
                continue
            for resource in call.get("resources") or []:
                when = resource["scopes"][0]["metrics"][0]["points"][0]["ts"]
                self.ticks.setdefault(when, []).append(resource)

    def complete(self):
        """Times of the ticks of which nothing more can come: all but the last."""
        self.update()
        return sorted(self.ticks)[:-1]

    def events(self):
        self.update()
        return list(event_records(self.calls))

    def stop(self):
        self.process.stop()
        self.sink.stop()
        status = self.process.popen.returncode
        assert status == 0, f"{self.name} ended with {status}:\n" + "\n".join(self.process.err.texts()[-30:])


def start_reference(kubeconfig):
    """Row 5: it prints times in the local zone; ours must not care about it."""
    def start(name, config, folder):
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        return GoCollector(name, config, folder, kubeconfig, {**environment, "TZ": "UTC"})
    return start


def start_baton(kubeconfig):
    return lambda name, config, folder: Baton(name, config, folder, kubeconfig, {"TZ": "Asia/Kolkata"})


class Pair:
    """Reference and ours."""

    def __init__(self, server, folder, receiver=None, ours=None, signals=("metrics",), elector=None, twice=False):
        """`ours`: settings that only baton gets. `twice`: the reference stands on both sides."""
        self.twice = twice
        self.sides = []
        for name, start, more in (("reference", start_reference, {}), ("ours", start_reference if twice else start_baton, ours or {})):
            self.sides.append(Side(name, start(server.kubeconfig), folder, merged(receiver or {}, {} if twice else more), signals, elector))

    @property
    def reference(self):
        return self.sides[0]

    @property
    def ours(self):
        return self.sides[1]

    def settled(self, seen=lambda resources: True):
        """A tick of each, the first ones that have seen this."""
        def find(side):
            return next((side.ticks[when] for when in side.complete() if seen(side.ticks[when])), None)
        return [wait_until(lambda side=side: find(side), lambda side=side: f"{side.name} has no such tick: {self.log(side)}") for side in self.sides]

    @staticmethod
    def log(side):
        return "\n".join(side.process.err.texts()[-15:])

    def stop(self):
        """The reference last: if ours did not end well, that is what one wants to read."""
        try:
            self.ours.stop()
        finally:
            self.reference.stop()


def merged(base, more):
    """Settings with more of them, level by level."""
    result = dict(base)
    for key, value in more.items():
        result[key] = merged(base.get(key, {}), value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return result
