"""Replicas under test: baton, and the Go collector as the reference."""
import calendar
import json
import os
import re
import time

import yaml

from harness import jitter
from harness.processes import BATON, PEERS, Process

LED = "This replica leads now"
FOLLOWS = "Another replica leads, this one stands by"
LOST = "This replica does not lead any more"
RELEASED = "The Lease is released"


class Baton(Process):
    """baton with a configuration (a dict, written to `folder`); logs in JSON."""

    def __init__(self, name, config, folder, kubeconfig=None, env=None, arguments=(), program=BATON):
        self.config_path = os.path.join(folder, f"{name}.yaml")
        self.write_config(config)
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        environment.update({"POD_NAME": name, "POD_UID": f"uid-of-{name}"})
        if kubeconfig:
            environment["KUBECONFIG"] = kubeconfig
        environment.update(env or {})
        environment = {key: value for key, value in environment.items() if value is not None}
        super().__init__([program, "--config", self.config_path, *arguments], name, env=environment, cwd=folder)
        self.stops = jitter.Stops(self.popen)

    def signal(self, number):
        jitter.nap()
        self.stops.send(number)
        return time.time()

    def write_config(self, config):
        if isinstance(config, dict):
            logs = config.setdefault("service", {}).setdefault("telemetry", {}).setdefault("logs", {})
            logs.setdefault("encoding", "json")
            config = yaml.safe_dump(config, sort_keys=False)
        with open(self.config_path, "w") as f:
            f.write(config)

    def log(self, start=0):
        """Decoded log lines; what is not JSON appears as {"msg": text}."""
        return [decode(text) for text in self.err.texts(start)]

    def wait_log(self, message, timeout, start=0, **fields):
        """(time, line) of the first line whose message begins so and whose fields have these values; None after the timeout."""
        def accept(text):
            line = decode(text)
            good = line.get("msg", "").startswith(message) and all(line.get(key) == value for key, value in fields.items())
            return line if good else None
        return self.err.wait(accept, timeout, start)


def decode(text):
    try:
        line = json.loads(text)
        return line if isinstance(line, dict) else {"msg": text}
    except ValueError:
        return {"msg": text}


def time_ns(text):
    """Of RFC 3339 with a fraction."""
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)$", text)
    assert match, f"a time is {text!r}"
    zone = match.group(3)
    offset = 0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    seconds = calendar.timegm(time.strptime(match.group(1), "%Y-%m-%dT%H:%M:%S")) - offset
    return seconds * 1_000_000_000 + int((match.group(2) or ".0")[1:].ljust(9, "0")[:9])


class GoCollector(Process):
    def __init__(self, name, config, folder, kubeconfig, env=None):
        path = os.path.join(folder, f"{name}.yaml")
        with open(path, "w") as f:
            yaml.safe_dump(config, f, sort_keys=False)
        super().__init__([os.path.join(PEERS, "otelcol-ref"), "--config", path], name,
                         env={**(os.environ if env is None else env), "KUBECONFIG": kubeconfig})
