"""What one end-to-end test works with: a server, a folder, a Lease name of its own, and the replicas that it starts."""
import os
import signal
import time

from harness import jitter, standstill
from harness.processes import Process
from harness.replicas import FOLLOWS, LED, Baton
from harness.ticks import MS, Output, doubled, holes

# Shorter than the defaults, so that tests that wait for an expiry take seconds: gate 2 s and expiry 3 s after a renewal, one each second.
SHORT = {"lease_duration": "3s", "renew_deadline": "2s", "retry_period": "500ms"}
SHORT_DURATION = 3
# For tests in which a call fails and leadership must be kept: gate 3 s after a renewal, one each 1.3 s.
PATIENT = {"lease_duration": "4s", "renew_deadline": "3s", "retry_period": "500ms"}
INTERVAL_MS = 200
INTERVAL = INTERVAL_MS * MS


def slug(component_id):
    return component_id.replace("/", "-")


class World:
    def __init__(self, server, folder, lease):
        self.server, self.folder, self.lease = server, folder, lease
        self.api = server.api
        self.processes = []
        self.watches = []

    # -- configurations --

    def extension(self, lease=None, **settings):
        settings = settings or dict(SHORT)
        return {"auth_type": "kubeConfig", "lease_name": lease or self.lease, "lease_namespace": "default", **settings}

    def config(self, name, receivers=None, extensions=None, interval=f"{INTERVAL_MS}ms", key="leaderelector"):
        """Of the replica `name`: each receiver (id: id of its elector, or None) has a metrics pipeline and an output file of its own."""
        receivers = receivers if receivers is not None else {"dummy/foo": "leaderelector/foo"}
        extensions = extensions if extensions is not None else {"leaderelector/foo": self.extension()}
        config = {"receivers": {}, "extensions": extensions, "exporters": {},
                  "service": {"extensions": list(extensions), "pipelines": {}}}
        for receiver, elector in receivers.items():
            config["receivers"][receiver] = {"interval": interval, "allow_short_interval": True, **({key: elector} if elector else {})}
            exporter = f"debug/{slug(receiver)}"
            config["exporters"][exporter] = self.exporter(name, slug(receiver))
            config["service"]["pipelines"][f"metrics/{slug(receiver)}"] = {"receivers": [receiver], "exporters": [exporter]}
        return config

    def exporter(self, name, output):
        return {"use_internal_logger": False, "verbosity": "detailed", "output_paths": [self.output(name, output).path]}

    def output(self, name, output="dummy-foo"):
        name = name.name if isinstance(name, Process) else name
        return Output(os.path.join(self.folder, f"{name}.{output}.out"))

    # -- replicas --

    def start(self, name, config=None, user="admin", **options):
        jitter.nap()
        options.setdefault("kubeconfig", self.server.kubeconfig_of(user))
        replica = Baton(name, config if config is not None else self.config(name), self.folder, **options)
        self.processes.append(replica)
        return replica

    def start_leader(self, name, config=None, **options):
        replica = self.start(name, config, **options)
        self.expect(replica, LED)
        return replica

    def start_standby(self, name, config=None, **options):
        replica = self.start(name, config, **options)
        self.expect(replica, FOLLOWS)
        return replica

    def start_pair(self, **options):
        return self.start_leader("a", **options), self.start_standby("b", **options)

    def start_other(self, command, name, **options):
        process = Process(command, name, **options)
        self.processes.append(process)
        return process

    @staticmethod
    def expect(replica, message, timeout=20, start=0, **fields):
        jitter.nap()
        found = replica.wait_log(message, timeout, start, **fields)
        assert found, f"{replica.name} did not log {message!r} {fields or ''} in {timeout} s"
        return found

    def end(self, replica, number=signal.SIGTERM, timeout=15):
        """Ends it in order; returns when the signal was sent."""
        when = replica.signal(number)
        status = replica.wait(timeout)
        assert status == 0, f"{replica.name} ended with {status}"
        return when

    # -- the Lease --

    def watch(self, lease=None):
        watch = self.api.watch_lease(lease or self.lease)
        self.watches.append(watch)
        return watch

    def spec(self, lease=None):
        return self.api.lease(lease or self.lease)["spec"]

    # -- the data --

    def ticks(self, *names, output="dummy-foo"):
        return [self.output(name, output).ticks() for name in names]

    def check_once(self, *names, output="dummy-foo", interval=INTERVAL):
        """Each tick of the receiver was emitted by exactly one of these processes, and none is missing."""
        emitted = self.ticks(*names, output=output)
        assert doubled(*emitted) == [], f"ticks were emitted twice, by {names}: {emitted}"
        assert self.missing(*emitted, interval=interval) == [], f"ticks are missing of {names}: {emitted}"
        return emitted

    def missing(self, *emitted, interval=INTERVAL, fresh=True):
        """[(first, last)] missing ticks of the series that these lists make together, but those that fell due while a replica did not run."""
        found = [(before + interval, before + count * interval) for before, count in holes(interval, *emitted, fresh=fresh)]
        return standstill.settle(lambda: standstill.others(found, standstill.windows(self.processes), interval, self.lease) if found else [])

    def check_no_double(self, *names, output="dummy-foo"):
        emitted = self.ticks(*names, output=output)
        assert doubled(*emitted) == [], f"ticks were emitted twice, by {names}: {emitted}"
        return emitted

    # -- the end --

    def close(self):
        for watch in self.watches:
            watch.close()
        for process in self.processes:
            if process.alive():
                process.popen.send_signal(signal.SIGCONT)
                process.popen.kill()
        for process in self.processes:
            process.popen.wait()
            process.stop()


def wait_until(condition, timeout, what):
    """The first true value of condition(), asked again and again."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(0.01)
