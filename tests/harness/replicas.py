"""Replicas under test: baton, and the Go collector as the reference."""
import json
import os
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


class GoCollector(Process):
    def __init__(self, name, config, folder, kubeconfig, env=None):
        path = os.path.join(folder, f"{name}.yaml")
        with open(path, "w") as f:
            yaml.safe_dump(config, f, sort_keys=False)
        super().__init__([os.path.join(PEERS, "otelcol-ref"), "--config", path], name,
                         env={**(os.environ if env is None else env), "KUBECONFIG": kubeconfig})
