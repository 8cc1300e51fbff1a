"""Client certificates that run out and are replaced while replicas run. A real API server looks at the date with each request, and answers 401."""
import os
import subprocess
import time

from harness.clock import Clock
from harness.world import wait_until
from registry import APISERVER, fault
from stage import FOLLOWS, LED, LOST, SHORT

GROUP = {"group": "credentials", "servers": APISERVER}
DAY = 24 * 3600
KEPT = "the leader stays, none missing"
UNUSABLE = "Certificate files have changed and cannot be used; going on as before"


class ClientCertificate:
    """Of one replica: the files that its kubeconfig names, `issue`d again and again by the server's CA."""

    def __init__(self, stage, name):
        self.stage, self.name = stage, name
        self.clock = Clock(stage.clocks, os.path.join(stage.folder, f"{name}.signing-clock"))
        stage.own_clocks.append(self.clock)
        self.numbers = 0

    @property
    def change(self):
        """Of the kubeconfig's user."""
        return {"token": None, "client-certificate": f"{self.name}.crt", "client-key": f"{self.name}.key"}

    def issue(self, seconds=DAY):
        """(certificate, key) that are valid for so long from now; in no file that baton reads."""
        self.numbers += 1
        path = lambda what: os.path.join(self.stage.folder, f"{self.name}.{self.numbers}.{what}")
        ca = lambda what: os.path.join(self.stage.server.folder, f"ca.{what}")
        run = lambda *arguments, **options: subprocess.run(["openssl", *arguments], check=True, capture_output=True, **options)
        run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/O=system:masters/CN={self.name}",
            "-keyout", path("key"), "-out", path("csr"))
        self.clock.step_wall(seconds - DAY - self.clock.wall_ns / 1e9)  # it knows whole days only
        run("x509", "-req", "-in", path("csr"), "-CA", ca("crt"), "-CAkey", ca("key"), "-set_serial", str(1000 + self.numbers), "-days", "1",
            "-out", path("crt"), env={**os.environ, **self.clock.env()})
        return tuple(open(path(what)).read() for what in ("crt", "key"))

    def put(self, certificate=None, key=None):
        """Writes what is given to the files of the kubeconfig."""
        for what, text in (("crt", certificate), ("key", key)):
            if text:
                self.stage.write(f"{self.name}.{what}", text)


def start_with_certificates(stage, seconds):
    """a, whose certificate is valid for so long (more with longer durations), and b, whose is for long; a's files, and when they run out."""
    seconds += 2 * (stage.timing.lease - SHORT.lease)
    own = {name: ClientCertificate(stage, name) for name in ("a", "b")}
    own["b"].put(*own["b"].issue())
    runs_out = time.time() + seconds
    own["a"].put(*own["a"].issue(seconds))
    a = stage.start_leader("a", change=own["a"].change)
    b = stage.start_standby("b", change=own["b"].change)
    stage.settle(a)
    assert time.time() < runs_out - 1, "the certificate ran out before the test began"
    return a, b, own["a"], runs_out


def wait_for_the_end(stage, runs_out):
    """Until the server has refused the certificate for a while, whatever the part of a second."""
    stage.wait_past(max(0, runs_out + 1 - time.time()))
    stage.lease_watch.wait_more(3)


@fault("the leader's client certificate runs out; its files were replaced before, and all connections stay", KEPT, **GROUP)
def client_certificate_renewed(stage):
    a, b, files, runs_out = start_with_certificates(stage, 10)
    files.put(*files.issue())
    wait_for_the_end(stage, runs_out)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the leader's client certificate is replaced, its key a while later: meanwhile they do not belong together; then the old one runs out",
       KEPT, **GROUP)
def client_certificate_before_its_key(stage):
    a, b, files, runs_out = start_with_certificates(stage, 12)
    certificate, key = files.issue()
    files.put(certificate=certificate)

    def seen():
        stage.link(a).cut()  # a connection that fails makes baton look at the files
        stage.wait_past(stage.timing.retry / 2)
        return a.wait_log(UNUSABLE, 0)
    wait_until(seen, 10 * stage.timing.retry, "the mixed pair is seen")
    stage.lease_watch.wait_more(1)
    files.put(key=key)
    wait_for_the_end(stage, runs_out)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the leader's client certificate runs out, and a new one comes when another one leads", "*excused*; then it follows", **GROUP)
def client_certificate_runs_out(stage):
    a, b, files, runs_out = start_with_certificates(stage, 8)
    mark, log = stage.backend.mark(), len(a.err)
    stage.take_over(a, candidates=[b], since=runs_out, mark=mark)
    stage.expect(a, LOST, start=log)
    files.put(*files.issue())
    stage.expect(a, FOLLOWS, 30, start=log, holder="b_uid-of-b")
    stage.lease_watch.wait_more(2)
    stage.hand_over(b, a)
